/* tests/bridge/test_control.c: control messages there and back, what is refused, and merging encoded batches. */
#include "bridge/control.h"

#include <stdlib.h>
#include <string.h>

#include "support/suite.h"
#include "support/wire_bytes.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static wire_bytes wire, inner;
static const char *reason;

static void begin(void)
{
    wire.length = inner.length = 0;
    reason = NULL;
}

static const weft__position positions[] = {{5, WEFT_TOPIC_COST, 17, 9}, {4, WEFT_TOPIC_CUSTOM, UINT64_MAX, 0}};
static const weft_lost losses[] = {
    {.epoch = 5, .topic = WEFT_TOPIC_LLM, .from_seq = 3, .to_seq = 9, .count = 4, .reason = WEFT_LOST_CORRUPT},
};

static void check_positions(const weft__position *got, size_t count)
{
    CU_ASSERT_EQUAL_FATAL(count, COUNT(positions));
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(got[i].epoch, positions[i].epoch);
        CU_ASSERT_EQUAL(got[i].topic, positions[i].topic);
        CU_ASSERT_EQUAL(got[i].last_seq, positions[i].last_seq);
        CU_ASSERT_EQUAL(got[i].events, positions[i].events);
    }
}

/* ---- there and back ---- */

static void brings_back_live(void)
{
    const weft__live live = {"host-a", 6,     WEFT__LIVE_GOODBYE, positions, COUNT(positions), 1767614400123,
                             77,       "1.2", 1767614400100};
    uint8_t *bytes;
    size_t length;
    weft__live *back;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&live, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__live_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_STRING_EQUAL(back->node, "host-a");
    CU_ASSERT_EQUAL(back->epoch, 6);
    CU_ASSERT_EQUAL(back->status, WEFT__LIVE_GOODBYE);
    CU_ASSERT_EQUAL(back->timestamp_ms, 1767614400123);
    CU_ASSERT_EQUAL(back->instance, 77);
    CU_ASSERT_STRING_EQUAL(back->version, "1.2");
    CU_ASSERT_EQUAL(back->born_ms, 1767614400100);
    check_positions(back->previous, back->previous_count);
    free(back);
}

static void brings_back_state(void)
{
    static const weft__model_totals models[] = {{"m1", 1, 2, 3, 4, 5, -6}, {"m2", 7, 8, 9, 10, 11, INT64_MAX}};
    static const weft__session_state sessions[] = {{"s1", WEFT_SESSION_BUSY, 12}, {"s2", WEFT_SESSION_UNSPECIFIED, 0}};
    const weft__state state = {"host-a", 6, 99, models, 2, 20, 21, 22, sessions, 2, true};
    uint8_t *bytes;
    size_t length;
    weft__state *back;
    CU_ASSERT_EQUAL_FATAL(weft__state_encode(&state, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__state_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_EQUAL(back->timestamp_ms, 99);
    CU_ASSERT_EQUAL(back->sessions_started, 20);
    CU_ASSERT_EQUAL(back->sessions_ended, 21);
    CU_ASSERT_EQUAL(back->sessions_live, 22);
    CU_ASSERT_TRUE(back->truncated);
    CU_ASSERT_EQUAL_FATAL(back->model_count, 2);
    CU_ASSERT_STRING_EQUAL(back->models[0].model, "m1");
    CU_ASSERT_EQUAL(back->models[0].cost_nano_usd, -6);
    CU_ASSERT_STRING_EQUAL(back->models[1].model, "m2");
    CU_ASSERT_EQUAL(back->models[1].requests, 7);
    CU_ASSERT_EQUAL(back->models[1].input_tokens, 8);
    CU_ASSERT_EQUAL(back->models[1].output_tokens, 9);
    CU_ASSERT_EQUAL(back->models[1].cache_read_tokens, 10);
    CU_ASSERT_EQUAL(back->models[1].cache_write_tokens, 11);
    CU_ASSERT_EQUAL(back->models[1].cost_nano_usd, INT64_MAX);
    CU_ASSERT_EQUAL_FATAL(back->session_count, 2);
    CU_ASSERT_STRING_EQUAL(back->sessions[0].session_id, "s1");
    CU_ASSERT_EQUAL(back->sessions[0].status, WEFT_SESSION_BUSY);
    CU_ASSERT_EQUAL(back->sessions[0].changed_ms, 12);
    CU_ASSERT_STRING_EQUAL(back->sessions[1].session_id, "s2");
    free(back);
}

static void brings_back_beat(void)
{
    const weft__beat beat = {"host-a", 6, positions, COUNT(positions), 1767614400123};
    uint8_t *bytes;
    size_t length;
    weft__beat *back;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&beat, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__beat_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_STRING_EQUAL(back->node, "host-a");
    CU_ASSERT_EQUAL(back->timestamp_ms, 1767614400123);
    check_positions(back->streams, back->stream_count);
    free(back);
}

static void brings_back_commands(void)
{
    weft__command command = {.from = "host-a", .request_id = "R1", .reason = "because"};
    uint8_t *bytes;
    size_t length;
    weft__command *back;
    CU_ASSERT_EQUAL_FATAL(weft__command_encode(&command, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__command_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_FALSE(back->has_replay);
    CU_ASSERT_STRING_EQUAL(back->reason, "because");
    free(back);

    command.has_replay = true;
    command.replay.epoch = 5;
    command.replay.topic = WEFT_TOPIC_SESSION;
    command.replay.from_seq = 7;
    command.replay.to_seq = 70;
    command.replay.max_messages = 3;
    command.replay.since_ms = 1767614400123;
    command.replay.taker = 2;
    command.reason = NULL;
    CU_ASSERT_EQUAL_FATAL(weft__command_encode(&command, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__command_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_TRUE(back->has_replay);
    CU_ASSERT_EQUAL(back->replay.epoch, 5);
    CU_ASSERT_EQUAL(back->replay.topic, WEFT_TOPIC_SESSION);
    CU_ASSERT_EQUAL(back->replay.from_seq, 7);
    CU_ASSERT_EQUAL(back->replay.to_seq, 70);
    CU_ASSERT_EQUAL(back->replay.max_messages, 3);
    CU_ASSERT_EQUAL(back->replay.since_ms, 1767614400123);
    CU_ASSERT_EQUAL(back->replay.taker, 2);
    CU_ASSERT_STRING_EQUAL(back->from, "host-a");
    CU_ASSERT_STRING_EQUAL(back->request_id, "R1");
    CU_ASSERT_PTR_NULL(back->reason);
    free(back);
}

static void brings_back_replies(void)
{
    const weft__reply reply = {.node = "host-a",
                               .request_id = "R1",
                               .index = 3,
                               .last = true,
                               .batch = (const uint8_t *)"\0\1\2",
                               .batch_bytes = 3,
                               .covered_to_seq = 88,
                               .lost = losses,
                               .lost_count = COUNT(losses),
                               .error = "none",
                               .last_seq = 90,
                               .skipped_seq = 12};
    uint8_t *bytes;
    size_t length;
    weft__reply *back;
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&reply, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    CU_ASSERT_STRING_EQUAL(back->request_id, "R1");
    CU_ASSERT_EQUAL(back->index, 3);
    CU_ASSERT_TRUE(back->last);
    CU_ASSERT_EQUAL_FATAL(back->batch_bytes, 3);
    CU_ASSERT_EQUAL(memcmp(back->batch, "\0\1\2", 3), 0);
    CU_ASSERT_EQUAL(back->covered_to_seq, 88);
    CU_ASSERT_EQUAL(back->last_seq, 90);
    CU_ASSERT_EQUAL(back->skipped_seq, 12);
    CU_ASSERT_EQUAL_FATAL(back->lost_count, 1);
    CU_ASSERT_STRING_EQUAL(back->lost[0].node, "host-a");
    CU_ASSERT_EQUAL(back->lost[0].topic, WEFT_TOPIC_LLM);
    CU_ASSERT_EQUAL(back->lost[0].reason, WEFT_LOST_CORRUPT);
    CU_ASSERT_STRING_EQUAL(back->error, "none");
    free(back);
}

static void brings_back_accounts(void)
{
    static const weft_stream_account streams[] = {
        {.node = "host-a", .epoch = 5, .topic = WEFT_TOPIC_COST, .own = true, .last_seq = 17, .lost_unreachable = 3},
        {.node = "host-b",
         .epoch = 6,
         .topic = WEFT_TOPIC_TOOL,
         .based = true,
         .before_known = true,
         .unaccounted = -9},
        {.node = "-", .dropped_foreign = UINT64_MAX},
    };
    weft__reply reply = {.node = "host-a", .request_id = "account.7", .last = true, .has_account = true};
    reply.account = (weft_account){.listener = true,
                                   .epoch = 4,
                                   .truncated = true,
                                   .refused = 8,
                                   .streams = streams,
                                   .stream_count = COUNT(streams)};
    uint8_t *bytes;
    size_t length;
    weft__reply *back;
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&reply, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &back, &reason), WEFT_OK);
    free(bytes);
    const weft_account *account = &back->account;
    CU_ASSERT_TRUE(back->has_account && account->listener && account->truncated && account->last);
    CU_ASSERT_STRING_EQUAL(account->node, "host-a");
    CU_ASSERT_EQUAL(account->epoch, 4);
    CU_ASSERT_EQUAL(account->refused, 8);
    CU_ASSERT_EQUAL_FATAL(account->stream_count, COUNT(streams));
    for (size_t i = 0; i < COUNT(streams); i++) {
        weft_stream_account got = account->streams[i];
        CU_ASSERT_STRING_EQUAL(got.node, streams[i].node);
        got.node = streams[i].node;
        CU_ASSERT_EQUAL(memcmp(&got, &streams[i], sizeof got), 0);
    }
    free(back);
}

static void an_empty_reply_has_no_batch(void)
{
    uint8_t *bytes;
    size_t length;
    weft__reply *back;
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&(weft__reply){.node = "n"}, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &back, NULL), WEFT_OK);
    free(bytes);
    CU_ASSERT_PTR_NULL(back->batch);
    CU_ASSERT_EQUAL(back->batch_bytes, 0);
    CU_ASSERT_PTR_NULL(back->lost);
    free(back);
}

/* ---- what is refused ---- */

static void beat_refused(const char *why)
{
    weft__beat *beat = NULL;
    CU_ASSERT_EQUAL(weft__beat_decode(wire.data, wire.length, &beat, &reason), WEFT_MALFORMED);
    CU_ASSERT_PTR_NULL(beat);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reason);
    CU_ASSERT_STRING_EQUAL(reason, why);
    begin();
}

static void refuses_bad_origins(void)
{
    begin();
    wire_varint(&wire, 2, 6);
    beat_refused("beat.node: makes no sense");
    wire_string(&wire, 1, "Host");
    wire_varint(&wire, 2, 6);
    beat_refused("beat.node: makes no sense");
    wire_string(&wire, 1, "host");
    beat_refused("beat.epoch: makes no sense");
    wire_data(&wire, 1, "host\0x", 6);
    wire_varint(&wire, 2, 6);
    beat_refused("beat.node: invalid UTF-8, or a NUL");
    wire_varint(&wire, 1, 6);
    beat_refused("beat.node: wrong wire type");
    wire_raw(&wire, "\x0a\xff\xff\xff\xff\x0f", 6);
    beat_refused("beat: damaged field");
    wire_raw(&wire, "\x0b\x0b\x0b", 3);
    beat_refused("beat: damaged field");
}

static void position_put(uint64_t epoch, uint64_t topic, uint64_t seq)
{
    inner.length = 0;
    wire_varint(&inner, 1, epoch);
    wire_varint(&inner, 2, topic);
    wire_varint(&inner, 3, seq);
    wire_message(&wire, 3, &inner);
}

static void refuses_bad_positions_and_leaves_out_unknown_topics(void)
{
    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    position_put(0, 1, 1);
    beat_refused("position.epoch: makes no sense");
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    position_put(6, 0, 1);
    beat_refused("position.topic: not a known value");
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    position_put(6, 200, 1);
    position_put(6, 7, 9);
    position_put(6, UINT64_MAX, 1);
    weft__beat *beat;
    CU_ASSERT_EQUAL_FATAL(weft__beat_decode(wire.data, wire.length, &beat, &reason), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(beat->stream_count, 1);
    CU_ASSERT_EQUAL(beat->streams[0].topic, WEFT_TOPIC_CUSTOM);
    CU_ASSERT_EQUAL(beat->streams[0].last_seq, 9);
    free(beat);
}

static void refuses_bad_live_and_state(void)
{
    weft__live *live;
    weft__state *state;
    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    CU_ASSERT_EQUAL(weft__live_decode(wire.data, wire.length, &live, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "live.status: makes no sense");
    wire_varint(&wire, 3, 4);
    CU_ASSERT_EQUAL(weft__live_decode(wire.data, wire.length, &live, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "live.status: not a known value");
    wire_varint(&wire, 3, 1);
    wire_fixed64(&wire, 5, UINT64_C(1) << 63);
    CU_ASSERT_EQUAL(weft__live_decode(wire.data, wire.length, &live, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "live.timestamp_ms: not a known value");

    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    wire_varint(&inner, 2, 4);
    wire_message(&wire, 8, &inner);
    CU_ASSERT_EQUAL(weft__state_decode(wire.data, wire.length, &state, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "sessions.status: not a known value");
    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    wire_string(&inner, 1, "\xc0\x80");
    wire_message(&wire, 4, &inner);
    CU_ASSERT_EQUAL(weft__state_decode(wire.data, wire.length, &state, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "models.model: invalid UTF-8, or a NUL");
}

static weft_status command_status(void)
{
    weft__command *command = NULL;
    weft_status st = weft__command_decode(wire.data, wire.length, &command, &reason);
    free(command);
    return st;
}

static void refuses_bad_commands(void)
{
    static char long_id[WEFT_ID_MAX_BYTES + 1];
    memset(long_id, 'x', sizeof long_id);
    begin();
    CU_ASSERT_EQUAL(command_status(), WEFT_MALFORMED);
    wire_string(&wire, 1, "host");
    CU_ASSERT_EQUAL(command_status(), WEFT_OK);
    wire_data(&wire, 2, long_id, sizeof long_id - 1);
    CU_ASSERT_EQUAL(command_status(), WEFT_OK);
    wire_data(&wire, 2, long_id, sizeof long_id);
    CU_ASSERT_EQUAL(command_status(), WEFT_MALFORMED);

    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&inner, 1, 6);
    wire_varint(&inner, 2, 100);
    wire_message(&wire, 3, &inner);
    CU_ASSERT_EQUAL(command_status(), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "replay.topic: not a known value");
    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&inner, 1, 6);
    wire_varint(&inner, 2, 1);
    wire_varint(&inner, 3, 5);
    wire_message(&wire, 3, &inner);
    CU_ASSERT_EQUAL(command_status(), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "replay.from_seq: makes no sense");
}

static void refuses_what_is_too_long(void)
{
    weft__beat *beat;
    weft__reply *reply;
    static uint8_t zeros[WEFT_BATCH_MAX_BYTES + 8 * 1024 + 1];
    CU_ASSERT_EQUAL(weft__beat_decode(zeros, WEFT_BATCH_MAX_BYTES + 1, &beat, &reason), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(weft__reply_decode(zeros, sizeof zeros, &reply, &reason), WEFT_TOO_LARGE);
    uint8_t *bytes;
    size_t length;
    weft__reply big = {.node = "n", .batch = zeros, .batch_bytes = WEFT_BATCH_MAX_BYTES};
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&big, &bytes, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &reply, &reason), WEFT_OK);
    CU_ASSERT_EQUAL(reply->batch_bytes, WEFT_BATCH_MAX_BYTES);
    free(reply);
    free(bytes);
    big.batch_bytes = sizeof zeros;
    CU_ASSERT_EQUAL(weft__reply_encode(&big, &bytes, &length), WEFT_TOO_LARGE);
}

static void refuses_to_encode_nonsense(void)
{
    uint8_t *bytes;
    size_t length;
    const weft__position bad = {0, WEFT_TOPIC_COST, 1, 0};
    CU_ASSERT_EQUAL(weft__beat_encode(&(weft__beat){"Host", 1, NULL, 0, 0}, &bytes, &length), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__beat_encode(&(weft__beat){"host", 0, NULL, 0, 0}, &bytes, &length), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__beat_encode(&(weft__beat){"host", 1, &bad, 1, 0}, &bytes, &length), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__live_encode(&(weft__live){.node = "host", .epoch = 1}, &bytes, &length), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__beat_encode(&(weft__beat){"host", WEFT__EPOCH_MAX + 1, NULL, 0, 0}, &bytes, &length),
                    WEFT_INVALID);
}

static void a_bomb_of_empty_elements_is_refused(void)
{
    weft__state *state;
    begin();
    wire_string(&wire, 1, "host");
    wire_varint(&wire, 2, 6);
    while (wire.length < 200 * 1024)
        wire_raw(&wire, "\x22\x00", 2);
    CU_ASSERT_EQUAL(weft__state_decode(wire.data, wire.length, &state, &reason), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(reason, "state: more fields than its length allows");
}

/* ---- merging ---- */

enum { PARTS = 4, PART_EVENTS = 3 };

typedef struct parts {
    uint8_t *owned[PARTS];
    weft__bytes bytes[PARTS];
} parts;

static void part_make(parts *p, size_t i, const weft_batch *batch)
{
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(batch, &p->owned[i], &length), WEFT_OK);
    p->bytes[i] = (weft__bytes){p->owned[i], length};
}

static void parts_make(parts *p, const char *last_node, uint64_t last_epoch)
{
    weft_event events[PART_EVENTS];
    const weft_event *pointers[PART_EVENTS];
    for (size_t i = 0; i < PARTS; i++) {
        for (size_t k = 0; k < PART_EVENTS; k++) {
            events[k] = (weft_event){.type = WEFT_TOKEN_USAGE, .id.seq = 10 + 2 * (i * PART_EVENTS + k)};
            pointers[k] = &events[k];
        }
        weft_batch batch = {.node = "host-a", .epoch = 5, .events = pointers, .event_count = PART_EVENTS};
        batch.prev_seq = i == 0 ? 9 : events[0].id.seq - 2;
        batch.lost = losses;
        batch.lost_count = i % 2;
        if (i == PARTS - 1) {
            batch.node = last_node;
            batch.epoch = last_epoch;
        }
        part_make(p, i, &batch);
    }
}

static void parts_free(parts *p)
{
    for (size_t i = 0; i < PARTS; i++)
        free(p->owned[i]);
}

static weft_status merge_status(const parts *p)
{
    uint8_t *merged = NULL;
    size_t length;
    weft_status st = weft__batch_merge(p->bytes, PARTS, &merged, &length);
    free(merged);
    return st;
}

static void merges_batches_into_one(void)
{
    parts p;
    uint8_t *merged;
    size_t length;
    weft_batch *batch;
    parts_make(&p, "host-a", 5);
    CU_ASSERT_EQUAL_FATAL(weft__batch_merge(p.bytes, PARTS, &merged, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_batch_decode(merged, length, &batch, &reason), WEFT_OK);
    CU_ASSERT_TRUE(batch->checked);
    CU_ASSERT_STRING_EQUAL(batch->node, "host-a");
    CU_ASSERT_EQUAL(batch->epoch, 5);
    CU_ASSERT_EQUAL(batch->prev_seq, 9);
    CU_ASSERT_EQUAL_FATAL(batch->event_count, PARTS * PART_EVENTS);
    for (size_t i = 0; i < batch->event_count; i++)
        CU_ASSERT_EQUAL(batch->events[i]->id.seq, 10 + 2 * i);
    CU_ASSERT_EQUAL(batch->lost_count, 2);
    weft_batch_free(batch);
    free(merged);
    parts_free(&p);
}

static void a_merge_is_what_encoding_all_at_once_gives(void)
{
    parts p;
    uint8_t *merged, *whole;
    size_t length, whole_length;
    weft_event events[PARTS * PART_EVENTS];
    const weft_event *pointers[PARTS * PART_EVENTS];
    for (size_t i = 0; i < PARTS * PART_EVENTS; i++) {
        events[i] = (weft_event){.type = WEFT_TOKEN_USAGE, .id.seq = 10 + 2 * i};
        pointers[i] = &events[i];
    }
    const weft_lost twice[] = {losses[0], losses[0]};
    const weft_batch batch = {.node = "host-a",
                              .epoch = 5,
                              .prev_seq = 9,
                              .events = pointers,
                              .event_count = COUNT(pointers),
                              .lost = twice,
                              .lost_count = 2};
    parts_make(&p, "host-a", 5);
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &whole, &whole_length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__batch_merge(p.bytes, PARTS, &merged, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(length, whole_length);
    CU_ASSERT_EQUAL(memcmp(merged, whole, length), 0);
    free(whole);
    free(merged);
    CU_ASSERT_EQUAL_FATAL(weft__batch_merge(p.bytes, 1, &merged, &length), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(length, p.bytes[0].length);
    CU_ASSERT_EQUAL(memcmp(merged, p.bytes[0].data, length), 0);
    free(merged);
    parts_free(&p);
}

static void refuses_to_merge_different_streams(void)
{
    parts p;
    parts_make(&p, "host-b", 5);
    CU_ASSERT_EQUAL(merge_status(&p), WEFT_MALFORMED);
    parts_free(&p);
    parts_make(&p, "host-a", 6);
    CU_ASSERT_EQUAL(merge_status(&p), WEFT_MALFORMED);
    parts_free(&p);
    uint8_t *merged;
    size_t length;
    CU_ASSERT_EQUAL(weft__batch_merge(NULL, 0, &merged, &length), WEFT_MALFORMED);
}

static void refuses_to_merge_damaged_parts(void)
{
    parts p;
    parts_make(&p, "host-a", 5);
    for (size_t i = 0; i < PARTS; i++) {
        p.owned[i][20] ^= 1;
        CU_ASSERT_EQUAL(merge_status(&p), WEFT_CORRUPT);
        p.owned[i][20] ^= 1;
        p.bytes[i].length -= 9; /* without the checksum nobody can say that it is whole */
        CU_ASSERT_EQUAL(merge_status(&p), WEFT_CORRUPT);
        p.bytes[i].length += 9;
    }
    CU_ASSERT_EQUAL(merge_status(&p), WEFT_OK);
    parts_free(&p);
}

SUITE(bridge_control, CASE(brings_back_live), CASE(brings_back_state), CASE(brings_back_beat),
      CASE(brings_back_commands), CASE(brings_back_replies), CASE(brings_back_accounts),
      CASE(an_empty_reply_has_no_batch), CASE(refuses_bad_origins),
      CASE(refuses_bad_positions_and_leaves_out_unknown_topics), CASE(refuses_bad_live_and_state),
      CASE(refuses_bad_commands), CASE(refuses_what_is_too_long), CASE(refuses_to_encode_nonsense),
      CASE(a_bomb_of_empty_elements_is_refused), CASE(merges_batches_into_one),
      CASE(a_merge_is_what_encoding_all_at_once_gives), CASE(refuses_to_merge_different_streams),
      CASE(refuses_to_merge_damaged_parts))
