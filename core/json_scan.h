/* core/json_scan.h: reads a JSON text (RFC 8259) token by token, without memory of its own.
 *
 *   weft__json_scan s;
 *   weft__json_scan_init(&s, text, length, 64);
 *   while ((t = weft__json_next(&s)) > WEFT__JSON_END) …
 *   s.status: OK after END, MALFORMED or TOO_DEEP after ERROR
 *
 * Strict: one value, UTF-8, no comments, no trailing commas. Numbers stay text, so none is rounded. */
#ifndef WEFT_CORE_JSON_SCAN_H
#define WEFT_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

enum { WEFT__JSON_DEPTH_LIMIT = 1024 };

typedef enum weft__json_token {
    WEFT__JSON_ERROR,
    WEFT__JSON_END,
    WEFT__JSON_OBJECT,
    WEFT__JSON_OBJECT_END,
    WEFT__JSON_ARRAY,
    WEFT__JSON_ARRAY_END,
    WEFT__JSON_KEY,
    WEFT__JSON_STRING,
    WEFT__JSON_NUMBER,
    WEFT__JSON_TRUE,
    WEFT__JSON_FALSE,
    WEFT__JSON_NULL,
} weft__json_token;

typedef enum weft__json_expect {
    WEFT__JSON_EXPECT_VALUE,
    WEFT__JSON_EXPECT_VALUE_OR_END,
    WEFT__JSON_EXPECT_KEY,
    WEFT__JSON_EXPECT_KEY_OR_END,
    WEFT__JSON_EXPECT_COMMA_OR_END,
    WEFT__JSON_EXPECT_NOTHING,
} weft__json_expect;

typedef struct weft__json_scan {
    const char *text;
    size_t length;
    size_t at; /* the byte after the current token */
    unsigned depth;
    unsigned max_depth;
    weft__json_expect expect;
    weft_status status;
    size_t token;                                    /* where the current token, or what is wrong, begins */
    uint64_t is_object[WEFT__JSON_DEPTH_LIMIT / 64]; /* a bit for each open container */
} weft__json_scan;

/* max_depth counts objects and arrays within each other; larger ones than WEFT__JSON_DEPTH_LIMIT count as that. */
void weft__json_scan_init(weft__json_scan *s, const char *text, size_t length, unsigned max_depth);

/* The next token; text[token..at) is how it is written. After ERROR and END it returns the same again. */
weft__json_token weft__json_next(weft__json_scan *s);

/* Having read the first token of a value, reads the rest of it. Returns false on an error. */
bool weft__json_skip(weft__json_scan *s, weft__json_token first);

/* Writes what a string token (quotes included) says into out, which holds as many bytes as the token; ends it with NUL.
 * Returns false for \u0000 and for half a surrogate pair: no C string and no UTF-8 can say them. */
bool weft__json_unquote(const char *token, size_t length, char *out);

#endif
