/* tests/bench/transfer.h: a server, senders and receivers of one carrier, all processes, and rounds of events through
 * them. */
#ifndef WEFT_TESTS_BENCH_TRANSFER_H
#define WEFT_TESTS_BENCH_TRANSFER_H

#include "bench/bench.h"
#include "bench/worker.h"

enum { BENCH_SENDERS_MAX = 8, BENCH_RECEIVERS_MAX = 32, BENCH_SESSIONS = 20 };

typedef struct bench_transfer_opts {
    const bench_carrier *carrier;
    unsigned senders;      /* 0: 1 */
    unsigned receivers;    /* 0: 1 */
    unsigned sessions;     /* of each sender; 0: BENCH_SESSIONS */
    uint32_t topics;       /* mask; 0: all */
    unsigned parcel_bytes; /* bench_sender_opts */
    unsigned slower;       /* a round has so many times fewer events; 0: 1 */
    uint64_t rate;         /* open loop: events a second of all senders; 0: as fast as it goes */
} bench_transfer_opts;

typedef struct bench_transfer {
    bench_transfer_opts opts;
    bench_server server;
    char dir[160];
    bench_worker senders[BENCH_SENDERS_MAX];
    bench_worker receivers[BENCH_RECEIVERS_MAX];
    uint64_t next; /* number of the next event */
    /* of the last round */
    double events;
    double elapsed_s;
    double sender_cpu_s, server_cpu_s, receiver_cpu_s;
    double latency_us[5]; /* p50, p90, p99, p99.9, max; the worst receiver's */
    bool late;            /* the open loop could not be kept up */
} bench_transfer;

/* NULL if the carrier is not present here. Ownership: close it. */
bench_transfer *bench_transfer_open(const bench_transfer_opts *opts);
void bench_transfer_close(bench_transfer *transfer);

/* A bench_fn: events sent and got by every receiver a second, until the last was handled and all was safe. */
double bench_transfer_rate(void *transfer, uint64_t events);
/* Figures of the last round. CPU seconds per million events (of all senders, or receivers). */
double bench_transfer_cpu(void *transfer);
double bench_transfer_sender_cpu(void *transfer);
double bench_transfer_server_cpu(void *transfer);
double bench_transfer_receiver_cpu(void *transfer);

#endif
