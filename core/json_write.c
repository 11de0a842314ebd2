/* core/json_write.c: an event as one line of JSON, by the schema table. Threads: any. */
#include <math.h>
#include <string.h>

#include "core/event_private.h"
#include "core/number.h"
#include "core/utf8.h"
#include "weft/json.h"

static void put(weft_text *text, const char *literal)
{
    weft_text_append(text, literal, strlen(literal));
}

/* The name of a member and its colon, with a comma unless it is the first one of its object. Names need no escapes. */
static void put_name(weft_text *text, const char *name)
{
    bool first = text->length == 0 || text->data[text->length - 1] == '{';
    put(text, first ? "\"" : ",\"");
    put(text, name);
    put(text, "\":");
}

static void put_u64(weft_text *text, uint64_t value, const char *quote)
{
    char digits[WEFT__NUMBER_TEXT_BYTES];
    size_t length = weft__number_from_u64(digits, value);
    put(text, quote);
    weft_text_append(text, digits, length);
    put(text, quote);
}

/* The mapping names what JSON has no number for; validated events never hold it. */
static void put_double(weft_text *text, double value)
{
    char digits[WEFT__NUMBER_TEXT_BYTES];
    if (isfinite(value))
        weft_text_append(text, digits, weft__number_from_double(digits, value));
    else
        put(text, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

static void put_enum(weft_text *text, const weft_field *field, unsigned value)
{
    unsigned known = 0;
    while (field->values[known] != NULL && known < value)
        known++;
    if (field->values[known] == NULL) {
        put_u64(text, value, "");
        return;
    }
    put(text, "\"");
    put(text, field->value_prefix);
    for (const char *c = field->values[known]; *c != '\0'; c++)
        weft_text_append(text, &(char){weft__ascii_upper(*c)}, 1);
    put(text, "\"");
}

static void put_value(weft_text *text, const weft_event *event, const weft_field *field)
{
    const void *at = weft__field_at(event, field);
    switch (field->kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        weft_text_json_string(text, *(const char *const *)at);
        break;
    case WEFT_FIELD_BOOL:
        put(text, *(const bool *)at ? "true" : "false");
        break;
    case WEFT_FIELD_U32:
        put_u64(text, *(const uint32_t *)at, "");
        break;
    case WEFT_FIELD_U64:
    case WEFT_FIELD_TIME:
        put_u64(text, *(const uint64_t *)at, "\"");
        break;
    case WEFT_FIELD_F64:
        put_double(text, *(const double *)at);
        break;
    case WEFT_FIELD_ENUM:
        put_enum(text, field, *(const unsigned *)at);
        break;
    }
}

static bool is_absent(const weft_event *event, const weft_field *field)
{
    const void *at = weft__field_at(event, field);
    if (field->kind == WEFT_FIELD_U32)
        return *(const uint32_t *)at == 0;
    if (!weft__field_is_string(field))
        return *(const uint64_t *)at == 0;
    const char *string = *(const char *const *)at;
    return string == NULL || string[0] == '\0';
}

static void put_stream(weft_text *text, const weft_event *event)
{
    if (event->id.node != NULL && event->id.node[0] != '\0') {
        put_name(text, "node");
        weft_text_json_string(text, event->id.node);
    }
    if (event->id.epoch != 0) {
        put_name(text, "epoch");
        put_u64(text, event->id.epoch, "\"");
    }
    if (event->id.seq != 0) {
        put_name(text, "seq");
        put_u64(text, event->id.seq, "\"");
    }
    put_name(text, "topic");
    weft_text_json_string(text, weft_topic_name(weft_event_topic(event)));
    put_name(text, "type");
    weft_text_json_string(text, weft_event_type_name(event->type));
}

static void put_envelope(weft_text *text, const weft_event *event)
{
    size_t count;
    const weft_field *fields = weft_envelope_fields(&count);
    for (size_t i = 0; i < count; i++)
        if (fields[i].offset != offsetof(weft_event, id.seq) && !is_absent(event, &fields[i])) {
            put_name(text, fields[i].json_name);
            put_value(text, event, &fields[i]);
        }
}

static void put_tags(weft_text *text, const weft_event *event)
{
    if (event->tag_count == 0)
        return;
    put_name(text, "tags");
    for (size_t i = 0; i < event->tag_count; i++) {
        put(text, i == 0 ? "[" : ",");
        weft_text_json_string(text, event->tags[i]);
    }
    put(text, "]");
}

static void put_attributes(weft_text *text, const weft_event *event)
{
    if (event->attribute_count == 0)
        return;
    put_name(text, "attributes");
    for (size_t i = 0; i < event->attribute_count; i++) {
        put(text, i == 0 ? "{" : ",");
        weft_text_json_string(text, event->attributes[i].key);
        put(text, ":");
        weft_text_json_string(text, event->attributes[i].value);
    }
    put(text, "}");
}

static void put_payload(weft_text *text, const weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    if (schema == NULL)
        return;
    put_name(text, schema->json_name);
    put(text, "{");
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].number != 0) {
            put_name(text, schema->fields[i].json_name);
            put_value(text, event, &schema->fields[i]);
        }
    put(text, "}");
}

weft_status weft_event_to_json(const weft_event *event, weft_text *text)
{
    put(text, "{");
    put_stream(text, event);
    put_envelope(text, event);
    put_tags(text, event);
    put_attributes(text, event);
    put_payload(text, event);
    put(text, "}");
    return text->failed ? WEFT_NO_MEMORY : WEFT_OK;
}
