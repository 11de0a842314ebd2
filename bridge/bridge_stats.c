/* bridge/bridge_stats.c: what the bridge knows, gathered from its parts. */
#include "bridge/bridge_private.h"

static void stats_of_uplink(weft_bridge *b, weft_bridge_stats *ret)
{
    uint64_t totals[WEFT__LEDGER_COLUMNS];
    weft__ledger_totals(&b->ledger, totals);
    weft__published published;
    weft__intake_published(&b->intake, &published);
    ret->published = published.all;
    ret->refused_full = published.refused;
    ret->dropped_full = published.dropped;
    ret->written = totals[WEFT__LEDGER_WRITTEN];
    ret->sent_events = totals[WEFT__LEDGER_SENT];
    ret->sent_messages = weft__uplink_sent_messages(b->uplink);
    ret->resent_events = totals[WEFT__LEDGER_RESENT];
    ret->acked_events = totals[WEFT__LEDGER_ACKED];
    ret->lost_events = weft__ledger_lost(totals) + totals[WEFT__LEDGER_UNWRITTEN];
    ret->pending_events = weft__ledger_pending(totals);
    ret->replayed_events = totals[WEFT__LEDGER_REPLAYED];
}

static void stats_of_deltas(weft_bridge *b, weft_bridge_stats *ret)
{
    weft__deltas_counts c;
    weft__deltas_get_counts(&b->deltas, &c);
    ret->delta_published = c.published;
    ret->delta_sent = c.sent;
    ret->delta_joined = c.joined;
    for (size_t i = 0; i < sizeof c.lost / sizeof *c.lost; i++)
        ret->delta_lost += c.lost[i];
    ret->delta_waiting = c.waiting;
}

static void stats_of_denials(weft__denials *d, weft_bridge_stats *ret)
{
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        ret->denied_by_topic[i] = atomic_load(&d->publishes[i]);
        ret->denied_publishes += ret->denied_by_topic[i];
    }
    ret->denied_topics = atomic_load(&d->publishing) & WEFT__SUBJECT_TOPICS_MASK;
    for (uint32_t left = atomic_load(&d->subscribing); left != 0; left &= left - 1)
        ret->denied_subscriptions++;
}

void weft_bridge_get_stats(weft_bridge *b, weft_bridge_stats *ret)
{
    weft__downlink_stats down;
    weft__downlink_get_stats(b->downlink, &down);
    *ret = (weft_bridge_stats){.epoch = atomic_load(&b->epoch),
                               .connects = atomic_load(&b->connects),
                               .received_messages = down.received_messages,
                               .received_events = down.streams.received,
                               .delivered_events = down.streams.delivered,
                               .duplicates = down.streams.duplicates,
                               .gaps = down.streams.gaps,
                               .healed_events = down.streams.healed,
                               .lost_reports = down.streams.lost_reports,
                               .dropped_malformed = down.dropped_malformed,
                               .dropped_corrupt = down.dropped_corrupt,
                               .dropped_foreign = down.dropped_foreign,
                               .dropped_overflow = atomic_load(&b->dropped_overflow) + down.dropped_bound,
                               .dropped_own = atomic_load(&b->dropped_own),
                               .dropped_control = atomic_load(&b->control_dropped),
                               .peers = down.peers,
                               .open_gaps = down.open_gaps,
                               .open_work = down.work.open,
                               .closed_events = down.work.closed,
                               .reopened_events = down.work.reopened,
                               .open_work_forgotten = down.work.forgotten};
    pthread_mutex_lock(&b->mutex);
    ret->connected = b->connected;
    pthread_mutex_unlock(&b->mutex);
    if (b->sends)
        stats_of_uplink(b, ret);
    stats_of_deltas(b, ret);
    stats_of_denials(&b->denials, ret);
}
