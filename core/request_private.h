/* core/request_private.h: which requests have ended lately, so that replies to them can be told from other events.
 *
 * Every event with a correlation_id may be looked up here, so it costs one hash and one cache line: hashes in sets of
 * 8, the newest first, of which the oldest makes room. So a request is remembered until 8 more have fallen into its set
 * of 128: that the 256 after it do that is a matter of one in a thousand. An exact list of the last 256 was rejected,
 * as it has to be searched from end to end for each event that is no late reply.
 *
 * Threads    any, without a lock: two that end in one set at once may lose one of its hashes. It is all for a counter.
 */
#ifndef WEFT_CORE_REQUEST_PRIVATE_H
#define WEFT_CORE_REQUEST_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { WEFT__ENDED_SETS = 128, WEFT__ENDED_WAYS = 8 };

/* A zeroed one is empty. */
typedef struct weft__ended_requests {
    _Alignas(64) _Atomic uint64_t hashes[WEFT__ENDED_SETS][WEFT__ENDED_WAYS]; /* 0: none */
    _Atomic uint32_t count;                                                   /* 0: none has ended yet; may wrap */
} weft__ended_requests;

/* Whether a correlation id is that of a request which has ended; ask before the event's handlers run, as one of them
 * may be the request's. */
bool weft__ended_requests_has(const weft__ended_requests *ended, const char *correlation_id);
void weft__ended_requests_add(weft__ended_requests *ended, const char *correlation_id);
/* The id is in use again. */
void weft__ended_requests_remove(weft__ended_requests *ended, const char *correlation_id);

#endif
