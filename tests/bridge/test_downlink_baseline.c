/* Where the streams of a node that is older than us begin for us, and what becomes of nodes that go away. */
#include "bridge/downlink_rig.h"

enum { EPOCH = 5 };

static rig *younger_rig(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, EPOCH, true);
    return r;
}

/* ---- the first beat ---- */

static void a_first_message_that_is_lost_is_missed(void)
{
    rig *r = younger_rig();
    beat(r, EPOCH, 10);
    batch(r, EPOCH, 12, 14);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.from == 11 && r->ask.to == 12);
    answer(r, 0, 10, 12, true, 12);
    CU_ASSERT_TRUE(GOT(r, 11, 12, 13, 14));
    rig_destroy(r);
}

static void a_message_that_the_beat_overtook_is_not_thrown_away(void)
{
    rig *r = younger_rig();
    beat(r, EPOCH, 12);
    batch(r, EPOCH, 10, 12);
    CU_ASSERT_TRUE(GOT(r, 11, 12));
    beat(r, EPOCH, 12);
    pass(r, 1000);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

static void a_stream_that_says_nothing_more_is_not_asked_about(void)
{
    rig *r = younger_rig();
    for (int i = 0; i < 5; i++) {
        beat(r, EPOCH, 10);
        pass(r, 5000);
    }
    CU_ASSERT_EQUAL(r->ask_count, 0);
    batch(r, EPOCH, 10, 11);
    CU_ASSERT_TRUE(GOT(r, 11));
    rig_destroy(r);
}

static void what_a_second_beat_adds_is_missed(void)
{
    rig *r = younger_rig();
    beat(r, EPOCH, 10);
    beat(r, EPOCH, 12);
    pass(r, 1000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.from == 11 && r->ask.to == 12);
    answer(r, 0, 10, 12, true, 12);
    CU_ASSERT_TRUE(GOT(r, 11, 12));
    rig_destroy(r);
}

/* The broker still had something for us from before the first beat. */
static void a_guessed_baseline_gives_way_to_the_first_message(void)
{
    rig *r = younger_rig();
    beat(r, EPOCH, 10);
    beat(r, EPOCH, 12);
    pass(r, 1000);
    batch(r, EPOCH, 8, 12);
    CU_ASSERT_TRUE(GOT(r, 9, 10, 11, 12));
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    batch(r, EPOCH, 2, 4); /* sent again: long before us */
    CU_ASSERT_EQUAL(r->count, 4);
    rig_destroy(r);
}

/* ---- a birth that is told again ---- */

static void reborn(rig *r, int64_t age_ms)
{
    weft__live m = {.node = "a",
                    .epoch = EPOCH,
                    .status = WEFT__LIVE_BIRTH,
                    .timestamp_ms = 1000000000,
                    .born_ms = 1000000000 - age_ms};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, false, r->now);
    free(bytes);
}

static void a_life_older_than_us_owes_us_nothing_also_if_the_broker_forgot_it(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    reborn(r, 100000);
    batch(r, EPOCH, 100, 101);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    CU_ASSERT_TRUE(GOT(r, 101));
    rig_destroy(r);
}

static void a_life_younger_than_us_owes_us_everything_also_if_we_missed_its_birth(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    reborn(r, 10000);
    batch(r, EPOCH, 100, 101);
    CU_ASSERT_TRUE_FATAL(r->ask_count == 1);
    CU_ASSERT_TRUE(r->ask.from == 1 && r->ask.to == 100);
    rig_destroy(r);
}

/* ---- a node that is away ---- */

static void holes_of_a_node_that_is_away_wait_for_it(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, EPOCH, false);
    batch(r, EPOCH, 4, 5);
    live(r, EPOCH, WEFT__LIVE_WILL, false, 0, 0);
    pass(r, 3 * GIVE_UP_MS);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    size_t before = r->ask_count;
    live(r, EPOCH + 1, WEFT__LIVE_BIRTH, false, EPOCH, 5);
    pass(r, 500);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, before + 1); /* at once, however long it waited before */
    answer(r, 0, 0, 4, true, 4);
    CU_ASSERT_TRUE(GOT(r, 5, 1, 2, 3, 4));
    CU_ASSERT_EQUAL(r->lost_count, 0);
    rig_destroy(r);
}

static void questions_to_one_that_does_not_answer_come_often_enough_to_heal_within_a_minute(void)
{
    rig *r = rig_create(WEFT_TOPIC_COST);
    birth(r, EPOCH, false);
    batch(r, EPOCH, 4, 5);
    int64_t asked_at = r->now, longest = 0;
    for (size_t seen = r->ask_count; r->now < 1000000 + GIVE_UP_MS - 1000; pass(r, 50)) {
        if (r->ask_count == seen)
            continue;
        seen = r->ask_count;
        longest = r->now - asked_at > longest ? r->now - asked_at : longest;
        asked_at = r->now;
    }
    CU_ASSERT_TRUE(longest <= 20000);
    rig_destroy(r);
}

/* ---- many at once ---- */

static void streams_take_turns_in_asking(void)
{
    enum { NODES = 30, AT_ONCE = 12 };
    rig *r = rig_create(WEFT_TOPIC_COST);
    for (int i = 0; i < NODES; i++) {
        char node[8];
        size_t length;
        snprintf(node, sizeof node, "n%d", i);
        weft__live m = {.node = node, .epoch = EPOCH, .status = WEFT__LIVE_BIRTH, .timestamp_ms = 1};
        uint8_t *bytes;
        CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
        weft__downlink_live(r->downlink, node, bytes, length, false, r->now);
        free(bytes);
        bytes = batch_bytes(node, EPOCH, 4, 5, &length);
        weft__downlink_batch(r->downlink, node, WEFT_TOPIC_COST, bytes, length, r->now);
        free(bytes);
    }
    CU_ASSERT_EQUAL(r->ask_count, AT_ONCE);
    pass(r, ASK_MS + 100); /* nobody answers: their turn is over */
    CU_ASSERT_EQUAL(r->ask_count, 2 * AT_ONCE);
    pass(r, 10 * ASK_MS);
    CU_ASSERT_TRUE(r->ask_count > NODES);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, NODES);
    rig_destroy(r);
}

/* A birth, sent at `sent_ms` of a's clock, that names a life which nobody here has seen. */
static void birth_after_unseen(rig *r, uint64_t unseen, int64_t sent_ms)
{
    weft__position previous = {unseen, WEFT_TOPIC_COST, 7, 0};
    weft__live m = {.node = "a",
                    .epoch = unseen + 100,
                    .status = WEFT__LIVE_BIRTH,
                    .previous = &previous,
                    .previous_count = 1,
                    .timestamp_ms = sent_ms};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, WEFT__LIVE_FRESH, r->now);
    free(bytes);
    pass(r, 2000);
}

/* A beat of a life whose birth the broker dropped, sent at `sent_ms` of a's clock. */
static void beat_of_unborn(rig *r, uint64_t epoch, uint64_t last, int64_t sent_ms)
{
    weft__position position = {epoch, WEFT_TOPIC_COST, last, 0};
    weft__beat m = {.node = "a", .epoch = epoch, .streams = &position, .stream_count = 1, .timestamp_ms = sent_ms};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_beat(r->downlink, "a", bytes, length, r->now);
    free(bytes);
    pass(r, 1000);
}

static void beats_count_also_if_the_birth_never_came(void)
{
    enum { BEGAN = 5000000 };
    rig *r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    batch(r, BEGAN, 0, 3);
    beat_of_unborn(r, BEGAN, 5, BEGAN + 60000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.from == 4 && r->ask.to == 5);
    rig_destroy(r);
    r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    beat_of_unborn(r, BEGAN, 5, BEGAN + 60000); /* older than us */
    CU_ASSERT_EQUAL(r->ask_count, 0);
    beat_of_unborn(r, BEGAN + 60000, 7, BEGAN + 65000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.epoch == BEGAN + 60000 && r->ask.from == 1 && r->ask.to == 7);
    CU_ASSERT_EQUAL(r->birthless, 1); /* within 10 s */
    birth(r, BEGAN + 60000, false);
    pass(r, 20000);
    beat_of_unborn(r, BEGAN + 60000, 7, BEGAN + 90000);
    CU_ASSERT_EQUAL(r->birthless, 1);
    rig_destroy(r);
}

static void a_life_that_nobody_saw_is_ours_if_it_began_after_us(void)
{
    enum { BEGAN = 5000000 };
    rig *r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    birth_after_unseen(r, BEGAN, BEGAN + 10000);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    CU_ASSERT_TRUE(r->ask.epoch == BEGAN && r->ask.from == 1 && r->ask.to == 7);
    rig_destroy(r);
    r = rig_create(WEFT_TOPIC_COST);
    pass(r, 20000);
    birth_after_unseen(r, BEGAN, BEGAN + 30000);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

SUITE(bridge_downlink_baseline, CASE(a_first_message_that_is_lost_is_missed),
      CASE(a_message_that_the_beat_overtook_is_not_thrown_away),
      CASE(a_stream_that_says_nothing_more_is_not_asked_about), CASE(what_a_second_beat_adds_is_missed),
      CASE(a_guessed_baseline_gives_way_to_the_first_message),
      CASE(a_life_older_than_us_owes_us_nothing_also_if_the_broker_forgot_it),
      CASE(a_life_younger_than_us_owes_us_everything_also_if_we_missed_its_birth),
      CASE(a_life_that_nobody_saw_is_ours_if_it_began_after_us), CASE(beats_count_also_if_the_birth_never_came),
      CASE(holes_of_a_node_that_is_away_wait_for_it),
      CASE(questions_to_one_that_does_not_answer_come_often_enough_to_heal_within_a_minute),
      CASE(streams_take_turns_in_asking))
