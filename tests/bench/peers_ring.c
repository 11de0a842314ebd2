/* tests/bench/peers_ring.c: rings of 128-byte slots without a lock, for one subscriber: what a hand-over costs at
 * least. A side that finds the ring full or empty spins, then yields; an idle consumer would spin for ever, which no
 * library can do. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SPINS_MAX = 200, CACHE_LINE = 64 };

typedef struct slot {
    _Alignas(128) bench_message message;
    atomic_ulong turn; /* of the ring for many: position that may write it; that + 1 may read it */
} slot;

_Static_assert(sizeof(slot) == 128, "one slot");

typedef struct ring {
    const bench_work *work;
    _Alignas(CACHE_LINE) atomic_ulong tail;
    unsigned long head_seen; /* single producer only */
    _Alignas(CACHE_LINE) atomic_ulong head;
    unsigned long tail_seen; /* consumer only */
    slot slots[BENCH_QUEUE_MAX];
} ring;

static void *ring_create(const bench_work *work)
{
    ring *r = aligned_alloc(_Alignof(ring), sizeof *r);
    if (r == NULL)
        bench_die("out of memory");
    r->work = work;
    r->head_seen = r->tail_seen = 0;
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    for (unsigned i = 0; i < BENCH_QUEUE_MAX; i++)
        atomic_init(&r->slots[i].turn, i);
    return r;
}

static void spin(unsigned *spins)
{
    if (++*spins > SPINS_MAX)
        sched_yield();
}

static void message_handle(const ring *r, const bench_message *message)
{
    weft_event event;
    bench_unpack(&event, message);
    (void)r->work->handler(&event, &r->work->guards[0]);
}

/* ---- one producer ---- */

static void spsc_publish(void *rig, const weft_event *event, uint64_t times)
{
    ring *r = rig;
    for (uint64_t i = 0; i < times; i++) {
        unsigned long tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        for (unsigned spins = 0; tail - r->head_seen == BENCH_QUEUE_MAX; spin(&spins))
            r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        bench_pack(&r->slots[tail % BENCH_QUEUE_MAX].message, event);
        atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    }
}

static void spsc_consume(void *rig, unsigned subscriber, uint64_t events)
{
    ring *r = rig;
    (void)subscriber;
    for (uint64_t i = 0; i < events; i++) {
        unsigned long head = atomic_load_explicit(&r->head, memory_order_relaxed);
        for (unsigned spins = 0; head == r->tail_seen; spin(&spins))
            r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        message_handle(r, &r->slots[head % BENCH_QUEUE_MAX].message);
        atomic_store_explicit(&r->head, head + 1, memory_order_release);
    }
}

const bench_peer bench_spsc_ring = {
    .create = ring_create, .destroy = free, .publish = spsc_publish, .consume = spsc_consume};

/* ---- many producers ---- */

static void mpsc_put(ring *r, const weft_event *event)
{
    unsigned long tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    for (unsigned spins = 0;;) {
        slot *s = &r->slots[tail % BENCH_QUEUE_MAX];
        if (atomic_load_explicit(&s->turn, memory_order_acquire) != tail) {
            spin(&spins);
            tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&r->tail, &tail, tail + 1, memory_order_relaxed,
                                                         memory_order_relaxed)) {
            bench_pack(&s->message, event);
            atomic_store_explicit(&s->turn, tail + 1, memory_order_release);
            return;
        }
    }
}

static void mpsc_publish(void *rig, const weft_event *event, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        mpsc_put(rig, event);
}

static void mpsc_consume(void *rig, unsigned subscriber, uint64_t events)
{
    ring *r = rig;
    (void)subscriber;
    for (uint64_t i = 0; i < events; i++) {
        unsigned long head = atomic_load_explicit(&r->head, memory_order_relaxed);
        slot *s = &r->slots[head % BENCH_QUEUE_MAX];
        for (unsigned spins = 0; atomic_load_explicit(&s->turn, memory_order_acquire) != head + 1;)
            spin(&spins);
        message_handle(r, &s->message);
        atomic_store_explicit(&s->turn, head + BENCH_QUEUE_MAX, memory_order_release);
        atomic_store_explicit(&r->head, head + 1, memory_order_relaxed);
    }
}

const bench_peer bench_mpsc_ring = {
    .create = ring_create, .destroy = free, .publish = mpsc_publish, .consume = mpsc_consume};
