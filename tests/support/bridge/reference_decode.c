#include "support/bridge/reference_codec.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/codec_arena.h"
#include "bridge/codec_reason.h"
#include "bridge/codec_record.h"
#include "bridge/codec_unknown.h"
#include "bridge/codec_wire.h"
#include "core/event_private.h"
#include "support/bridge/reference_bind.h"
#include "weft/v1/events.pb-c.h"

enum { NODE_FIELD = 1, EPOCH_FIELD, PREV_SEQ_FIELD, EVENTS_FIELD, LOST_FIELD };

/* What reference_free needs beside the public part. */
typedef struct batch_block {
    weft_batch batch;
    char node[WEFT_NAME_MAX_BYTES + 1];
    weft_lost *lost;
    const weft_event **events;
    const weft_event *pointers[];
} batch_block;

typedef struct header {
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    uint64_t prev_seq;
    size_t event_count;
    size_t lost_count;
} header;

static weft_status malformed(const char **reason, const char *text)
{
    (void)weft__refuse(reason, text);
    return WEFT_MALFORMED;
}

/* ---- the header ---- */

static bool node_take(header *h, const weft__wire_field *field)
{
    if (field->length > WEFT_NAME_MAX_BYTES)
        return false;
    memcpy(h->node, field->data, field->length);
    h->node[field->length] = '\0';
    return strlen(h->node) == field->length;
}

static bool header_field(header *h, const weft__wire_field *field)
{
    switch (field->number) {
    case NODE_FIELD:
        return node_take(h, field);
    case EPOCH_FIELD:
        h->epoch = field->value;
        break;
    case PREV_SEQ_FIELD:
        h->prev_seq = field->value;
        break;
    case EVENTS_FIELD:
        h->event_count++;
        break;
    case LOST_FIELD:
        h->lost_count++;
        break;
    default:
        break;
    }
    return true;
}

/* Wire types of the batch's own fields; their insides are looked at when their turn comes. */
static bool header_field_typed(const weft__wire_field *field)
{
    if (field->number < NODE_FIELD || field->number > LOST_FIELD)
        return true;
    bool varint = field->number == EPOCH_FIELD || field->number == PREV_SEQ_FIELD;
    return field->type == (varint ? PROTOBUF_C_WIRE_TYPE_VARINT : PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
}

static weft_status header_read(const uint8_t *bytes, size_t length, header *h, const char **reason)
{
    weft__wire_reader reader = {bytes, bytes + length};
    weft__wire_field field;
    while (weft__wire_next(&reader, &field)) {
        if (!header_field_typed(&field))
            return malformed(reason, "wrong wire type");
        if (!header_field(h, &field))
            return malformed(reason, "node: not a valid name");
    }
    if (reader.next != reader.end)
        return malformed(reason, "damaged field");
    if (!weft_name_valid(h->node))
        return malformed(reason, "node: not a valid name");
    return h->epoch != 0 ? WEFT_OK : malformed(reason, "epoch: missing");
}

/* ---- one event ---- */

typedef struct event_reader {
    weft__arena arena;
    batch_block *block;
    uint64_t last_seq;
    const char **reason;
} event_reader;

/* Checks the raw bytes of an event and finds its one payload. */
static bool event_scan(const weft__wire_field *element, weft__wire_field *ret_payload, const char **reason)
{
    weft__wire_reader reader = {element->data, element->data + element->length};
    weft__wire_field field;
    size_t payloads = 0;
    while (weft__wire_next(&reader, &field)) {
        if (!weft__wire_check_field(&weft__v1__runtime_event__descriptor, &field, "events[]", reason))
            return false;
        if (field.number >= WEFT__PAYLOAD_FIRST && field.number <= WEFT__PAYLOAD_LAST &&
            field.type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            *ret_payload = field;
            payloads++;
        }
    }
    if (reader.next != reader.end)
        return weft__refuse(reason, "events[]: damaged field");
    return payloads == 1 || weft__refuse(reason, "events[]: not exactly one payload");
}

static bool lists_load(weft__arena *arena, const Weft__V1__RuntimeEvent *message, weft_event *event)
{
    event->tags = (const char *const *)message->tags;
    event->tag_count = message->n_tags;
    if (message->n_attributes == 0)
        return true;
    weft_attribute *attributes = weft__arena_alloc(arena, message->n_attributes * sizeof *attributes);
    if (attributes == NULL)
        return false;
    for (size_t i = 0; i < message->n_attributes; i++)
        attributes[i] = (weft_attribute){message->attributes[i]->key, message->attributes[i]->value};
    event->attributes = attributes;
    event->attribute_count = message->n_attributes;
    return true;
}

static weft_status payload_load(const Weft__V1__RuntimeEvent *message, const weft_schema *schema, weft_event *event,
                                const char **culprit)
{
    const reference_payload *map = reference_payload_of(schema->type);
    const void *payload = *(void *const *)((const char *)message + map->slot_offset);
    event->type = schema->type;
    return weft__bind_load(map->bindings, map->binding_count, event, payload, culprit);
}

/* Fills an event that borrows from the arena. */
static weft_status event_load(event_reader *r, const Weft__V1__RuntimeEvent *message, const weft__wire_field *payload,
                              weft_event *event)
{
    size_t count;
    const char *culprit;
    const weft__binding *envelope = reference_envelope(&count);
    const weft_schema *schema = weft_schema_by_number(payload->number);
    weft_status st = weft__bind_load(envelope, count, event, message, &culprit);
    if (st == WEFT_OK && schema != NULL)
        st = payload_load(message, schema, event, &culprit);
    if (st != WEFT_OK)
        return malformed(r->reason, weft__reason("events[]", culprit, "not a known value"));
    if (!lists_load(&r->arena, message, event))
        return weft__arena_verdict(&r->arena, "events[]", r->reason);
    event->id.node = r->block->node;
    event->id.epoch = r->block->batch.epoch;
    return WEFT_OK;
}

/* As a publisher's event, but for what a publisher owes by our rules; the payload of a newer version is added
 * afterwards, for its text is ours and may be larger than what a publisher is allowed. */
static weft_status event_judge(event_reader *r, const weft__wire_field *payload, weft_event *event)
{
    weft__fault fault;
    bool foreign = weft_schema_by_number(payload->number) == NULL;
    if (foreign)
        event->type = WEFT_CUSTOM;
    weft_status st = weft__event_judge(event, false, &fault);
    if (st != WEFT_OK)
        return malformed(r->reason, weft__reason("events[]", fault.field, fault.what));
    if (event->id.seq <= r->last_seq)
        return malformed(r->reason, "events[].seq: not rising");
    r->last_seq = event->id.seq;
    if (foreign)
        return weft__unknown_to_custom(&r->arena, payload->number, payload->data, payload->length, event)
                   ? WEFT_OK
                   : weft__arena_verdict(&r->arena, "events[]", r->reason);
    weft_topic topic = weft_event_topic(event);
    if (r->block->batch.topic != 0 && r->block->batch.topic != topic)
        return malformed(r->reason, "events[]: more than one topic");
    r->block->batch.topic = topic;
    return WEFT_OK;
}

static weft_status event_decode(event_reader *r, const weft__wire_field *element, const weft_event **ret)
{
    weft__wire_field payload = {0};
    weft_event event = {0};
    if ((size_t)(element->data - element->start) + element->length > WEFT_EVENT_MAX_BYTES)
        return malformed(r->reason, "events[]: larger than allowed");
    if (!event_scan(element, &payload, r->reason))
        return WEFT_MALFORMED;
    weft__arena_reset(&r->arena, weft__arena_budget(element->length));
    const ProtobufCMessage *message =
        weft__arena_unpack(&r->arena, &weft__v1__runtime_event__descriptor, element->data, element->length);
    if (message == NULL)
        return weft__arena_verdict(&r->arena, "events[]", r->reason);
    weft_status st = event_load(r, (const Weft__V1__RuntimeEvent *)message, &payload, &event);
    if (st == WEFT_OK)
        st = event_judge(r, &payload, &event);
    if (st != WEFT_OK)
        return st;
    *ret = weft_event_keep(&event);
    return *ret != NULL ? WEFT_OK : WEFT_NO_MEMORY;
}

/* ---- lost records ---- */

static weft_status lost_decode(event_reader *r, const weft__wire_field *element)
{
    batch_block *block = r->block;
    const weft__record *record = &weft__lost_record;
    if (!weft__wire_check(record->wire, element->data, element->length, record->name, r->reason))
        return WEFT_MALFORMED;
    weft__arena_reset(&r->arena, weft__arena_budget(element->length));
    const ProtobufCMessage *message = weft__arena_unpack(&r->arena, record->wire, element->data, element->length);
    if (message == NULL)
        return weft__arena_verdict(&r->arena, record->name, r->reason);
    weft_lost *lost = &block->lost[block->batch.lost_count];
    weft_status st = weft__record_load(record, lost, message, r->reason);
    if (st == WEFT_UNSUPPORTED)
        return WEFT_OK;
    if (st == WEFT_OK) {
        lost->node = block->node;
        block->batch.lost_count++;
    }
    return st;
}

/* ---- the batch ---- */

static batch_block *block_create(const header *h)
{
    batch_block *block =
        calloc(1, sizeof *block + h->event_count * sizeof *block->pointers + h->lost_count * sizeof *block->lost);
    if (block == NULL)
        return NULL;
    block->events = block->pointers;
    block->lost = (weft_lost *)(void *)(block->pointers + h->event_count);
    strcpy(block->node, h->node);
    block->batch.node = block->node;
    block->batch.epoch = h->epoch;
    block->batch.prev_seq = h->prev_seq;
    block->batch.events = block->events;
    block->batch.lost = block->lost;
    return block;
}

static weft_status elements_decode(event_reader *r, const uint8_t *bytes, size_t length)
{
    weft_batch *batch = &r->block->batch;
    weft__wire_reader reader = {bytes, bytes + length};
    weft__wire_field field;
    weft_status st = WEFT_OK;
    while (st == WEFT_OK && weft__wire_next(&reader, &field)) {
        if (field.number == EVENTS_FIELD) {
            st = event_decode(r, &field, &r->block->events[batch->event_count]);
            batch->event_count += st == WEFT_OK;
        } else if (field.number == LOST_FIELD) {
            st = lost_decode(r, &field);
        }
    }
    return st;
}

static weft_status body_decode(const uint8_t *bytes, size_t length, bool checked, weft_batch **ret, const char **reason)
{
    header h = {0};
    weft_status st = header_read(bytes, length, &h, reason);
    if (st != WEFT_OK)
        return st;
    event_reader r = {.block = block_create(&h), .last_seq = h.prev_seq, .reason = reason};
    if (r.block == NULL)
        return WEFT_NO_MEMORY;
    r.block->batch.checked = checked;
    weft__arena_init(&r.arena, 0);
    st = elements_decode(&r, bytes, length);
    weft__arena_fini(&r.arena);
    if (st == WEFT_OK)
        *ret = &r.block->batch;
    else
        reference_free(&r.block->batch);
    return st;
}

weft_status reference_decode(const uint8_t *bytes, size_t length, weft_batch **ret, const char **reason)
{
    size_t body;
    bool checked;
    if (length > WEFT_BATCH_MAX_BYTES) {
        (void)weft__refuse(reason, "message larger than allowed");
        return WEFT_TOO_LARGE;
    }
    weft_status st = weft__crc_verify(bytes, length, &body, &checked);
    if (st == WEFT_OK)
        st = body_decode(bytes, body, checked, ret, reason);
    if (st == WEFT_CORRUPT)
        (void)weft__refuse(reason, "crc32c: does not match");
    else if (st == WEFT_NO_MEMORY)
        (void)weft__refuse(reason, weft_status_text(st));
    return st;
}

void reference_free(weft_batch *batch)
{
    if (batch == NULL)
        return;
    batch_block *block = (batch_block *)batch;
    for (size_t i = 0; i < batch->event_count; i++)
        weft_event_release(block->events[i]);
    free(block);
}
