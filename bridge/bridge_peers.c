/* bridge/bridge_peers.c: what the public header peers.h promises, and what a node does about its own retained life. */
#include "bridge/bridge_private.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 50 };

static const char *const state_names[] = {
    [WEFT_PEER_NONE] = "none", [WEFT_PEER_UP] = "up",           [WEFT_PEER_SILENT] = "silent",
    [WEFT_PEER_LOST] = "lost", [WEFT_PEER_GOODBYE] = "goodbye",
};

const char *weft_peer_state_name(weft_peer_state state)
{
    return (size_t)state < sizeof state_names / sizeof *state_names ? state_names[state] : "unknown";
}

size_t weft_bridge_peers(weft_bridge *b, weft_peer *ret, size_t max)
{
    return weft__downlink_peers(b->downlink, ret, max, weft__bridge_mono_ms(b));
}

/* ---- forgetting ---- */

static uint64_t denied_count(weft_bridge *b)
{
    return atomic_load(&b->denials.publishes[0]);
}

static weft_status retained_clear(weft_bridge *b, weft__tree tree, const char *node)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft_status st = weft__topic_node(topic, b->fabric, tree, node);
    if (st == WEFT_OK)
        weft__bridge_send(b, topic, NULL, 0, 1, true);
    return st;
}

/* Waits until the broker has passed on that the node's live is cleared, or has refused something. */
static weft_status cleared_wait(weft_bridge *b, uint64_t denied_before, uint32_t timeout_ms)
{
    int64_t deadline = weft__mono_ns() + (int64_t)timeout_ms * 1000000;
    weft_status st = WEFT_TIMEOUT;
    pthread_mutex_lock(&b->mutex);
    for (;;) {
        int64_t now = weft__mono_ns(), poll = now + POLL_MS * 1000000LL;
        if (b->forgetting[0] == '\0')
            st = WEFT_OK;
        else if (denied_count(b) != denied_before)
            st = WEFT_REFUSED;
        if (st != WEFT_TIMEOUT || now >= deadline)
            break;
        (void)weft__cond_wait_until(&b->changed, &b->mutex, poll < deadline ? poll : deadline);
    }
    b->forgetting[0] = '\0';
    pthread_mutex_unlock(&b->mutex);
    return st;
}

weft_status weft_bridge_forget(weft_bridge *b, const char *node, uint32_t timeout_ms)
{
    if (node == NULL || !weft_name_valid(node) || strcmp(node, b->node) == 0)
        return WEFT_INVALID;
    uint64_t denied = denied_count(b);
    pthread_mutex_lock(&b->forget_mutex);
    pthread_mutex_lock(&b->mutex);
    weft__name_copy(b->forgetting, node);
    pthread_mutex_unlock(&b->mutex);
    weft_status st = retained_clear(b, WEFT__TREE_STATE, node);
    if (st == WEFT_OK)
        st = retained_clear(b, WEFT__TREE_LIVE, node);
    if (st == WEFT_OK)
        st = cleared_wait(b, denied, timeout_ms);
    pthread_mutex_unlock(&b->forget_mutex);
    return st;
}

void weft__bridge_note_cleared(weft_bridge *b, const char *node)
{
    pthread_mutex_lock(&b->mutex);
    if (strcmp(b->forgetting, node) == 0) {
        b->forgetting[0] = '\0';
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->mutex);
}

/* ---- our own life ---- */

/* Anything but our birth, or that of a process that comes after us, is wrong: a will that was published late, the
 * goodbye of one who yielded, nothing. */
void weft__bridge_note_own_live(weft_bridge *b, const uint8_t *bytes, size_t length)
{
    weft__live *live = NULL;
    uint64_t epoch = atomic_load(&b->epoch);
    bool known = length > 0 && weft__live_decode(bytes, length, &live, NULL) == WEFT_OK;
    bool ours = known && live->status == WEFT__LIVE_BIRTH && live->epoch == epoch && live->instance == b->instance;
    bool after_us = known && (live->epoch > epoch || (live->epoch == epoch && live->instance > b->instance));
    atomic_store(&b->own_live_wrong, !ours && !after_us);
    free(live);
}
