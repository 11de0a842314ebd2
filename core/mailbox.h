/* core/mailbox.h: what waits for one queued subscription: a bounded queue of kept events and loss records.
 *
 * First in, first out. A put that finds it full drops the oldest or the newest, or waits; what was dropped is summed up
 * and handed out with the next take, so that the subscriber learns of it in its place. */
#ifndef WEFT_CORE_MAILBOX_H
#define WEFT_CORE_MAILBOX_H

#include <pthread.h>

#include "weft/dispatcher.h"

/* Either an event or a loss record; whoever holds the mail owns it. */
typedef struct weft__mail {
    const weft_event *event; /* kept */
    weft_lost *lost;
    weft_origin origin;
} weft__mail;

typedef enum weft__mailbox_state {
    WEFT__MAILBOX_OPEN,
    WEFT__MAILBOX_STOPPED, /* refuses until opened again */
    WEFT__MAILBOX_CLOSED,  /* of an ended subscription, for good */
} weft__mailbox_state;

/* What a put does when a mailbox that blocks is full. */
typedef enum weft__put_mode {
    WEFT__PUT_TRY,  /* returns FULL; the mail stays the caller's */
    WEFT__PUT_WAIT, /* waits for room up to the deadline, then drops */
    WEFT__PUT_NOW,  /* drops */
} weft__put_mode;

typedef enum weft__put_result {
    WEFT__PUT_STORED,
    WEFT__PUT_DISPLACED, /* stored; the oldest mail was dropped for it */
    WEFT__PUT_DROPPED,   /* full: the new mail was dropped */
    WEFT__PUT_FULL,      /* full: nothing was done */
    WEFT__PUT_STOPPED,   /* refused, dropped */
    WEFT__PUT_CLOSED,    /* refused, dropped */
} weft__put_result;

typedef struct weft__mailbox {
    pthread_mutex_t lock;      /* leaf */
    pthread_cond_t room;       /* [lock] */
    weft__mail *ring;          /* [lock] */
    uint32_t max;              /* const after init */
    uint32_t block_ms;         /* const after init */
    weft_overflow overflow;    /* const after init */
    uint32_t head;             /* [lock] */
    uint32_t depth;            /* [lock] */
    uint32_t blocked;          /* [lock] threads waiting for room */
    uint64_t untold;           /* [lock] events dropped since the last take */
    weft__mailbox_state state; /* [lock] */
    bool scheduled;            /* [lock] a worker has it, or will */
} weft__mailbox;

/* Returns OK or NO_MEMORY. */
weft_status weft__mailbox_init(weft__mailbox *box, uint32_t max, weft_overflow overflow, uint32_t block_ms);
/* Releases what is left in it. */
void weft__mailbox_fini(weft__mailbox *box);

/* Puts a mail, which is the mailbox's from here on unless the result is FULL.
 * *ret_dropped_events: how many events (not records) were dropped by this call.
 * *ret_schedule: the mailbox has just got something to do and must be given to a worker. */
weft__put_result weft__mailbox_put(weft__mailbox *box, weft__mail mail, weft__put_mode mode,
                                   uint64_t *ret_dropped_events, bool *ret_schedule);
/* Counts n events as lost by overflow that could not even be put. Returns whether it must be given to a worker. */
bool weft__mailbox_miss(weft__mailbox *box, uint64_t n);

/* Takes the oldest mail (its pointers are NULL if there is none) and the losses to tell before it. Returns false, with
 * nothing taken, if there is neither. */
bool weft__mailbox_take(weft__mailbox *box, weft__mail *ret_mail, uint64_t *ret_untold);
/* The worker pauses. Returns whether there is more, so that it must be scheduled again. */
bool weft__mailbox_rest(weft__mailbox *box);

/* Changes the state; leaving OPEN drops everything and wakes the blocked. A closed mailbox stays closed. Returns the
 * number of events dropped. */
uint64_t weft__mailbox_set_state(weft__mailbox *box, weft__mailbox_state state);

uint32_t weft__mailbox_depth(weft__mailbox *box);

void weft__mail_release(weft__mail *mail);

#endif
