/* tests/bench/handoff.c: events a second from one thread's publish to the last handler on others, the copy included.
 *
 * Threads    the main one publishes, with further ones where a row has several producers; peers without threads of
 *            their own get one for each subscriber. All of them last one round, so that none waits through another's.
 */
#include "bench/bench.h"
#include "bench/peers.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { SUBSCRIBERS_MAX = 8, PRODUCERS_MAX = 2, LOST_AFTER_S = 60 };

typedef struct handoff_rig {
    const bench_peer *peer;
    void *rig;
    bench_work work;
    bench_guard guards[SUBSCRIBERS_MAX];
    unsigned producers;
    uint64_t events;         /* const while threads run */
    pthread_barrier_t begin; /* all threads of a round */
    sem_t done;
} handoff_rig;

typedef struct handoff_thread {
    handoff_rig *rig;
    unsigned subscriber;
    pthread_t thread;
} handoff_thread;

static void *producer_main(void *user)
{
    handoff_rig *rig = user;
    pthread_barrier_wait(&rig->begin);
    rig->peer->publish(rig->rig, &bench_sample, rig->events / rig->producers);
    return NULL;
}

static void *consumer_main(void *user)
{
    handoff_thread *self = user;
    pthread_barrier_wait(&self->rig->begin);
    self->rig->peer->consume(self->rig->rig, self->subscriber, self->rig->events);
    return NULL;
}

static void thread_start(pthread_t *thread, void *(*run)(void *), void *user)
{
    if (pthread_create(thread, NULL, run, user) != 0)
        bench_die("no thread");
}

static void round_prepare(handoff_rig *rig, uint64_t events, unsigned threads)
{
    rig->events = (events + rig->producers - 1) / rig->producers * rig->producers;
    for (unsigned i = 0; i < rig->work.subscribers; i++)
        rig->guards[i] = (bench_guard){.left = rig->events, .done = &rig->done};
    if (pthread_barrier_init(&rig->begin, NULL, threads) != 0)
        bench_die("no barrier");
}

/* On the wall clock: TSan does not know sem_clockwait. */
static void done_await(handoff_rig *rig)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += LOST_AFTER_S;
    while (sem_timedwait(&rig->done, &deadline) != 0)
        if (errno != EINTR)
            bench_die("events were published that no handler has seen");
}

/* From the first publish until the last handler has run. */
static int64_t round_take(handoff_rig *rig)
{
    pthread_barrier_wait(&rig->begin);
    int64_t began = bench_now_ns();
    rig->peer->publish(rig->rig, &bench_sample, rig->events / rig->producers);
    for (unsigned i = 0; i < rig->work.subscribers; i++)
        done_await(rig);
    return bench_now_ns() - began;
}

static double millions_a_second(void *user, uint64_t events)
{
    handoff_rig *rig = user;
    handoff_thread consumers[SUBSCRIBERS_MAX];
    pthread_t producers[PRODUCERS_MAX];
    unsigned consumer_count = rig->peer->consume != NULL ? rig->work.subscribers : 0;
    round_prepare(rig, events, consumer_count + rig->producers);
    for (unsigned i = 0; i < consumer_count; i++) {
        consumers[i] = (handoff_thread){.rig = rig, .subscriber = i};
        thread_start(&consumers[i].thread, consumer_main, &consumers[i]);
    }
    for (unsigned i = 1; i < rig->producers; i++)
        thread_start(&producers[i], producer_main, rig);
    int64_t took = round_take(rig);
    for (unsigned i = 0; i < consumer_count; i++)
        pthread_join(consumers[i].thread, NULL);
    for (unsigned i = 1; i < rig->producers; i++)
        pthread_join(producers[i], NULL);
    pthread_barrier_destroy(&rig->begin);
    bench_work_check(&rig->work, rig->events);
    return (double)rig->events * 1e3 / (double)took;
}

static bench_entry entry_open(handoff_rig *rig, const char *name, const bench_peer *peer, unsigned subscribers,
                              unsigned producers)
{
    *rig = (handoff_rig){
        .peer = peer,
        .producers = producers,
        .work = {.subscribers = subscribers, .queued = true, .handler = bench_on_queued, .guards = rig->guards}};
    if (peer->create == NULL)
        return (bench_entry){.name = name};
    if (sem_init(&rig->done, 0, 0) != 0)
        bench_die("no semaphore");
    rig->rig = peer->create(&rig->work);
    return (bench_entry){name, millions_a_second, rig};
}

typedef struct handoff_entry {
    const char *name;
    const bench_peer *peer;
} handoff_entry;

typedef struct handoff_row {
    unsigned subscribers;
    unsigned producers;
    uint64_t events;
    handoff_entry entries[BENCH_ENTRIES_MAX];
} handoff_row;

static const handoff_row rows[] = {
    {1,
     1,
     100000,
     {{"1 subscriber", &bench_weft},
      {"a queue with a mutex", &bench_mutex_queue},
      {"a ring for one producer", &bench_spsc_ring},
      {"ZeroMQ inproc", &bench_zmq},
      {"nng inproc", &bench_nng}}},
    {8,
     1,
     10000,
     {{"8 subscribers", &bench_weft},
      {"queues with a mutex", &bench_mutex_queue},
      {"ZeroMQ inproc", &bench_zmq},
      {"nng inproc", &bench_nng}}},
    {1,
     2,
     100000,
     {{"2 producers", &bench_weft},
      {"a queue with a mutex", &bench_mutex_queue},
      {"a ring for many producers", &bench_mpsc_ring}}},
};

static void row_run(bench_report *report, const handoff_row *row)
{
    static handoff_rig rigs[BENCH_ENTRIES_MAX];
    bench_case c = {.group = "handoff", .unit = "M/s", .events = row->events};
    unsigned count = 0;
    for (; count < BENCH_ENTRIES_MAX && row->entries[count].name != NULL; count++)
        c.entries[count] = entry_open(&rigs[count], row->entries[count].name, row->entries[count].peer,
                                      row->subscribers, row->producers);
    bench_run(report, &c);
    for (unsigned i = 0; i < count; i++)
        if (rigs[i].rig != NULL) {
            rigs[i].peer->destroy(rigs[i].rig);
            sem_destroy(&rigs[i].done);
        }
}

void bench_handoff(bench_report *report)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        row_run(report, &rows[i]);
}
