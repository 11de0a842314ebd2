/* The journal's promises while processes die, files are left behind and disks fill up. */
#include "bridge/journal_rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { PAGE = 4096 };

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

/* ---- full disks ---- */

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

SUITE(bridge_journal_kill, CASE(rows_survive_a_kill_between_append_and_sync),
      CASE(a_cut_wal_keeps_the_rows_before_the_cut), CASE(a_changed_wal_keeps_the_rows_before_the_change),
      CASE(a_wal_of_noise_does_no_harm), CASE(a_full_disk_refuses_and_recovers))
