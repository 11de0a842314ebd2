/* core/clock_private.h: the time for stamping events. */
#ifndef WEFT_CORE_CLOCK_PRIVATE_H
#define WEFT_CORE_CLOCK_PRIVATE_H

#include "weft/clock.h"

/* As weft_clock_wall_ms, but of the system's clock to the last tick of the kernel: up to 4 ms ago, for a fifth of the
 * price. */
int64_t weft__clock_stamp_ms(const weft_clock *clock);

#endif
