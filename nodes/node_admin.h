/* nodes/node_admin.h: looking at the nodes of a fabric, and forgetting one: `weft node ls` and `weft node forget`. Both
 * only listen, for a few seconds: who is up says so every 5. Threads: the caller's. */
#ifndef WEFT_NODES_NODE_ADMIN_H
#define WEFT_NODES_NODE_ADMIN_H

#include "nodes/broker_options.h"

/* Prints a table of the nodes, or JSON, an object a line. Waits up to wait_ms for a beat of each that is up. Returns an
 * exit status. */
int node_admin_list(const broker_options *broker, int64_t wait_ms, bool json);

/* Clears what a node left retained. Refuses if it is up, unless by force. Says what it did. Returns an exit status. */
int node_admin_forget(const broker_options *broker, const char *node, bool force);

#endif
