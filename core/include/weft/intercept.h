/* weft/intercept.h: interceptors, which an event published here passes in order before anybody else sees it.
 *
 * An interceptor may enrich or redact the event, drop it, refuse it, or split more events off it. It runs on the
 * publisher's thread, before validation for keeping, bridge, history and subscriptions; events that a bridge brings
 * passed those of their own host. With an interceptor attached every event is validated before the first sees it and
 * again after the last. */
#ifndef WEFT_INTERCEPT_H
#define WEFT_INTERCEPT_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    WEFT_INTERCEPTORS_MAX = 64,
    WEFT_SPLIT_MAX = 64, /* events split off one publish */
};

/* A zeroed handle names no interceptor; a stale one is harmless. */
typedef struct weft_interceptor {
    uint64_t id;
} weft_interceptor;

/* One event on its way through the interceptors; valid for the call. */
typedef struct weft_stage weft_stage;

/* Sees one event, its times set, and may change everything in it but its keeper; accepted_ms is set back afterwards.
 * What it puts in must be static, the event's own, or made with weft_stage_copy. Must not publish or block for long.
 * Returns OK: the event goes on; DROPPED: it ends here, counted, and weft_publish still returns OK; anything else:
 * weft_publish refuses the event, and what was split off it, with that status. */
typedef weft_status (*weft_intercept_fn)(weft_event *event, weft_stage *stage, void *user);

typedef struct weft_interceptor_opts {
    const char *name; /* copied; at most 63 bytes */
    int32_t order;    /* lower ones first; equal ones in the order of attaching */
    uint32_t topics;  /* mask of WEFT_TOPIC_*; 0: all */
} weft_interceptor_opts;

typedef struct weft_interceptor_stats {
    char name[64];
    int32_t order;
    uint64_t seen;
    uint64_t passed;
    uint64_t dropped;
    uint64_t refused;
    uint64_t split; /* events it split off */
} weft_interceptor_stats;

/* Attaches; opts may be NULL. user is the caller's until weft_interceptor_remove returns. Publishes that have begun
 * pass it or not. Returns OK, INVALID, FULL or NO_MEMORY. */
weft_status weft_intercept(weft_dispatcher *d, const weft_interceptor_opts *opts, weft_intercept_fn intercept,
                           void *user, weft_interceptor *ret);

/* Removes. When it returns, no call of it runs any more, and none will; called from inside the interceptor itself it
 * returns at once. Blocks while one runs on another thread. Returns OK or NOT_FOUND. */
weft_status weft_interceptor_remove(weft_dispatcher *d, weft_interceptor interceptor);

/* Returns OK or NOT_FOUND. */
weft_status weft_interceptor_get_stats(weft_dispatcher *d, weft_interceptor interceptor, weft_interceptor_stats *ret);

/* Copies a text (NULL: ""), or hands out bytes, in memory that lives until weft_publish returns. Returns NULL when
 * memory is out. */
const char *weft_stage_copy(weft_stage *stage, const char *text);
void *weft_stage_alloc(weft_stage *stage, size_t bytes);

/* Splits off one more event, which is copied and goes on at the interceptor after this one, once the events before it
 * have passed all of them. What is split off goes out behind the published event in the order of splitting, also if
 * that one is dropped. Returns OK, FULL (WEFT_SPLIT_MAX), INVALID … as weft_event_validate, or NO_MEMORY. */
weft_status weft_stage_split(weft_stage *stage, const weft_event *event);

#ifdef __cplusplus
}
#endif
#endif
