/* nodes/feed_server.h: takes lines from feeders over a Unix socket and from standard input.
 *
 * The protocol: JSON lines both ways, one answer a line, in order.
 *   an event (weft/json.h)                       {"ok": LINE} once the journal has it, or {"error": "…", "line": LINE}
 *   {"events": [EVENT…], "state": "…"}           the same; events and state are committed together
 *   {"feed": NAME} or {"feed": NAME, "line": N}  {"feed": NAME, "line": L, "state": "…"}: L is the feed's last line in
 *                                                the journal; the next line is N, else L + 1; up to L nothing is
 *                                                published again
 *
 * Threads: one makes all calls, but wake and stop. */
#ifndef WEFT_NODES_FEED_SERVER_H
#define WEFT_NODES_FEED_SERVER_H

#include "nodes/feed_connection.h"

enum { FEED_CONNECTIONS_MAX = 64 };

typedef struct feed_server feed_server;

typedef struct feed_server_opts {
    const char *path;    /* of the socket; NULL: none */
    bool standard_input; /* takes lines from it too; run ends when it ends */
    const feed_ops *ops;
    void *ops_user;
    void (*on_refused)(const char *feeder, uint64_t line, const char *error, void *user); /* may be NULL */
    void (*on_taken_over)(const char *feed, void *user); /* a second feeder came under that name; may be NULL */
    void *user;
} feed_server_opts;

/* Listens; run takes lines. reason[reason_bytes] says what is wrong and what to do.
 * Returns OK, EXISTS (the socket is occupied), INVALID (its path), IO or NO_MEMORY. */
weft_status feed_server_create(const feed_server_opts *opts, feed_server **ret, char *reason, size_t reason_bytes);
/* Closes everything and removes the socket file. NULL is fine. */
void feed_server_destroy(feed_server *s);

/* Serves until stop is called, or standard input has ended and is answered. Returns OK, or STOPPED when publishing says
 * so. */
weft_status feed_server_run(feed_server *s);
/* After run: takes nothing more, and answers what is published. Returns OK, or TIMEOUT. */
weft_status feed_server_finish(feed_server *s, uint32_t timeout_ms);

/* Looks at once whether answers are due, or whether to end. Threads: any, also a signal handler. */
void feed_server_wake(feed_server *s);
void feed_server_stop(feed_server *s);

typedef struct feed_server_stats {
    feed_counts counts;
    uint32_t connections;
} feed_server_stats;

void feed_server_get_stats(const feed_server *s, feed_server_stats *ret);

#endif
