/* core/event_validate.c: whether an event is fit to publish: the plan of its type, step by step.
 *
 * Runs on every publish: no allocation, absent strings cost nothing, and only JSON fields are parsed. Threads: any.
 *
 * The size is counted as the wire does, from above: what passes here is never over WEFT_EVENT_MAX_BYTES when encoded.
 */
#include "core/event_private.h"

#include <math.h>
#include <string.h>

#include "core/utf8.h"
#include "weft/json.h"

/* On the wire beside the texts themselves, with their NULs counted. */
enum { TAG_EXTRA_BYTES = 4, ATTRIBUTE_EXTRA_BYTES = 12 };

typedef struct check {
    const weft_event *event;
    const weft__plan *plan;
    weft__layout *layout;
    const char *culprit; /* name of the bad field once a step has failed */
} check;

static weft_status check_failed(check *c, const char *name, weft_status status)
{
    c->culprit = name;
    return status;
}

/* Adds the text to the layout; ret_bytes gets its size with its NUL. */
static inline weft_status check_text(check *c, const char *name, const char *text, size_t max, size_t *ret_bytes)
{
    size_t length = strlen(text);
    if (length > max)
        return check_failed(c, name, WEFT_TOO_LARGE);
    if (!weft__is_ascii(text, length) && !weft_utf8_valid(text, length))
        return check_failed(c, name, WEFT_MALFORMED);
    *ret_bytes = length + 1;
    c->layout->bytes += length + 1;
    return WEFT_OK;
}

static weft_status check_json(check *c, const char *name, const char *text, size_t length)
{
    weft_status st = length > 0 ? weft_json_check(text, length, WEFT_JSON_MAX_DEPTH) : WEFT_OK;
    return st == WEFT_OK ? WEFT_OK : check_failed(c, name, st);
}

static weft_status check_strings(check *c)
{
    const weft__plan *plan = c->plan;
    size_t *sizes = c->layout->sizes;
    for (unsigned i = 0; i < plan->string_count; i++) {
        const weft__plan_string *string = &plan->strings[i];
        const char *text = weft__plan_string_of(c->event, string);
        sizes[i] = 0;
        if (text == NULL)
            continue;
        size_t max = string->is_id ? WEFT_ID_MAX_BYTES : WEFT_EVENT_MAX_BYTES;
        weft_status st = check_text(c, plan->string_fields[i]->name, text, max, &sizes[i]);
        if (st == WEFT_OK && string->is_json)
            st = check_json(c, plan->string_fields[i]->name, text, sizes[i] - 1);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

static bool scalar_good(const weft_event *event, const weft__plan_scalar *scalar)
{
    const void *at = (const char *)event + scalar->offset;
    if (scalar->kind == WEFT_FIELD_TIME)
        return *(const int64_t *)at >= 0;
    if (scalar->kind == WEFT_FIELD_F64)
        return isfinite(*(const double *)at);
    return *(const uint32_t *)at < scalar->values;
}

static weft_status check_scalars(check *c)
{
    for (unsigned i = 0; i < c->plan->scalar_count; i++)
        if (!scalar_good(c->event, &c->plan->scalars[i]))
            return check_failed(c, c->plan->scalar_fields[i]->name, WEFT_INVALID);
    return WEFT_OK;
}

static weft_status check_tags(check *c)
{
    const weft_event *event = c->event;
    if (event->tag_count > WEFT_TAGS_MAX)
        return check_failed(c, "tags", WEFT_TOO_LARGE);
    for (size_t i = 0; i < event->tag_count; i++) {
        size_t bytes;
        if (event->tags == NULL || event->tags[i] == NULL || event->tags[i][0] == '\0')
            return check_failed(c, "tags", WEFT_INVALID);
        weft_status st = check_text(c, "tags", event->tags[i], WEFT_EVENT_MAX_BYTES, &bytes);
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

static weft_status check_attributes(check *c)
{
    const weft_event *event = c->event;
    if (event->attribute_count > WEFT_ATTRIBUTES_MAX)
        return check_failed(c, "attributes", WEFT_TOO_LARGE);
    if (event->attribute_count > 0 && event->attributes == NULL)
        return check_failed(c, "attributes", WEFT_INVALID);
    for (size_t i = 0; i < event->attribute_count; i++) {
        const weft_attribute *attribute = &event->attributes[i];
        size_t bytes;
        if (!key_good(event, i))
            return check_failed(c, "attributes", WEFT_INVALID);
        weft_status st = check_text(c, "attributes", attribute->key, WEFT_EVENT_MAX_BYTES, &bytes);
        if (st == WEFT_OK && attribute->value != NULL)
            st = check_text(c, "attributes", attribute->value, WEFT_EVENT_MAX_BYTES, &bytes);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

typedef struct contest {
    size_t length;
    const char *name;
} contest;

static void contest_enter(contest *largest, const char *name, const char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;
    if (length > largest->length)
        *largest = (contest){length, name};
}

/* Of an event whose parts are all good, but too large together. */
static const char *largest_name(const check *c)
{
    const weft_event *event = c->event;
    contest largest = {.name = "attributes"};
    for (unsigned i = 0; i < c->plan->string_count; i++)
        contest_enter(&largest, c->plan->string_fields[i]->name, weft__plan_string_of(event, &c->plan->strings[i]));
    for (size_t i = 0; i < event->tag_count; i++)
        contest_enter(&largest, "tags", event->tags[i]);
    for (size_t i = 0; i < event->attribute_count; i++) {
        contest_enter(&largest, "attributes", event->attributes[i].key);
        contest_enter(&largest, "attributes", event->attributes[i].value);
    }
    return largest.name;
}

static weft_status check_size(check *c)
{
    size_t bytes = c->plan->wire_bytes + c->layout->bytes + c->event->tag_count * TAG_EXTRA_BYTES +
                   c->event->attribute_count * ATTRIBUTE_EXTRA_BYTES;
    return bytes <= WEFT_EVENT_MAX_BYTES ? WEFT_OK : check_failed(c, largest_name(c), WEFT_TOO_LARGE);
}

static weft_status check_event(check *c)
{
    if (c->plan->type == WEFT_EVENT_NONE)
        return check_failed(c, "type", WEFT_INVALID);
    weft_status st = check_strings(c);
    if (st == WEFT_OK)
        st = check_scalars(c);
    if (st == WEFT_OK && c->event->tag_count > 0)
        st = check_tags(c);
    if (st == WEFT_OK && c->event->attribute_count > 0)
        st = check_attributes(c);
    return st == WEFT_OK ? check_size(c) : st;
}

weft_status weft__event_check(const weft_event *event, weft__layout *ret, const char **ret_field)
{
    check c = {.event = event, .plan = weft__plan_of(event->type), .layout = ret};
    ret->bytes = 0;
    weft_status st = check_event(&c);
    if (st != WEFT_OK && ret_field != NULL)
        *ret_field = c.culprit;
    return st;
}

weft_status weft_event_validate(const weft_event *event, const char **ret_field)
{
    weft__layout unwanted;
    return weft__event_check(event, &unwanted, ret_field);
}
