/* weft/tap.h: how a bridge attaches to a dispatcher.
 *
 * One tap at a time. Outgoing: every locally published event is offered to `accept` before anybody else sees it.
 * Incoming: weft_tap_deliver hands an event from another host to the local subscriptions. */
#ifndef WEFT_TAP_H
#define WEFT_TAP_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_tap_ops {
    /* Takes a validated event on the publisher's thread; sets event->id (its node string must outlive the tap) and
     * keeps the event if it wants it longer. Must not block for long, call the dispatcher, or run user code. Anything
     * but WEFT_OK refuses the publish with that status. */
    weft_status (*accept)(void *user, weft_event *event);
    /* The set of topics that some subscription wants from other hosts has changed. Called without locks held, one call
     * at a time, on a thread that subscribes or unsubscribes, and before that call returns; must only take a note, and
     * take no lock that is held around such a call. Called once on attach. */
    void (*interest_changed)(void *user, uint32_t topics);
} weft_tap_ops;

/* Attaches; ops and user must live until detach. Returns OK, EXISTS or NO_MEMORY. */
weft_status weft_tap_attach(weft_dispatcher *d, const weft_tap_ops *ops, void *user);
/* Detaches; when it returns no call to the tap runs. Blocks while one runs. */
void weft_tap_detach(weft_dispatcher *d);

/* Publishes a group of events that the tap has already taken (their ids are set): local delivery without `accept`.
 * The events must have passed weft_event_validate. Returns OK, STOPPED or NO_MEMORY. */
weft_status weft_tap_publish_taken(weft_dispatcher *d, const weft_event *event);

/* Delivers an event that came from another host. It may be borrowed or kept; inline handlers run on this thread.
 * Expired events (their time to live plus 5 s for the other host's clock) are counted and not delivered.
 * Returns OK, STOPPED or NO_MEMORY. */
weft_status weft_tap_deliver(weft_dispatcher *d, const weft_event *event);

/* Gives the next kept event, or NULL: that was all. Called when the one before has been delivered; must not call the
 * dispatcher. Ownership: borrowed until the next call. */
typedef const weft_event *(*weft_tap_next_fn)(void *user);

/* Delivers events that came together, each as weft_tap_deliver would, at less cost. Returns OK; STOPPED: some have been
 * refused; NESTED or NO_MEMORY: `next` has not been called. */
weft_status weft_tap_deliver_each(weft_dispatcher *d, weft_tap_next_fn next, void *user);

/* Tells the subscriptions whose filter could match the stream that events of it are lost: inline ones on this thread,
 * queued ones in the order of their mailbox. Returns OK or NO_MEMORY (nobody was told). */
weft_status weft_tap_report_lost(weft_dispatcher *d, const weft_lost *lost);

/* The clock of the dispatcher. */
const weft_clock *weft_tap_clock(const weft_dispatcher *d);

#ifdef __cplusplus
}
#endif
#endif
