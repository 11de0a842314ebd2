/* nodes/demo_feed.h: reads transcripts and feeds each event to the node that owns its session, as JSON lines on that
 * node's socket. Threads: one, but progress. */
#ifndef WEFT_NODES_DEMO_FEED_H
#define WEFT_NODES_DEMO_FEED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/demo_cluster.h"
#include "nodes/ownership.h"
#include "nodes/prices.h"

/* How fast. */
typedef enum demo_pace {
    DEMO_PACE_SHOW, /* the whole input in SHOW_SECONDS */
    DEMO_PACE_MAX,
    DEMO_PACE_TIMES, /* `times` as fast as it happened */
} demo_pace;

enum { DEMO_SHOW_SECONDS = 20 };

typedef struct demo_feed_opts {
    const char *const *files;
    size_t file_count;
    const ownership *owners;
    const char *const *nodes; /* their order is the cluster's */
    size_t node_count;
    const demo_cluster *cluster;
    prices *prices;
    uint64_t lines; /* in all files, for pace and progress */
    demo_pace pace;
    double times;
    /* Called before each line; anything but WEFT_OK ends the feed. May be NULL. */
    weft_status (*before_line)(uint64_t line, void *user);
    void *user;
} demo_feed_opts;

typedef struct demo_feed demo_feed;

/* Connects to all nodes. reason says what is wrong. Returns OK, UNREACHABLE, REFUSED or NO_MEMORY. */
weft_status demo_feed_create(const demo_feed_opts *opts, demo_feed **ret, char *reason, size_t reason_bytes);
void demo_feed_destroy(demo_feed *f);

/* Feeds everything and waits until the nodes have it all in their journals. Blocks. Problems of single lines go to
 * stderr. Returns OK, IO, UNREACHABLE, or what before_line said. */
weft_status demo_feed_run(demo_feed *f, char *reason, size_t reason_bytes);

/* Lines read so far. Threads: any. */
uint64_t demo_feed_progress(const demo_feed *f);
/* Events that the nodes have taken. */
uint64_t demo_feed_events(const demo_feed *f);
/* The node that has got most of them so far. */
size_t demo_feed_busiest(const demo_feed *f);

#endif
