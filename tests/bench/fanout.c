/* tests/bench/fanout.c: events to several subscribers, each a process of its own that wants them all.
 *
 * The rate counts events that every subscriber has handled, not deliveries. */
#include "bench/transfer.h"

enum { FEW = 4, MANY = 32, MANY_RATE = 10000, MANY_S = 5 };

static const bench_figure costs[] = {{"CPU of all processes", "s/million", bench_transfer_cpu},
                                     {"CPU of the broker", "s/million", bench_transfer_server_cpu},
                                     {"CPU of the subscribers", "s/million", bench_transfer_receiver_cpu},
                                     {0}};
static const bench_figure many_others[] = {{"p50 of the slowest", "us", bench_transfer_latency_p50},
                                           {"p99 of the slowest", "us", bench_transfer_p99},
                                           {"CPU of all processes", "s/million", bench_transfer_cpu},
                                           {0}};

static void few_run(bench_report *report)
{
    static const bench_transfer_row rows[] = {
        {"1 publisher, 4 subscribers", {.carrier = &bench_carry_weft}},
        {"MQTT, one event a message", {.carrier = &bench_carry_mqtt, .slower = 40}},
        {"Paho, one event a message", {.carrier = &bench_carry_paho, .slower = 80}},
        {"JetStream in files", {.carrier = &bench_carry_jetstream, .slower = 20}},
        {"Redis Streams, appendonly", {.carrier = &bench_carry_redis, .slower = 20}},
    };
    bench_case c = {.group = "fanout", .unit = "events/s", .events = 1000000, .rounds = 5, .also = costs};
    bench_transfer_run(report, c, bench_transfer_rate, rows, sizeof rows / sizeof *rows,
                       &(bench_transfer_opts){.receivers = FEW});
}

/* What loses events, or falls a second behind, cannot. */
static void many_run(bench_report *report)
{
    static const bench_transfer_row rows[] = {
        {"10,000/s to 32 subscribers", {.carrier = &bench_carry_weft}},
        {"MQTT, one event a message", {.carrier = &bench_carry_mqtt}},
        {"Paho, one event a message", {.carrier = &bench_carry_paho}},
        {"JetStream in files", {.carrier = &bench_carry_jetstream}},
        {"Redis Streams, appendonly", {.carrier = &bench_carry_redis}},
    };
    bench_case c = {.group = "fanout",
                    .figure = "broker's CPU",
                    .unit = "of a core",
                    .events = (uint64_t)MANY_RATE * MANY_S,
                    .rounds = 5,
                    .warm_up = MANY_S,
                    .also = many_others};
    bench_transfer_run(report, c, bench_transfer_server_share, rows, sizeof rows / sizeof *rows,
                       &(bench_transfer_opts){.receivers = MANY, .rate = MANY_RATE});
}

void bench_fanout(bench_report *report)
{
    few_run(report);
    many_run(report);
}
