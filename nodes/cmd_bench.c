/* nodes/cmd_bench.c: `weft bench`: its verbs are commands of their own, bench_NAME.c. */
#include "nodes/bench.h"
#include "nodes/commands.h"

static const command *const verbs[] = {&bench_pub, &bench_sub, &bench_rtt, &bench_local, NULL};

const command cmd_bench = {
    .name = "bench",
    .synopsis = "pub|sub|rtt|local [OPTION]…",
    .summary = "Measures weft on your hosts and through your broker: rate, latency, CPU.",
    .details = "They use a fabric of their own, " BENCH_FABRIC
               ", so that those who listen to yours hear nothing of it; the broker\n"
               "does the work all the same, and others who use it may get slower meanwhile.",
    .verbs = verbs,
};
