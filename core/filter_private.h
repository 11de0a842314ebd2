/* core/filter_private.h: a filter made ready to be held against many events. */
#ifndef WEFT_CORE_FILTER_PRIVATE_H
#define WEFT_CORE_FILTER_PRIVATE_H

#include "core/symbol.h"
#include "weft/filter.h"

enum { WEFT__TYPE_WORDS = (WEFT_EVENT_TYPE_COUNT + 63) / 64 };

/* One bit for each event type; a type out of range is WEFT_EVENT_NONE. */
typedef struct weft__type_set {
    uint64_t words[WEFT__TYPE_WORDS];
} weft__type_set;

/* Texts of an event that a filter may ask for, the cheapest to be wrong about first.
 * X(ENUM, member of weft_filter, member of weft_event, whether it is a glob) */
#define WEFT__ASK_MAP(X)                                                                                               \
    X(SESSION, session_id, session_id, false)                                                                          \
    X(AGENT, agent_id, agent_id, false)                                                                                \
    X(EXECUTION, execution_id, execution_id, false)                                                                    \
    X(CORRELATION, correlation_id, correlation_id, false)                                                              \
    X(NODE, node, id.node, false)                                                                                      \
    X(SOURCE, source, source, true)

typedef enum weft__ask {
#define X(name, wanted, actual, is_glob) WEFT__ASK_##name,
    WEFT__ASK_MAP(X)
#undef X
        WEFT__ASK_COUNT
} weft__ask;

/* What must hold besides the type. */
typedef struct weft__conditions {
    uint8_t asks; /* a bit for each weft__ask */
    uint8_t tags_required, tags_excluded;
    uint8_t min_priority;
    uint8_t origin;
    bool asks_more; /* than texts: tags, priority or origin */
    weft_predicate_fn predicate;
    void *predicate_user;
    size_t symbol_count;
    weft__symbol *symbols[]; /* of the asks, from the lowest bit on; of the tags required; of those excluded */
} weft__conditions;

typedef struct weft__filter {
    weft__type_set types;         /* of the filter's topics and types together */
    uint32_t topics;              /* that these types have */
    weft__conditions *conditions; /* NULL: the type alone decides */
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

static inline bool weft__type_set_has_index(const weft__type_set *set, size_t index)
{
    return (set->words[index / 64] >> (index % 64) & 1) != 0;
}

static inline bool weft__type_set_has(const weft__type_set *set, weft_event_type type)
{
    return weft__type_set_has_index(set, weft__type_index(type));
}

static inline void weft__type_set_merge(weft__type_set *set, const weft__type_set *other)
{
    for (size_t i = 0; i < WEFT__TYPE_WORDS; i++)
        set->words[i] |= other->words[i];
}

/* Compiles a filter; NULL wants everything. Ownership: weft__filter_fini with the same symbols.
 * Returns OK, INVALID (an unknown topic, type, priority or origin, a missing tag, too many tags) or NO_MEMORY. */
weft_status weft__filter_init(weft__filter *ret, const weft_filter *filter, weft__symbols *symbols);
void weft__filter_fini(weft__filter *filter, weft__symbols *symbols);

/* Where in an event the text of an ask is. */
size_t weft__ask_text_at(weft__ask ask);
/* Whether everything but type, texts and predicate holds: tags, priority and origin. */
bool weft__conditions_hold(const weft__conditions *conditions, const weft_event *event, weft_origin origin);

/* The text of one ask; NULL if the filter does not ask for it. */
const char *weft__conditions_text(const weft__conditions *conditions, weft__ask ask);

#endif
