/* bridge/skew.h: how far another host's clock is from ours, from the times it says its messages were sent.
 *
 * What is seen of each message is the difference of the clocks plus its way's time, which is never negative: so the
 * smallest of one to two minutes is taken. The estimate is short of the truth by that smallest time, and follows a
 * clock that is set within two minutes. Threads: none of its own. */
#ifndef WEFT_BRIDGE_SKEW_H
#define WEFT_BRIDGE_SKEW_H

#include <stdbool.h>
#include <stdint.h>

/* Zero it. */
typedef struct weft__skew {
    int64_t smallest_ms[2]; /* received - sent: of this minute, of the one before */
    uint32_t samples[2];
    int64_t minute_ms; /* monotonic: when this minute began */
} weft__skew;

/* sent_ms, received_ms: by the other's and by our clock. */
void weft__skew_add(weft__skew *skew, int64_t sent_ms, int64_t received_ms, int64_t now_ms);
/* The other's clock minus ours. Returns false while fewer than `samples` messages tell. */
bool weft__skew_get(const weft__skew *skew, uint32_t samples, int64_t *ret_ms);

#endif
