/* Messages of other nodes, one by one: what is ours, what is missing, what is asked, what is told. */
#include "bridge/downlink.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 2000, ASK_MS = 3000, GIVE_UP_MS = 60000, STREAMS = 32, RECORDS = 4096, FIRST_REQUEST = 1000 };

typedef struct asked {
    char node[65];
    uint64_t request, epoch, from, to;
} asked;

typedef struct rig {
    weft__downlink *downlink;
    int64_t now;
    uint64_t seq[RECORDS];
    bool replayed[RECORDS];
    size_t count;
    weft_lost lost[16];
    size_t lost_count;
    asked ask; /* the last */
    size_t ask_count;
    unsigned ups, downs, drops;
} rig;

static void on_deliver(void *user, const weft_event *event)
{
    rig *r = user;
    r->replayed[r->count] = (event->flags & WEFT_FLAG_REPLAYED) != 0;
    r->seq[r->count++] = event->id.seq;
}

static void on_lost(void *user, const weft_lost *lost)
{
    rig *r = user;
    r->lost[r->lost_count++] = *lost;
}

static void on_ask(void *user, const char *node, uint64_t request, uint64_t epoch, weft_topic topic, uint64_t from,
                   uint64_t to)
{
    rig *r = user;
    (void)topic;
    r->ask = (asked){.request = request, .epoch = epoch, .from = from, .to = to};
    snprintf(r->ask.node, sizeof r->ask.node, "%s", node);
    r->ask_count++;
}

static void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    rig *r = user;
    (void)node;
    (void)epoch;
    (void)why;
    *(up ? &r->ups : &r->downs) += 1;
}

static void on_dropped(void *user, const char *node, const char *reason)
{
    rig *r = user;
    (void)node;
    CU_ASSERT_PTR_NOT_NULL(reason);
    r->drops++;
}

static rig *rig_create(uint32_t interest)
{
    rig *r = calloc(1, sizeof *r);
    weft__downlink_opts opts = {.node = "me",
                                .hold_ms = HOLD_MS,
                                .ask_timeout_ms = ASK_MS,
                                .give_up_ms = GIVE_UP_MS,
                                .streams_max = STREAMS,
                                .first_request = FIRST_REQUEST};
    weft__downlink_ops ops = {
        .deliver = on_deliver, .lost = on_lost, .ask = on_ask, .peer = on_peer, .dropped = on_dropped, .user = r};
    r->now = 1000000;
    CU_ASSERT_EQUAL_FATAL(weft__downlink_create(&opts, &ops, &r->downlink), WEFT_OK);
    weft__downlink_interest(r->downlink, interest);
    return r;
}

static void rig_destroy(rig *r)
{
    weft__downlink_destroy(r->downlink);
    free(r);
}

static weft__downlink_stats stats_of(rig *r)
{
    weft__downlink_stats stats;
    weft__downlink_tick(r->downlink, r->now);
    weft__downlink_get_stats(r->downlink, &stats);
    return stats;
}

static void pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        r->now += 50;
        weft__downlink_tick(r->downlink, r->now);
    }
}

static uint8_t *batch_bytes(const char *node, uint64_t epoch, uint64_t prev, uint64_t last, size_t *length)
{
    const weft_event *events[64];
    size_t count = 0;
    for (uint64_t seq = prev + 1; seq <= last; seq++) {
        weft_event event = {.type = WEFT_TOKEN_USAGE,
                            .timestamp_ms = 1,
                            .accepted_ms = 1,
                            .id = {.node = node, .epoch = epoch, .seq = seq},
                            .token_usage = {.model = "m", .input_tokens = seq}};
        events[count++] = weft_event_keep(&event);
    }
    weft_batch batch = {.node = node, .epoch = epoch, .prev_seq = prev, .events = events, .event_count = count};
    uint8_t *bytes;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, length), WEFT_OK);
    for (size_t i = 0; i < count; i++)
        weft_event_release(events[i]);
    return bytes;
}

/* Events (prev, last] of a's cost stream. */
static void batch(rig *r, uint64_t epoch, uint64_t prev, uint64_t last)
{
    size_t length;
    uint8_t *bytes = batch_bytes("a", epoch, prev, last, &length);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_COST, bytes, length, r->now);
    free(bytes);
}

static void live(rig *r, uint64_t epoch, weft__live_status status, bool known_before, uint64_t previous_epoch,
                 uint64_t previous_seq)
{
    weft__position previous = {previous_epoch, WEFT_TOPIC_COST, previous_seq, 0};
    weft__live m = {.node = "a",
                    .epoch = epoch,
                    .status = status,
                    .previous = &previous,
                    .previous_count = previous_seq > 0,
                    .timestamp_ms = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, known_before, r->now);
    free(bytes);
}

static void birth(rig *r, uint64_t epoch, bool known_before)
{
    live(r, epoch, WEFT__LIVE_BIRTH, known_before, 0, 0);
}

static void beat(rig *r, uint64_t epoch, uint64_t last)
{
    weft__position position = {epoch, WEFT_TOPIC_COST, last, 0};
    weft__beat m = {.node = "a", .epoch = epoch, .streams = &position, .stream_count = last > 0};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_beat(r->downlink, "a", bytes, length, r->now);
    free(bytes);
}

/* A part of the answer to a request, with events (prev, last] if there are any. */
static void answer_to(rig *r, uint64_t request, uint32_t index, uint64_t prev, uint64_t last, bool end,
                      uint64_t covered, const weft_lost *lost, const char *error)
{
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)request);
    size_t batch_length = 0, length;
    uint8_t *events = last > prev ? batch_bytes("a", r->ask.epoch, prev, last, &batch_length) : NULL, *bytes;
    weft__reply m = {.node = "a",
                     .request_id = id,
                     .index = index,
                     .last = end,
                     .batch = events,
                     .batch_bytes = batch_length,
                     .covered_to_seq = covered,
                     .lost = lost,
                     .lost_count = lost != NULL,
                     .error = error};
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_reply(r->downlink, "a", bytes, length, r->now);
    free(bytes);
    free(events);
}

static void answer(rig *r, uint32_t index, uint64_t prev, uint64_t last, bool end, uint64_t covered)
{
    answer_to(r, r->ask.request, index, prev, last, end, covered, NULL, NULL);
}

static bool got(const rig *r, size_t count, const uint64_t *seqs)
{
    return r->count == count && memcmp(r->seq, seqs, count * sizeof *seqs) == 0;
}
#define GOT(r, ...) got(r, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[]){__VA_ARGS__})

/* ---- where a stream begins for us ---- */

static void what_a_node_said_before_we_came_is_not_asked_for(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, true);
    batch(r, 5, 10, 12);
    CU_ASSERT_TRUE(GOT(r, 11, 12));
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

static void a_node_born_after_us_owes_us_everything(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 2, 4);
    CU_ASSERT_EQUAL(r->count, 0);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_STRING_EQUAL(r->ask.node, "a");
    CU_ASSERT_TRUE(r->ask.from == 1 && r->ask.to == 2 && r->ask.epoch == 5);
    CU_ASSERT_TRUE(r->ask.request > FIRST_REQUEST);
    answer(r, 0, 0, 2, false, 0);
    answer(r, 1, 0, 0, true, 2);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 4));
    rig_destroy(r);
}

static void interest_that_comes_later_begins_with_what_comes_then(void)
{
    rig *r = rig_create(WEFT_TOPIC_LLM);
    birth(r, 5, false);
    batch(r, 5, 0, 3);
    CU_ASSERT_EQUAL(r->count, 0);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM | WEFT_TOPIC_COST);
    batch(r, 5, 10, 11);
    CU_ASSERT_TRUE(GOT(r, 11));
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM | WEFT_TOPIC_COST);
    batch(r, 5, 20, 21);
    CU_ASSERT_TRUE(GOT(r, 11, 21));
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

/* It had lived before we came; that it reconnects, or lives again, does not make its past ours. */
static void the_backlog_of_a_life_before_us_is_no_gap(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 7, true);
    batch(r, 5, 100, 101); /* left by the life before */
    CU_ASSERT_TRUE(GOT(r, 101));
    live(r, 9, WEFT__LIVE_BIRTH, false, 7, 50);
    pass(r, 3000);
    batch(r, 7, 49, 50);
    CU_ASSERT_TRUE(GOT(r, 101, 50));
    CU_ASSERT_EQUAL(r->ask_count, 0);
    batch(r, 9, 1, 2); /* this one began after us */
    CU_ASSERT_EQUAL(r->ask_count, 1);
    rig_destroy(r);
}

static void a_node_that_was_away_when_we_came_is_not_asked_for_its_past(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    live(r, 5, WEFT__LIVE_WILL, true, 0, 0);
    CU_ASSERT_EQUAL(r->ups, 0);
    birth(r, 5, false);
    CU_ASSERT_EQUAL(r->ups, 1);
    batch(r, 5, 100, 101);
    CU_ASSERT_TRUE(GOT(r, 101));
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

/* ---- what tells of losses ---- */

static void a_beat_tells_of_a_last_event_that_did_not_come(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 3);
    beat(r, 5, 4);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    pass(r, 1000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.from == 4 && r->ask.to == 4);
    rig_destroy(r);
}

static void a_beat_that_names_nothing_is_a_baseline(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, true);
    beat(r, 5, 0);
    batch(r, 5, 1, 2);
    CU_ASSERT_EQUAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.from == 1 && r->ask.to == 1);
    rig_destroy(r);
}

static void a_new_birth_tells_where_the_old_life_ended(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 3);
    live(r, 6, WEFT__LIVE_BIRTH, false, 5, 9);
    pass(r, 2000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.epoch == 5 && r->ask.from == 4 && r->ask.to == 9);
    rig_destroy(r);
}

static void a_life_between_two_births_is_ours_too(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, true);
    live(r, 8, WEFT__LIVE_BIRTH, false, 6, 4); /* 6 began and ended while we were not connected */
    pass(r, 2000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.epoch == 6 && r->ask.from == 1 && r->ask.to == 4);
    rig_destroy(r);
}

/* ---- answers ---- */

static rig *rig_with_hole(uint64_t last_missing)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, last_missing, last_missing + 1);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    return r;
}

static void an_answer_in_parts_heals_in_order_also_if_one_comes_twice(void)
{
    rig *r = rig_with_hole(4);
    answer(r, 0, 0, 2, false, 0);
    answer(r, 0, 0, 2, false, 0);
    answer(r, 1, 2, 4, false, 0);
    answer(r, 2, 0, 0, true, 4);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 4, 5));
    pass(r, 10000);
    CU_ASSERT_EQUAL(r->ask_count, 1);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    rig_destroy(r);
}

static void a_missing_part_is_asked_for_again(void)
{
    rig *r = rig_with_hole(4);
    answer(r, 1, 2, 4, false, 0);
    answer(r, 2, 0, 0, true, 4);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    CU_ASSERT_EQUAL(r->count, 0);
    pass(r, 1000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 2);
    CU_ASSERT_TRUE(r->ask.from == 1 && r->ask.to == 2);
    answer(r, 0, 0, 2, false, 0);
    answer(r, 1, 0, 0, true, 2);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 4, 5));
    rig_destroy(r);
}

static void an_answer_that_ends_early_is_continued(void)
{
    rig *r = rig_with_hole(4);
    answer(r, 0, 0, 2, false, 0);
    answer(r, 1, 0, 0, true, 2);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 2);
    CU_ASSERT_TRUE(r->ask.from == 3 && r->ask.to == 4);
    rig_destroy(r);
}

static void what_the_answer_calls_lost_is_reported_once_with_its_count(void)
{
    rig *r = rig_with_hole(4);
    weft_lost lost = {
        .epoch = 5, .topic = WEFT_TOPIC_COST, .from_seq = 1, .to_seq = 3, .count = 2, .reason = WEFT_LOST_RETENTION};
    answer_to(r, r->ask.request, 0, 3, 4, false, 0, NULL, NULL);
    answer_to(r, r->ask.request, 1, 0, 0, true, 4, &lost, NULL);
    answer_to(r, r->ask.request, 1, 0, 0, true, 4, &lost, NULL);
    CU_ASSERT_TRUE(GOT(r, 4, 5));
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 1);
    CU_ASSERT_TRUE(r->lost[0].from_seq == 1 && r->lost[0].to_seq == 3);
    CU_ASSERT_EQUAL(r->lost[0].count, 2);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_RETENTION);
    rig_destroy(r);
}

static void an_error_is_asked_again_later_and_an_answer_to_nothing_ignored(void)
{
    rig *r = rig_with_hole(4);
    answer_to(r, FIRST_REQUEST - 1, 0, 0, 0, true, 4, NULL, NULL); /* of an earlier life */
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 1);
    answer_to(r, r->ask.request, 0, 0, 0, true, 4, NULL, "busy");
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 1);
    pass(r, 1000);
    CU_ASSERT_EQUAL(r->ask_count, 2);
    rig_destroy(r);
}

static void without_an_answer_the_hold_ends_and_later_the_hole_is_lost(void)
{
    rig *r = rig_with_hole(4);
    pass(r, HOLD_MS + 100);
    CU_ASSERT_TRUE(GOT(r, 5));
    pass(r, GIVE_UP_MS + 1000);
    CU_ASSERT_TRUE(r->ask_count > 2);
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 1);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_UNREACHABLE);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    rig_destroy(r);
}

static void a_node_that_comes_back_in_time_gets_its_chance(void)
{
    rig *r = rig_with_hole(4);
    pass(r, GIVE_UP_MS - 5000);
    live(r, 6, WEFT__LIVE_BIRTH, false, 5, 5);
    pass(r, 10000);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    answer(r, 0, 0, 4, true, 4);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    CU_ASSERT_EQUAL(r->count, 5);
    CU_ASSERT_TRUE(r->replayed[1]);
    CU_ASSERT_FALSE(r->replayed[0]);
    rig_destroy(r);
}

static void after_a_reconnect_it_asks_anew(void)
{
    rig *r = rig_with_hole(4);
    uint64_t request = r->ask.request;
    weft__downlink_connected(r->downlink, r->now);
    pass(r, 1000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 2);
    CU_ASSERT_NOT_EQUAL(r->ask.request, request);
    rig_destroy(r);
}

/* ---- what is not believed ---- */

static void malformed_and_foreign_messages_are_counted_and_change_nothing(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    size_t length;
    uint8_t *bytes = batch_bytes("a", 5, 0, 1, &length);
    weft__downlink_batch(r->downlink, "mallory", WEFT_TOPIC_COST, bytes, length, r->now);
    bytes[length - 1] ^= 1;
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_COST, bytes, length, r->now);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_COST, (const uint8_t *)"\xff", 1, r->now);
    free(bytes);
    bytes = batch_bytes("a", 5, 0, 1, &length);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_COST | WEFT_TOPIC_TOOL);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_TOOL, bytes, length, r->now);
    weft__downlink_live(r->downlink, "b", (const uint8_t *)"\xff", 1, false, r->now);
    weft__downlink_beat(r->downlink, "a", (const uint8_t *)"\xff", 1, r->now);
    weft__downlink_reply(r->downlink, "a", (const uint8_t *)"\xff", 1, r->now);
    free(bytes);
    weft__downlink_stats stats = stats_of(r);
    CU_ASSERT_EQUAL(stats.dropped_foreign, 1);
    CU_ASSERT_EQUAL(stats.dropped_corrupt, 1);
    CU_ASSERT_EQUAL(stats.dropped_malformed, 5);
    CU_ASSERT_EQUAL(r->drops, 7);
    CU_ASSERT_EQUAL(r->count, 0);
    rig_destroy(r);
}

/* ---- peers ---- */

static void peers_come_and_go_once_a_change(void)
{
    rig *r = rig_create(0);
    birth(r, 5, false);
    birth(r, 5, false);
    CU_ASSERT_EQUAL(r->ups, 1);
    live(r, 4, WEFT__LIVE_WILL, false, 0, 0); /* of an older life */
    CU_ASSERT_EQUAL(r->downs, 0);
    live(r, 5, WEFT__LIVE_WILL, false, 0, 0);
    live(r, 5, WEFT__LIVE_GOODBYE, false, 0, 0);
    CU_ASSERT_EQUAL(r->downs, 1);
    CU_ASSERT_EQUAL(stats_of(r).peers, 0);
    birth(r, 6, false);
    birth(r, 5, false);
    CU_ASSERT_EQUAL(r->ups, 2);
    CU_ASSERT_EQUAL(stats_of(r).peers, 1);
    rig_destroy(r);
}

/* ---- bounds ---- */

static void processes_of_seconds_do_not_use_up_the_streams(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 1);
    for (int i = 0; i < 10 * STREAMS; i++) {
        char node[24];
        size_t length;
        snprintf(node, sizeof node, "host.cli.%d", i);
        uint8_t *bytes = batch_bytes(node, 1, 0, 1, &length);
        weft__downlink_batch(r->downlink, node, WEFT_TOPIC_COST, bytes, length, r->now);
        free(bytes);
    }
    CU_ASSERT_EQUAL(r->count, 1 + 10 * STREAMS);
    CU_ASSERT_EQUAL(stats_of(r).dropped_bound, 0);
    batch(r, 5, 0, 2); /* a node that is up is remembered */
    CU_ASSERT_EQUAL(r->count, 2 + 10 * STREAMS);
    rig_destroy(r);
}

SUITE(bridge_downlink, CASE(what_a_node_said_before_we_came_is_not_asked_for),
      CASE(a_node_born_after_us_owes_us_everything), CASE(interest_that_comes_later_begins_with_what_comes_then),
      CASE(the_backlog_of_a_life_before_us_is_no_gap),
      CASE(a_node_that_was_away_when_we_came_is_not_asked_for_its_past),
      CASE(a_beat_tells_of_a_last_event_that_did_not_come), CASE(a_beat_that_names_nothing_is_a_baseline),
      CASE(a_new_birth_tells_where_the_old_life_ended), CASE(a_life_between_two_births_is_ours_too),
      CASE(an_answer_in_parts_heals_in_order_also_if_one_comes_twice), CASE(a_missing_part_is_asked_for_again),
      CASE(an_answer_that_ends_early_is_continued), CASE(what_the_answer_calls_lost_is_reported_once_with_its_count),
      CASE(an_error_is_asked_again_later_and_an_answer_to_nothing_ignored),
      CASE(without_an_answer_the_hold_ends_and_later_the_hole_is_lost),
      CASE(a_node_that_comes_back_in_time_gets_its_chance), CASE(after_a_reconnect_it_asks_anew),
      CASE(malformed_and_foreign_messages_are_counted_and_change_nothing), CASE(peers_come_and_go_once_a_change),
      CASE(processes_of_seconds_do_not_use_up_the_streams))
