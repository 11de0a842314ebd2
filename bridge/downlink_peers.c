/* bridge/downlink_peers.c: what births, ends and beats tell of streams: which there are, whose they are, how far they
 * go. Who lives is for lives.h to say. */
#include "bridge/downlink_private.h"

#include "bridge/topic_map.h"

#include <stdlib.h>
#include <string.h>

enum {
    SUSPECT_GRACE_MS = 600, /* QoS 0 beats overtake what is queued for us at the broker */
    BIRTHLESS_MS = 10000,
    BACKLOG_GRACE_MS = 1500, /* a node that comes back first sends what it had not got rid of */
};

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
    weft__stream *s = weft__downlink_stream_find(d, live->node, p->epoch, p->topic);
    bool ours = s != NULL;
    if (!ours && d->opts.since_ms != 0)
        ours = !epoch_is_too_old(d, live, p->epoch);
    else if (!ours)
        ours = epoch_is_ours(d, known, live, p, known_before, now_ms);
    if (!ours || (s = weft__downlink_stream_add(d, live->node, p->epoch, p->topic)) == NULL)
        return;
    weft__stream_tell(s, p->last_seq, p->events);
    weft__stream_suspect(s, p->last_seq, now_ms, grace_ms);
}

static void previous_take(weft__downlink *d, const weft__peer *known, const weft__live *live, bool known_before,
                          int64_t now_ms)
{
    for (size_t i = 0; i < live->previous_count; i++) {
        const weft__position *p = &live->previous[i];
        if ((d->interest & (uint32_t)p->topic & (uint32_t)WEFT_TOPICS_DURABLE) && p->last_seq != 0)
            position_take(d, known, live, p, known_before, now_ms);
    }
}

/* All that a present life has said so far is wanted, however far that goes. */
static void present_want(weft__downlink *d, const weft__live *live)
{
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        uint32_t wanted = d->interest & (uint32_t)WEFT_TOPICS_DURABLE;
        if (!(wanted & (uint32_t)topic) || weft__downlink_stream_find(d, live->node, live->epoch, topic) != NULL)
            continue;
        weft__stream *s = weft__downlink_stream_add(d, live->node, live->epoch, topic);
        if (s == NULL)
            continue;
        weft__stream_base(s, 0);
        s->endless = true;
    }
}

/* The node is there: it is asked anew. A new life of it knows nothing of questions to the last one. */
static void streams_retry(weft__downlink *d, const char *node, bool new_life, int64_t now_ms)
{
    for (size_t i = 0; i < WEFT__STREAM_BUCKETS; i++)
        for (weft__stream *s = d->buckets[i]; s != NULL; s = s->next)
            if (strcmp(s->node, node) == 0) {
                if (new_life)
                    weft__asks_end(&d->asks, s);
                s->ask_after_ms = now_ms + WEFT__RETRY_MS;
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
        weft__downlink_drop_message(d, sender, 0, st, reason);
        return WEFT_OK;
    }
    bool foreign = strcmp(live->node, sender) != 0;
    weft__peer *peer = foreign ? NULL : weft__peers_add(&d->lives.peers, sender, live->epoch);
    if (peer != NULL)
        live_take(d, peer, live, origin, now_ms);
    else if (foreign)
        weft__downlink_drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
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
    weft__stream *s = weft__downlink_stream_add(d, beat->node, beat->epoch, topic);
    if (s == NULL)
        return;
    bool younger = born ? !weft__downlink_was_before_us(d, s)
                        : epoch_is_younger(d, topic, beat->epoch, beat->timestamp_ms, now_ms);
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
        weft__stream *s = p->epoch < beat->epoch ? weft__downlink_stream_find(d, beat->node, p->epoch, p->topic) : NULL;
        if (s == NULL)
            continue;
        weft__stream_tell(s, p->last_seq, p->events);
        weft__downlink_watch(d, s);
    }
}

static void birth_want(weft__downlink *d, int64_t now_ms)
{
    if (d->ops.birthless == NULL || (d->birthless_ms != 0 && now_ms - d->birthless_ms < BIRTHLESS_MS))
        return;
    d->birthless_ms = now_ms;
    d->ops.birthless(d->ops.user);
}

void weft__downlink_beat(weft__downlink *d, const char *sender, const uint8_t *bytes, size_t length, int64_t now_ms)
{
    weft__beat *beat;
    const char *reason = NULL;
    weft_status st = weft__beat_decode(bytes, length, &beat, &reason);
    if (st != WEFT_OK) {
        weft__downlink_drop_message(d, sender, 0, st, reason);
        return;
    }
    weft__peer *peer = weft__peers_find(&d->lives.peers, sender);
    bool ours = strcmp(beat->node, sender) == 0;
    if (!ours)
        weft__downlink_drop_count(d, sender, 0, WEFT__DROP_FOREIGN);
    if (ours && peer != NULL)
        weft__lives_beat(&d->lives, peer, beat, now_ms);
    if (ours)
        beat_take_earlier(d, beat);
    bool born = peer != NULL && peer->birth_count > 0 && peer->epoch == beat->epoch; /* or the broker dropped it */
    bool present = ours && (peer == NULL || peer->epoch <= beat->epoch);
    if (present && !born)
        birth_want(d, now_ms);
    if (present)
        for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
            if (d->interest & (uint32_t)weft_topic_from_number(number))
                beat_take_topic(d, beat, weft_topic_from_number(number), born, now_ms);
    free(beat);
}

size_t weft__downlink_peers(weft__downlink *d, weft_peer *ret, size_t max, int64_t now_ms)
{
    return weft__peers_list(&d->lives.peers, ret, max, now_ms);
}
