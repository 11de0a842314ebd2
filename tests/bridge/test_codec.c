/* tests/bridge/test_codec.c: what goes over the wire comes back the same, to the byte count. Hostile bytes are in
 * test_codec_hostile.c. */
#include <stdlib.h>
#include <string.h>

#include "support/event_maker.h"
#include "support/suite.h"
#include "support/wire_bytes.h"
#include "weft/wire.h"

static event_maker maker;

/* A batch of one event, encoded. */
static uint8_t *encode_one(const weft_event *event, size_t *length)
{
    uint8_t *bytes = NULL;
    weft_batch batch = {.node = "host-a", .epoch = 7, .events = &event, .event_count = 1};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, length), WEFT_OK);
    return bytes;
}

static weft_batch *decode(const uint8_t *bytes, size_t length)
{
    weft_batch *batch = NULL;
    const char *reason = "no reason";
    weft_status st = weft_batch_decode(bytes, length, &batch, &reason);
    if (st != WEFT_OK)
        CU_FAIL_FATAL(reason);
    return batch;
}

static void check_round_trip(const weft_event *event)
{
    size_t length;
    uint8_t *bytes = encode_one(event, &length);
    weft_batch *batch = decode(bytes, length);
    CU_ASSERT_EQUAL_FATAL(batch->event_count, 1);
    const char *difference = event_difference(event, batch->events[0]);
    if (difference != NULL)
        CU_FAIL(difference);
    CU_ASSERT_STRING_EQUAL(batch->events[0]->id.node, "host-a");
    CU_ASSERT_EQUAL(batch->events[0]->id.epoch, 7);
    CU_ASSERT_EQUAL(batch->topic, weft_event_topic(event));
    CU_ASSERT_TRUE(batch->checked);
    weft_batch_free(batch);
    free(bytes);
}

static void brings_back_full_events_of_every_variant(void)
{
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        weft_event event = event_maker_full(&maker, (weft_event_type)type);
        check_round_trip(&event);
    }
}

static void brings_back_empty_events_of_every_variant(void)
{
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        weft_event event = {.type = (weft_event_type)type, .id.seq = 1};
        check_round_trip(&event);
    }
}

static void brings_back_random_events(void)
{
    maker.state = 20260105;
    for (int i = 0; i < 4000; i++) {
        weft_event event = event_maker_random(&maker, (weft_event_type)(1 + i % (WEFT_EVENT_TYPE_COUNT - 1)));
        check_round_trip(&event);
    }
}

static void brings_back_extreme_numbers(void)
{
    weft_event event = {
        .type = WEFT_TOKEN_USAGE, .id.seq = UINT64_MAX, .timestamp_ms = INT64_MAX, .ttl_ms = UINT64_MAX};
    event.flags = UINT32_MAX;
    event.token_usage.input_tokens = (UINT64_C(1) << 53) + 1;
    event.token_usage.output_tokens = UINT64_MAX;
    event.token_usage.cost_usd = 4.9e-324;
    check_round_trip(&event);
    event.token_usage.cost_usd = -1.7976931348623157e308;
    check_round_trip(&event);
}

static void absent_strings_come_back_as_null(void)
{
    size_t length;
    weft_event event = {.type = WEFT_CUSTOM, .id.seq = 1, .source = "", .custom = {.event_type = "", .data_json = ""}};
    uint8_t *bytes = encode_one(&event, &length);
    weft_batch *batch = decode(bytes, length);
    const weft_event *back = batch->events[0];
    CU_ASSERT_PTR_NULL(back->source);
    CU_ASSERT_PTR_NULL(back->session_id);
    CU_ASSERT_PTR_NULL(back->custom.event_type);
    CU_ASSERT_PTR_NULL(back->custom.data_json);
    weft_batch_free(batch);
    free(bytes);
}

/* ---- batches ---- */

enum { BATCH_EVENTS = 50 };
static weft_event events[BATCH_EVENTS];
static const weft_event *pointers[BATCH_EVENTS];

static weft_batch make_batch(void)
{
    for (size_t i = 0; i < BATCH_EVENTS; i++) {
        events[i] = (weft_event){.type = i % 2 ? WEFT_TOOL_CALL_END : WEFT_TOOL_CALL_START, .id.seq = 10 + 3 * i};
        events[i].session_id = i % 3 ? "s1" : NULL;
        events[i].tool_call_start.call_id = "call-1";
        pointers[i] = &events[i];
    }
    return (weft_batch){.node = "host-a", .epoch = 9, .prev_seq = 8, .events = pointers, .event_count = BATCH_EVENTS};
}

static void brings_back_a_batch_in_order(void)
{
    static const weft_lost lost[] = {
        {.epoch = 8, .topic = WEFT_TOPIC_COST, .from_seq = 1, .to_seq = 9, .count = 3, .reason = WEFT_LOST_OVERFLOW},
        {.epoch = 9, .topic = WEFT_TOPIC_TOOL, .from_seq = 2, .to_seq = 2, .reason = WEFT_LOST_UNREACHABLE},
    };
    size_t length;
    uint8_t *bytes;
    weft_batch batch = make_batch();
    batch.lost = lost;
    batch.lost_count = 2;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    weft_batch *back = decode(bytes, length);
    CU_ASSERT_EQUAL_FATAL(back->event_count, BATCH_EVENTS);
    for (size_t i = 0; i < BATCH_EVENTS; i++)
        CU_ASSERT_PTR_NULL(event_difference(&events[i], back->events[i]));
    CU_ASSERT_EQUAL(back->prev_seq, 8);
    CU_ASSERT_EQUAL(back->topic, WEFT_TOPIC_TOOL);
    CU_ASSERT_EQUAL_FATAL(back->lost_count, 2);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(back->lost[i].node, "host-a");
        CU_ASSERT_EQUAL(back->lost[i].epoch, lost[i].epoch);
        CU_ASSERT_EQUAL(back->lost[i].topic, lost[i].topic);
        CU_ASSERT_EQUAL(back->lost[i].from_seq, lost[i].from_seq);
        CU_ASSERT_EQUAL(back->lost[i].to_seq, lost[i].to_seq);
        CU_ASSERT_EQUAL(back->lost[i].count, lost[i].count);
        CU_ASSERT_EQUAL(back->lost[i].reason, lost[i].reason);
    }
    weft_batch_free(back);
    free(bytes);
}

static void brings_back_a_batch_without_events(void)
{
    size_t length;
    uint8_t *bytes;
    weft_batch batch = {.node = "host-a", .epoch = 9};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    weft_batch *back = decode(bytes, length);
    CU_ASSERT_EQUAL(back->event_count, 0);
    CU_ASSERT_EQUAL(back->topic, 0);
    weft_batch_free(back);
    free(bytes);
}

static void counts_encoded_bytes_exactly(void)
{
    size_t empty_length, length;
    uint8_t *bytes;
    weft_batch empty = {.node = "host-a", .epoch = 7};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&empty, &bytes, &empty_length), WEFT_OK);
    free(bytes);
    for (int i = 0; i < 500; i++) {
        weft_event event = event_maker_random(&maker, (weft_event_type)(1 + i % (WEFT_EVENT_TYPE_COUNT - 1)));
        free(encode_one(&event, &length));
        CU_ASSERT_EQUAL(weft_event_encoded_bytes(&event), length - empty_length);
    }
    CU_ASSERT_EQUAL(weft_event_encoded_bytes(&(weft_event){0}), 0);
    CU_ASSERT_EQUAL(weft_event_encoded_bytes(&(weft_event){.type = WEFT_CUSTOM, .timestamp_ms = -1}), 0);
}

static void events_outlive_their_batch(void)
{
    size_t length;
    weft_event event = event_maker_full(&maker, WEFT_TOKEN_USAGE);
    uint8_t *bytes = encode_one(&event, &length);
    weft_batch *batch = decode(bytes, length);
    const weft_event *kept = weft_event_keep(batch->events[0]);
    CU_ASSERT_PTR_EQUAL(kept, batch->events[0]);
    weft_batch_free(batch);
    free(bytes);
    CU_ASSERT_PTR_NULL(event_difference(&event, kept));
    CU_ASSERT_STRING_EQUAL(kept->id.node, "host-a");
    weft_event_release(kept);
    weft_batch_free(NULL);
}

static void writes_the_header_first_and_the_checksum_last(void)
{
    static wire_bytes expected;
    static wire_bytes event;
    size_t length;
    expected.length = event.length = 0;
    uint8_t *bytes = encode_one(&(weft_event){.type = WEFT_CONFIG_RELOADED, .id.seq = 3}, &length);
    wire_varint(&event, 1, 3);
    wire_string(&event, 113, "");
    wire_string(&expected, 1, "host-a");
    wire_varint(&expected, 2, 7);
    wire_message(&expected, 4, &event);
    uint32_t crc = weft_crc32c(0, expected.data, expected.length);
    wire_raw(&expected, "\xfd\xff\xff\xff\x0f", 5);
    for (int i = 0; i < 4; i++)
        wire_raw(&expected, &(uint8_t){(uint8_t)(crc >> 8 * i)}, 1);
    CU_ASSERT_EQUAL_FATAL(length, expected.length);
    CU_ASSERT_EQUAL(memcmp(bytes, expected.data, length), 0);
    free(bytes);
}

/* ---- what is not encoded ---- */

static weft_status encode_status(const weft_batch *batch)
{
    uint8_t *bytes = NULL;
    size_t length;
    weft_status st = weft_batch_encode(batch, &bytes, &length);
    free(bytes);
    return st;
}

static void refuses_to_encode_what_no_one_would_accept(void)
{
    weft_batch batch = make_batch();
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_OK);
    batch.node = "Host A";
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    batch.epoch = 0;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    batch.prev_seq = 10;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    events[4].id.seq = events[3].id.seq;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    events[4].type = WEFT_TOKEN_USAGE;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    batch.topic = WEFT_TOPIC_COST;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    events[4].type = WEFT_EVENT_NONE;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    events[4].tag_count = WEFT_TAGS_MAX + 1;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
    batch = make_batch();
    weft_lost lost = {.epoch = 1, .topic = WEFT_TOPIC_TOOL, .from_seq = 3, .to_seq = 2};
    batch.lost = &lost;
    batch.lost_count = 1;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_INVALID);
}

static void refuses_to_encode_more_than_a_message_holds(void)
{
    static char text[100 * 1024];
    memset(text, 'x', sizeof text - 1);
    weft_batch batch = make_batch();
    batch.event_count = 2;
    events[0].tool_call_start.tool_name = events[1].tool_call_start.tool_name = text;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_OK);
    batch.event_count = 3;
    events[2].tool_call_start.tool_name = text;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_TOO_LARGE);
    batch.event_count = 1;
    events[0].tool_call_start.call_id = text;
    CU_ASSERT_EQUAL(encode_status(&batch), WEFT_TOO_LARGE);
}

/* ---- newer versions ---- */

static void passes_the_payload_of_a_newer_version_on(void)
{
    static wire_bytes message, event, payload;
    message.length = event.length = payload.length = 0;
    wire_varint(&payload, 1, 77);
    wire_data(&payload, 2, "\x00\xff\xfe", 3);
    wire_varint(&event, 1, 5);
    wire_string(&event, 5, "s1");
    wire_message(&event, 777, &payload);
    wire_string(&message, 1, "host-a");
    wire_varint(&message, 2, 7);
    wire_message(&message, 4, &event);
    weft_batch *batch = decode(message.data, message.length);
    const weft_event *back = batch->events[0];
    CU_ASSERT_EQUAL(back->type, WEFT_CUSTOM);
    CU_ASSERT_STRING_EQUAL(back->custom.event_type, "unknown.777");
    CU_ASSERT_STRING_EQUAL(back->custom.data_json, "{\"field\":777,\"bytes\":\"CE0SAwD//g==\"}");
    CU_ASSERT_STRING_EQUAL(back->session_id, "s1");
    CU_ASSERT_EQUAL(batch->topic, 0);
    CU_ASSERT_EQUAL(weft_event_encoded_bytes(back), event.length + 2);
    size_t length;
    uint8_t *again = encode_one(back, &length);
    CU_ASSERT_EQUAL_FATAL(length, message.length + 9);
    CU_ASSERT_EQUAL(memcmp(again, message.data, message.length), 0);
    free(again);
    weft_batch_free(batch);
}

static void a_newer_payload_rides_in_a_batch_of_any_topic(void)
{
    weft_event known = {.type = WEFT_TOKEN_USAGE, .id.seq = 1};
    weft_event newer = weft_event_from_legacy("unknown.500", NULL, "{\"field\":500,\"bytes\":\"\"}", 0);
    newer.id.seq = 2;
    weft_event other = {.type = WEFT_BUDGET_EXHAUSTED, .id.seq = 3};
    newer.source = NULL;
    const weft_event *three[] = {&known, &newer, &other};
    weft_batch batch = {.node = "n", .epoch = 1, .events = three, .event_count = 3};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    weft_batch *back = decode(bytes, length);
    CU_ASSERT_EQUAL(back->topic, WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL_FATAL(back->event_count, 3);
    CU_ASSERT_STRING_EQUAL(back->events[1]->custom.event_type, "unknown.500");
    weft_batch_free(back);
    free(bytes);
}

static void a_large_newer_payload_still_passes(void)
{
    static wire_bytes message, event;
    static char text[190 * 1024];
    message.length = event.length = 0;
    wire_varint(&event, 1, 5);
    wire_data(&event, 999, text, sizeof text);
    wire_string(&message, 1, "host-a");
    wire_varint(&message, 2, 7);
    wire_message(&message, 4, &event);
    weft_batch *batch = decode(message.data, message.length);
    size_t length;
    uint8_t *again = encode_one(batch->events[0], &length);
    CU_ASSERT_EQUAL_FATAL(length, message.length + 9);
    CU_ASSERT_EQUAL(memcmp(again, message.data, message.length), 0);
    free(again);
    weft_batch_free(batch);
}

static void what_only_resembles_a_newer_payload_stays_custom(void)
{
    static const char *const near[][2] = {
        {"unknown.777", "{\"field\":778,\"bytes\":\"\"}"},     {"unknown.777", "{\"field\": 777,\"bytes\":\"\"}"},
        {"unknown.777", "{\"field\":777,\"bytes\":\"AB==\"}"}, {"unknown.777", "{\"field\":777,\"bytes\":\"AA=\"}"},
        {"unknown.777", "{\"field\":777,\"bytes\":\"A A=\"}"}, {"unknown.100", "{\"field\":100,\"bytes\":\"\"}"},
        {"unknown.099", "{\"field\":99,\"bytes\":\"\"}"},      {"unknown.1000", "{\"field\":1000,\"bytes\":\"\"}"},
        {"unknown.", "{\"field\":777,\"bytes\":\"\"}"},        {"unknown.777", NULL},
    };
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        weft_event event = weft_event_from_legacy(near[i][0], NULL, near[i][1], 0);
        event.id.seq = 1;
        check_round_trip(&event);
    }
    weft_event sourced = weft_event_from_legacy("unknown.777", "me", "{\"field\":777,\"bytes\":\"\"}", 0);
    sourced.id.seq = 1;
    check_round_trip(&sourced);
}

static void skips_fields_of_a_newer_version(void)
{
    static wire_bytes message, event, payload;
    message.length = event.length = payload.length = 0;
    wire_varint(&payload, 1, 1);
    wire_string(&payload, 900, "new");
    wire_varint(&event, 1, 5);
    wire_fixed64(&event, 40, 1);
    wire_varint(&event, 500, 1); /* no message: cannot be a payload */
    wire_message(&event, 105, &payload);
    wire_string(&message, 1, "host-a");
    wire_varint(&message, 2, 7);
    wire_string(&message, 77, "\xff");
    wire_message(&message, 4, &event);
    weft_batch *batch = decode(message.data, message.length);
    CU_ASSERT_EQUAL(batch->events[0]->type, WEFT_AGENT_END);
    CU_ASSERT_TRUE(batch->events[0]->agent_end.success);
    CU_ASSERT_FALSE(batch->checked);
    weft_batch_free(batch);
}

SUITE(bridge_codec, CASE(brings_back_full_events_of_every_variant), CASE(brings_back_empty_events_of_every_variant),
      CASE(brings_back_random_events), CASE(brings_back_extreme_numbers), CASE(absent_strings_come_back_as_null),
      CASE(brings_back_a_batch_in_order), CASE(brings_back_a_batch_without_events), CASE(counts_encoded_bytes_exactly),
      CASE(events_outlive_their_batch), CASE(writes_the_header_first_and_the_checksum_last),
      CASE(refuses_to_encode_what_no_one_would_accept), CASE(refuses_to_encode_more_than_a_message_holds),
      CASE(passes_the_payload_of_a_newer_version_on), CASE(a_newer_payload_rides_in_a_batch_of_any_topic),
      CASE(a_large_newer_payload_still_passes), CASE(what_only_resembles_a_newer_payload_stays_custom),
      CASE(skips_fields_of_a_newer_version))
