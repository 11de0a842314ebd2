/* weft/dispatcher.h: routes the events of one process to the subscriptions that want them.
 *
 * Contract for all calls here, unless one says otherwise: any thread may call them, also from inside a handler; none
 * blocks but the ones that say so. Events are borrowed for the call. */
#ifndef WEFT_DISPATCHER_H
#define WEFT_DISPATCHER_H

#include "weft/clock.h"
#include "weft/event.h"
#include "weft/filter.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_dispatcher weft_dispatcher;

/* A zeroed handle names no subscription; a stale one is harmless: ids are never used again. */
typedef struct weft_subscription {
    uint64_t id;
} weft_subscription;

/* Handles one event; anything but WEFT_OK counts as a failure of this subscription alone. The event is valid until the
 * handler returns; keep it with weft_event_keep. Must not call weft_dispatcher_stop or _destroy. */
typedef weft_status (*weft_handler_fn)(const weft_event *event, void *user);

typedef enum weft_lost_reason {
    WEFT_LOST_UNSPECIFIED,
    WEFT_LOST_RETENTION,   /* older than what the publisher's journal keeps */
    WEFT_LOST_OVERFLOW,    /* a bound was hit: of the publisher, or (node NULL) of this subscription's own mailbox */
    WEFT_LOST_TOO_LARGE,   /* over the limit of the transport */
    WEFT_LOST_CORRUPT,     /* the publisher's journal is damaged there */
    WEFT_LOST_UNREACHABLE, /* nobody answered for it */
} weft_lost_reason;

/* Events that this subscription will not get. from_seq..to_seq of the stream (node, epoch, topic), both included. */
typedef struct weft_lost {
    const char *node;
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq;
    uint64_t to_seq;
    uint64_t count; /* 0: not known */
    weft_lost_reason reason;
} weft_lost;

/* "retention", "overflow" … total. */
const char *weft_lost_reason_name(weft_lost_reason reason);

typedef void (*weft_lost_fn)(const weft_lost *lost, void *user);

typedef enum weft_overflow {
    WEFT_OVERFLOW_DROP_OLDEST,
    WEFT_OVERFLOW_DROP_NEWEST,
    WEFT_OVERFLOW_BLOCK, /* the publisher waits up to block_ms, then the newest is dropped; at once if nobody could make
                          * room: a handler for its own mailbox, or a worker while all the others wait already */
} weft_overflow;

typedef struct weft_subscribe_opts {
    const char *name;       /* shown in statistics; copied */
    bool queued;            /* false: inline on the publisher's thread */
    uint32_t queue_max;     /* events in the mailbox; 0: 1,024 */
    weft_overflow overflow; /* what a full mailbox does */
    uint32_t block_ms;      /* for WEFT_OVERFLOW_BLOCK; 0: 1,000 */
    weft_lost_fn on_lost;   /* called on a delivering thread with the handler's user pointer; may be NULL */
} weft_subscribe_opts;

typedef struct weft_dispatcher_opts {
    const weft_clock *clock; /* NULL: the system's */
    uint32_t workers;        /* threads for queued handlers, at most 256, started with the first queued subscription;
                              * 0: 2 */
    uint32_t history_max;    /* events kept for weft_history_query; 0: none */
} weft_dispatcher_opts;

/* Creates a started dispatcher. opts may be NULL. Ownership: destroy it. Returns OK, INVALID or NO_MEMORY. */
weft_status weft_dispatcher_create(const weft_dispatcher_opts *opts, weft_dispatcher **ret);

/* Refuses new events from now on, then delivers what mailboxes hold until timeout_ms have passed; what is left is
 * dropped and counted, and its number stored in ret_undelivered (may be NULL). Blocks: up to timeout_ms plus the
 * running handlers. Not from a handler (INVALID). Returns OK, also if stopped already, or TIMEOUT: something was
 * dropped. */
weft_status weft_dispatcher_stop(weft_dispatcher *d, uint32_t timeout_ms, uint64_t *ret_undelivered);

/* Accepts events again after a stop. Returns OK, or STOPPED while a stop is still under way. */
weft_status weft_dispatcher_start(weft_dispatcher *d);

/* Stops at once if still running and frees everything; NULL is fine. Nobody else may be using the dispatcher.
 * Blocks until running handlers have returned. */
void weft_dispatcher_destroy(weft_dispatcher *d);

/* Publishes an event made in this process: validates it, sets accepted_ms (and timestamp_ms if 0), lets an attached
 * bridge take it, fills the history and mailboxes, then runs inline handlers in the order of their subscribing. A
 * handler may publish: its event comes behind this one in every mailbox, but inline handlers see it at once.
 * Blocks: for inline handlers, and for full mailboxes of subscriptions that ask for it.
 * Returns OK; INVALID, TOO_LARGE, TOO_DEEP or MALFORMED (the event is at fault; nobody saw it); STOPPED; FULL or
 * NO_SPACE (the bridge cannot take it now; nobody saw it); NO_MEMORY. */
weft_status weft_publish(weft_dispatcher *d, const weft_event *event);

/* Subscribes with default options (inline). filter may be NULL (all events), ret too (never unsubscribed); handler and
 * user are the caller's until unsubscribe returns. An inline handler may run on several publishing threads at once, a
 * queued one never does. Returns OK, INVALID, NO_MEMORY or FULL (65,536 subscriptions, or no thread to be had). */
weft_status weft_subscribe(weft_dispatcher *d, const weft_filter *filter, weft_handler_fn handler, void *user,
                           weft_subscription *ret);
weft_status weft_subscribe_with(weft_dispatcher *d, const weft_filter *filter, const weft_subscribe_opts *opts,
                                weft_handler_fn handler, void *user, weft_subscription *ret);

/* Ends a subscription. When it returns, no handler of it runs any more, and none will; called from inside that very
 * handler it returns at once, and the handler is not called again. Events still in its mailbox are dropped, counted.
 * Blocks while another thread runs the handler, its predicate or on_lost; also for an id that has ended before. If that
 * thread in turn waits, directly or over others, for the handler that this call is made from (two handlers that
 * unsubscribe each other), the later call returns at once: both handlers run to their end once, and are not called
 * again. Returns OK, or NOT_FOUND for a stale or zero id. */
weft_status weft_unsubscribe(weft_dispatcher *d, weft_subscription subscription);

/* ---- history ---- */

typedef struct weft_history_query {
    weft_filter filter;
    int64_t since_ms; /* accepted_ms at least this; 0: all */
    size_t limit;     /* 0: all that fit the array */
} weft_history_query;

/* Finds kept events, newest first. Ownership: each returned event is a reference; release it. query may be NULL.
 * Returns the number stored in events[0..max). */
size_t weft_history_find(weft_dispatcher *d, const weft_history_query *query, const weft_event **events, size_t max);
void weft_history_clear(weft_dispatcher *d);

/* ---- statistics ---- */

typedef struct weft_dispatcher_stats {
    uint64_t published;        /* local events accepted */
    uint64_t delivered_remote; /* events brought by a bridge */
    uint64_t refused_invalid;  /* publish said INVALID, TOO_LARGE, TOO_DEEP or MALFORMED */
    uint64_t refused_stopped;
    uint64_t refused_bridge; /* publish said FULL or NO_SPACE */
    uint64_t handled;        /* handler calls that returned OK */
    uint64_t handler_errors;
    uint64_t dropped_overflow;
    uint64_t dropped_unsubscribed;
    uint64_t dropped_stopped;
    uint64_t expired;   /* past their time to live, not delivered */
    uint64_t unmatched; /* events nobody wanted */
    uint64_t by_type[WEFT_EVENT_TYPE_COUNT];
    uint32_t subscriptions;
} weft_dispatcher_stats;

void weft_dispatcher_get_stats(weft_dispatcher *d, weft_dispatcher_stats *ret);

typedef struct weft_subscription_stats {
    char name[64];
    bool queued;
    uint64_t handled;
    uint64_t errors;
    uint64_t dropped_overflow;
    uint64_t expired;
    uint32_t queue_depth;
    uint32_t queue_max;
    weft_event_type last_type;
    int64_t last_event_ms; /* accepted_ms of the newest event handled; 0: none yet */
    uint64_t handler_ns;   /* total of the timed calls: all of a queued subscription, 1 in 1,024 of an inline one */
    uint64_t handler_timed;
} weft_subscription_stats;

/* Returns OK or NOT_FOUND. */
weft_status weft_subscription_get_stats(weft_dispatcher *d, weft_subscription subscription,
                                        weft_subscription_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
