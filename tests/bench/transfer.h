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
    bool given_up;        /* a peer lost events, or was a second late: no further round is tried */
} bench_transfer;

/* Each a bench_fn, NAN if it cannot be done. Events sent and got by every receiver a second, until the last was handled
 * and all was safe; with an open loop the median latency, in us, and the part of a core that the server takes. */
double bench_transfer_rate(void *transfer, uint64_t events);
double bench_transfer_p50(void *transfer, uint64_t events);
double bench_transfer_server_share(void *transfer, uint64_t events);
/* Figures of the last round. CPU seconds per million events (of all senders, or receivers). */
double bench_transfer_cpu(void *transfer);
double bench_transfer_sender_cpu(void *transfer);
double bench_transfer_server_cpu(void *transfer);
double bench_transfer_receiver_cpu(void *transfer);
double bench_transfer_latency_p50(void *transfer);
double bench_transfer_p90(void *transfer);
double bench_transfer_p99(void *transfer);
double bench_transfer_p999(void *transfer);
double bench_transfer_max(void *transfer);

typedef struct bench_transfer_row {
    const char *name;
    bench_transfer_opts opts;
} bench_transfer_row;

/* Fills c's entries with `fn` of each row, runs it and reports it. with: rate, senders, receivers, which all rows get
 * from it. */
void bench_transfer_run(bench_report *report, bench_case c, bench_fn fn, const bench_transfer_row *rows, unsigned count,
                        const bench_transfer_opts *with);

#endif
