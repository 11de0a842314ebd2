/* tests/bench/work.h: the work that weft and its peers are measured at: one event, handlers that guard costs, and the
 * bytes in which a peer that knows no weft events carries one. */
#ifndef WEFT_TESTS_BENCH_WORK_H
#define WEFT_TESTS_BENCH_WORK_H

#include <semaphore.h>

#include "weft/dispatcher.h"

/* A token_usage event. */
extern const weft_event bench_sample;

/* The state of one subscriber: what its handler has seen spent. On a cache line of its own. */
typedef struct bench_guard {
    _Alignas(64) uint64_t input_tokens;
    uint64_t output_tokens;
    double cost_usd;
    uint64_t left; /* events until `done` is posted; bench_on_queued only */
    sem_t *done;
} bench_guard;

/* Adds the usage to the guard that `user` is. */
weft_status bench_on_event(const weft_event *event, void *user);
/* The same, and posts `done` at the last event. */
weft_status bench_on_queued(const weft_event *event, void *user);

typedef struct bench_work {
    unsigned subscribers; /* each with the guard of its number */
    unsigned types;       /* subscriber i wants one type, and the sample if i is a multiple of this; 0 counts as 1 */
    bool by_session;      /* one session alone: */
    char (*sessions)[40]; /* of each subscriber; NULL: the sample's */
    bool by_source;       /* "agent*" alone */
    bool queued;
    weft_handler_fn handler;
    bench_guard *guards;
} bench_work;

/* The type that subscriber i wants. */
weft_event_type bench_work_type(const bench_work *work, unsigned i);
/* The session that subscriber i wants; NULL: any. */
const char *bench_work_session(const bench_work *work, unsigned i);
/* Ends the program unless exactly the subscribers that want the sample have handled it `events` times. */
void bench_work_check(const bench_work *work, uint64_t events);

/* The sample's content as bytes. */
typedef struct bench_message {
    int64_t timestamp_ms;
    uint16_t type;
    uint16_t string_ends[3]; /* offset in text after source, session_id and agent_id; model follows */
    uint64_t tokens[4];
    double cost_usd;
    char text[64];
} bench_message;

void bench_pack(bench_message *message, const weft_event *event);
/* The event borrows the message's strings. */
void bench_unpack(weft_event *event, const bench_message *message);

#endif
