/* tests/support/core/reference.h: what a dispatcher must do, said once more with arrays and loops.
 *
 * One thread. Inline handlers are called, and act, where the dispatcher would call them; each such step goes into the
 * trace. What queued handlers will be called with is kept for each subscription until the test has seen its worker do
 * it. */
#ifndef WEFT_TESTS_REFERENCE_H
#define WEFT_TESTS_REFERENCE_H

#include "support/core/chance.h"
#include "weft/dead_letter.h"

enum {
    SLOTS = 14,          /* places for subscriptions, and what handlers aim at */
    INSTANCES_MAX = 160, /* subscriptions in a round */
    SIEVES_MAX = 4,      /* interceptors at a time */
    NUMBERS_MAX = 4096,  /* events in a round */
    NUMBERS_SPARE = 512, /* of them for what handlers and interceptors publish once it has become too many */
    NESTING_MAX = 3,
    TRACE_MAX = 1 << 14,
    LANES = WEFT_PRIORITY_CRITICAL,
};

typedef struct step {
    const char *what;
    uint64_t a, b, c;
} step;

typedef struct trace {
    size_t count;
    step steps[TRACE_MAX];
} trace;

void trace_add(trace *t, const char *what, uint64_t a, uint64_t b, uint64_t c);
/* Index of the first difference, or -1. */
int trace_difference(const trace *a, const trace *b);

/* An event that waits, or a call to come. */
typedef struct waiting {
    facts facts;
    unsigned place; /* in the order of putting */
} waiting;

typedef struct waiting_list {
    waiting *items;
    size_t count, room;
} waiting_list;

typedef struct member {
    plan plan;
    bool leaving; /* a one-shot whose handler runs */
    bool listed;  /* neither unsubscribed nor used up */
    bool unsubscribed;
    bool paused;
    bool suspended;
    unsigned failures;
    unsigned put;
    waiting_list lanes[LANES]; /* from low to critical */
    waiting_list calls;        /* that its worker must have made since they were compared last, in this order; the place
                                * is the number of the call for that event */
    uint64_t untold, told;     /* events dropped for want of room */
    bool told_unsure;          /* some were not told of before a stop */
    uint64_t handled, errors, dropped_overflow, skipped_paused, dead_letters, expired;
    uint8_t made[NUMBERS_MAX]; /* calls for each event */
} member;

typedef struct letter {
    unsigned instance;
    facts facts;
    weft_dead_reason reason;
    weft_status status;
    uint32_t attempts;
} letter;

typedef struct rule_state {
    weft_rate_limit limit;
    uint64_t admitted, refused;
    int64_t tokens[2][4]; /* thousandths, of the rate by the second and that by the minute, for each source */
    unsigned sources;     /* a bit for each that has come */
} rule_state;

typedef struct sieve_state {
    sieve sieve;
    unsigned instance;
    bool attached;
    weft_interceptor_stats stats;
} sieve_state;

typedef struct reference {
    uint64_t seed;
    int64_t now_ms;
    bool stopped;
    unsigned numbers; /* used, as the next two */
    unsigned instances;
    unsigned sieves;
    unsigned rule_sets;
    int slots[SLOTS]; /* instance, or -1 */
    member *members[INSTANCES_MAX];
    sieve_state line[SIEVES_MAX]; /* in order */
    size_t line_count;
    rule_state rules[RULES_MAX];
    size_t rule_count;
    letter letters[NUMBERS_MAX];
    size_t letter_count;
    size_t letters_max;  /* at most NUMBERS_MAX */
    bool letters_unsure; /* one was displaced: with several workers, who knows which */
    unsigned history[NUMBERS_MAX];
    size_t history_count;
    weft_dispatcher_stats stats; /* what it must say of them all */
    uint64_t unsure;             /* events that may count as dropped_unsubscribed, or else as not wanted */
    trace trace;
} reference;

reference *reference_create(uint64_t seed, size_t letters_max);
void reference_destroy(reference *r);

/* Whether handlers and interceptors may still publish more. */
bool numbers_left(unsigned used);
/* What an act aims at. */
unsigned act_slot(uint64_t seed, unsigned instance, unsigned number, unsigned call);

/* Each as the call of the same name; they trace like handlers that make it. */
void reference_publish(reference *r, unsigned depth);
void reference_deliver(reference *r);
void reference_subscribe(reference *r, unsigned slot);
void reference_unsubscribe(reference *r, int instance);
void reference_pause(reference *r, int instance);
void reference_resume(reference *r, int instance);
void reference_rules_set(reference *r);
void reference_intercept(reference *r);
void reference_interceptor_remove(reference *r, size_t place);
void reference_redeliver(reference *r, size_t place);
void reference_forget(reference *r, size_t place);
/* What waits is dropped; returns how much. */
uint64_t reference_stop(reference *r);
void reference_reset(reference *r);
void reference_advance(reference *r, int64_t ms);

/* What waits of an open queued subscription is handled, highest priority first. */
void reference_work(reference *r, int instance);
/* The same for what has expired of it, and for the one event that its worker was seen to take next; false if it was not
 * that one's turn. */
void reference_work_expired(reference *r, int instance);
bool reference_work_one(reference *r, int instance, uint64_t seen);
size_t member_depth(const member *m);

#endif
