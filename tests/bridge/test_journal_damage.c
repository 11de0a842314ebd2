/* The journal's promises while processes die, disks fill up or fail, and files are cut or changed. */
#include "bridge/journal_rig.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PAGE = 4096 };

/* Stands before the C library's, for the journal alone: SQLite's own syncs go the same way, and count as well. */
static atomic_bool sync_fails;
static atomic_int syncs;
static void (*during_sync)(void); /* called once, by the next sync */
int fdatasync(int fd);

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    void (*call)(void) = during_sync;
    if (call != NULL) {
        during_sync = NULL;
        call();
    }
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ---- processes that die ---- */

/* A child that appends rows one by one, tells of each through *ret_fd, and goes on until it is killed or has `max`. */
static pid_t child_append(rig *r, uint64_t max, int *ret_fd)
{
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        if (rig_open(r) != WEFT_OK)
            _exit(1);
        for (uint64_t seq = 1; seq <= max; seq++)
            if (append_one(r, WEFT_TOPIC_COST, seq) != WEFT_OK || write(ends[1], &seq, sizeof seq) != sizeof seq)
                _exit(1);
        (void)kill(getpid(), SIGKILL); /* no close, no sync */
    }
    (void)close(ends[1]);
    *ret_fd = ends[0];
    return child;
}

static uint64_t last_told(int fd, uint64_t enough)
{
    uint64_t seq = 0, told;
    while (seq < enough && read(fd, &told, sizeof told) == sizeof told)
        seq = told;
    return seq;
}

static void assert_killed(pid_t child)
{
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void rows_survive_a_kill_between_append_and_sync(void)
{
    rig r;
    int fd;
    rig_prepare(&r);
    pid_t child = child_append(&r, 1000000, &fd);
    uint64_t told = last_told(fd, 300);
    CU_ASSERT_EQUAL(told, 300);
    (void)kill(child, SIGKILL);
    assert_killed(child);
    told += last_told(fd, UINT64_MAX) > 0; /* at least one more than read above, if any was told after it */
    (void)close(fd);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    const collected *c = pending(&r);
    CU_ASSERT(c->count >= told);
    CU_ASSERT_EQUAL(c->damaged, 0);
    for (size_t i = 0; i < c->count; i++)
        CU_ASSERT_EQUAL(c->rows[i].last_seq, i + 1);
    rig_fini(&r);
}

/* Leaves a journal with `max` rows as a killed process does: mostly in its WAL. */
static void leave_unclosed(rig *r, uint64_t max)
{
    int fd;
    rig_prepare(r);
    pid_t child = child_append(r, max, &fd);
    CU_ASSERT_EQUAL(last_told(fd, UINT64_MAX), max);
    (void)close(fd);
    assert_killed(child);
}

/* Opens and finds some first rows, unchanged; then the journal works. */
static size_t assert_prefix_and_usable(rig *r)
{
    CU_ASSERT_EQUAL_FATAL(rig_open(r), WEFT_OK);
    const collected *c = pending(r);
    size_t count = c->count;
    CU_ASSERT_EQUAL(c->damaged, 0);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(c->rows[i].last_seq, i + 1);
    CU_ASSERT_EQUAL(append_one(r, WEFT_TOPIC_COST, 1000), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(r), WEFT_OK);
    CU_ASSERT_EQUAL(pending(r)->count, count + 1);
    return count;
}

static void a_cut_wal_keeps_the_rows_before_the_cut(void)
{
    const off_t cuts[] = {1, 17, PAGE, 3 * PAGE + 5, 40 * PAGE};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        rig r;
        leave_unclosed(&r, 50);
        off_t size = rig_size(&r, "-wal");
        CU_ASSERT(size > 50 * PAGE);
        CU_ASSERT_EQUAL(truncate(rig_name(&r, "-wal"), size - cuts[i]), 0);
        size_t count = assert_prefix_and_usable(&r);
        CU_ASSERT(count < 50);
        CU_ASSERT(count >= 49 - (size_t)(cuts[i] / PAGE));
        rig_fini(&r);
    }
}

static void a_changed_wal_keeps_the_rows_before_the_change(void)
{
    for (int eighth = 1; eighth < 8; eighth++) {
        rig r;
        leave_unclosed(&r, 50);
        off_t at = rig_size(&r, "-wal") * eighth / 8;
        file_patch(rig_name(&r, "-wal"), at, "\xa5\x5a\xa5\x5a", 4);
        CU_ASSERT(assert_prefix_and_usable(&r) < 50);
        rig_fini(&r);
    }
}

static void a_wal_of_noise_does_no_harm(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 10);
    rig_close(&r);
    FILE *wal = fopen(rig_name(&r, "-wal"), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(wal);
    for (uint32_t i = 1, x = 1; i < 5 * PAGE; i++)
        (void)fputc((int)((x = x * 1664525 + 1013904223) >> 24), wal);
    (void)fclose(wal);
    CU_ASSERT_EQUAL(assert_prefix_and_usable(&r), 10);
    rig_fini(&r);
}

/* ---- changed bytes inside rows ---- */

/* Changes one byte where the closed file holds `bytes`. */
static void change_at(const rig *r, const void *bytes, size_t length, off_t offset)
{
    off_t at = file_find(r->path, bytes, length);
    CU_ASSERT_FATAL(at >= 0);
    file_patch(r->path, at + offset, "#", 1);
}

static void assert_only_damaged(rig *r, size_t which)
{
    CU_ASSERT_EQUAL_FATAL(rig_open(r), WEFT_OK);
    const collected *c = pending(r);
    CU_ASSERT_EQUAL_FATAL(c->count, 20);
    CU_ASSERT_EQUAL(c->damaged, 1);
    CU_ASSERT_PTR_NULL(c->rows[which - 1].bytes);
    CU_ASSERT_EQUAL(c->rows[which - 1].first_seq, which);
    CU_ASSERT_EQUAL(c->rows[which - 1].last_seq, which);
    CU_ASSERT_EQUAL(c->rows[which - 1].topic, WEFT_TOPIC_COST);
}

static void a_changed_message_is_given_without_bytes(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 20);
    rig_close(&r);
    change_at(&r, "message 7.", 10, 3);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void a_changed_checksum_tag_does_not_make_a_message_unchecked(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 20);
    rig_close(&r);
    change_at(&r, message(7, 100), 100, 100 - 8);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void changed_numbers_of_a_row_are_noticed(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
        row.accepted_ms = seq == 7 ? INT64_C(0x1122334455667788) : 1;
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    }
    rig_close(&r);
    change_at(&r, "\x11\x22\x33\x44\x55\x66\x77\x88", 8, 4);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void rows_without_a_checksum_are_given_unchecked(void)
{
    rig r;
    rig_init(&r);
    weft__journal_row row = row_of(WEFT_TOPIC_COST, 1);
    row.length = 50; /* the checksum cut off */
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    static collected c;
    c = (collected){0};
    CU_ASSERT_EQUAL(weft__journal_each_pending(r.journal, 0, 9, collect, &c), WEFT_OK);
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_EQUAL(c.damaged, 0);
    rig_fini(&r);
}

/* ---- damaged structure ---- */

/* 600 rows of 600 bytes (100 pages), half acknowledged, a mark and an epoch; closed. */
static void leave_closed(rig *r)
{
    rig_init(r);
    for (uint64_t seq = 1; seq <= 600; seq++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
        row.bytes = message(seq, 600);
        row.length = 600;
        CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    }
    weft__feed_mark mark = {"feed", 12, "state", 5, 0};
    CU_ASSERT_EQUAL(weft__journal_append(r->journal, NULL, 0, &mark, 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r->journal, RIG_EPOCH + 7), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, RIG_EPOCH, WEFT_TOPIC_COST, 300), WEFT_OK);
    rig_close(r);
}

/* Overwrites the page that holds a message. */
static void page_destroy(const rig *r, uint64_t seq)
{
    static const uint8_t nothing[PAGE];
    off_t at = file_find(r->path, message(seq, 600), 600);
    CU_ASSERT_FATAL(at >= 0);
    file_patch(r->path, at / PAGE * PAGE, nothing, PAGE);
}

/* What a process that was killed leaves beside the file, if a checkpoint had just emptied it. */
static void mark_unclosed(const rig *r)
{
    FILE *wal = fopen(rig_name(r, "-wal"), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(wal);
    (void)fclose(wal);
}

static void assert_salvaged(rig *r, size_t least)
{
    CU_ASSERT_TRUE(r->damaged);
    CU_ASSERT_PTR_NOT_NULL_FATAL(weft__journal_damaged_path(r->journal));
    CU_ASSERT_EQUAL(access(weft__journal_damaged_path(r->journal), F_OK), 0);
    const collected *c = pending(r);
    CU_ASSERT(c->count >= least && c->count < 300);
    CU_ASSERT_EQUAL(c->damaged, 0);
    CU_ASSERT_EQUAL(weft__journal_acknowledged(r->journal, RIG_EPOCH, WEFT_TOPIC_COST), 300);
    weft__position position = {0};
    CU_ASSERT_EQUAL(weft__journal_positions(r->journal, &position, 1), 1);
    CU_ASSERT_EQUAL(position.last_seq, 600);
    uint64_t line = 0, epoch = 0;
    char *state = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL(weft__journal_feed(r->journal, "feed", &line, &state, &bytes), WEFT_OK);
    CU_ASSERT_EQUAL(line, 12);
    CU_ASSERT_EQUAL(bytes, 5);
    free(state);
    CU_ASSERT_EQUAL(weft__journal_last_epoch(r->journal, &epoch), WEFT_OK);
    CU_ASSERT_EQUAL(epoch, RIG_EPOCH + 7);
    CU_ASSERT_EQUAL(append_one(r, WEFT_TOPIC_COST, 601), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r->journal, &stats);
    CU_ASSERT_EQUAL(stats.pending_rows, c->count + 1);
}

static void carries_what_is_readable_over_after_damage(void)
{
    rig r;
    leave_closed(&r);
    page_destroy(&r, 350);
    page_destroy(&r, 450);
    page_destroy(&r, 451); /* often the same page */
    page_destroy(&r, 600); /* the last one */
    mark_unclosed(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    assert_salvaged(&r, 300 - 4 * 7); /* at most seven rows to a page */
    CU_ASSERT(rig_exists(&r, ".damaged-1"));
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    rig_fini(&r);
}

static void damage_met_while_reading_is_salvaged_by_the_next_open(void)
{
    rig r;
    leave_closed(&r);
    page_destroy(&r, 450);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    const collected *c = pending(&r);
    CU_ASSERT_EQUAL(c->count, 300); /* the index knows of all */
    CU_ASSERT(c->damaged > 0 && c->damaged <= 7);
    for (size_t i = 0; i < c->count; i++) {
        CU_ASSERT_EQUAL(c->rows[i].first_seq, 301 + i);
        CU_ASSERT_EQUAL(c->rows[i].last_seq, 301 + i);
    }
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    assert_salvaged(&r, 300 - 7);
    rig_fini(&r);
}

static void a_file_of_noise_is_moved_aside(void)
{
    rig r;
    rig_prepare(&r);
    for (int n = 1; n <= 11; n++) {
        FILE *file = fopen(r.path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        for (int i = 0; i < 3000; i++)
            (void)fputs("noise", file);
        (void)fclose(file);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        CU_ASSERT_TRUE(r.damaged);
        CU_ASSERT_EQUAL(pending(&r)->count, 0);
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK);
        rig_close(&r);
    }
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-1"), 15000);
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-9"), 15000);
    CU_ASSERT_FALSE(rig_exists(&r, ".damaged-10"));
    rig_fini(&r);
}

static void finishes_a_salvage_that_was_interrupted(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 5);
    rig_close(&r);
    char salvaged[192];
    (void)snprintf(salvaged, sizeof salvaged, "%s.salvaged", r.path);
    CU_ASSERT_EQUAL(rename(r.path, salvaged), 0); /* complete, not yet in place … */
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 5);
    rig_close(&r);
    CU_ASSERT_EQUAL(rename(r.path, salvaged), 0); /* … and with the damaged file still there */
    FILE *file = fopen(r.path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fputs("noise", file);
    (void)fclose(file);
    mark_unclosed(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_TRUE(r.damaged);
    CU_ASSERT_EQUAL(pending(&r)->count, 5);
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-1"), 5);
    CU_ASSERT(rig_exists(&r, ".damaged-1-wal"));
    CU_ASSERT_FALSE(rig_exists(&r, ".salvaged"));
    rig_fini(&r);
}

static void cut_files_never_lose_the_way(void)
{
    for (off_t pages = 0; pages < 40; pages += 3) {
        rig r;
        leave_closed(&r);
        CU_ASSERT_EQUAL(truncate(r.path, pages * PAGE + 100), 0);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        CU_ASSERT_TRUE(r.damaged);
        (void)pending(&r);
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 601), WEFT_OK);
        rig_fini(&r);
    }
}

static void changed_bytes_anywhere_never_crash_or_lie(void)
{
    rig r;
    leave_closed(&r);
    off_t size = rig_size(&r, "");
    rig_fini(&r);
    uint32_t x = 12345;
    for (int round = 0; round < 60; round++) {
        leave_closed(&r);
        for (int i = 0; i < 8; i++) {
            x = x * 1664525 + 1013904223;
            uint8_t byte = (uint8_t)(x >> 16);
            file_patch(r.path, (off_t)(x % (uint32_t)(size - 100)) + 100, &byte, 1);
        }
        mark_unclosed(&r);
        weft_status st = rig_open(&r);
        CU_ASSERT(st == WEFT_OK);
        static collected c;
        c.count = c.damaged = c.altered = c.unsorted = 0;
        if (st == WEFT_OK) {
            st = weft__journal_each_pending(r.journal, 0, RIG_ROWS_MAX, collect, &c);
            CU_ASSERT(st == WEFT_OK || st == WEFT_CORRUPT);
        }
        CU_ASSERT_EQUAL(c.altered, 0);
        rig_fini(&r);
    }
}

/* ---- disks ---- */

static weft_status append_large(rig *r, uint64_t seq)
{
    weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
    row.bytes = message(seq, 20000);
    row.length = 20000;
    return weft__journal_append(r->journal, &row, 1, NULL, 0);
}

static int fill_then_free(rig *r)
{
    struct rlimit limit = {.rlim_cur = 1024 * 1024, .rlim_max = RLIM_INFINITY};
    uint64_t seq = 1;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (rig_open(r) != WEFT_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    weft_status st;
    while ((st = append_large(r, seq)) == WEFT_OK && seq < 1000)
        seq++;
    if (st != WEFT_NO_SPACE || append_large(r, seq) != WEFT_NO_SPACE || seq < 10)
        return 2;
    if (pending(r)->count != seq - 1) /* what is there can be read meanwhile */
        return 3;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 4;
    for (uint64_t end = seq + 20; seq < end; seq++)
        if (append_large(r, seq) != WEFT_OK)
            return 5;
    if (pending(r)->count != seq - 1)
        return 6;
    (void)kill(getpid(), SIGKILL);
    return 7;
}

static void a_full_disk_refuses_and_recovers(void)
{
    rig r;
    rig_prepare(&r);
    pid_t child = fork();
    if (child == 0)
        _exit(fill_then_free(&r));
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFSIGNALED(status));
    CU_ASSERT_EQUAL(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    const collected *c = pending(&r);
    CU_ASSERT(c->count >= 30);
    CU_ASSERT_EQUAL(c->damaged, 0);
    for (size_t i = 0; i < c->count; i++)
        CU_ASSERT_EQUAL(c->rows[i].last_seq, i + 1);
    rig_fini(&r);
}

static void syncs_only_what_is_new(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 3);
    int before = atomic_load(&syncs);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1);
    append_range(&r, WEFT_TOPIC_COST, 4, 5);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 1); /* an append waits for no disk */
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&syncs), before + 2);
    rig_fini(&r);
}

static void a_failed_sync_is_not_forgotten(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 10);
    atomic_store(&sync_fails, true);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_IO);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_IO);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 11), WEFT_OK);
    atomic_store(&sync_fails, false);
    CU_ASSERT(rig_size(&r, "-wal") > 0);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), 0); /* not trusted any more: all is in the database */
    append_range(&r, WEFT_TOPIC_COST, 12, 15);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 15);
    rig_fini(&r);
}

static size_t pending_count(rig *r)
{
    weft__journal_stats stats;
    weft__journal_get_stats(r->journal, &stats);
    return stats.pending_rows;
}

static void append_huge(rig *r, uint64_t *seq, uint64_t count)
{
    for (uint64_t end = *seq + count; *seq < end; (*seq)++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, *seq);
        row.bytes = message(*seq, RIG_BYTES_MAX);
        row.length = RIG_BYTES_MAX;
        CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    }
}

static void a_checkpoint_waits_for_the_wal_to_grow(void)
{
    rig r;
    uint64_t seq = 1;
    rig_init(&r);
    append_huge(&r, &seq, 10);
    off_t before = rig_size(&r, "");
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(rig_size(&r, ""), before); /* too little to bother */
    append_huge(&r, &seq, 80);
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT(rig_size(&r, "") > 80 * RIG_BYTES_MAX);
    off_t wal = rig_size(&r, "-wal");
    append_huge(&r, &seq, 40);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), wal); /* written from the beginning again */
    rig_fini(&r);
}

static rig *busy_rig;
static uint64_t busy_seq;

static void busy_append(void)
{
    append_huge(busy_rig, &busy_seq, 1);
}

/* An append comes while a checkpoint runs, as always under load: then the checkpoint never moves everything. */
static void a_busy_journal_does_not_let_its_wal_grow(void)
{
    rig r;
    rig_init(&r);
    busy_rig = &r;
    busy_seq = 1;
    append_huge(&r, &busy_seq, 1100);
    off_t wal = rig_size(&r, "-wal");
    CU_ASSERT(wal > 64 * 1024 * 1024);
    during_sync = busy_append;
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT_PTR_NULL(during_sync); /* it came */
    wal = rig_size(&r, "-wal");
    append_huge(&r, &busy_seq, 100);
    CU_ASSERT_EQUAL(rig_size(&r, "-wal"), wal);
    CU_ASSERT_EQUAL(pending_count(&r), busy_seq - 1);
    rig_fini(&r);
}

static atomic_bool appends_done;
static atomic_int background_failures;

static void *sync_run(void *journal)
{
    while (!atomic_load(&appends_done))
        if (weft__journal_sync(journal) != WEFT_OK)
            atomic_fetch_add(&background_failures, 1);
    return NULL;
}

static void *checkpoint_run(void *journal)
{
    while (!atomic_load(&appends_done)) {
        if (weft__journal_checkpoint(journal) != WEFT_OK)
            atomic_fetch_add(&background_failures, 1);
        (void)poll(NULL, 0, 1);
    }
    return NULL;
}

static void sync_and_checkpoint_run_beside_appends(void)
{
    rig r;
    uint64_t seq = 1;
    pthread_t threads[2];
    rig_init(&r);
    atomic_store(&appends_done, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[0], NULL, sync_run, r.journal), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[1], NULL, checkpoint_run, r.journal), 0);
    for (int i = 0; i < 40; i++) {
        append_huge(&r, &seq, 50);
        CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, seq - 20), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, NULL, NULL), WEFT_OK);
        CU_ASSERT_EQUAL(pending(&r)->count, 19);
    }
    atomic_store(&appends_done, true);
    (void)pthread_join(threads[0], NULL);
    (void)pthread_join(threads[1], NULL);
    CU_ASSERT_EQUAL(atomic_load(&background_failures), 0);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.rows, 2000);
    CU_ASSERT_EQUAL(stats.pending_rows, 19);
    rig_fini(&r);
}

SUITE(bridge_journal_damage, CASE(rows_survive_a_kill_between_append_and_sync),
      CASE(a_cut_wal_keeps_the_rows_before_the_cut), CASE(a_changed_wal_keeps_the_rows_before_the_change),
      CASE(a_wal_of_noise_does_no_harm), CASE(a_changed_message_is_given_without_bytes),
      CASE(a_changed_checksum_tag_does_not_make_a_message_unchecked), CASE(changed_numbers_of_a_row_are_noticed),
      CASE(rows_without_a_checksum_are_given_unchecked), CASE(carries_what_is_readable_over_after_damage),
      CASE(damage_met_while_reading_is_salvaged_by_the_next_open), CASE(a_file_of_noise_is_moved_aside),
      CASE(finishes_a_salvage_that_was_interrupted), CASE(cut_files_never_lose_the_way),
      CASE(changed_bytes_anywhere_never_crash_or_lie), CASE(a_full_disk_refuses_and_recovers),
      CASE(syncs_only_what_is_new), CASE(a_failed_sync_is_not_forgotten), CASE(a_checkpoint_waits_for_the_wal_to_grow),
      CASE(a_busy_journal_does_not_let_its_wal_grow), CASE(sync_and_checkpoint_run_beside_appends))
