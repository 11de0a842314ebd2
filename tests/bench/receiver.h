/* tests/bench/receiver.h: the receiving process of the bridge group: the program runs itself with --receiver.
 *
 * The receiver subscribes and says "ready"; then, for each line with a number that it reads, it waits until that many
 * further events have come and says "done". */
#ifndef WEFT_TESTS_BENCH_RECEIVER_H
#define WEFT_TESTS_BENCH_RECEIVER_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct bench_receiver {
    pid_t pid;
    FILE *to;
    FILE *from;
} bench_receiver;

/* kind "weft": a bridge and a dispatcher; kind "bare": messages, one event each. Blocks until it is ready. */
void bench_receiver_start(bench_receiver *receiver, const char *kind, const char *url);
/* Announces events that are about to be sent, and waits for them. */
void bench_receiver_expect(const bench_receiver *receiver, uint64_t events);
void bench_receiver_wait(const bench_receiver *receiver);
void bench_receiver_stop(bench_receiver *receiver);

/* What the receiver process runs; its exit status. */
int bench_receiver_main(const char *kind, const char *url);

#endif
