/* bridge/codec_plan.h: what an event of each type is on the wire: the schema table, sorted for writing and reading.
 *
 * The codec goes over steps instead of over the table: the tag's bytes are ready, a number leads to its step, and what
 * can be out of range stands apart. Tags and attributes, which have no rows, are steps of the envelope. */
#ifndef WEFT_BRIDGE_CODEC_PLAN_H
#define WEFT_BRIDGE_CODEC_PLAN_H

#include "weft/schema.h"

enum {
    WEFT__STEPS_MAX = 32,
    WEFT__STEP_NUMBER_MAX = 63,
};

typedef enum weft__form {
    WEFT__FORM_STRING,
    WEFT__FORM_BOOL,
    WEFT__FORM_U32,
    WEFT__FORM_U64,
    WEFT__FORM_ENUM,  /* a U32 of at most `limit` */
    WEFT__FORM_LEVEL, /* the same, but what is read is lowered to it: priorities are ordered */
    WEFT__FORM_F64,
    WEFT__FORM_TIME, /* not negative */
    WEFT__FORM_TAGS,
    WEFT__FORM_ATTRIBUTES,
} weft__form;

typedef struct weft__step {
    uint8_t form;
    uint8_t wire_type;
    uint8_t string; /* which of the strings of weft__plan */
    uint8_t tag_bytes;
    uint8_t tag[2];
    uint16_t offset; /* in weft_event */
    uint32_t limit;
    const char *name;
} weft__step;

/* The steps of the envelope, or of one variant's payload. */
typedef struct weft__steps {
    const char *name; /* of the variant, as in proto/ */
    weft_event_type type;
    weft_topic topic;
    uint8_t tag[2];     /* of the payload */
    size_t extra_bytes; /* most that all takes beside the texts of strings; without tags and attributes */
    unsigned count;
    unsigned checked_count;
    weft__step all[WEFT__STEPS_MAX];          /* in the order of their numbers */
    uint8_t checked[WEFT__STEPS_MAX];         /* places in `all` of those whose value may be wrong */
    uint8_t place[WEFT__STEP_NUMBER_MAX + 1]; /* in `all`, plus one; 0: no such number */
    uint8_t place_of_tag[128];                /* the same by a tag of one byte; 0 also if the wire type is wrong */
} weft__steps;

/* Ownership: static. Threads: any. The payload's: NULL for an unknown type or number. */
const weft__steps *weft__envelope_steps(void);
const weft__steps *weft__payload_steps(weft_event_type type);
const weft__steps *weft__payload_steps_by_number(unsigned number);

static inline const weft__step *weft__step_by_number(const weft__steps *steps, unsigned number)
{
    unsigned place = number <= WEFT__STEP_NUMBER_MAX ? steps->place[number] : 0;
    return place != 0 ? &steps->all[place - 1] : NULL;
}

#endif
