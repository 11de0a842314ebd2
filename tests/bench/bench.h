/* tests/bench/bench.h: rounds that take a measurement and what stands beside it in turn, and the report of what they
 * say.
 *
 * A measurement returns one figure a round. Its references are taken in the same round, and every round begins with the
 * next of them all, so that a machine that speeds up or slows down does it to each. */
#ifndef WEFT_TESTS_BENCH_H
#define WEFT_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BENCH_ROUNDS_MAX = 1000,
    BENCH_ENTRIES_MAX = 8,
    BENCH_FIGURES_MAX = 8,
};

typedef struct bench_opts {
    unsigned rounds;  /* 0: as many as the group finds right; so with events */
    uint64_t events;  /* a round */
    const char *only; /* cases whose name contains this; NULL: all */
    bool json;
} bench_opts;

typedef double (*bench_fn)(void *user, uint64_t events);

/* One thing that is measured; fn NULL: what it measures was missing when this was built. */
typedef struct bench_entry {
    const char *name;
    bench_fn fn;
    void *user;
} bench_entry;

/* A further figure of each entry's round, read when it is over. */
typedef struct bench_figure {
    const char *name;
    const char *unit;
    double (*read)(void *user);
} bench_figure;

typedef struct bench_case {
    const char *group;
    const char *figure; /* what the entries' functions return, where there are others; NULL: their names say it */
    const char *unit;
    uint64_t events;  /* a round, unless the options say otherwise */
    unsigned rounds;  /* unless they do; 0: 15 */
    unsigned warm_up; /* the warm-up has so many times fewer events than a round; 0: 1 */
    /* What the case is about, then its references, if any, the first of which is never missing; ends where the name is
     * NULL. What an entry cannot do it answers with NAN, in all rounds or in some. */
    bench_entry entries[BENCH_ENTRIES_MAX];
    const bench_figure *also; /* ends where the name is NULL; NULL: none */
} bench_case;

typedef struct bench_report bench_report;

/* Whether a case of this name is to be run: for those to whom preparing one is work. */
bool bench_wanted(const bench_report *report, const char *name);
/* Runs one warm-up and the rounds of a case and reports it, if it is wanted. */
void bench_run(bench_report *report, const bench_case *c);

/* Ends the program with a message: a figure that cannot be trusted must not be printed. */
_Noreturn void bench_die(const char *what);

int64_t bench_now_ns(void);

/* Each reports the cases of one group; bench_memory a part of dispatch, bench_node of scale. */
void bench_dispatch(bench_report *report);
void bench_memory(bench_report *report);
void bench_handoff(bench_report *report);
void bench_codec(bench_report *report);
void bench_bridge(bench_report *report);
void bench_latency(bench_report *report);
void bench_fanout(bench_report *report);
void bench_scale(bench_report *report);
void bench_node(bench_report *report);

#endif
