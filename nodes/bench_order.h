/* nodes/bench_order.h: holds the numbers that the events of a bench carry against what has arrived: each once, in
 * order.
 *
 * A stream is one topic of one life of one node; its publisher numbers the events of it from 1. What was published
 * before the first one heard is not missed. Threads: one. */
#ifndef WEFT_NODES_BENCH_ORDER_H
#define WEFT_NODES_BENCH_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/event.h"
#include "weft/wire.h"

enum {
    BENCH_STREAMS_MAX = 4096,
    BENCH_HOLES_MAX = 1024, /* of each stream */
};

typedef struct bench_hole {
    uint64_t from, to; /* both included */
} bench_hole;

typedef struct bench_stream {
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
    uint64_t first;
    uint64_t last;
    bench_hole *holes; /* rising; made with the first one */
    size_t hole_count;
} bench_stream;

typedef struct bench_order {
    bench_stream *streams;
    size_t stream_count;
    size_t at;           /* the stream of the last event */
    uint64_t healed;     /* came late, and flagged as replayed */
    uint64_t disordered; /* came late, and not flagged */
    uint64_t duplicates; /* came more than once */
    uint64_t unchecked;  /* beyond the bounds above, or without memory: nothing is known of these */
    uint64_t forgotten;  /* missing numbers of holes beyond the bound */
} bench_order;

/* Takes the next event, which carries this number, from 1. */
void bench_order_take(bench_order *o, const weft_event *event, uint64_t number);
/* How many between the first and the last of each stream have not come. */
uint64_t bench_order_missing(const bench_order *o);
void bench_order_fini(bench_order *o);

#endif
