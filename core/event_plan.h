/* core/event_plan.h: what there is to check and to copy in an event of each type: the schema table, sorted by use.
 *
 * Publishing goes over these instead of over the table: no absent kind of field, no switch for a string. */
#ifndef WEFT_CORE_EVENT_PLAN_H
#define WEFT_CORE_EVENT_PLAN_H

#include <stdint.h>

#include "weft/schema.h"

enum { WEFT__PLAN_STRINGS_MAX = 16, WEFT__PLAN_SCALARS_MAX = 16 };

typedef struct weft__plan_string {
    uint32_t max_bytes;
    uint16_t offset; /* in weft_event */
    bool is_json;
    bool required;
} weft__plan_string;

typedef struct weft__plan_scalar {
    uint16_t offset;
    uint8_t kind;   /* a weft_field_kind */
    uint8_t values; /* it must be less; 0: any */
    bool required;
    bool not_negative;
} weft__plan_scalar;

typedef struct weft__plan {
    weft_event_type type; /* WEFT_EVENT_NONE: of no known type */
    unsigned string_count;
    unsigned scalar_count; /* of those that can be wrong */
    size_t wire_bytes;     /* most that everything but the text of strings takes, without tags and attributes */
    weft__plan_string strings[WEFT__PLAN_STRINGS_MAX]; /* of the envelope, then of the payload */
    weft__plan_scalar scalars[WEFT__PLAN_SCALARS_MAX];
    const weft_field *string_fields[WEFT__PLAN_STRINGS_MAX];
    const weft_field *scalar_fields[WEFT__PLAN_SCALARS_MAX];
    const char *(*misfit)(const weft_event *event); /* of the schema; may be NULL */
} weft__plan;

static inline const char *weft__plan_string_of(const weft_event *event, const weft__plan_string *string)
{
    return *(const char *const *)((const char *)event + string->offset);
}

static inline bool weft__field_is_string(const weft_field *field)
{
    return field->kind <= WEFT_FIELD_JSON;
}

/* The plan of a type; for an unknown one that of the envelope alone. Ownership: static. Threads: any. */
const weft__plan *weft__plan_of(weft_event_type type);

#endif
