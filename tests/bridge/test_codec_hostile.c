/* tests/bridge/test_codec_hostile.c: what a batch may not be. Each payload is right but for one thing. */
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"
#include "support/wire_bytes.h"
#include "weft/wire.h"

enum { CONFIG_RELOADED = 113, CUSTOM = 115, SESSION_STATUS_CHANGED = 109, TOKEN_USAGE = 111 };

static wire_bytes message, event, payload;

static void begin(void)
{
    message.length = event.length = payload.length = 0;
    wire_string(&message, 1, "host-a");
    wire_varint(&message, 2, 7);
    wire_varint(&event, 1, 5);
}

static void event_end(void)
{
    wire_message(&message, 4, &event);
    event.length = payload.length = 0;
}

/* Adds an event without payload members. */
static void event_add(uint64_t seq, uint32_t variant)
{
    event.length = 0;
    wire_varint(&event, 1, seq);
    wire_string(&event, variant, "");
    event_end();
}

static void refused_as(weft_status wanted, const char *why)
{
    weft_batch *batch = NULL;
    const char *reason = "none";
    weft_status st = weft_batch_decode(message.data, message.length, &batch, &reason);
    CU_ASSERT_EQUAL(st, wanted);
    CU_ASSERT_STRING_EQUAL(reason, why);
    CU_ASSERT_PTR_NULL(batch);
    CU_ASSERT_EQUAL(weft_batch_decode(message.data, message.length, &batch, NULL), wanted);
}

static void refused(const char *why)
{
    refused_as(WEFT_MALFORMED, why);
}

/* Ends the event with a harmless payload and expects the refusal. */
static void event_refused(const char *why)
{
    wire_string(&event, CONFIG_RELOADED, "");
    event_end();
    refused(why);
    begin();
}

static weft_batch *accepted(void)
{
    weft_batch *batch = NULL;
    const char *reason = "none";
    if (weft_batch_decode(message.data, message.length, &batch, &reason) != WEFT_OK)
        CU_FAIL_FATAL(reason);
    return batch;
}

static void event_accepted(void)
{
    wire_string(&event, CONFIG_RELOADED, "");
    event_end();
    weft_batch_free(accepted());
    begin();
}

/* ---- the message ---- */

static void refuses_too_long_a_message_before_reading_it(void)
{
    weft_batch *batch;
    const char *reason;
    CU_ASSERT_EQUAL(weft_batch_decode(message.data, WEFT_BATCH_MAX_BYTES + 1, &batch, &reason), WEFT_TOO_LARGE);
    CU_ASSERT_STRING_EQUAL(reason, "message larger than allowed");
    CU_ASSERT_EQUAL(weft_batch_decode(message.data, SIZE_MAX, &batch, NULL), WEFT_TOO_LARGE);
}

static void refuses_an_empty_message(void)
{
    message.length = 0;
    refused("node: not a valid name");
}

static void refuses_every_flipped_bit_of_a_checked_message(void)
{
    uint8_t *bytes;
    size_t length;
    const weft_event one = {.type = WEFT_TOKEN_USAGE, .id.seq = 3, .session_id = "s1"};
    const weft_event *pointer = &one;
    weft_batch batch = {.node = "host-a", .epoch = 7, .events = &pointer, .event_count = 1};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        if (bit / 8 >= length - 9 && bit / 8 < length - 4)
            continue; /* the trailer's tag: then it is another field, and the message an unchecked one */
        message.length = 0;
        wire_raw(&message, bytes, length);
        message.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused_as(WEFT_CORRUPT, "crc32c: does not match");
    }
    free(bytes);
}

static void survives_being_cut_anywhere(void)
{
    begin();
    for (uint64_t seq = 1; seq < 6; seq++) {
        event.length = 0;
        wire_varint(&event, 1, seq);
        wire_string(&event, 5, "session");
        wire_string(&payload, 1, "model");
        wire_message(&event, TOKEN_USAGE, &payload);
        event_end();
    }
    size_t whole = message.length, good = 0;
    for (message.length = 0; message.length < whole; message.length++) {
        weft_batch *batch;
        /* an exact copy on the heap lets ASan see a read behind the end */
        uint8_t *copy = malloc(message.length + 1);
        memcpy(copy, message.data, message.length);
        if (weft_batch_decode(copy, message.length, &batch, NULL) == WEFT_OK) {
            CU_ASSERT_FALSE(batch->checked);
            CU_ASSERT(batch->event_count < 5);
            weft_batch_free(batch);
            good++;
        }
        free(copy);
    }
    CU_ASSERT_EQUAL(good, 5); /* the header alone, and with one to four whole events */
}

static void refuses_bad_nodes_and_epochs(void)
{
    static const char *const names[] = {"", "-", "Host", "a/b", "a+", "h\xc3\xbc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        message.length = 0;
        wire_string(&message, 1, names[i]);
        wire_varint(&message, 2, 7);
        refused("node: not a valid name");
    }
    message.length = 0;
    wire_data(&message, 1, "host\0evil", 9);
    wire_varint(&message, 2, 7);
    refused("node: not a valid name");
    message.length = 0;
    wire_data(&message, 1, event.data, WEFT_NAME_MAX_BYTES + 1);
    refused("node: not a valid name");
    message.length = 0;
    wire_string(&message, 1, "host");
    refused("epoch: missing");
}

static void refuses_wrong_wire_types(void)
{
    begin();
    wire_varint(&message, 4, 1);
    refused("wrong wire type");
    begin();
    wire_fixed64(&message, 2, 1);
    refused("wrong wire type");
    begin();
    wire_varint(&event, 5, 1);
    event_refused("events[].session_id: wrong wire type");
    wire_varint(&event, 2, 1);
    event_refused("events[].timestamp_ms: wrong wire type");
    wire_varint(&event, TOKEN_USAGE, 1);
    event_refused("events[].token_usage: wrong wire type");
    wire_varint(&payload, 6, 1);
    wire_message(&event, TOKEN_USAGE, &payload);
    event_end();
    refused("token_usage.cost_usd: wrong wire type");
}

static void refuses_damaged_tags_and_lengths(void)
{
    static const char *const damaged[] = {
        "\x0b",                                             /* a group begins */
        "\x0c",                                             /* a group ends */
        "\x0e",                                             /* wire types 6 and 7 do not exist */
        "\x0f",                                             /* */
        "\x02\x01x",                                        /* field 0 */
        "\x80\x80\x80\x80\x80\x01",                         /* a tag of six bytes */
        "\xff\xff\xff\xff\x7f\x01",                         /* a tag over 32 bits */
        "\x52\xff\xff\xff\xff\x07",                         /* 2 GB announced */
        "\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     /* 2^64 announced */
        "\x52\x02x",                                        /* one byte short */
        "\x51\x01\x02",                                     /* a fixed64 cut */
        "\x55\x01",                                         /* a fixed32 cut */
        "\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* a varint of eleven bytes */
        "\x50",                                             /* a varint without bytes */
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        begin();
        wire_raw(&message, damaged[i], strlen(damaged[i]));
        refused("damaged field");
        begin();
        wire_string(&event, CONFIG_RELOADED, "");
        wire_raw(&event, damaged[i], strlen(damaged[i]));
        event_end();
        refused("events[]: damaged field");
        begin();
        wire_raw(&payload, damaged[i], strlen(damaged[i]));
        wire_message(&event, CONFIG_RELOADED, &payload);
        event_end();
        refused("config_reloaded: damaged field");
    }
}

/* ---- strings ---- */

static void refuses_bad_utf8_and_embedded_nul_in_every_string(void)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {{"\xff", 1},    {"a\0b", 3}, {"\0", 1}, {"\xc0\x80", 2}, {"\xed\xa0\x80", 3}, {"\xf4\x90\x80\x80", 4},
               {"\xe2\x82", 2}};
    static const struct {
        uint32_t field;
        const char *why;
    } strings[] = {
        {4, "events[].source: invalid UTF-8, or a NUL"},         {5, "events[].session_id: invalid UTF-8, or a NUL"},
        {6, "events[].agent_id: invalid UTF-8, or a NUL"},       {7, "events[].execution_id: invalid UTF-8, or a NUL"},
        {8, "events[].correlation_id: invalid UTF-8, or a NUL"}, {9, "events[].causation_id: invalid UTF-8, or a NUL"},
        {10, "events[].traceparent: invalid UTF-8, or a NUL"},   {13, "events[].tags: invalid UTF-8, or a NUL"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin();
        for (size_t k = 0; k < sizeof strings / sizeof *strings; k++) {
            wire_data(&event, strings[k].field, bad[i].bytes, bad[i].length);
            event_refused(strings[k].why);
        }
        wire_data(&payload, 2, bad[i].bytes, bad[i].length);
        wire_message(&event, 14, &payload);
        event_refused("attributes.value: invalid UTF-8, or a NUL");
        wire_data(&payload, 1, bad[i].bytes, bad[i].length);
        wire_message(&event, TOKEN_USAGE, &payload);
        event_end();
        refused("token_usage.model: invalid UTF-8, or a NUL");
    }
}

static void the_last_of_a_repeated_string_counts_and_all_are_checked(void)
{
    begin();
    wire_string(&event, 5, "first");
    wire_string(&event, 5, "second");
    wire_string(&event, CONFIG_RELOADED, "");
    event_end();
    weft_batch *batch = accepted();
    CU_ASSERT_STRING_EQUAL(batch->events[0]->session_id, "second");
    weft_batch_free(batch);
    begin();
    wire_data(&event, 5, "a\0b", 3);
    wire_string(&event, 5, "second");
    event_refused("events[].session_id: invalid UTF-8, or a NUL");
}

/* ---- bounds ---- */

static void refuses_long_ids(void)
{
    static char id[WEFT_ID_MAX_BYTES + 1];
    memset(id, 'i', sizeof id);
    begin();
    for (uint32_t field = 5; field <= 10; field++)
        wire_data(&event, field, id, WEFT_ID_MAX_BYTES);
    event_accepted();
    wire_data(&event, 5, id, sizeof id);
    event_refused("events[].session_id: larger than allowed");
    wire_data(&event, 10, id, sizeof id);
    event_refused("events[].traceparent: larger than allowed");
}

static void attribute_put(const char *key)
{
    payload.length = 0;
    wire_string(&payload, 1, key);
    wire_message(&event, 14, &payload);
}

static void refuses_too_many_tags_and_attributes(void)
{
    char key[3] = "aa";
    begin();
    for (int i = 0; i < WEFT_TAGS_MAX; i++)
        wire_string(&event, 13, "t");
    event_accepted();
    for (int i = 0; i <= WEFT_TAGS_MAX; i++)
        wire_string(&event, 13, "t");
    event_refused("events[].tags: larger than allowed");
    for (int extra = 0; extra < 2; extra++) {
        for (int i = 0; i < WEFT_ATTRIBUTES_MAX + extra; i++) {
            key[0] = (char)('a' + i / 26);
            key[1] = (char)('a' + i % 26);
            attribute_put(key);
        }
        if (extra == 0)
            event_accepted();
        else
            event_refused("events[].attributes: larger than allowed");
    }
}

static void refuses_attributes_twice_or_without_key(void)
{
    begin();
    attribute_put("k");
    attribute_put("k");
    event_refused("events[].attributes: invalid argument");
    attribute_put("");
    event_refused("events[].attributes: invalid argument");
}

static void refuses_large_events(void)
{
    static char zeros[WEFT_EVENT_MAX_BYTES];
    begin();
    wire_data(&event, 40, zeros, WEFT_EVENT_MAX_BYTES - 18); /* unknown, but it counts */
    event_accepted();
    wire_data(&event, 40, zeros, WEFT_EVENT_MAX_BYTES - 8);
    event_refused("events[]: larger than allowed");
}

/* ---- order and streams ---- */

static void refuses_seq_that_does_not_rise(void)
{
    begin();
    event_add(5, CONFIG_RELOADED);
    event_add(5, CONFIG_RELOADED);
    refused("events[].seq: not rising");
    begin();
    event_add(5, CONFIG_RELOADED);
    event_add(4, CONFIG_RELOADED);
    refused("events[].seq: not rising");
    begin();
    event_add(0, CONFIG_RELOADED);
    refused("events[].seq: not rising");
    begin();
    event_add(9, CONFIG_RELOADED);
    wire_varint(&message, 3, 9); /* prev_seq counts wherever it stands */
    refused("events[].seq: not rising");
    begin();
    wire_varint(&message, 3, 8);
    event_add(9, CONFIG_RELOADED);
    event_add(UINT64_MAX, CONFIG_RELOADED);
    weft_batch_free(accepted());
}

static void refuses_two_topics(void)
{
    begin();
    event_add(1, TOKEN_USAGE);
    event_add(2, 112);
    weft_batch_free(accepted());
    event_add(3, CONFIG_RELOADED);
    refused("events[]: more than one topic");
}

/* ---- payloads ---- */

static void refuses_none_or_many_payloads(void)
{
    begin();
    event_end();
    refused("events[]: not exactly one payload");
    begin();
    wire_string(&event, CONFIG_RELOADED, "");
    event_refused("events[]: not exactly one payload");
    wire_string(&event, TOKEN_USAGE, "");
    event_refused("events[]: not exactly one payload");
    wire_string(&event, 800, "");
    event_refused("events[]: not exactly one payload");
    wire_varint(&event, 800, 1);
    event_accepted();
}

static void refuses_unknown_session_statuses(void)
{
    static const uint64_t bad[] = {4, 127, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin();
        wire_varint(&payload, 1, bad[i]);
        wire_message(&event, SESSION_STATUS_CHANGED, &payload);
        event_end();
        refused("events[].status: not a known value");
    }
}

static void clamps_unknown_priorities(void)
{
    begin();
    wire_varint(&event, 11, 9);
    wire_string(&event, CONFIG_RELOADED, "");
    event_end();
    weft_batch *batch = accepted();
    CU_ASSERT_EQUAL(batch->events[0]->priority, WEFT_PRIORITY_CRITICAL);
    weft_batch_free(batch);
}

static void refuses_times_before_the_epoch_of_unix(void)
{
    begin();
    wire_fixed64(&event, 2, UINT64_MAX);
    event_refused("events[].timestamp_ms: not a known value");
    wire_fixed64(&event, 3, UINT64_C(1) << 63);
    event_refused("events[].accepted_ms: not a known value");
    wire_fixed64(&event, 2, INT64_MAX);
    event_accepted();
}

static void refuses_numbers_that_are_none(void)
{
    static const double bad[] = {__builtin_nan(""), __builtin_inf(), -__builtin_inf()};
    for (size_t i = 0; i < 3; i++) {
        uint64_t bits;
        memcpy(&bits, &bad[i], sizeof bits);
        begin();
        wire_fixed64(&payload, 6, bits);
        wire_message(&event, TOKEN_USAGE, &payload);
        event_end();
        refused("events[].cost_usd: invalid argument");
    }
}

static void refuses_data_that_is_not_json(void)
{
    static char deep[2 * (WEFT_JSON_MAX_DEPTH + 1) + 1];
    static const char *const bad[] = {"{", "{} {}", "nul", "[1,]", "{\"a\":1,}", "01", "NaN", "'a'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin();
        wire_string(&payload, 3, bad[i]);
        wire_message(&event, CUSTOM, &payload);
        event_end();
        refused("events[].data_json: not well-formed");
    }
    memset(deep, '[', WEFT_JSON_MAX_DEPTH + 1);
    memset(deep + WEFT_JSON_MAX_DEPTH + 1, ']', WEFT_JSON_MAX_DEPTH + 1);
    begin();
    wire_string(&payload, 3, deep);
    wire_message(&event, CUSTOM, &payload);
    event_end();
    refused("events[].data_json: nested too deeply");
}

/* ---- lost records ---- */

static void lost_put(uint64_t epoch, uint64_t topic, uint64_t from, uint64_t to, uint64_t reason)
{
    payload.length = 0;
    wire_varint(&payload, 1, epoch);
    wire_varint(&payload, 2, topic);
    wire_varint(&payload, 3, from);
    wire_varint(&payload, 4, to);
    wire_varint(&payload, 6, reason);
    wire_message(&message, 5, &payload);
}

static void refuses_bad_lost_records(void)
{
    begin();
    lost_put(0, 1, 1, 2, 1);
    refused("lost.epoch: makes no sense");
    begin();
    lost_put(1, 0, 1, 2, 1);
    refused("lost.topic: not a known value");
    begin();
    lost_put(1, 1, 0, 2, 1);
    refused("lost.from_seq: makes no sense");
    begin();
    lost_put(1, 1, 3, 2, 1);
    refused("lost.from_seq: makes no sense");
    begin();
    wire_string(&message, 5, "\x0b");
    refused("lost: damaged field");
}

static void leaves_out_what_only_a_newer_version_can_have_lost(void)
{
    begin();
    lost_put(1, 9, 1, 2, 1);
    lost_put(1, 7, 3, 4, 99);
    weft_batch *batch = accepted();
    CU_ASSERT_EQUAL_FATAL(batch->lost_count, 1);
    CU_ASSERT_EQUAL(batch->lost[0].topic, WEFT_TOPIC_CUSTOM);
    CU_ASSERT_EQUAL(batch->lost[0].reason, WEFT_LOST_UNSPECIFIED);
    CU_ASSERT_EQUAL(batch->lost[0].from_seq, 3);
    weft_batch_free(batch);
}

/* ---- bombs ---- */

static void survives_deep_nesting(void)
{
    static wire_bytes inner, outer;
    inner.length = 0;
    for (int depth = 0; depth < 10000; depth++) { /* each level says it is field 111 of the one around it */
        outer.length = 0;
        wire_message(&outer, TOKEN_USAGE, &inner);
        inner.length = 0;
        wire_raw(&inner, outer.data, outer.length);
    }
    CU_ASSERT(inner.length > 34000);
    begin();
    wire_message(&event, TOKEN_USAGE, &inner);
    event_end();
    weft_batch_free(accepted()); /* the second level is an unknown field of token_usage, and skipped */
    begin();
    for (int depth = 0; depth < 30000; depth++)
        wire_raw(&event, "\x0b", 1);
    event_refused("events[]: damaged field");
    begin();
    for (int depth = 0; depth < 30000; depth++)
        wire_raw(&message, "\xa3\x06", 2);
    refused("damaged field");
}

static void caps_the_memory_of_an_event(void)
{
    begin();
    while (event.length < 180 * 1024)
        wire_varint(&event, 30, 1); /* unknown fields of three bytes, a hundred in memory */
    event_refused("events[]: more fields than its length allows");
    while (event.length < 180 * 1024)
        wire_string(&event, 14, "");
    event_refused("events[]: more fields than its length allows");
    while (message.length < 200 * 1024)
        wire_string(&message, 4, "");
    refused("events[]: not exactly one payload");
}

static void takes_the_smallest_events_by_the_ten_thousand(void)
{
    begin();
    for (uint64_t seq = 1; message.length < WEFT_BATCH_MAX_BYTES - 20; seq++)
        event_add(seq, CONFIG_RELOADED);
    weft_batch *batch = accepted();
    CU_ASSERT(batch->event_count > 25000);
    weft_batch_free(batch);
}

SUITE(bridge_codec_hostile, CASE(refuses_too_long_a_message_before_reading_it), CASE(refuses_an_empty_message),
      CASE(refuses_every_flipped_bit_of_a_checked_message), CASE(survives_being_cut_anywhere),
      CASE(refuses_bad_nodes_and_epochs), CASE(refuses_wrong_wire_types), CASE(refuses_damaged_tags_and_lengths),
      CASE(refuses_bad_utf8_and_embedded_nul_in_every_string),
      CASE(the_last_of_a_repeated_string_counts_and_all_are_checked), CASE(refuses_long_ids),
      CASE(refuses_too_many_tags_and_attributes), CASE(refuses_attributes_twice_or_without_key),
      CASE(refuses_large_events), CASE(refuses_seq_that_does_not_rise), CASE(refuses_two_topics),
      CASE(refuses_none_or_many_payloads), CASE(refuses_unknown_session_statuses), CASE(clamps_unknown_priorities),
      CASE(refuses_times_before_the_epoch_of_unix), CASE(refuses_numbers_that_are_none),
      CASE(refuses_data_that_is_not_json), CASE(refuses_bad_lost_records),
      CASE(leaves_out_what_only_a_newer_version_can_have_lost), CASE(survives_deep_nesting),
      CASE(caps_the_memory_of_an_event), CASE(takes_the_smallest_events_by_the_ten_thousand))
