/* tests/bench/bridge.c: events a second from weft_publish in this process to a handler in another, journal on disk,
 * beside one event a message (QoS 1) over the same broker with the same client library.
 *
 * Three processes: the publisher (this one), a receiver for either way (receiver.c), and a Mosquitto of its own.
 * Threads    the main one publishes; the link's threads post the window. */
#include "weft/bridge.h"
#include "bench/bench.h"
#include "bench/receiver.h"
#include "bridge/link.h"
#include "support/broker.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct bridge_rig {
    broker *broker;
    bench_receiver weft_receiver;
    bench_receiver bare_receiver;
    weft_dispatcher *bus;
    weft_bridge *bridge;
    weft__link *link;
    sem_t window;
    uint8_t *message; /* one event, encoded */
    size_t message_bytes;
} bridge_rig;

static const weft_event sample = {
    .type = WEFT_TOKEN_USAGE,
    .timestamp_ms = 1767614400000,
    .id = {.node = "sender", .epoch = 1767614400000, .seq = 1},
    .source = "agent",
    .session_id = "8c1f2f0e-5a54-4d0c-9a5e-0d2b9a7f6c11",
    .agent_id = "a1",
    .token_usage = {.model = "claude-opus-4-5",
                    .input_tokens = 9,
                    .output_tokens = 412,
                    .cache_read_tokens = 48211,
                    .cache_write_tokens = 733,
                    .cost_usd = 0.0389},
};

static double per_second(uint64_t events, int64_t began)
{
    return (double)events * 1e9 / (double)(bench_now_ns() - began);
}

static void publish_one(const bridge_rig *rig)
{
    for (weft_status status; (status = weft_publish(rig->bus, &sample)) != WEFT_OK; sched_yield())
        if (status != WEFT_FULL)
            bench_die(weft_status_text(status));
}

static double through_weft(void *user, uint64_t events)
{
    bridge_rig *rig = user;
    bench_receiver_expect(&rig->weft_receiver, events);
    int64_t began = bench_now_ns();
    for (uint64_t i = 0; i < events; i++)
        publish_one(rig);
    bench_receiver_wait(&rig->weft_receiver);
    return per_second(events, began);
}

static void send_bare(bridge_rig *rig)
{
    weft_status status;
    int token;
    while (sem_wait(&rig->window) != 0)
        if (errno != EINTR)
            bench_die("sem_wait failed");
    while ((status = weft__mqtt_link.publish(rig->link, "bare/cost/sender", rig->message, rig->message_bytes, 1, false,
                                             &token)) != WEFT_OK) {
        if (status != WEFT_FULL)
            bench_die(weft_status_text(status));
        sched_yield();
    }
}

static double bare_messages(void *user, uint64_t events)
{
    bridge_rig *rig = user;
    bench_receiver_expect(&rig->bare_receiver, events);
    int64_t began = bench_now_ns();
    for (uint64_t i = 0; i < events; i++)
        send_bare(rig);
    bench_receiver_wait(&rig->bare_receiver);
    return per_second(events, began);
}

static void on_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    (void)user, (void)topic, (void)payload, (void)length, (void)retained;
}

static void on_acked(void *user, int token, weft_status status)
{
    bridge_rig *rig = user;
    (void)token;
    if (status != WEFT_OK)
        bench_die("the broker refused a message");
    sem_post(&rig->window);
}

static void on_down(void *user)
{
    (void)user;
    bench_die("the sending connection was lost");
}

static void bridge_open(bridge_rig *rig)
{
    char journal[256];
    snprintf(journal, sizeof journal, "%s/journal.db", broker_dir(rig->broker));
    weft_bridge_opts opts = {
        .url = broker_url(rig->broker), .fabric = "bench", .node = "sender", .journal_path = journal};
    if (weft_dispatcher_create(NULL, &rig->bus) != WEFT_OK ||
        weft_bridge_create(rig->bus, &opts, &rig->bridge, NULL) != WEFT_OK ||
        weft_bridge_wait_ready(rig->bridge, 10000) != WEFT_OK)
        bench_die("no sending bridge");
}

static void link_open(bridge_rig *rig)
{
    weft__link_callbacks callbacks = {.on_message = on_message, .on_acked = on_acked, .on_down = on_down, .user = rig};
    weft__link_opts opts = {.url = broker_url(rig->broker),
                            .client_id = "weft:bench:bare-sender",
                            .keep_alive_s = 60,
                            .connect_timeout_s = 5};
    weft__link_limits limits = {0};
    if (weft__mqtt_link.create(&opts, &callbacks, &rig->link) != WEFT_OK ||
        weft__mqtt_link.connect(rig->link, true, &limits, NULL) != WEFT_OK)
        bench_die("no sending link");
    if (sem_init(&rig->window, 0, limits.receive_maximum) != 0)
        bench_die("no semaphore");
    const weft_event *event = weft_event_keep(&sample);
    weft_batch batch = {
        .node = "sender", .epoch = sample.id.epoch, .topic = WEFT_TOPIC_COST, .events = &event, .event_count = 1};
    if (event == NULL || weft_batch_encode(&batch, &rig->message, &rig->message_bytes) != WEFT_OK)
        bench_die("the sample cannot be encoded");
    weft_event_release(event);
}

static void rig_close(bridge_rig *rig)
{
    bench_receiver_stop(&rig->weft_receiver);
    bench_receiver_stop(&rig->bare_receiver);
    weft__mqtt_link.disconnect(rig->link);
    weft__mqtt_link.destroy(rig->link);
    weft_bridge_destroy(rig->bridge);
    weft_dispatcher_destroy(rig->bus);
    sem_destroy(&rig->window);
    free(rig->message);
    broker_destroy(rig->broker);
}

void bench_bridge(bench_report *report)
{
    bridge_rig rig = {0};
    rig.broker = broker_create();
    if (rig.broker == NULL || !broker_start(rig.broker))
        bench_die("mosquitto does not start");
    bench_receiver_start(&rig.weft_receiver, "weft", broker_url(rig.broker));
    bench_receiver_start(&rig.bare_receiver, "bare", broker_url(rig.broker));
    bridge_open(&rig);
    link_open(&rig);
    bench_run(report, &(bench_case){.group = "bridge",
                                    .unit = "events/s",
                                    .events = 20000,
                                    .entries = {{"publish to remote handler", through_weft, &rig},
                                                {"one event a message", bare_messages, &rig}}});
    rig_close(&rig);
}
