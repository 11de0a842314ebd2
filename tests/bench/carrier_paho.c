/* tests/bench/carrier_paho.c: one event a message with the client library that weft uses, QoS 1, as many under way as
 * the broker takes.
 *
 * Threads    the sending one; the link's, which post the window and hand over what comes. */
#include "bench/bench.h"
#include "bench/carrier.h"
#include "bench/parcel.h"
#include "bridge/link.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct paho_end {
    weft__link *link;
    bench_ledger *ledger; /* of a receiver */
    uint32_t window;
    sem_t room;
} paho_end;

static void on_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    paho_end *end = user;
    (void)topic, (void)retained;
    bench_parcel_enter(payload, length, end->ledger);
}

static void on_acked(void *user, int token, weft_status status)
{
    paho_end *end = user;
    (void)token;
    if (status != WEFT_OK)
        bench_die("the broker refused a message");
    sem_post(&end->room);
}

static void on_down(void *user)
{
    (void)user;
    bench_die("a connection was lost");
}

static paho_end *end_open(const char *url, const char *role, unsigned index, bool receive_only)
{
    paho_end *end = calloc(1, sizeof *end);
    if (end == NULL)
        bench_die("out of memory");
    char id[64];
    snprintf(id, sizeof id, "weft:bench:paho-%s-%u", role, index);
    weft__link_callbacks callbacks = {.on_message = on_message, .on_acked = on_acked, .on_down = on_down, .user = end};
    weft__link_opts opts = {
        .url = url, .client_id = id, .keep_alive_s = 60, .connect_timeout_s = 5, .receive_only = receive_only};
    weft__link_limits limits = {0};
    if (weft__mqtt_link.create(&opts, &callbacks, &end->link) != WEFT_OK ||
        weft__mqtt_link.connect(end->link, true, &limits, NULL) != WEFT_OK ||
        sem_init(&end->room, 0, limits.receive_maximum) != 0)
        bench_die("no link to the broker");
    end->window = limits.receive_maximum;
    return end;
}

static void end_close(void *user)
{
    paho_end *end = user;
    weft__mqtt_link.disconnect(end->link);
    weft__mqtt_link.destroy(end->link);
    sem_destroy(&end->room);
    free(end);
}

static void *sender_open(const bench_sender_opts *opts)
{
    return end_open(opts->address, "sender", opts->index, false);
}

static void room_take(paho_end *end)
{
    while (sem_wait(&end->room) != 0)
        if (errno != EINTR)
            bench_die("sem_wait failed");
}

static void sender_send(void *user, const uint8_t *parcel, size_t bytes, unsigned topic)
{
    paho_end *end = user;
    char name[32];
    snprintf(name, sizeof name, "bench/%u/sender", topic);
    room_take(end);
    weft_status status;
    for (int token; (status = weft__mqtt_link.publish(end->link, name, parcel, bytes, 1, false, &token)) != WEFT_OK;
         sched_yield())
        if (status != WEFT_FULL)
            bench_die(weft_status_text(status));
}

static void sender_finish(void *user)
{
    paho_end *end = user;
    for (uint32_t i = 0; i < end->window; i++)
        room_take(end);
    for (uint32_t i = 0; i < end->window; i++)
        sem_post(&end->room);
}

static void *receiver_open(const bench_receiver_opts *opts)
{
    paho_end *end = end_open(opts->address, "receiver", opts->index, true);
    end->ledger = opts->ledger;
    if (weft__mqtt_link.subscribe(end->link, "bench/#", 1) != WEFT_OK)
        bench_die("the broker refuses a subscription");
    return end;
}

const bench_carrier bench_carry_paho = {.name = "paho",
                                        .server = &bench_mosquitto,
                                        .sender_open = sender_open,
                                        .send_parcel = sender_send,
                                        .finish = sender_finish,
                                        .sender_close = end_close,
                                        .receiver_open = receiver_open,
                                        .receiver_close = end_close};
