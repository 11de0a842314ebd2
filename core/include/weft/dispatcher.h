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
    WEFT_OVERFLOW_DROP_OLDEST, /* the oldest of the lowest priority, be it the new event itself */
    WEFT_OVERFLOW_DROP_NEWEST,
    WEFT_OVERFLOW_BLOCK, /* the publisher waits up to block_ms, then the newest is dropped; at once if nobody could make
                          * room: a handler for its own mailbox, or a worker while all the others wait already */
    WEFT_OVERFLOW_DEAD_LETTER, /* the newest becomes a dead letter (weft/dead_letter.h) */
} weft_overflow;

typedef struct weft_subscribe_opts {
    const char *name;       /* shown in statistics, at most 63 bytes; copied */
    bool queued;            /* false: inline on the publisher's thread */
    bool once;              /* ends with the first event handed to it */
    bool paused;            /* begins paused */
    uint32_t concurrency;   /* of a queued one: handlers that may run at once, beyond 1 in no order; 0: 1 */
    uint32_t attempts;      /* handler calls that an event gets while they fail, one right after the other; 0: 1. The
                             * last failure makes a dead letter of it */
    uint32_t failures_max;  /* events failed in a row after which the subscription is suspended: events for it become
                             * dead letters until it is resumed; 0: never */
    uint32_t queue_max;     /* events waiting in the mailbox; 0: 1,024. A worker takes up to 64 of them at a time */
    weft_overflow overflow; /* what a full mailbox does */
    uint32_t block_ms;      /* for WEFT_OVERFLOW_BLOCK; 0: 1,000 */
    weft_lost_fn on_lost;   /* called on a delivering thread with the handler's user pointer; may be NULL */
} weft_subscribe_opts;

/* Told of a handler that has been running for stall_ms, once for that call, unless its subscription has ended (as a
 * one-shot has when it is called): on a thread of the dispatcher's own, which may take its time but must not stop or
 * destroy the dispatcher. */
typedef void (*weft_stalled_fn)(weft_subscription subscription, const char *name, void *user);

typedef struct weft_dispatcher_opts {
    const weft_clock *clock;    /* NULL: the system's */
    uint32_t workers;           /* threads for queued handlers, at most 256, started with the first queued subscription;
                                 * 0: 2 */
    uint32_t history_max;       /* events kept for weft_history_find, but for best-effort ones; 0: none */
    uint32_t dead_letters_max;  /* 0: 1,000 */
    bool always_validate;       /* also what only inline handlers take; see weft_publish */
    uint32_t stall_ms;          /* a handler call longer than this is stalled, in real time; 0: nobody looks */
    weft_stalled_fn on_stalled; /* may be NULL: stalled calls are counted only */
    void *stalled_user;
} weft_dispatcher_opts;

/* Creates a started dispatcher. opts may be NULL. Ownership: destroy it. Returns OK, INVALID or NO_MEMORY. */
weft_status weft_dispatcher_create(const weft_dispatcher_opts *opts, weft_dispatcher **ret);

/* Refuses new events from now on, then delivers what mailboxes hold until timeout_ms have passed; what is left, and
 * what waits for paused subscriptions, is dropped and counted, and its number stored in ret_undelivered (may be NULL).
 * Blocks: up to timeout_ms plus the running handlers. Not from a handler (INVALID). Returns OK, also if stopped
 * already, or TIMEOUT: something was dropped. */
weft_status weft_dispatcher_stop(weft_dispatcher *d, uint32_t timeout_ms, uint64_t *ret_undelivered);

/* The dispatcher that all of a process may share: made with default options at the first call, never destroyed. Returns
 * NULL when memory is out. */
weft_dispatcher *weft_dispatcher_default(void);

/* Forgets history, dead letters and statistics; subscriptions, and what waits in mailboxes, stay. For tests: counts of
 * events under way may land on either side. */
void weft_dispatcher_reset(weft_dispatcher *d);

/* Accepts events again after a stop. Returns OK, or STOPPED while a stop is still under way. */
weft_status weft_dispatcher_start(weft_dispatcher *d);

/* Stops at once if still running and frees everything; NULL is fine. Nobody else may be using the dispatcher.
 * Blocks until running handlers have returned. */
void weft_dispatcher_destroy(weft_dispatcher *d);

enum { WEFT_PUBLISH_DEPTH_MAX = 64 }; /* publishes inside one another on one thread, by handlers that publish */

/* Publishes an event made in this process: takes a token of each rate limit, leads it through the interceptors, lets an
 * attached bridge take it, fills the history and mailboxes, then runs inline handlers in the order of their
 * subscribing. A handler may publish, also what it handles itself: its event comes behind this one in every mailbox,
 * but inline handlers see it at once.
 *
 * An event that anything keeps, alters or limits (bridge, interceptor, history, the mailbox of a subscription that
 * wants its type, rate limits) is validated as weft_event_validate does before anybody sees it, and its times are set:
 * accepted_ms, and timestamp_ms if that is 0. An event that nobody but inline handlers takes is theirs as it is, as if
 * they had been called: of it only the type is checked, and timestamp_ms set if it is 0; a handler that keeps it gets
 * accepted_ms set in the copy. With always_validate it is validated all the same. Without bridge, history and time to
 * live the times are those of the kernel's last tick, at most 4 ms ago on common systems.
 *
 * Takes no lock, no allocation and no system call while all takers are inline, but for a thread's first publish, every
 * 1,024th call of a handler, which is timed, and handlers that fail.
 * Blocks: for inline handlers, and for full mailboxes of subscriptions that ask for it.
 * Returns OK; INVALID, TOO_LARGE, TOO_DEEP or MALFORMED (the event is at fault; nobody saw it); RATE_LIMITED; NESTED
 * (WEFT_PUBLISH_DEPTH_MAX publishes of this thread are under way); STOPPED; FULL or NO_SPACE (the bridge cannot take it
 * now; nobody saw it); what an interceptor refused it with; NO_MEMORY. */
weft_status weft_publish(weft_dispatcher *d, const weft_event *event);
/* The same; ret_field, if not NULL, gets the name of the field that an event was refused for, else NULL. Static. */
weft_status weft_publish_checked(weft_dispatcher *d, const weft_event *event, const char **ret_field);

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

/* Pauses: no handler begins any more; a queued subscription's events wait in its mailbox, within its bound, an inline
 * one's are passed over and counted. Resuming also lifts a suspension. Handlers that run already go on. Returns OK or
 * NOT_FOUND. */
weft_status weft_subscription_pause(weft_dispatcher *d, weft_subscription subscription);
weft_status weft_subscription_resume(weft_dispatcher *d, weft_subscription subscription);

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
    uint64_t refused_bridge;      /* publish said FULL or NO_SPACE */
    uint64_t refused_rate;        /* publish said RATE_LIMITED */
    uint64_t refused_nested;      /* publish said NESTED */
    uint64_t refused_memory;      /* publish said NO_MEMORY */
    uint64_t refused_interceptor; /* publish said what an interceptor did */
    uint64_t dropped_interceptor;
    uint64_t split;          /* events that interceptors split off; published too */
    uint64_t handled;        /* handler calls that returned OK */
    uint64_t handler_errors; /* and that did not */
    uint64_t handler_stalls; /* and that took longer than stall_ms */
    uint64_t dropped_overflow;
    uint64_t dropped_unsubscribed;
    uint64_t dropped_stopped;
    uint64_t skipped_paused; /* events for a paused inline subscription */
    uint64_t dead_letters;   /* made */
    uint64_t dead_letters_displaced;
    uint64_t late_replies;
    uint64_t expired;   /* past their time to live, not delivered */
    uint64_t unmatched; /* events nobody wanted */
    uint64_t by_type[WEFT_EVENT_TYPE_COUNT];
    uint32_t subscriptions;
} weft_dispatcher_stats;

void weft_dispatcher_get_stats(weft_dispatcher *d, weft_dispatcher_stats *ret);

typedef struct weft_subscription_stats {
    char name[64];
    bool queued;
    bool paused;
    bool suspended;
    uint64_t handled;
    uint64_t errors;
    uint64_t dropped_overflow;
    uint64_t skipped_paused;
    uint64_t dead_letters;
    uint64_t expired;
    uint64_t stalls;
    uint32_t queue_depth;
    uint32_t queue_max;
    uint32_t running; /* handlers running now */
    weft_event_type last_type;
    int64_t last_event_ms; /* timestamp_ms of an event that came lately, newest of each thread's last; 0: none yet */
    uint64_t handler_ns;   /* total of the timed calls: on each thread the first and every 1,024th, inline of each event
                              type */
    uint64_t handler_timed;
} weft_subscription_stats;

/* Lists the subscriptions, in the order of subscribing from the one after `after` on (zeroed: all).
 * Returns the number stored in ret[0..max). */
size_t weft_subscription_list(weft_dispatcher *d, weft_subscription after, weft_subscription *ret, size_t max);

/* Returns OK or NOT_FOUND. */
weft_status weft_subscription_get_stats(weft_dispatcher *d, weft_subscription subscription,
                                        weft_subscription_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
