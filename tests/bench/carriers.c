/* tests/bench/carriers.c: the table of carriers, and what stands in for those whose libraries were missing. */
#include "bench/carrier.h"

#include <string.h>

#ifndef BENCH_WITH_NATS
const bench_carrier bench_carry_jetstream = {.name = "jetstream"};
#endif
#ifndef BENCH_WITH_REDIS
const bench_carrier bench_carry_redis = {.name = "redis"};
#endif

static const bench_carrier *const carriers[] = {&bench_carry_weft, &bench_carry_mqtt, &bench_carry_paho,
                                                &bench_carry_jetstream, &bench_carry_redis};

const bench_carrier *bench_carrier_find(const char *name)
{
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++)
        if (strcmp(carriers[i]->name, name) == 0)
            return carriers[i];
    return NULL;
}

bool bench_carrier_present(const bench_carrier *carrier)
{
    return carrier->sender_open != NULL && bench_program_present(carrier->server->program);
}
