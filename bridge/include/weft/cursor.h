/* weft/cursor.h: durable subscriptions: a named place in the events of the whole fabric that survives restarts.
 *
 * A cursor remembers, in a database of its own, how far it has come in every stream. When it is opened again it asks
 * the publishers' journals for what it missed meanwhile; what their retention has taken by then is told as lost. The
 * own events of the node are among those it sees.
 *
 * An event counts as handled once its handler has returned WEFT_OK. Handlers run one at a time, in order within a
 * stream (events that were healed late carry WEFT_FLAG_REPLAYED and stand outside it); the place is stored after a
 * round of them. So after a crash the events of the last round come again: a handler that must not do a thing twice
 * looks at the event's id, or keeps its effects where weft/recorder.h keeps them, in the transaction that stores the
 * place.
 *
 * A cursor that is slow or stuck hurts nobody: its queue is bounded, what does not fit is dropped, counted, and asked
 * for again. */
#ifndef WEFT_CURSOR_H
#define WEFT_CURSOR_H

#include "weft/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_CURSORS_MAX = 15 }; /* of one bridge */

typedef struct weft_cursor weft_cursor;

typedef struct weft_cursor_opts {
    const char *name; /* the place's, at most WEFT_NAME_MAX_BYTES of [a-z0-9_.-] */
    const char *path; /* of its database, for this cursor alone; NULL: in memory, gone with the process */
    uint32_t topics;  /* durable ones; 0: all of them */
    int64_t since_ms; /* where a new cursor begins: with what was accepted then (wall clock); 0: now */
    weft_handler_fn on_event;
    weft_lost_fn on_lost; /* may be NULL */
    /* An event whose attempts have all failed, and with what; the cursor goes on behind it. May be NULL. */
    void (*on_dead)(const weft_event *event, weft_status status, void *user);
    uint32_t attempts;   /* a failing event gets so many; 0: 5 */
    uint32_t backoff_ms; /* before the second one, twice that before the third …; 0: 200 */
    void *user;
} weft_cursor_opts;

/* Opens or goes on. Ownership: close it before the bridge is destroyed; strings are copied. Handlers run on a thread of
 * the cursor's. reason, if not NULL, gets a text on failure, static or the thread's.
 * Returns OK, INVALID (an option; the reason names it), EXISTS (open elsewhere), FULL (WEFT_CURSORS_MAX), UNSUPPORTED
 * (a newer version's file), CORRUPT, IO, NO_SPACE or NO_MEMORY. */
weft_status weft_cursor_open(weft_bridge *b, const weft_cursor_opts *opts, weft_cursor **ret, const char **reason);
/* Waits for the running handler, stores the place and frees. What the handler was failing on comes again. NULL is fine.
 * Not from a handler. */
void weft_cursor_close(weft_cursor *c);

typedef struct weft_cursor_stats {
    int64_t since_ms;     /* where it began when it was new */
    uint64_t handled;     /* events, by this life */
    uint64_t failures;    /* handler calls that did not return WEFT_OK */
    uint64_t dead;        /* events given up after their attempts */
    uint64_t expired;     /* events whose time to live was over; not handled */
    uint64_t lost_ranges; /* told to on_lost */
    uint64_t duplicates;
    uint64_t healed;
    uint64_t dropped; /* whole messages, because it was behind; healed later */
    uint64_t stored;  /* how often the place was */
    uint32_t open_gaps;
    weft_status
        store_status; /* why the place cannot be stored at the moment; it goes on trying, and handles nothing new */
} weft_cursor_stats;
void weft_cursor_get_stats(weft_cursor *c, weft_cursor_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
