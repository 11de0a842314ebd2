/* bridge/link_deltas.c: sends best-effort events, in the time and the room that durable ones leave.
 *
 * Nothing acknowledges QoS 0, and a socket takes megabytes before it blocks whoever writes. So after MARK_BYTES one
 * message, the mark, goes at QoS 1: when it is acknowledged, all before it have left this host. AHEAD_BYTES wait for
 * that at most, and are what a durable event can find before it on a slow line. The mark takes none of the places that
 * the window has for durable events, unless the broker has no more. */
#include "bridge/link_thread.h"

#include <stdlib.h>

enum {
    MESSAGE_BYTES = 14 * 1024,
    MESSAGES_A_ROUND = 16, /* so that durable events, control and beat get their turn */
    MARK_BYTES = 16 * 1024,
    AHEAD_BYTES = 32 * 1024,
    DENIED_MS = 10000,
};

/* What a message is made of. */
typedef struct parcel {
    weft__delta *deltas;
    uint64_t events, pieces;
    uint64_t lost; /* pieces, before them */
    weft__numbers numbers;
} parcel;

static bool parcel_take(weft_bridge *b, parcel *p)
{
    size_t limit = weft__link_payload_limit(b);
    *p = (parcel){0};
    p->deltas = weft__deltas_take(&b->deltas, limit < MESSAGE_BYTES ? limit : MESSAGE_BYTES, &p->lost);
    return p->deltas != NULL;
}

static void parcel_number(weft_bridge *b, parcel *p)
{
    for (const weft__delta *delta = p->deltas; delta != NULL; delta = delta->next) {
        p->events++;
        p->pieces += delta->pieces;
    }
    uint64_t count = p->lost + p->events;
    weft__intake_number(&b->intake, (weft_topic)WEFT__DELTA_TOPIC, count, &p->numbers);
    weft__deltas_numbered(&b->deltas, p->numbers.epoch, p->numbers.first_seq + count - 1, count);
}

static void parcel_free(parcel *p)
{
    for (weft__delta *next; p->deltas != NULL; p->deltas = next) {
        next = p->deltas->next;
        weft__delta_free(p->deltas);
    }
}

static weft_status parcel_begin(const weft_bridge *b, const parcel *p, weft__writer *w)
{
    uint64_t seq = p->numbers.first_seq, prev = p->lost > 0 ? seq + p->lost - 1 : p->numbers.prev_seq;
    return weft__writer_begin(w, b->node, p->numbers.epoch, prev, (weft_topic)WEFT__DELTA_TOPIC);
}

static weft_status parcel_add_lost(const parcel *p, weft__writer *w)
{
    weft_lost lost = {.epoch = p->numbers.epoch,
                      .topic = (weft_topic)WEFT__DELTA_TOPIC,
                      .from_seq = p->numbers.prev_seq + 1,
                      .to_seq = p->numbers.first_seq + p->lost - 1,
                      .count = p->lost,
                      .reason = WEFT_LOST_OVERFLOW};
    return p->lost > 0 ? weft__writer_lose(w, &lost) : WEFT_OK;
}

static weft_status parcel_encode(weft_bridge *b, const parcel *p, uint8_t **ret, size_t *ret_length)
{
    weft__writer w = {0};
    weft_event event;
    uint64_t seq = p->numbers.first_seq + p->lost;
    weft_status st = parcel_begin(b, p, &w);
    for (const weft__delta *delta = p->deltas; st == WEFT_OK && delta != NULL; delta = delta->next) {
        weft__delta_event(delta, p->numbers.epoch, seq++, &event);
        st = weft__writer_add(&w, &event);
    }
    if (st == WEFT_OK)
        st = parcel_add_lost(p, &w);
    if (st == WEFT_OK)
        st = weft__writer_release(&w, ret, ret_length);
    weft__writer_fini(&w);
    return st;
}

static void parcel_show(weft_bridge *b, const parcel *p)
{
    weft_event event;
    uint64_t seq = p->numbers.first_seq + p->lost;
    for (const weft__delta *delta = p->deltas; delta != NULL; delta = delta->next) {
        weft__delta_event(delta, p->numbers.epoch, seq++, &event);
        weft__bridge_tap_event(b, &event);
    }
}

static weft_status message_publish(weft_bridge *b, const uint8_t *bytes, size_t length)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    int token;
    bool mark = b->wire.delta_mark == 0 && b->wire.delta_ahead + length >= MARK_BYTES;
    if (length > weft__link_payload_limit(b))
        return WEFT_TOO_LARGE;
    weft_status st = weft__topic_evt(topic, b->fabric, (weft_topic)WEFT__DELTA_TOPIC, b->node);
    if (st == WEFT_OK)
        st = b->link_ops->publish(b->link, topic, bytes, length, mark, false, &token);
    if (st != WEFT_OK)
        return st;
    b->wire.delta_ahead += length;
    if (mark) {
        b->wire.delta_mark = token;
        b->wire.delta_marked = b->wire.delta_ahead;
    }
    return st;
}

/* Returns false when the round is over or the connection is. */
static bool message_send(weft_bridge *b)
{
    parcel p;
    uint8_t *bytes = NULL;
    size_t length;
    if (!parcel_take(b, &p))
        return false;
    parcel_number(b, &p);
    weft_status st = parcel_encode(b, &p, &bytes, &length);
    if (st == WEFT_OK)
        st = message_publish(b, bytes, length);
    free(bytes);
    if (st == WEFT_OK) {
        weft__deltas_sent(&b->deltas, p.events, p.pieces);
        weft__link_beat_soon(b);
        if (b->opts.json_tap)
            parcel_show(b, &p);
    } else {
        weft__deltas_lose(&b->deltas, p.events, p.pieces,
                          st == WEFT_TOO_LARGE ? WEFT_LOST_TOO_LARGE : WEFT_LOST_UNREACHABLE);
    }
    parcel_free(&p);
    if (st == WEFT_UNREACHABLE)
        atomic_store(&b->link_down, true);
    return st != WEFT_UNREACHABLE;
}

bool weft__link_deltas_wait(const weft_bridge *b)
{
    return b->wire.delta_mark != 0 && b->wire.delta_ahead > AHEAD_BYTES;
}

static bool may_go(const weft_bridge *b, int64_t now)
{
    return weft__link_window_open(b) && !weft__link_deltas_wait(b) && now >= b->wire.delta_denied_ms;
}

int64_t weft__link_deltas_send(weft_bridge *b)
{
    enum { UNTIL_WOKEN_MS = 1000 };
    int64_t now = weft__bridge_mono_ms(b), due_ms = 0;
    if (b->uplink == NULL)
        return UNTIL_WOKEN_MS;
    int sent = 0;
    while (sent < MESSAGES_A_ROUND && may_go(b, now) && (due_ms = weft__deltas_due_ms(&b->deltas, now)) == 0 &&
           !atomic_load(&b->link_down))
        sent += message_send(b);
    if (sent == MESSAGES_A_ROUND)
        return 0;
    return due_ms > 0 ? due_ms : UNTIL_WOKEN_MS; /* by an acknowledgement, or by the next piece */
}

bool weft__link_deltas_acked(weft_bridge *b, int token, weft_status status)
{
    if (token != b->wire.delta_mark || b->wire.delta_mark == 0)
        return false;
    b->wire.delta_mark = 0;
    b->wire.delta_ahead -= b->wire.delta_marked;
    if (status == WEFT_REFUSED)
        b->wire.delta_denied_ms = weft__bridge_mono_ms(b) + DENIED_MS;
    return true;
}

void weft__link_deltas_reset(weft_bridge *b)
{
    b->wire.delta_mark = 0;
    b->wire.delta_ahead = b->wire.delta_marked = 0;
    b->wire.delta_denied_ms = 0;
    weft__deltas_fit(&b->deltas, weft__link_payload_limit(b));
}
