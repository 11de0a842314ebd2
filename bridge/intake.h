/* bridge/intake.h: from publishers to the journal thread. The one place where a seq is assigned, and where a publish
 * meets the bound of what waits for the journal.
 *
 * Invariant  events leave in the order of their seq; a refused publish has taken no seq. An event that was dropped to
 *            make room has: the next of its stream tells of it by its link.
 * Threads    put: any; the rest: the journal thread, unless it says otherwise. */
#ifndef WEFT_BRIDGE_INTAKE_H
#define WEFT_BRIDGE_INTAKE_H

#include "bridge/handoff.h"
#include "weft/bridge.h"

/* An event's place in its stream: what was assigned just before it, and how many of the stream were. */
typedef struct weft__stream_link {
    uint64_t prev_seq;
    uint64_t nth; /* from 1 */
} weft__stream_link;

/* Events that are written together, and the mark that goes with them. One malloc'ed block. */
typedef struct weft__group {
    struct weft__group *next;
    struct weft__group *prev; /* while queued */
    uint64_t receipt;
    size_t count;
    const weft_event **events; /* kept; the group's references */
    weft__stream_link *links;  /* of each event */
    bool has_mark;
    bool droppable;                /* to make room for others */
    struct weft__group *drop_next; /* while queued and droppable, of the same priority */
    struct weft__group *drop_prev;
    weft_feed_mark mark;      /* strings inside the block */
    const weft_event *single; /* storage of a group of one */
    weft__stream_link single_link;
} weft__group;

typedef struct weft__intake {
    pthread_mutex_t mutex;
    pthread_cond_t room; /* for those that wait for it */
    weft__group *head;   /* [mutex], all but what is marked const */
    weft__group *tail;
    struct {
        weft__group *oldest, *newest;
        size_t bytes;
    } droppable[WEFT_PRIORITY_CRITICAL + 1];
    uint64_t last_seqs[WEFT_TOPIC_MAX];         /* assigned in this epoch, by the number of their topic … */
    uint64_t events[WEFT_TOPIC_MAX];            /* … and how many */
    uint64_t drops[WEFT_TOPIC_MAX];             /* … of which dropped to make room */
    uint64_t events_before;                     /* accepted since init, in epochs before */
    size_t bytes;                               /* of queued events, and of taken groups until they are freed */
    size_t max_bytes;                           /* const after init */
    const char *node;                           /* const after init; outlives the intake */
    weft_backpressure policies[WEFT_TOPIC_MAX]; /* const after set_policies */
    bool patient;                               /* publishes may wait */
    size_t waiting;                             /* publishes that do */
    uint64_t epoch;
    uint64_t seq;        /* last assigned in this epoch */
    uint64_t receipt;    /* last given out */
    uint64_t refused;    /* events refused */
    uint64_t dropped;    /* events dropped after they were accepted, to make room */
    weft_status failing; /* not OK: refuse with this … */
    uint32_t spared;     /* … but for these topics */
    weft_status closed;  /* not OK: refuse with this for good */
    weft__signal *signal;
} weft__intake;

void weft__intake_init(weft__intake *intake, const char *node, uint64_t epoch, size_t max_bytes, weft__signal *signal);
void weft__intake_fini(weft__intake *intake);
/* Before the first put; without it all are refused at the bound. patient: publishes may wait for room. */
void weft__intake_set_policies(weft__intake *intake, const weft_backpressure *policies, size_t count, bool patient);

/* Gives each event its id and queues the group, or refuses it at the bound. events are shadows: their ids are set, kept
 * copies are made.
 * Returns OK, FULL, TOO_LARGE, NO_MEMORY, or the status of weft__intake_close or _fail. */
weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt);
/* The same for one event, which at the bound does as the policy of its topic says: it may wait, and it may be dropped
 * later. */
weft_status weft__intake_put_event(weft__intake *intake, weft_event *event);
/* Publishes that wait for room get FULL, now and from now on. Threads: any. */
void weft__intake_hurry(weft__intake *intake);

/* Takes groups of up to max_events events in all (at least one group), in order; NULL if there are none. */
weft__group *weft__intake_take(weft__intake *intake, size_t max_events);
/* The events of a taken group are no longer queued: makes room for others. */
void weft__group_free(weft__intake *intake, weft__group *group);

/* From now on refuses all but events of the spared topics (or, with OK, accepts all again). */
void weft__intake_fail(weft__intake *intake, weft_status status, uint32_t spared);
/* From now on refuses for good, whatever weft__intake_fail says later. The first status stays. */
void weft__intake_close(weft__intake *intake, weft_status status);
/* Starts a new epoch: seq counts from 1 again. */
void weft__intake_begin_epoch(weft__intake *intake, uint64_t epoch);
/* Threads: any, both. */
uint64_t weft__intake_receipt(weft__intake *intake);
uint64_t weft__intake_dropped(weft__intake *intake);

typedef struct weft__published {
    uint64_t epoch;
    uint64_t events[WEFT_TOPIC_MAX]; /* in this epoch */
    uint64_t drops[WEFT_TOPIC_MAX];  /* of these, dropped to make room */
    uint64_t all;                    /* since init */
    uint64_t refused;
    uint64_t dropped;
} weft__published;
/* Threads: any. */
void weft__intake_published(weft__intake *intake, weft__published *ret);

#endif
