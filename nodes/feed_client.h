/* nodes/feed_client.h: the feeder's side of a node's socket: sends lines, takes the answers, comes back after a loss.
 *
 * Lines that the node has not answered are kept, at most a window of them. With a feed name they are sent again over a
 * new connection, and the node publishes none twice. Without one a lost connection ends the client.
 *
 * Threads: one. Every call may block as said; a signal that sets *stop ends the wait with STOPPED. */
#ifndef WEFT_NODES_FEED_CLIENT_H
#define WEFT_NODES_FEED_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/feed_limits.h"
#include "weft/status.h"

typedef struct feed_client feed_client;

typedef struct feed_client_opts {
    const char *path;      /* of the socket */
    const char *feed;      /* NULL: lines are numbered in the connection, and not repeated after a loss */
    size_t window;         /* lines without an answer; 0: 1,024 */
    uint32_t connect_ms;   /* how long connect tries; 0: once */
    uint32_t reconnect_ms; /* how long a lost node is tried again; 0: 30,000 */
    uint32_t room_ms;      /* how long send waits for room in the window; 0: until there is some */
    void (*on_refused)(uint64_t line, const char *text, void *user); /* the node skipped a line; may be NULL */
    void (*on_reconnect)(void *user);                                /* may be NULL */
    void *user;
    const volatile sig_atomic_t *stop; /* may be NULL */
} feed_client_opts;

/* Strings are copied. Ownership: destroy it. Returns OK or NO_MEMORY. */
weft_status feed_client_create(const feed_client_opts *opts, feed_client **ret);
/* Closes without waiting for answers. NULL is fine. */
void feed_client_destroy(feed_client *c);

/* Connects and greets. Returns OK, UNREACHABLE, REFUSED (the greeting), STOPPED or NO_MEMORY; feed_client_error says
 * more. */
weft_status feed_client_connect(feed_client *c);
/* What the greeting was answered: the last line of this feed that the node has, 0 if none, and the state committed
 * with it, NULL if none. Ownership: the client's. */
uint64_t feed_client_position(const feed_client *c, const char **ret_state);

/* Sends one line (no newline in it); ret_line, if not NULL, gets its number. Blocks while the window is full.
 * Returns OK, TIMEOUT (see room_ms), TOO_LARGE, UNREACHABLE, MALFORMED (the peer is no node), STOPPED or NO_MEMORY. */
weft_status feed_client_send(feed_client *c, const char *line, size_t length, uint64_t *ret_line);
/* Takes answers for up to timeout_ms, or until there is nothing left to wait for. Returns OK, or as send. */
weft_status feed_client_poll(feed_client *c, uint32_t timeout_ms);
/* Waits until every line is answered. Returns OK, TIMEOUT, or as send. */
weft_status feed_client_flush(feed_client *c, uint32_t timeout_ms);

typedef struct feed_client_stats {
    uint64_t next_line;  /* the number that the next line gets */
    uint64_t answered;   /* ok or refused */
    uint64_t refused;    /* skipped by the node */
    uint64_t resent;     /* lines sent again after a loss */
    uint64_t reconnects; /* connections after the first */
    size_t unanswered;
} feed_client_stats;

void feed_client_get_stats(const feed_client *c, feed_client_stats *ret);

/* What went wrong last, with the address and what to do; "" if nothing. */
const char *feed_client_error(const feed_client *c);

#endif
