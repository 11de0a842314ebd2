/* bridge/link_thread.c: the only thread that calls the link.
 *
 *   down --retry time--> peek own live (fenced? epoch ahead?) --> connect --> subscribe --> birth --> up
 *   up --connection lost--> down, everything in flight queued again
 *   any --a newer process holds the name--> fenced, for good
 *
 * While up, a round: acknowledgements, interest, control messages, events as the window allows, beat.
 * Control messages take at most half the window, so that a replay cannot starve what is new. */
#include "bridge/bridge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUND_MS = 200,
    BEAT_MS = 5000,
    BEAT_EARLIER_MAX = 32, /* streams of earlier epochs */
    BEAT_AFTER_BURST_MS = 200,
    RETRY_FIRST_MS = 250,
    RETRY_MAX_MS = 30000,
    RETRY_REFUSED_FIRST_MS = 2000, /* where only somebody's hand helps */
    RETRY_REFUSED_MAX_MS = 120000,
    REFUSED_MS = 10000,
    SUBSCRIBE_AGAIN_MS = 30000,
    GOODBYE_MS = 1000,
    CONTROL_A_ROUND = 64,
    EVENTS_A_ROUND = 64,         /* messages, so that control and beat get their turn */
    PACKET_OVERHEAD_BYTES = 512, /* a topic of four longest names, and properties */
};

/* ---- connecting ---- */

/* xorshift64; jitter needs no better. */
static uint64_t random_next(weft_bridge *b)
{
    uint64_t x = b->wire.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return b->wire.random = x;
}

static void retry_schedule(weft_bridge *b, weft_status why)
{
    int64_t wait = why == WEFT_REFUSED ? RETRY_REFUSED_FIRST_MS : RETRY_FIRST_MS;
    int64_t max = why == WEFT_REFUSED ? RETRY_REFUSED_MAX_MS : RETRY_MAX_MS;
    for (uint32_t i = 0; i < b->wire.attempts && wait < max; i++)
        wait *= 2;
    if (wait > max)
        wait = max;
    b->wire.attempts++;
    b->wire.retry_ms = weft__bridge_mono_ms(b) + wait / 2 + (int64_t)(random_next(b) % (uint64_t)(wait / 2 + 1));
}

static void connected_set(weft_bridge *b, bool connected, uint32_t topics, weft_status status)
{
    pthread_mutex_lock(&b->mutex);
    b->connected = connected;
    b->ready_topics = topics;
    b->denied_topics = connected ? atomic_load(&b->denials.subscribing) & WEFT__SUBJECT_TOPICS_MASK : 0;
    b->connect_status = status;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

static void fence(weft_bridge *b, uint64_t newer_epoch)
{
    weft__intake_close(&b->intake, WEFT_FENCED);
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_FENCED,
                                          .status = WEFT_FENCED,
                                          .node = b->node,
                                          .epoch = newer_epoch,
                                          .text = "a newer process holds this node name"});
    /* Last, so that whoever hears FENCED from a wait finds publishing refused and the notice told. */
    pthread_mutex_lock(&b->mutex);
    b->fenced = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

static weft_status epoch_move_beyond(weft_bridge *b, uint64_t retained)
{
    uint64_t epoch = retained + 1;
    weft_status st = weft__bridge_call(b, weft__journal_thread_begin_epoch, &epoch);
    if (st == WEFT_OK)
        weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_EPOCH_CHANGED,
                                              .epoch = atomic_load(&b->epoch),
                                              .text = "the retained epoch was ahead of this host's clock"});
    return st;
}

/* Two that have both begun the same epoch, in the same millisecond, are told apart by chance. */
static bool is_newer_process(const weft_bridge *b, const weft__live *live)
{
    uint64_t epoch = atomic_load(&b->epoch);
    return live->epoch > epoch || (live->epoch == epoch && live->instance > b->instance);
}

/* Reads what the broker retains under this node's name: a process that is younger than us, or, on our first connection,
 * an epoch that we have to go beyond. */
static weft_status name_claim(weft_bridge *b, const char **reason)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    uint8_t *bytes = NULL;
    size_t length = 0;
    weft__live *live = NULL;
    weft_status st = weft__topic_node(topic, b->fabric, WEFT__TREE_LIVE, b->node);
    if (st == WEFT_OK)
        st = b->link_ops->peek(b->link, topic, &bytes, &length, reason);
    if (st == WEFT_REFUSED) /* of all, the connect will say so; of this topic, subscribing will */
        return WEFT_OK;
    if (st == WEFT_OK && bytes != NULL && weft__live_decode(bytes, length, &live, NULL) == WEFT_OK) {
        uint64_t epoch = atomic_load(&b->epoch);
        if (!b->wire.first && is_newer_process(b, live)) {
            fence(b, live->epoch);
            st = WEFT_FENCED;
        } else if (b->wire.first && live->epoch >= epoch) {
            st = epoch_move_beyond(b, live->epoch);
        }
    }
    free(live);
    free(bytes);
    return st;
}

static weft_status will_set(weft_bridge *b)
{
    uint8_t *will;
    size_t length;
    weft_status st = weft__bridge_live_encode(b, WEFT__LIVE_WILL, NULL, 0, &will, &length);
    if (st != WEFT_OK)
        return st;
    st = b->link_ops->set_will(b->link, will, length);
    free(will);
    return st;
}

/* Control messages are sent while there is room for them, but for goodbye, whose acknowledgement may then be missed. */
static void control_note(weft_bridge *b, int token, const char *topic)
{
    size_t at = b->wire.control_in_flight;
    if (at == sizeof b->wire.control / sizeof *b->wire.control)
        return;
    b->wire.control[at].token = token;
    b->wire.control[at].subject = weft__subject_of(topic);
    b->wire.control_in_flight++;
}

static void birth_note(weft_bridge *b, int token, const char *topic)
{
    int64_t unborn = 0;
    (void)atomic_compare_exchange_strong(&b->born_ms, &unborn, weft__bridge_mono_ms(b));
    control_note(b, token, topic);
}

static weft_status birth_publish(weft_bridge *b)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft__bytes birth = {0};
    int token;
    weft_status st = weft__topic_node(topic, b->fabric, WEFT__TREE_LIVE, b->node);
    if (st == WEFT_OK)
        st = weft__bridge_call(b, weft__journal_thread_birth, &birth);
    if (st == WEFT_OK)
        st = b->link_ops->publish(b->link, topic, birth.data, birth.length, 1, true, &token);
    if (st == WEFT_OK)
        birth_note(b, token, topic);
    free((void *)birth.data);
    if (st == WEFT_OK)
        (void)weft__bridge_call(b, weft__journal_thread_show_state, NULL);
    return st;
}

/* Subscribes, unless that has been denied a moment ago. A denial is told, and is no failure of the connection.
 * Returns OK, REFUSED or UNREACHABLE. */
static weft_status filter_subscribe(weft_bridge *b, uint32_t subject, const char *filter, int qos)
{
    if (b->wire.waiting & subject)
        return WEFT_REFUSED;
    weft_status st = b->link_ops->subscribe(b->link, filter, qos);
    if (st == WEFT_UNREACHABLE)
        return st;
    if (weft__denials_note_subscribe(&b->denials, subject, st != WEFT_OK))
        weft__bridge_notice(
            b, &(weft_notice){.kind = WEFT_NOTICE_SUBSCRIBE_REFUSED, .status = WEFT_REFUSED, .text = filter});
    if (st == WEFT_OK)
        return st;
    b->wire.waiting |= subject;
    if (b->wire.subscribe_again_ms == 0)
        b->wire.subscribe_again_ms = weft__bridge_mono_ms(b) + SUBSCRIBE_AGAIN_MS;
    return WEFT_REFUSED;
}

/* The trees beside the events; `missing` holds those that are not subscribed. */
static weft_status subscribe_fixed(weft_bridge *b, uint32_t missing)
{
    const struct {
        weft__tree tree, subject;
        const char *to;
    } fixed[] = {{WEFT__TREE_LIVE, WEFT__TREE_LIVE, NULL},
                 {WEFT__TREE_BEAT, WEFT__TREE_BEAT, NULL},
                 {WEFT__TREE_CMD, WEFT__TREE_CMD, b->node},
                 {WEFT__TREE_CMD, WEFT__TREE_NONE, "-"},
                 {WEFT__TREE_REPLY, WEFT__TREE_REPLY, b->node}};
    char filter[WEFT__TOPIC_MAX_BYTES];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        uint32_t subject = weft__subject_of_tree(fixed[i].subject);
        if ((missing & subject) == 0)
            continue;
        /* Who only listens has one command to answer. */
        const char *word = !b->sends && fixed[i].tree == WEFT__TREE_CMD ? "account" : NULL;
        weft_status st = weft__topic_filter(filter, b->fabric, fixed[i].tree, fixed[i].to, word, NULL);
        if (st == WEFT_OK)
            st = filter_subscribe(b, subject, filter, fixed[i].tree == WEFT__TREE_BEAT ? 0 : 1);
        if (st != WEFT_OK && st != WEFT_REFUSED)
            return st;
    }
    return WEFT_OK;
}

/* Brings the subscriptions for events in line with what is wanted; both ways. */
static weft_status subscribe_topics(weft_bridge *b, uint32_t wanted)
{
    char filter[WEFT__TOPIC_MAX_BYTES];
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        uint32_t bit = (uint32_t)topic;
        if (((wanted ^ b->wire.subscribed) & bit) == 0)
            continue;
        weft_status st = weft__topic_evt(filter, b->fabric, topic, "+");
        if (st == WEFT_OK)
            st = wanted & bit ? filter_subscribe(b, bit, filter, 1) : b->link_ops->unsubscribe(b->link, filter);
        if (st == WEFT_OK)
            b->wire.subscribed ^= bit;
        else if (st != WEFT_REFUSED)
            return st;
    }
    return WEFT_OK;
}

static uint32_t topics_denied(const weft_bridge *b)
{
    return b->wire.waiting & WEFT__SUBJECT_TOPICS_MASK;
}

/* The downlink may look much later: what is born meanwhile is younger than the wish. */
static void downlink_tell(weft_bridge *b, uint32_t topics)
{
    int64_t untold = 0;
    if (topics == atomic_load(&b->downlink_topics))
        return;
    (void)atomic_compare_exchange_strong(&b->downlink_told_ms, &untold, weft__bridge_mono_ms(b));
    atomic_store(&b->downlink_topics, topics);
}

/* The downlink hears of topics before they are subscribed, and that those which were denied are none of its business.
 */
static weft_status topics_follow(weft_bridge *b, uint32_t wanted)
{
    downlink_tell(b, wanted & ~topics_denied(b));
    weft_status st = subscribe_topics(b, wanted);
    downlink_tell(b, wanted & ~topics_denied(b));
    return st;
}

static size_t payload_limit(const weft_bridge *b)
{
    return b->wire.limits.max_packet_bytes > PACKET_OVERHEAD_BYTES
               ? b->wire.limits.max_packet_bytes - PACKET_OVERHEAD_BYTES
               : 1;
}

static weft_status connect_steps(weft_bridge *b, const char **reason)
{
    bool present = b->sends && !b->opts.anonymous;
    weft_status st = present ? name_claim(b, reason) : WEFT_OK;
    if (st != WEFT_OK)
        return st;
    if (present && (st = will_set(b)) != WEFT_OK)
        return st;
    atomic_store(&b->link_down, false);
    atomic_store(&b->first_connection, b->wire.first);
    st = b->link_ops->connect(b->link, b->wire.first, &b->wire.limits, reason);
    if (st != WEFT_OK)
        return st;
    atomic_store(&b->payload_max, payload_limit(b));
    b->wire.subscribed = b->wire.waiting = 0;
    b->wire.subscribe_again_ms = 0;
    b->wire.control_in_flight = 0;
    uint32_t wanted = weft__bridge_topics(b);
    atomic_store(&b->cursors.lives_wanted, false);
    /* Before the births come in: they are taken for the topics that are wanted then. */
    downlink_tell(b, wanted & ~topics_denied(b));
    atomic_store(&b->downlink_up, true);
    atomic_store(&b->downlink_connected, true);
    st = subscribe_fixed(b, UINT32_MAX);
    if (st == WEFT_OK)
        st = topics_follow(b, wanted);
    if (st == WEFT_OK && present)
        st = birth_publish(b);
    if (st != WEFT_OK) {
        *reason = "the connection broke while subscribing";
        b->link_ops->disconnect(b->link);
    }
    return st;
}

/* Told once a cause. The notice comes before a wait hears of it. */
static void connect_failed(weft_bridge *b, weft_status st, const char *reason)
{
    char cause[sizeof b->wire.failure_cause];
    (void)snprintf(cause, sizeof cause, "%s", reason != NULL ? reason : "");
    if (b->wire.failure != st || strcmp(cause, b->wire.failure_cause) != 0)
        weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_CONNECT_FAILED, .status = st, .text = reason});
    b->wire.failure = st;
    memcpy(b->wire.failure_cause, cause, sizeof cause);
    atomic_store(&b->downlink_up, false);
    connected_set(b, false, 0, st);
    retry_schedule(b, st);
}

static void connect_try(weft_bridge *b)
{
    const char *reason = NULL;
    weft_status st = connect_steps(b, &reason);
    if (st == WEFT_FENCED)
        return;
    if (st != WEFT_OK) {
        connect_failed(b, st, reason);
        return;
    }
    b->wire.first = false;
    b->wire.up = true;
    b->wire.attempts = 0;
    b->wire.failure = WEFT_OK;
    b->wire.failure_cause[0] = '\0';
    b->wire.beat_ms = weft__bridge_mono_ms(b) + BEAT_MS;
    atomic_fetch_add(&b->connects, 1);
    connected_set(b, true, b->wire.subscribed, WEFT_OK);
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_CONNECTED, .epoch = atomic_load(&b->epoch)});
}

static void acks_forget(weft_bridge *b)
{
    weft__node *next;
    for (weft__node *node = weft__queue_take(&b->acks, 0); node != NULL; node = next) {
        next = node->next;
        free(node);
    }
}

static void connection_lost(weft_bridge *b, const char *why)
{
    b->wire.up = false;
    atomic_store(&b->downlink_up, false);
    b->link_ops->disconnect(b->link);
    atomic_store(&b->first_connection, false);
    acks_forget(b);
    if (b->uplink != NULL)
        weft__uplink_reset(b->uplink);
    retry_schedule(b, WEFT_UNREACHABLE);
    connected_set(b, false, 0, WEFT_UNREACHABLE);
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_DISCONNECTED, .status = WEFT_UNREACHABLE, .text = why});
}

/* ---- while connected ---- */

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
    atomic_store(&b->payload_max, payload_limit(b));
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
        if (!control_settle(b, ack) && b->uplink != NULL)
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

static size_t window_size(const weft_bridge *b)
{
    return b->wire.limits.receive_maximum < WEFT__WINDOW_MAX ? b->wire.limits.receive_maximum : WEFT__WINDOW_MAX;
}

static bool window_open(const weft_bridge *b)
{
    size_t events = b->uplink != NULL ? weft__uplink_in_flight(b->uplink) : 0;
    return events + b->wire.control_in_flight < window_size(b);
}

/* Returns false when the connection has failed. */
static bool control_send_one(weft_bridge *b, weft__control *message)
{
    int token = 0;
    if (message->length > payload_limit(b)) {
        atomic_fetch_add(&b->control_dropped, 1);
        return true;
    }
    weft_status st = b->link_ops->publish(b->link, message->topic, message->payload, message->length, message->qos,
                                          message->retain, &token);
    if (st == WEFT_OK && message->qos > 0)
        control_note(b, token, message->topic);
    else if (st != WEFT_OK)
        atomic_fetch_add(&b->control_dropped, 1);
    return st != WEFT_UNREACHABLE;
}

static bool control_send(weft_bridge *b)
{
    bool good = true;
    for (int sent = 0;
         good && sent < CONTROL_A_ROUND && window_open(b) && b->wire.control_in_flight < (window_size(b) + 1) / 2;
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

static bool event_send_one(weft_bridge *b)
{
    weft__outgoing message;
    char topic[WEFT__TOPIC_MAX_BYTES];
    int token;
    if (!weft__uplink_next(b->uplink, payload_limit(b), &message))
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
    weft__uplink_sent(b->uplink, &message, token);
    weft__bridge_step(b, WEFT__STEP_SENT);
    if (!b->wire.beat_due) {
        b->wire.beat_due = true;
        b->wire.beat_ms = weft__bridge_mono_ms(b) + BEAT_AFTER_BURST_MS;
    }
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

static void events_send(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    if (b->uplink == NULL)
        return;
    if (b->wire.refused_until_ms != 0 && now >= b->wire.refused_until_ms) {
        b->wire.refused_until_ms = 0;
        weft__uplink_retry_refused(b->uplink);
    }
    for (int sent = 0; window_open(b) && event_send_one(b); acks_take(b))
        if (++sent == EVENTS_A_ROUND) {
            weft__signal_raise(&b->link_signal);
            return;
        }
}

static void beat_send(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    if (now < b->wire.beat_ms)
        return;
    b->wire.beat_due = false;
    b->wire.beat_ms = now + BEAT_MS;
    if (!b->sends || b->opts.anonymous)
        return;
    if (atomic_exchange(&b->own_live_wrong, false) && birth_publish(b) != WEFT_OK)
        atomic_store(&b->link_down, true);
    weft__position positions[WEFT_TOPIC_MAX + BEAT_EARLIER_MAX];
    weft__beat beat = {.node = b->node,
                       .epoch = atomic_load(&b->epoch),
                       .streams = positions,
                       .timestamp_ms = weft_clock_wall_ms(b->clock)};
    beat.stream_count = weft__uplink_sent_positions(b->uplink, beat.epoch, positions);
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

/* The administrator may have changed the rules. */
static weft_status denied_try_again(weft_bridge *b)
{
    if (b->wire.subscribe_again_ms == 0 || weft__bridge_mono_ms(b) < b->wire.subscribe_again_ms)
        return WEFT_OK;
    uint32_t missing = b->wire.waiting;
    b->wire.waiting = 0;
    b->wire.subscribe_again_ms = 0;
    return subscribe_fixed(b, missing);
}

static void interest_follow(weft_bridge *b)
{
    uint32_t wanted = weft__bridge_topics(b);
    weft_status st = denied_try_again(b);
    if (st == WEFT_OK && atomic_exchange(&b->cursors.lives_wanted, false))
        st = subscribe_fixed(b, weft__subject_of_tree(WEFT__TREE_LIVE)); /* the broker says again who lives */
    if (st == WEFT_OK && b->wire.subscribed == (wanted & ~topics_denied(b)))
        return;
    if (st == WEFT_OK)
        st = topics_follow(b, wanted);
    if (st != WEFT_OK)
        atomic_store(&b->link_down, true);
    else
        connected_set(b, true, b->wire.subscribed, WEFT_OK);
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
        control_note(b, token, topic);
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
    return wait < 0 ? 0 : wait > ROUND_MS ? ROUND_MS : wait;
}

static void round_run(weft_bridge *b)
{
    if (b->wire.up && atomic_exchange(&b->link_down, false))
        connection_lost(b, "the connection to the broker was lost");
    if (!b->wire.up) {
        if (weft__bridge_mono_ms(b) >= b->wire.retry_ms)
            connect_try(b);
        return;
    }
    acks_take(b);
    interest_follow(b);
    if (!control_send(b))
        atomic_store(&b->link_down, true);
    else
        events_send(b);
    if (!atomic_load(&b->link_down) && !taps_send(b))
        atomic_store(&b->link_down, true);
    if (b->uplink != NULL)
        too_large_tell(b);
    beat_send(b);
}

int64_t weft__link_turn(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->link_stopping, fenced = b->fenced;
    pthread_mutex_unlock(&b->mutex);
    if (stopping)
        return leave(b);
    if (!fenced)
        round_run(b);
    return fenced ? ROUND_MS : round_wait_ms(b);
}
