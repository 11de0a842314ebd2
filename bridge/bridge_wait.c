/* bridge/bridge_wait.c: flush, drain and ready: waiting for what the bridge's threads say they have done. */
#include "bridge/bridge_private.h"

enum { POLL_MS = 50 };

typedef bool (*progress_fn)(weft_bridge *b, uint64_t target);

/* Waits, with the mutex held, until something holds; looks again at least every POLL_MS, because the uplink's progress
 * is told under a lock of its own. */
static weft_status wait_locked(weft_bridge *b, progress_fn holds, uint64_t target, int64_t deadline_ns, bool heed_fence)
{
    while (!holds(b, target)) {
        int64_t now = weft__mono_ns();
        if (heed_fence && b->fenced)
            return WEFT_FENCED;
        if (now >= deadline_ns)
            return WEFT_TIMEOUT;
        int64_t poll = now + POLL_MS * 1000000LL;
        (void)weft__cond_wait_until(&b->changed, &b->mutex, poll < deadline_ns ? poll : deadline_ns);
    }
    return WEFT_OK;
}

static bool is_safe(weft_bridge *b, uint64_t receipt)
{
    bool process_only = b->opts.durability == WEFT_DURABLE_PROCESS;
    return (process_only ? b->written_receipt : b->synced_receipt) >= receipt;
}

static bool is_written(weft_bridge *b, uint64_t receipt)
{
    return b->written_receipt >= receipt;
}

static bool is_acknowledged(weft_bridge *b, uint64_t row)
{
    return weft__uplink_oldest(b->uplink) > (int64_t)row;
}

static bool is_sent(weft_bridge *b, uint64_t pieces)
{
    return weft__deltas_settled(&b->deltas) >= pieces;
}

static bool is_ready(weft_bridge *b, uint64_t topics)
{
    return b->connected && (b->ready_topics & topics) == topics;
}

/* Waiting longer than a refusal helps nobody. */
static bool is_ready_or_refused(weft_bridge *b, uint64_t topics)
{
    bool known = b->connected && ((b->ready_topics | b->denied_topics) & topics) == topics;
    return known || b->connect_status == WEFT_REFUSED;
}

/* FULL once for what was dropped: it is not safe, and never will be. */
static weft_status drops_told_locked(weft_bridge *b)
{
    uint64_t dropped = weft__intake_dropped(&b->intake);
    bool news = dropped > b->drops_told;
    b->drops_told = dropped;
    return news ? WEFT_FULL : WEFT_OK;
}

weft_status weft_bridge_flush(weft_bridge *b, uint32_t timeout_ms)
{
    if (!b->sends)
        return WEFT_OK;
    int64_t deadline = weft__mono_ns() + (int64_t)timeout_ms * 1000000;
    uint64_t target = weft__intake_receipt(&b->intake);
    pthread_mutex_lock(&b->mutex);
    b->flush_waiters++;
    weft__signal_raise(&b->sync_signal);
    weft_status st = wait_locked(b, is_safe, target, deadline, false);
    if (st == WEFT_TIMEOUT && b->journal_status != WEFT_OK)
        st = b->journal_status;
    b->flush_waiters--;
    if (st == WEFT_OK)
        st = drops_told_locked(b);
    pthread_mutex_unlock(&b->mutex);
    return st;
}

weft_status weft_bridge_drain(weft_bridge *b, uint32_t timeout_ms)
{
    if (!b->sends)
        return WEFT_OK;
    int64_t deadline = weft__mono_ns() + (int64_t)timeout_ms * 1000000;
    uint64_t target = weft__intake_receipt(&b->intake);
    uint64_t pieces = weft__deltas_published(&b->deltas);
    pthread_mutex_lock(&b->mutex);
    weft_status st = wait_locked(b, is_written, target, deadline, true);
    atomic_fetch_add(&b->drainers, 1);
    weft__signal_raise(&b->link_signal);
    if (st == WEFT_OK)
        st = wait_locked(b, is_acknowledged, (uint64_t)b->written_row, deadline, true);
    atomic_fetch_sub(&b->drainers, 1);
    if (st == WEFT_OK)
        st = wait_locked(b, is_sent, pieces, deadline, true);
    pthread_mutex_unlock(&b->mutex);
    return st;
}

weft_status weft_bridge_wait_ready(weft_bridge *b, uint32_t timeout_ms)
{
    int64_t deadline = weft__mono_ns() + (int64_t)timeout_ms * 1000000;
    uint64_t topics = atomic_load(&b->interest);
    pthread_mutex_lock(&b->mutex);
    weft_status st = wait_locked(b, is_ready_or_refused, topics, deadline, true);
    if (st == WEFT_OK && !is_ready(b, topics))
        st = WEFT_REFUSED;
    pthread_mutex_unlock(&b->mutex);
    return st;
}
