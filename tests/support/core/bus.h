/* tests/support/core/bus.h: a dispatcher to try things on, numbered events, and takers that remember them. */
#ifndef WEFT_TESTS_BUS_H
#define WEFT_TESTS_BUS_H

#include <stdatomic.h>

#include "support/gate.h"
#include "support/suite.h"
#include "weft/dead_letter.h"
#include "weft/tap.h"

enum { PATIENCE_MS = 20000, TAKEN_MAX = 1024, LETTERS_MAX = 16 };

weft_dispatcher *bus_create(const weft_dispatcher_opts *opts);
weft_dispatcher_stats bus_stats(weft_dispatcher *bus);
weft_subscription_stats bus_stats_of(weft_dispatcher *bus, weft_subscription sub);
weft_subscription bus_subscribe(weft_dispatcher *bus, const weft_filter *filter, const weft_subscribe_opts *opts,
                                weft_handler_fn handler, void *user);

/* A session_mutation with this seq, at the time 1; its strings are static. */
weft_event numbered(uint64_t number);
void bus_publish(weft_dispatcher *bus, uint64_t number);
/* The same for each number, both included. */
void bus_publish_each(weft_dispatcher *bus, uint64_t from, uint64_t to);
/* Waits until all mailboxes are empty and all handlers have returned; the dispatcher goes on. */
void bus_settle(weft_dispatcher *bus);

pthread_t thread_start(void *(*run)(void *), void *user);
/* Waits until somebody waits for a handler (an unsubscribe, a removal) or for all of them (a stop). */
bool bus_await_waiter(weft_dispatcher *bus);

/* What a handler `take` does and remembers. Zeroed: returns OK at once. */
typedef struct taker {
    gate *held;                        /* it arrives there, and waits; NULL: nowhere */
    atomic_int verdict;                /* weft_status that it returns */
    atomic_uint begun;                 /* calls */
    atomic_uint count;                 /* that have returned */
    atomic_uint inside;                /* that run now */
    atomic_uint most_inside;           /* that ever ran at once */
    atomic_uint lost;                  /* events, as told by take_lost */
    _Atomic uint64_t taken[TAKEN_MAX]; /* numbers in the order of the calls */
} taker;

weft_status take(const weft_event *event, void *user);
/* A bridge that takes events; user: a taker. */
extern const weft_tap_ops taker_tap;
void take_lost(const weft_lost *lost, void *user);
bool taker_await(taker *t, unsigned count);
/* Checks that these numbers were taken, in this order; up to a 0. */
void taker_check(const taker *t, const uint64_t *numbers);

/* Keeps a worker busy, as a subscription of its own: returns when the taker, on topic tool, is held at its gate. */
weft_subscription bus_hold_worker(weft_dispatcher *bus, taker *t);

/* The letter of this id, without its event. */
weft_dead_letter bus_letter(weft_dispatcher *bus, uint64_t id);
/* Checks the numbers of the events that are letters, oldest first; up to a 0. */
void bus_check_letters(weft_dispatcher *bus, const uint64_t *numbers);

#define NUMBERS(...)                                                                                                   \
    (const uint64_t[])                                                                                                 \
    {                                                                                                                  \
        __VA_ARGS__, 0                                                                                                 \
    }

#endif
