/* core/filter_private.h: a filter made ready to be held against many events. */
#ifndef WEFT_CORE_FILTER_PRIVATE_H
#define WEFT_CORE_FILTER_PRIVATE_H

#include "weft/filter.h"

enum { WEFT__TYPE_WORDS = (WEFT_EVENT_TYPE_COUNT + 63) / 64 };

/* One bit for each event type; a type out of range is WEFT_EVENT_NONE. */
typedef struct weft__type_set {
    uint64_t words[WEFT__TYPE_WORDS];
} weft__type_set;

typedef struct weft__filter {
    weft__type_set types;  /* of the filter's topics and types together */
    uint32_t topics;       /* that these types have */
    bool types_alone;      /* nothing but the type decides */
    weft_filter condition; /* deep copy, without topics and types */
} weft__filter;

static inline size_t weft__type_index(weft_event_type type)
{
    return (unsigned)type < WEFT_EVENT_TYPE_COUNT ? (size_t)type : WEFT_EVENT_NONE;
}

static inline void weft__type_set_add(weft__type_set *set, weft_event_type type)
{
    size_t index = weft__type_index(type);
    set->words[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline bool weft__type_set_has(const weft__type_set *set, weft_event_type type)
{
    size_t index = weft__type_index(type);
    return (set->words[index / 64] >> (index % 64) & 1) != 0;
}

static inline void weft__type_set_merge(weft__type_set *set, const weft__type_set *other)
{
    for (size_t i = 0; i < WEFT__TYPE_WORDS; i++)
        set->words[i] |= other->words[i];
}

/* Copies and compiles a filter; NULL wants everything. Ownership: free(*ret), one block.
 * Returns OK, INVALID (an unknown topic, type, priority or origin, a missing tag, too many tags) or NO_MEMORY. */
weft_status weft__filter_compile(const weft_filter *filter, weft__filter **ret);

/* What is left to decide once the type bit matched, the predicate excepted. */
bool weft__filter_matches_rest(const weft__filter *filter, const weft_event *event, weft_origin origin);

#endif
