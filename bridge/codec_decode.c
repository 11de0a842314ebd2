/* bridge/codec_decode.c: bytes to events, every one of them verified.
 *
 * Two walks over the top level of the message: the first checks the header and counts, the second takes one event after
 * the other apart. Each event is read where it stands, copied into its own kept block, and judged there by the same
 * rules as a published event. Lost records, which are rare, go by way of the generated code.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/codec_arena.h"
#include "bridge/codec_read.h"
#include "bridge/codec_reason.h"
#include "bridge/codec_record.h"
#include "bridge/codec_unknown.h"
#include "bridge/codec_wire.h"
#include "weft/wire.h"

enum { NODE_FIELD = 1, EPOCH_FIELD, PREV_SEQ_FIELD, EVENTS_FIELD, LOST_FIELD };

/* What weft_batch_free needs beside the public part. */
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
    while (weft__wire_take(&reader, &field)) {
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
    weft__arena arena; /* of what goes by way of the generated code */
    weft__read read;
    batch_block *block;
    uint64_t last_seq;
    const char **reason;
} event_reader;

/* As a publisher's event, but for what a publisher owes by our rules. */
static weft_status event_judge(event_reader *r, const weft_event *event)
{
    weft__fault fault;
    if (weft__event_judge_measured(event, &r->read.layout, &fault) != WEFT_OK)
        return malformed(r->reason, weft__reason("events[]", fault.field, fault.what));
    if (event->id.seq <= r->last_seq)
        return malformed(r->reason, "events[].seq: not rising");
    r->last_seq = event->id.seq;
    if (r->read.payload_steps == NULL)
        return WEFT_OK;
    weft_topic topic = r->read.payload_steps->topic;
    if (r->block->batch.topic != 0 && r->block->batch.topic != topic)
        return malformed(r->reason, "events[]: more than one topic");
    r->block->batch.topic = topic;
    return WEFT_OK;
}

/* Gives a judged event the payload of a newer version, whose text is ours and may be larger than what a publisher is
 * allowed. Takes the event's reference. */
static weft_status foreign_add(event_reader *r, const weft_event **event)
{
    weft_event whole = **event;
    const weft_event *without = *event;
    weft__arena_reset(&r->arena, weft__arena_budget(r->read.payload_bytes));
    if (weft__unknown_to_custom(&r->arena, r->read.payload_number, r->read.payload, r->read.payload_bytes, &whole))
        *event = weft_event_keep(&whole);
    else
        *event = NULL;
    weft_event_release(without);
    return *event != NULL ? WEFT_OK : WEFT_NO_MEMORY;
}

static weft_status event_decode(event_reader *r, const weft__wire_field *element, const weft_event **ret)
{
    if ((size_t)(element->data - element->start) + element->length > WEFT_EVENT_MAX_BYTES)
        return malformed(r->reason, "events[]: larger than allowed");
    weft_status st = weft__event_read(&r->read, element->data, element->length, r->reason);
    if (st != WEFT_OK)
        return st;
    const weft_event *kept = weft__event_keep_spans(
        &r->read.event, &(weft__spans){&r->read.layout, r->read.tag_sizes, r->read.attribute_sizes});
    if (kept == NULL)
        return WEFT_NO_MEMORY;
    st = event_judge(r, kept);
    if (st != WEFT_OK) {
        weft_event_release(kept);
        return st;
    }
    if (r->read.payload_steps == NULL)
        st = foreign_add(r, &kept);
    *ret = kept;
    return st;
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
    while (st == WEFT_OK && weft__wire_take(&reader, &field)) {
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
    event_reader r; /* large: no member is set that need not be */
    r.block = block_create(&h);
    if (r.block == NULL)
        return WEFT_NO_MEMORY;
    r.block->batch.checked = checked;
    r.last_seq = h.prev_seq;
    r.reason = reason;
    weft__read_init(&r.read, r.block->node, h.epoch);
    weft__arena_init(&r.arena, 0);
    st = elements_decode(&r, bytes, length);
    weft__arena_fini(&r.arena);
    if (st == WEFT_OK)
        *ret = &r.block->batch;
    else
        weft_batch_free(&r.block->batch);
    return st;
}

weft_status weft_batch_decode(const uint8_t *bytes, size_t length, weft_batch **ret, const char **reason)
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

void weft_batch_free(weft_batch *batch)
{
    if (batch == NULL)
        return;
    batch_block *block = (batch_block *)batch;
    for (size_t i = 0; i < batch->event_count; i++)
        weft_event_release(block->events[i]);
    free(block);
}
