/* Best-effort streams at the receiver: what is missing is lost at once, and counted. */
#include "bridge/downlink_rig.h"

enum { EPOCH = 5, BEAT_GRACE_MS = 700 };

/* Pieces (prev, last], and what the message says is lost. */
static void pieces(rig *r, uint64_t prev, uint64_t last, const weft_lost *lost)
{
    const weft_event *events[64];
    size_t count = 0, length;
    for (uint64_t seq = prev + 1; seq <= last; seq++) {
        weft_event event = {.type = WEFT_LLM_TEXT_DELTA,
                            .timestamp_ms = 1,
                            .accepted_ms = accepted_ms,
                            .id = {.node = "a", .epoch = EPOCH, .seq = seq},
                            .llm_text_delta = {.request_id = "r1", .text = "pie"}};
        events[count++] = weft_event_keep(&event);
    }
    weft_batch batch = {.node = "a",
                        .epoch = EPOCH,
                        .prev_seq = prev,
                        .events = events,
                        .event_count = count,
                        .lost = lost,
                        .lost_count = lost != NULL};
    uint8_t *bytes;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_DELTA, bytes, length, r->now);
    free(bytes);
    for (size_t i = 0; i < count; i++)
        weft_event_release(events[i]);
}

static void beat_pieces(rig *r, uint64_t last, uint64_t events)
{
    weft__position position = {EPOCH, WEFT_TOPIC_DELTA, last, events};
    weft__beat m = {.node = "a", .epoch = EPOCH, .streams = &position, .stream_count = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_beat(r->downlink, "a", bytes, length, r->now);
    free(bytes);
}

static weft_stream_account account_of(rig *r)
{
    weft_stream_account accounts[4];
    weft__name_buffer names[4];
    pass(r, 100);
    CU_ASSERT_EQUAL_FATAL(weft__downlink_accounts(r->downlink, accounts, names, 4), 1);
    return accounts[0];
}

static rig *rig_with_pieces(void)
{
    rig *r = rig_create(WEFT_TOPIC_DELTA);
    birth(r, EPOCH, false);
    pieces(r, 0, 2, NULL);
    return r;
}

static void a_gap_is_lost_at_once_and_nobody_is_asked(void)
{
    rig *r = rig_with_pieces();
    pieces(r, 5, 7, NULL);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 6, 7));
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 1);
    CU_ASSERT_TRUE(r->lost[0].from_seq == 3 && r->lost[0].to_seq == 5 && r->lost[0].count == 0);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_UNREACHABLE);
    pass(r, 3 * HOLD_MS);
    weft__downlink_stats stats = stats_of(r);
    CU_ASSERT_EQUAL(stats.streams.gaps, 1);
    CU_ASSERT_EQUAL(stats.open_gaps, 0);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

static void what_comes_after_its_loss_or_twice_is_dropped(void)
{
    rig *r = rig_with_pieces();
    pieces(r, 5, 6, NULL);
    pieces(r, 2, 5, NULL);
    pieces(r, 5, 7, NULL);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 6, 7));
    CU_ASSERT_EQUAL(stats_of(r).streams.duplicates, 4);
    rig_destroy(r);
}

static void what_the_publisher_dropped_is_told_with_its_number(void)
{
    rig *r = rig_with_pieces();
    weft_lost lost = {.epoch = EPOCH,
                      .topic = WEFT_TOPIC_DELTA,
                      .from_seq = 3,
                      .to_seq = 9,
                      .count = 7,
                      .reason = WEFT_LOST_OVERFLOW};
    pieces(r, 9, 10, &lost);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 10));
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 1);
    CU_ASSERT_TRUE(r->lost[0].count == 7 && r->lost[0].reason == WEFT_LOST_OVERFLOW);
    CU_ASSERT_EQUAL(stats_of(r).streams.gaps, 0);
    rig_destroy(r);
}

/* The message before is missing too: what the publisher tells of begins behind it. */
static void what_was_dropped_and_what_was_missed_are_told_apart(void)
{
    rig *r = rig_with_pieces();
    weft_lost lost = {.epoch = EPOCH,
                      .topic = WEFT_TOPIC_DELTA,
                      .from_seq = 6,
                      .to_seq = 9,
                      .count = 4,
                      .reason = WEFT_LOST_OVERFLOW};
    pieces(r, 9, 10, &lost);
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 2);
    CU_ASSERT_TRUE(r->lost[0].from_seq == 3 && r->lost[0].to_seq == 5);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_UNREACHABLE);
    CU_ASSERT_TRUE(r->lost[1].from_seq == 6 && r->lost[1].to_seq == 9 && r->lost[1].count == 4);
    beat_pieces(r, 10, 10);
    weft_stream_account a = account_of(r);
    CU_ASSERT_TRUE(a.delivered == 3 && a.lost_overflow == 4 && a.lost_unreachable == 3 && a.lost_ranges == 0);
    CU_ASSERT_EQUAL(a.unaccounted, 0);
    rig_destroy(r);
}

static void a_lost_tail_is_told_by_the_beat_and_counted(void)
{
    rig *r = rig_with_pieces();
    beat_pieces(r, 6, 5);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    pass(r, BEAT_GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->lost_count, 1);
    CU_ASSERT_TRUE(r->lost[0].from_seq == 3 && r->lost[0].to_seq == 6);
    weft_stream_account a = account_of(r);
    CU_ASSERT_TRUE(a.published == 5 && a.delivered == 2 && a.lost_unreachable == 3);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    CU_ASSERT_EQUAL(r->complaints, 0);
    rig_destroy(r);
}

static void a_stream_begins_with_its_first_message_unless_its_birth_was_heard(void)
{
    rig *r = rig_create(WEFT_TOPIC_DELTA);
    pieces(r, 40, 41, NULL); /* of a node without a birth */
    CU_ASSERT_TRUE(GOT(r, 41));
    CU_ASSERT_EQUAL(r->lost_count, 0);
    rig_destroy(r);
    r = rig_create(WEFT_TOPIC_DELTA);
    birth(r, EPOCH, false);
    pieces(r, 40, 41, NULL);
    CU_ASSERT_EQUAL(r->lost_count, 1);
    rig_destroy(r);
}

static void the_past_is_not_asked_for(void)
{
    rig *r = rig_create_from(WEFT_TOPIC_DELTA, 1);
    accepted_ms = 1000000;
    birth(r, EPOCH, true);
    pass(r, 3 * ASK_MS);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    pieces(r, 40, 41, NULL);
    CU_ASSERT_TRUE(GOT(r, 41));
    CU_ASSERT_FALSE(r->replayed[0]);
    pass(r, 3 * ASK_MS);
    CU_ASSERT_EQUAL(r->ask_count, 0);
    rig_destroy(r);
}

SUITE(bridge_downlink_pieces, CASE(a_gap_is_lost_at_once_and_nobody_is_asked),
      CASE(what_comes_after_its_loss_or_twice_is_dropped), CASE(what_the_publisher_dropped_is_told_with_its_number),
      CASE(what_was_dropped_and_what_was_missed_are_told_apart), CASE(a_lost_tail_is_told_by_the_beat_and_counted),
      CASE(a_stream_begins_with_its_first_message_unless_its_birth_was_heard), CASE(the_past_is_not_asked_for))
