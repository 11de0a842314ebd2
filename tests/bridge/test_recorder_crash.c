/* A recorder whose disk fails at any write and whose host is killed or loses power: each event is a row once, in the
 * end. Everything is driven by seeds. */
#include "driven_rig.h"

#include "support/disk/sim_disk.h"
#include "weft/recorder.h"

#include <errno.h>
#include <sqlite3.h>

enum { SEEDS = 24, LIVES = 6, BURSTS = 12, BURST_MAX = 30, SETTLE_ROUNDS = 3000 };

#define DB "/recorder/events.db"

typedef struct rig {
    world w;
    sim_disk *disk;
    weft_recorder *recorder;
    uint64_t random;
    uint64_t published;
} rig;

/* xorshift64 */
static uint64_t random_below(rig *r, uint64_t sides)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random % sides;
}

static weft_cursor *cursor_of(rig *r)
{
    return r->w.hosts[1]->bridge->cursors.items[1];
}

static void turns(rig *r, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        turns_give(&r->w, 1);
        (void)weft__cursor_turn(cursor_of(r));
    }
}

static void live(rig *r)
{
    r->w.hosts[1] = driven_start_with(&r->w, "b", 0, &(weft_bridge_opts){.listen_only = true});
    weft_recorder_opts opts = {.path = DB, .since_ms = 1};
    CU_ASSERT_EQUAL_FATAL(weft_recorder_open(r->w.hosts[1]->bridge, &opts, &r->recorder, NULL), WEFT_OK);
}

static void die(rig *r, bool power_cut)
{
    sim_disk_crash(r->disk, power_cut ? SIM_DISK_POWER_CUT : SIM_DISK_KILL);
    weft_recorder_close(r->recorder, NULL);
    host_destroy(r->w.hosts[1]);
    r->w.hosts[1] = NULL;
    sim_disk_fail(r->disk, NULL);
}

static rig *rig_create(uint64_t seed)
{
    rig *r = calloc(1, sizeof *r);
    r->disk = sim_disk_create(seed);
    r->random = seed * 0x9e3779b97f4a7c15u;
    r->w.broker = fake_broker_create(FAKE_PUMPED);
    fake_clock_init(&r->w.clock, 1000000);
    r->w.hosts[0] = driven_start(&r->w, "a", 0);
    r->w.disk = sim_disk_ops(r->disk);
    r->w.held[1] = 1u << WEFT__AGENT_JOURNAL | 1u << WEFT__AGENT_SYNC |
                   1u << WEFT__AGENT_CHECKPOINT; /* who only listens has none */
    return r;
}

static void rig_destroy(rig *r)
{
    weft_recorder_close(r->recorder, NULL);
    host_destroy(r->w.hosts[1]);
    host_destroy(r->w.hosts[0]);
    fake_broker_destroy(r->w.broker);
    sim_disk_destroy(r->disk);
    free(r);
}

static int64_t query(rig *r, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(DB, &db, SQLITE_OPEN_READWRITE, sim_disk_ops(r->disk)->vfs), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static void burst(rig *r)
{
    uint64_t count = 1 + random_below(r, BURST_MAX);
    publish_range(r->w.hosts[0], r->published + 1, r->published + count);
    r->published += count;
    if (random_below(r, 8) == 0)
        (void)fake_broker_cut(r->w.broker, NULL);
    turns(r, (unsigned)random_below(r, 12));
}

static void one_life(rig *r)
{
    live(r);
    sim_disk_fault fault = {.ops = SIM_DISK_CHANGE,
                            .skip = random_below(r, 200),
                            .count = random_below(r, 2) == 0 ? UINT64_MAX : 1 + random_below(r, 9),
                            .error = random_below(r, 2) == 0 ? EIO : ENOSPC};
    sim_disk_fail(r->disk, &fault);
    for (int i = 0; i < BURSTS; i++)
        burst(r);
    die(r, random_below(r, 2) == 0);
}

static void each_event_is_a_row_once_whatever_fails_and_ends(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rig *r = rig_create(seed);
        for (int i = 0; i < LIVES; i++)
            one_life(r);
        live(r);
        weft_recorder_stats stats = {0};
        for (unsigned i = 0; i < SETTLE_ROUNDS && stats.rows < r->published; i++) {
            turns(r, 10);
            weft_recorder_get_stats(r->recorder, &stats);
        }
        bool once = query(r, "SELECT count(*) FROM events") == (int64_t)r->published &&
                    query(r, "SELECT count(DISTINCT event ->> '$.tokenUsage.inputTokens') FROM events") ==
                        (int64_t)r->published &&
                    query(r, "SELECT count(*) FROM lost") == 0;
        if (!once)
            printf("\n    seed %llu: %lld of %llu rows\n", (unsigned long long)seed,
                   (long long)query(r, "SELECT count(*) FROM events"), (unsigned long long)r->published);
        CU_ASSERT_TRUE(once);
        rig_destroy(r);
    }
}

SUITE(bridge_recorder_crash, CASE(each_event_is_a_row_once_whatever_fails_and_ends))
