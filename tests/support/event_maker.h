/* tests/support/event_maker.h: events of every variant, made and compared by loops over the schema. */
#ifndef WEFT_TESTS_EVENT_MAKER_H
#define WEFT_TESTS_EVENT_MAKER_H

#include "weft/schema.h"

typedef struct event_maker {
    uint64_t state; /* the seed; any value */
    char text[64][160];
    size_t text_count;
    const char *tags[WEFT_TAGS_MAX];
    weft_attribute attributes[WEFT_ATTRIBUTES_MAX];
} event_maker;

/* The next number of a repeatable sequence (splitmix64). */
uint64_t event_maker_next(event_maker *m);

/* An event with every member of the envelope and the payload set to something telling; no id.node and id.epoch.
 * Ownership: its strings are the maker's, until the next call. */
weft_event event_maker_full(event_maker *m, weft_event_type type);
/* The same with each member set or not, and to anything allowed, as the sequence has it. */
weft_event event_maker_random(event_maker *m, weft_event_type type);

/* An event with nothing set but what a publisher owes. Ownership: its strings are static. */
weft_event event_least(weft_event_type type);

/* Whether two events say the same; NULL and "" are one. The name of the first difference, or NULL. id.node and id.epoch
 * are left out. */
const char *event_difference(const weft_event *a, const weft_event *b);

#endif
