/* tests/bench/carrier_redis.c: Redis Streams: XADD through a pipeline, XREAD by each receiver.
 *
 * The server keeps an append-only file that it synchronises every second, and no snapshots; the stream is cut at about
 * a million entries, for its memory. Threads    the sending one; a receiver has a thread that reads. */
#include "bench/bench.h"
#include "bench/carrier.h"
#include "bench/parcel.h"

#include <hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIPELINE = 1000 };

typedef struct redis_end {
    redisContext *redis;
    const char *entries_max; /* that the stream keeps; of a sender, as the next */
    unsigned under_way;
    bench_ledger *ledger; /* of a receiver, as all that follow */
    pthread_t thread;
    atomic_bool stop;
    char last[64]; /* id of the newest entry read; its thread's */
} redis_end;

static void server_start(bench_server *server)
{
    uint16_t port;
    char text[8];
    bench_server_prepare(server, &port);
    snprintf(text, sizeof text, "%u", port);
    snprintf(server->address, sizeof server->address, "%u", port);
    char *argv[] = {"redis-server", "--bind", "127.0.0.1",     "--port",   text,     "--dir", server->dir,
                    "--appendonly", "yes",    "--appendfsync", "everysec", "--save", "",      NULL};
    bench_server_spawn(server, argv, port);
}

static const bench_server_kind redis_server = {
    .program = "redis-server", .start = server_start, .stop = bench_server_end};

static redis_end *end_open(const char *port)
{
    redis_end *end = calloc(1, sizeof *end);
    if (end == NULL || (end->redis = redisConnect("127.0.0.1", atoi(port))) == NULL)
        bench_die("out of memory");
    if (end->redis->err != 0)
        bench_die(end->redis->errstr);
    return end;
}

static void end_close(void *user)
{
    redis_end *end = user;
    redisFree(end->redis);
    free(end);
}

/* ---- sending ---- */

static void *sender_open(const bench_sender_opts *opts)
{
    redis_end *end = end_open(opts->address);
    end->entries_max = opts->parcel_bytes != 0 ? "10000" : "1000000";
    return end;
}

static void reply_check(redis_end *end, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        bench_die(reply->str);
    freeReplyObject(reply);
    end->under_way--;
}

static void replies_await(redis_end *end, unsigned until)
{
    while (end->under_way > until) {
        void *reply;
        if (redisGetReply(end->redis, &reply) != REDIS_OK)
            bench_die(end->redis->errstr);
        reply_check(end, reply);
    }
}

static void sender_send(void *user, const uint8_t *parcel, size_t bytes, unsigned topic)
{
    redis_end *end = user;
    (void)topic;
    if (end->under_way >= PIPELINE)
        replies_await(end, PIPELINE / 2);
    const char *words[] = {"XADD", "bench", "MAXLEN", "~", end->entries_max, "*", "e", (const char *)parcel};
    size_t lengths[] = {4, 5, 6, 1, strlen(end->entries_max), 1, 1, bytes};
    if (redisAppendCommandArgv(end->redis, 8, words, lengths) != REDIS_OK)
        bench_die(end->redis->errstr);
    end->under_way++;
}

static void written_replies_take(redis_end *end)
{
    while (end->under_way != 0 && poll(&(struct pollfd){.fd = end->redis->fd, .events = POLLIN}, 1, 0) > 0) {
        void *reply = NULL;
        if (redisBufferRead(end->redis) != REDIS_OK)
            bench_die(end->redis->errstr);
        while (redisGetReplyFromReader(end->redis, &reply) == REDIS_OK && reply != NULL)
            reply_check(end, reply);
    }
}

static void sender_push(void *user)
{
    redis_end *end = user;
    for (int done = 0; done == 0;)
        if (redisBufferWrite(end->redis, &done) != REDIS_OK)
            bench_die(end->redis->errstr);
    written_replies_take(end);
}

static void sender_finish(void *user)
{
    replies_await(user, 0);
}

/* ---- receiving ---- */

/* [id, [field, value]] */
static void entry_take(redis_end *end, const redisReply *entry)
{
    const redisReply *value = entry->element[1]->element[1];
    snprintf(end->last, sizeof end->last, "%s", entry->element[0]->str);
    bench_parcel_enter((const uint8_t *)value->str, value->len, end->ledger);
}

/* [[stream, [entry …]]], or nothing in time */
static void reply_take(redis_end *end, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        bench_die(reply->str);
    if (reply->type != REDIS_REPLY_ARRAY)
        return;
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++)
        entry_take(end, entries->element[i]);
}

static void *receiver_main(void *user)
{
    redis_end *end = user;
    while (!atomic_load(&end->stop)) {
        redisReply *reply = redisCommand(end->redis, "XREAD COUNT 1000 BLOCK 200 STREAMS bench %s", end->last);
        if (reply == NULL)
            bench_die(end->redis->errstr);
        reply_take(end, reply);
        freeReplyObject(reply);
    }
    return NULL;
}

/* Before any sender: the stream is empty. */
static void *receiver_open(const bench_receiver_opts *opts)
{
    redis_end *end = end_open(opts->address);
    end->ledger = opts->ledger;
    strcpy(end->last, "0-0");
    if (pthread_create(&end->thread, NULL, receiver_main, end) != 0)
        bench_die("no thread");
    return end;
}

static void receiver_close(void *user)
{
    redis_end *end = user;
    atomic_store(&end->stop, true);
    pthread_join(end->thread, NULL);
    end_close(end);
}

const bench_carrier bench_carry_redis = {.name = "redis",
                                         .server = &redis_server,
                                         .sender_open = sender_open,
                                         .send_parcel = sender_send,
                                         .push = sender_push,
                                         .finish = sender_finish,
                                         .sender_close = end_close,
                                         .receiver_open = receiver_open,
                                         .receiver_close = receiver_close};
