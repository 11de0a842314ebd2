/* nodes/json_line.h: one line of a foreign JSON lines file as a value. */
#ifndef WEFT_NODES_JSON_LINE_H
#define WEFT_NODES_JSON_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a line. Halves of surrogate pairs, which JavaScript writes when it cuts a text inside a character, are read as
 * U+FFFD; NUL characters are allowed, and whole numbers of any size (as doubles). Ownership: json_decref. Returns NULL
 * with error (may be NULL) filled when the line is no JSON. */
json_t *json_line_parse(const char *text, size_t length, json_error_t *error);

/* Whether a value is a whole number from 0 to max (at most 2^53), in whatever notation: 12, 12.0, 1.2e1. */
bool json_line_whole_number(const json_t *value, uint64_t max, uint64_t *ret);

/* "a string", "a whole number" … for messages. */
const char *json_line_type_name(const json_t *value);

#endif
