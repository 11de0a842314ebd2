/* tests/support/core/live.h: a dispatcher under random calls, the other side of reference.h.
 *
 * Handlers, interceptors and calls do what chance.h says, and write it to a trace or, if queued, to a log. */
#ifndef WEFT_TESTS_LIVE_H
#define WEFT_TESTS_LIVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "support/core/reference.h"
#include "support/fake_clock.h"

enum { SIEVES_EVER = 512 /* interceptors in a round */ };

typedef struct world world;

typedef struct called {
    uint64_t seen;
    unsigned call;
} called;

/* A subscription of the dispatcher. */
typedef struct live {
    world *w;
    unsigned instance;
    plan plan;
    plan_lists lists;
    weft_subscription handle;
    atomic_bool ended;
    atomic_uint_fast64_t told;
    atomic_int inside;
    pthread_mutex_t lock;
    called *log;               /* [lock] of a queued one */
    size_t log_count;          /* [lock] */
    size_t log_room;           /* [lock] */
    size_t compared;           /* of the log */
    uint8_t made[NUMBERS_MAX]; /* [lock] calls for each event */
} live;

/* An interceptor of the dispatcher. */
typedef struct filtering {
    world *w;
    unsigned instance;
    weft_interceptor handle;
} filtering;

struct world {
    uint64_t seed;
    fake_clock clock;
    weft_dispatcher *bus;
    reference *r;
    size_t history_max;
    unsigned step;                                  /* of the test, for messages */
    unsigned numbers, instances, sieves, rule_sets; /* used */
    unsigned depth;                                 /* publishes inside one another */
    int slots[SLOTS];
    live *lives[INSTANCES_MAX];
    filtering filterings[SIEVES_EVER];
    atomic_bool broken; /* a difference was found */
    trace trace;
};

world *world_create(uint64_t seed);
void world_destroy(world *w);

/* Says what is wrong and by which seed, for the first difference only: what follows is its consequence. Threads: any.
 */
void differ(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each as the function of reference.h. */
void live_publish(world *w, unsigned depth);
void live_deliver(world *w);
void live_subscribe(world *w, unsigned slot);
void live_unsubscribe(world *w, int instance);
void live_pause(world *w, int instance);
void live_resume(world *w, int instance);
void live_rules_set(world *w);
void live_intercept(world *w);
/* Of the interceptor with this number. */
void live_interceptor_remove(world *w, unsigned instance);

#endif
