/* tests/bench/bridge.c: durable events a second from a publisher's process over a broker to a subscriber's, and the CPU
 * that each process takes for them, beside what else carries events between processes.
 *
 * The subscriber's list is held against the publisher's in every round: in order within a stream, each event once. */
#include "bench/transfer.h"

#include <stdio.h>

static const bench_figure costs[] = {{"CPU of all processes", "s/million", bench_transfer_cpu},
                                     {"CPU of the publisher", "s/million", bench_transfer_sender_cpu},
                                     {"CPU of the broker", "s/million", bench_transfer_server_cpu},
                                     {"CPU of the subscriber", "s/million", bench_transfer_receiver_cpu},
                                     {0}};

typedef struct bridge_row {
    const char *name;
    bench_transfer_opts opts;
} bridge_row;

static const bridge_row rows[] = {
    {"1 publisher, 1 subscriber", {.carrier = &bench_carry_weft}},
    {"MQTT, one event a message", {.carrier = &bench_carry_mqtt, .slower = 20}},
    {"Paho, one event a message", {.carrier = &bench_carry_paho, .slower = 40}},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

void bench_bridge(bench_report *report)
{
    bench_transfer *transfers[ROW_COUNT];
    fprintf(stderr, "bench: journals and servers' files are on %s\n", bench_dir_file_system());
    bench_case c = {.group = "bridge", .unit = "events/s", .events = 1000000, .rounds = 5, .also = costs};
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        transfers[i] = bench_transfer_open(&rows[i].opts);
        c.entries[i] = (bench_entry){rows[i].name, transfers[i] != NULL ? bench_transfer_rate : NULL, transfers[i]};
    }
    bench_run(report, &c);
    for (unsigned i = 0; i < ROW_COUNT; i++)
        bench_transfer_close(transfers[i]);
}
