/* What waits for the broker: order, window, merging, what happens when the connection, the memory or the broker says
 * no. */
#include "bridge/draft.h"
#include "bridge/uplink.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { EPOCH = 7, MAX_BYTES = 1 << 20 };

typedef struct rig {
    weft__uplink *uplink;
    int64_t last_id;
    int last_token;
} rig;

static weft__ledger ledger; /* of the rig at work */

static rig rig_create(size_t max_bytes)
{
    rig r = {0};
    weft__ledger_init(&ledger);
    CU_ASSERT_EQUAL_FATAL(weft__uplink_create(max_bytes, &ledger, &r.uplink), WEFT_OK);
    weft__uplink_refilled(r.uplink);
    return r;
}

static uint64_t booked(weft__ledger_column column)
{
    uint64_t totals[WEFT__LEDGER_COLUMNS];
    weft__ledger_totals(&ledger, totals);
    return totals[column];
}

static uint64_t booked_lost(weft_lost_reason reason)
{
    return booked((weft__ledger_column)(WEFT__LEDGER_LOST + (int)reason));
}

static weft__journal_row row_make(rig *r, weft_topic topic, uint64_t epoch, uint64_t first, uint64_t last,
                                  weft_priority priority)
{
    const weft_event *events[64];
    size_t count = 0;
    for (uint64_t seq = first; seq <= last; seq++) {
        weft_event event = {.type = WEFT_CUSTOM,
                            .timestamp_ms = 1,
                            .accepted_ms = 1,
                            .id = {.node = "a", .epoch = epoch, .seq = seq},
                            .custom = {.event_type = "e", .source = "test", .data_json = "\"some bytes of payload\""}};
        events[count++] = weft_event_keep(&event);
    }
    weft_batch batch = {.node = "a", .epoch = epoch, .prev_seq = first - 1, .events = events, .event_count = count};
    uint8_t *bytes;
    weft__journal_row row = {.id = ++r->last_id,
                             .epoch = epoch,
                             .topic = topic,
                             .prev_seq = first - 1,
                             .first_seq = first,
                             .last_seq = last,
                             .event_count = (uint32_t)count,
                             .priority = priority};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &row.length), WEFT_OK);
    row.bytes = bytes;
    for (size_t i = 0; i < count; i++)
        weft_event_release(events[i]);
    return row;
}

static weft__journal_row push_at(rig *r, weft_topic topic, uint64_t epoch, uint64_t first, uint64_t last,
                                 weft_priority priority)
{
    weft__journal_row row = row_make(r, topic, epoch, first, last, priority);
    weft__journal_row described = row;
    weft__uplink_push(r->uplink, &row, 1);
    free((void *)row.bytes);
    described.bytes = NULL;
    return described;
}

static weft__journal_row push(rig *r, weft_topic topic, uint64_t first, uint64_t last)
{
    return push_at(r, topic, EPOCH, first, last, WEFT_PRIORITY_NORMAL);
}

static int send_next(rig *r, weft__outgoing *message)
{
    CU_ASSERT_TRUE_FATAL(weft__uplink_next(r->uplink, SIZE_MAX, message));
    weft__uplink_sent(r->uplink, message, ++r->last_token);
    return r->last_token;
}

static bool sends(rig *r, weft_topic topic, uint32_t events)
{
    weft__outgoing message;
    (void)send_next(r, &message);
    return message.topic == topic && message.event_count == events;
}

static bool has_next(rig *r)
{
    weft__outgoing message;
    bool has = weft__uplink_next(r->uplink, SIZE_MAX, &message);
    if (has)
        weft__uplink_unsend(r->uplink, &message);
    return has;
}

static void what_gathers_in_a_stream_becomes_one_message(void)
{
    rig r = rig_create(MAX_BYTES);
    push(&r, WEFT_TOPIC_COST, 1, 2);
    push(&r, WEFT_TOPIC_COST, 3, 3);
    push(&r, WEFT_TOPIC_COST, 4, 9);
    weft__outgoing message;
    (void)send_next(&r, &message);
    weft_batch *batch;
    CU_ASSERT_EQUAL_FATAL(weft_batch_decode(message.bytes, message.length, &batch, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(batch->event_count, 9);
    CU_ASSERT_EQUAL(batch->prev_seq, 0);
    CU_ASSERT_TRUE(batch->checked);
    CU_ASSERT_EQUAL(batch->events[8]->id.seq, 9);
    weft_batch_free(batch);
    CU_ASSERT_FALSE(has_next(&r));
    weft__uplink_destroy(r.uplink);
}

static void rows_that_do_not_join_stay_apart(void)
{
    rig r = rig_create(MAX_BYTES);
    push_at(&r, WEFT_TOPIC_COST, EPOCH, 1, 2, WEFT_PRIORITY_NORMAL);
    push_at(&r, WEFT_TOPIC_COST, EPOCH, 4, 5, WEFT_PRIORITY_NORMAL);
    push_at(&r, WEFT_TOPIC_COST, EPOCH + 1, 1, 1, WEFT_PRIORITY_NORMAL);
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 2));
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 2));
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 1));
    weft__uplink_destroy(r.uplink);
}

static void messages_stay_near_their_target_size(void)
{
    rig r = rig_create(MAX_BYTES);
    for (uint64_t i = 0; i < 20; i++)
        push(&r, WEFT_TOPIC_COST, 64 * i + 1, 64 * i + 64);
    uint32_t events = 0;
    for (weft__outgoing message; has_next(&r); events += message.event_count) {
        (void)send_next(&r, &message);
        CU_ASSERT_TRUE(message.length <= WEFT__BATCH_TARGET_BYTES);
        CU_ASSERT_TRUE(message.event_count <= WEFT__BATCH_MAX_EVENTS);
    }
    CU_ASSERT_EQUAL(events, 20 * 64);
    weft__uplink_destroy(r.uplink);
}

static void the_oldest_stream_goes_first_unless_priority_says_otherwise(void)
{
    rig r = rig_create(MAX_BYTES);
    push(&r, WEFT_TOPIC_TOOL, 1, 1);
    push(&r, WEFT_TOPIC_COST, 2, 3);
    push_at(&r, WEFT_TOPIC_SYSTEM, EPOCH, 4, 6, WEFT_PRIORITY_CRITICAL);
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_SYSTEM, 3));
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_TOOL, 1));
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 2));
    weft__uplink_destroy(r.uplink);
}

static void a_lost_connection_puts_everything_back_in_order(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push(&r, WEFT_TOPIC_COST, seq, seq);
        (void)send_next(&r, &message);
    }
    push(&r, WEFT_TOPIC_COST, 4, 4);
    CU_ASSERT_EQUAL(weft__uplink_in_flight(r.uplink), 3);
    CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, 2)); /* without the one before it this settles nothing */
    weft__uplink_reset(r.uplink);
    CU_ASSERT_EQUAL(weft__uplink_in_flight(r.uplink), 0);
    (void)send_next(&r, &message);
    CU_ASSERT_TRUE(message.again);
    weft_batch *batch;
    CU_ASSERT_EQUAL_FATAL(weft_batch_decode(message.bytes, message.length, &batch, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(batch->event_count, 4);
    for (uint64_t seq = 1; seq <= 4; seq++)
        CU_ASSERT_EQUAL(batch->events[seq - 1]->id.seq, seq);
    weft_batch_free(batch);
    CU_ASSERT_EQUAL(booked(WEFT__LEDGER_SENT), 4);
    CU_ASSERT_EQUAL(booked(WEFT__LEDGER_RESENT), 3);
    CU_ASSERT_EQUAL(booked(WEFT__LEDGER_ACKED), 0);
    weft__uplink_destroy(r.uplink);
}

static void acknowledged_is_what_has_no_older_one_open(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    weft__position position[WEFT_TOPIC_MAX];
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push(&r, WEFT_TOPIC_COST, seq, seq);
        (void)send_next(&r, &message);
    }
    CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, 3));
    CU_ASSERT_EQUAL(weft__uplink_take_acknowledged(r.uplink, position, WEFT_TOPIC_MAX), 0);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), 1);
    CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, 1));
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), 2);
    CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, 2));
    CU_ASSERT_FALSE(weft__uplink_acked(r.uplink, 2));
    CU_ASSERT_EQUAL(weft__uplink_take_acknowledged(r.uplink, position, WEFT_TOPIC_MAX), 1);
    CU_ASSERT_EQUAL(position[0].last_seq, 3);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), INT64_MAX);
    weft__uplink_destroy(r.uplink);
}

/* A publish may be stuck in the socket for seconds: drain must not take it for done. */
static void a_message_being_sent_is_not_acknowledged(void)
{
    rig r = rig_create(MAX_BYTES);
    push(&r, WEFT_TOPIC_COST, 1, 1);
    weft__outgoing message;
    CU_ASSERT_TRUE_FATAL(weft__uplink_next(r.uplink, SIZE_MAX, &message));
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), 1);
    weft__uplink_sent(r.uplink, &message, 1);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), 1);
    weft__uplink_destroy(r.uplink);
}

static void more_acknowledged_streams_than_the_list_holds_are_all_told(void)
{
    enum { STREAMS = 100 };
    rig r = rig_create(MAX_BYTES);
    bool told[STREAMS] = {false};
    weft__outgoing message;
    weft__position position[WEFT_TOPIC_MAX];
    for (uint64_t epoch = 1; epoch <= STREAMS; epoch++)
        push_at(&r, WEFT_TOPIC_COST, epoch, 1, 1, WEFT_PRIORITY_NORMAL);
    for (int i = 0; i < STREAMS; i++)
        CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, send_next(&r, &message)));
    for (size_t count; (count = weft__uplink_take_acknowledged(r.uplink, position, WEFT_TOPIC_MAX)) > 0;)
        for (size_t i = 0; i < count; i++)
            told[position[i].epoch - 1] = true;
    for (size_t i = 0; i < STREAMS; i++)
        CU_ASSERT_TRUE(told[i]);
    CU_ASSERT_EQUAL(weft__uplink_in_flight(r.uplink), 0);
    weft__uplink_destroy(r.uplink);
}

static void beyond_the_memory_bound_rows_wait_in_the_journal(void)
{
    rig r = rig_create(500);
    int64_t after = 0, held;
    while (!weft__uplink_wants_refill(r.uplink, &after) && r.last_id < 100)
        push(&r, WEFT_TOPIC_COST, (uint64_t)r.last_id + 1, (uint64_t)r.last_id + 1);
    for (int i = 0; i < 10; i++)
        push(&r, WEFT_TOPIC_COST, (uint64_t)r.last_id + 1, (uint64_t)r.last_id + 1);
    weft__outgoing message;
    uint32_t events = 0;
    for (; has_next(&r); events += message.event_count)
        CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, send_next(&r, &message)));
    CU_ASSERT_TRUE_FATAL(weft__uplink_wants_refill(r.uplink, &held));
    CU_ASSERT_EQUAL(events, held);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), held + 1);
    int64_t newest = r.last_id;
    weft_status st = WEFT_OK;
    for (r.last_id = held; st == WEFT_OK && r.last_id < newest;) {
        uint64_t seq = (uint64_t)r.last_id + 1;
        weft__journal_row row = row_make(&r, WEFT_TOPIC_COST, EPOCH, seq, seq, WEFT_PRIORITY_NORMAL);
        if ((st = weft__uplink_refill(r.uplink, &row, false)) == WEFT_FULL) {
            (void)send_next(&r, &message);
            CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, r.last_token));
            events += message.event_count;
            st = weft__uplink_refill(r.uplink, &row, false);
        }
        free((void *)row.bytes);
    }
    CU_ASSERT_EQUAL(st, WEFT_OK);
    weft__uplink_refilled(r.uplink);
    for (; has_next(&r); events += message.event_count)
        CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, send_next(&r, &message)));
    CU_ASSERT_EQUAL(events, newest);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), INT64_MAX);
    weft__uplink_destroy(r.uplink);
}

static void only_what_is_not_under_way_is_forgotten(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    weft__journal_row flying = push(&r, WEFT_TOPIC_COST, 1, 2);
    (void)send_next(&r, &message);
    weft__journal_row queued = push(&r, WEFT_TOPIC_COST, 3, 5);
    push(&r, WEFT_TOPIC_COST, 6, 6);
    CU_ASSERT_EQUAL(weft__uplink_forget(r.uplink, &flying), 0);
    CU_ASSERT_EQUAL(weft__uplink_forget(r.uplink, &queued), 3);
    CU_ASSERT_EQUAL(weft__uplink_forget(r.uplink, &queued), 0);
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 1));
    CU_ASSERT_FALSE(has_next(&r));
    CU_ASSERT_EQUAL(booked_lost(WEFT_LOST_OVERFLOW), 3);
    weft__uplink_destroy(r.uplink);
}

static void says_how_many_events_a_stream_holds_when_none_of_them_waits(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    weft__position at[WEFT_TOPIC_MAX];
    push(&r, WEFT_TOPIC_COST, 1, 2);
    CU_ASSERT_EQUAL(weft__uplink_sent_positions(r.uplink, EPOCH, at), 0);
    (void)send_next(&r, &message);
    CU_ASSERT_EQUAL_FATAL(weft__uplink_sent_positions(r.uplink, EPOCH, at), 1);
    CU_ASSERT_TRUE(at[0].last_seq == 2 && at[0].events == 2);
    weft__journal_row next = push(&r, WEFT_TOPIC_COST, 3, 7);
    CU_ASSERT_EQUAL_FATAL(weft__uplink_sent_positions(r.uplink, EPOCH, at), 1);
    CU_ASSERT_TRUE(at[0].last_seq == 2 && at[0].events == 0);
    /* What will never be sent belongs to the stream all the same: only so does a receiver learn that it is lost. */
    CU_ASSERT_EQUAL(weft__uplink_forget(r.uplink, &next), 5);
    CU_ASSERT_EQUAL_FATAL(weft__uplink_sent_positions(r.uplink, EPOCH, at), 1);
    CU_ASSERT_TRUE(at[0].last_seq == 7 && at[0].events == 7);
    CU_ASSERT_EQUAL(weft__uplink_sent_positions(r.uplink, EPOCH + 1, at), 0);
    weft__uplink_destroy(r.uplink);
}

static void a_row_too_large_is_split_and_its_parts_forgotten_together(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__journal_row row = push(&r, WEFT_TOPIC_CUSTOM, 1, 10);
    weft__outgoing message;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        CU_ASSERT_TRUE_FATAL(weft__uplink_next(r.uplink, row.length / 5, &message));
        CU_ASSERT_TRUE(message.length <= row.length / 5);
        CU_ASSERT_EQUAL(message.event_count, 1);
        weft__uplink_sent(r.uplink, &message, (int)seq);
    }
    CU_ASSERT_EQUAL(weft__uplink_forget(r.uplink, &row), 7);
    CU_ASSERT_FALSE(has_next(&r));
    for (int token = 1; token <= 3; token++)
        CU_ASSERT_TRUE(weft__uplink_acked(r.uplink, token));
    CU_ASSERT_EQUAL(booked(WEFT__LEDGER_ACKED), 3);
    CU_ASSERT_EQUAL(booked_lost(WEFT_LOST_OVERFLOW), 7);
    weft__uplink_destroy(r.uplink);
}

static void what_can_never_be_sent_is_counted_and_passed_over(void)
{
    rig r = rig_create(MAX_BYTES);
    push(&r, WEFT_TOPIC_CUSTOM, 1, 1);
    push(&r, WEFT_TOPIC_COST, 2, 2);
    weft__outgoing message;
    CU_ASSERT_FALSE(weft__uplink_next(r.uplink, 10, &message));
    CU_ASSERT_EQUAL(booked_lost(WEFT_LOST_TOO_LARGE), 2);
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), INT64_MAX);
    weft__position position[WEFT_TOPIC_MAX];
    CU_ASSERT_EQUAL(weft__uplink_sent_positions(r.uplink, EPOCH, position), 2);
    weft__uplink_destroy(r.uplink);
}

static void a_denied_topic_does_not_hold_up_the_others(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    push(&r, WEFT_TOPIC_COST, 1, 1);
    int first = send_next(&r, &message);
    push(&r, WEFT_TOPIC_COST, 2, 2);
    int second = send_next(&r, &message);
    push(&r, WEFT_TOPIC_TOOL, 3, 3);
    CU_ASSERT_TRUE(weft__uplink_refused(r.uplink, first));
    CU_ASSERT_FALSE(weft__uplink_refused(r.uplink, second));
    CU_ASSERT_EQUAL(weft__uplink_in_flight(r.uplink), 0);
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_TOOL, 1));
    CU_ASSERT_FALSE(has_next(&r));
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), 1);
    weft__uplink_retry_refused(r.uplink);
    CU_ASSERT_TRUE(sends(&r, WEFT_TOPIC_COST, 2));
    weft__uplink_destroy(r.uplink);
}

static void what_the_broker_finds_too_large_is_split_or_given_up(void)
{
    rig r = rig_create(MAX_BYTES);
    weft__outgoing message;
    size_t bytes = 0;
    push(&r, WEFT_TOPIC_COST, 1, 2);
    int first = send_next(&r, &message);
    push(&r, WEFT_TOPIC_COST, 3, 3);
    (void)send_next(&r, &message);
    CU_ASSERT_FALSE(weft__uplink_too_large(r.uplink, 77, &bytes));
    CU_ASSERT_EQUAL(weft__uplink_topic(r.uplink, first), WEFT_TOPIC_COST);
    CU_ASSERT_TRUE(weft__uplink_too_large(r.uplink, first, &bytes));
    CU_ASSERT_EQUAL(weft__uplink_topic(r.uplink, first), 0);
    CU_ASSERT_EQUAL(weft__uplink_in_flight(r.uplink), 0);
    CU_ASSERT_TRUE(bytes > 10);
    CU_ASSERT_TRUE_FATAL(weft__uplink_next(r.uplink, bytes - 1, &message));
    CU_ASSERT_EQUAL(message.event_count, 1);
    weft__uplink_unsend(r.uplink, &message);
    CU_ASSERT_FALSE(weft__uplink_next(r.uplink, 10, &message));
    CU_ASSERT_EQUAL(weft__uplink_oldest(r.uplink), INT64_MAX);
    weft__uplink_destroy(r.uplink);
}

SUITE(bridge_uplink, CASE(what_the_broker_finds_too_large_is_split_or_given_up),
      CASE(what_gathers_in_a_stream_becomes_one_message), CASE(rows_that_do_not_join_stay_apart),
      CASE(messages_stay_near_their_target_size), CASE(the_oldest_stream_goes_first_unless_priority_says_otherwise),
      CASE(a_lost_connection_puts_everything_back_in_order), CASE(acknowledged_is_what_has_no_older_one_open),
      CASE(a_message_being_sent_is_not_acknowledged), CASE(more_acknowledged_streams_than_the_list_holds_are_all_told),
      CASE(beyond_the_memory_bound_rows_wait_in_the_journal), CASE(only_what_is_not_under_way_is_forgotten),
      CASE(says_how_many_events_a_stream_holds_when_none_of_them_waits),
      CASE(a_row_too_large_is_split_and_its_parts_forgotten_together),
      CASE(what_can_never_be_sent_is_counted_and_passed_over), CASE(a_denied_topic_does_not_hold_up_the_others))
