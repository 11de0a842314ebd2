/* tests/bench/bench.h: rounds that take a measurement and its reference in turn, and the report of what they say.
 *
 * A measurement returns one figure a round; the reference is taken in the same round, first in the even ones and last
 * in the odd ones, so that a machine that speeds up or slows down does it to both. */
#ifndef WEFT_TESTS_BENCH_H
#define WEFT_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_ROUNDS_MAX = 1000 };

typedef struct bench_opts {
    unsigned rounds;
    uint64_t events; /* a round; 0: as many as the group finds right */
    bool json;
} bench_opts;

typedef double (*bench_fn)(void *user, uint64_t events);

typedef struct bench_case {
    const char *group;
    const char *name;
    const char *unit;
    const char *beside; /* what the reference is */
    uint64_t events;    /* a round, unless the options say otherwise */
    bench_fn measure;
    bench_fn reference;
    void *user;
} bench_case;

typedef struct bench_report bench_report;

/* Runs one warm-up and the rounds of a case and reports it. */
void bench_run(bench_report *report, const bench_case *c);

/* Ends the program with a message: a figure that cannot be trusted must not be printed. */
_Noreturn void bench_die(const char *what);

int64_t bench_now_ns(void);

/* Each reports the cases of one group. */
void bench_dispatch(bench_report *report);
void bench_codec(bench_report *report);
void bench_bridge(bench_report *report);

#endif
