/* bridge/downlink.c: verify, find the stream, let it decide, ask for what it misses.
 *
 * Baseline of a stream first seen: if the birth of its epoch was known when we began to want its topic, events before
 * the first batch are not ours to have. Else we were there first, and whatever lies before the batch is a gap.
 *
 * Who wants the past has no baseline: everything from 0 is missing, and asked for with the time from which on it is
 * wanted; what the node leaves out as older counts as settled. How far a stream of a present life goes is not known
 * then (births do not say): the first question is open-ended, and its answer tells.
 *
 * One question at a time a stream, for its first hole; the answer comes in numbered parts, and if one is missing the
 * question is asked again. Waiting time doubles with each failure (asks.h). */
#include "bridge/downlink_private.h"

#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 65536 };

static bool stream_deliver(void *user, const weft_event *event, bool late)
{
    weft__downlink *d = user;
    if (d->opts.since_ms != 0 && event->accepted_ms != 0 && event->accepted_ms < d->opts.since_ms - WEFT__SKEW_MS) {
        d->live.before_since++;
        return false;
    }
    if (d->opts.closes_work)
        weft__lives_see(&d->lives, event, d->now_ms);
    if (!late && !(d->in_answer && d->opts.past_marked)) {
        d->ops.deliver(d->ops.user, event);
        return true;
    }
    weft_event marked = *event;
    marked.keeper = NULL;
    marked.flags |= WEFT_FLAG_REPLAYED;
    const weft_event *kept = weft_event_keep(&marked);
    d->ops.deliver(d->ops.user, kept != NULL ? kept : event);
    weft_event_release(kept);
    return true;
}

static void stream_lost(void *user, const weft_lost *lost)
{
    weft__downlink *d = user;
    d->ops.lost(d->ops.user, lost);
}

weft_status weft__downlink_create(const weft__downlink_opts *opts, const weft__downlink_ops *ops, weft__downlink **ret)
{
    weft__downlink *d = calloc(1, sizeof *d);
    if (d == NULL)
        return WEFT_NO_MEMORY;
    d->opts = *opts;
    weft__asks_init(&d->asks, opts->first_request, opts->taker);
    d->ops = *ops;
    if (d->opts.ask_timeout_ms == 0)
        d->opts.ask_timeout_ms = 3000;
    if (d->opts.streams_max == 0)
        d->opts.streams_max = STREAMS_MAX;
    if (d->opts.give_up_ms == 0)
        d->opts.give_up_ms = 600000;
    d->stream_ops = (weft__stream_ops){.deliver = stream_deliver, .lost = stream_lost, .user = d};
    weft__lives_opts lives_opts = {
        .clock = opts->clock, .silent_ms = opts->silent_ms, .dead_grace_ms = opts->dead_grace_ms};
    weft__lives_ops lives_ops = {.deliver = ops->deliver,
                                 .peer = ops->peer,
                                 .skewed = ops->skewed,
                                 .user = ops->user,
                                 .lacks = weft__downlink_lacks,
                                 .streams = d};
    pthread_mutex_init(&d->mutex, NULL);
    weft_status st = weft__lives_init(&d->lives, &lives_opts, &lives_ops);
    if (st != WEFT_OK) {
        weft__peers_fini(&d->lives.peers);
        pthread_mutex_destroy(&d->mutex);
        free(d);
        return st;
    }
    *ret = d;
    return WEFT_OK;
}

void weft__downlink_destroy(weft__downlink *d)
{
    if (d == NULL)
        return;
    d->ops.forgot = NULL;
    weft__downlink_interest(d, 0, 0);
    weft__lives_fini(&d->lives);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

/* ---- asking ---- */

static void stream_ask(weft__downlink *d, weft__stream *s, int64_t now_ms)
{
    bool hole = s->holes.count > 0;
    if ((!hole && !s->endless) || s->ask.request != 0 || now_ms < s->ask_after_ms)
        return;
    uint64_t from = hole ? s->holes.items[0].from : s->high + 1;
    uint64_t to = s->endless ? UINT64_MAX : s->holes.items[0].to;
    if (!weft__asks_begin(&d->asks, s, from, to, now_ms + d->opts.ask_timeout_ms))
        return;
    d->ops.ask(d->ops.user, &(weft__question){.node = s->node,
                                              .request = s->ask.request,
                                              .taker = d->opts.taker,
                                              .epoch = s->epoch,
                                              .topic = s->topic,
                                              .from_seq = from,
                                              .to_seq = to,
                                              .since_ms = d->opts.since_ms});
}

static void stream_give_up(weft__downlink *d, weft__stream *s)
{
    while (s->holes.count > 0)
        weft__stream_lose(s,
                          &(weft_lost){.from_seq = s->holes.items[0].from,
                                       .to_seq = s->holes.items[0].to,
                                       .reason = WEFT_LOST_UNREACHABLE},
                          &d->stream_ops);
    weft__asks_end(&d->asks, s);
    weft__downlink_note_change(d, s);
}

/* A node that is known to be away may come back, however late. */
static bool stream_is_hopeless(const weft__downlink *d, const weft__stream *s, int64_t now_ms)
{
    if (s->holes.count == 0 || s->ask_failures == 0 || now_ms - s->oldest_hole_ms < d->opts.give_up_ms)
        return false;
    const weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    return peer == NULL || weft__peer_is_up(peer);
}

/* What is verified is taken whole or not at all: an event that a stream has counted must not be lost behind it. */
static bool room_make(weft__downlink *d, weft__stream *s, size_t events, size_t losses)
{
    size_t ranges = s->best_effort ? 2 * losses + 1 : losses + s->holes.count; /* each with a gap before it */
    return weft__seq_ranges_reserve(&s->holes) != WEFT_NO_MEMORY &&
           (d->ops.room == NULL || d->ops.room(d->ops.user, events + s->held_count, ranges));
}

static void stream_tick(weft__downlink *d, weft__stream *s, int64_t now_ms)
{
    if (!room_make(d, s, 0, 0))
        return;
    if (s->suspected != 0 || s->hold_until_ms != 0) {
        weft__stream_tick(s, now_ms, d->opts.hold_ms, &d->stream_ops);
        weft__downlink_note_change(d, s);
    }
    if (s->ask.request != 0 && now_ms >= s->ask.deadline_ms)
        weft__asks_fail(&d->asks, s, now_ms);
    if (stream_is_hopeless(d, s, now_ms))
        stream_give_up(d, s);
    stream_ask(d, s, now_ms);
    if (s->unshown)
        weft__stream_account_check(s);
    d->live.open_gaps += (uint32_t)s->holes.count;
}

static void streams_tick(weft__downlink *d, int64_t now_ms)
{
    weft__stream *s = d->watched, *refused = NULL;
    d->live.open_gaps = 0;
    d->asks.refused = 0;
    for (size_t n = d->watched_count; n > 0; n--, s = s->next_watched) {
        stream_tick(d, s, now_ms);
        if (refused == NULL && d->asks.refused > 0)
            refused = s;
    }
    if (refused != NULL)
        d->watched = refused;
}

void weft__downlink_tick(weft__downlink *d, int64_t now_ms)
{
    d->now_ms = now_ms;
    streams_tick(d, now_ms);
    weft__lives_tick(&d->lives, now_ms);
    weft__open_work_get_stats(d->lives.work, &d->live.work);
    d->live.peers = (uint32_t)d->lives.peers.up;
    weft__downlink_accounts_show(d);
    if (d->differs)
        weft__downlink_accounts_complain(d);
}

void weft__downlink_connected(weft__downlink *d, int64_t now_ms)
{
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next) {
            weft__asks_end(&d->asks, s);
            s->ask_failures = 0;
            s->ask_after_ms = now_ms + WEFT__RETRY_MS;
        }
    weft__lives_connected(&d->lives, now_ms);
}

void weft__downlink_cut(weft__downlink *d)
{
    weft__lives_cut(&d->lives);
}

/* ---- events ---- */

void weft__downlink_drop_count(weft__downlink *d, const char *sender, weft_topic topic, weft__drop_reason reason)
{
    pthread_mutex_lock(&d->mutex);
    weft__drops_add(&d->drops, sender, topic, reason);
    pthread_mutex_unlock(&d->mutex);
}

void weft__downlink_drop_message(weft__downlink *d, const char *sender, weft_topic topic, weft_status why,
                                 const char *reason)
{
    weft__downlink_drop_count(d, sender, topic, why == WEFT_CORRUPT ? WEFT__DROP_CORRUPT : WEFT__DROP_MALFORMED);
    d->ops.dropped(d->ops.user, sender, reason != NULL ? reason : weft_status_text(why));
}

void weft__downlink_drop(weft__downlink *d, const char *sender, weft_status why, const char *reason)
{
    if (why != WEFT_OK) {
        weft__downlink_drop_message(d, sender, 0, why, reason);
        return;
    }
    weft__downlink_drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    d->ops.dropped(d->ops.user, sender, reason);
}

/* Decodes a batch and holds it against where it came from. */
static weft_status batch_verify(weft__downlink *d, const char *sender, weft_topic topic, const uint8_t *bytes,
                                size_t length, weft_batch **ret)
{
    weft_batch *batch;
    const char *reason = NULL;
    *ret = NULL;
    weft_status st = weft_batch_decode(bytes, length, &batch, &reason);
    if (st == WEFT_NO_MEMORY)
        return st;
    if (st != WEFT_OK) {
        weft__downlink_drop_message(d, sender, topic, st, reason);
        return WEFT_OK;
    }
    if (strcmp(batch->node, sender) != 0) {
        weft__downlink_drop_count(d, sender, topic, WEFT__DROP_FOREIGN);
        d->ops.dropped(d->ops.user, sender, "the payload names another node than the topic");
    } else if (batch->topic != 0 && batch->topic != topic) {
        weft__downlink_drop_message(d, sender, topic, WEFT_MALFORMED, "events of another topic than the message's");
    } else {
        *ret = batch;
        return WEFT_OK;
    }
    weft_batch_free(batch);
    return WEFT_OK;
}

static void losses_take(weft__downlink *d, weft__stream *s, const weft_batch *batch)
{
    for (size_t i = 0; i < batch->lost_count; i++)
        weft__stream_lose(s, &batch->lost[i], &d->stream_ops);
}

/* Losses that a message tells of lie before its events. A hole is opened by the events, and closed by the losses; a
 * best-effort stream has none that could wait for that. */
static bool batch_take(weft__downlink *d, weft__stream *s, const weft_batch *batch, int64_t now_ms)
{
    if (!room_make(d, s, batch->event_count, batch->lost_count))
        return false;
    weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    d->now_ms = now_ms;
    if (peer != NULL)
        weft__lives_hear(&d->lives, peer, batch->epoch, now_ms);
    if (s->best_effort)
        losses_take(d, s, batch);
    if (batch->event_count > 0)
        weft__stream_take(s, batch->prev_seq, batch->events, batch->event_count, now_ms, d->opts.hold_ms,
                          &d->stream_ops);
    if (!s->best_effort)
        losses_take(d, s, batch);
    weft__downlink_note_change(d, s);
    return true;
}

/* Where a stream that is first seen begins for us. Of a best-effort one, which cannot be asked for, that it did before
 * this message must be known. */
static uint64_t baseline_of(const weft__downlink *d, const weft__stream *s, const weft_batch *batch)
{
    if (s->best_effort)
        return weft__downlink_is_ours(d, s) ? 0 : batch->prev_seq;
    return d->opts.since_ms == 0 && weft__downlink_was_before_us(d, s) ? batch->prev_seq : 0;
}

static weft_status batch_take_new(weft__downlink *d, const char *sender, weft_topic topic, const weft_batch *batch,
                                  int64_t now_ms)
{
    weft__stream *s = weft__downlink_stream_add(d, sender, batch->epoch, topic);
    if (s == NULL)
        return d->stream_count < d->opts.streams_max ? WEFT_NO_MEMORY : WEFT_OK;
    if (!s->based)
        weft__stream_base(s, baseline_of(d, s, batch));
    weft__stream_begin(s, batch->prev_seq, now_ms);
    if (!batch_take(d, s, batch, now_ms))
        return WEFT_NO_MEMORY;
    stream_ask(d, s, now_ms);
    return WEFT_OK;
}

weft_status weft__downlink_batch(weft__downlink *d, const char *sender, weft_topic topic, const uint8_t *bytes,
                                 size_t length, int64_t now_ms)
{
    if (!(d->interest & (uint32_t)topic))
        return WEFT_OK;
    weft_batch *batch;
    weft_status st = batch_verify(d, sender, topic, bytes, length, &batch);
    if (st == WEFT_OK && batch != NULL)
        st = batch_take_new(d, sender, topic, batch, now_ms);
    weft_batch_free(batch);
    d->live.received_messages += st == WEFT_OK;
    return st;
}

/* ---- answers ---- */

/* The whole of it is in: what it does not hold or list does not exist. A version that does not know open ends covers
 * everything, and tells nothing. */
static void answer_settle(weft__downlink *d, weft__stream *s, const weft__reply *reply, int64_t now_ms)
{
    weft__ask ask = s->ask;
    bool open_ended = ask.to == UINT64_MAX;
    for (size_t i = 0; i < reply->lost_count; i++) {
        weft_lost lost = reply->lost[i];
        lost.from_seq = lost.from_seq < ask.from ? ask.from : lost.from_seq;
        lost.to_seq = lost.to_seq > ask.to ? ask.to : lost.to_seq;
        if (!open_ended || lost.to_seq <= WEFT__SEQ_MAX)
            weft__stream_lose(s, &lost, &d->stream_ops);
    }
    uint64_t covered = reply->covered_to_seq < ask.to ? reply->covered_to_seq : ask.to;
    if (!open_ended || covered <= WEFT__SEQ_MAX)
        weft__stream_settle(s, ask.from, covered, &d->stream_ops);
    s->endless = s->endless && !open_ended;
    if (open_ended && reply->last_seq <= WEFT__SEQ_MAX)
        weft__stream_reach(s, reply->last_seq, now_ms, d->opts.hold_ms, &d->stream_ops);
}

static void answer_finish(weft__downlink *d, weft__stream *s, const weft__reply *reply, int64_t now_ms)
{
    bool good = !s->ask.broken && reply->error == NULL;
    if (good)
        answer_settle(d, s, reply, now_ms);
    if (!good || (s->ask.to != UINT64_MAX && reply->covered_to_seq < s->ask.from)) {
        weft__asks_fail(&d->asks, s, now_ms);
        return;
    }
    weft__asks_end(&d->asks, s);
    s->ask_failures = 0;
    s->ask_after_ms = 0;
    s->oldest_hole_ms = now_ms;
    if (d->asks.refused == 0)
        stream_ask(d, s, now_ms);
}

static void answer_take_batch(weft__downlink *d, weft__stream *s, const weft__reply *reply, int64_t now_ms)
{
    weft_batch *batch;
    (void)batch_verify(d, s->node, s->topic, reply->batch, reply->batch_bytes, &batch);
    d->in_answer = true;
    if (batch == NULL || batch->epoch != s->epoch || !batch_take(d, s, batch, now_ms))
        s->ask.broken = true;
    d->in_answer = false;
    weft_batch_free(batch);
}

static void answer_take(weft__downlink *d, weft__stream *s, const weft__reply *reply, int64_t now_ms)
{
    if (reply->index < s->ask.next_index) /* delivered twice */
        return;
    if (reply->index != s->ask.next_index)
        s->ask.broken = true;
    s->ask.next_index = reply->index + 1;
    s->ask.deadline_ms = now_ms + d->opts.ask_timeout_ms;
    weft__stream_hold_on(s, now_ms, d->opts.hold_ms);
    if (!s->ask.broken && d->opts.since_ms != 0 && reply->skipped_seq >= s->ask.from &&
        reply->skipped_seq <= WEFT__SEQ_MAX)
        weft__stream_settle(s, s->ask.from, reply->skipped_seq < s->ask.to ? reply->skipped_seq : s->ask.to,
                            &d->stream_ops);
    if (reply->batch != NULL)
        answer_take_batch(d, s, reply, now_ms);
    if (reply->last)
        answer_finish(d, s, reply, now_ms);
    weft__downlink_note_change(d, s);
}

void weft__downlink_reply(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms)
{
    weft__reply *reply;
    const char *reason = NULL;
    weft_status st = weft__reply_decode(bytes, length, &reply, &reason);
    if (st != WEFT_OK) {
        weft__downlink_drop_message(d, sender, 0, st, reason);
        return;
    }
    d->live.received_messages++;
    weft__stream *s = weft__asks_find(&d->asks, sender, reply->request_id);
    if (strcmp(reply->node, sender) != 0)
        weft__downlink_drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    else if (s != NULL)
        answer_take(d, s, reply, now_ms);
    free(reply);
}

void weft__downlink_get_stats(weft__downlink *d, weft__downlink_stats *ret)
{
    pthread_mutex_lock(&d->mutex);
    *ret = d->shown;
    ret->dropped_malformed = weft__drops_sum(&d->drops, WEFT__DROP_MALFORMED);
    ret->dropped_corrupt = weft__drops_sum(&d->drops, WEFT__DROP_CORRUPT);
    ret->dropped_foreign = weft__drops_sum(&d->drops, WEFT__DROP_FOREIGN);
    pthread_mutex_unlock(&d->mutex);
}
