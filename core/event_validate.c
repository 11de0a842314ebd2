/* core/event_validate.c: whether an event is fit to publish: a loop over the schema table.
 *
 * Runs on every publish: no allocation, absent strings cost nothing, and only JSON fields are parsed. Threads: any.
 *
 * The size is counted as the wire does, from above: what passes here is never over WEFT_EVENT_MAX_BYTES when encoded.
 */
#include "core/event_private.h"

#include <math.h>
#include <string.h>

#include "weft/json.h"

enum {
    SCALAR_BYTES = 12,         /* most that a number takes on the wire, its tag included */
    STRING_EXTRA_BYTES = 5,    /* tag and length of a string */
    ATTRIBUTE_EXTRA_BYTES = 14 /* entry, key and value: tags and lengths */
};

typedef struct check {
    size_t bytes;        /* so far */
    size_t text_bytes;   /* of the strings so far, each with its NUL */
    size_t *sizes;       /* where the next field that is a string puts its own */
    size_t largest;      /* string */
    const char *culprit; /* name of the largest; of the bad field once a step has failed */
} check;

static weft_status check_failed(check *c, const char *name, weft_status status)
{
    c->culprit = name;
    return status;
}

/* ret_bytes gets the size of the text with its NUL, 0 if it is absent. */
static weft_status check_sized(check *c, const char *name, const char *text, size_t max, size_t *ret_bytes)
{
    *ret_bytes = 0;
    if (text == NULL)
        return WEFT_OK;
    size_t length = strnlen(text, max + 1);
    if (length > max)
        return check_failed(c, name, WEFT_TOO_LARGE);
    if (!weft_utf8_valid(text, length))
        return check_failed(c, name, WEFT_MALFORMED);
    *ret_bytes = length + 1;
    c->text_bytes += length + 1;
    c->bytes += length > 0 ? length + STRING_EXTRA_BYTES : 0;
    if (length > c->largest) {
        c->largest = length;
        c->culprit = name;
    }
    return WEFT_OK;
}

/* Of an array, whose texts have no place of their own in the layout. */
static weft_status check_text(check *c, const char *name, const char *text)
{
    size_t unwanted;
    return check_sized(c, name, text, WEFT_EVENT_MAX_BYTES, &unwanted);
}

static weft_status check_json(check *c, const char *name, const char *text, size_t *ret_bytes)
{
    weft_status st = check_sized(c, name, text, WEFT_EVENT_MAX_BYTES, ret_bytes);
    if (st != WEFT_OK || *ret_bytes <= 1)
        return st;
    st = weft_json_check(text, *ret_bytes - 1, WEFT_JSON_MAX_DEPTH);
    return st == WEFT_OK ? WEFT_OK : check_failed(c, name, st);
}

static bool is_named_value(const weft_field *field, uint32_t value)
{
    uint32_t i = 0;
    while (field->values[i] != NULL && i < value)
        i++;
    return field->values[i] != NULL;
}

static bool scalar_good(const weft_event *event, const weft_field *field)
{
    const void *at = weft__field_at(event, field);
    switch (field->kind) {
    case WEFT_FIELD_TIME:
        return *(const int64_t *)at >= 0;
    case WEFT_FIELD_F64:
        return isfinite(*(const double *)at);
    case WEFT_FIELD_U32:
    case WEFT_FIELD_ENUM:
        return field->values == NULL || is_named_value(field, *(const uint32_t *)at);
    default:
        return true;
    }
}

static weft_status check_field(check *c, const weft_event *event, const weft_field *field)
{
    const void *at = weft__field_at(event, field);
    switch (field->kind) {
    case WEFT_FIELD_STRING:
        return check_sized(c, field->name, *(const char *const *)at, WEFT_EVENT_MAX_BYTES, c->sizes++);
    case WEFT_FIELD_ID:
        return check_sized(c, field->name, *(const char *const *)at, WEFT_ID_MAX_BYTES, c->sizes++);
    case WEFT_FIELD_JSON:
        return check_json(c, field->name, *(const char *const *)at, c->sizes++);
    default:
        c->bytes += SCALAR_BYTES;
        return scalar_good(event, field) ? WEFT_OK : check_failed(c, field->name, WEFT_INVALID);
    }
}

static weft_status check_fields(check *c, const weft_event *event, const weft_field *fields, size_t count)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < count && st == WEFT_OK; i++)
        if (fields[i].number != 0)
            st = check_field(c, event, &fields[i]);
    return st;
}

static weft_status check_tags(check *c, const weft_event *event)
{
    if (event->tag_count > WEFT_TAGS_MAX)
        return check_failed(c, "tags", WEFT_TOO_LARGE);
    for (size_t i = 0; i < event->tag_count; i++) {
        if (event->tags == NULL || event->tags[i] == NULL || event->tags[i][0] == '\0')
            return check_failed(c, "tags", WEFT_INVALID);
        weft_status st = check_text(c, "tags", event->tags[i]);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

/* A map on the wire: a key that is missing or there twice would not survive it. */
static bool key_good(const weft_event *event, size_t index)
{
    const char *key = event->attributes[index].key;
    if (key == NULL || key[0] == '\0')
        return false;
    for (size_t i = 0; i < index; i++)
        if (strcmp(event->attributes[i].key, key) == 0)
            return false;
    return true;
}

static weft_status check_attributes(check *c, const weft_event *event)
{
    if (event->attribute_count > WEFT_ATTRIBUTES_MAX)
        return check_failed(c, "attributes", WEFT_TOO_LARGE);
    if (event->attribute_count > 0 && event->attributes == NULL)
        return check_failed(c, "attributes", WEFT_INVALID);
    for (size_t i = 0; i < event->attribute_count; i++) {
        if (!key_good(event, i))
            return check_failed(c, "attributes", WEFT_INVALID);
        c->bytes += ATTRIBUTE_EXTRA_BYTES;
        weft_status st = check_text(c, "attributes", event->attributes[i].key);
        if (st == WEFT_OK)
            st = check_text(c, "attributes", event->attributes[i].value);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

static weft_status check_event(check *c, const weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    if (schema == NULL)
        return check_failed(c, "type", WEFT_INVALID);
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    weft_status st = check_fields(c, event, envelope, count);
    if (st == WEFT_OK)
        st = check_tags(c, event);
    if (st == WEFT_OK)
        st = check_attributes(c, event);
    if (st == WEFT_OK)
        st = check_fields(c, event, schema->fields, schema->field_count);
    if (st == WEFT_OK && c->bytes > WEFT_EVENT_MAX_BYTES)
        st = WEFT_TOO_LARGE;
    return st;
}

weft_status weft__event_check(const weft_event *event, weft__layout *ret, const char **ret_field)
{
    check c = {
        .bytes = SCALAR_BYTES, /* the event's own tag and length, and its payload's */
        .sizes = ret->sizes,
    };
    weft_status st = check_event(&c, event);
    ret->bytes = c.text_bytes;
    if (st != WEFT_OK && ret_field != NULL)
        *ret_field = c.culprit;
    return st;
}

weft_status weft_event_validate(const weft_event *event, const char **ret_field)
{
    weft__layout unwanted;
    return weft__event_check(event, &unwanted, ret_field);
}
