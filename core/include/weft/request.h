/* weft/request.h: waiting for an event, and asking a question that other events answer.
 *
 * A reply is an event that carries the request's correlation_id, other than the request itself. Replies come from this
 * process, or, where a bridge is attached, from any host. Any thread may call everything here; from inside a handler
 * the waits hold up what that handler holds up. */
#ifndef WEFT_REQUEST_H
#define WEFT_REQUEST_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the next event that passes the filter (NULL: any). Blocks: up to timeout_ms. Ownership: release *ret.
 * Returns OK, TIMEOUT (untouched *ret), STOPPED (the dispatcher is stopped), or as weft_subscribe. */
weft_status weft_wait_for(weft_dispatcher *d, const weft_filter *filter, uint32_t timeout_ms, const weft_event **ret);

typedef struct weft_request_opts {
    uint32_t timeout_ms;  /* 0: 5,000 */
    uint32_t replies_max; /* ends the wait when so many have come; 0: 1 */
    uint32_t topics;      /* that replies come on, a mask; 0: the request's own topic */
} weft_request_opts;

/* Publishes an event as a request and hands each reply to on_reply, on the thread that publishes or brings it, one at a
 * time, until replies_max have come, on_reply returns anything but OK, or the time is over. Without a correlation_id
 * the request gets a random one. opts may be NULL. Blocks: up to timeout_ms, and for a running on_reply.
 * ret_replies (may be NULL) gets the number of replies.
 * Returns OK (replies_max have come, or on_reply ended it), TIMEOUT (fewer came in time), or as weft_publish. Replies
 * that come later are counted: weft_dispatcher_stats.late_replies, for the last 256 requests. */
weft_status weft_request_each(weft_dispatcher *d, const weft_event *request, const weft_request_opts *opts,
                              weft_handler_fn on_reply, void *user, uint32_t *ret_replies);

/* The same for the one reply that most requests want. Ownership: release *ret. */
weft_status weft_request(weft_dispatcher *d, const weft_event *request, uint32_t timeout_ms, const weft_event **ret);

/* Publishes an event as a reply: with the request's correlation_id, session_id and execution_id where the reply has
 * none of its own, and as causation_id the id of the request ("node/epoch/seq") if it has one.
 * Returns INVALID if the request has no correlation_id, else as weft_publish. */
weft_status weft_reply(weft_dispatcher *d, const weft_event *request, const weft_event *reply);

#ifdef __cplusplus
}
#endif
#endif
