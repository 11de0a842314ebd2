/* Whole bridges: nodes that die, are cut off, are forgotten; two of one name. */
#include "fleet_rig.h"

enum { GRACE_MS = 10000, SETTLE_MS = 500, SILENT_MS = 17000 };
enum { A, B, C, MEMBERS };

static void session_begin(member *m, const char *id)
{
    CU_ASSERT_EQUAL(weft_publish(m->bus, &(weft_event){.type = WEFT_SESSION_START, .session_id = id}), WEFT_OK);
}

static void session_end(member *m, const char *id)
{
    CU_ASSERT_EQUAL(weft_publish(m->bus, &(weft_event){.type = WEFT_SESSION_END, .session_id = id}), WEFT_OK);
}

static bool saw(const member *m, size_t at, weft_event_type type, bool made_up)
{
    return at < m->seen_count && m->seen[at]->type == type &&
           ((m->seen[at]->flags & WEFT_FLAG_SYNTHETIC) != 0) == made_up;
}

static weft_bridge_stats stats_of(member *m)
{
    weft_bridge_stats stats;
    weft_bridge_get_stats(m->bridge, &stats);
    return stats;
}

static bool is_up(member *observer, const char *name)
{
    weft_peer peers[MEMBERS];
    size_t count = weft_bridge_peers(observer->bridge, peers, MEMBERS);
    for (size_t i = 0; i < count; i++)
        if (strcmp(peers[i].node, name) == 0)
            return peers[i].state == WEFT_PEER_UP;
    return false;
}

/* A host a that has begun the sessions s1 and s2, and an observer b. */
static void begin(fleet *f, member *m)
{
    fleet_init(f);
    memset(m, 0, MEMBERS * sizeof *m);
    member_start(f, &m[B], "b", WEFT_TOPIC_SESSION, false);
    pass(f, m, MEMBERS, SETTLE_MS);
    member_start(f, &m[A], "a", 0, false);
    pass(f, m, MEMBERS, SETTLE_MS);
    session_begin(&m[A], "s1");
    session_begin(&m[A], "s2");
    pass(f, m, MEMBERS, SETTLE_MS);
    CU_ASSERT_EQUAL_FATAL(m[B].seen_count, 2);
}

static void finish(fleet *f, member *m)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (m[i].bridge != NULL)
            member_end(&m[i]);
    fake_broker_destroy(f->broker);
}

static void what_a_dead_node_began_is_ended_here_and_only_here(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    session_end(&m[A], "s1");
    pass(&f, m, MEMBERS, SETTLE_MS);
    uint64_t sent = fake_broker_count(f.broker, "weft/v1/dev/evt/#");
    member_kill(&f, &m[A]);
    pass(&f, m, MEMBERS, GRACE_MS - SETTLE_MS);
    CU_ASSERT_EQUAL(m[B].seen_count, 3);
    CU_ASSERT_STRING_EQUAL(m[B].down_why, "lost");
    pass(&f, m, MEMBERS, 2 * SETTLE_MS);
    CU_ASSERT_TRUE(saw(&m[B], 3, WEFT_SESSION_END, true));
    CU_ASSERT_STRING_EQUAL(m[B].seen[3]->session_id, "s2");
    CU_ASSERT_STRING_EQUAL(m[B].seen[3]->id.node, "a");
    CU_ASSERT_STRING_EQUAL(seen_attribute(&m[B], 3, WEFT_ATTRIBUTE_CLOSED), "lost");
    weft_bridge_stats stats = stats_of(&m[B]);
    CU_ASSERT_EQUAL(stats.closed_events, 1);
    CU_ASSERT_EQUAL(stats.delivered_events, 3);
    CU_ASSERT_EQUAL(stats.published, 0);
    CU_ASSERT_EQUAL(stats.open_work, 0);
    CU_ASSERT_EQUAL(fake_broker_count(f.broker, "weft/v1/dev/evt/#"), sent);
    finish(&f, m);
}

static void a_node_that_was_cut_off_has_its_sessions_back(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    (void)fake_broker_cut(f.broker, "a");
    m[A].bridge->wire.retry_ms = INT64_MAX; /* the way to the broker is cut … */
    pass(&f, &m[B], 1, GRACE_MS + SETTLE_MS);
    session_end(&m[A], "s2");
    CU_ASSERT_EQUAL_FATAL(m[B].seen_count, 4);
    CU_ASSERT_TRUE(saw(&m[B], 2, WEFT_SESSION_END, true));
    pass(&f, m, MEMBERS, 2000); /* … and open again: it reconnects after the retry time of the loss */
    CU_ASSERT_EQUAL_FATAL(m[B].seen_count, 7);
    CU_ASSERT_TRUE(saw(&m[B], 4, WEFT_SESSION_START, true));
    CU_ASSERT_TRUE(saw(&m[B], 5, WEFT_SESSION_START, true));
    CU_ASSERT_STRING_EQUAL(seen_attribute(&m[B], 4, WEFT_ATTRIBUTE_STILL_OPEN), "lost");
    CU_ASSERT_TRUE(saw(&m[B], 6, WEFT_SESSION_END, false));
    CU_ASSERT_STRING_EQUAL(m[B].seen[6]->session_id, "s2");
    CU_ASSERT_EQUAL(stats_of(&m[B]).open_work, 1);
    finish(&f, m);
}

/* No will: the broker died at the same time and retains the birth. */
static void a_node_that_dies_with_its_broker_is_missed(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    fake_broker_stop(f.broker);
    m[A].bridge->wire.up = false;
    m[A].bridge->wire.retry_ms = INT64_MAX;
    pass(&f, &m[B], 1, 3000);
    fake_broker_start(f.broker);
    pass(&f, &m[B], 1, 5000);
    CU_ASSERT_EQUAL(m[B].notices[WEFT_NOTICE_CONNECTED], 2);
    CU_ASSERT_TRUE(is_up(&m[B], "a"));
    pass(&f, &m[B], 1, SILENT_MS);
    CU_ASSERT_FALSE(is_up(&m[B], "a"));
    CU_ASSERT_STRING_EQUAL(m[B].down_why, "silent");
    pass(&f, &m[B], 1, GRACE_MS);
    CU_ASSERT_EQUAL(m[B].seen_count, 4);
    CU_ASSERT_STRING_EQUAL(seen_attribute(&m[B], 2, WEFT_ATTRIBUTE_CLOSED), "silent");
    finish(&f, m);
}

static void nobody_dies_of_a_long_outage_of_the_broker(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    fake_broker_stop(f.broker);
    pass(&f, m, MEMBERS, 60000);
    fake_broker_start(f.broker);
    pass(&f, m, MEMBERS, 60000);
    CU_ASSERT_EQUAL(m[B].notices[WEFT_NOTICE_PEER_DOWN], 0);
    CU_ASSERT_EQUAL(m[B].seen_count, 2);
    CU_ASSERT_TRUE(is_up(&m[B], "a"));
    finish(&f, m);
}

static void a_stop_is_told_as_a_goodbye(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    member_end(&m[A]);
    m[A] = (member){0};
    pass(&f, m, MEMBERS, GRACE_MS + SETTLE_MS);
    CU_ASSERT_STRING_EQUAL(m[B].down_why, "goodbye");
    CU_ASSERT_EQUAL(m[B].seen_count, 4);
    CU_ASSERT_STRING_EQUAL(seen_attribute(&m[B], 3, WEFT_ATTRIBUTE_CLOSED), "goodbye");
    finish(&f, m);
}

/* ---- what is retained ---- */

static void retain(fleet *f, const weft__live *live)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    if (live != NULL)
        CU_ASSERT_EQUAL_FATAL(weft__live_encode(live, &bytes, &length), WEFT_OK);
    fake_broker_publish(f->broker, "weft/v1/dev/live/a", bytes, length, 1, true);
    free(bytes);
}

static bool retains_birth_of(fleet *f, const member *m)
{
    size_t length;
    weft__live *live = NULL;
    uint8_t *bytes = fake_broker_retained(f->broker, "weft/v1/dev/live/a", &length);
    bool good = bytes != NULL && weft__live_decode(bytes, length, &live, NULL) == WEFT_OK &&
                live->status == WEFT__LIVE_BIRTH && live->epoch == atomic_load(&m->bridge->epoch) &&
                live->instance == m->bridge->instance;
    free(live);
    free(bytes);
    return good;
}

static void a_node_whose_retained_life_is_wrong_says_it_again(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    weft__live late_will = {.node = "a", .epoch = 5, .status = WEFT__LIVE_WILL}; /* of a process that yielded */
    retain(&f, &late_will);
    CU_ASSERT_FALSE(retains_birth_of(&f, &m[A]));
    pass(&f, m, MEMBERS, 6000);
    CU_ASSERT_TRUE(retains_birth_of(&f, &m[A]));
    retain(&f, NULL); /* somebody forgot it by force */
    pass(&f, m, MEMBERS, SETTLE_MS);
    CU_ASSERT_STRING_EQUAL(m[B].down_why, "forgotten");
    CU_ASSERT_FALSE(is_up(&m[B], "a"));
    pass(&f, m, MEMBERS, 6000);
    CU_ASSERT_TRUE(retains_birth_of(&f, &m[A]));
    CU_ASSERT_TRUE(is_up(&m[B], "a"));
    pass(&f, m, MEMBERS, GRACE_MS + SETTLE_MS);
    CU_ASSERT_EQUAL(m[B].seen_count, 2);
    session_end(&m[A], "s1");
    pass(&f, m, MEMBERS, SETTLE_MS);
    CU_ASSERT_EQUAL(m[B].seen_count, 3); /* and nothing came twice */
    finish(&f, m);
}

/* ---- two of one name ---- */

static size_t fenced_count(const member *m)
{
    return m[A].notices[WEFT_NOTICE_FENCED] + m[C].notices[WEFT_NOTICE_FENCED];
}

static void two_that_start_in_the_same_millisecond_do_not_fight(void)
{
    for (unsigned round = 0; round < 20; round++) {
        fleet f;
        member m[MEMBERS] = {0};
        fleet_init(&f);
        f.seeds = round * 100;
        member_start(&f, &m[A], "a", 0, false);
        member_start(&f, &m[C], "a", 0, false);
        CU_ASSERT_EQUAL(m[A].bridge->epoch, m[C].bridge->epoch);
        m[A].bridge->wire.first = m[C].bridge->wire.first = round % 2 == 0; /* odd: both have looked already */
        pass(&f, m, MEMBERS, 20000);
        CU_ASSERT_EQUAL(fenced_count(m), 1);
        member *stays = &m[m[A].notices[WEFT_NOTICE_FENCED] == 0 ? A : C];
        CU_ASSERT_TRUE(stays->bridge->wire.up);
        CU_ASSERT_TRUE(retains_birth_of(&f, stays));
        CU_ASSERT_TRUE(m[A].notices[WEFT_NOTICE_CONNECTED] + m[C].notices[WEFT_NOTICE_CONNECTED] <= 4);
        finish(&f, m);
    }
}

static void an_older_one_that_was_cut_off_yields_when_it_returns(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    (void)fake_broker_cut(f.broker, "a");
    pass(&f, &m[B], 1, 1000);
    member_start(&f, &m[C], "a", 0, false);
    pass(&f, &m[B], 2, 1000); /* b and c */
    session_begin(&m[C], "s3");
    pass(&f, &m[B], 2, 1000);
    session_end(&m[A], "s1"); /* while it is alone */
    pass(&f, m, MEMBERS, 5000);
    CU_ASSERT_EQUAL(m[A].notices[WEFT_NOTICE_FENCED], 1);
    CU_ASSERT_EQUAL(m[C].notices[WEFT_NOTICE_FENCED], 0);
    CU_ASSERT_EQUAL(m[C].notices[WEFT_NOTICE_CONNECTED], 1);
    CU_ASSERT_EQUAL(weft_publish(m[A].bus, &(weft_event){.type = WEFT_SESSION_END, .session_id = "s2"}), WEFT_FENCED);
    CU_ASSERT_TRUE(retains_birth_of(&f, &m[C]));
    CU_ASSERT_STRING_EQUAL(m[B].seen[2]->session_id, "s3");
    finish(&f, m);
}

/* ---- clocks ---- */

/* The wall clock of one host jumps a day back and forth: order is by seq, and all timers are monotonic. */
static void a_clock_that_jumps_changes_no_order_and_no_timer(void)
{
    fleet f, own;
    member m[MEMBERS] = {0};
    fleet_init(&f);
    own = f;
    fake_clock_init(&own.clock, 1700000000000);
    member_start(&f, &m[B], "b", WEFT_TOPIC_SESSION, false);
    pass(&f, m, MEMBERS, SETTLE_MS);
    member_start(&own, &m[A], "a", 0, false);
    char id[8];
    for (int i = 0; i < 30; i++) {
        atomic_fetch_add(&own.clock.wall_ms, i % 2 == 0 ? 86400000 : -86400000 - 1000);
        snprintf(id, sizeof id, "s%d", i);
        session_begin(&m[A], id);
        for (int step = 0; step < 100; step++) { /* 1 s: both clocks run alike */
            pass(&f, m, MEMBERS, STEP_MS);
            fake_clock_advance(&own.clock, STEP_MS);
        }
    }
    CU_ASSERT_EQUAL_FATAL(m[B].seen_count, 30);
    for (int i = 0; i < 30; i++) {
        snprintf(id, sizeof id, "s%d", i);
        CU_ASSERT_STRING_EQUAL(m[B].seen[i]->session_id, id);
        CU_ASSERT_EQUAL(m[B].seen[i]->id.seq, (uint64_t)i + 1);
        CU_ASSERT_EQUAL(m[B].seen[i]->flags, 0);
    }
    weft_bridge_stats stats = stats_of(&m[B]);
    CU_ASSERT_EQUAL(stats.gaps, 0);
    CU_ASSERT_EQUAL(m[B].notices[WEFT_NOTICE_PEER_UP], 1);
    CU_ASSERT_EQUAL(m[B].notices[WEFT_NOTICE_PEER_DOWN], 0);
    CU_ASSERT_EQUAL(m[A].notices[WEFT_NOTICE_CONNECTED], 1);
    CU_ASSERT_TRUE(m[B].notices[WEFT_NOTICE_CLOCK_SKEW] >= 1);
    uint64_t beats = fake_broker_count(f.broker, "weft/v1/dev/beat/a");
    CU_ASSERT_TRUE(beats >= 6 && beats <= 6 + 30); /* every 5 s, and one after each event */
    finish(&f, m);
}

/* It starts again after its clock was set back by a day: the broker remembers the life before. */
static void a_node_whose_clock_was_set_back_begins_a_later_life(void)
{
    fleet f;
    member m[MEMBERS];
    begin(&f, m);
    uint64_t before = atomic_load(&m[A].bridge->epoch);
    member_end(&m[A]);
    m[A] = (member){0};
    atomic_fetch_sub(&f.clock.wall_ms, 86400000);
    member_start(&f, &m[A], "a", 0, false);
    pass(&f, m, MEMBERS, SETTLE_MS);
    CU_ASSERT_TRUE(atomic_load(&m[A].bridge->epoch) > before);
    session_begin(&m[A], "s3");
    pass(&f, m, MEMBERS, SETTLE_MS);
    CU_ASSERT_EQUAL(m[B].seen_count, 3);
    CU_ASSERT_TRUE(is_up(&m[B], "a"));
    finish(&f, m);
}

SUITE(bridge_bridge_lives, CASE(what_a_dead_node_began_is_ended_here_and_only_here),
      CASE(a_node_that_was_cut_off_has_its_sessions_back), CASE(a_node_that_dies_with_its_broker_is_missed),
      CASE(nobody_dies_of_a_long_outage_of_the_broker), CASE(a_stop_is_told_as_a_goodbye),
      CASE(a_node_whose_retained_life_is_wrong_says_it_again),
      CASE(two_that_start_in_the_same_millisecond_do_not_fight),
      CASE(an_older_one_that_was_cut_off_yields_when_it_returns),
      CASE(a_clock_that_jumps_changes_no_order_and_no_timer), CASE(a_node_whose_clock_was_set_back_begins_a_later_life))
