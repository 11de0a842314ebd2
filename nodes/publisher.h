/* nodes/publisher.h: a way into the fabric for a process of seconds: through the local node's socket, or straight to
 * the broker. What is wrong it says on stderr, with the command's name in front. Threads: one. */
#ifndef WEFT_NODES_PUBLISHER_H
#define WEFT_NODES_PUBLISHER_H

#include "nodes/broker_options.h"

typedef struct publisher publisher;

typedef struct publisher_opts {
    const char *command;     /* for messages: "pub" */
    const char *source;      /* for messages: the file that the lines are from; NULL: there is only one event */
    const char *socket_path; /* NULL: straight to the broker */
    bool socket_required;    /* false: when nobody listens there, the broker will do */
    broker_options broker;
    uint32_t timeout_ms; /* for every wait */
} publisher_opts;

/* Connects. opts must outlive it. Returns the exit status; *ret is set when that is EXIT_DONE. */
int publisher_open(const publisher_opts *opts, publisher **ret);
/* Publishes one line: an event, or {"events": […]}; NULL for one that was too long. Lines are numbered from 1, for
 * messages. Returns the exit status: EXIT_USAGE when the line is at fault, and the next may be tried. */
int publisher_send(publisher *p, const char *text, size_t length, uint64_t number);
/* Waits until the node has written, or the broker acknowledged, everything. Returns the exit status of all. */
int publisher_finish(publisher *p);
/* NULL is fine. */
void publisher_close(publisher *p);

#endif
