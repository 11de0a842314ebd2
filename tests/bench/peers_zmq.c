/* tests/bench/peers_zmq.c: the work done by ZeroMQ over inproc: PAIR, or XPUB and SUB without drops. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <stdlib.h>
#include <zmq.h>

typedef struct zmq_rig {
    const bench_work *work;
    void *context;
    void *publisher;
    void *subscribers[]; /* each one its thread's, during a round */
} zmq_rig;

static void check(int result)
{
    if (result < 0)
        bench_die(zmq_strerror(zmq_errno()));
}

static void option_set(void *socket, int option, int value)
{
    check(zmq_setsockopt(socket, option, &value, sizeof value));
}

static void *socket_open(zmq_rig *rig, int type)
{
    void *socket = zmq_socket(rig->context, type);
    if (socket == NULL)
        bench_die(zmq_strerror(zmq_errno()));
    /* A pipe within a process holds what both ends ask for together. */
    option_set(socket, ZMQ_SNDHWM, BENCH_QUEUE_MAX / 2);
    option_set(socket, ZMQ_RCVHWM, BENCH_QUEUE_MAX / 2);
    option_set(socket, ZMQ_LINGER, 0);
    return socket;
}

/* A subscription reaches the publisher as a message; events published before that pass it by. */
static void subscriptions_await(zmq_rig *rig)
{
    char byte;
    for (unsigned i = 0; i < rig->work->subscribers; i++)
        check(zmq_recv(rig->publisher, &byte, sizeof byte, 0));
}

static void *rig_create(const bench_work *work)
{
    bool pair = work->subscribers == 1;
    zmq_rig *rig = malloc(sizeof *rig + work->subscribers * sizeof *rig->subscribers);
    if (rig == NULL)
        bench_die("out of memory");
    rig->work = work;
    rig->context = zmq_ctx_new();
    rig->publisher = socket_open(rig, pair ? ZMQ_PAIR : ZMQ_XPUB);
    if (!pair) {
        option_set(rig->publisher, ZMQ_XPUB_NODROP, 1);
        option_set(rig->publisher, ZMQ_XPUB_VERBOSE, 1);
    }
    check(zmq_bind(rig->publisher, "inproc://events"));
    for (unsigned i = 0; i < work->subscribers; i++) {
        rig->subscribers[i] = socket_open(rig, pair ? ZMQ_PAIR : ZMQ_SUB);
        if (!pair)
            check(zmq_setsockopt(rig->subscribers[i], ZMQ_SUBSCRIBE, "", 0));
        check(zmq_connect(rig->subscribers[i], "inproc://events"));
    }
    if (!pair)
        subscriptions_await(rig);
    return rig;
}

static void rig_destroy(void *user)
{
    zmq_rig *rig = user;
    check(zmq_close(rig->publisher));
    for (unsigned i = 0; i < rig->work->subscribers; i++)
        check(zmq_close(rig->subscribers[i]));
    check(zmq_ctx_term(rig->context));
    free(rig);
}

static void rig_publish(void *user, const weft_event *event, uint64_t times)
{
    zmq_rig *rig = user;
    for (uint64_t i = 0; i < times; i++) {
        zmq_msg_t message;
        check(zmq_msg_init_size(&message, sizeof(bench_message)));
        bench_pack(zmq_msg_data(&message), event);
        check(zmq_msg_send(&message, rig->publisher, 0));
    }
}

static void rig_consume(void *user, unsigned subscriber, uint64_t events)
{
    zmq_rig *rig = user;
    zmq_msg_t message;
    check(zmq_msg_init(&message));
    for (uint64_t i = 0; i < events; i++) {
        weft_event event;
        check(zmq_msg_recv(&message, rig->subscribers[subscriber], 0));
        bench_unpack(&event, zmq_msg_data(&message));
        (void)rig->work->handler(&event, &rig->work->guards[subscriber]);
    }
    check(zmq_msg_close(&message));
}

const bench_peer bench_zmq = {
    .create = rig_create, .destroy = rig_destroy, .publish = rig_publish, .consume = rig_consume};
