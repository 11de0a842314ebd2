/* bridge/intake.h: from publishers to the journal thread. The one place where a seq is assigned, and where a publish
 * meets the bound of what waits for the journal.
 *
 * Invariant  events leave in the order of their seq; a refused publish has taken no seq. An event that was dropped to
 *            make room has: the next of its stream tells of it by its link.
 * Threads    put: any; the rest: the journal thread, unless it says otherwise. */
#ifndef WEFT_BRIDGE_INTAKE_H
#define WEFT_BRIDGE_INTAKE_H

#include "bridge/commit.h"
#include "bridge/handoff.h"
#include "weft/bridge.h"

typedef struct weft__victim weft__victim;

/* A queue of events that may be dropped, oldest first. */
typedef struct weft__victims {
    weft__victim *ring;
    size_t first, count, capacity;
    size_t bytes;
} weft__victims;

typedef struct weft__intake {
    pthread_mutex_t mutex;
    pthread_cond_t room;  /* for those that wait for it */
    weft__commit *oldest; /* [mutex], all but what is marked const */
    weft__commit *newest;
    weft__draft *open[WEFT_TOPIC_MAX]; /* of the newest commit, by the number of their topic */
    weft__victims victims[WEFT__PRIORITIES];
    uint64_t last_seqs[WEFT_TOPIC_MAX];         /* assigned in this epoch … */
    uint64_t events[WEFT_TOPIC_MAX];            /* … and how many */
    uint64_t drops[WEFT_TOPIC_MAX];             /* … of which dropped to make room */
    uint64_t events_before;                     /* accepted since init, in epochs before */
    size_t bytes;                               /* of queued commits, and of taken ones until they are freed */
    size_t max_bytes;                           /* const after init */
    size_t batch_bytes;                         /* that a batch may hold */
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

/* The broker takes messages up to this size: batches are made to fit. Threads: any. */
void weft__intake_limit_messages(weft__intake *intake, size_t max_bytes);

/* Gives each event its id and encodes it, all of them or none; or refuses them at the bound.
 * Returns OK, FULL, TOO_LARGE, INVALID, NO_MEMORY, or the status of weft__intake_close or _fail. */
weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt);
/* The same for one event, which at the bound does as the policy of its topic says: it may wait, and it may be dropped
 * later. */
weft_status weft__intake_put_event(weft__intake *intake, weft_event *event);
/* Publishes that wait for room get FULL, now and from now on. Threads: any. */
void weft__intake_hurry(weft__intake *intake);

/* The oldest commit, which nothing is added to or dropped from any more; NULL if nothing waits. */
weft__commit *weft__intake_take(weft__intake *intake);
/* What a taken commit held is no longer queued: makes room for others. */
void weft__commit_free(weft__intake *intake, weft__commit *commit);

/* From now on refuses all but events of the spared topics (or, with OK, accepts all again). */
void weft__intake_fail(weft__intake *intake, weft_status status, uint32_t spared);
/* From now on refuses for good, whatever weft__intake_fail says later. The first status stays. */
void weft__intake_close(weft__intake *intake, weft_status status);

typedef struct weft__numbers {
    uint64_t epoch;
    uint64_t prev_seq; /* of the stream */
    uint64_t first_seq;
} weft__numbers;
/* Gives seqs to `count` events of a stream that do not pass here. Threads: any. */
void weft__intake_number(weft__intake *intake, weft_topic topic, uint64_t count, weft__numbers *ret);
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
