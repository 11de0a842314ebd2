#include "support/fake_clock.h"

static int64_t fake_wall_ms(void *user)
{
    return atomic_load(&((fake_clock *)user)->wall_ms);
}

static int64_t fake_mono_ns(void *user)
{
    return atomic_load(&((fake_clock *)user)->mono_ns);
}

void fake_clock_init(fake_clock *fake, int64_t wall_ms)
{
    atomic_init(&fake->wall_ms, wall_ms);
    atomic_init(&fake->mono_ns, 0);
    fake->clock = (weft_clock){fake_wall_ms, fake_mono_ns, fake};
}

void fake_clock_advance(fake_clock *fake, int64_t ms)
{
    atomic_fetch_add(&fake->wall_ms, ms);
    atomic_fetch_add(&fake->mono_ns, ms * 1000000);
}
