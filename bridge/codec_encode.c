/* bridge/codec_encode.c: see codec_encode.h.
 *
 * The fields stand in the order of their numbers and the checksum is really the last. Lost records, which are rare, go
 * by way of the generated code. */
#include "bridge/codec_encode.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/codec_record.h"
#include "bridge/codec_wire.h"
#include "weft/v1/events.pb-c.h"

enum {
    NODE_TAG = 1 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    EPOCH_TAG = 2 << 3 | PROTOBUF_C_WIRE_TYPE_VARINT,
    PREV_SEQ_TAG = 3 << 3 | PROTOBUF_C_WIRE_TYPE_VARINT,
    LOST_TAG = 5 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    HEADER_MAX_BYTES = 2 + WEFT_NAME_MAX_BYTES + 2 * (1 + WEFT__VARINT_MAX_BYTES),
    FIRST_BYTES = 1024,
    BUFFER_MAX_BYTES = WEFT_BATCH_MAX_BYTES + 4096, /* what an event may take is reckoned from above */
};

/* Twice as large as it was; TOO_LARGE when it is as large as it may be. */
static weft_status buffer_grow(weft__writer *w)
{
    if (w->capacity == BUFFER_MAX_BYTES)
        return WEFT_TOO_LARGE;
    size_t capacity = w->capacity == 0 ? FIRST_BYTES : 2 * w->capacity;
    if (capacity > BUFFER_MAX_BYTES)
        capacity = BUFFER_MAX_BYTES;
    uint8_t *bytes = realloc(w->bytes, capacity);
    if (bytes == NULL)
        return WEFT_NO_MEMORY;
    w->bytes = bytes;
    w->capacity = capacity;
    return WEFT_OK;
}

static weft_status buffer_need(weft__writer *w, size_t more)
{
    weft_status st = WEFT_OK;
    while (st == WEFT_OK && w->capacity - w->length < more)
        st = buffer_grow(w);
    return st;
}

static uint8_t *number_put(uint8_t *at, uint8_t tag, uint64_t value)
{
    if (value == 0)
        return at;
    *at++ = tag;
    return weft__varint_write(at, value);
}

weft_status weft__writer_begin(weft__writer *w, const char *node, uint64_t epoch, uint64_t prev_seq, weft_topic topic)
{
    w->length = 0;
    if (!weft_name_valid(node) || epoch == 0)
        return WEFT_INVALID;
    weft_status st = buffer_need(w, HEADER_MAX_BYTES);
    if (st != WEFT_OK)
        return st;
    size_t length = strlen(node);
    uint8_t *at = w->bytes;
    *at++ = NODE_TAG;
    at = weft__varint_write(at, length);
    memcpy(at, node, length);
    at = number_put(at + length, EPOCH_TAG, epoch);
    at = number_put(at, PREV_SEQ_TAG, prev_seq);
    w->length = w->header_bytes = (size_t)(at - w->bytes);
    w->last_seq = prev_seq;
    w->topic = topic;
    w->last.width = WEFT__WIDTH_FIRST;
    return WEFT_OK;
}

/* Writes the event behind what is there, growing until it fits. */
static weft_status event_write(weft__writer *w, const weft_event *event, weft__written *written)
{
    weft_status st;
    while ((st = weft__event_write(event, w->bytes + w->length, w->capacity - w->length, written)) == WEFT_FULL)
        if ((st = buffer_grow(w)) != WEFT_OK)
            break;
    return st;
}

weft_status weft__writer_add(weft__writer *w, const weft_event *event)
{
    weft__written written = w->last;
    if (event->id.seq <= w->last_seq)
        return WEFT_INVALID;
    weft_status st = event_write(w, event, &written);
    if (st != WEFT_OK)
        return st;
    size_t length = (size_t)(written.end - w->bytes);
    weft_topic topic = written.foreign ? w->topic : weft_event_topic(event);
    if (w->topic != 0 && w->topic != topic)
        return WEFT_INVALID;
    if (length - w->length > WEFT_EVENT_MAX_BYTES || length > WEFT_BATCH_MAX_BYTES)
        return WEFT_TOO_LARGE;
    w->length = length;
    w->last = written;
    w->last_seq = event->id.seq;
    w->topic = topic;
    return WEFT_OK;
}

weft_status weft__writer_lose(weft__writer *w, const weft_lost *lost)
{
    Weft__V1__Lost message;
    if (!weft__record_store(&weft__lost_record, lost, &message.base, NULL))
        return WEFT_INVALID;
    size_t size = weft__v1__lost__get_packed_size(&message);
    weft_status st = buffer_need(w, 1 + WEFT__VARINT_MAX_BYTES + size);
    if (st != WEFT_OK)
        return st;
    uint8_t *at = w->bytes + w->length;
    *at++ = LOST_TAG;
    at = weft__varint_write(at, size);
    at += weft__v1__lost__pack(&message, at);
    w->length = (size_t)(at - w->bytes);
    return w->length <= WEFT_BATCH_MAX_BYTES ? WEFT_OK : WEFT_TOO_LARGE;
}

weft_status weft__writer_add_written(weft__writer *w, const uint8_t *bytes, size_t length)
{
    weft_status st = length > WEFT_BATCH_MAX_BYTES - w->length ? WEFT_TOO_LARGE : buffer_need(w, length);
    if (st != WEFT_OK)
        return st;
    memcpy(w->bytes + w->length, bytes, length);
    w->length += length;
    return WEFT_OK;
}

void weft__writer_cut(weft__writer *w, const weft__writer *to)
{
    w->length = to->length;
    w->last_seq = to->last_seq;
    w->topic = to->topic;
    w->last = to->last;
}

weft_status weft__writer_release(weft__writer *w, uint8_t **ret, size_t *ret_length)
{
    if (w->length > WEFT_BATCH_MAX_BYTES - WEFT__CRC_BYTES)
        return WEFT_TOO_LARGE;
    weft_status st = buffer_need(w, WEFT__CRC_BYTES);
    if (st != WEFT_OK)
        return st;
    *ret_length = (size_t)(weft__crc_append(w->bytes, w->length, w->bytes + w->length) - w->bytes);
    uint8_t *fitting = w->capacity > 2 * *ret_length ? realloc(w->bytes, *ret_length) : NULL;
    *ret = fitting != NULL ? fitting : w->bytes;
    *w = (weft__writer){0};
    return WEFT_OK;
}

void weft__writer_fini(weft__writer *w)
{
    free(w->bytes);
    *w = (weft__writer){0};
}

static weft_status batch_write(weft__writer *w, const weft_batch *batch)
{
    weft_status st = weft__writer_begin(w, batch->node, batch->epoch, batch->prev_seq, batch->topic);
    for (size_t i = 0; i < batch->event_count && st == WEFT_OK; i++)
        st = weft__writer_add(w, batch->events[i]);
    for (size_t i = 0; i < batch->lost_count && st == WEFT_OK; i++)
        st = weft__writer_lose(w, &batch->lost[i]);
    return st;
}

weft_status weft_batch_encode(const weft_batch *batch, uint8_t **ret_bytes, size_t *ret_length)
{
    weft__writer w = {0};
    weft_status st = batch_write(&w, batch);
    if (st == WEFT_OK)
        st = weft__writer_release(&w, ret_bytes, ret_length);
    weft__writer_fini(&w);
    return st;
}

size_t weft_event_encoded_bytes(const weft_event *event)
{
    weft__written written = {.width = WEFT__WIDTH_FIRST};
    size_t bytes = weft__event_write_bytes(event);
    uint8_t *scratch = bytes > 0 ? malloc(bytes) : NULL;
    if (scratch == NULL)
        return 0;
    weft_status st = weft__event_write(event, scratch, bytes, &written);
    size_t length = st == WEFT_OK ? (size_t)(written.end - scratch) : 0;
    free(scratch);
    return length;
}
