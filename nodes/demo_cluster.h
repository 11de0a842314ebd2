/* nodes/demo_cluster.h: a broker and one node process per host, on this machine, in one private directory.
 *
 * Children end with the thread that started them. Threads: one. */
#ifndef WEFT_NODES_DEMO_CLUSTER_H
#define WEFT_NODES_DEMO_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

#define DEMO_FABRIC "demo"

typedef struct demo_cluster demo_cluster;

/* Starts a broker (port 0: a free one), not yet the nodes. directory is the caller's. reason[reason_bytes] says what is
 * wrong and what to do. Returns OK, NOT_FOUND, EXISTS, IO, TIMEOUT or NO_MEMORY. */
weft_status demo_cluster_start(const char *directory, uint16_t port, demo_cluster **ret, char *reason,
                               size_t reason_bytes);
/* Ends whatever still runs, and frees. NULL is fine. */
void demo_cluster_destroy(demo_cluster *c);

const char *demo_cluster_url(const demo_cluster *c);

/* Starts the process of one more node and waits until it takes lines. Nodes are numbered from 0. */
weft_status demo_cluster_add_node(demo_cluster *c, const char *name, char *reason, size_t reason_bytes);
/* Ownership: the cluster's. */
const char *demo_cluster_socket(const demo_cluster *c, size_t node);

/* SIGSTOP: what nodes send from now on stays unacknowledged. Then SIGKILL, and the same process on the same files
 * again. */
void demo_cluster_freeze_broker(demo_cluster *c);
void demo_cluster_kill_broker(demo_cluster *c);
weft_status demo_cluster_restart_broker(demo_cluster *c, char *reason, size_t reason_bytes);
void demo_cluster_kill_node(demo_cluster *c, size_t node);
weft_status demo_cluster_restart_node(demo_cluster *c, size_t node, char *reason, size_t reason_bytes);

/* SIGTERM to all nodes: they drain and say goodbye. *ret_resent sums what they report to have sent again.
 * Returns OK, or FAILED when one of them had to leave something behind or ended badly (the reason names it). */
weft_status demo_cluster_stop_nodes(demo_cluster *c, uint64_t *ret_resent, char *reason, size_t reason_bytes);

#endif
