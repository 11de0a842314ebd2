/* core/gcra.h: a token bucket in one word: the generic cell rate algorithm by virtual scheduling (ITU-T I.371, A.1; ATM
 * Forum AF-TM-0121.000).
 *
 * The word is the theoretical arrival time: when the next event would come if all came evenly. It may run ahead of now
 * by the burst. Times are counted in a unit of the rate's own, of half to one nanosecond, so that the interval between
 * two events is a power of two of them: sums of intervals are exact, and a rate is kept over years as it was given. */
#ifndef WEFT_CORE_GCRA_H
#define WEFT_CORE_GCRA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct weft__gcra {
    uint64_t unit;     /* units in a nanosecond, less one, in 2^-64; const after init */
    int64_t interval;  /* const after init */
    int64_t tolerance; /* const after init */
} weft__gcra;

typedef _Atomic int64_t weft__arrival;

/* So many events in a period, and so many at once after a pause. Above one a nanosecond and below one in 36 years the
 * rate is what the clock can tell, and of a burst only what refills in 73 years counts. */
void weft__gcra_init(weft__gcra *gcra, double events, double period_ns, double burst);

void weft__arrival_init(weft__arrival *arrival);

/* Whether an event may come now; nothing is taken. Threads: any. */
bool weft__gcra_conforms(const weft__gcra *gcra, const weft__arrival *arrival, int64_t now_ns);

/* Takes a token if there is one; whether there was. Threads: any. */
bool weft__gcra_take(const weft__gcra *gcra, weft__arrival *arrival, int64_t now_ns);

/* Gives back the token taken last. Should others have taken since from a bucket that had been refilled meanwhile, they
 * are given it in addition. Threads: any. */
void weft__gcra_give_back(const weft__gcra *gcra, weft__arrival *arrival);

#endif
