/* nodes/bench_source.h: one publishing node of a bench: a bridge, and a thread that publishes at it by a schedule.
 *
 * Open loop: an event that the bridge does not take yet (backpressure) is tried again until it does, and those behind
 * it fall behind their times, which stay what they were. */
#ifndef WEFT_NODES_BENCH_SOURCE_H
#define WEFT_NODES_BENCH_SOURCE_H

#include <pthread.h>

#include "nodes/bench.h"
#include "nodes/bench_event.h"
#include "nodes/bench_schedule.h"
#include "nodes/histogram.h"

typedef struct bench_source {
    bench_bridge side;
    bench_maker *maker;      /* source thread; so all without another mark */
    bench_schedule schedule; /* const after start */
    uint64_t wanted;         /* const after start; events */
    int64_t end_ns;          /* const after start; none is due from then on */
    atomic_bool *stop;       /* somebody else's: end early */
    pthread_t thread;
    bool started;
    atomic_uint_fast64_t accepted; /* any thread */
    atomic_bool done;              /* any thread */
    uint64_t held_back;            /* events that backpressure refused at first; all below: read when it has ended */
    int64_t held_back_ns;
    int64_t ended_ns;
    histogram late_ns; /* behind the schedule, when first tried */
    weft_status failed;
} bench_source;

/* Starts publishing. Ownership: side must be open, and the maker there. Returns false if there is no thread. */
bool bench_source_start(bench_source *s);
/* Waits for the end; fine if it was never started. */
void bench_source_join(bench_source *s);

#endif
