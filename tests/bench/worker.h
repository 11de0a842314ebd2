/* tests/bench/worker.h: the processes that send and receive: the program runs itself with --worker.
 *
 * They read orders from standard input and answer on standard output, a line each (worker.c has the words); both sides
 * read CLOCK_MONOTONIC, which is the same for all processes of a machine. */
#ifndef WEFT_TESTS_BENCH_WORKER_H
#define WEFT_TESTS_BENCH_WORKER_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/carrier.h"

typedef struct bench_worker {
    pid_t pid;
    FILE *to;
    FILE *from;
} bench_worker;

typedef struct bench_worker_opts {
    const char *role; /* "sender" or "receiver" */
    const bench_carrier *carrier;
    const char *address;
    const char *dir;
    unsigned index;
    unsigned senders; /* that a receiver hears of */
    unsigned sessions;
    uint32_t topics;
    unsigned parcel_bytes;
    bool soon;
} bench_worker_opts;

/* What a worker says of a round. */
typedef struct bench_worker_result {
    uint64_t events;
    int64_t end_ns;         /* sender: all was safe; receiver: the last was handled */
    uint64_t latency_ns[5]; /* receiver of a timed round: p50, p90, p99, p99.9, max */
} bench_worker_result;

/* Starts one; it is ready to send or receive when awaited. */
void bench_worker_start(bench_worker *worker, const bench_worker_opts *opts);
void bench_worker_await(const bench_worker *worker);

/* A receiver: forgets the last round, expects this one. */
void bench_worker_expect(const bench_worker *worker, const bench_round *round);
/* A sender: begins; an open loop (rate) ends early when it is a second late. */
void bench_worker_send(const bench_worker *worker, const bench_round *round);
/* A receiver: waits for so many events in all, and holds what came against what was sent: what came twice, in another
 * order, or from nowhere ends the program; what does not come for long makes for a smaller result. */
void bench_worker_receive(const bench_worker *worker, uint64_t events);
/* The answer to either. Blocks. */
bench_worker_result bench_worker_result_take(const bench_worker *worker);

/* Asks it to end; and waits until it has. A receiver to which more came than was sent ends the program, unless it was
 * given up. */
void bench_worker_stop(bench_worker *worker, bool given_up);
void bench_worker_join(bench_worker *worker, bool given_up);

/* CPU seconds, user and system, that a process has used. */
double bench_cpu_s(pid_t pid);

/* What a worker process runs; its exit status. arguments: those behind --worker. */
int bench_worker_main(int count, char **arguments);

#endif
