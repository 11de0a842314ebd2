/* bridge/intake.h: from publishers to the journal thread. The one place where a seq is assigned.
 *
 * Invariant  events leave in the order of their seq; a refused publish has taken no seq.
 * Threads    put: any; the rest: the journal thread. */
#ifndef WEFT_BRIDGE_INTAKE_H
#define WEFT_BRIDGE_INTAKE_H

#include "bridge/handoff.h"
#include "weft/bridge.h"

/* Events that are written together, and the mark that goes with them. One malloc'ed block. */
typedef struct weft__group {
    struct weft__group *next;
    uint64_t receipt;
    size_t count;
    const weft_event **events; /* kept; the group's references */
    bool has_mark;
    weft_feed_mark mark;      /* strings inside the block */
    const weft_event *single; /* storage of a group of one */
} weft__group;

typedef struct weft__intake {
    pthread_mutex_t mutex;
    weft__group *head;               /* [mutex] */
    weft__group **tail;              /* [mutex] */
    size_t bytes;                    /* [mutex] of queued events */
    size_t max_bytes;                /* const after init */
    const char *node;                /* const after init; outlives the intake */
    uint64_t epoch;                  /* [mutex] */
    uint64_t seq;                    /* [mutex] last assigned in this epoch */
    uint64_t receipt;                /* [mutex] last given out */
    uint64_t events[WEFT_TOPIC_MAX]; /* [mutex] accepted in this epoch, by the number of their topic */
    uint64_t events_before;          /* [mutex] accepted since init, in epochs before */
    uint64_t refused;                /* [mutex] events refused */
    weft_status failing;             /* [mutex] not OK: refuse with this */
    weft_status closed;              /* [mutex] the same, for good */
    weft__signal *signal;
} weft__intake;

void weft__intake_init(weft__intake *intake, const char *node, uint64_t epoch, size_t max_bytes, weft__signal *signal);
void weft__intake_fini(weft__intake *intake);

/* Gives each event its id and queues the group. events are shadows: their ids are set, kept copies are made.
 * Returns OK, FULL, TOO_LARGE, NO_MEMORY, or the status of weft__intake_close or _fail. */
weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt);

/* Takes groups of up to max_events events in all (at least one group), in order; NULL if there are none. */
weft__group *weft__intake_take(weft__intake *intake, size_t max_events);
/* The events of a taken group are no longer queued: makes room for others. */
void weft__group_free(weft__intake *intake, weft__group *group);

/* From now on refuses (or, with OK, accepts again). */
void weft__intake_fail(weft__intake *intake, weft_status status);
/* From now on refuses for good, whatever weft__intake_fail says later. The first status stays. */
void weft__intake_close(weft__intake *intake, weft_status status);
/* Starts a new epoch: seq counts from 1 again. */
void weft__intake_begin_epoch(weft__intake *intake, uint64_t epoch);
uint64_t weft__intake_receipt(weft__intake *intake);

typedef struct weft__published {
    uint64_t epoch;
    uint64_t events[WEFT_TOPIC_MAX]; /* in this epoch */
    uint64_t all;                    /* since init */
    uint64_t refused;
} weft__published;
/* Threads: any. */
void weft__intake_published(weft__intake *intake, weft__published *ret);

#endif
