/* tests/bench/peer.h: the receiving process of the bridge group: the program runs itself with --peer.
 *
 * The peer subscribes and says "ready"; then, for each line with a number that it reads, it waits until that many
 * further events have come and says "done". */
#ifndef WEFT_TESTS_BENCH_PEER_H
#define WEFT_TESTS_BENCH_PEER_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct bench_peer {
    pid_t pid;
    FILE *to;
    FILE *from;
} bench_peer;

/* kind "weft": a bridge and a dispatcher; kind "bare": messages, one event each. Blocks until it is ready. */
void bench_peer_start(bench_peer *peer, const char *kind, const char *url);
/* Announces events that are about to be sent, and waits for them. */
void bench_peer_expect(const bench_peer *peer, uint64_t events);
void bench_peer_wait(const bench_peer *peer);
void bench_peer_stop(bench_peer *peer);

/* What the peer process runs; its exit status. */
int bench_peer_main(const char *kind, const char *url);

#endif
