/* tests/sim/draw.h: random numbers that a seed determines. */
#ifndef WEFT_SIM_DRAW_H
#define WEFT_SIM_DRAW_H

#include <stdbool.h>
#include <stdint.h>

typedef struct draw {
    uint64_t state;
} draw;

/* splitmix64: seeds that follow each other give streams that have nothing in common. */
static inline uint64_t draw_next(draw *d)
{
    uint64_t x = d->state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static inline unsigned draw_below(draw *d, unsigned sides)
{
    return (unsigned)((draw_next(d) >> 32) * sides >> 32);
}

/* from..to, both included. */
static inline unsigned draw_between(draw *d, unsigned from, unsigned to)
{
    return from + draw_below(d, to - from + 1);
}

static inline bool draw_permille(draw *d, unsigned permille)
{
    return draw_below(d, 1000) < permille;
}

#endif
