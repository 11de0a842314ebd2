/* bridge/pace.c: see pace.h. */
#include "bridge/pace.h"

enum {
    GAP_NS = 50000, /* 20,000 events a second */
    PATIENCE_NS = 150000,
    WEIGHT = 8, /* of what was, against what is new */
};

void weft__pace_taken(weft__pace *p, size_t events, int64_t now_ns)
{
    int64_t gap = events > 0 ? (now_ns - p->taken_ns) / (int64_t)events : 0;
    if (p->taken_ns == 0 || gap > WEIGHT * GAP_NS) /* a pause counts once, however long it was */
        gap = WEIGHT * GAP_NS;
    p->gap_ns = p->gap_ns == 0 ? gap : (p->gap_ns * (WEIGHT - 1) + gap) / WEIGHT;
    p->taken_ns = now_ns;
}

int64_t weft__pace_next_ns(const weft__pace *p, int64_t now_ns)
{
    return p->gap_ns > 0 && p->gap_ns < GAP_NS ? p->taken_ns + PATIENCE_NS : now_ns;
}
