/* tests/bench/peers_queue.c: the queue that everybody writes first: a ring of pointers to allocated copies, one mutex,
 * two condition variables, a signal at every put and take. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    bench_message *ring[BENCH_QUEUE_MAX]; /* [lock] */
    unsigned head;                        /* [lock] */
    unsigned count;                       /* [lock] */
} queue;

typedef struct queues {
    const bench_work *work;
    queue queues[]; /* one a subscriber */
} queues;

static void *queues_create(const bench_work *work)
{
    queues *all = calloc(1, sizeof *all + work->subscribers * sizeof *all->queues);
    if (all == NULL)
        bench_die("out of memory");
    all->work = work;
    for (unsigned i = 0; i < work->subscribers; i++)
        if (pthread_mutex_init(&all->queues[i].lock, NULL) != 0 ||
            pthread_cond_init(&all->queues[i].filled, NULL) != 0 ||
            pthread_cond_init(&all->queues[i].emptied, NULL) != 0)
            bench_die("no queue");
    return all;
}

static void queues_destroy(void *rig)
{
    queues *all = rig;
    for (unsigned i = 0; i < all->work->subscribers; i++) {
        pthread_mutex_destroy(&all->queues[i].lock);
        pthread_cond_destroy(&all->queues[i].filled);
        pthread_cond_destroy(&all->queues[i].emptied);
    }
    free(all);
}

static void queue_put(queue *q, bench_message *message)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == BENCH_QUEUE_MAX)
        pthread_cond_wait(&q->emptied, &q->lock);
    q->ring[(q->head + q->count++) % BENCH_QUEUE_MAX] = message;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

static bench_message *queue_take(queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0)
        pthread_cond_wait(&q->filled, &q->lock);
    bench_message *message = q->ring[q->head];
    q->head = (q->head + 1) % BENCH_QUEUE_MAX;
    q->count--;
    pthread_cond_signal(&q->emptied);
    pthread_mutex_unlock(&q->lock);
    return message;
}

static void queues_publish(void *rig, const weft_event *event, uint64_t times)
{
    queues *all = rig;
    for (uint64_t i = 0; i < times; i++)
        for (unsigned j = 0; j < all->work->subscribers; j++) {
            bench_message *message = malloc(sizeof *message);
            if (message == NULL)
                bench_die("out of memory");
            bench_pack(message, event);
            queue_put(&all->queues[j], message);
        }
}

static void queues_consume(void *rig, unsigned subscriber, uint64_t events)
{
    queues *all = rig;
    for (uint64_t i = 0; i < events; i++) {
        bench_message *message = queue_take(&all->queues[subscriber]);
        weft_event event;
        bench_unpack(&event, message);
        (void)all->work->handler(&event, &all->work->guards[subscriber]);
        free(message);
    }
}

const bench_peer bench_mutex_queue = {
    .create = queues_create, .destroy = queues_destroy, .publish = queues_publish, .consume = queues_consume};
