/* The codec beside the generated code: the same bytes for the same events, and the same understanding, or the same
 * reason to refuse, of any bytes. Everything random comes from seeds that a failure prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/bridge/batch_difference.h"
#include "support/bridge/reference_codec.h"
#include "support/event_maker.h"
#include "support/suite.h"
#include "support/wire_bytes.h"
#include "weft/wire.h"

enum { EVENTS_MAX = 12, TRAILER_BYTES = 9 };

/* A batch and all that it points to. */
typedef struct sample {
    weft_batch batch;
    event_maker makers[EVENTS_MAX];
    weft_event events[EVENTS_MAX];
    const weft_event *pointers[EVENTS_MAX];
    weft_lost lost[3];
} sample;

static sample one;

static void fail(const char *what, uint64_t seed)
{
    char text[500];
    (void)snprintf(text, sizeof text, "seed %llu: %s", (unsigned long long)seed, what);
    CU_FAIL(text);
}

/* ---- encoding ---- */

/* Encodes in both ways and holds the results against each other. What it returns, with its length, is malloc'ed; NULL
 * if both refused. */
static uint8_t *encode_both(const weft_batch *batch, uint64_t seed, size_t *ret_length)
{
    uint8_t *ours = NULL, *theirs = NULL;
    size_t our_length = 0, their_length = 0;
    weft_status st = weft_batch_encode(batch, &ours, &our_length);
    if (st != reference_encode(batch, &theirs, &their_length))
        fail("another status", seed);
    else if (st == WEFT_OK && (our_length != their_length || memcmp(ours, theirs, our_length) != 0))
        fail("other bytes", seed);
    free(theirs);
    *ret_length = our_length;
    return ours;
}

static void check_batch(const weft_batch *batch, uint64_t seed)
{
    size_t length;
    free(encode_both(batch, seed, &length));
}

static void check_event(const weft_event *event, uint64_t seed)
{
    weft_batch batch = {.node = "host-a", .epoch = 7, .events = &event, .event_count = 1};
    check_batch(&batch, seed);
}

static weft_event_type type_of_topic(event_maker *m, weft_topic topic)
{
    weft_event_type type;
    do
        type = (weft_event_type)(1 + event_maker_next(m) % (WEFT_EVENT_TYPE_COUNT - 1));
    while (weft_schema_of(type)->topic != topic);
    return type;
}

/* Now and then the payload of a newer version. */
static weft_event sample_event(event_maker *m, weft_topic topic)
{
    weft_event event = event_maker_random(m, type_of_topic(m, topic));
    if (event_maker_next(m) % 10 != 0)
        return event;
    event.type = WEFT_CUSTOM;
    event.custom = (struct weft_custom){
        .event_type = "unknown.777",
        .data_json =
            event_maker_next(m) % 2 ? "{\"field\":777,\"bytes\":\"CE0SAwD//g==\"}" : "{\"field\":777,\"bytes\":\"\"}",
    };
    return event;
}

static const weft_batch *sample_make(uint64_t seed)
{
    static const char *const nodes[] = {"a", "host-a",
                                        "node.of_the-longest.name.that.is.allowed.in.a.fabric-0123456789."};
    event_maker dice = {.state = seed};
    weft_topic topic = weft_topic_from_number(1 + (unsigned)(event_maker_next(&dice) % (WEFT_TOPIC_MAX - 1)));
    uint64_t seq = event_maker_next(&dice) >> (8 + event_maker_next(&dice) % 56);
    one.batch = (weft_batch){.node = nodes[event_maker_next(&dice) % 3],
                             .epoch = 1 + (event_maker_next(&dice) >> (1 + event_maker_next(&dice) % 63)),
                             .prev_seq = event_maker_next(&dice) % 3 != 0 ? seq : 0,
                             .topic = event_maker_next(&dice) % 2 ? topic : 0,
                             .events = one.pointers,
                             .event_count = event_maker_next(&dice) % EVENTS_MAX,
                             .lost = one.lost,
                             .lost_count = event_maker_next(&dice) % 5 == 0 ? event_maker_next(&dice) % 4 : 0};
    for (size_t i = 0; i < one.batch.event_count; i++) {
        one.makers[i].state = event_maker_next(&dice);
        one.events[i] = sample_event(&one.makers[i], topic);
        one.events[i].id.seq = seq += 1 + event_maker_next(&dice) % 200;
        one.pointers[i] = &one.events[i];
    }
    for (size_t i = 0; i < one.batch.lost_count; i++)
        one.lost[i] = (weft_lost){.epoch = 1 + event_maker_next(&dice) % 1000,
                                  .topic = topic,
                                  .from_seq = 1 + i,
                                  .to_seq = 1 + i + event_maker_next(&dice) % 1000,
                                  .count = event_maker_next(&dice) % 3,
                                  .reason = (weft_lost_reason)(event_maker_next(&dice) % 6)};
    return &one.batch;
}

static void writes_random_batches_to_the_byte(void)
{
    for (uint64_t seed = 1; seed <= 600; seed++)
        check_batch(sample_make(seed), seed);
}

/* Sets every field of an event that is a number. */
static void numbers_set(weft_event *event, const weft_field *fields, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++) {
        char *at = (char *)event + fields[i].offset;
        if (fields[i].kind <= WEFT_FIELD_JSON)
            continue;
        if (fields[i].kind == WEFT_FIELD_BOOL)
            *(bool *)at = number % 2 != 0;
        else if (fields[i].kind == WEFT_FIELD_U32 || fields[i].kind == WEFT_FIELD_ENUM)
            *(uint32_t *)(void *)at = (uint32_t)number;
        else
            memcpy(at, &number, sizeof number);
    }
}

static void strings_set(weft_event *event, const weft_field *fields, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].kind <= WEFT_FIELD_JSON)
            *(const char **)(void *)((char *)event + fields[i].offset) = text;
}

static void check_numbers(weft_event_type type, uint64_t number)
{
    size_t count;
    const weft_schema *schema = weft_schema_of(type);
    const weft_field *envelope = weft_envelope_fields(&count);
    weft_event event = {.type = type};
    numbers_set(&event, envelope, count, number);
    check_event(&event, number);
    event.priority = WEFT_PRIORITY_UNSET; /* what is above the last one cannot be said */
    check_event(&event, number);
    event.timestamp_ms = event.accepted_ms = (int64_t)(number >> 1);
    numbers_set(&event, schema->fields, schema->field_count, number);
    check_event(&event, number);
    if (type == WEFT_SESSION_STATUS_CHANGED)
        event.session_status_changed.status = WEFT_SESSION_RETRY;
    check_event(&event, number);
}

static void writes_numbers_of_every_length(void)
{
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        for (unsigned bits = 0; bits <= 64; bits++)
            for (uint64_t more = 0; more < 3; more++) /* 2^n - 1, 2^n, 2^n + 1; 2^63 is also minus zero */
                check_numbers((weft_event_type)type, (bits < 64 ? UINT64_C(1) << bits : 0) + more - 1);
}

static void writes_strings_of_every_length_of_length(void)
{
    static const size_t lengths[] = {0,   1,    2,     7,     8,     60,    100,   110,   120,    126,    127,
                                     128, 129,  255,   256,   1000,  8100,  16200, 16382, 16383,  16384,  16385,
                                     700, 4000, 60000, 65535, 65536, 90000, 98000, 98290, 130000, 196570, 196608};
    static char text[200 * 1024];
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int type = lengths[i] < 1000 ? WEFT_EVENT_NONE + 1 : WEFT_CUSTOM; type < WEFT_EVENT_TYPE_COUNT; type++) {
            const weft_schema *schema = weft_schema_of((weft_event_type)type);
            memset(text, 'x', lengths[i]);
            text[lengths[i]] = '\0';
            weft_event event = {.type = (weft_event_type)type, .id.seq = 1, .source = text};
            check_event(&event, lengths[i]);
            strings_set(&event, schema->fields, schema->field_count, text);
            check_event(&event, lengths[i]);
            event.source = NULL;
            check_event(&event, lengths[i]);
            if (lengths[i] > 60)
                text[60] = '\0';
            strings_set(&event, envelope, count, text);
            check_event(&event, lengths[i]);
        }
}

static void writes_lists_of_every_length(void)
{
    static char texts[WEFT_ATTRIBUTES_MAX][200];
    const char *tags[WEFT_TAGS_MAX + 1];
    weft_attribute attributes[WEFT_ATTRIBUTES_MAX + 1];
    for (size_t i = 0; i < WEFT_ATTRIBUTES_MAX; i++)
        memset(texts[i], 'k', i * 3);
    for (size_t i = 0; i <= WEFT_ATTRIBUTES_MAX; i++)
        attributes[i] =
            (weft_attribute){texts[i % WEFT_ATTRIBUTES_MAX], i % 5 == 0 ? NULL : texts[(i * 7) % WEFT_ATTRIBUTES_MAX]};
    for (size_t i = 0; i <= WEFT_TAGS_MAX; i++)
        tags[i] = i % 7 == 0 ? NULL : texts[i];
    for (size_t count = 0; count <= WEFT_ATTRIBUTES_MAX + 1; count++) {
        weft_event event = {.type = WEFT_AGENT_END, .id.seq = 1, .flags = 7, .tags = tags, .attributes = attributes};
        event.attribute_count = count;
        check_event(&event, count);
        event.tag_count = count <= WEFT_TAGS_MAX + 1 ? count : 0;
        check_event(&event, count);
    }
}

/* ---- decoding ---- */

static void decode_both(const uint8_t *bytes, size_t length, uint64_t seed)
{
    weft_batch *ours = NULL, *theirs = NULL;
    const char *our_reason = "", *their_reason = "";
    uint8_t *copy = malloc(length + 1); /* of its size, so that ASan sees a read behind the end */
    memcpy(copy, bytes, length);
    weft_status ours_st = weft_batch_decode(copy, length, &ours, &our_reason);
    weft_status theirs_st = reference_decode(copy, length, &theirs, &their_reason);
    memset(copy, 0xAA, length);
    free(copy);
    if (strcmp(their_reason, REFERENCE_OUT_OF_BUDGET) == 0) {
        if (ours_st != WEFT_OK && ours_st != WEFT_MALFORMED)
            fail("another status", seed);
    } else if (ours_st != theirs_st || strcmp(our_reason, their_reason) != 0) {
        char text[400];
        (void)snprintf(text, sizeof text, "'%s' for '%s'", our_reason, their_reason);
        fail(text, seed);
    } else if (ours_st == WEFT_OK) {
        const char *difference = batch_difference(ours, theirs);
        if (difference != NULL)
            fail(difference, seed);
    }
    weft_batch_free(ours);
    reference_free(theirs);
}

static void reads_random_batches_alike(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        size_t length;
        uint8_t *bytes = encode_both(sample_make(seed), seed, &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
        decode_both(bytes, length, seed);
        decode_both(bytes, length - TRAILER_BYTES, seed);
        free(bytes);
    }
}

static void mutate(event_maker *dice, uint8_t *bytes, size_t *length)
{
    size_t at = event_maker_next(dice) % *length, other = event_maker_next(dice) % *length;
    size_t span = event_maker_next(dice) % 12;
    switch (event_maker_next(dice) % 6) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << event_maker_next(dice) % 8);
        break;
    case 1:
        bytes[at] = (uint8_t)event_maker_next(dice);
        break;
    case 2:
        bytes[at] = (uint8_t)(bytes[at] + 1 - event_maker_next(dice) % 3);
        break;
    case 3:
        *length = at;
        break;
    case 4: /* what stands elsewhere */
        if (at + span <= *length && other + span <= *length)
            memmove(bytes + at, bytes + other, span);
        break;
    default:
        if (at + span <= *length) {
            memmove(bytes + at, bytes + at + span, *length - at - span);
            *length -= span;
        }
        break;
    }
}

static void reads_mutated_batches_alike(void)
{
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        size_t length;
        event_maker dice = {.state = seed * 7919};
        uint8_t *bytes = NULL;
        if (weft_batch_encode(sample_make(1 + seed % 200), &bytes, &length) != WEFT_OK)
            CU_FAIL_FATAL("not encoded");
        length -= TRAILER_BYTES;
        for (uint64_t times = 1 + event_maker_next(&dice) % 3; times > 0 && length > 0; times--)
            mutate(&dice, bytes, &length);
        decode_both(bytes, length, seed);
        free(bytes);
    }
}

/* ---- messages made of fields that are right, wrong or strange ---- */

static wire_bytes message, event, payload;

static void text_put(event_maker *dice, wire_bytes *to, uint32_t field)
{
    static const struct {
        const char *bytes;
        size_t length;
    } texts[] = {{"", 0},     {"a", 1},         {"s1", 2},           {"claude-opus-4-5", 15},
                 {"null", 4}, {"{\"a\":1}", 7}, {"\xc3\xbc", 2},     {"0123456789", 10},
                 {"a\0b", 3}, {"\xff", 1},      {"12345678\x80", 9}, {"\xe2\x82", 2}};
    static const char id[WEFT_ID_MAX_BYTES + 1] = "long";
    uint64_t side = event_maker_next(dice) % 40;
    if (side >= 2) {
        side = event_maker_next(dice) % (side < 30 ? 8 : sizeof texts / sizeof *texts);
        wire_data(to, field, texts[side].bytes, texts[side].length);
        return;
    }
    char long_id[WEFT_ID_MAX_BYTES + 1];
    memset(long_id, id[0], sizeof long_id);
    wire_data(to, field, long_id, WEFT_ID_MAX_BYTES + side);
}

/* A number in more bytes than it needs, up to eleven. */
static void overlong_put(event_maker *dice, wire_bytes *to)
{
    uint64_t bytes = 1 + event_maker_next(dice) % 11;
    for (uint64_t i = 0; i + 1 < bytes; i++)
        wire_raw(to, &(uint8_t){(uint8_t)(0x80 | (event_maker_next(dice) % 2 ? 0 : event_maker_next(dice)))}, 1);
    wire_raw(to, &(uint8_t){(uint8_t)(event_maker_next(dice) % 4)}, 1);
}

static void field_put(event_maker *dice, wire_bytes *to, uint32_t field, unsigned type)
{
    static const uint64_t words[] = {
        0, 1, 1767614400000, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(0x7ff0000000000000), UINT64_C(0x3fb999999999999a)};
    switch (type) {
    case 0:
        wire_tag(to, field, 0);
        if (event_maker_next(dice) % 4 == 0)
            overlong_put(dice, to);
        else
            wire_number(to, event_maker_next(dice) >> event_maker_next(dice) % 64);
        break;
    case 1:
        wire_fixed64(to, field, words[event_maker_next(dice) % (event_maker_next(dice) % 4 == 0 ? 7 : 3)]);
        break;
    case 2:
        text_put(dice, to, field);
        break;
    default:
        wire_tag(to, field, type);
        wire_raw(to, "abcd", 4);
        break;
    }
}

/* The right wire type of an envelope's field, most of the time. */
static unsigned type_of(event_maker *dice, uint32_t field)
{
    static const unsigned char types[16] = {0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 0, 0, 2, 2, 0};
    if (field < sizeof types && event_maker_next(dice) % 60 != 0)
        return types[field];
    return (unsigned)(event_maker_next(dice) % 60 != 0 ? event_maker_next(dice) % 3 : event_maker_next(dice) % 8);
}

static void attribute_put(event_maker *dice)
{
    static wire_bytes entry;
    entry.length = 0;
    for (uint64_t count = event_maker_next(dice) % 4; count > 0; count--) {
        uint32_t field = (uint32_t)(1 + event_maker_next(dice) % 2);
        field_put(dice, &entry, event_maker_next(dice) % 20 != 0 ? field : 3, event_maker_next(dice) % 50 != 0 ? 2 : 0);
    }
    wire_message(&event, 14, &entry);
}

static unsigned payload_type(event_maker *dice, const weft_schema *schema, uint32_t number)
{
    if (schema == NULL || event_maker_next(dice) % 60 == 0)
        return (unsigned)(event_maker_next(dice) % 3);
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].number == number)
            return schema->fields[i].kind <= WEFT_FIELD_JSON ? 2 : schema->fields[i].kind == WEFT_FIELD_F64 ? 1 : 0;
    return 0;
}

static void payload_put(event_maker *dice, weft_topic topic)
{
    payload.length = 0;
    uint32_t number = weft_schema_of(type_of_topic(dice, topic))->number;
    if (event_maker_next(dice) % 10 == 0)
        number = (uint32_t)(98 + event_maker_next(dice) % 904);
    const weft_schema *schema = weft_schema_by_number(number);
    for (uint64_t count = event_maker_next(dice) % 7; count > 0; count--) {
        uint32_t field = (uint32_t)(1 + event_maker_next(dice) % (event_maker_next(dice) % 8 == 0 ? 40 : 6));
        field_put(dice, &payload, field, payload_type(dice, schema, field));
    }
    wire_message(&event, number, &payload);
}

static void event_put(event_maker *dice, uint64_t seq, weft_topic topic)
{
    static const uint32_t strange[] = {16, 17, 30, 31, 32, 99, 100, 111, 999, 1000, 2047, 536870911};
    event.length = 0;
    wire_varint(&event, 1, seq);
    for (uint64_t count = event_maker_next(dice) % 9; count > 0; count--) {
        uint32_t field = (uint32_t)(2 + event_maker_next(dice) % 14);
        if (event_maker_next(dice) % 30 == 0)
            field = strange[event_maker_next(dice) % (sizeof strange / sizeof *strange)];
        if (field == 14)
            attribute_put(dice);
        else
            field_put(dice, &event, field, type_of(dice, field));
    }
    for (uint64_t count = event_maker_next(dice) % 40; count > 38; count--)
        payload_put(dice, topic);
    payload_put(dice, topic);
    if (event_maker_next(dice) % 8 == 0)
        field_put(dice, &event, 5, 2);
    wire_message(&message, 4, &event);
}

static void reads_strange_messages_alike(void)
{
    for (uint64_t seed = 1; seed <= 8000; seed++) {
        event_maker dice = {.state = seed};
        weft_topic topic = weft_topic_from_number(1 + (unsigned)(event_maker_next(&dice) % (WEFT_TOPIC_MAX - 1)));
        message.length = 0;
        wire_string(&message, 1, "n");
        wire_varint(&message, 2, 7);
        for (uint64_t i = 0, count = event_maker_next(&dice) % 4; i <= count; i++)
            event_put(&dice, 1 + i, topic);
        decode_both(message.data, message.length, seed);
    }
}

SUITE(bridge_codec_reference, CASE(writes_random_batches_to_the_byte), CASE(writes_numbers_of_every_length),
      CASE(writes_strings_of_every_length_of_length), CASE(writes_lists_of_every_length),
      CASE(reads_random_batches_alike), CASE(reads_mutated_batches_alike), CASE(reads_strange_messages_alike))
