/* bridge/codec_build.c: see codec_build.h. */
#include "bridge/codec_build.h"

#include <stdlib.h>

#include "bridge/codec_unknown.h"

static bool tags_build(weft__built_event *built, const weft_event *event)
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

static bool attributes_build(weft__built_event *built, const weft_event *event)
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

static bool payload_build(weft__built_event *built, const weft_event *event)
{
    const weft__payload_map *map = weft__payload_map_of(event->type);
    if (map == NULL)
        return false;
    char *message = (char *)&built->message;
    protobuf_c_message_init(map->message, &built->payload);
    *(uint32_t *)(message + map->case_offset) = weft_schema_of(event->type)->number;
    *(void **)(message + map->slot_offset) = &built->payload;
    return weft__bind_store(map->bindings, map->binding_count, event, &built->payload);
}

static weft_status unknown_build(weft__built_event *built, const weft_event *event)
{
    ProtobufCMessageUnknownField *field = &built->unknown;
    field->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    weft_status st = weft__unknown_from_custom(event, &field->tag, &field->data, &field->len);
    built->foreign = st == WEFT_OK && field->tag != 0;
    built->message.base.n_unknown_fields = built->foreign ? 1 : 0;
    built->message.base.unknown_fields = built->foreign ? field : NULL;
    return st;
}

weft_status weft__built_event_init(weft__built_event *built, const weft_event *event)
{
    size_t count;
    const weft__binding *envelope = weft__envelope_bindings(&count);
    weft__v1__runtime_event__init(&built->message);
    if (!weft__bind_store(envelope, count, event, &built->message) || !tags_build(built, event) ||
        !attributes_build(built, event))
        return WEFT_INVALID;
    weft_status st = unknown_build(built, event);
    if (st == WEFT_OK && !built->foreign && !payload_build(built, event))
        st = WEFT_INVALID;
    return st;
}

void weft__built_event_fini(weft__built_event *built)
{
    if (built->foreign)
        free(built->unknown.data);
}
