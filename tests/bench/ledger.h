/* tests/bench/ledger.h: a receiver's list of what has come, held against the sender's: each number once, in order
 * within its stream.
 *
 * The sender's list is the numbers from..from+count-1 of every sender; weft and its peers carry them all the same.
 * Threads    one thread takes at a time; another begins rounds, when nothing is under way, and asks. */
#ifndef WEFT_TESTS_BENCH_LEDGER_H
#define WEFT_TESTS_BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/histogram.h"

typedef struct bench_ledger bench_ledger;

typedef struct bench_round {
    uint64_t from;    /* number of the first event of each sender */
    uint64_t count;   /* of each sender, at most */
    uint64_t rate;    /* events a second of each sender; 0: as fast as it goes, and nothing is timed */
    int64_t start_ns; /* when the first is due */
} bench_round;

/* Of some process: when event number is due. */
int64_t bench_round_due_ns(const bench_round *round, uint64_t number);

bench_ledger *bench_ledger_create(unsigned senders);
void bench_ledger_destroy(bench_ledger *ledger);
void bench_ledger_begin(bench_ledger *ledger, const bench_round *round);
/* healed: it stands outside the order. */
void bench_ledger_take(bench_ledger *ledger, unsigned sender, unsigned topic, uint64_t number, bool healed);

uint64_t bench_ledger_taken(const bench_ledger *ledger);
/* What must not be, of the first such event; NULL: nothing. Of a round whose events have all been taken. */
const char *bench_ledger_wrong(const bench_ledger *ledger);
const bench_histogram *bench_ledger_latency(const bench_ledger *ledger);

#endif
