/* bridge/link_thread.c: the link agent, the only one that calls the link.
 *
 *   down --retry time--> peek own live (fenced? epoch ahead?) --> connect --> subscribe --> birth --> up
 *   up --connection lost--> down, everything in flight queued again
 *   any --a newer process holds the name--> fenced, for good
 *
 * While up, a round: acknowledgements, interest, control messages, events as the window allows, best-effort ones, beat.
 * Control messages take at most half the window, so that a replay cannot starve what is new. */
#include "bridge/link_thread.h"

#include <stdlib.h>

enum {
    ROUND_MS = 200,
    BEAT_EARLIER_MAX = 32, /* streams of earlier epochs */
    BEAT_AFTER_BURST_MS = 200,
    REFUSED_MS = 10000,
    GOODBYE_MS = 1000,
    CONTROL_A_ROUND = 64,
    EVENTS_A_ROUND = 64,         /* messages, so that control and beat get their turn */
    PACKET_OVERHEAD_BYTES = 512, /* a topic of four longest names, and properties */
};

size_t weft__link_payload_limit(const weft_bridge *b)
{
    return b->wire.limits.max_packet_bytes > PACKET_OVERHEAD_BYTES
               ? b->wire.limits.max_packet_bytes - PACKET_OVERHEAD_BYTES
               : 1;
}

void weft__link_payload_limit_tell(weft_bridge *b)
{
    size_t limit = weft__link_payload_limit(b);
    atomic_store(&b->payload_max, limit);
    weft__intake_limit_messages(&b->intake, limit);
}

void weft__link_control_note(weft_bridge *b, int token, const char *topic)
{
    size_t at = b->wire.control_in_flight;
    if (at == sizeof b->wire.control / sizeof *b->wire.control)
        return;
    b->wire.control[at].token = token;
    b->wire.control[at].subject = weft__subject_of(topic);
    b->wire.control_in_flight++;
}

static void publish_answered(weft_bridge *b, uint32_t subject, bool denied)
{
    char name[WEFT__TOPIC_MAX_BYTES];
    if (weft__denials_note_publish(&b->denials, subject, denied) &&
        weft__subject_name(name, b->fabric, subject, b->node) == WEFT_OK)
        weft__bridge_notice(b,
                            &(weft_notice){.kind = WEFT_NOTICE_PUBLISH_REFUSED, .status = WEFT_REFUSED, .text = name});
}

static bool control_settle(weft_bridge *b, const weft__ack *ack)
{
    size_t i = 0;
    while (i < b->wire.control_in_flight && b->wire.control[i].token != ack->token)
        i++;
    if (i == b->wire.control_in_flight)
        return false;
    uint32_t subject = b->wire.control[i].subject;
    b->wire.control[i] = b->wire.control[--b->wire.control_in_flight];
    if (ack->status != WEFT_OK)
        atomic_fetch_add(&b->control_dropped, 1);
    if (ack->status != WEFT_TOO_LARGE)
        publish_answered(b, subject, ack->status == WEFT_REFUSED);
    return true;
}

/* Next time, messages of this size are split or given up. */
static void limit_lower(weft_bridge *b, size_t refused_bytes)
{
    b->wire.limits.max_packet_bytes = (uint32_t)(refused_bytes + PACKET_OVERHEAD_BYTES - 1);
    weft__link_payload_limit_tell(b);
}

/* A denied topic waits, the others go on. */
static void event_settle(weft_bridge *b, const weft__ack *ack)
{
    size_t bytes;
    if (ack->status == WEFT_REFUSED || atomic_load(&b->denials.publishing) != 0) {
        weft_topic topic = weft__uplink_topic(b->uplink, ack->token);
        if (topic != 0)
            publish_answered(b, (uint32_t)topic, ack->status == WEFT_REFUSED);
    }
    if (ack->status == WEFT_TOO_LARGE && weft__uplink_too_large(b->uplink, ack->token, &bytes))
        limit_lower(b, bytes);
    else if (ack->status == WEFT_REFUSED && weft__uplink_refused(b->uplink, ack->token))
        b->wire.refused_until_ms = weft__bridge_mono_ms(b) + REFUSED_MS;
    else if (ack->status == WEFT_OK)
        (void)weft__uplink_acked(b->uplink, ack->token);
}

static void acks_take(weft_bridge *b)
{
    weft__node *node = weft__queue_take(&b->acks, 0), *next;
    bool moved = node != NULL;
    for (; node != NULL; node = next) {
        next = node->next;
        const weft__ack *ack = (const weft__ack *)node;
        weft__window_acked(&b->wire.window, ack->token, ack->at_ns);
        if (weft__link_deltas_acked(b, ack->token, ack->status))
            publish_answered(b, (uint32_t)WEFT__DELTA_TOPIC, ack->status == WEFT_REFUSED);
        else if (!control_settle(b, ack) && b->uplink != NULL)
            event_settle(b, ack);
        free(node);
    }
    if (!moved)
        return;
    weft__bridge_step(b, WEFT__STEP_ACKNOWLEDGED);
    int64_t after;
    if (b->uplink != NULL && weft__uplink_wants_refill(b->uplink, &after))
        weft__signal_raise(&b->journal_signal);
    pthread_mutex_lock(&b->mutex);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

bool weft__link_window_open(const weft_bridge *b)
{
    size_t events = b->uplink != NULL ? weft__uplink_in_flight(b->uplink) : 0;
    size_t flying = events + b->wire.control_in_flight;
    return flying < b->wire.window.size && flying + (b->wire.delta_mark != 0) < b->wire.window.max;
}

/* Returns false when the connection has failed. */
static bool control_send_one(weft_bridge *b, weft__control *message)
{
    int token = 0;
    if (message->length > weft__link_payload_limit(b)) {
        atomic_fetch_add(&b->control_dropped, 1);
        return true;
    }
    weft_status st = b->link_ops->publish(b->link, message->topic, message->payload, message->length, message->qos,
                                          message->retain, &token);
    if (st == WEFT_OK && message->qos > 0) {
        weft__window_sent(&b->wire.window, token, weft_clock_mono_ns(b->clock));
        weft__link_control_note(b, token, message->topic);
    } else if (st != WEFT_OK)
        atomic_fetch_add(&b->control_dropped, 1);
    return st != WEFT_UNREACHABLE;
}

static bool control_send(weft_bridge *b)
{
    bool good = true;
    for (int sent = 0; good && sent < CONTROL_A_ROUND && weft__link_window_open(b) &&
                       b->wire.control_in_flight < (b->wire.window.size + 1) / 2;
         sent++) {
        weft__node *node = weft__queue_take(&b->control, 1);
        if (node == NULL)
            break;
        weft__control *message = (weft__control *)node;
        good = control_send_one(b, message);
        free(message->payload);
        free(message);
        if (atomic_exchange(&b->answers_wait, false))
            weft__signal_raise(&b->journal_signal);
    }
    return good;
}

/* The tap takes what time the events leave. */
static bool taps_send(weft_bridge *b)
{
    bool good = true;
    int sent = 0;
    while (good && sent < CONTROL_A_ROUND) {
        weft__node *node = weft__queue_take(&b->taps, 1);
        if (node == NULL)
            return true;
        weft__control *message = (weft__control *)node;
        good = control_send_one(b, message);
        free(message->payload);
        free(message);
        sent++;
    }
    weft__signal_raise(&b->link_signal); /* there may be more */
    return good;
}

void weft__link_beat_soon(weft_bridge *b)
{
    if (b->wire.beat_due)
        return;
    b->wire.beat_due = true;
    b->wire.beat_ms = weft__bridge_mono_ms(b) + BEAT_AFTER_BURST_MS;
}

static bool event_send_one(weft_bridge *b)
{
    weft__outgoing message;
    char topic[WEFT__TOPIC_MAX_BYTES];
    int token;
    if (!weft__uplink_next(b->uplink, weft__link_payload_limit(b), &message))
        return false;
    weft_status st = weft__topic_evt(topic, b->fabric, message.topic, b->node);
    if (st == WEFT_OK)
        st = b->link_ops->publish(b->link, topic, message.bytes, message.length, 1, false, &token);
    if (st != WEFT_OK) {
        size_t length = message.length;
        weft__uplink_unsend(b->uplink, &message);
        if (st == WEFT_TOO_LARGE) /* the link counts more than we do: next time this one is split or given up */
            limit_lower(b, length);
        if (st == WEFT_UNREACHABLE)
            atomic_store(&b->link_down, true);
        return st == WEFT_TOO_LARGE;
    }
    weft__window_sent(&b->wire.window, token, weft_clock_mono_ns(b->clock));
    weft__uplink_sent(b->uplink, &message, token);
    weft__bridge_step(b, WEFT__STEP_SENT);
    weft__link_beat_soon(b);
    return true;
}

static void too_large_tell(weft_bridge *b)
{
    uint64_t totals[WEFT__LEDGER_COLUMNS];
    weft__ledger_totals(&b->ledger, totals);
    uint64_t too_large =
        totals[WEFT__LEDGER_LOST + WEFT_LOST_TOO_LARGE] + totals[WEFT__LEDGER_LOST + WEFT_LOST_CORRUPT];
    if (too_large == b->wire.too_large_told)
        return;
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_LOST,
                                          .status = WEFT_TOO_LARGE,
                                          .count = too_large - b->wire.too_large_told,
                                          .text = "over the broker's packet limit"});
    b->wire.too_large_told = too_large;
}

/* Returns false if there are more that could go. */
static bool events_send(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    if (b->uplink == NULL)
        return true;
    if (b->wire.refused_until_ms != 0 && now >= b->wire.refused_until_ms) {
        b->wire.refused_until_ms = 0;
        weft__uplink_retry_refused(b->uplink);
    }
    for (int sent = 0; weft__link_window_open(b) && event_send_one(b); acks_take(b))
        if (++sent == EVENTS_A_ROUND) {
            weft__signal_raise(&b->link_signal);
            return false;
        }
    return true;
}

static void beat_send(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    if (now < b->wire.beat_ms)
        return;
    b->wire.beat_due = false;
    b->wire.beat_ms = now + WEFT__BEAT_MS;
    if (!b->sends || b->opts.anonymous)
        return;
    if (atomic_exchange(&b->own_live_wrong, false) && weft__link_birth_publish(b) != WEFT_OK)
        atomic_store(&b->link_down, true);
    weft__position positions[WEFT_TOPIC_MAX + BEAT_EARLIER_MAX];
    weft__beat beat = {.node = b->node,
                       .epoch = atomic_load(&b->epoch),
                       .streams = positions,
                       .timestamp_ms = weft_clock_wall_ms(b->clock)};
    beat.stream_count = weft__uplink_sent_positions(b->uplink, beat.epoch, positions);
    beat.stream_count += weft__deltas_position(&b->deltas, beat.epoch, &positions[beat.stream_count]);
    beat.stream_count += weft__ledger_earlier(&b->ledger, beat.epoch, positions + beat.stream_count, BEAT_EARLIER_MAX);
    char topic[WEFT__TOPIC_MAX_BYTES];
    uint8_t *bytes;
    size_t length;
    int token;
    if (weft__topic_node(topic, b->fabric, WEFT__TREE_BEAT, b->node) != WEFT_OK ||
        weft__beat_encode(&beat, &bytes, &length) != WEFT_OK)
        return;
    (void)b->link_ops->publish(b->link, topic, bytes, length, 0, false, &token);
    free(bytes);
}

static bool goodbye_say(weft_bridge *b)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    uint8_t *bytes = NULL;
    size_t length;
    int token;
    bool told = b->wire.up && b->sends && !b->opts.anonymous &&
                weft__topic_node(topic, b->fabric, WEFT__TREE_LIVE, b->node) == WEFT_OK &&
                weft__bridge_live_encode(b, WEFT__LIVE_GOODBYE, NULL, 0, &bytes, &length) == WEFT_OK &&
                b->link_ops->publish(b->link, topic, bytes, length, 1, true, &token) == WEFT_OK;
    free(bytes);
    if (told)
        weft__link_control_note(b, token, topic);
    return told;
}

/* Says goodbye, then waits for the broker to take it. */
static int64_t leave(weft_bridge *b)
{
    enum { POLL_MS = 10 };
    int64_t now = weft__bridge_mono_ms(b);
    if (!b->wire.leaving) {
        b->wire.leaving = true;
        b->wire.leave_until_ms = goodbye_say(b) && !b->env.driven ? now + GOODBYE_MS : now;
    }
    acks_take(b);
    if (b->wire.control_in_flight > 0 && !atomic_load(&b->link_down) && now < b->wire.leave_until_ms)
        return POLL_MS;
    b->link_ops->disconnect(b->link);
    return -1;
}

static int64_t round_wait_ms(const weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    int64_t until = b->wire.up ? b->wire.beat_ms : b->wire.retry_ms;
    int64_t wait = until - now;
    if (b->wire.up && b->wire.delta_wait_ms < wait)
        wait = b->wire.delta_wait_ms;
    return wait < 0 ? 0 : wait > ROUND_MS ? ROUND_MS : wait;
}

static void round_run(weft_bridge *b)
{
    if (b->wire.up && atomic_exchange(&b->link_down, false))
        weft__link_lost(b, "the connection to the broker was lost");
    if (!b->wire.up) {
        if (weft__bridge_mono_ms(b) >= b->wire.retry_ms)
            weft__link_connect(b);
        return;
    }
    acks_take(b);
    weft__link_interest_follow(b);
    if (!control_send(b))
        atomic_store(&b->link_down, true);
    else if (events_send(b))
        b->wire.delta_wait_ms = weft__link_deltas_send(b);
    if (!weft__link_window_open(b))
        weft__window_full(&b->wire.window);
    if (!atomic_load(&b->link_down) && !taps_send(b))
        atomic_store(&b->link_down, true);
    if (b->uplink != NULL)
        too_large_tell(b);
    beat_send(b);
}

/* While nothing waits for room in the window, acknowledgements may gather until there is something to send. */
static size_t acks_worth_waking(const weft_bridge *b)
{
    if (!b->wire.up)
        return SIZE_MAX;
    if (b->wire.control_in_flight > 0 || atomic_load(&b->drainers) > 0 || weft__link_deltas_wait(b))
        return 1;
    if (b->uplink == NULL)
        return SIZE_MAX;
    if (!weft__link_window_open(b))
        return (b->wire.window.size + 3) / 4;
    return weft__uplink_is_spilled(b->uplink) ? 1 : SIZE_MAX;
}

static void acks_await(weft_bridge *b)
{
    size_t wake_at = acks_worth_waking(b);
    atomic_store(&b->acks_wake_at, wake_at);
    if (weft__queue_count(&b->acks) >= wake_at)
        weft__signal_raise(&b->link_signal);
}

int64_t weft__link_turn(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->link_stopping, fenced = b->fenced;
    pthread_mutex_unlock(&b->mutex);
    if (stopping)
        return leave(b);
    if (!fenced) {
        round_run(b);
        acks_await(b);
    }
    return fenced ? ROUND_MS : round_wait_ms(b);
}
