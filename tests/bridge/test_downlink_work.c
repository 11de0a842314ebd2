/* What a downlink takes for begun and not ended when messages come late: ends overtake beginnings. */
#include "bridge/downlink.h"
#include "support/suite.h"

#include <stdlib.h>

enum { HOLD_MS = 2000, E1 = 1, E2 = 2 };

typedef struct rig {
    weft__downlink *downlink;
    int64_t now;
} rig;

static void on_deliver(void *user, const weft_event *event)
{
    (void)user;
    (void)event;
}

static void on_lost(void *user, const weft_lost *lost)
{
    (void)user;
    (void)lost;
}

static void on_ask(void *user, const weft__question *question)
{
    (void)user;
    (void)question;
}

static void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    (void)user;
    (void)node;
    (void)epoch;
    (void)up;
    (void)why;
}

/* With last_seq: where the life before came to in the stream of sessions. */
static void is_born(rig *r, uint64_t epoch, uint64_t last_seq)
{
    weft__position previous = {epoch - 1, WEFT_TOPIC_SESSION, last_seq, 0};
    weft__live live = {.node = "a",
                       .epoch = epoch,
                       .status = WEFT__LIVE_BIRTH,
                       .previous = &previous,
                       .previous_count = last_seq > 0,
                       .timestamp_ms = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&live, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, WEFT__LIVE_FRESH, r->now);
    free(bytes);
}

static rig *rig_create(void)
{
    rig *r = calloc(1, sizeof *r);
    weft__downlink_opts opts = {.node = "me", .hold_ms = HOLD_MS, .closes_work = true};
    weft__downlink_ops ops = {.deliver = on_deliver, .lost = on_lost, .ask = on_ask, .peer = on_peer, .user = r};
    r->now = 1000000;
    CU_ASSERT_EQUAL_FATAL(weft__downlink_create(&opts, &ops, &r->downlink), WEFT_OK);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_SESSION, r->now);
    weft__downlink_connected(r->downlink, r->now);
    is_born(r, E1, 0);
    return r;
}

static void rig_destroy(rig *r)
{
    weft__downlink_destroy(r->downlink);
    free(r);
}

/* A message of one event, which comes right after `prev`. */
static void message(rig *r, uint64_t epoch, uint64_t prev, weft_event_type type, const char *session)
{
    weft_event event = {.type = type, .id = {.node = "a", .epoch = epoch, .seq = prev + 1}, .session_id = session};
    const weft_event *kept = weft_event_keep(&event);
    weft_batch batch = {.node = "a", .epoch = epoch, .prev_seq = prev, .events = &kept, .event_count = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_SESSION, bytes, length, r->now);
    free(bytes);
    weft_event_release(kept);
}

static void pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        r->now += 50;
        weft__downlink_tick(r->downlink, r->now);
    }
}

static uint64_t open_of(rig *r)
{
    weft__downlink_stats stats;
    weft__downlink_tick(r->downlink, r->now);
    weft__downlink_get_stats(r->downlink, &stats);
    return stats.work.open;
}

static void a_beginning_that_its_end_overtook_opens_nothing(void)
{
    rig *r = rig_create();
    message(r, E1, 1, WEFT_SESSION_END, "s1"); /* waits for what is missing, but not for ever */
    pass(r, 2 * HOLD_MS);
    message(r, E1, 0, WEFT_SESSION_START, "s1");
    CU_ASSERT_EQUAL(open_of(r), 0);
    rig_destroy(r);
}

static void so_it_is_with_one_of_a_life_before(void)
{
    rig *r = rig_create();
    message(r, E1, 0, WEFT_SESSION_START, "s0");
    CU_ASSERT_EQUAL_FATAL(open_of(r), 1);
    is_born(r, E2, 2);
    message(r, E2, 0, WEFT_SESSION_END, "s1"); /* before it is sure that the old life's last one is missing */
    message(r, E2, 1, WEFT_SESSION_END, "s0");
    CU_ASSERT_EQUAL(open_of(r), 0);
    pass(r, 2 * HOLD_MS);
    message(r, E2, 2, WEFT_SESSION_END, "s2");
    message(r, E1, 1, WEFT_SESSION_START, "s1");
    CU_ASSERT_EQUAL(open_of(r), 0);
    rig_destroy(r);
}

static void one_of_a_hole_of_a_life_before(void)
{
    rig *r = rig_create();
    message(r, E1, 1, WEFT_SESSION_START, "s0");
    pass(r, 2 * HOLD_MS);
    is_born(r, E2, 2);
    message(r, E2, 0, WEFT_SESSION_END, "s1");
    message(r, E1, 0, WEFT_SESSION_START, "s1");
    CU_ASSERT_EQUAL(open_of(r), 1);
    rig_destroy(r);
}

static void nothing_is_kept_in_mind_when_nothing_is_missing(void)
{
    rig *r = rig_create();
    message(r, E1, 0, WEFT_SESSION_END, "s1");
    CU_ASSERT_EQUAL(open_of(r), 0);
    message(r, E1, 1, WEFT_SESSION_START, "s1");
    CU_ASSERT_EQUAL(open_of(r), 1);
    message(r, E1, 2, WEFT_SESSION_END, "s1");
    CU_ASSERT_EQUAL(open_of(r), 0);
    rig_destroy(r);
}

SUITE(bridge_downlink_work, CASE(a_beginning_that_its_end_overtook_opens_nothing),
      CASE(so_it_is_with_one_of_a_life_before), CASE(one_of_a_hole_of_a_life_before),
      CASE(nothing_is_kept_in_mind_when_nothing_is_missing))
