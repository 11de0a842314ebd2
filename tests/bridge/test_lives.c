/* Who lives, by what is heard and what is not. */
#include "bridge/lives.h"
#include "support/fake_clock.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SILENT_MS = 17000, GRACE_MS = 10000, BEAT_MS = 5000, E1 = 100, E2 = 200, SAID_MS = 777 };

typedef struct rig {
    weft__lives lives;
    fake_clock clock;
    int64_t now;
    uint64_t stamp;
    unsigned ups, downs, skews, made;
    char why[16];
    int64_t skew_ms;
    weft_event_type made_type; /* of the last */
} rig;

static void on_deliver(void *user, const weft_event *event)
{
    rig *r = user;
    r->made++;
    r->made_type = event->type;
}

static void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    rig *r = user;
    (void)node;
    (void)epoch;
    *(up ? &r->ups : &r->downs) += 1;
    strcpy(r->why, why != NULL ? why : "");
}

static void on_skewed(void *user, const char *node, uint64_t epoch, int64_t skew_ms)
{
    rig *r = user;
    (void)node;
    (void)epoch;
    r->skews++;
    r->skew_ms = skew_ms;
}

static bool on_lacks(void *streams, const weft_event *event)
{
    (void)streams;
    (void)event;
    return false;
}

static rig *rig_create(void)
{
    rig *r = calloc(1, sizeof *r);
    fake_clock_init(&r->clock, 1700000000000);
    r->now = 1000000;
    weft__lives_opts opts = {.clock = &r->clock.clock, .silent_ms = SILENT_MS, .dead_grace_ms = GRACE_MS};
    weft__lives_ops ops = {.deliver = on_deliver, .peer = on_peer, .skewed = on_skewed, .user = r, .lacks = on_lacks};
    CU_ASSERT_EQUAL_FATAL(weft__lives_init(&r->lives, &opts, &ops), WEFT_OK);
    weft__lives_connected(&r->lives, r->now);
    return r;
}

static void rig_destroy(rig *r)
{
    weft__lives_fini(&r->lives);
    free(r);
}

static weft__peer *peer_of(rig *r)
{
    return weft__peers_add(&r->lives.peers, "a", E1);
}

static void live(rig *r, uint64_t epoch, weft__live_status status, bool fresh)
{
    weft__live m = {.node = "a", .epoch = epoch, .status = status, .timestamp_ms = SAID_MS, .version = "9.9"};
    if (status == WEFT__LIVE_BIRTH)
        weft__lives_born(&r->lives, peer_of(r), &m, fresh, (weft__moment){++r->stamp, r->now}, r->now);
    else
        weft__lives_left(&r->lives, peer_of(r), &m, fresh, (weft__moment){++r->stamp, r->now}, r->now);
}

static void birth(rig *r, uint64_t epoch)
{
    live(r, epoch, WEFT__LIVE_BIRTH, true);
}

/* A beat whose sender's clock is off by skew_ms. */
static void beat(rig *r, uint64_t epoch, int64_t skew_ms)
{
    weft__beat m = {.node = "a", .epoch = epoch, .timestamp_ms = weft_clock_wall_ms(&r->clock.clock) + skew_ms};
    weft__lives_beat(&r->lives, peer_of(r), &m, r->now);
}

static void pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        int64_t step = end - r->now < 50 ? end - r->now : 50;
        r->now += step;
        fake_clock_advance(&r->clock, step);
        weft__lives_tick(&r->lives, r->now);
    }
}

static void session_begins(rig *r, uint64_t epoch, uint64_t seq)
{
    weft_event event = {.type = WEFT_SESSION_START, .session_id = "s1", .id = {"a", epoch, seq}};
    const weft_event *kept = weft_event_keep(&event);
    weft__lives_see(&r->lives, kept, r->now);
    weft_event_release(kept);
}

static weft_peer shown(rig *r)
{
    weft_peer peer = {.state = WEFT_PEER_NONE};
    (void)weft__peers_list(&r->lives.peers, &peer, 1, r->now);
    return peer;
}

/* ---- silence ---- */

static void a_node_whose_beats_stop_is_dead(void)
{
    rig *r = rig_create();
    birth(r, E1);
    for (int i = 0; i < 20; i++) {
        pass(r, BEAT_MS);
        beat(r, E1, 0);
    }
    CU_ASSERT_EQUAL(r->downs, 0);
    session_begins(r, E1, 1);
    pass(r, SILENT_MS - 1000);
    CU_ASSERT_EQUAL(r->downs, 0);
    pass(r, 1500);
    CU_ASSERT_EQUAL(r->downs, 1);
    CU_ASSERT_STRING_EQUAL(r->why, "silent");
    CU_ASSERT_EQUAL(shown(r).state, WEFT_PEER_SILENT);
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL(r->made_type, WEFT_SESSION_END);
    pass(r, 10 * SILENT_MS);
    CU_ASSERT_EQUAL(r->downs, 1);
    rig_destroy(r);
}

static void any_message_of_that_life_brings_it_back(void)
{
    rig *r = rig_create();
    birth(r, E1);
    session_begins(r, E1, 1);
    pass(r, SILENT_MS + GRACE_MS + 1000);
    CU_ASSERT_EQUAL(r->made_type, WEFT_SESSION_END);
    weft__lives_hear(&r->lives, peer_of(r), E1 - 1, r->now); /* a replay of its past is none */
    CU_ASSERT_EQUAL(r->ups, 1);
    weft__lives_hear(&r->lives, peer_of(r), E1, r->now);
    CU_ASSERT_EQUAL(r->ups, 2);
    CU_ASSERT_EQUAL(r->made, 2);
    CU_ASSERT_EQUAL(r->made_type, WEFT_SESSION_START);
    rig_destroy(r);
}

static void what_a_broker_still_retains_does_not_bring_it_back(void)
{
    rig *r = rig_create();
    birth(r, E1);
    pass(r, SILENT_MS + 1000);
    live(r, E1, WEFT__LIVE_BIRTH, false);
    CU_ASSERT_EQUAL(r->ups, 1);
    birth(r, E1);
    CU_ASSERT_EQUAL(r->ups, 2);
    rig_destroy(r);
}

static void nobody_is_silent_while_we_are_cut_off(void)
{
    rig *r = rig_create();
    birth(r, E1);
    session_begins(r, E1, 1);
    weft__lives_cut(&r->lives);
    pass(r, 100000);
    CU_ASSERT_EQUAL(r->downs, 0);
    weft__lives_connected(&r->lives, r->now);
    pass(r, SILENT_MS - 1000);
    CU_ASSERT_EQUAL(r->downs, 0);
    pass(r, 1500);
    CU_ASSERT_EQUAL(r->downs, 1);
    rig_destroy(r);
}

static void our_own_standstill_is_nobodys_silence(void)
{
    rig *r = rig_create();
    birth(r, E1);
    pass(r, BEAT_MS);
    r->now += 60000; /* stopped, then continued */
    weft__lives_tick(&r->lives, r->now);
    CU_ASSERT_EQUAL(r->downs, 0);
    pass(r, BEAT_MS);
    beat(r, E1, 0);
    pass(r, SILENT_MS - 1000);
    CU_ASSERT_EQUAL(r->downs, 0);
    rig_destroy(r);
}

static void clocks_that_jump_do_not_kill(void)
{
    rig *r = rig_create();
    birth(r, E1);
    session_begins(r, E1, 1);
    for (int i = 0; i < 12; i++) {
        fake_clock_advance(&r->clock, 0);
        atomic_fetch_add(&r->clock.wall_ms, i % 2 == 0 ? 86400000 : -2 * 86400000);
        pass(r, BEAT_MS);
        beat(r, E1, 0);
    }
    CU_ASSERT_EQUAL(r->downs, 0);
    CU_ASSERT_EQUAL(r->made, 0);
    rig_destroy(r);
}

/* ---- wills, goodbyes, lives ---- */

static void a_life_whose_birth_we_missed_can_end(void)
{
    rig *r = rig_create();
    birth(r, E1);
    live(r, E2, WEFT__LIVE_WILL, false); /* began and ended while we were away */
    CU_ASSERT_EQUAL(r->downs, 1);
    CU_ASSERT_EQUAL(shown(r).epoch, E2);
    CU_ASSERT_EQUAL(shown(r).state, WEFT_PEER_LOST);
    rig_destroy(r);
}

static void a_goodbye_waits_for_the_grace_too(void)
{
    rig *r = rig_create();
    birth(r, E1);
    session_begins(r, E1, 1);
    live(r, E1, WEFT__LIVE_GOODBYE, true);
    CU_ASSERT_STRING_EQUAL(r->why, "goodbye");
    pass(r, GRACE_MS - 100);
    CU_ASSERT_EQUAL(r->made, 0);
    pass(r, 200);
    CU_ASSERT_EQUAL(r->made, 1);
    rig_destroy(r);
}

/* As when a node is upgraded. */
static void a_session_that_the_next_life_takes_up_is_not_ended(void)
{
    rig *r = rig_create();
    birth(r, E1);
    session_begins(r, E1, 1);
    live(r, E1, WEFT__LIVE_GOODBYE, true);
    pass(r, 3000);
    birth(r, E2);
    weft_event event = {.type = WEFT_TOKEN_USAGE, .session_id = "s1", .id = {"a", E2, 1}};
    const weft_event *kept = weft_event_keep(&event);
    weft__lives_see(&r->lives, kept, r->now);
    weft_event_release(kept);
    for (int i = 0; i < 10; i++) {
        pass(r, BEAT_MS);
        beat(r, E2, 0);
    }
    CU_ASSERT_EQUAL(r->made, 0);
    rig_destroy(r);
}

static void a_forgotten_node_is_not_listed_until_it_is_born_again(void)
{
    rig *r = rig_create();
    birth(r, E1);
    CU_ASSERT_EQUAL(weft__peers_list(&r->lives.peers, NULL, 0, r->now), 1);
    weft__lives_forget(&r->lives, "a", r->now);
    CU_ASSERT_EQUAL(weft__peers_list(&r->lives.peers, NULL, 0, r->now), 0);
    CU_ASSERT_EQUAL(r->downs, 1);
    CU_ASSERT_STRING_EQUAL(r->why, "forgotten");
    weft__lives_forget(&r->lives, "a", r->now);
    weft__lives_forget(&r->lives, "nobody", r->now);
    CU_ASSERT_EQUAL(r->downs, 1);
    birth(r, E1);
    CU_ASSERT_EQUAL(r->ups, 2);
    CU_ASSERT_EQUAL(weft__peers_list(&r->lives.peers, NULL, 0, r->now), 1);
    rig_destroy(r);
}

/* ---- what is shown ---- */

static void a_peer_is_shown_as_it_is(void)
{
    rig *r = rig_create();
    birth(r, E1);
    weft_peer peer = shown(r);
    CU_ASSERT_STRING_EQUAL(peer.node, "a");
    CU_ASSERT_EQUAL(peer.state, WEFT_PEER_UP);
    CU_ASSERT_STRING_EQUAL(weft_peer_state_name(peer.state), "up");
    CU_ASSERT_EQUAL(peer.epoch, E1);
    CU_ASSERT_EQUAL(peer.since_ms, 1700000000000);
    CU_ASSERT_EQUAL(peer.beat_age_ms, -1);
    CU_ASSERT_FALSE(peer.skew_known);
    CU_ASSERT_STRING_EQUAL(peer.version, "9.9");
    beat(r, E1, -300);
    pass(r, 2000);
    peer = shown(r);
    CU_ASSERT_EQUAL(peer.beat_age_ms, 2000);
    CU_ASSERT_TRUE(peer.skew_known);
    CU_ASSERT_EQUAL(peer.skew_ms, -300);
    rig_destroy(r);
}

static void what_happened_before_us_is_dated_by_the_node(void)
{
    rig *r = rig_create();
    live(r, E1, WEFT__LIVE_GOODBYE, false);
    CU_ASSERT_EQUAL(shown(r).since_ms, SAID_MS);
    live(r, E2, WEFT__LIVE_WILL, false);
    CU_ASSERT_EQUAL(shown(r).since_ms, 0);
    live(r, E2, WEFT__LIVE_BIRTH, false);
    CU_ASSERT_EQUAL(shown(r).since_ms, SAID_MS);
    rig_destroy(r);
}

static void a_clock_that_is_far_off_is_told_once_until_it_is_right(void)
{
    rig *r = rig_create();
    birth(r, E1);
    for (int i = 0; i < 10; i++) {
        beat(r, E1, -8000);
        pass(r, BEAT_MS);
        CU_ASSERT_EQUAL(r->skews, i >= 2);
    }
    CU_ASSERT_EQUAL(r->skew_ms, -8000);
    for (int i = 0; i < 40; i++) {
        beat(r, E1, 100);
        pass(r, BEAT_MS);
    }
    CU_ASSERT_EQUAL(r->skews, 1);
    for (int i = 0; i < 3; i++) {
        beat(r, E1, 6000);
        pass(r, BEAT_MS);
    }
    CU_ASSERT_EQUAL(r->skews, 2);
    CU_ASSERT_EQUAL(r->skew_ms, 6000);
    rig_destroy(r);
}

static void a_beat_that_does_not_say_when_it_was_sent_is_a_beat(void)
{
    rig *r = rig_create();
    birth(r, E1);
    weft__beat m = {.node = "a", .epoch = E1};
    weft__lives_beat(&r->lives, peer_of(r), &m, r->now);
    CU_ASSERT_EQUAL(shown(r).beat_age_ms, 0);
    CU_ASSERT_FALSE(shown(r).skew_known);
    rig_destroy(r);
}

static void at_the_bound_one_that_is_away_makes_room(void)
{
    rig *r = rig_create();
    char name[24];
    weft__peer *last = NULL;
    for (unsigned i = 0; i < WEFT__PEERS_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        weft__live m = {.node = name, .epoch = E1, .status = WEFT__LIVE_BIRTH};
        last = weft__peers_add(&r->lives.peers, name, E1);
        weft__lives_born(&r->lives, last, &m, true, (weft__moment){1, r->now}, r->now);
    }
    CU_ASSERT_PTR_NULL(weft__peers_add(&r->lives.peers, "one.more", E1));
    weft__live gone = {.node = name, .epoch = E1, .status = WEFT__LIVE_GOODBYE};
    weft__lives_left(&r->lives, last, &gone, true, (weft__moment){1, r->now}, r->now);
    CU_ASSERT_PTR_NOT_NULL(weft__peers_add(&r->lives.peers, "one.more", E1));
    CU_ASSERT_PTR_NULL(weft__peers_find(&r->lives.peers, name));
    rig_destroy(r);
}

SUITE(bridge_lives, CASE(a_node_whose_beats_stop_is_dead), CASE(any_message_of_that_life_brings_it_back),
      CASE(what_a_broker_still_retains_does_not_bring_it_back), CASE(nobody_is_silent_while_we_are_cut_off),
      CASE(our_own_standstill_is_nobodys_silence), CASE(clocks_that_jump_do_not_kill),
      CASE(a_life_whose_birth_we_missed_can_end), CASE(a_goodbye_waits_for_the_grace_too),
      CASE(a_session_that_the_next_life_takes_up_is_not_ended),
      CASE(a_forgotten_node_is_not_listed_until_it_is_born_again), CASE(a_peer_is_shown_as_it_is),
      CASE(what_happened_before_us_is_dated_by_the_node), CASE(a_clock_that_is_far_off_is_told_once_until_it_is_right),
      CASE(a_beat_that_does_not_say_when_it_was_sent_is_a_beat), CASE(at_the_bound_one_that_is_away_makes_room))
