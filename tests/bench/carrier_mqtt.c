/* tests/bench/carrier_mqtt.c: one event a message, QoS 1, over a socket and nothing else: what MQTT itself can do.
 *
 * MQTT 5.0, with just the packets that this takes. As many messages are under way as the broker's Receive Maximum
 * allows; what can be written together is. Mosquitto acknowledges in order, so acknowledgements are only counted.
 * Threads    a sender is one thread's; a receiver has a thread that reads, and acknowledges what it has read at once.
 */
#include "bench/bench.h"
#include "bench/carrier.h"
#include "bench/parcel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* MQTT 5.0, section 2.1.2, with the flags that each has here */
enum { CONNECT = 0x10, CONNACK = 0x20, PUBLISH_QOS1 = 0x32, PUBACK = 0x40, SUBSCRIBE = 0x82, SUBACK = 0x90 };
enum { RECEIVE_MAXIMUM = 0x21, RECEIVE_MAXIMUM_DEFAULT = 65535 }; /* section 3.2.2.3.3 */
enum { BUFFER_BYTES = 64 * 1024, PATIENCE_S = 60 };

typedef struct mqtt_end {
    int fd;
    uint16_t packet_id;
    uint32_t window, under_way;
    size_t out_used, in_begin, in_end;
    bench_ledger *ledger; /* of a receiver */
    pthread_t thread;
    uint8_t out[BUFFER_BYTES], in[BUFFER_BYTES];
} mqtt_end;

typedef struct mqtt_packet {
    uint8_t type;
    const uint8_t *body; /* valid until the next is read */
    size_t bytes;
} mqtt_packet;

/* ---- writing ---- */

static void flush_out(mqtt_end *end)
{
    for (size_t at = 0; at < end->out_used;) {
        ssize_t n = send(end->fd, end->out + at, end->out_used - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            bench_die("the broker has closed the connection");
        at += n > 0 ? (size_t)n : 0;
    }
    end->out_used = 0;
}

static void put(mqtt_end *end, const void *bytes, size_t count)
{
    memcpy(end->out + end->out_used, bytes, count);
    end->out_used += count;
}

static void put_u16(mqtt_end *end, size_t value)
{
    put(end, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void put_text(mqtt_end *end, const char *text)
{
    put_u16(end, strlen(text));
    put(end, text, strlen(text));
}

/* The fixed header of a packet with so many bytes after it; there is room for all of it then. */
static void put_head(mqtt_end *end, uint8_t type, size_t bytes)
{
    if (bytes + 8 > sizeof end->out - end->out_used)
        flush_out(end);
    put(end, &type, 1);
    do {
        uint8_t digit = (uint8_t)(bytes % 128 | (bytes >= 128 ? 128 : 0));
        put(end, &digit, 1);
        bytes /= 128;
    } while (bytes != 0);
}

/* ---- reading ---- */

/* Whether there is a whole packet in the buffer. */
static bool packet_next(mqtt_end *end, mqtt_packet *ret)
{
    size_t bytes = 0, at = end->in_begin + 1;
    for (unsigned shift = 0;; shift += 7) {
        if (at >= end->in_end)
            return false;
        bytes |= (size_t)(end->in[at] & 127) << shift;
        if (end->in[at++] < 128)
            break;
    }
    if (bytes > sizeof end->in - 5)
        bench_die("the broker sends a packet too large");
    if (end->in_end - at < bytes)
        return false;
    *ret = (mqtt_packet){.type = end->in[end->in_begin], .body = end->in + at, .bytes = bytes};
    end->in_begin = at + bytes;
    return true;
}

/* Reads what there is; whether there was anything. */
static bool fill_in(mqtt_end *end, int flags)
{
    memmove(end->in, end->in + end->in_begin, end->in_end - end->in_begin);
    end->in_end -= end->in_begin;
    end->in_begin = 0;
    ssize_t n;
    do
        n = recv(end->fd, end->in + end->in_end, sizeof end->in - end->in_end, flags);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (flags & MSG_DONTWAIT) != 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n < 0)
        bench_die("nothing is heard of the broker");
    end->in_end += (size_t)n;
    return n > 0;
}

static mqtt_packet packet_await(mqtt_end *end, uint8_t type)
{
    mqtt_packet packet;
    flush_out(end);
    while (!packet_next(end, &packet))
        if (!fill_in(end, 0))
            bench_die("the broker has closed the connection");
    if (packet.type != type)
        bench_die("the broker answers with another packet");
    return packet;
}

/* ---- connecting ---- */

static uint16_t u16_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Of all properties of a CONNACK that Mosquitto sends, in its order; each is passed over by its length. */
static uint32_t receive_maximum(mqtt_packet packet)
{
    const uint8_t *at = packet.body + 3, *end = packet.body + packet.bytes;
    while (end - at >= 3) {
        if (*at == RECEIVE_MAXIMUM)
            return u16_at(at + 1);
        bool four_bytes = *at == 0x11 || *at == 0x27, two_bytes = *at == 0x13 || *at == 0x22,
             text = *at == 0x12 || *at == 0x1f;
        at += four_bytes ? 5 : two_bytes ? 3 : text ? 3 + u16_at(at + 1) : 2;
    }
    return RECEIVE_MAXIMUM_DEFAULT;
}

static void session_open(mqtt_end *end, const char *client_id)
{
    static const uint8_t clean_without_keep_alive[] = {5, 0x02, 0, 0, 0}; /* version, flags, keep alive, properties */
    put_head(end, CONNECT, 6 + sizeof clean_without_keep_alive + 2 + strlen(client_id));
    put_text(end, "MQTT");
    put(end, clean_without_keep_alive, sizeof clean_without_keep_alive);
    put_text(end, client_id);
    mqtt_packet packet = packet_await(end, CONNACK);
    if (packet.bytes < 3 || packet.body[1] != 0)
        bench_die("the broker refuses a connection");
    end->window = receive_maximum(packet);
}

static mqtt_end *end_open(const char *url, const char *role, unsigned index)
{
    mqtt_end *end = calloc(1, sizeof *end);
    if (end == NULL)
        bench_die("out of memory");
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    end->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end->fd < 0 || connect(end->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
        bench_die("no connection to the broker");
    char id[64];
    snprintf(id, sizeof id, "bench-%s-%u", role, index);
    session_open(end, id);
    return end;
}

static void end_close(void *user)
{
    mqtt_end *end = user;
    close(end->fd);
    free(end);
}

/* ---- sending ---- */

static void *sender_open(const bench_sender_opts *opts)
{
    mqtt_end *end = end_open(opts->address, "sender", opts->index);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(end->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return end;
}

static void acks_count(mqtt_end *end)
{
    for (mqtt_packet packet; packet_next(end, &packet); end->under_way--)
        if (packet.type != PUBACK || (packet.bytes > 2 && packet.body[2] >= 0x80))
            bench_die("the broker refuses a message");
}

static void acks_await(mqtt_end *end, uint32_t until)
{
    flush_out(end);
    while (end->under_way > until) {
        if (!fill_in(end, 0))
            bench_die("the broker has closed the connection");
        acks_count(end);
    }
}

static void sender_send(void *user, const uint8_t *parcel, size_t bytes, unsigned topic)
{
    mqtt_end *end = user;
    char name[32];
    if (end->under_way == end->window)
        acks_await(end, end->window - 1);
    snprintf(name, sizeof name, "bench/%u/sender", topic);
    put_head(end, PUBLISH_QOS1, 2 + strlen(name) + 2 + 1 + bytes);
    put_text(end, name);
    end->packet_id = end->packet_id == UINT16_MAX ? 1 : (uint16_t)(end->packet_id + 1);
    put_u16(end, end->packet_id);
    put(end, (uint8_t[]){0}, 1); /* no properties */
    put(end, parcel, bytes);
    end->under_way++;
}

static void sender_push(void *user)
{
    mqtt_end *end = user;
    flush_out(end);
    while (end->under_way != 0 && fill_in(end, MSG_DONTWAIT))
        acks_count(end);
}

static void sender_finish(void *user)
{
    acks_await(user, 0);
}

/* ---- receiving ---- */

static void message_take(mqtt_end *end, mqtt_packet packet)
{
    if (packet.type != PUBLISH_QOS1 || packet.bytes < 2 || u16_at(packet.body) + 5U > packet.bytes)
        bench_die("the broker sends what was not asked for");
    const uint8_t *id = packet.body + 2 + u16_at(packet.body), *payload = id + 3 + id[2];
    bench_parcel_enter(payload, packet.bytes - (size_t)(payload - packet.body), end->ledger);
    put_head(end, PUBACK, 2);
    put(end, id, 2);
}

static void *receiver_main(void *user)
{
    mqtt_end *end = user;
    do {
        for (mqtt_packet packet; packet_next(end, &packet);)
            message_take(end, packet);
        flush_out(end);
    } while (fill_in(end, 0));
    return NULL;
}

static void *receiver_open(const bench_receiver_opts *opts)
{
    mqtt_end *end = end_open(opts->address, "receiver", opts->index);
    end->ledger = opts->ledger;
    put_head(end, SUBSCRIBE, 2 + 1 + 2 + strlen("bench/#") + 1);
    put_u16(end, 1);
    put(end, (uint8_t[]){0}, 1);
    put_text(end, "bench/#");
    put(end, (uint8_t[]){1}, 1); /* QoS 1 */
    (void)packet_await(end, SUBACK);
    if (pthread_create(&end->thread, NULL, receiver_main, end) != 0)
        bench_die("no thread");
    return end;
}

static void receiver_close(void *user)
{
    mqtt_end *end = user;
    shutdown(end->fd, SHUT_RD);
    pthread_join(end->thread, NULL);
    end_close(end);
}

const bench_carrier bench_carry_mqtt = {.name = "mqtt",
                                        .server = &bench_mosquitto,
                                        .sender_open = sender_open,
                                        .send_parcel = sender_send,
                                        .push = sender_push,
                                        .finish = sender_finish,
                                        .sender_close = end_close,
                                        .receiver_open = receiver_open,
                                        .receiver_close = receiver_close};
