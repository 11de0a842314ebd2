/* core/json_value.h: one JSON value into one field of an event, and what an error of the reader says. */
#ifndef WEFT_CORE_JSON_VALUE_H
#define WEFT_CORE_JSON_VALUE_H

#include "core/json_scan.h"
#include "weft/json.h"
#include "weft/schema.h"

/* A text being read. Strings and numbers are unquoted into the arena. Every value has a byte of structure before it, so
 * that an arena as long as the text, and one more, holds them all with their NULs. */
typedef struct weft__json_reader {
    weft__json_scan scan;
    char *arena;
    size_t arena_used;
    const char *object; /* the member being read is one of this payload's ("tokenUsage"); NULL: of the event */
    weft_json_error *error;
} weft__json_reader;

/* Fills the error: "object.member: said", at the current token. Returns the status given. */
weft_status weft__json_error(weft__json_reader *r, weft_status status, const char *member, const char *said);
/* The same for a value of the wrong kind: "object.member: expected what, got a number". */
weft_status weft__json_wrong_kind(weft__json_reader *r, const char *member, const char *expected, weft__json_token got);
/* The same for a text that the scan refused. */
weft_status weft__json_broken(weft__json_reader *r);

/* The string token's text in the arena; NULL if it holds what no C string can say. */
const char *weft__json_take_string(weft__json_reader *r);

/* Stores the value that begins with the token just read. null leaves the field as it is. With `raw`, a JSON field takes
 * the value as it is written. Returns OK, INVALID, MALFORMED or TOO_DEEP, with the error filled. */
weft_status weft__json_store(weft__json_reader *r, weft__json_token first, weft_event *event, const weft_field *field,
                             bool raw);

#endif
