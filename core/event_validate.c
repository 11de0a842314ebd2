/* core/event_validate.c: whether an event is well-formed, and fit to publish: the plan of its type, step by step.
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

#define MISSING "missing"

typedef struct check {
    const weft_event *event;
    const weft__plan *plan;
    weft__layout *layout;
    bool publishing;   /* ask also for what a publisher owes */
    bool measured;     /* strings are in the layout already, and UTF-8 */
    weft__fault fault; /* once a step has failed */
} check;

static weft_status check_failed(check *c, const char *name, weft_status status)
{
    c->fault = (weft__fault){name, weft_status_text(status)};
    return status;
}

/* What a publisher owes is missing. */
static weft_status check_owed(check *c, const char *name, const char *what)
{
    if (!c->publishing)
        return WEFT_OK;
    c->fault = (weft__fault){name, what};
    return WEFT_INVALID;
}

static inline bool text_good(const char *text, size_t length, size_t max)
{
    return length <= max && (weft__is_ascii(text, length) || weft_utf8_valid(text, length));
}

static weft_status check_bad_text(check *c, const char *name, size_t length, size_t max)
{
    return check_failed(c, name, length > max ? WEFT_TOO_LARGE : WEFT_MALFORMED);
}

static weft_status check_json(check *c, const char *name, const char *text, size_t length)
{
    weft_status st = length > 0 ? weft_json_check(text, length, WEFT_JSON_MAX_DEPTH) : WEFT_OK;
    return st == WEFT_OK ? WEFT_OK : check_failed(c, name, st);
}

/* A string is there, and its text is good: what else it has to be. */
static weft_status check_special(check *c, unsigned index, const char *text, size_t length)
{
    const weft__plan_string *string = &c->plan->strings[index];
    const char *name = c->plan->string_fields[index]->name;
    if (string->required && length == 0)
        return check_owed(c, name, MISSING);
    return string->is_json ? check_json(c, name, text, length) : WEFT_OK;
}

static inline weft_status check_string(check *c, unsigned index)
{
    const weft__plan_string *string = &c->plan->strings[index];
    const char *text = weft__plan_string_of(c->event, string);
    if (text == NULL) {
        c->layout->sizes[index] = 0;
        return string->required ? check_owed(c, c->plan->string_fields[index]->name, MISSING) : WEFT_OK;
    }
    size_t length = strlen(text);
    if (!text_good(text, length, string->max_bytes))
        return check_bad_text(c, c->plan->string_fields[index]->name, length, string->max_bytes);
    c->layout->sizes[index] = length + 1;
    c->layout->bytes += length + 1;
    return string->is_json || string->required ? check_special(c, index, text, length) : WEFT_OK;
}

static weft_status check_strings(check *c)
{
    for (unsigned i = 0, n = c->plan->string_count; i < n; i++) {
        weft_status st = check_string(c, i);
        if (st != WEFT_OK)
            return st;
    }
    return WEFT_OK;
}

static inline weft_status check_measured(check *c, unsigned index)
{
    const weft__plan_string *string = &c->plan->strings[index];
    size_t size = c->layout->sizes[index];
    if (size == 0)
        return string->required ? check_owed(c, c->plan->string_fields[index]->name, MISSING) : WEFT_OK;
    if (size - 1 > string->max_bytes)
        return check_bad_text(c, c->plan->string_fields[index]->name, size - 1, string->max_bytes);
    c->layout->bytes += size;
    return string->is_json ? check_special(c, index, weft__plan_string_of(c->event, string), size - 1) : WEFT_OK;
}

static weft_status check_all_measured(check *c)
{
    weft_status st = WEFT_OK;
    for (unsigned i = 0, n = c->plan->string_count; i < n && st == WEFT_OK; i++)
        st = check_measured(c, i);
    return st;
}

static weft_status check_double(check *c, unsigned index, double value)
{
    const char *name = c->plan->scalar_fields[index]->name;
    if (!isfinite(value))
        return check_failed(c, name, WEFT_INVALID);
    return c->plan->scalars[index].not_negative && value < 0 ? check_owed(c, name, "negative") : WEFT_OK;
}

static weft_status check_value(check *c, unsigned index, uint32_t value)
{
    const char *name = c->plan->scalar_fields[index]->name;
    if (value >= c->plan->scalars[index].values)
        return check_failed(c, name, WEFT_INVALID);
    return c->plan->scalars[index].required && value == 0 ? check_owed(c, name, MISSING) : WEFT_OK;
}

static inline weft_status check_scalar(check *c, unsigned index)
{
    const weft__plan_scalar *scalar = &c->plan->scalars[index];
    const void *at = (const char *)c->event + scalar->offset;
    if (scalar->kind == WEFT_FIELD_F64)
        return check_double(c, index, *(const double *)at);
    if (scalar->kind != WEFT_FIELD_TIME)
        return check_value(c, index, *(const uint32_t *)at);
    return *(const int64_t *)at >= 0 ? WEFT_OK : check_failed(c, c->plan->scalar_fields[index]->name, WEFT_INVALID);
}

static weft_status check_scalars(check *c)
{
    weft_status st = WEFT_OK;
    for (unsigned i = 0; i < c->plan->scalar_count && st == WEFT_OK; i++)
        st = check_scalar(c, i);
    return st;
}

static weft_status check_misfit(check *c)
{
    const char *name = c->plan->misfit(c->event);
    return name != NULL ? check_owed(c, name, "does not go with the other fields") : WEFT_OK;
}

static weft_status check_text(check *c, const char *name, const char *text)
{
    size_t length = strlen(text);
    if (!text_good(text, length, WEFT_EVENT_MAX_BYTES))
        return check_bad_text(c, name, length, WEFT_EVENT_MAX_BYTES);
    c->layout->bytes += length + 1;
    return WEFT_OK;
}

static weft_status check_tags(check *c)
{
    const weft_event *event = c->event;
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

static weft_status check_attributes(check *c)
{
    const weft_event *event = c->event;
    if (event->attribute_count > WEFT_ATTRIBUTES_MAX)
        return check_failed(c, "attributes", WEFT_TOO_LARGE);
    if (event->attribute_count > 0 && event->attributes == NULL)
        return check_failed(c, "attributes", WEFT_INVALID);
    for (size_t i = 0; i < event->attribute_count; i++) {
        const weft_attribute *attribute = &event->attributes[i];
        if (!key_good(event, i))
            return check_failed(c, "attributes", WEFT_INVALID);
        weft_status st = check_text(c, "attributes", attribute->key);
        if (st == WEFT_OK && attribute->value != NULL)
            st = check_text(c, "attributes", attribute->value);
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
    weft_status st = c->measured ? check_all_measured(c) : check_strings(c);
    if (st == WEFT_OK)
        st = check_scalars(c);
    if (st == WEFT_OK && c->plan->misfit != NULL)
        st = check_misfit(c);
    if (st == WEFT_OK && c->event->tag_count > 0)
        st = check_tags(c);
    if (st == WEFT_OK && c->event->attribute_count > 0)
        st = check_attributes(c);
    return st == WEFT_OK ? check_size(c) : st;
}

static weft_status judge(check *c, weft__fault *ret_fault)
{
    c->plan = c->layout->plan = weft__plan_of(c->event->type);
    c->layout->bytes = 0;
    weft_status st = check_event(c);
    if (st != WEFT_OK)
        *ret_fault = c->fault;
    return st;
}

weft_status weft__event_check(const weft_event *event, weft__layout *ret, const char **ret_field)
{
    weft__fault fault;
    weft_status st = judge(&(check){.event = event, .layout = ret, .publishing = true}, &fault);
    if (st != WEFT_OK && ret_field != NULL)
        *ret_field = fault.field;
    return st;
}

weft_status weft__event_judge(const weft_event *event, bool publishing, weft__fault *ret_fault)
{
    weft__layout unwanted;
    return judge(&(check){.event = event, .layout = &unwanted, .publishing = publishing}, ret_fault);
}

weft_status weft__event_judge_measured(const weft_event *kept, weft__layout *layout, weft__fault *ret_fault)
{
    return judge(&(check){.event = kept, .layout = layout, .measured = true}, ret_fault);
}

weft_status weft_event_validate(const weft_event *event, const char **ret_field)
{
    weft__layout unwanted;
    return weft__event_check(event, &unwanted, ret_field);
}
