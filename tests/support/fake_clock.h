/* tests/support/fake_clock.h: a clock that stands still until the test moves it. */
#ifndef WEFT_TESTS_FAKE_CLOCK_H
#define WEFT_TESTS_FAKE_CLOCK_H

#include <stdatomic.h>

#include "weft/clock.h"

typedef struct fake_clock {
    _Atomic int64_t wall_ms;
    _Atomic int64_t mono_ns;
    weft_clock clock; /* give this to the code under test */
} fake_clock;

/* The struct must not move afterwards. */
void fake_clock_init(fake_clock *fake, int64_t wall_ms);
/* Moves both times. */
void fake_clock_advance(fake_clock *fake, int64_t ms);

#endif
