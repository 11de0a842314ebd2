/* tests/bench/bridge.c: durable events a second from a publisher's process over a broker to a subscriber's, and the CPU
 * that each process takes for them, beside what else carries events between processes.
 *
 * The subscriber's list is held against the publisher's in every round: in order within a stream, each event once. */
#include "bench/transfer.h"

static const bench_figure costs[] = {{"CPU of all processes", "s/million", bench_transfer_cpu},
                                     {"CPU of the publisher", "s/million", bench_transfer_sender_cpu},
                                     {"CPU of the broker", "s/million", bench_transfer_server_cpu},
                                     {"CPU of the subscriber", "s/million", bench_transfer_receiver_cpu},
                                     {0}};

enum { BY_HAND_BYTES = 16384 };

static const bench_transfer_row rows[] = {
    {"1 publisher, 1 subscriber", {.carrier = &bench_carry_weft}},
    {"MQTT, one event a message", {.carrier = &bench_carry_mqtt, .slower = 20}},
    {"Paho, one event a message", {.carrier = &bench_carry_paho, .slower = 40}},
    {"JetStream in files", {.carrier = &bench_carry_jetstream, .slower = 10}},
    {"Redis Streams, appendonly", {.carrier = &bench_carry_redis, .slower = 10}},
    {"JetStream, 16 KB by hand", {.carrier = &bench_carry_jetstream, .parcel_bytes = BY_HAND_BYTES}},
    {"Redis Streams, 16 KB by hand", {.carrier = &bench_carry_redis, .parcel_bytes = BY_HAND_BYTES}},
};

void bench_bridge(bench_report *report)
{
    bench_case c = {.group = "bridge", .unit = "events/s", .events = 1000000, .rounds = 5, .also = costs};
    bench_transfer_run(report, c, bench_transfer_rate, rows, sizeof rows / sizeof *rows, &(bench_transfer_opts){0});
}
