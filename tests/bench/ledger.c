/* tests/bench/ledger.c: a bit an event, and the last number of each stream. */
#include "bench/ledger.h"

#include "bench/bench.h"
#include "weft/event.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct bench_ledger {
    unsigned senders;    /* const after create */
    bench_round round;   /* const while events come */
    uint64_t *seen;      /* a bit an event, sender by sender; so with the other fields: taking thread */
    size_t sender_words; /* const while events come */
    uint64_t *next;      /* of each sender and topic: the least number that may come */
    bench_histogram latency;
    const char *wrong;
    atomic_uint_fast64_t round_no; /* published when a round has been begun */
    atomic_uint_fast64_t taken;    /* published with all of the above */
};

int64_t bench_round_due_ns(const bench_round *round, uint64_t number)
{
    uint64_t place = number - round->from;
    uint64_t seconds = place / round->rate, rest = place % round->rate;
    return round->start_ns + (int64_t)(seconds * 1000000000 + rest * 1000000000 / round->rate);
}

bench_ledger *bench_ledger_create(unsigned senders)
{
    bench_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL || (ledger->next = calloc((size_t)senders * WEFT_TOPIC_MAX, sizeof *ledger->next)) == NULL)
        bench_die("out of memory");
    ledger->senders = senders;
    return ledger;
}

void bench_ledger_destroy(bench_ledger *ledger)
{
    free(ledger->seen);
    free(ledger->next);
    free(ledger);
}

void bench_ledger_begin(bench_ledger *ledger, const bench_round *round)
{
    (void)atomic_load(&ledger->taken); /* what the taking thread wrote is seen from here on */
    free(ledger->seen);
    ledger->round = *round;
    ledger->sender_words = (size_t)(round->count / 64 + 1);
    ledger->seen = calloc(ledger->senders * ledger->sender_words, sizeof *ledger->seen);
    if (ledger->seen == NULL)
        bench_die("out of memory");
    memset(&ledger->latency, 0, sizeof ledger->latency);
    atomic_store(&ledger->taken, 0);
    atomic_fetch_add(&ledger->round_no, 1);
}

static const char *entry_make(bench_ledger *ledger, unsigned sender, unsigned topic, uint64_t number, bool healed)
{
    uint64_t place = number - ledger->round.from;
    if (sender >= ledger->senders || topic >= WEFT_TOPIC_MAX || place >= ledger->round.count)
        return "an event came that nobody sent in this round";
    uint64_t *word = &ledger->seen[sender * ledger->sender_words + place / 64], bit = UINT64_C(1) << place % 64;
    if ((*word & bit) != 0)
        return "an event came twice";
    *word |= bit;
    uint64_t *next = &ledger->next[sender * WEFT_TOPIC_MAX + topic];
    if (!healed && number < *next)
        return "an event came out of order";
    *next = healed ? *next : number + 1;
    return NULL;
}

void bench_ledger_take(bench_ledger *ledger, unsigned sender, unsigned topic, uint64_t number, bool healed)
{
    if (atomic_load_explicit(&ledger->round_no, memory_order_acquire) == 0)
        return;
    if (ledger->round.rate != 0) {
        int64_t late_ns = bench_now_ns() - bench_round_due_ns(&ledger->round, number);
        bench_histogram_add(&ledger->latency, late_ns > 0 ? (uint64_t)late_ns : 0);
    }
    const char *wrong = entry_make(ledger, sender, topic, number, healed);
    if (wrong != NULL && ledger->wrong == NULL)
        ledger->wrong = wrong;
    uint64_t taken = atomic_load_explicit(&ledger->taken, memory_order_relaxed);
    atomic_store_explicit(&ledger->taken, taken + 1, memory_order_release);
}

uint64_t bench_ledger_taken(const bench_ledger *ledger)
{
    return atomic_load_explicit(&ledger->taken, memory_order_acquire);
}

const char *bench_ledger_wrong(const bench_ledger *ledger)
{
    return ledger->wrong;
}

const bench_histogram *bench_ledger_latency(const bench_ledger *ledger)
{
    return &ledger->latency;
}
