/* tests/bench/carrier_weft.c: events carried by weft: a dispatcher and a bridge at either end.
 *
 * The senders are nodes "sender-0" …, each with a journal on disk that is synchronised as always; a publish waits for
 * room. The receivers' handlers run inline, on the bridge's delivering thread. */
#include "bench/bench.h"
#include "bench/carrier.h"
#include "weft/bridge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READY_MS = 20000, ROOM_MS = 60000, FLUSH_MS = 60000 };

#define SENDER_NAME "sender-"

typedef struct weft_end {
    weft_dispatcher *bus;
    weft_bridge *bridge;
    const bench_load *load; /* of a sender */
    bench_ledger *ledger;   /* of a receiver */
} weft_end;

static void check(weft_status status)
{
    if (status != WEFT_OK)
        bench_die(weft_status_text(status));
}

static weft_end *end_create(void)
{
    weft_end *end = calloc(1, sizeof *end);
    if (end == NULL)
        bench_die("out of memory");
    check(weft_dispatcher_create(NULL, &end->bus));
    return end;
}

static void end_connect(weft_end *end, const char *url, const char *node, const char *journal)
{
    weft_backpressure wait = {.when_full = WEFT_WHEN_FULL_BLOCK, .block_ms = ROOM_MS};
    weft_bridge_opts opts = {.url = url,
                             .fabric = "bench",
                             .node = node,
                             .journal_path = journal,
                             .backpressure = &wait,
                             .backpressure_count = 1};
    check(weft_bridge_create(end->bus, &opts, &end->bridge, NULL));
    check(weft_bridge_wait_ready(end->bridge, READY_MS));
}

static void end_close(void *user)
{
    weft_end *end = user;
    weft_bridge_destroy(end->bridge);
    weft_dispatcher_destroy(end->bus);
    free(end);
}

static void *sender_open(const bench_sender_opts *opts)
{
    weft_end *end = end_create();
    char node[32], journal[256];
    end->load = opts->load;
    snprintf(node, sizeof node, SENDER_NAME "%u", opts->index);
    snprintf(journal, sizeof journal, "%s/journal-%u.db", opts->dir, opts->index);
    end_connect(end, opts->address, node, journal);
    return end;
}

static void sender_send(void *user, uint64_t number)
{
    weft_end *end = user;
    bench_load_text text;
    weft_event event;
    bench_load_event(end->load, number, &text, &event);
    check(weft_publish(end->bus, &event));
}

static void sender_finish(void *user)
{
    weft_end *end = user;
    check(weft_bridge_flush(end->bridge, FLUSH_MS));
}

static weft_status on_event(const weft_event *event, void *user)
{
    weft_end *end = user;
    unsigned sender = (unsigned)strtoul(event->id.node + strlen(SENDER_NAME), NULL, 10);
    bench_ledger_take(end->ledger, sender, weft_topic_number(weft_event_topic(event)), bench_load_number(event),
                      (event->flags & WEFT_FLAG_REPLAYED) != 0);
    return WEFT_OK;
}

static void *receiver_open(const bench_receiver_opts *opts)
{
    weft_end *end = end_create();
    char node[32];
    end->ledger = opts->ledger;
    check(weft_subscribe(end->bus, &(weft_filter){.origin = WEFT_ORIGIN_REMOTE}, on_event, end, NULL));
    snprintf(node, sizeof node, "receiver-%u", opts->index);
    end_connect(end, opts->address, node, NULL);
    return end;
}

const bench_carrier bench_carry_weft = {.name = "weft",
                                        .server = &bench_mosquitto,
                                        .sender_open = sender_open,
                                        .send = sender_send,
                                        .finish = sender_finish,
                                        .sender_close = end_close,
                                        .receiver_open = receiver_open,
                                        .receiver_close = end_close};
