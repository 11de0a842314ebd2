/* weft/request.h: waiting for an event, and asking a question that other events answer.
 *
 * A reply is an event that carries the request's correlation_id, other than the request itself. Replies come from this
 * process, or, where a bridge is attached, from any host. Any thread may call everything here; from inside a handler
 * the waits hold up what that handler holds up: its publisher, or the worker that the reply may need. */
#ifndef WEFT_REQUEST_H
#define WEFT_REQUEST_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the next event that passes the filter (NULL: any). Blocks: up to timeout_ms. Ownership: release *ret.
 * Returns OK, TIMEOUT (untouched *ret), STOPPED (the dispatcher is stopped at the call; one that stops later lets the
 * wait go on, as it may be started again), or as weft_subscribe. */
weft_status weft_wait_for(weft_dispatcher *d, const weft_filter *filter, uint32_t timeout_ms, const weft_event **ret);

typedef struct weft_request_opts {
    uint32_t timeout_ms;  /* 0: 5,000 */
    uint32_t replies_max; /* ends the wait when so many have come; 0: 1 */
    uint32_t topics;      /* that replies come on, a mask; 0: the request's own topic */
} weft_request_opts;

/* Publishes an event as a request and hands each reply to on_reply, on the calling thread, until replies_max have come,
 * on_reply returns anything but OK, or the time is over. Without a correlation_id the request gets a random one; with
 * its own, events of the same id that others publish meanwhile count as replies. opts may be NULL. Blocks: up to
 * timeout_ms, and for on_reply and the inline handlers of the request. Up to 1,024 replies wait for on_reply; the
 * subscription that takes them, named "request", fails for any more. ret_replies (may be NULL) gets the number of
 * replies handed over.
 * Returns OK (replies_max have come, or on_reply ended it), TIMEOUT (fewer came in time), or as weft_subscribe and
 * weft_publish. Replies that come later are counted: weft_dispatcher_stats.late_replies, as long as the request is
 * among the last few hundred. */
weft_status weft_request_each(weft_dispatcher *d, const weft_event *request, const weft_request_opts *opts,
                              weft_handler_fn on_reply, void *user, uint32_t *ret_replies);

/* The same for the one reply that most requests want, on the request's own topic. Ownership: release *ret. */
weft_status weft_request(weft_dispatcher *d, const weft_event *request, uint32_t timeout_ms, const weft_event **ret);

/* Publishes an event as a reply: with the request's correlation_id; with its session_id and execution_id where the
 * reply has none of its own; and with the id of the request ("node/epoch/seq"), if it has one, as causation_id. Returns
 * INVALID if the request has no correlation_id, else as weft_publish. */
weft_status weft_reply(weft_dispatcher *d, const weft_event *request, const weft_event *reply);

#ifdef __cplusplus
}
#endif
#endif
