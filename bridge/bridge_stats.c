/* bridge/bridge_stats.c: what the bridge knows, gathered from its parts. */
#include "bridge/bridge_private.h"

static void stats_of_uplink(weft_bridge *b, weft_bridge_stats *ret)
{
    weft__uplink_stats up;
    weft__uplink_get_stats(b->uplink, &up);
    pthread_mutex_lock(&b->intake.mutex);
    ret->published = b->intake.events;
    ret->refused_full = b->intake.refused;
    pthread_mutex_unlock(&b->intake.mutex);
    ret->sent_events = up.sent_events;
    ret->sent_messages = up.sent_messages;
    ret->resent_events = up.resent_events;
    ret->acked_events = up.acked_events;
    ret->lost_events = atomic_load(&b->lost_events) + up.too_large_events;
    uint64_t accounted = ret->acked_events + ret->lost_events, known = ret->written + b->pending_at_open;
    ret->pending_events = known > accounted ? known - accounted : 0;
    ret->replayed_events = atomic_load(&b->replayed_events);
}

void weft_bridge_get_stats(weft_bridge *b, weft_bridge_stats *ret)
{
    weft__downlink_stats down;
    weft__downlink_get_stats(b->downlink, &down);
    *ret = (weft_bridge_stats){.epoch = atomic_load(&b->epoch),
                               .connects = atomic_load(&b->connects),
                               .received_messages = down.received_messages,
                               .received_events = down.received_events,
                               .delivered_events = down.streams.delivered,
                               .duplicates = down.streams.duplicates,
                               .gaps = down.streams.gaps,
                               .healed_events = down.streams.healed,
                               .lost_reports = down.streams.lost,
                               .dropped_malformed = down.dropped_malformed,
                               .dropped_corrupt = down.dropped_corrupt,
                               .dropped_foreign = down.dropped_foreign,
                               .dropped_overflow = atomic_load(&b->dropped_overflow) + down.dropped_bound,
                               .dropped_own = atomic_load(&b->dropped_own),
                               .peers = down.peers,
                               .open_gaps = down.open_gaps};
    pthread_mutex_lock(&b->mutex);
    ret->connected = b->connected;
    ret->written = b->written_events;
    pthread_mutex_unlock(&b->mutex);
    if (b->sends)
        stats_of_uplink(b, ret);
}
