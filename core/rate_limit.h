/* core/rate_limit.h: the rules of weft/rate_limit.h with their buckets, made once and then only used. */
#ifndef WEFT_CORE_RATE_LIMIT_H
#define WEFT_CORE_RATE_LIMIT_H

#include "weft/rate_limit.h"

typedef struct weft__limiter weft__limiter;

/* Checks and copies the rules; buckets begin full. Ownership: one reference. Returns OK, INVALID (as
 * weft_rate_limits_set) or NO_MEMORY. */
weft_status weft__limiter_create(const weft_rate_limit *limits, size_t count, weft__limiter **ret);
/* NULL is fine in both. */
void weft__limiter_ref(weft__limiter *limiter);
void weft__limiter_unref(weft__limiter *limiter);

/* Takes a token of each rule that covers the event, or of none; whether it did. now_ns: weft_clock_mono_ns. Threads:
 * any. Rules for each source share a lock, the others take none. No allocation. */
bool weft__limiter_admit(weft__limiter *limiter, const weft_event *event, int64_t now_ns);

/* Returns OK or NOT_FOUND. */
weft_status weft__limiter_get_stats(weft__limiter *limiter, size_t index, weft_rate_limit_stats *ret);

#endif
