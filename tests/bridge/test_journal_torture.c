/* The n-th write, sync or change of a name fails, for every n: nothing that was confirmed is lost, nothing crashes.
 *
 * Every n with WEFT_TORTURE=all, else some twenty of each kind spread over the run. */
#include "driven_rig.h"
#include "journal_rig.h"

#include "support/disk/sim_disk.h"

#include <errno.h>

enum { ROWS = 135, ROW_BYTES = 2500, SAMPLES = 20 };

static uint64_t stride_of(uint64_t count)
{
    const char *all = getenv("WEFT_TORTURE");
    return (all != NULL && strcmp(all, "all") == 0) || count < SAMPLES ? 1 : count / SAMPLES;
}

typedef struct trial {
    unsigned op;    /* sim_disk_op */
    uint64_t count; /* operations that fail */
    int error;
    sim_disk_end end;
} trial;

/* ---- the journal's own life ---- */

typedef struct story {
    sim_disk *disk;
    weft__journal *journal;
    bool confirmed[ROWS + 1];
    bool tried[ROWS + 1];
    uint64_t synced; /* all confirmed up to here */
    uint64_t marked; /* the newest confirmed mark */
} story;

static void story_open(story *s)
{
    weft__journal_opts opts = {.path = "/j.db", .disk = sim_disk_ops(s->disk), .reserve_bytes = 32 * 1024};
    for (int attempt = 0; attempt < 3 && s->journal == NULL; attempt++)
        (void)weft__journal_open(&opts, &s->journal, NULL, NULL);
    if (s->journal == NULL) {
        sim_disk_fail(s->disk, NULL); /* it went on for too long: the disk was mended */
        CU_ASSERT_EQUAL_FATAL(weft__journal_open(&opts, &s->journal, NULL, NULL), WEFT_OK);
    }
}

static void story_reopen(story *s)
{
    weft__journal_close(s->journal);
    s->journal = NULL;
    story_open(s);
}

static void story_append(story *s, uint64_t seq)
{
    weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
    weft__feed_mark mark = {.feed = "feed", .line = seq, .touched_ms = 1};
    row.bytes = message(seq, ROW_BYTES);
    row.length = ROW_BYTES;
    for (int attempt = 0; attempt < 2 && !s->confirmed[seq]; attempt++) {
        s->tried[seq] = true;
        weft_status st = weft__journal_append(s->journal, &row, 1, &mark, 1);
        s->confirmed[seq] = st == WEFT_OK;
        CU_ASSERT_NOT_EQUAL(st, WEFT_INVALID);
        if (st == WEFT_CORRUPT)
            story_reopen(s);
    }
    if (s->confirmed[seq])
        s->marked = seq;
}

static void story_tell(story *s)
{
    story_open(s);
    for (uint64_t seq = 1; seq <= ROWS; seq++) {
        story_append(s, seq);
        if (seq % 7 == 0 && weft__journal_sync(s->journal) == WEFT_OK)
            s->synced = seq;
        if (seq % 11 == 0)
            (void)weft__journal_acknowledge(s->journal, RIG_EPOCH, WEFT_TOPIC_COST, seq / 2);
        if (seq % 13 == 0)
            (void)weft__journal_trim(s->journal, 0, NULL, NULL);
        if (seq % 40 == 0)
            story_reopen(s); /* closing moves the WAL into the database */
        if (weft__journal_is_low(s->journal))
            (void)weft__journal_reserve_restore(s->journal);
    }
}

typedef struct found {
    bool rows[ROWS + 1];
    size_t wrong;
} found;

static weft_status row_found(const weft__journal_row *row, void *user)
{
    found *f = user;
    bool sound = row->last_seq <= ROWS && row->bytes != NULL && row->length == ROW_BYTES &&
                 memcmp(row->bytes, message(row->last_seq, ROW_BYTES), ROW_BYTES) == 0;
    f->wrong += !sound;
    if (sound)
        f->rows[row->last_seq] = true;
    return WEFT_OK;
}

/* Whether all that had been promised is there when the journal is opened again. */
static bool story_holds(story *s, sim_disk_end end)
{
    found f = {0};
    uint64_t first_kept, line = 0;
    char *state = NULL;
    size_t bytes, lost = 0, invented = 0;
    CU_ASSERT_EQUAL(weft__journal_each_in_range(s->journal, RIG_EPOCH, WEFT_TOPIC_COST, 1, ROWS, ROWS + 1, row_found,
                                                &f, &first_kept),
                    WEFT_OK);
    for (uint64_t seq = 1; seq <= ROWS; seq++) {
        bool promised = s->confirmed[seq] && (end == SIM_DISK_KILL || seq <= s->synced);
        lost += promised && !f.rows[seq];
        invented += f.rows[seq] && !s->tried[seq];
    }
    (void)weft__journal_feed(s->journal, "feed", &line, &state, &bytes);
    free(state);
    bool mark_holds = (end == SIM_DISK_POWER_CUT || line >= s->marked) && (line == 0 || f.rows[line]);
    return f.wrong == 0 && lost == 0 && invented == 0 && mark_holds;
}

/* Returns how many such operations a run without a fault makes. */
static uint64_t story_run(const trial *t, uint64_t nth)
{
    story s = {.disk = sim_disk_create(nth + 1)};
    sim_disk_set_allocates(s.disk, true);
    if (nth > 0)
        sim_disk_fail(s.disk, &(sim_disk_fault){t->op, nth - 1, t->count, t->error});
    story_tell(&s);
    uint64_t count = sim_disk_count(s.disk, t->op);
    sim_disk_crash(s.disk, t->end);
    weft__journal_close(s.journal);
    s.journal = NULL;
    sim_disk_fail(s.disk, NULL);
    story_open(&s);
    if (!story_holds(&s, t->end)) {
        printf("operation %llu of kind %u, %llu of them, error %d, %s\n", (unsigned long long)nth, t->op,
               (unsigned long long)t->count, t->error, t->end == SIM_DISK_KILL ? "kill" : "power cut");
        CU_FAIL("a promise is broken");
    }
    weft__journal_close(s.journal);
    sim_disk_destroy(s.disk);
    return count;
}

static void story_torture(unsigned op, int error)
{
    static const uint64_t lengths[] = {1, 5, UINT64_MAX};
    for (int end = SIM_DISK_KILL; end <= SIM_DISK_POWER_CUT; end++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            trial t = {.op = op, .count = lengths[i], .error = error, .end = (sim_disk_end)end};
            uint64_t count = story_run(&t, 0);
            CU_ASSERT(count > 0);
            for (uint64_t nth = 1; nth <= count; nth += stride_of(count))
                (void)story_run(&t, nth);
        }
}

static void a_journal_whose_nth_write_fails(void)
{
    story_torture(SIM_DISK_WRITE, EIO);
}

static void a_journal_whose_nth_write_finds_no_space(void)
{
    story_torture(SIM_DISK_WRITE, ENOSPC);
}

static void a_journal_whose_nth_sync_fails(void)
{
    story_torture(SIM_DISK_SYNC, EIO);
}

static void a_journal_whose_nth_name_fails(void)
{
    story_torture(SIM_DISK_NAME, EIO);
}

/* ---- a bridge over it ---- */

enum { EVENTS = 60 };

/* Two hosts, the first over a disk of which the n-th operation fails for a while. Returns how many a run makes. */
static uint64_t bridge_run(const trial *t, uint64_t nth)
{
    static const weft_bridge_opts opts = {.journal_path = "/a/j.db", .journal_reserve_bytes = 32 * 1024};
    sim_disk *disk = sim_disk_create(nth + 1);
    world w = {.broker = fake_broker_create(FAKE_PUMPED), .disk = sim_disk_ops(disk)};
    uint64_t accepted = 0;
    sim_disk_set_allocates(disk, true);
    fake_clock_init(&w.clock, 1000000);
    w.hosts[0] = driven_start_with(&w, "a", 0, &opts);
    w.hosts[1] = driven_start(&w, "b", WEFT_TOPIC_COST);
    turns_give(&w, 20);
    uint64_t before = sim_disk_count(disk, t->op);
    if (nth > 0)
        sim_disk_fail(disk, &(sim_disk_fault){t->op, nth - 1, t->count, t->error});
    for (int i = 0; i < EVENTS; i++) {
        accepted += publish(w.hosts[0], accepted + 1) == WEFT_OK;
        turns_give(&w, 3);
        w.hosts[0]->bridge->trimmed_ms = INT64_MIN / 2; /* trims at every turn */
    }
    uint64_t count = sim_disk_count(disk, t->op) - before;
    sim_disk_fail(disk, NULL);
    turns_give(&w, 300);
    CU_ASSERT_EQUAL(publish(w.hosts[0], ++accepted), WEFT_OK);
    turns_give(&w, 100);
    if (!has_each_once(w.hosts[1], 1, accepted) || w.hosts[1]->lost_reports > 0) {
        printf("operation %llu of kind %u, %llu of them, error %d: %zu of %llu\n", (unsigned long long)nth, t->op,
               (unsigned long long)t->count, t->error, w.hosts[1]->count, (unsigned long long)accepted);
        CU_FAIL("a promise is broken");
    }
    host_destroy(w.hosts[0]);
    host_destroy(w.hosts[1]);
    fake_broker_destroy(w.broker);
    sim_disk_destroy(disk);
    return count;
}

static void bridge_torture(unsigned op, int error)
{
    static const uint64_t lengths[] = {1, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        trial t = {.op = op, .count = lengths[i], .error = error};
        uint64_t count = bridge_run(&t, 0), stride = 2 * stride_of(count) - 1;
        CU_ASSERT(count > 0);
        for (uint64_t nth = 1; nth <= count; nth += stride)
            (void)bridge_run(&t, nth);
    }
}

static void a_bridge_whose_nth_write_fails(void)
{
    bridge_torture(SIM_DISK_WRITE, EIO);
}

static void a_bridge_whose_nth_write_finds_no_space(void)
{
    bridge_torture(SIM_DISK_WRITE, ENOSPC);
}

static void a_bridge_whose_nth_sync_fails(void)
{
    bridge_torture(SIM_DISK_SYNC, EIO);
}

SUITE(bridge_journal_torture, CASE(a_journal_whose_nth_write_fails), CASE(a_journal_whose_nth_write_finds_no_space),
      CASE(a_journal_whose_nth_sync_fails), CASE(a_journal_whose_nth_name_fails), CASE(a_bridge_whose_nth_write_fails),
      CASE(a_bridge_whose_nth_write_finds_no_space), CASE(a_bridge_whose_nth_sync_fails))
