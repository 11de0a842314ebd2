/* bridge/codec_encode.c: events to bytes.
 *
 * A message is packed piece by piece: header, each event, each lost record, then the checksum. So the fields stand in
 * the order of their numbers, the checksum is really the last, and only one event at a time exists twice. */
#include <stdlib.h>

#include "bridge/codec_build.h"
#include "bridge/codec_record.h"
#include "bridge/codec_wire.h"
#include "weft/wire.h"

enum { EVENTS_FIELD = 4, LOST_FIELD = 5, FIRST_BYTES = 512 };

typedef struct output {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
} output;

/* Makes room; WEFT_BATCH_MAX_BYTES bounds the whole. */
static weft_status output_reserve(output *out, size_t more)
{
    if (more > (size_t)WEFT_BATCH_MAX_BYTES - out->length)
        return WEFT_TOO_LARGE;
    size_t wanted = out->length + more;
    if (wanted <= out->capacity)
        return WEFT_OK;
    size_t capacity = out->capacity == 0 ? FIRST_BYTES : 2 * out->capacity;
    if (capacity < wanted)
        capacity = wanted;
    uint8_t *bytes = realloc(out->bytes, capacity);
    if (bytes == NULL)
        return WEFT_NO_MEMORY;
    out->bytes = bytes;
    out->capacity = capacity;
    return WEFT_OK;
}

static size_t element_bytes(size_t size)
{
    return 1 + weft__varint_bytes(size) + size;
}

/* Packs a message as one element of a repeated field. */
static weft_status output_element(output *out, uint32_t number, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (element_bytes(size) > WEFT_EVENT_MAX_BYTES)
        return WEFT_TOO_LARGE;
    weft_status st = output_reserve(out, element_bytes(size));
    if (st != WEFT_OK)
        return st;
    uint8_t *at = out->bytes + out->length;
    *at++ = (uint8_t)(number << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    at = weft__varint_write(at, size);
    at += protobuf_c_message_pack(message, at);
    out->length = (size_t)(at - out->bytes);
    return WEFT_OK;
}

static weft_status header_encode(output *out, const weft_batch *batch)
{
    Weft__V1__EventBatch header = WEFT__V1__EVENT_BATCH__INIT;
    header.node = (char *)(uintptr_t)batch->node;
    header.epoch = batch->epoch;
    header.prev_seq = batch->prev_seq;
    weft_status st = output_reserve(out, weft__v1__event_batch__get_packed_size(&header));
    if (st == WEFT_OK)
        out->length = weft__v1__event_batch__pack(&header, out->bytes);
    return st;
}

static weft_status event_encode(output *out, const weft_event *event, weft_topic *topic)
{
    weft__built_event built;
    weft_status st = weft__built_event_init(&built, event);
    if (st != WEFT_OK)
        return st;
    weft_topic own = built.foreign ? *topic : weft_event_topic(event);
    if (*topic == 0 || *topic == own)
        st = output_element(out, EVENTS_FIELD, &built.message.base);
    else
        st = WEFT_INVALID;
    *topic = own;
    weft__built_event_fini(&built);
    return st;
}

static weft_status events_encode(output *out, const weft_batch *batch)
{
    uint64_t seq = batch->prev_seq;
    weft_topic topic = batch->topic;
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < batch->event_count && st == WEFT_OK; i++) {
        const weft_event *event = batch->events[i];
        st = event->id.seq > seq ? event_encode(out, event, &topic) : WEFT_INVALID;
        seq = event->id.seq;
    }
    return st;
}

static weft_status lost_encode(output *out, const weft_batch *batch)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < batch->lost_count && st == WEFT_OK; i++) {
        Weft__V1__Lost lost;
        st = WEFT_INVALID;
        if (weft__record_store(&weft__lost_record, &batch->lost[i], &lost.base, NULL))
            st = output_element(out, LOST_FIELD, &lost.base);
    }
    return st;
}

static weft_status crc_encode(output *out)
{
    weft_status st = output_reserve(out, WEFT__CRC_BYTES);
    if (st == WEFT_OK)
        out->length = (size_t)(weft__crc_append(out->bytes, out->length, out->bytes + out->length) - out->bytes);
    return st;
}

weft_status weft_batch_encode(const weft_batch *batch, uint8_t **ret_bytes, size_t *ret_length)
{
    output out = {0};
    if (!weft_name_valid(batch->node) || batch->epoch == 0)
        return WEFT_INVALID;
    weft_status st = header_encode(&out, batch);
    if (st == WEFT_OK)
        st = events_encode(&out, batch);
    if (st == WEFT_OK)
        st = lost_encode(&out, batch);
    if (st == WEFT_OK)
        st = crc_encode(&out);
    if (st != WEFT_OK) {
        free(out.bytes);
        return st;
    }
    *ret_bytes = out.bytes;
    *ret_length = out.length;
    return WEFT_OK;
}

size_t weft_event_encoded_bytes(const weft_event *event)
{
    weft__built_event built;
    if (weft__built_event_init(&built, event) != WEFT_OK)
        return 0;
    size_t size = protobuf_c_message_get_packed_size(&built.message.base);
    weft__built_event_fini(&built);
    return element_bytes(size);
}
