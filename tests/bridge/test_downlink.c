/* Messages of other nodes, one by one: what is ours, what is missing, what is asked, what is told. */
#include "bridge/downlink_rig.h"

#include "bridge/downlink_private.h"

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
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM | WEFT_TOPIC_COST, r->now);
    batch(r, 5, 10, 11);
    CU_ASSERT_TRUE(GOT(r, 11));
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM, r->now);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_LLM | WEFT_TOPIC_COST, r->now);
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
    pass_until_asked(r);
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
    weft__downlink_interest(r->downlink, WEFT_TOPIC_COST | WEFT_TOPIC_TOOL, r->now);
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

/* ---- what ticks look at ---- */

static void a_tick_looks_only_at_streams_of_which_something_is_due(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 3);
    CU_ASSERT_EQUAL(r->downlink->watched_count, 1);
    CU_ASSERT_EQUAL(stats_of(r).streams.delivered, 3);
    CU_ASSERT_EQUAL(r->downlink->watched_count, 0);
    beat(r, 5, 4);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    CU_ASSERT_EQUAL(r->downlink->watched_count, 1);
    pass(r, 1000);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 1);
    CU_ASSERT_EQUAL(r->downlink->watched_count, 1);
    pass_until_asked(r);
    answer(r, 0, 3, 4, true, 4);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    CU_ASSERT_EQUAL(stats_of(r).streams.delivered, 4);
    CU_ASSERT_EQUAL(r->downlink->watched_count, 0);
    rig_destroy(r);
}

enum { ASKERS = 20, HOLES = 30 };

typedef struct askers {
    asked open[ASKERS]; /* questions not answered yet */
    size_t open_count;
    bool has_asked[ASKERS];
} askers;

static void askers_ask(void *user, const weft__question *question)
{
    askers *a = user;
    asked *ask = &a->open[a->open_count++];
    *ask = (asked){.request = question->request, .to = question->to_seq};
    snprintf(ask->node, sizeof ask->node, "%s", question->node);
    a->has_asked[atoi(question->node + 1)] = true;
}

static void askers_deliver(void *user, const weft_event *event)
{
    (void)user;
    (void)event;
}

/* Tells that what is missing does not exist. */
static void askers_answer(askers *a, weft__downlink *d, int64_t now)
{
    for (; a->open_count > 0; a->open_count--) {
        const asked *ask = &a->open[a->open_count - 1];
        char request[24];
        uint8_t *bytes;
        size_t length;
        snprintf(request, sizeof request, "%llu", (unsigned long long)ask->request);
        weft__reply reply = {.node = ask->node, .request_id = request, .last = true, .covered_to_seq = ask->to};
        CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&reply, &bytes, &length), WEFT_OK);
        weft__downlink_reply(d, ask->node, bytes, length, now);
        free(bytes);
    }
}

static void holes_make(weft__downlink *d, const char *node, int64_t now)
{
    for (uint64_t i = 1; i <= HOLES; i++) {
        size_t length;
        uint8_t *bytes = batch_bytes(node, 1, 2 * i - 1, 2 * i, &length);
        weft__downlink_batch(d, node, WEFT_TOPIC_COST, bytes, length, now);
        free(bytes);
    }
}

static void streams_that_find_no_place_to_ask_come_first_the_next_time(void)
{
    askers a = {.open_count = 0};
    weft__downlink_opts opts = {.node = "me", .hold_ms = HOLD_MS, .ask_timeout_ms = ASK_MS};
    weft__downlink_ops ops = {.deliver = askers_deliver, .ask = askers_ask, .user = &a};
    weft__downlink *d;
    int64_t now = 1000000;
    CU_ASSERT_EQUAL_FATAL(weft__downlink_create(&opts, &ops, &d), WEFT_OK);
    weft__downlink_interest(d, WEFT_TOPIC_COST, now);
    for (int i = 0; i < ASKERS; i++) {
        char node[24];
        snprintf(node, sizeof node, "n%d", i);
        holes_make(d, node, now);
    }
    for (int tick = 0; tick < 3; tick++) {
        weft__downlink_tick(d, now += 50);
        askers_answer(&a, d, now);
    }
    for (int i = 0; i < ASKERS; i++)
        CU_ASSERT_TRUE(a.has_asked[i]);
    weft__downlink_destroy(d);
}

/* ---- the account ---- */

static void says_once_that_a_stream_does_not_add_up(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 4);
    beat_counted(r, 5, 4, 4);
    pass(r, 100);
    CU_ASSERT_EQUAL(r->complaints, 0);
    beat_counted(r, 5, 4, 6);
    pass(r, 1000);
    beat_counted(r, 5, 4, 6);
    pass(r, 1000);
    CU_ASSERT_EQUAL(r->complaints, 1);
    CU_ASSERT_EQUAL(r->unaccounted, 2);
    beat_counted(r, 5, 4, 4);
    pass(r, 100);
    CU_ASSERT_EQUAL(r->complaints, 1);
    rig_destroy(r);
}

static void shows_the_account_of_each_stream_and_of_who_sent_junk(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    weft_stream_account rows[8];
    weft__name_buffer names[8];
    birth(r, 5, false);
    batch(r, 5, 0, 4);
    batch(r, 5, 2, 4);
    beat_counted(r, 5, 4, 4);
    weft__downlink_batch(r->downlink, "junk", WEFT_TOPIC_COST, (const uint8_t *)"\xff", 1, r->now);
    pass(r, 100);
    CU_ASSERT_EQUAL_FATAL(weft__downlink_accounts(r->downlink, rows, names, 8), 2);
    CU_ASSERT_STRING_EQUAL(rows[0].node, "junk");
    CU_ASSERT_EQUAL(rows[0].epoch, 0);
    CU_ASSERT_EQUAL(rows[0].dropped_malformed, 1);
    CU_ASSERT_STRING_EQUAL(rows[1].node, "a");
    CU_ASSERT_EQUAL(rows[1].epoch, 5);
    CU_ASSERT_EQUAL(rows[1].topic, WEFT_TOPIC_COST);
    CU_ASSERT_TRUE(rows[1].based && rows[1].before_known);
    CU_ASSERT_EQUAL(rows[1].published, 4);
    CU_ASSERT_EQUAL(rows[1].received, 6);
    CU_ASSERT_EQUAL(rows[1].delivered, 4);
    CU_ASSERT_EQUAL(rows[1].duplicates, 2);
    CU_ASSERT_EQUAL(weft__downlink_accounts(r->downlink, NULL, NULL, 0), 2);
    rig_destroy(r);
}

static void a_beat_settles_the_account_of_an_earlier_life(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    weft_stream_account rows[8];
    weft__name_buffer names[8];
    birth(r, 6, true);
    batch(r, 5, 0, 4); /* the backlog of a life that no birth has told of in time */
    weft__position streams[] = {{6, WEFT_TOPIC_COST, 2, 2}, {5, WEFT_TOPIC_COST, 4, 4}, {4, WEFT_TOPIC_COST, 9, 9}};
    weft__beat m = {.node = "a", .epoch = 6, .streams = streams, .stream_count = 3};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_beat(r->downlink, "a", bytes, length, r->now);
    free(bytes);
    pass(r, 100);
    size_t count = weft__downlink_accounts(r->downlink, rows, names, 8), found = 0;
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_NOT_EQUAL(rows[i].epoch, 4);
        found += rows[i].epoch == 5 && rows[i].published == 4 && rows[i].delivered == 4;
    }
    CU_ASSERT_EQUAL(found, 1);
    rig_destroy(r);
}

static void totals_outlive_the_streams(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, 5, false);
    batch(r, 5, 0, 4);
    weft__downlink_interest(r->downlink, 0, r->now);
    CU_ASSERT_EQUAL(weft__downlink_accounts(r->downlink, NULL, NULL, 0), 0);
    CU_ASSERT_EQUAL(stats_of(r).streams.delivered, 4);
    weft__downlink_interest(r->downlink, WEFT_TOPIC_COST, r->now);
    batch(r, 5, 4, 6);
    CU_ASSERT_EQUAL(stats_of(r).streams.delivered, 6);
    CU_ASSERT_EQUAL(stats_of(r).streams.received, 6);
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
      CASE(processes_of_seconds_do_not_use_up_the_streams),
      CASE(a_tick_looks_only_at_streams_of_which_something_is_due),
      CASE(streams_that_find_no_place_to_ask_come_first_the_next_time), CASE(says_once_that_a_stream_does_not_add_up),
      CASE(shows_the_account_of_each_stream_and_of_who_sent_junk), CASE(a_beat_settles_the_account_of_an_earlier_life),
      CASE(totals_outlive_the_streams))
