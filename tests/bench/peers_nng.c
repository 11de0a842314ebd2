/* tests/bench/peers_nng.c: the work done by nng over inproc: pair0, or pub0 and sub0.
 *
 * pub0 drops what a full queue has no room for; so the publisher keeps no more than WINDOW events under way, counted by
 * the subscribers. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WINDOW = BENCH_QUEUE_MAX / 2 };

typedef struct nng_subscriber {
    nng_socket socket;
    _Alignas(64) atomic_ulong handled; /* ever; its thread alone writes it */
} nng_subscriber;

typedef struct nng_rig {
    const bench_work *work;
    nng_socket publisher;
    unsigned long published; /* publisher's thread only */
    sem_t connected;
    nng_subscriber subscribers[]; /* each one its thread's, during a round */
} nng_rig;

static void check(int result)
{
    if (result != 0)
        bench_die(nng_strerror(result));
}

static void on_connected(nng_pipe pipe, nng_pipe_ev event, void *user)
{
    nng_rig *rig = user;
    (void)pipe, (void)event;
    sem_post(&rig->connected);
}

static void subscriber_open(nng_rig *rig, nng_subscriber *s)
{
    if (rig->work->subscribers == 1) {
        check(nng_pair0_open(&s->socket));
    } else {
        check(nng_sub0_open(&s->socket));
        check(nng_socket_set(s->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0));
    }
    check(nng_socket_set_int(s->socket, NNG_OPT_RECVBUF, BENCH_QUEUE_MAX));
    check(nng_dial(s->socket, "inproc://events", NULL, 0));
    while (sem_wait(&rig->connected) != 0) {
    }
    atomic_init(&s->handled, 0);
}

static void *rig_create(const bench_work *work)
{
    nng_rig *rig = aligned_alloc(_Alignof(nng_rig), sizeof *rig + work->subscribers * sizeof *rig->subscribers);
    if (rig == NULL || sem_init(&rig->connected, 0, 0) != 0)
        bench_die("out of memory");
    rig->work = work;
    rig->published = 0;
    check((work->subscribers == 1 ? nng_pair0_open : nng_pub0_open)(&rig->publisher));
    check(nng_socket_set_int(rig->publisher, NNG_OPT_SENDBUF, BENCH_QUEUE_MAX));
    check(nng_pipe_notify(rig->publisher, NNG_PIPE_EV_ADD_POST, on_connected, rig));
    check(nng_listen(rig->publisher, "inproc://events", NULL, 0));
    for (unsigned i = 0; i < work->subscribers; i++)
        subscriber_open(rig, &rig->subscribers[i]);
    return rig;
}

static void rig_destroy(void *user)
{
    nng_rig *rig = user;
    check(nng_close(rig->publisher));
    for (unsigned i = 0; i < rig->work->subscribers; i++)
        check(nng_close(rig->subscribers[i].socket));
    sem_destroy(&rig->connected);
    free(rig);
}

static void window_await(nng_rig *rig)
{
    for (unsigned i = 0; i < rig->work->subscribers; i++)
        while (rig->published - atomic_load_explicit(&rig->subscribers[i].handled, memory_order_acquire) >= WINDOW)
            sched_yield();
}

static void rig_publish(void *user, const weft_event *event, uint64_t times)
{
    nng_rig *rig = user;
    for (uint64_t i = 0; i < times; i++) {
        nng_msg *message;
        window_await(rig);
        check(nng_msg_alloc(&message, sizeof(bench_message)));
        bench_pack(nng_msg_body(message), event);
        check(nng_sendmsg(rig->publisher, message, 0));
        rig->published++;
    }
}

static void rig_consume(void *user, unsigned subscriber, uint64_t events)
{
    nng_rig *rig = user;
    nng_subscriber *s = &rig->subscribers[subscriber];
    for (uint64_t i = 0; i < events; i++) {
        nng_msg *message;
        weft_event event;
        check(nng_recvmsg(s->socket, &message, 0));
        bench_unpack(&event, nng_msg_body(message));
        (void)rig->work->handler(&event, &rig->work->guards[subscriber]);
        nng_msg_free(message);
        atomic_fetch_add_explicit(&s->handled, 1, memory_order_release);
    }
}

const bench_peer bench_nng = {
    .create = rig_create, .destroy = rig_destroy, .publish = rig_publish, .consume = rig_consume};
