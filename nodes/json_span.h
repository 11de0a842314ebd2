/* nodes/json_span.h: finds the members of a JSON object and the elements of an array as spans of the text, without
 * copying. It checks no more than it needs to find their ends: whoever reads a span checks it.
 * Threads: any. No allocation. */
#ifndef WEFT_NODES_JSON_SPAN_H
#define WEFT_NODES_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct json_span {
    const char *text;
    size_t length;
} json_span;

typedef struct json_cursor {
    const char *at;
    const char *end;
    bool started;
    bool failed; /* the text is not an object, or not an array */
} json_cursor;

/* Begins to walk through an object or an array; the span may have white space round it. */
json_cursor json_object_open(json_span span);
json_cursor json_array_open(json_span span);

/* Finds the next one. Return false at the end, and when the text is damaged: `failed` tells. The key is without its
 * quotes, and with its escapes. */
bool json_object_next(json_cursor *c, json_span *ret_key, json_span *ret_value);
bool json_array_next(json_cursor *c, json_span *ret_value);

bool json_span_is(json_span span, const char *text);

#endif
