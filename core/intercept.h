/* core/intercept.h: interceptors, their ordered list, and the chain that leads one publish through it.
 *
 *   weft_stage stage;
 *   weft__stage_init(&stage);
 *   status = weft__intercept_run(list, &hooks, &event, &stage);
 *   … publish the event (unless DROPPED), then weft__stage_at(&stage, 0 … weft__stage_size(&stage) - 1) …
 *   weft__stage_fini(&stage);           only now: what interceptors put into the events lives in the stage
 *
 * Order      Each event runs through the chain to its end before the next one begins: first the published one, then
 * what was split off, in the order of splitting. So every interceptor sees events in the order they go out in. Threads
 * A stage: its publisher's. A list: const once made. Interceptors: any; their counters are shared. */
#ifndef WEFT_CORE_INTERCEPT_H
#define WEFT_CORE_INTERCEPT_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/name.h"
#include "weft/intercept.h"

enum { WEFT__STAGE_INLINE_BYTES = 512 };

typedef struct weft__interceptor {
    uint64_t id; /* set before it is listed, const from then on */
    atomic_uint refs;
    atomic_bool removed;         /* set once; no call begins after it */
    weft_intercept_fn intercept; /* const after create, as all below but the counters */
    void *user;
    int32_t order;
    uint32_t topics; /* 0: all */
    char name[WEFT__NAME_BYTES];
    _Atomic uint64_t seen; /* relaxed, as all below */
    _Atomic uint64_t passed;
    _Atomic uint64_t dropped;
    _Atomic uint64_t refused;
    _Atomic uint64_t split;
} weft__interceptor;

/* Creates one with one reference, without an id. opts may be NULL. Returns OK, INVALID or NO_MEMORY. */
weft_status weft__interceptor_create(const weft_interceptor_opts *opts, weft_intercept_fn intercept, void *user,
                                     weft__interceptor **ret);
void weft__interceptor_ref(weft__interceptor *interceptor);
void weft__interceptor_unref(weft__interceptor *interceptor);
void weft__interceptor_read_stats(const weft__interceptor *interceptor, weft_interceptor_stats *ret);

/* In the order of running. Never changed: every change makes a new one. */
typedef struct weft__interceptors {
    atomic_uint refs;
    size_t count;
    weft__interceptor *list[]; /* a reference each */
} weft__interceptors;

/* Copies a list (NULL: empty) without the removed ones, with `add` (may be NULL) at its place. Ownership: one
 * reference. Returns NULL when memory is out. */
weft__interceptors *weft__interceptors_create(const weft__interceptors *from, weft__interceptor *add);
weft__interceptors *weft__interceptors_ref(weft__interceptors *list);
/* NULL is fine. */
void weft__interceptors_unref(weft__interceptors *list);

/* Two questions about the living; the removed may still be listed. list may be NULL. */
weft__interceptor *weft__interceptors_find(const weft__interceptors *list, uint64_t id);
size_t weft__interceptors_count(const weft__interceptors *list);

/* ---- the chain ---- */

/* Say whose code the thread runs, so that a removal can wait for it. */
typedef struct weft__intercept_hooks {
    /* Before a call; false: it has been removed meanwhile, and is passed over. leave is called either way. */
    bool (*enter)(void *user, const weft__interceptor *interceptor);
    void (*leave)(void *user);
    void *user;
} weft__intercept_hooks;

typedef struct weft__stage_chunk weft__stage_chunk;
typedef struct weft__split weft__split;

/* What one publish needs on its way: memory for what is put into its events, and the events split off it. */
struct weft_stage {
    weft__interceptor *running; /* whose call runs */
    size_t next;                /* place in the list after it */
    int64_t accepted_ms;        /* of the published event */
    size_t used;                /* of the newest chunk, or of bytes[] while there is none */
    weft__stage_chunk *chunks;  /* newest first */
    size_t split_count;         /* split off so far, also what was dropped since */
    size_t size;                /* of splits[] */
    size_t dropped;             /* events that interceptors dropped: the published one, split ones */
    weft__split *splits[WEFT_SPLIT_MAX];
    _Alignas(max_align_t) unsigned char bytes[WEFT__STAGE_INLINE_BYTES];
};

void weft__stage_init(weft_stage *stage);
/* Frees the events that were split off and all that weft_stage_copy and _alloc gave. */
void weft__stage_fini(weft_stage *stage);

/* Leads an event, its times set, through the list. Its keeper is out of use meanwhile: a copy that an interceptor keeps
 * is not the one that later takers share, which would show what was redacted since.
 * Results are not validated: interceptors may have put anything into them.
 * Returns OK; DROPPED: the event itself ends here, and what was split off it goes on; what an interceptor refused the
 * event, or one split off it, with: nothing was split off then. */
weft_status weft__intercept_run(const weft__interceptors *list, const weft__intercept_hooks *hooks, weft_event *event,
                                weft_stage *stage);

/* The events split off and not dropped, in order; of the stage's memory, and plain: nobody has kept them. */
size_t weft__stage_size(const weft_stage *stage);
weft_event *weft__stage_at(const weft_stage *stage, size_t index);

#endif
