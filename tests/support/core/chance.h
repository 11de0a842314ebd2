/* tests/support/core/chance.h: everything that is random about events, subscriptions, interceptors and rate limits, as
 * functions of a seed and a number. Whoever knows the numbers knows the rest: the dispatcher's side of a test and its
 * reference need to agree on nothing else. */
#ifndef WEFT_TESTS_CHANCE_H
#define WEFT_TESTS_CHANCE_H

#include "weft/intercept.h"
#include "weft/rate_limit.h"

/* A number below `sides`; the same for the same arguments. `what` keeps different questions apart. */
unsigned chance(uint64_t seed, const char *what, unsigned number, unsigned more, unsigned sides);

/* ---- events ---- */

typedef struct facts {
    unsigned number; /* its timestamp_ms */
    weft_event_type type;
    weft_priority priority;
    const char *session;
    const char *source;
    unsigned tags; /* a bit for each of "x" and "y" */
    uint64_t ttl_ms;
    int64_t accepted_ms;
    weft_origin origin;
} facts;

facts facts_of(uint64_t seed, unsigned number, weft_origin origin);
/* The event lives as long as the tags. */
weft_event facts_event(const facts *f, const char *tags[2]);
/* What a handler can see of the facts, as one number; of an event, and of facts. */
uint64_t facts_seen(const weft_event *event);
uint64_t facts_shown(const facts *f);

/* ---- subscriptions ---- */

typedef enum flavour {
    FLAVOUR_INLINE,
    FLAVOUR_OPEN,  /* queued, with room for all */
    FLAVOUR_SMALL, /* queued, with little room; paused but for moments */
} flavour;

typedef struct plan {
    flavour flavour;
    uint32_t topics;
    weft_event_type types[2];
    size_t type_count;
    const char *session;
    const char *source; /* glob */
    unsigned tags_required;
    unsigned tags_excluded;
    weft_priority min_priority;
    weft_origin origin;
    unsigned divisor; /* the predicate wants numbers that it does not divide; 0: no predicate */
    bool once;
    bool paused;
    bool acts;        /* its handler publishes, pauses, unsubscribes … */
    unsigned failing; /* of a hundred calls */
    uint32_t concurrency;
    uint32_t attempts;
    uint32_t failures_max;
    uint32_t queue_max;
    weft_overflow overflow;
} plan;

typedef struct plan_lists {
    const char *required[2], *excluded[2];
} plan_lists;

plan plan_of(uint64_t seed, unsigned instance);
/* The filter lives as long as plan and lists. */
weft_filter plan_filter(const plan *p, plan_lists *lists);
weft_subscribe_opts plan_opts(const plan *p);
/* Whether it wants an event, without asking weft. */
bool plan_wants(const plan *p, const facts *f);
/* What the handler returns at a call for this event (the first is 0). */
weft_status plan_result(const plan *p, uint64_t seed, unsigned instance, unsigned number, unsigned call);

/* What a handler does besides. */
typedef enum act {
    ACT_NOTHING,
    ACT_PUBLISH,
    ACT_PAUSE,
    ACT_RESUME,
    ACT_UNSUBSCRIBE,
    ACT_UNSUBSCRIBE_SELF,
    ACT_SUBSCRIBE,
} act;

act plan_act(const plan *p, uint64_t seed, unsigned instance, unsigned number, unsigned call);

/* ---- interceptors ---- */

typedef enum twist {
    TWIST_PASS,
    TWIST_RAISE,  /* makes it critical */
    TWIST_MOVE,   /* to session s2 */
    TWIST_DROP,   /* some */
    TWIST_REFUSE, /* some */
    TWIST_SPLIT,  /* one off some */
    TWIST_COUNT
} twist;

typedef struct sieve {
    twist twist;
    int32_t order;
    uint32_t topics;
} sieve;

sieve sieve_of(uint64_t seed, unsigned instance);
/* Whether those that touch some touch this event. */
bool sieve_touches(uint64_t seed, unsigned instance, unsigned number);

/* ---- rate limits ---- */

enum { RULES_MAX = 3 };

/* Rates that a clock of milliseconds can tell exactly. Returns how many rules. */
size_t rules_of(uint64_t seed, unsigned number, weft_rate_limit rules[RULES_MAX]);

#endif
