/* tests/fuzz/fuzz_batch.c: any bytes as an event message. What is accepted must survive encoding and decoding again, be
 * what the promises of weft/wire.h say, and be what the generated code makes of it; what is refused, that refuses for
 * the same reason. */
#include <stdlib.h>
#include <string.h>

#include "bridge/control.h"
#include "bridge/topic_map.h"
#include "fuzz/fuzz.h"
#include "support/bridge/batch_difference.h"
#include "support/bridge/reference_codec.h"
#include "support/event_maker.h"

static void check_promises(const weft_batch *batch)
{
    uint64_t seq = batch->prev_seq;
    REQUIRE(weft_name_valid(batch->node) && batch->epoch != 0);
    for (size_t i = 0; i < batch->event_count; i++) {
        const weft_event *event = batch->events[i];
        size_t bytes = weft_event_encoded_bytes(event);
        REQUIRE(event->id.seq > seq && event->id.epoch == batch->epoch);
        REQUIRE(strcmp(event->id.node, batch->node) == 0);
        REQUIRE(bytes > 0 && bytes <= WEFT_EVENT_MAX_BYTES);
        seq = event->id.seq;
    }
    for (size_t i = 0; i < batch->lost_count; i++)
        REQUIRE(batch->lost[i].from_seq <= batch->lost[i].to_seq && weft_topic_number(batch->lost[i].topic) != 0);
}

static void check_same(const weft_batch *a, const weft_batch *b)
{
    REQUIRE(a->event_count == b->event_count && a->lost_count == b->lost_count);
    REQUIRE(a->epoch == b->epoch && a->prev_seq == b->prev_seq && a->topic == b->topic);
    for (size_t i = 0; i < a->event_count; i++)
        REQUIRE(event_difference(a->events[i], b->events[i]) == NULL);
    for (size_t i = 0; i < a->lost_count; i++)
        REQUIRE(a->lost[i].to_seq == b->lost[i].to_seq && a->lost[i].reason == b->lost[i].reason);
}

static void check_bytes(const weft_batch *batch, weft_status st, const uint8_t *bytes, size_t length)
{
    uint8_t *theirs;
    size_t their_length;
    REQUIRE(reference_encode(batch, &theirs, &their_length) == st);
    if (st != WEFT_OK)
        return;
    REQUIRE(length == their_length && memcmp(bytes, theirs, length) == 0);
    free(theirs);
}

/* Encoding, and merging with nothing, change no byte once a message is in our own form. */
static void check_again(const weft_batch *batch)
{
    uint8_t *bytes, *merged;
    size_t length, merged_length;
    weft_batch *again;
    weft_status st = weft_batch_encode(batch, &bytes, &length);
    check_bytes(batch, st, bytes, length);
    if (st == WEFT_TOO_LARGE)
        return; /* it had no checksum, and no room for one */
    REQUIRE(st == WEFT_OK);
    REQUIRE(weft_batch_decode(bytes, length, &again, NULL) == WEFT_OK);
    REQUIRE(again->checked);
    check_same(batch, again);
    REQUIRE(weft__batch_merge(&(weft__bytes){bytes, length}, 1, &merged, &merged_length) == WEFT_OK);
    REQUIRE(length == merged_length && memcmp(bytes, merged, length) == 0);
    free(merged);
    weft_batch_free(again);
    free(bytes);
}

static void check_json(const weft_batch *batch, const uint8_t *data, size_t size)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft_text text = {0};
    weft_topic stream = batch->topic != 0 ? batch->topic : WEFT_TOPIC_CUSTOM;
    REQUIRE(weft__topic_evt(topic, "f", stream, batch->node) == WEFT_OK);
    REQUIRE(weft_message_to_json(topic, data, size, &text, NULL) == WEFT_OK);
    for (char *line = text.data, *end; line != NULL && *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        REQUIRE(weft_json_check(line, (size_t)(end - line), WEFT_JSON_MAX_DEPTH) == WEFT_OK);
    }
    weft_text_fini(&text);
}

/* batch is NULL if it was refused. */
static void check_reference(const uint8_t *data, size_t size, weft_status st, const weft_batch *batch,
                            const char *reason)
{
    weft_batch *theirs = NULL;
    const char *their_reason = NULL;
    weft_status their_st = reference_decode(data, size, &theirs, &their_reason);
    if (their_reason != NULL && strcmp(their_reason, REFERENCE_OUT_OF_BUDGET) == 0)
        return;
    REQUIRE(st == their_st);
    if (st == WEFT_OK)
        REQUIRE(batch_difference(batch, theirs) == NULL);
    else
        REQUIRE(strcmp(reason, their_reason) == 0);
    reference_free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_batch *batch = NULL;
    const char *reason = NULL;
    weft_status st = weft_batch_decode(data, size, &batch, &reason);
    REQUIRE(st == WEFT_OK || reason != NULL);
    check_reference(data, size, st, batch, reason);
    if (st != WEFT_OK)
        return 0;
    check_promises(batch);
    check_again(batch);
    check_json(batch, data, size);
    weft_batch_free(batch);
    return 0;
}
