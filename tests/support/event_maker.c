#include "support/event_maker.h"

#include <stdio.h>
#include <string.h>

uint64_t event_maker_next(event_maker *m)
{
    uint64_t z = m->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static char *text_take(event_maker *m)
{
    return m->text[m->text_count++ % (sizeof m->text / sizeof *m->text)];
}

static const char *text_full(event_maker *m, const weft_field *field)
{
    if (field->kind == WEFT_FIELD_JSON)
        return "{\"text\":\"h\xc3\xa9\",\"list\":[1,2.5,null,true]}";
    char *text = text_take(m);
    (void)snprintf(text, sizeof m->text[0], "%s \xe2\x82\xac \"%u\"", field->name, field->number);
    return text;
}

/* Up to 120 bytes of UTF-8 of one to four bytes a character. */
static const char *text_random(event_maker *m, const weft_field *field)
{
    static const char *const pieces[] = {
        "a", "Z", "\"", "\\", "\n", "\x7f", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x90\x9d"};
    static const char *const values[] = {"null", "[]", "{}", "-0.5e3", "\"\\u00e9\"", "[[[{\"a\":{}}]]]"};
    if (field->kind == WEFT_FIELD_JSON)
        return values[event_maker_next(m) % (sizeof values / sizeof *values)];
    char *text = text_take(m);
    *text = '\0';
    for (uint64_t left = event_maker_next(m) % 31; left > 0; left--)
        strcat(text, pieces[event_maker_next(m) % (sizeof pieces / sizeof *pieces)]);
    return text;
}

static uint64_t number_random(event_maker *m)
{
    return event_maker_next(m) >> event_maker_next(m) % 64;
}

static uint32_t last_value(const weft_field *field)
{
    uint32_t count = 0;
    while (field->values[count] != NULL)
        count++;
    return count - 1;
}

static void number_set(event_maker *m, void *at, const weft_field *field, bool full)
{
    uint64_t number = full ? 1000 + field->number : number_random(m);
    switch (field->kind) {
    case WEFT_FIELD_BOOL:
        *(bool *)at = full || number % 2;
        break;
    case WEFT_FIELD_U32:
    case WEFT_FIELD_ENUM:
        *(uint32_t *)at = field->values == NULL ? (uint32_t)number
                          : full                ? last_value(field)
                                                : (uint32_t)number % (last_value(field) + 1);
        break;
    case WEFT_FIELD_TIME:
        *(int64_t *)at = full ? 1767614400123 : (int64_t)(number >> 1);
        break;
    case WEFT_FIELD_F64:
        *(double *)at = full ? 0.1 + field->number : (double)(int64_t)number / 1e6;
        break;
    default:
        *(uint64_t *)at = number;
        break;
    }
}

static void fields_set(event_maker *m, weft_event *event, const weft_field *fields, size_t count, bool full)
{
    for (size_t i = 0; i < count; i++) {
        const weft_field *field = &fields[i];
        void *at = (char *)event + field->offset;
        if (field->number == 0 || (!full && event_maker_next(m) % 3 == 0))
            continue;
        if (field->kind <= WEFT_FIELD_JSON)
            *(const char **)at = full ? text_full(m, field) : text_random(m, field);
        else
            number_set(m, at, field, full);
    }
}

static void lists_set(event_maker *m, weft_event *event, size_t tags, size_t attributes)
{
    for (size_t i = 0; i < tags; i++) {
        char *tag = text_take(m);
        (void)snprintf(tag, sizeof m->text[0], "tag-%zu", i);
        m->tags[i] = tag;
    }
    for (size_t i = 0; i < attributes; i++) {
        char *key = text_take(m);
        (void)snprintf(key, sizeof m->text[0], "key-%zu", i);
        m->attributes[i] = (weft_attribute){key, i % 2 ? "value \xc3\xbc" : ""};
    }
    event->tags = m->tags;
    event->tag_count = tags;
    event->attributes = m->attributes;
    event->attribute_count = attributes;
}

static weft_event event_make(event_maker *m, weft_event_type type, bool full)
{
    size_t count;
    weft_event event = {.type = type};
    const weft_field *envelope = weft_envelope_fields(&count);
    const weft_schema *schema = weft_schema_of(type);
    fields_set(m, &event, envelope, count, full);
    fields_set(m, &event, schema->fields, schema->field_count, full);
    lists_set(m, &event, full ? 3 : event_maker_next(m) % 5, full ? 2 : event_maker_next(m) % 5);
    if (event.id.seq == 0)
        event.id.seq = 1;
    return event;
}

weft_event event_maker_full(event_maker *m, weft_event_type type)
{
    return event_make(m, type, true);
}

weft_event event_maker_random(event_maker *m, weft_event_type type)
{
    return event_make(m, type, false);
}

static bool text_equal(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool field_equal(const weft_field *field, const weft_event *a, const weft_event *b)
{
    const void *x = (const char *)a + field->offset, *y = (const char *)b + field->offset;
    switch (field->kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        return text_equal(*(const char *const *)x, *(const char *const *)y);
    case WEFT_FIELD_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case WEFT_FIELD_U32:
    case WEFT_FIELD_ENUM:
        return *(const uint32_t *)x == *(const uint32_t *)y;
    default:
        return memcmp(x, y, sizeof(uint64_t)) == 0;
    }
}

static const char *fields_difference(const weft_field *fields, size_t count, const weft_event *a, const weft_event *b)
{
    for (size_t i = 0; i < count; i++)
        if (!field_equal(&fields[i], a, b))
            return fields[i].name;
    return NULL;
}

static const char *lists_difference(const weft_event *a, const weft_event *b)
{
    if (a->tag_count != b->tag_count)
        return "tag_count";
    for (size_t i = 0; i < a->tag_count; i++)
        if (!text_equal(a->tags[i], b->tags[i]))
            return "tags";
    if (a->attribute_count != b->attribute_count)
        return "attribute_count";
    for (size_t i = 0; i < a->attribute_count; i++)
        if (!text_equal(a->attributes[i].key, b->attributes[i].key) ||
            !text_equal(a->attributes[i].value, b->attributes[i].value))
            return "attributes";
    return NULL;
}

const char *event_difference(const weft_event *a, const weft_event *b)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    const weft_schema *schema = weft_schema_of(a->type);
    if (a->type != b->type || schema == NULL)
        return "type";
    const char *name = fields_difference(envelope, count, a, b);
    if (name == NULL)
        name = fields_difference(schema->fields, schema->field_count, a, b);
    return name != NULL ? name : lists_difference(a, b);
}

weft_event event_least(weft_event_type type)
{
    weft_event event = {.type = type};
    const weft_schema *schema = weft_schema_of(type);
    for (size_t i = 0; schema != NULL && i < schema->field_count; i++) {
        char *at = (char *)&event + schema->fields[i].offset;
        if (!schema->fields[i].required)
            continue;
        if (schema->fields[i].kind == WEFT_FIELD_ENUM)
            *(unsigned *)(void *)at = 1;
        else
            *(const char **)(void *)at = schema->fields[i].name;
    }
    return event;
}
