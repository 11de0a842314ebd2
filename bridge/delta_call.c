/* bridge/delta_call.c: loops over the schema; what a variant carries besides its text is no business of this file. */
#include "bridge/delta_call.h"

#include <string.h>

static const char *string_at(const weft_event *event, size_t offset)
{
    const char *text;
    memcpy(&text, (const char *)event + offset, sizeof text);
    return text != NULL ? text : "";
}

static uint64_t hash_add(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211ULL; /* FNV-1a */
    return (hash ^ 0xff) * 1099511628211ULL;
}

uint64_t weft__delta_call_of(const weft_event *event, const weft_schema *schema)
{
    uint64_t hash = hash_add(1469598103934665603ULL, event->session_id != NULL ? event->session_id : "");
    hash = hash_add(hash, event->agent_id != NULL ? event->agent_id : "");
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].kind == WEFT_FIELD_ID)
            hash = hash_add(hash, string_at(event, schema->fields[i].offset));
    return hash;
}

static size_t kind_bytes(weft_field_kind kind)
{
    switch (kind) {
    case WEFT_FIELD_BOOL:
        return sizeof(bool);
    case WEFT_FIELD_U32:
        return sizeof(uint32_t);
    case WEFT_FIELD_ENUM:
        return sizeof(unsigned);
    default:
        return sizeof(uint64_t);
    }
}

static bool field_agrees(const weft_field *field, const weft_event *a, const weft_event *b)
{
    bool text = field->kind == WEFT_FIELD_STRING || field->kind == WEFT_FIELD_ID || field->kind == WEFT_FIELD_JSON;
    if (text)
        return strcmp(string_at(a, field->offset), string_at(b, field->offset)) == 0;
    return memcmp((const char *)a + field->offset, (const char *)b + field->offset, kind_bytes(field->kind)) == 0;
}

/* The times are those of the first piece, and none has a seq yet. */
static bool is_of_each_piece(const weft_field *field)
{
    return field->kind == WEFT_FIELD_TIME || field->offset == offsetof(weft_event, id.seq);
}

static bool lists_agree(const weft_event *a, const weft_event *b)
{
    bool agree = a->tag_count == b->tag_count && a->attribute_count == b->attribute_count;
    for (size_t i = 0; agree && i < a->tag_count; i++)
        agree = strcmp(a->tags[i], b->tags[i]) == 0;
    for (size_t i = 0; agree && i < a->attribute_count; i++)
        agree = strcmp(a->attributes[i].key, b->attributes[i].key) == 0 &&
                strcmp(a->attributes[i].value, b->attributes[i].value) == 0;
    return agree;
}

bool weft__delta_agrees(const weft_event *a, const weft_event *b, const weft_schema *schema)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    bool agree = a->type == b->type && lists_agree(a, b);
    for (size_t i = 0; agree && i < schema->field_count; i++)
        agree = strcmp(schema->fields[i].name, schema->joined) == 0 || field_agrees(&schema->fields[i], a, b);
    for (size_t i = 0; agree && i < count; i++)
        agree = is_of_each_piece(&envelope[i]) || field_agrees(&envelope[i], a, b);
    return agree;
}

const char *weft__delta_text(const weft_event *event, const weft_schema *schema)
{
    return string_at(event, weft_schema_field(schema, schema->joined)->offset);
}

void weft__delta_text_set(weft_event *event, const weft_schema *schema, const char *text)
{
    memcpy((char *)event + weft_schema_field(schema, schema->joined)->offset, &text, sizeof text);
}
