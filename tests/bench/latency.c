/* tests/bench/latency.c: the time from when an event is due to be sent until a handler in another process has it, with
 * the load of an open loop: what cannot be sent in time is sent late, and its lateness counts. */
#include "bench/transfer.h"

enum { ROUND_S = 5, WARM_UP_PART = 10 };

static const bench_figure others[] = {{"p90", "us", bench_transfer_p90},
                                      {"p99", "us", bench_transfer_p99},
                                      {"p99.9", "us", bench_transfer_p999},
                                      {"max", "us", bench_transfer_max},
                                      {"CPU of all processes", "s/million", bench_transfer_cpu},
                                      {0}};

static void rate_run(bench_report *report, uint64_t rate, const char *name)
{
    const bench_transfer_row rows[] = {
        {name, {.carrier = &bench_carry_weft}},
        {"MQTT, one event a message", {.carrier = &bench_carry_mqtt}},
        {"Paho, one event a message", {.carrier = &bench_carry_paho}},
        {"JetStream in files", {.carrier = &bench_carry_jetstream}},
        {"Redis Streams, appendonly", {.carrier = &bench_carry_redis}},
    };
    bench_case c = {.group = "latency",
                    .figure = "p50",
                    .unit = "us",
                    .events = rate * ROUND_S,
                    .rounds = 5,
                    .warm_up = WARM_UP_PART,
                    .also = others};
    bench_transfer_run(report, c, bench_transfer_p50, rows, sizeof rows / sizeof *rows,
                       &(bench_transfer_opts){.rate = rate});
}

void bench_latency(bench_report *report)
{
    rate_run(report, 1000, "1,000 events/s");
    rate_run(report, 10000, "10,000 events/s");
    rate_run(report, 50000, "50,000 events/s");
    rate_run(report, 200000, "200,000 events/s");
}
