/* weft/json.h: events as JSON, in and out, over the schema table.
 *
 * The form is the canonical JSON mapping of the wire messages (lowerCamelCase, 64-bit integers as strings, data_json as
 * a string) with the stream spelled out, one object an event:
 *
 *   {"node":"host-a","epoch":"1767614400000","seq":"7","topic":"cost","type":"token_usage","timestampMs":"…",
 *    "acceptedMs":"…","sessionId":"s1",…,"tags":["x"],"attributes":{"k":"v"},"tokenUsage":{"model":"…","inputTokens":"9",…}}
 *
 * An enum is written as on the wire ("SESSION_STATUS_RETRY"). Absent members (empty strings, zeros of the envelope, an
 * id without a bridge) are left out; payload members are always written. */
#ifndef WEFT_JSON_H
#define WEFT_JSON_H

#include "weft/event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A growing text buffer; zero-initialise it, free it with weft_text_fini. After a failed allocation `failed` is set and
 * further writes do nothing. `data` is NUL-terminated whenever it is not NULL. */
typedef struct weft_text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
} weft_text;

void weft_text_append(weft_text *text, const char *bytes, size_t length);
void weft_text_printf(weft_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends a JSON string literal, quotes included. NULL is written as "". */
void weft_text_json_string(weft_text *text, const char *string);
/* Empties it and keeps the memory. */
void weft_text_clear(weft_text *text);
void weft_text_fini(weft_text *text);

/* Appends one event as a JSON object on one line, without a newline. Returns OK or NO_MEMORY. */
weft_status weft_event_to_json(const weft_event *event, weft_text *text);

typedef struct weft_json_error {
    size_t column;  /* bytes into the text, from 1; 0: not known */
    char text[200]; /* "tokenUsage.inputTokens: expected a whole number, got a string" */
} weft_json_error;

/* Reads one event from the JSON text. Accepts the form above; member names also in snake_case; integers as numbers or
 * strings; enums and the priority by name ("retry") or number; `type` alone for a variant without payload; data as any
 * JSON value under "data" in a custom payload, beside "dataJson"; and the legacy form
 * {"event_type","source","data","timestamp_ms"} as Custom. Unknown members are errors that name the nearest known one;
 * seq, epoch, acceptedMs, node and topic are read and ignored. Ownership: *ret is a kept event; release it. error may
 * be NULL. Returns OK, MALFORMED (no JSON), INVALID (JSON, but no event), TOO_LARGE, TOO_DEEP or NO_MEMORY. */
weft_status weft_event_from_json(const char *text, size_t length, const weft_event **ret, weft_json_error *error);

/* Whether the text is one JSON value (RFC 8259, strict UTF-8) no deeper than max_depth. */
weft_status weft_json_check(const char *text, size_t length, unsigned max_depth);

/* Whether the bytes are valid UTF-8 without NUL. */
bool weft_utf8_valid(const char *bytes, size_t length);

#ifdef __cplusplus
}
#endif
#endif
