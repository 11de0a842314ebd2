/* bridge/downlink_streams.c: a hash table of streams by (node, epoch, topic).
 *
 * The downlink thread alone changes it; others read what is shown of each stream, under the mutex. */
#include "bridge/downlink_private.h"

#include "bridge/topic_map.h"

#include <string.h>

static size_t stream_bucket(const char *node, uint64_t epoch, weft_topic topic)
{
    uint64_t hash = 1469598103934665603ULL; /* FNV-1a */
    for (const char *c = node; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    hash = (hash ^ epoch) * 1099511628211ULL;
    hash = (hash ^ (uint64_t)topic) * 1099511628211ULL;
    return (size_t)((hash ^ (hash >> 32)) % WEFT__STREAM_BUCKETS);
}

weft__stream *weft__downlink_stream_find(const weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic)
{
    weft__stream *s = d->buckets[stream_bucket(node, epoch, topic)];
    while (s != NULL && (s->epoch != epoch || s->topic != topic || strcmp(s->node, node) != 0))
        s = s->next;
    return s;
}

void weft__downlink_note_change(weft__downlink *d, weft__stream *s)
{
    if (s->changed)
        return;
    s->changed = true;
    s->next_changed = d->changed;
    d->changed = s;
}

/* ---- the ring of those that ticks look at ---- */

void weft__downlink_watch(weft__downlink *d, weft__stream *s)
{
    if (s->next_watched != NULL)
        return;
    if (d->watched == NULL)
        d->watched = s->next_watched = s->previous_watched = s;
    s->next_watched = d->watched;
    s->previous_watched = d->watched->previous_watched;
    s->previous_watched->next_watched = s;
    d->watched->previous_watched = s;
    d->watched_count++;
}

static void watch_end(weft__downlink *d, weft__stream *s)
{
    if (s->next_watched == NULL)
        return;
    d->watched_count--;
    if (d->watched == s)
        d->watched = d->watched_count > 0 ? s->next_watched : NULL;
    s->previous_watched->next_watched = s->next_watched;
    s->next_watched->previous_watched = s->previous_watched;
    s->next_watched = s->previous_watched = NULL;
}

static bool stream_is_quiet(const weft__stream *s)
{
    return s->holes.count == 0 && s->hold_until_ms == 0 && s->suspected == 0 && s->ask.request == 0 && !s->endless;
}

/* ---- accounts ---- */

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
    watch_end(d, s);
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
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (const weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (s->used < oldest && stream_is_over(d, s))
                oldest = s->used;
    uint64_t up_to = oldest + (d->uses - oldest) / 8;
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (weft__stream **at = &d->buckets[i]; *at != NULL;) {
            weft__stream *s = *at;
            if (s->used > up_to || !stream_is_over(d, s)) {
                at = &s->next;
                continue;
            }
            stream_drop(d, at);
        }
}

weft__stream *weft__downlink_stream_add(weft__downlink *d, const char *node, uint64_t epoch, weft_topic topic)
{
    weft__stream *s = weft__downlink_stream_find(d, node, epoch, topic);
    if (s == NULL && d->stream_count == d->opts.streams_max)
        streams_forget_oldest(d);
    if (s != NULL) {
        s->used = ++d->uses;
        weft__downlink_watch(d, s);
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
    weft__downlink_watch(d, s);
    return s;
}

/* Streams of earlier lives count, if the birth of the life was seen: an end may be told in a later life. */
bool weft__downlink_lacks(void *user, const weft_event *event)
{
    const weft__downlink *d = user;
    weft_topic topic = weft_event_topic(event);
    const weft__stream *own = weft__downlink_stream_find(d, event->id.node, event->id.epoch, topic);
    const weft__peer *peer = weft__peers_find(&d->lives.peers, event->id.node);
    if (own == NULL || peer == NULL || weft__stream_lacks(own, event->id.seq))
        return true;
    for (size_t i = 0; i < peer->birth_count; i++) {
        uint64_t epoch = peer->births[i].epoch;
        const weft__stream *s =
            epoch < event->id.epoch ? weft__downlink_stream_find(d, peer->node, epoch, topic) : NULL;
        if (s != NULL && weft__stream_lacks(s, UINT64_MAX))
            return true;
    }
    return false;
}

bool weft__downlink_was_before_us(const weft__downlink *d, const weft__stream *s)
{
    const weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    return peer != NULL && weft__peer_born_by(peer, s->epoch, d->wanted[weft_topic_number(s->topic)]);
}

bool weft__downlink_is_ours(const weft__downlink *d, const weft__stream *s)
{
    const weft__peer *peer = weft__peers_find(&d->lives.peers, s->node);
    return peer != NULL && weft__peer_born_after(peer, s->epoch, d->wanted[weft_topic_number(s->topic)]);
}

void weft__downlink_interest(weft__downlink *d, uint32_t topics, int64_t now_ms)
{
    for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
        if ((topics & ~d->interest) & (uint32_t)weft_topic_from_number(number))
            d->wanted[number] = (weft__moment){++d->stamp, now_ms};
    d->interest = topics;
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++) {
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
    weft__stream *s = weft__downlink_stream_find(d, node, epoch, topic);
    if (s != NULL || !(d->interest & (uint32_t)topic))
        return WEFT_INVALID;
    s = weft__downlink_stream_add(d, node, epoch, topic);
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

/* ---- what others see ---- */

void weft__downlink_accounts_complain(weft__downlink *d)
{
    d->differs = false;
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (s->unaccounted != s->complained) {
                s->complained = s->unaccounted;
                if (s->unaccounted != 0)
                    d->ops.unaccounted(d->ops.user, s->node, s->epoch, s->topic, s->unaccounted);
            }
}

void weft__downlink_accounts_show(weft__downlink *d)
{
    weft__stream *s = d->watched, *next;
    pthread_mutex_lock(&d->mutex);
    for (size_t n = d->watched_count; n > 0; n--, s = next) {
        next = s->next_watched;
        stream_show_locked(d, s);
        if (stream_is_quiet(s))
            watch_end(d, s);
    }
    d->shown = d->live;
    pthread_mutex_unlock(&d->mutex);
}

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
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (const weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            listing_add(&l, s->node, &s->shown);
    pthread_mutex_unlock(&d->mutex);
    return l.count;
}
