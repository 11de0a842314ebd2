/* nodes/feed_line.c: tells the three kinds of line apart by their members, and leaves events to weft/json.h. */
#include "nodes/feed_line.h"

#include "nodes/json_span.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One parse: the line under construction and where its error goes. */
typedef struct parse {
    feed_line *line;
    size_t capacity;
    char *error;
    size_t error_bytes;
} parse;

static weft_status fail(parse *p, weft_status st, const char *format, ...) __attribute__((format(printf, 3, 4)));

static weft_status fail(parse *p, weft_status st, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(p->error, p->error_bytes, format, list);
    va_end(list);
    return st;
}

static weft_status add_event(parse *p, json_span text, const char *place)
{
    feed_line *line = p->line;
    if (line->event_count == p->capacity) {
        size_t capacity = p->capacity == 0 ? 1 : p->capacity * 4;
        const weft_event **events = realloc(line->events, capacity * sizeof *events);
        if (events == NULL)
            return fail(p, WEFT_NO_MEMORY, "out of memory");
        line->events = events;
        p->capacity = capacity;
    }
    weft_json_error error = {0};
    weft_status st = weft_event_from_json(text.text, text.length, &line->events[line->event_count], &error);
    if (st != WEFT_OK && error.column > 0)
        return fail(p, st, "%scolumn %zu: %s", place, error.column, error.text);
    if (st != WEFT_OK)
        return fail(p, st, "%s%s", place, error.text[0] != '\0' ? error.text : weft_status_text(st));
    line->event_count++;
    return WEFT_OK;
}

static weft_status read_events(parse *p, json_span array)
{
    json_cursor c = json_array_open(array);
    json_span element;
    while (json_array_next(&c, &element)) {
        char place[32];
        snprintf(place, sizeof place, "events[%zu], ", p->line->event_count);
        if (p->line->event_count == FEED_LINE_MAX_EVENTS)
            return fail(p, WEFT_TOO_LARGE, "events: a line has at most %d", FEED_LINE_MAX_EVENTS);
        weft_status st = add_event(p, element, place);
        if (st != WEFT_OK)
            return st;
    }
    return c.failed ? fail(p, WEFT_MALFORMED, "events: expected an array of events") : WEFT_OK;
}

static weft_status read_string(parse *p, json_span value, const char *name, char **ret)
{
    json_t *json = json_loadb(value.text, value.length, JSON_DECODE_ANY, NULL);
    weft_status st = WEFT_OK;
    if (!json_is_string(json))
        st = fail(p, WEFT_INVALID, "%s: expected a string without NUL", name);
    else if (*ret != NULL)
        st = fail(p, WEFT_INVALID, "%s: given twice", name);
    else if ((*ret = strdup(json_string_value(json))) == NULL)
        st = fail(p, WEFT_NO_MEMORY, "out of memory");
    json_decref(json);
    return st;
}

static weft_status read_group_member(parse *p, json_span key, json_span value, bool *seen_events)
{
    if (json_span_is(key, "state"))
        return read_string(p, value, "state", &p->line->state);
    if (!json_span_is(key, "events"))
        return fail(p, WEFT_INVALID, "%.*s: unknown beside events; there is only state", (int)key.length, key.text);
    if (*seen_events)
        return fail(p, WEFT_INVALID, "events: given twice");
    *seen_events = true;
    return read_events(p, value);
}

static weft_status read_number(parse *p, json_span value)
{
    json_t *json = json_loadb(value.text, value.length, JSON_DECODE_ANY, NULL);
    json_int_t number = json_is_integer(json) ? json_integer_value(json) : 0;
    json_decref(json);
    p->line->number = (uint64_t)number;
    return number > 0 ? WEFT_OK : fail(p, WEFT_INVALID, "line: expected a whole number from 1");
}

static weft_status read_greeting_member(parse *p, json_span key, json_span value)
{
    if (json_span_is(key, "line"))
        return read_number(p, value);
    if (!json_span_is(key, "feed"))
        return fail(p, WEFT_INVALID, "%.*s: unknown beside feed; there is only line", (int)key.length, key.text);
    weft_status st = read_string(p, value, "feed", &p->line->feed);
    if (st != WEFT_OK)
        return st;
    size_t length = strlen(p->line->feed);
    return length > 0 && length <= WEFT_ID_MAX_BYTES
               ? WEFT_OK
               : fail(p, WEFT_INVALID, "feed: a name has 1 to %d bytes", WEFT_ID_MAX_BYTES);
}

/* What an object is follows from the members it has; an event has neither of these. */
static bool has_member(json_span object, const char *name)
{
    json_cursor c = json_object_open(object);
    json_span key, value;
    while (json_object_next(&c, &key, &value))
        if (json_span_is(key, name))
            return true;
    return false;
}

static weft_status read_members(parse *p, json_span object)
{
    json_cursor c = json_object_open(object);
    json_span key, value;
    bool seen_events = false;
    while (json_object_next(&c, &key, &value)) {
        weft_status st = p->line->kind == FEED_LINE_GREETING ? read_greeting_member(p, key, value)
                                                             : read_group_member(p, key, value, &seen_events);
        if (st != WEFT_OK)
            return st;
    }
    return c.failed ? fail(p, WEFT_MALFORMED, "not a JSON object on one line") : WEFT_OK;
}

static weft_status read_line(parse *p, json_span text)
{
    if (has_member(text, "feed"))
        p->line->kind = FEED_LINE_GREETING;
    else if (!has_member(text, "events"))
        return add_event(p, text, "");
    return read_members(p, text);
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != ' ' && text[i] != '\t')
            return false;
    return true;
}

weft_status feed_line_parse(const char *text, size_t length, feed_line *ret, char *error, size_t error_bytes)
{
    *ret = (feed_line){.kind = FEED_LINE_EMPTY};
    if (is_blank(text, length))
        return WEFT_OK;
    ret->kind = FEED_LINE_EVENTS;
    parse p = {.line = ret, .error = error, .error_bytes = error_bytes};
    weft_status st = read_line(&p, (json_span){text, length});
    if (st != WEFT_OK)
        feed_line_fini(ret);
    return st;
}

void feed_line_fini(feed_line *line)
{
    for (size_t i = 0; i < line->event_count; i++)
        weft_event_release(line->events[i]);
    free(line->events);
    free(line->state);
    free(line->feed);
    *line = (feed_line){0};
}
