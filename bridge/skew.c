/* bridge/skew.c: see the header. */
#include "bridge/skew.h"

enum { MINUTE_MS = 60000 };

static void minute_begin(weft__skew *skew, int64_t now_ms)
{
    bool next = now_ms - skew->minute_ms < 2 * MINUTE_MS;
    skew->smallest_ms[1] = skew->smallest_ms[0];
    skew->samples[1] = next ? skew->samples[0] : 0;
    skew->samples[0] = 0;
    skew->minute_ms = now_ms;
}

void weft__skew_add(weft__skew *skew, int64_t sent_ms, int64_t received_ms, int64_t now_ms)
{
    int64_t way_ms = received_ms - sent_ms;
    if (now_ms - skew->minute_ms >= MINUTE_MS)
        minute_begin(skew, now_ms);
    if (skew->samples[0] == 0 || way_ms < skew->smallest_ms[0])
        skew->smallest_ms[0] = way_ms;
    skew->samples[0]++;
}

bool weft__skew_get(const weft__skew *skew, uint32_t samples, int64_t *ret_ms)
{
    if (skew->samples[0] + skew->samples[1] < samples || samples == 0)
        return false;
    bool before = skew->samples[0] == 0 || (skew->samples[1] > 0 && skew->smallest_ms[1] < skew->smallest_ms[0]);
    *ret_ms = -skew->smallest_ms[before];
    return true;
}
