#include "support/bridge/reference_codec.h"

#include <stdlib.h>

#include "bridge/codec_record.h"
#include "bridge/codec_unknown.h"
#include "bridge/codec_wire.h"
#include "support/bridge/reference_bind.h"
#include "weft/v1/events.pb-c.h"

enum { EVENTS_FIELD = 4, LOST_FIELD = 5, FIRST_BYTES = 512 };

/* ---- one event as the generated struct ---- */

/* Must not move: the message points into it. */
typedef struct built_event {
    Weft__V1__RuntimeEvent message; /* strings borrowed from the event */
    bool foreign;                   /* the payload of a newer version: belongs to any topic */
    union {
        ProtobufCMessage base;
        max_align_t align;
        char bytes[REFERENCE_PAYLOAD_MAX_BYTES];
    } payload;
    ProtobufCMessageUnknownField unknown;
    char *tags[WEFT_TAGS_MAX];
    Weft__V1__RuntimeEvent__AttributesEntry *attributes[WEFT_ATTRIBUTES_MAX];
    Weft__V1__RuntimeEvent__AttributesEntry entries[WEFT_ATTRIBUTES_MAX];
} built_event;

static bool tags_build(built_event *built, const weft_event *event)
{
    if (event->tag_count > WEFT_TAGS_MAX)
        return false;
    for (size_t i = 0; i < event->tag_count; i++) {
        const char *tag = event->tags[i] != NULL ? event->tags[i] : "";
        built->tags[i] = (char *)(uintptr_t)tag; /* the generated struct has no const; packing only reads */
    }
    built->message.n_tags = event->tag_count;
    built->message.tags = built->tags;
    return true;
}

static bool attributes_build(built_event *built, const weft_event *event)
{
    if (event->attribute_count > WEFT_ATTRIBUTES_MAX)
        return false;
    for (size_t i = 0; i < event->attribute_count; i++) {
        Weft__V1__RuntimeEvent__AttributesEntry *entry = &built->entries[i];
        weft__v1__runtime_event__attributes_entry__init(entry);
        entry->key = (char *)(uintptr_t)event->attributes[i].key;
        entry->value = (char *)(uintptr_t)event->attributes[i].value;
        built->attributes[i] = entry;
    }
    built->message.n_attributes = event->attribute_count;
    built->message.attributes = built->attributes;
    return true;
}

static bool payload_build(built_event *built, const weft_event *event)
{
    const reference_payload *map = reference_payload_of(event->type);
    if (map == NULL)
        return false;
    char *message = (char *)&built->message;
    protobuf_c_message_init(map->message, &built->payload);
    *(uint32_t *)(message + map->case_offset) = weft_schema_of(event->type)->number;
    *(void **)(message + map->slot_offset) = &built->payload;
    return weft__bind_store(map->bindings, map->binding_count, event, &built->payload);
}

static weft_status unknown_build(built_event *built, const weft_event *event)
{
    ProtobufCMessageUnknownField *field = &built->unknown;
    field->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    weft_status st = weft__unknown_from_custom(event, &field->tag, &field->data, &field->len);
    built->foreign = st == WEFT_OK && field->tag != 0;
    built->message.base.n_unknown_fields = built->foreign ? 1 : 0;
    built->message.base.unknown_fields = built->foreign ? field : NULL;
    return st;
}

static weft_status built_event_init(built_event *built, const weft_event *event)
{
    size_t count;
    const weft__binding *envelope = reference_envelope(&count);
    weft__v1__runtime_event__init(&built->message);
    if (!weft__bind_store(envelope, count, event, &built->message) || !tags_build(built, event) ||
        !attributes_build(built, event))
        return WEFT_INVALID;
    weft_status st = unknown_build(built, event);
    if (st == WEFT_OK && !built->foreign && !payload_build(built, event))
        st = WEFT_INVALID;
    return st;
}

static void built_event_fini(built_event *built)
{
    if (built->foreign)
        free(built->unknown.data);
}

/* ---- a batch ---- */

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
    built_event built;
    weft_status st = built_event_init(&built, event);
    if (st != WEFT_OK)
        return st;
    weft_topic own = built.foreign ? *topic : weft_event_topic(event);
    if (*topic == 0 || *topic == own)
        st = output_element(out, EVENTS_FIELD, &built.message.base);
    else
        st = WEFT_INVALID;
    *topic = own;
    built_event_fini(&built);
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

weft_status reference_encode(const weft_batch *batch, uint8_t **ret_bytes, size_t *ret_length)
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
