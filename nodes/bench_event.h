/* nodes/bench_event.h: the events that a bench publishes, and the stamp by which its other end knows them.
 *
 * They come in rounds, a round of each session in turn, in which what begins also ends, with an id of its own. The
 * stamp is one attribute: the host's mark, the event's number among those of its topic, and when it was due. */
#ifndef WEFT_NODES_BENCH_EVENT_H
#define WEFT_NODES_BENCH_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/event.h"

#define BENCH_ATTRIBUTE     "bench"
#define BENCH_PAD_ATTRIBUTE "pad"

enum {
    BENCH_STAMP_BYTES = 8 + 1 + 12 + 1 + 16 + 1,
    BENCH_SESSIONS_MAX = 100000,
    BENCH_SIZE_MAX = 65536,
};

typedef struct bench_stamp {
    uint32_t host;   /* see bench_host */
    uint64_t number; /* below 2^48 */
    int64_t due_ns;  /* of CLOCK_MONOTONIC of that host */
} bench_stamp;

/* A mark of this host's present boot, whose processes share CLOCK_MONOTONIC; 0: not known. Threads: any. */
uint32_t bench_host(void);

void bench_stamp_write(const bench_stamp *stamp, char out[BENCH_STAMP_BYTES]);
/* Returns false if the event carries none. Threads: any. */
bool bench_stamp_read(const weft_event *event, bench_stamp *ret);

typedef struct bench_maker bench_maker;

typedef struct bench_maker_opts {
    uint32_t topics;    /* mask of durable ones; 0: all of these mixed */
    uint32_t sessions;  /* 1 to BENCH_SESSIONS_MAX */
    uint32_t size;      /* encoded, at least; smaller events are padded. 0: as they are. At most BENCH_SIZE_MAX */
    uint32_t flags;     /* WEFT_FLAG_* of each event */
    const char *prefix; /* of the sessions' ids; short */
} bench_maker_opts;

/* Returns OK or NO_MEMORY. */
weft_status bench_maker_create(const bench_maker_opts *opts, bench_maker **ret);
/* NULL is fine. */
void bench_maker_destroy(bench_maker *m);
/* The next event, with its stamp; the same one until it is taken. Ownership: the maker's, until the next call. */
const weft_event *bench_maker_next(bench_maker *m, int64_t due_ns);
/* It has been published: the next call makes the one after it. */
void bench_maker_taken(bench_maker *m);

#endif
