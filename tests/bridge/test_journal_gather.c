/* Frames of the WAL go to the file in few large writes, and none is left behind by a commit. */
#include "bridge/journal_rig.h"

#include <errno.h>
#include <sys/syscall.h>

/* Stands before the C library's, through which SQLite writes. */
static int writes;
static int writes_left = -1; /* before all fail; -1: none does */
ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset);

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset)
{
    writes++;
    if (writes_left == 0) {
        errno = EIO;
        return -1;
    }
    writes_left -= writes_left > 0;
    return (ssize_t)syscall(SYS_pwrite64, fd, bytes, count, offset);
}

enum { LARGE_BYTES = 16000, ROWS_MAX = 1024 };

static weft_status append_large(rig *r, uint64_t first_seq, size_t count)
{
    static weft__journal_row rows[ROWS_MAX];
    uint8_t *bytes = malloc(count * LARGE_BYTES);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < count; i++) {
        rows[i] = row_of(WEFT_TOPIC_COST, first_seq + i);
        rows[i].bytes = memcpy(bytes + i * LARGE_BYTES, message(first_seq + i, LARGE_BYTES), LARGE_BYTES);
        rows[i].length = LARGE_BYTES;
    }
    weft_status st = weft__journal_append(r->journal, rows, count, NULL, 0);
    free(bytes);
    return st;
}

static void file_copy(const rig *from, const rig *to, const char *suffix)
{
    FILE *in = fopen(rig_name(from, suffix), "rb"), *out = fopen(rig_name(to, suffix), "wb");
    CU_ASSERT_FATAL(in != NULL && out != NULL);
    char block[65536];
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
        CU_ASSERT_EQUAL(fwrite(block, 1, n, out), n);
    (void)fclose(in);
    (void)fclose(out);
}

/* Opens what stands in the files now, as after a crash. */
static void snapshot_open(const rig *r, rig *ret)
{
    rig_prepare(ret);
    file_copy(r, ret, "");
    file_copy(r, ret, "-wal");
    CU_ASSERT_EQUAL_FATAL(rig_open(ret), WEFT_OK);
    CU_ASSERT_FALSE(ret->damaged);
}

static void snapshot_holds(const rig *r, size_t rows)
{
    rig copy;
    snapshot_open(r, &copy);
    CU_ASSERT_EQUAL(pending(&copy)->count, rows);
    CU_ASSERT_EQUAL(pending(&copy)->damaged, 0);
    rig_fini(&copy);
}

static void an_event_is_one_write(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 2);
    for (uint64_t seq = 3; seq < 20; seq++) {
        writes = 0;
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, seq), WEFT_OK);
        CU_ASSERT_EQUAL(writes, 1);
        snapshot_holds(&r, seq);
    }
    rig_fini(&r);
}

static void a_full_round_is_few_writes(void)
{
    rig r;
    rig_init(&r);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK);
    writes = 0;
    CU_ASSERT_EQUAL(append_large(&r, 2, 50), WEFT_OK);
    CU_ASSERT(writes <= 50 * LARGE_BYTES / 100000);
    snapshot_holds(&r, 51);
    rig_fini(&r);
}

/* Rows beyond the cache are written before the commit, and pages of them once more. */
static void a_transaction_larger_than_the_cache_is_whole(void)
{
    rig r;
    rig_init(&r);
    CU_ASSERT_EQUAL(append_large(&r, 1, ROWS_MAX), WEFT_OK);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, ROWS_MAX + 1), WEFT_OK);
    snapshot_holds(&r, ROWS_MAX + 1);
    CU_ASSERT_EQUAL(pending(&r)->count, ROWS_MAX + 1);
    rig_fini(&r);
}

enum { MARKS = 8000, STATE_BYTES = 2000 };

typedef struct marked {
    weft__feed_mark marks[MARKS];
    char names[MARKS][16];
    char states[MARKS][STATE_BYTES];
} marked;

static void marks_set(marked *m, uint64_t line)
{
    for (unsigned i = 0; i < MARKS; i++) {
        (void)snprintf(m->names[i], sizeof m->names[i], "feed %u", i);
        memset(m->states[i], (char)(i + line), STATE_BYTES);
        m->marks[i] = (weft__feed_mark){m->names[i], line, m->states[i], STATE_BYTES, 1};
    }
}

/* Every other one is for a page that has not been in use for about as long as the cache remembers. */
static void marks_mix(marked *m)
{
    enum { FROM_PAGES = 800, PAGES = 1200 };
    for (unsigned i = 1; i < MARKS; i += 2) {
        unsigned back = 2 * (FROM_PAGES + i % PAGES);
        if (i >= back)
            m->marks[i] = m->marks[i - back];
    }
}

static void marks_hold(rig *r, const marked *m)
{
    unsigned held = 0;
    for (unsigned i = 0; i < MARKS; i++) {
        char *state = NULL;
        uint64_t line = 0;
        size_t bytes = 0;
        held += weft__journal_feed(r->journal, m->marks[i].feed, &line, &state, &bytes) == WEFT_OK &&
                line == m->marks[i].line && bytes == STATE_BYTES && memcmp(state, m->marks[i].state, bytes) == 0;
        free(state);
    }
    CU_ASSERT_EQUAL(held, MARKS);
}

/* Pages leave the cache for the WAL, are read from there, changed, and written again. */
static void pages_written_twice_in_a_transaction_are_whole(void)
{
    marked *m = malloc(sizeof *m);
    rig r, copy;
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    rig_init(&r);
    for (uint64_t line = 1; line <= 2; line++) {
        marks_set(m, line);
        if (line == 2)
            marks_mix(m);
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, NULL, 0, m->marks, MARKS), WEFT_OK);
        snapshot_open(&r, &copy);
        marks_hold(&copy, m);
        rig_fini(&copy);
        marks_hold(&r, m);
    }
    rig_fini(&r);
    free(m);
}

/* Wherever in it the disk fails. */
static void a_transaction_that_cannot_be_written_leaves_nothing(void)
{
    rig r;
    rig_init(&r);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK);
    for (int left = 0; left < 8; left++) {
        writes_left = left;
        weft_status st = append_large(&r, 2, 60);
        CU_ASSERT_EQUAL(st, WEFT_IO);
        writes_left = -1;
        snapshot_holds(&r, 1);
        CU_ASSERT_EQUAL(pending(&r)->count, 1);
    }
    CU_ASSERT_EQUAL(append_large(&r, 2, 60), WEFT_OK);
    snapshot_holds(&r, 61);
    rig_fini(&r);
}

static void a_failure_before_the_commit_is_rolled_back(void)
{
    rig r;
    rig_init(&r);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK);
    writes_left = 40; /* in the midst of what the cache does not hold */
    CU_ASSERT_EQUAL(append_large(&r, 2, ROWS_MAX), WEFT_IO);
    writes_left = -1;
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 2), WEFT_OK);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 3), WEFT_OK);
    snapshot_holds(&r, 3);
    rig_fini(&r);
}

static void a_wal_begun_anew_is_whole(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t seq = 1; seq < 1200; seq += 100) {
        CU_ASSERT_EQUAL(append_large(&r, seq, 99), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, seq + 99), WEFT_OK);
    }
    CU_ASSERT_EQUAL(pending(&r)->count, 1200);
    snapshot_holds(&r, 1200);
    rig_fini(&r);
}

SUITE(bridge_journal_gather, CASE(an_event_is_one_write), CASE(a_full_round_is_few_writes),
      CASE(a_transaction_larger_than_the_cache_is_whole), CASE(pages_written_twice_in_a_transaction_are_whole),
      CASE(a_transaction_that_cannot_be_written_leaves_nothing), CASE(a_failure_before_the_commit_is_rolled_back),
      CASE(a_wal_begun_anew_is_whole))
