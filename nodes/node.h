/* nodes/node.h: the daemon: a dispatcher, a bridge with a journal, and a socket that takes lines. One per process (it
 * handles the process's signals). */
#ifndef WEFT_NODES_NODE_H
#define WEFT_NODES_NODE_H

#include "nodes/broker_options.h"

typedef struct node_opts {
    broker_options broker;
    const char *node;
    const char *journal_path;
    weft_bridge_opts journal; /* only what journal_options_read writes */
    const char *socket_path;
    bool standard_input; /* takes lines from it too, and ends with it */
    bool print;          /* every event that passes, one line each, on standard output */
    uint32_t drain_ms;   /* how long a stop waits for the broker */
    /* Called once lines are taken; may be NULL. */
    void (*on_ready)(const struct node_opts *opts);
    /* Called with the final figures once the node has stopped; may be NULL. */
    void (*on_stopped)(const weft_bridge_stats *stats);
} node_opts;

/* Runs until SIGTERM or SIGINT, node_stop, or the end of standard input; a second signal ends the process at once.
 * Logs what it does, and what is wrong. Returns the exit status. */
int node_run(const node_opts *opts);
/* Ends node_run as a signal does. Threads: any. */
void node_stop(void);

#endif
