/* nodes/bench_source.c: see the header. */
#include "nodes/bench_source.h"

#include <sys/prctl.h>

#include "nodes/interrupt.h"

enum { FULL_NAP_NS = 200000 };

static bool stopping(const bench_source *s)
{
    return atomic_load_explicit(s->stop, memory_order_relaxed);
}

/* Backpressure, or a full disk: both pass. */
static bool is_passing(weft_status st)
{
    return st == WEFT_FULL || st == WEFT_NO_SPACE;
}

static weft_status publish_held_back(bench_source *s, const weft_event *event)
{
    weft_status st = WEFT_FULL;
    int64_t began = bench_now_ns(), now = began;
    s->held_back++;
    while (is_passing(st) && !stopping(s) && now < s->end_ns) {
        now = bench_nap_until_ns(now + FULL_NAP_NS, now);
        st = weft_publish(s->side.dispatcher, event);
    }
    s->held_back_ns += now - began;
    return st;
}

/* Returns false when it is over. */
static bool source_publish(bench_source *s, int64_t due_ns)
{
    const weft_event *event = bench_maker_next(s->maker, due_ns);
    weft_status st = weft_publish(s->side.dispatcher, event);
    if (is_passing(st))
        st = publish_held_back(s, event);
    if (st != WEFT_OK) {
        s->failed = is_passing(st) ? WEFT_OK : st;
        return false;
    }
    bench_maker_taken(s->maker);
    uint64_t accepted = atomic_load_explicit(&s->accepted, memory_order_relaxed);
    atomic_store_explicit(&s->accepted, accepted + 1, memory_order_relaxed);
    return true;
}

/* When event number i is to be published, having waited for that; -1 when it is not to be any more. */
static int64_t due_await(bench_source *s, uint64_t i)
{
    int64_t now = bench_now_ns();
    if (s->schedule.per_second <= 0)
        return now < s->end_ns ? now : -1;
    int64_t due = bench_schedule_due_ns(&s->schedule, i);
    while (now < due && due < s->end_ns && !stopping(s))
        now = bench_nap_until_ns(due, now);
    if (due >= s->end_ns || stopping(s))
        return -1;
    histogram_add(&s->late_ns, (uint64_t)(now - due));
    return due;
}

static void *source_run(void *user)
{
    bench_source *s = user;
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* the default of 50 µs would stand in every latency */
    for (uint64_t i = 0; i < s->wanted && !stopping(s); i++) {
        int64_t due = due_await(s, i);
        if (due < 0 || !source_publish(s, due))
            break;
    }
    s->ended_ns = bench_now_ns();
    atomic_store(&s->done, true);
    interrupt_wake();
    return NULL;
}

bool bench_source_start(bench_source *s)
{
    s->started = pthread_create(&s->thread, NULL, source_run, s) == 0;
    return s->started;
}

void bench_source_join(bench_source *s)
{
    if (s->started)
        (void)pthread_join(s->thread, NULL);
    s->started = false;
}
