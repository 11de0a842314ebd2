/* bridge/link_connect.c: connecting, and the loss of a connection.
 *
 * An attempt: claim the name (peek at what is retained under it), connect, subscribe, publish the birth. The next one
 * comes after a wait that doubles, with jitter so that a thousand nodes do not come back at once; longer where only
 * somebody's hand helps. */
#include "bridge/link_thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_FIRST_MS = 250,
    RETRY_MAX_MS = 30000,
    RETRY_REFUSED_FIRST_MS = 2000, /* where only somebody's hand helps */
    RETRY_REFUSED_MAX_MS = 120000,
};

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

void weft__link_connected_set(weft_bridge *b, bool connected, uint32_t topics, weft_status status)
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
    weft__deltas_close(&b->deltas, WEFT_FENCED);
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
            b->link_ops->disconnect(b->link);
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

static void birth_note(weft_bridge *b, int token, const char *topic)
{
    int64_t unborn = 0;
    (void)atomic_compare_exchange_strong(&b->born_ms, &unborn, weft__bridge_mono_ms(b));
    weft__link_control_note(b, token, topic);
}

weft_status weft__link_birth_publish(weft_bridge *b)
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
    weft__link_payload_limit_tell(b);
    uint32_t window = b->wire.limits.receive_maximum;
    weft__window_begin(&b->wire.window, window < WEFT__WINDOW_MAX ? window : WEFT__WINDOW_MAX);
    b->wire.subscribed = b->wire.waiting = 0;
    b->wire.subscribe_again_ms = 0;
    b->wire.control_in_flight = 0;
    weft__link_deltas_reset(b);
    uint32_t wanted = weft__bridge_topics(b);
    atomic_store(&b->cursors.lives_wanted, false);
    /* Before the births come in: they are taken for the topics that are wanted then. */
    weft__link_downlink_expect(b, wanted);
    atomic_store(&b->downlink_up, true);
    atomic_store(&b->downlink_connected, true);
    st = weft__link_subscribe_fixed(b, UINT32_MAX);
    if (st == WEFT_OK)
        st = weft__link_topics_follow(b, wanted);
    if (st == WEFT_OK && present)
        st = weft__link_birth_publish(b);
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
    weft__link_connected_set(b, false, 0, st);
    retry_schedule(b, st);
}

void weft__link_connect(weft_bridge *b)
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
    b->wire.beat_due = false;
    b->wire.beat_ms = weft__bridge_mono_ms(b) + WEFT__BEAT_MS;
    atomic_fetch_add(&b->connects, 1);
    weft__link_connected_set(b, true, b->wire.subscribed, WEFT_OK);
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

void weft__link_lost(weft_bridge *b, const char *why)
{
    b->wire.up = false;
    atomic_store(&b->downlink_up, false);
    b->link_ops->disconnect(b->link);
    atomic_store(&b->first_connection, false);
    acks_forget(b);
    if (b->uplink != NULL)
        weft__uplink_reset(b->uplink);
    retry_schedule(b, WEFT_UNREACHABLE);
    weft__link_connected_set(b, false, 0, WEFT_UNREACHABLE);
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_DISCONNECTED, .status = WEFT_UNREACHABLE, .text = why});
}
