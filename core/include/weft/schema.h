/* weft/schema.h: the one table of event variants and fields.
 *
 * Codec, JSON, filters, command line and metrics are loops over it; nothing switches over the variants. */
#ifndef WEFT_SCHEMA_H
#define WEFT_SCHEMA_H

#include <stddef.h>

#include "weft/event.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weft_field_kind {
    WEFT_FIELD_STRING, /* const char * */
    WEFT_FIELD_ID,     /* const char *, at most WEFT_ID_MAX_BYTES */
    WEFT_FIELD_JSON,   /* const char * holding one JSON value */
    WEFT_FIELD_BOOL,   /* bool */
    WEFT_FIELD_U32,    /* uint32_t; with `values` at most as many */
    WEFT_FIELD_U64,    /* uint64_t */
    WEFT_FIELD_TIME,   /* int64_t, ms since the epoch; fixed 64 bits on the wire */
    WEFT_FIELD_F64,    /* double, finite */
    WEFT_FIELD_ENUM,   /* an enum; names in `values` */
} weft_field_kind;

typedef struct weft_field {
    const char *name;      /* snake_case, as in proto/ */
    const char *json_name; /* lowerCamelCase */
    weft_field_kind kind;
    unsigned number;           /* on the wire; 0: does not travel in the payload, lives in the envelope */
    size_t offset;             /* in weft_event */
    const char *const *values; /* of an enum: names by value, index 0 "unspecified", ends with NULL */
    const char *value_prefix;  /* of an enum on the wire: "SESSION_STATUS_" before the name in capitals */
    bool required;             /* at publish: a string that is not empty, an enum that is not unspecified */
    bool not_negative;         /* at publish */
} weft_field;

typedef struct weft_schema {
    weft_event_type type;
    const char *name;      /* "token_usage" */
    const char *json_name; /* "tokenUsage" */
    weft_topic topic;
    unsigned number; /* of the payload field on the wire */
    const weft_field *fields;
    size_t field_count;
    /* Of a variant that begins something which lasts: the variant that ends it, and the name of the field in both that
     * says what. WEFT_EVENT_NONE and NULL for all others. */
    weft_event_type ended_by;
    const char *ended_id;
    /* Of a variant whose events may be joined to one if they agree in all else: the string that is put in a row. NULL
     * for all others. */
    const char *joined;
    /* At publish: name of a field that does not go with the others, NULL if there is none. May be NULL itself. */
    const char *(*misfit)(const weft_event *event);
} weft_schema;

/* The row of a type, NULL if there is none. Ownership: static. Threads: any. */
const weft_schema *weft_schema_of(weft_event_type type);
const weft_schema *weft_schema_by_number(unsigned number);
/* Accepts snake_case and lowerCamelCase. */
const weft_schema *weft_schema_by_name(const char *name);

/* A field of a variant by its snake_case name, NULL if it has none of that name. Ownership: static. Threads: any. */
const weft_field *weft_schema_field(const weft_schema *schema, const char *name);

/* The scalar fields of the envelope (source … flags; without tags, attributes, id.node and id.epoch). */
const weft_field *weft_envelope_fields(size_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
