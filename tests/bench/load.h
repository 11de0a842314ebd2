/* tests/bench/load.h: the events that are carried between processes: agents at work, all durable variants mixed as in
 * recorded sessions, each computed from its number alone.
 *
 * The number travels as timestamp_ms, so that a receiver can tell order, repeats and gaps without a byte more. */
#ifndef WEFT_TESTS_BENCH_LOAD_H
#define WEFT_TESTS_BENCH_LOAD_H

#include <stddef.h>

#include "weft/event.h"

enum { BENCH_SCRIPT_MAX = 64 };

typedef struct bench_load_session {
    char id[40];
    char agent[12];
} bench_load_session;

typedef struct bench_load {
    uint64_t seed;
    unsigned session_count;
    bench_load_session *sessions;
    unsigned step_count;
    uint8_t steps[BENCH_SCRIPT_MAX]; /* of the script, those of the topics wanted */
} bench_load;

/* Memory for the ids of one event. */
typedef struct bench_load_text {
    char call[32];
    char request[32];
} bench_load_text;

/* topics: a mask; 0: all. Another seed gives other ids and amounts. */
void bench_load_init(bench_load *load, uint64_t seed, unsigned sessions, uint32_t topics);
void bench_load_fini(bench_load *load);

/* The sessions take turns, an event each. Ownership: the event borrows of load and text. */
void bench_load_event(const bench_load *load, uint64_t number, bench_load_text *text, weft_event *ret);
uint64_t bench_load_number(const weft_event *event);

#endif
