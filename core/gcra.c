/* core/gcra.c: the arithmetic of token buckets.
 *
 * Every sum fits: now is within 2^62 units either way, an interval is at most 2^60 of them, the tolerance little more
 * than 2^61, and an arrival is less than 2^63. */
#include "core/gcra.h"

#include <math.h>

enum { ROUNDING = 4 }; /* units; so that an event that comes when it is due does not come too early */

static const int64_t now_max_ns = INT64_C(1) << 61;
static const int64_t tolerance_max = INT64_C(1) << 61;
static const double interval_max_ns = (double)(INT64_C(1) << 60);

void weft__gcra_init(weft__gcra *gcra, double events, double period_ns, double burst)
{
    int exponent;
    double fraction = frexp(fmin(fmax(period_ns / events, 1), interval_max_ns), &exponent);
    if (fraction == 0.5) {
        fraction = 1;
        exponent--;
    }
    gcra->unit = (uint64_t)ldexp(1 / fraction - 1, 64);
    gcra->interval = INT64_C(1) << exponent;
    gcra->tolerance = (int64_t)fmin((burst - 1) * (double)gcra->interval, (double)tolerance_max) + ROUNDING;
}

/* The upper half of the product, at most 2 too low, and never falling as a grows. */
static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    uint64_t a_high = a >> 32, a_low = (uint32_t)a, b_high = b >> 32, b_low = (uint32_t)b;
    return a_high * b_high + (a_high * b_low >> 32) + (a_low * b_high >> 32);
}

static int64_t units(const weft__gcra *gcra, int64_t now_ns)
{
    if (now_ns < 0)
        return -units(gcra, now_ns < -now_max_ns ? now_max_ns : -now_ns);
    if (now_ns > now_max_ns)
        now_ns = now_max_ns;
    return now_ns + (int64_t)multiply_high((uint64_t)now_ns, gcra->unit);
}

void weft__arrival_init(weft__arrival *arrival)
{
    atomic_init(arrival, INT64_MIN / 2);
}

bool weft__gcra_conforms(const weft__gcra *gcra, const weft__arrival *arrival, int64_t now_ns)
{
    return atomic_load_explicit(arrival, memory_order_relaxed) <= units(gcra, now_ns) + gcra->tolerance;
}

bool weft__gcra_take(const weft__gcra *gcra, weft__arrival *arrival, int64_t now_ns)
{
    int64_t now = units(gcra, now_ns);
    int64_t before = atomic_load_explicit(arrival, memory_order_relaxed);
    int64_t after;
    do {
        if (before > now + gcra->tolerance)
            return false;
        after = (before > now ? before : now) + gcra->interval;
    } while (
        !atomic_compare_exchange_weak_explicit(arrival, &before, after, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void weft__gcra_give_back(const weft__gcra *gcra, weft__arrival *arrival)
{
    atomic_fetch_sub_explicit(arrival, gcra->interval, memory_order_relaxed);
}
