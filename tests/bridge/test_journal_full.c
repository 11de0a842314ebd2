/* Disks that are full, or fail: what is accepted stays, what matters most goes on, and nothing needs a restart. */
#include "driven_rig.h"
#include "journal_rig.h"

#include "support/disk/sim_disk.h"

#include <errno.h>

enum { RESERVE = 64 * 1024 };

/* ---- the journal alone ---- */

typedef struct store {
    sim_disk *disk;
    weft__journal *journal;
} store;

static weft_status store_open(store *s)
{
    weft__journal_opts opts = {.path = "/j.db", .disk = sim_disk_ops(s->disk), .reserve_bytes = RESERVE};
    return weft__journal_open(&opts, &s->journal, NULL, NULL);
}

static void store_init(store *s)
{
    *s = (store){.disk = sim_disk_create(7)};
    sim_disk_set_allocates(s->disk, true);
    CU_ASSERT_EQUAL_FATAL(store_open(s), WEFT_OK);
}

static void store_fini(store *s)
{
    weft__journal_close(s->journal);
    sim_disk_destroy(s->disk);
}

static weft_status store_append(store *s, uint64_t seq)
{
    weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
    row.bytes = message(seq, 3000);
    row.length = 3000;
    return weft__journal_append(s->journal, &row, 1, NULL, 0);
}

static size_t store_count(store *s)
{
    static collected c;
    c = (collected){0};
    CU_ASSERT_EQUAL(weft__journal_each_pending(s->journal, 0, RIG_ROWS_MAX, collect, &c), WEFT_OK);
    CU_ASSERT_EQUAL(c.altered, 0);
    CU_ASSERT_EQUAL(c.damaged, 0);
    return c.count;
}

static int64_t reserve_size(const store *s)
{
    return sim_disk_file_size(s->disk, "/j.db", ".reserve");
}

static void the_reserve_is_spent_when_the_disk_is_full_and_held_again_after(void)
{
    store s;
    uint64_t seq = 0;
    store_init(&s);
    CU_ASSERT_EQUAL(reserve_size(&s), RESERVE);
    CU_ASSERT_EQUAL(store_append(&s, ++seq), WEFT_OK);
    sim_disk_set_capacity(s.disk, sim_disk_used(s.disk) + 2000);
    CU_ASSERT_EQUAL(store_append(&s, ++seq), WEFT_OK);
    CU_ASSERT_TRUE(weft__journal_is_low(s.journal));
    CU_ASSERT_EQUAL(reserve_size(&s), -1);
    CU_ASSERT_EQUAL(weft__journal_reserve_restore(s.journal), WEFT_NO_SPACE);
    CU_ASSERT_TRUE(weft__journal_is_low(s.journal));
    while (store_append(&s, seq + 1) == WEFT_OK)
        seq++;
    CU_ASSERT(seq >= 4); /* that was in the reserve */
    CU_ASSERT_EQUAL(store_count(&s), seq);
    sim_disk_set_capacity(s.disk, sim_disk_used(s.disk) + RESERVE + 1000); /* held, it would be full again at once */
    CU_ASSERT_EQUAL(weft__journal_reserve_restore(s.journal), WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(reserve_size(&s), -1);
    sim_disk_set_capacity(s.disk, sim_disk_used(s.disk) + 2 * RESERVE);
    CU_ASSERT_EQUAL(weft__journal_reserve_restore(s.journal), WEFT_OK);
    CU_ASSERT_FALSE(weft__journal_is_low(s.journal));
    CU_ASSERT_EQUAL(reserve_size(&s), RESERVE);
    CU_ASSERT_EQUAL(store_append(&s, ++seq), WEFT_OK);
    CU_ASSERT_EQUAL(store_count(&s), seq);
    store_fini(&s);
}

static void a_journal_opens_on_a_full_disk(void)
{
    store s;
    store_init(&s);
    for (uint64_t seq = 1; seq <= 10; seq++)
        CU_ASSERT_EQUAL(store_append(&s, seq), WEFT_OK);
    sim_disk_crash(s.disk, SIM_DISK_KILL);
    weft__journal_close(s.journal);
    sim_disk_set_capacity(s.disk, sim_disk_used(s.disk));
    CU_ASSERT_EQUAL_FATAL(store_open(&s), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(s.journal, RIG_EPOCH + 1), WEFT_OK);
    CU_ASSERT_TRUE(weft__journal_is_low(s.journal));
    CU_ASSERT_EQUAL(store_count(&s), 10);
    CU_ASSERT_EQUAL(store_append(&s, 11), WEFT_OK);
    store_fini(&s);
}

static void without_a_reserve_a_full_disk_refuses(void)
{
    store s = {.disk = sim_disk_create(7)};
    sim_disk_set_allocates(s.disk, true);
    weft__journal_opts opts = {.path = "/j.db", .disk = sim_disk_ops(s.disk), .reserve_bytes = WEFT__RESERVE_NONE};
    CU_ASSERT_EQUAL_FATAL(weft__journal_open(&opts, &s.journal, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(reserve_size(&s), -1);
    sim_disk_set_capacity(s.disk, sim_disk_used(s.disk));
    CU_ASSERT_EQUAL(store_append(&s, 1), WEFT_NO_SPACE);
    CU_ASSERT_FALSE(weft__journal_is_low(s.journal));
    store_fini(&s);
}

/* ---- a bridge ---- */

typedef struct place {
    world w;
    sim_disk *disk;
} place;

static void place_open(place *p)
{
    static const weft_bridge_opts opts = {.journal_path = "/a/j.db", .journal_reserve_bytes = RESERVE};
    p->disk = sim_disk_create(3);
    sim_disk_set_allocates(p->disk, true);
    p->w = (world){.broker = fake_broker_create(FAKE_PUMPED), .disk = sim_disk_ops(p->disk)};
    fake_clock_init(&p->w.clock, 1000000);
    p->w.hosts[0] = driven_start_with(&p->w, "a", 0, &opts);
    p->w.hosts[1] = driven_start(&p->w, "b", WEFT_TOPIC_COST | WEFT_TOPIC_TOOL);
    turns_give(&p->w, 50);
}

static void place_close(place *p)
{
    host_destroy(p->w.hosts[0]);
    host_destroy(p->w.hosts[1]);
    fake_broker_destroy(p->w.broker);
    sim_disk_destroy(p->disk);
}

static weft_status publish_tool(host *h)
{
    weft_event event = {.type = WEFT_TOOL_CALL_START, .session_id = "s1", .tool_call_start = {.tool_name = "t"}};
    return weft_publish(h->bus, &event);
}

/* One at a time, each with turns to write it, until the status comes; *count counts the others. */
static weft_status publish_until(place *p, weft_status (*one)(host *h, uint64_t n), weft_status until, uint64_t *count)
{
    for (int i = 0; i < 2000; i++) {
        weft_status st = one(p->w.hosts[0], *count + 1);
        if (st == until)
            return st;
        CU_ASSERT_EQUAL(st, WEFT_OK);
        ++*count;
        turns_give(&p->w, 1);
    }
    return WEFT_OK;
}

static weft_status tool_one(host *h, uint64_t n)
{
    (void)n;
    return publish_tool(h);
}

static void a_full_disk_keeps_cost_and_session_events_going(void)
{
    place p;
    uint64_t tools = 0, costs = 0;
    place_open(&p);
    sim_disk_set_capacity(p.disk, sim_disk_used(p.disk) + 100000);
    CU_ASSERT_EQUAL(publish_until(&p, tool_one, WEFT_NO_SPACE, &tools), WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(notices_of(p.w.hosts[0], WEFT_NOTICE_JOURNAL_FAILED), 1);
    while (costs < 4) {
        CU_ASSERT_EQUAL(publish(p.w.hosts[0], ++costs), WEFT_OK);
        turns_give(&p.w, 10);
        CU_ASSERT_EQUAL(publish_tool(p.w.hosts[0]), WEFT_NO_SPACE);
    }
    weft_event session = {.type = WEFT_SESSION_START, .session_id = "s1"};
    CU_ASSERT_EQUAL(weft_publish(p.w.hosts[0]->bus, &session), WEFT_OK);
    CU_ASSERT_EQUAL(publish_until(&p, publish, WEFT_NO_SPACE, &costs), WEFT_NO_SPACE); /* the reserve is spent */
    turns_give(&p.w, 100);
    CU_ASSERT_EQUAL(publish_tool(p.w.hosts[0]), WEFT_NO_SPACE);
    sim_disk_set_capacity(p.disk, 0);
    turns_give(&p.w, 300); /* 3 s */
    CU_ASSERT_EQUAL(publish_tool(p.w.hosts[0]), WEFT_OK);
    CU_ASSERT_EQUAL(publish(p.w.hosts[0], ++costs), WEFT_OK);
    turns_give(&p.w, 100);
    CU_ASSERT_EQUAL(notices_of(p.w.hosts[0], WEFT_NOTICE_JOURNAL_RECOVERED), 1);
    CU_ASSERT_EQUAL(sim_disk_file_size(p.disk, "/a/j.db", ".reserve"), RESERVE);
    CU_ASSERT_EQUAL(p.w.hosts[1]->count, tools + 1 + costs); /* all that was accepted */
    CU_ASSERT_EQUAL(p.w.hosts[1]->lost_reports, 0);
    place_close(&p);
}

/* Whatever ails it: accepted events arrive once the disk works again, what is there is sent and healed meanwhile. */
static void broken_then_mended(void (*breaks)(sim_disk *d), void (*mends)(sim_disk *d), weft_status said)
{
    place p;
    place_open(&p);
    publish_range(p.w.hosts[0], 1, 100);
    turns_give(&p.w, 1); /* written, hardly sent */
    breaks(p.disk);
    CU_ASSERT_EQUAL(publish(p.w.hosts[0], 101), WEFT_OK); /* nobody knows yet */
    turns_give(&p.w, 10);
    CU_ASSERT_EQUAL(publish(p.w.hosts[0], 0), said);
    CU_ASSERT_EQUAL(notices_of(p.w.hosts[0], WEFT_NOTICE_JOURNAL_FAILED), 1);
    fake_fault fault = {.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#"};
    fake_broker_add_fault(p.w.broker, &fault);
    turns_give(&p.w, 500);
    CU_ASSERT(has_each_once(p.w.hosts[1], 1, 100));
    mends(p.disk);
    turns_give(&p.w, 300);
    CU_ASSERT_EQUAL(notices_of(p.w.hosts[0], WEFT_NOTICE_JOURNAL_RECOVERED), 1);
    CU_ASSERT_EQUAL(publish(p.w.hosts[0], 102), WEFT_OK);
    turns_give(&p.w, 300);
    CU_ASSERT(has_each_once(p.w.hosts[1], 1, 102));
    place_close(&p);
}

static void read_only_begin(sim_disk *d)
{
    sim_disk_set_read_only(d, true);
}

static void read_only_end(sim_disk *d)
{
    sim_disk_set_read_only(d, false);
}

static void writes_fail_begin(sim_disk *d)
{
    sim_disk_fail(d, &(sim_disk_fault){.ops = SIM_DISK_WRITE, .count = UINT64_MAX, .error = EIO});
}

static void faults_end(sim_disk *d)
{
    sim_disk_fail(d, NULL);
}

static void quota_begin(sim_disk *d)
{
    sim_disk_fail(d, &(sim_disk_fault){.ops = SIM_DISK_WRITE, .count = UINT64_MAX, .error = EDQUOT});
}

static void a_disk_remounted_read_only_is_waited_for(void)
{
    broken_then_mended(read_only_begin, read_only_end, WEFT_IO);
}

static void a_disk_that_cannot_write_is_waited_for(void)
{
    broken_then_mended(writes_fail_begin, faults_end, WEFT_IO);
}

static void a_quota_is_waited_for(void)
{
    broken_then_mended(quota_begin, faults_end, WEFT_NO_SPACE);
}

/* ---- what a flush waits for ---- */

/* Over a disk that writes and never syncs. */
static weft_status flush_unsynced(weft_durability durability, uint32_t timeout_ms)
{
    sim_disk *disk = sim_disk_create(5);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *h = host_create(broker, "a");
    weft_bridge_opts opts = {.url = fake_broker_url(broker),
                             .fabric = "dev",
                             .node = "a",
                             .journal_path = "/a/j.db",
                             .durability = durability,
                             .on_notice = on_notice,
                             .user = h};
    weft__bridge_env env = {.link_ops = &fake_link, .disk = sim_disk_ops(disk)};
    CU_ASSERT_EQUAL_FATAL(weft__bridge_create_in(h->bus, &opts, &env, &h->bridge, NULL), WEFT_OK);
    sim_disk_fail(disk, &(sim_disk_fault){.ops = SIM_DISK_SYNC, .count = UINT64_MAX, .error = EIO});
    publish_range(h, 1, 10);
    weft_status st = weft_bridge_flush(h->bridge, timeout_ms);
    sim_disk_fail(disk, NULL);
    host_destroy(h);
    fake_broker_destroy(broker);
    sim_disk_destroy(disk);
    return st;
}

static void a_flush_waits_for_the_disk_or_for_the_write_alone(void)
{
    CU_ASSERT_EQUAL(flush_unsynced(WEFT_DURABLE_PROCESS, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_EQUAL(flush_unsynced(WEFT_DURABLE_POWER, 100), WEFT_TIMEOUT);
}

SUITE(bridge_journal_full, CASE(the_reserve_is_spent_when_the_disk_is_full_and_held_again_after),
      CASE(a_journal_opens_on_a_full_disk), CASE(without_a_reserve_a_full_disk_refuses),
      CASE(a_full_disk_keeps_cost_and_session_events_going), CASE(a_disk_remounted_read_only_is_waited_for),
      CASE(a_disk_that_cannot_write_is_waited_for), CASE(a_quota_is_waited_for),
      CASE(a_flush_waits_for_the_disk_or_for_the_write_alone))
