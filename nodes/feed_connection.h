/* nodes/feed_connection.h: one feeder of a node: its lines, their publishing, its answers.
 *
 * Threads: one, the server's. */
#ifndef WEFT_NODES_FEED_CONNECTION_H
#define WEFT_NODES_FEED_CONNECTION_H

#include "weft/bridge.h"

/* What the server does with events; weft_bridge_* in a node, a fake in tests. Semantics as there. */
typedef struct feed_ops {
    weft_status (*publish_group)(void *user, const weft_event *const *events, size_t count, const weft_feed_mark *mark,
                                 uint64_t *ret_receipt, size_t *ret_index);
    uint64_t (*written)(void *user);
    weft_status (*feed)(void *user, const char *feed, uint64_t *ret_line, char **ret_state, size_t *ret_state_bytes);
} feed_ops;

typedef struct feed_counts {
    uint64_t lines;      /* taken, greetings not counted */
    uint64_t events;     /* published */
    uint64_t refused;    /* lines skipped with an error */
    uint64_t duplicates; /* lines that a feed repeated */
} feed_counts;

typedef struct feed_connection feed_connection;

/* What all connections of a server share. */
typedef struct feed_context {
    const feed_ops *ops;
    void *ops_user;
    uint64_t last_receipt; /* of everything published so far */
    bool stopped;          /* the bridge takes nothing more for good */
    feed_counts counts;
    void (*on_refused)(const char *feeder, uint64_t line, const char *error, void *user);
    void (*on_claim)(const char *feed, const feed_connection *by, void *user); /* a greeting: nobody else may feed it */
    void *user;
} feed_context;

/* output is -1 for a feeder that reads no answers. name is for messages and must outlive the connection; both
 * descriptors are closed by destroy. Returns NULL when memory is out. */
feed_connection *feed_connection_create(feed_context *context, int input, int output, const char *name);
void feed_connection_destroy(feed_connection *c);

/* What to poll the descriptors for; 0: leave it out of the poll. */
short feed_connection_input_events(feed_connection *c);
short feed_connection_output_events(const feed_connection *c);
int feed_connection_input(const feed_connection *c);
int feed_connection_output(const feed_connection *c);

/* Reads once; call it when the input is ready. */
void feed_connection_read(feed_connection *c);
/* Parses, publishes and answers as far as it gets without waiting. */
void feed_connection_pump(feed_connection *c);

/* Whether a publish was refused for want of room: pump it again soon. */
bool feed_connection_is_blocked(const feed_connection *c);
/* Takes no more lines; what is published is still answered. */
void feed_connection_stop(feed_connection *c);
/* Takes no more lines and gives no more answers. */
void feed_connection_abandon(feed_connection *c);
/* Whether nothing will happen here any more. */
bool feed_connection_is_done(const feed_connection *c);
/* NULL before a greeting. */
const char *feed_connection_feed(const feed_connection *c);

#endif
