/* bridge/synthetic.c: the envelope of the beginning, what both variants have in common, and one attribute more. */
#include "bridge/synthetic.h"

#include <string.h>

#include "weft/peers.h"
#include "weft/schema.h"

static size_t field_bytes(weft_field_kind kind)
{
    switch (kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        return sizeof(const char *);
    case WEFT_FIELD_BOOL:
        return sizeof(bool);
    case WEFT_FIELD_U32:
        return sizeof(uint32_t);
    case WEFT_FIELD_U64:
        return sizeof(uint64_t);
    case WEFT_FIELD_TIME:
        return sizeof(int64_t);
    case WEFT_FIELD_F64:
        return sizeof(double);
    case WEFT_FIELD_ENUM:
        return sizeof(unsigned);
    }
    return 0;
}

/* Copies what the end says of the beginning: fields of one name and kind. The others stay zero: no success. */
static void fields_copy(weft_event *to, const weft_schema *to_schema, const weft_event *from,
                        const weft_schema *from_schema)
{
    for (size_t i = 0; i < to_schema->field_count; i++) {
        const weft_field *target = &to_schema->fields[i];
        const weft_field *source = weft_schema_field(from_schema, target->name);
        if (source != NULL && source->kind == target->kind)
            memcpy((char *)to + target->offset, (const char *)from + source->offset, field_bytes(target->kind));
    }
}

/* Keeps the event with one attribute more, in the place of the last if there is no room. */
static const weft_event *keep_with_attribute(weft_event *event, const char *key, const char *value)
{
    weft_attribute attributes[WEFT_ATTRIBUTES_MAX];
    size_t count = event->attribute_count < WEFT_ATTRIBUTES_MAX ? event->attribute_count : WEFT_ATTRIBUTES_MAX - 1;
    for (size_t i = 0; i < count; i++)
        attributes[i] = event->attributes[i];
    attributes[count++] = (weft_attribute){.key = key, .value = value};
    event->attributes = attributes;
    event->attribute_count = count;
    const weft_event *kept = weft_event_keep(event);
    event->attributes = NULL;
    event->attribute_count = 0;
    return kept;
}

static void envelope_make(weft_event *event, const weft_event *begin, int64_t wall_ms)
{
    event->keeper = NULL;
    event->flags = (begin->flags & ~(uint32_t)WEFT_FLAG_REPLAYED) | WEFT_FLAG_SYNTHETIC;
    event->id = (weft_event_id){.node = begin->id.node, .epoch = begin->id.epoch};
    event->accepted_ms = wall_ms;
    event->ttl_ms = 0;
}

const weft_event *weft__synthetic_end(const weft_event *begin, const char *why, int64_t wall_ms)
{
    const weft_schema *schema = weft_schema_of(begin->type);
    const weft_schema *end_schema = schema != NULL ? weft_schema_of(schema->ended_by) : NULL;
    if (end_schema == NULL)
        return NULL;
    weft_event end;
    weft_event_init(&end, begin, end_schema->type);
    fields_copy(&end, end_schema, begin, schema);
    envelope_make(&end, begin, wall_ms);
    end.timestamp_ms = wall_ms;
    return keep_with_attribute(&end, WEFT_ATTRIBUTE_CLOSED, why);
}

const weft_event *weft__synthetic_begin(const weft_event *begin, const char *why, int64_t wall_ms)
{
    const weft_schema *schema = weft_schema_of(begin->type);
    if (schema == NULL || schema->ended_by == WEFT_EVENT_NONE)
        return NULL;
    weft_event again = *begin;
    envelope_make(&again, begin, wall_ms);
    return keep_with_attribute(&again, WEFT_ATTRIBUTE_STILL_OPEN, why);
}
