/* tests/bench/carrier_nats.c: NATS JetStream: a stream in files, published asynchronously, as many under way as its
 * client takes; a receiver is an ordered push consumer, which finds gaps and asks again, as weft does.
 *
 * Its client gathers what is sent for a millisecond, unless it is told that each message shall go at once.
 * The server has its own settings: it acknowledges what it has written, and synchronises every two minutes.
 * Threads    the sending one; a receiver's callbacks come on a thread of the library's. */
#include "bench/bench.h"
#include "bench/carrier.h"
#include "bench/parcel.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 60000, STREAM_BYTES = 1 << 30 };

typedef struct nats_end {
    natsOptions *options;
    natsConnection *connection;
    jsCtx *js;
    natsSubscription *subscription; /* of a receiver */
    bench_ledger *ledger;
} nats_end;

static void check(natsStatus status)
{
    if (status != NATS_OK)
        bench_die(natsStatus_GetText(status));
}

static void server_start(bench_server *server)
{
    uint16_t port;
    char text[8];
    bench_server_prepare(server, &port);
    snprintf(text, sizeof text, "%u", port);
    snprintf(server->address, sizeof server->address, "nats://127.0.0.1:%u", port);
    char *argv[] = {"nats-server", "-a", "127.0.0.1", "-p", text, "--jetstream", "--store_dir", server->dir, NULL};
    bench_server_spawn(server, argv, port);
}

static const bench_server_kind nats_server = {
    .program = "nats-server", .start = server_start, .stop = bench_server_end};

static void on_error(jsCtx *js, jsPubAckErr *error, void *user)
{
    (void)js, (void)user;
    bench_die(error->ErrText != NULL ? error->ErrText : natsStatus_GetText(error->Err));
}

static nats_end *end_open(const char *url, bool soon)
{
    nats_end *end = calloc(1, sizeof *end);
    if (end == NULL)
        bench_die("out of memory");
    jsOptions opts;
    check(jsOptions_Init(&opts));
    opts.PublishAsync.ErrHandler = on_error;
    opts.PublishAsync.StallWait = WAIT_MS;
    check(natsOptions_Create(&end->options));
    check(natsOptions_SetURL(end->options, url));
    check(natsOptions_SetSendAsap(end->options, soon));
    check(natsConnection_Connect(&end->connection, end->options));
    check(natsConnection_JetStream(&end->js, end->connection, &opts));
    return end;
}

static void end_close(void *user)
{
    nats_end *end = user;
    natsSubscription_Destroy(end->subscription);
    jsCtx_Destroy(end->js);
    natsConnection_Destroy(end->connection);
    natsOptions_Destroy(end->options);
    free(end);
    nats_Close();
}

/* The same stream from all that open it. */
static void stream_make(nats_end *end)
{
    jsStreamConfig config;
    jsErrCode code;
    check(jsStreamConfig_Init(&config));
    config.Name = "bench";
    config.Subjects = (const char *[]){"bench.>"};
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.MaxBytes = STREAM_BYTES;
    check(js_AddStream(NULL, end->js, &config, NULL, &code));
}

/* ---- sending ---- */

static void *sender_open(const bench_sender_opts *opts)
{
    nats_end *end = end_open(opts->address, opts->soon);
    stream_make(end);
    return end;
}

static void sender_send(void *user, const uint8_t *parcel, size_t bytes, unsigned topic)
{
    nats_end *end = user;
    char subject[32];
    snprintf(subject, sizeof subject, "bench.%u.sender", topic);
    check(js_PublishAsync(end->js, subject, parcel, (int)bytes, NULL));
}

static void sender_finish(void *user)
{
    nats_end *end = user;
    jsPubOptions opts;
    check(jsPubOptions_Init(&opts));
    opts.MaxWait = WAIT_MS;
    check(js_PublishAsyncComplete(end->js, &opts));
}

/* ---- receiving ---- */

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *user)
{
    nats_end *end = user;
    (void)connection, (void)subscription;
    bench_parcel_enter((const uint8_t *)natsMsg_GetData(message), (size_t)natsMsg_GetDataLength(message), end->ledger);
    natsMsg_Destroy(message);
}

static void *receiver_open(const bench_receiver_opts *opts)
{
    nats_end *end = end_open(opts->address, true);
    jsSubOptions sub;
    jsErrCode code;
    end->ledger = opts->ledger;
    stream_make(end);
    check(jsSubOptions_Init(&sub));
    sub.Ordered = true;
    sub.Config.DeliverPolicy = js_DeliverNew;
    check(js_Subscribe(&end->subscription, end->js, "bench.>", on_message, end, NULL, &sub, &code));
    check(natsSubscription_SetPendingLimits(end->subscription, -1, -1));
    return end;
}

const bench_carrier bench_carry_jetstream = {.name = "jetstream",
                                             .server = &nats_server,
                                             .sender_open = sender_open,
                                             .send_parcel = sender_send,
                                             .finish = sender_finish,
                                             .sender_close = end_close,
                                             .receiver_open = receiver_open,
                                             .receiver_close = end_close};
