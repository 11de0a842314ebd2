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
#include "bridge/downlink.h"

#include "bridge/asks.h"
#include "bridge/lives.h"
#include "bridge/topic_map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    STREAM_BUCKETS = 1024,
    STREAMS_MAX = 65536,
    SUSPECT_GRACE_MS = 600,  /* QoS 0 beats overtake what is queued for us at the broker */
    BACKLOG_GRACE_MS = 1500, /* a node that comes back first sends what it had not got rid of */
    RETRY_MS = 250,
};

static const uint64_t SEQ_MAX = INT64_MAX; /* what a journal can hold: more is not believed */

struct weft__downlink {
    weft__downlink_opts opts;
    weft__downlink_ops ops;
    weft__stream_ops stream_ops;
    weft__stream *buckets[STREAM_BUCKETS];
    size_t stream_count;
    weft__lives lives;
    int64_t now_ms; /* of the message or tick that is being taken */
    uint32_t interest;
    uint64_t stamp;
    weft__moment wanted[WEFT_TOPIC_MAX]; /* since when */
    weft__asks asks;
    weft__stream *changed;
    bool in_answer;             /* the events taken now come from an answer */
    size_t next_bucket;         /* where the next tick begins, so that all streams come to ask */
    uint64_t uses;              /* counts what uses a stream */
    weft__downlink_stats live;  /* this thread's */
    bool differs;               /* some stream's account does not add up, and that has not been said */
    pthread_mutex_t mutex;      /* a leaf; writing `buckets` and the lists in them, too */
    weft__downlink_stats shown; /* [mutex] copy of live for other threads; so is `shown` of each stream */
    weft__drops drops;          /* [mutex] */
};

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
    weft__lives_ops lives_ops = {.deliver = ops->deliver, .peer = ops->peer, .skewed = ops->skewed, .user = ops->user};
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

/* ---- streams ---- */

static size_t stream_bucket(const char *node, uint64_t epoch, weft_topic topic)
{
    uint64_t hash = 1469598103934665603ULL; /* FNV-1a */
    for (const char *c = node; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    hash = (hash ^ epoch) * 1099511628211ULL;
    hash = (hash ^ (uint64_t)topic) * 1099511628211ULL;
    return (size_t)((hash ^ (hash >> 32)) % STREAM_BUCKETS);
}

static weft__stream *stream_find(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic)
{
    weft__stream *s = d->buckets[stream_bucket(node, epoch, topic)];
    while (s != NULL && (s->epoch != epoch || s->topic != topic || strcmp(s->node, node) != 0))
        s = s->next;
    return s;
}

static void stream_note_change(weft__downlink *d, weft__stream *s)
{
    if (s->changed)
        return;
    s->changed = true;
    s->next_changed = d->changed;
    d->changed = s;
}

static void counts_move(weft__stream_counts *total, const weft__stream_counts *now, weft__stream_counts *before)
{
    enum { COUNTS = sizeof *total / sizeof(uint64_t) };
    uint64_t *sums = (uint64_t *)total, *olds = (uint64_t *)before;
    const uint64_t *news = (const uint64_t *)now;
    for (size_t i = 0; i < COUNTS; i++) {
        sums[i] += news[i] - olds[i];
        olds[i] = news[i];
    }
}

static void stream_show_locked(weft__downlink *d, weft__stream *s)
{
    if (!s->unshown)
        return;
    counts_move(&d->live.streams, &s->counts, &s->counted);
    d->differs = d->differs || s->unaccounted != s->complained;
    weft__stream_show(s);
}

/* Takes it out of its bucket and all lists, and frees it. What it counted stays in the totals. */
static void stream_drop(weft__downlink *d, weft__stream **at)
{
    weft__stream *s = *at;
    pthread_mutex_lock(&d->mutex);
    stream_show_locked(d, s);
    *at = s->next;
    pthread_mutex_unlock(&d->mutex);
    d->stream_count--;
    weft__asks_end(&d->asks, s);
    if (d->ops.forgot != NULL)
        d->ops.forgot(d->ops.user, s);
    weft__stream **changed = &d->changed;
    while (s->changed && *changed != s)
        changed = &(*changed)->next_changed;
    if (s->changed)
        *changed = s->next_changed;
    weft__stream_destroy(s);
}

/* Whether nothing more is expected: its node is away, or lives again, and nothing of it is missing. */
static bool stream_is_over(const weft__downlink *d, const weft__stream *s)
{
    const weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    bool open = s->holes.count > 0 || s->held_count > 0 || s->suspected > s->high || s->suspected_later > s->high ||
                s->ask.request != 0;
    return !open && (peer == NULL || !weft__peer_is_up(peer) || peer->epoch != s->epoch);
}

/* At the bound: forgets the streams that are over and were not used for longest. Should one of them go on after all,
 * its events may be handled twice. */
static void streams_forget_oldest(weft__downlink *d)
{
    uint64_t oldest = d->uses;
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (const weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (s->used < oldest && stream_is_over(d, s))
                oldest = s->used;
    uint64_t up_to = oldest + (d->uses - oldest) / 8;
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (weft__stream **at = &d->buckets[i]; *at != NULL;) {
            weft__stream *s = *at;
            if (s->used > up_to || !stream_is_over(d, s)) {
                at = &s->next;
                continue;
            }
            stream_drop(d, at);
        }
}

static weft__stream *stream_add(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic)
{
    weft__stream *s = stream_find(d, node, epoch, topic);
    if (s == NULL && d->stream_count == d->opts.streams_max)
        streams_forget_oldest(d);
    if (s != NULL) {
        s->used = ++d->uses;
        return s;
    }
    if (d->stream_count == d->opts.streams_max ||
        (s = weft__stream_create(node, epoch, topic, d->opts.since_ms != 0)) == NULL) {
        d->live.dropped_bound++;
        return NULL;
    }
    weft__stream **bucket = &d->buckets[stream_bucket(node, epoch, topic)];
    pthread_mutex_lock(&d->mutex);
    s->next = *bucket;
    *bucket = s;
    weft__stream_show(s);
    pthread_mutex_unlock(&d->mutex);
    d->stream_count++;
    s->used = ++d->uses;
    return s;
}

static bool stream_was_before_us(const weft__downlink *d, const weft__stream *s)
{
    const weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    return peer != NULL && weft__peer_born_by(peer, s->epoch, d->wanted[weft_topic_number(s->topic)]);
}

void weft__downlink_interest(weft__downlink *d, uint32_t topics, int64_t now_ms)
{
    for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
        if ((topics & ~d->interest) & (uint32_t)weft_topic_from_number(number))
            d->wanted[number] = (weft__moment){++d->stamp, now_ms};
    d->interest = topics;
    for (size_t i = 0; i < STREAM_BUCKETS; i++) {
        weft__stream **at = &d->buckets[i];
        while (*at != NULL) {
            weft__stream *s = *at;
            if ((uint32_t)s->topic & topics) {
                at = &s->next;
                continue;
            }
            stream_drop(d, at);
        }
    }
    weft__open_work_interest(d->lives.work, topics);
}

weft_status weft__downlink_restore(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic, uint64_t high,
                                   const weft__seq_range *holes, size_t hole_count, int64_t now_ms)
{
    weft__stream *s = stream_find(d, node, epoch, topic);
    if (s != NULL || !(d->interest & (uint32_t)topic))
        return WEFT_INVALID;
    s = stream_add(d, node, epoch, topic);
    return s != NULL ? weft__stream_restore(s, high, holes, hole_count, now_ms) : WEFT_FULL;
}

void weft__downlink_each_changed(weft__downlink *d, void (*fn)(void *user, const weft__stream *stream), void *user)
{
    for (const weft__stream *s = d->changed; s != NULL; s = s->next_changed)
        fn(user, s);
}

bool weft__downlink_changed(const weft__downlink *d)
{
    return d->changed != NULL;
}

void weft__downlink_changes_done(weft__downlink *d)
{
    for (weft__stream *s = d->changed; s != NULL; s = s->next_changed)
        s->changed = false;
    d->changed = NULL;
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
    stream_note_change(d, s);
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
static bool room_make(weft__downlink *d, weft__stream *s, size_t count)
{
    return weft__seq_ranges_reserve(&s->holes) != WEFT_NO_MEMORY &&
           (d->ops.room == NULL || d->ops.room(d->ops.user, count + s->held_count + s->holes.count));
}

static void stream_tick(weft__downlink *d, weft__stream *s, int64_t now_ms)
{
    if (!room_make(d, s, 0))
        return;
    if (s->suspected != 0 || s->hold_until_ms != 0) {
        weft__stream_tick(s, now_ms, d->opts.hold_ms, &d->stream_ops);
        stream_note_change(d, s);
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

/* Says what does not add up, once a change. */
static void accounts_complain(weft__downlink *d)
{
    d->differs = false;
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (s->unaccounted != s->complained) {
                s->complained = s->unaccounted;
                if (s->unaccounted != 0)
                    d->ops.unaccounted(d->ops.user, s->node, s->epoch, s->topic, s->unaccounted);
            }
}

static void accounts_show(weft__downlink *d)
{
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            stream_show_locked(d, s);
    d->shown = d->live;
    pthread_mutex_unlock(&d->mutex);
}

void weft__downlink_tick(weft__downlink *d, int64_t now_ms)
{
    d->now_ms = now_ms;
    d->live.open_gaps = 0;
    d->asks.refused = 0;
    size_t first = d->next_bucket, refused_at = first;
    for (size_t i = 0; i < STREAM_BUCKETS; i++) {
        for (weft__stream *s = d->buckets[(first + i) % STREAM_BUCKETS]; s != NULL; s = s->next)
            stream_tick(d, s, now_ms);
        if (d->asks.refused == 0)
            refused_at = (first + i + 1) % STREAM_BUCKETS;
    }
    d->next_bucket = refused_at;
    weft__lives_tick(&d->lives, now_ms);
    weft__open_work_get_stats(d->lives.work, &d->live.work);
    d->live.peers = (uint32_t)d->lives.peers.up;
    accounts_show(d);
    if (d->differs)
        accounts_complain(d);
}

void weft__downlink_connected(weft__downlink *d, int64_t now_ms)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next) {
            weft__asks_end(&d->asks, s);
            s->ask_failures = 0;
            s->ask_after_ms = now_ms + RETRY_MS;
        }
    weft__lives_connected(&d->lives, now_ms);
}

void weft__downlink_cut(weft__downlink *d)
{
    weft__lives_cut(&d->lives);
}

/* ---- events ---- */

static void drop_count(weft__downlink *d, const char *sender, weft_topic topic, weft__drop_reason reason)
{
    pthread_mutex_lock(&d->mutex);
    weft__drops_add(&d->drops, sender, topic, reason);
    pthread_mutex_unlock(&d->mutex);
}

static void message_drop(weft__downlink *d, const char *sender, weft_topic topic, weft_status why, const char *reason)
{
    drop_count(d, sender, topic, why == WEFT_CORRUPT ? WEFT__DROP_CORRUPT : WEFT__DROP_MALFORMED);
    d->ops.dropped(d->ops.user, sender, reason != NULL ? reason : weft_status_text(why));
}

void weft__downlink_drop(weft__downlink *d, const char *sender, weft_status why, const char *reason)
{
    if (why != WEFT_OK) {
        message_drop(d, sender, 0, why, reason);
        return;
    }
    drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
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
        message_drop(d, sender, topic, st, reason);
        return WEFT_OK;
    }
    if (strcmp(batch->node, sender) != 0) {
        drop_count(d, sender, topic, WEFT__DROP_FOREIGN);
        d->ops.dropped(d->ops.user, sender, "the payload names another node than the topic");
    } else if (batch->topic != 0 && batch->topic != topic) {
        message_drop(d, sender, topic, WEFT_MALFORMED, "events of another topic than the message's");
    } else {
        *ret = batch;
        return WEFT_OK;
    }
    weft_batch_free(batch);
    return WEFT_OK;
}

static bool batch_take(weft__downlink *d, weft__stream *s, const weft_batch *batch, int64_t now_ms)
{
    if (!room_make(d, s, batch->event_count + batch->lost_count))
        return false;
    weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    d->now_ms = now_ms;
    if (peer != NULL)
        weft__lives_hear(&d->lives, peer, batch->epoch, now_ms);
    if (batch->event_count > 0)
        weft__stream_take(s, batch->prev_seq, batch->events, batch->event_count, now_ms, d->opts.hold_ms,
                          &d->stream_ops);
    for (size_t i = 0; i < batch->lost_count; i++)
        weft__stream_lose(s, &batch->lost[i], &d->stream_ops);
    stream_note_change(d, s);
    return true;
}

static weft_status batch_take_new(weft__downlink *d, const char *sender, weft_topic topic, const weft_batch *batch,
                                  int64_t now_ms)
{
    weft__stream *s = stream_add(d, sender, batch->epoch, topic);
    if (s == NULL)
        return d->stream_count < d->opts.streams_max ? WEFT_NO_MEMORY : WEFT_OK;
    if (!s->based)
        weft__stream_base(s, d->opts.since_ms == 0 && stream_was_before_us(d, s) ? batch->prev_seq : 0);
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
        if (!open_ended || lost.to_seq <= SEQ_MAX)
            weft__stream_lose(s, &lost, &d->stream_ops);
    }
    uint64_t covered = reply->covered_to_seq < ask.to ? reply->covered_to_seq : ask.to;
    if (!open_ended || covered <= SEQ_MAX)
        weft__stream_settle(s, ask.from, covered, &d->stream_ops);
    s->endless = s->endless && !open_ended;
    if (open_ended && reply->last_seq <= SEQ_MAX)
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
    if (!s->ask.broken && d->opts.since_ms != 0 && reply->skipped_seq >= s->ask.from && reply->skipped_seq <= SEQ_MAX)
        weft__stream_settle(s, s->ask.from, reply->skipped_seq < s->ask.to ? reply->skipped_seq : s->ask.to,
                            &d->stream_ops);
    if (reply->batch != NULL)
        answer_take_batch(d, s, reply, now_ms);
    if (reply->last)
        answer_finish(d, s, reply, now_ms);
    stream_note_change(d, s);
}

void weft__downlink_reply(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms)
{
    weft__reply *reply;
    const char *reason = NULL;
    weft_status st = weft__reply_decode(bytes, length, &reply, &reason);
    if (st != WEFT_OK) {
        message_drop(d, sender, 0, st, reason);
        return;
    }
    d->live.received_messages++;
    weft__stream *s = weft__asks_find(&d->asks, sender, reply->request_id);
    if (strcmp(reply->node, sender) != 0)
        drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    else if (s != NULL)
        answer_take(d, s, reply, now_ms);
    free(reply);
}

/* ---- peers ---- */

/* Whether all that an epoch accepted lies before what is wanted: it ended when the next one began, and epochs are
 * numbered by the ms they began in, or later. */
static bool epoch_is_too_old(const weft__downlink *d, const weft__live *live, uint64_t epoch)
{
    uint64_t next = live->epoch;
    for (size_t i = 0; i < live->previous_count; i++)
        if (live->previous[i].epoch > epoch && live->previous[i].epoch < next)
            next = live->previous[i].epoch;
    return d->opts.since_ms > WEFT__SKEW_MS && next < (uint64_t)(d->opts.since_ms - WEFT__SKEW_MS);
}

/* Whether an epoch began after we began to want a topic, as its number says, which is the time it began at by the
 * node's own clock, or later; sent_ms is what that clock says now. */
static bool epoch_is_younger(const weft__downlink *d, weft_topic topic, uint64_t epoch, int64_t sent_ms, int64_t now_ms)
{
    int64_t age_ms = sent_ms - (int64_t)epoch;
    return sent_ms > 0 && now_ms - age_ms >= d->wanted[weft_topic_number(topic)].ms - WEFT__SKEW_MS;
}

/* Whether an epoch that we saw nothing of began after we began to want a topic. */
static bool epoch_is_ours(const weft__downlink *d, const weft__peer *known, const weft__live *live,
                          const weft__position *p, bool known_before, int64_t now_ms)
{
    weft__moment wanted = d->wanted[weft_topic_number(p->topic)];
    return weft__peer_born_after(known, p->epoch, wanted) ||
           (!known_before && !weft__peer_born_by(known, p->epoch, wanted) &&
            epoch_is_younger(d, p->topic, p->epoch, live->timestamp_ms, now_ms));
}

/* Where a stream of an earlier life ends. `known` is what was known before this birth. */
static void position_take(weft__downlink *d, const weft__peer *known, const weft__live *live, const weft__position *p,
                          bool known_before, int64_t now_ms)
{
    int64_t grace_ms = known_before && d->opts.since_ms != 0 ? 0 : BACKLOG_GRACE_MS;
    weft__stream *s = stream_find(d, live->node, p->epoch, p->topic);
    bool ours = s != NULL;
    if (!ours && d->opts.since_ms != 0)
        ours = !epoch_is_too_old(d, live, p->epoch);
    else if (!ours)
        ours = epoch_is_ours(d, known, live, p, known_before, now_ms);
    if (!ours || (s = stream_add(d, live->node, p->epoch, p->topic)) == NULL)
        return;
    weft__stream_tell(s, p->last_seq, p->events);
    weft__stream_suspect(s, p->last_seq, now_ms, grace_ms);
}

static void previous_take(weft__downlink *d, const weft__peer *known, const weft__live *live, bool known_before,
                          int64_t now_ms)
{
    for (size_t i = 0; i < live->previous_count; i++) {
        const weft__position *p = &live->previous[i];
        if ((d->interest & (uint32_t)p->topic) && p->last_seq != 0)
            position_take(d, known, live, p, known_before, now_ms);
    }
}

/* All that a present life has said so far is wanted, however far that goes. */
static void present_want(weft__downlink *d, const weft__live *live)
{
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        if (!(d->interest & (uint32_t)topic) || stream_find(d, live->node, live->epoch, topic) != NULL)
            continue;
        weft__stream *s = stream_add(d, live->node, live->epoch, topic);
        if (s == NULL)
            continue;
        weft__stream_base(s, 0);
        s->endless = true;
    }
}

/* The node is there: it is asked anew. A new life of it knows nothing of questions to the last one. */
static void streams_retry(weft__downlink *d, const char *node, bool new_life, int64_t now_ms)
{
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (strcmp(s->node, node) == 0) {
                if (new_life)
                    weft__asks_end(&d->asks, s);
                s->ask_after_ms = now_ms + RETRY_MS;
                s->ask_failures = 0;
                s->oldest_hole_ms = now_ms;
            }
}

/* A node says how old its life is: a broker may have forgotten the birth that told us first. */
static weft__moment birth_moment(weft__downlink *d, const weft__live *live, bool known_before, int64_t now_ms)
{
    int64_t age_ms = live->born_ms > 0 && live->born_ms < live->timestamp_ms ? live->timestamp_ms - live->born_ms : 0;
    return (weft__moment){known_before ? 0 : ++d->stamp, now_ms - age_ms};
}

static void live_take(weft__downlink *d, weft__peer *peer, const weft__live *live, weft__live_origin origin,
                      int64_t now_ms)
{
    weft__peer known = *peer;
    bool known_before = origin == WEFT__LIVE_BEFORE;
    if (live->epoch < peer->epoch)
        return;
    if (live->status != WEFT__LIVE_BIRTH) {
        weft__moment seen = known_before ? (weft__moment){0} : (weft__moment){++d->stamp, now_ms};
        weft__lives_left(&d->lives, peer, live, origin == WEFT__LIVE_FRESH, seen, now_ms);
        return;
    }
    weft__moment seen = birth_moment(d, live, known_before, now_ms);
    weft__lives_born(&d->lives, peer, live, origin == WEFT__LIVE_FRESH, seen, now_ms);
    previous_take(d, &known, live, known_before, now_ms);
    if (d->opts.since_ms != 0)
        present_want(d, live);
    streams_retry(d, peer->node, live->epoch > known.epoch, now_ms);
}

weft_status weft__downlink_live(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length,
                                weft__live_origin origin, int64_t now_ms)
{
    weft__live *live;
    const char *reason = NULL;
    if (length == 0) {
        weft__lives_forget(&d->lives, sender, now_ms);
        return WEFT_OK;
    }
    weft_status st = weft__live_decode(bytes, length, &live, &reason);
    if (st == WEFT_NO_MEMORY)
        return st;
    if (st != WEFT_OK) {
        message_drop(d, sender, 0, st, reason);
        return WEFT_OK;
    }
    bool foreign = strcmp(live->node, sender) != 0;
    weft__peer *peer = foreign ? NULL : weft__peers_add(&d->lives.peers, sender, live->epoch);
    if (peer != NULL)
        live_take(d, peer, live, origin, now_ms);
    else if (foreign)
        drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    else
        st = WEFT_NO_MEMORY;
    free(live);
    return st;
}

/* A topic that the beat does not name has sent nothing yet: a baseline that is sure. `born`: its birth is known. */
static void beat_take_topic(weft__downlink *d, const weft__beat *beat, weft_topic topic, bool born, int64_t now_ms)
{
    weft__position at = {0};
    for (size_t i = 0; i < beat->stream_count; i++)
        if (beat->streams[i].topic == topic && beat->streams[i].epoch == beat->epoch)
            at = beat->streams[i];
    weft__stream *s = stream_add(d, beat->node, beat->epoch, topic);
    if (s == NULL)
        return;
    bool younger =
        born ? !stream_was_before_us(d, s) : epoch_is_younger(d, topic, beat->epoch, beat->timestamp_ms, now_ms);
    weft__stream_tell(s, at.last_seq, at.events);
    if (at.last_seq == 0)
        weft__stream_base(s, 0);
    else if (s->based || s->capped || d->opts.since_ms != 0 || younger)
        weft__stream_suspect(s, at.last_seq, now_ms, SUSPECT_GRACE_MS);
    else
        weft__stream_cap(s, at.last_seq);
}

/* What a birth has told of earlier lives may have been too early: before the first of their events. */
static void beat_take_earlier(weft__downlink *d, const weft__beat *beat)
{
    for (size_t i = 0; i < beat->stream_count; i++) {
        const weft__position *p = &beat->streams[i];
        weft__stream *s = p->epoch < beat->epoch ? stream_find(d, beat->node, p->epoch, p->topic) : NULL;
        if (s != NULL)
            weft__stream_tell(s, p->last_seq, p->events);
    }
}

void weft__downlink_beat(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms)
{
    weft__beat *beat;
    const char *reason = NULL;
    weft_status st = weft__beat_decode(bytes, length, &beat, &reason);
    if (st != WEFT_OK) {
        message_drop(d, sender, 0, st, reason);
        return;
    }
    weft__peer *peer = weft__peers_find(&d->lives.peers, sender);
    bool ours = strcmp(beat->node, sender) == 0;
    if (!ours)
        drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    if (ours && peer != NULL)
        weft__lives_beat(&d->lives, peer, beat, now_ms);
    if (ours)
        beat_take_earlier(d, beat);
    bool born = peer != NULL && peer->birth_count > 0 && peer->epoch == beat->epoch; /* or the broker dropped it */
    if (ours && (peer == NULL || peer->epoch <= beat->epoch))
        for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
            if (d->interest & (uint32_t)weft_topic_from_number(number))
                beat_take_topic(d, beat, weft_topic_from_number(number), born, now_ms);
    free(beat);
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

size_t weft__downlink_peers(weft__downlink *d, weft_peer *ret, size_t max, int64_t now_ms)
{
    return weft__peers_list(&d->lives.peers, ret, max, now_ms);
}

/* ---- the account ---- */

typedef struct listing {
    weft_stream_account *accounts;
    weft__name_buffer *names;
    size_t max;
    size_t count;
} listing;

static void listing_add(listing *l, const char *node, const weft_stream_account *account)
{
    size_t i = l->count++;
    if (i >= l->max)
        return;
    weft__name_copy(l->names[i], node);
    l->accounts[i] = *account;
    l->accounts[i].node = l->names[i];
}

size_t weft__downlink_accounts(weft__downlink *d, weft_stream_account *accounts, weft__name_buffer *names, size_t max)
{
    listing l = {accounts, names, max, 0};
    pthread_mutex_lock(&d->mutex);
    for (size_t i = 0; i < d->drops.count; i++) {
        const weft__drop_entry *drop = &d->drops.entries[i];
        listing_add(&l, drop->sender,
                    &(weft_stream_account){.topic = drop->topic,
                                           .dropped_malformed = drop->messages[WEFT__DROP_MALFORMED],
                                           .dropped_corrupt = drop->messages[WEFT__DROP_CORRUPT],
                                           .dropped_foreign = drop->messages[WEFT__DROP_FOREIGN]});
    }
    for (size_t i = 0; i < STREAM_BUCKETS; i++)
        for (const weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            listing_add(&l, s->node, &s->shown);
    pthread_mutex_unlock(&d->mutex);
    return l.count;
}
