/* bridge/stream.c: baseline, holes, hold.
 *
 * Simplification accepted: one hold a stream, which lasts hold_ms from its first hole; a second hole that opens while
 * the first still holds is held behind with it. It has expired when streams of one node are seen to open holes faster
 * than they heal, so that order is lost where it could have been kept. */
#include "bridge/stream.h"

#include "bridge/topic_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

weft__stream *weft__stream_create(const char *node, uint64_t epoch, weft_topic topic, bool patient)
{
    weft__stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    weft__name_copy(s->node, node);
    s->epoch = epoch;
    s->topic = topic;
    s->best_effort = ((uint32_t)topic & (uint32_t)WEFT_TOPICS_BEST_EFFORT) != 0;
    s->patient = patient && !s->best_effort;
    return s;
}

void weft__stream_destroy(weft__stream *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->held_count; i++)
        weft_event_release(s->held[i]);
    free(s->held);
    weft__seq_ranges_fini(&s->holes);
    free(s);
}

void weft__stream_base(weft__stream *s, uint64_t seq)
{
    if (s->based)
        return;
    s->based = s->unshown = true;
    s->high = s->baseline = s->capped && s->cap < seq ? s->cap : seq;
    s->before_known = s->baseline == 0 && !s->patient;
}

void weft__stream_cap(weft__stream *s, uint64_t seq)
{
    if (s->based || s->capped)
        return;
    s->capped = true;
    s->cap = seq;
}

void weft__stream_begin(weft__stream *s, uint64_t seq, int64_t now_ms)
{
    bool lower = s->guessed && seq < s->cap && !s->best_effort;
    s->guessed = false;
    if (!lower || weft__seq_ranges_prepend(&s->holes, seq + 1, s->cap) != WEFT_OK)
        return;
    s->baseline = seq;
    s->before_known = seq == 0 && !s->patient;
    s->before = 0;
    s->unshown = true;
    if (s->holes.count == 1)
        s->oldest_hole_ms = now_ms;
    if (s->hold_until_ms != 0)
        s->hold_from = seq + 1;
}

static void lost_report(weft__stream *s, const weft_lost *range, const weft__stream_ops *ops)
{
    weft_lost lost = *range;
    lost.node = s->node;
    lost.epoch = s->epoch;
    lost.topic = s->topic;
    s->counts.lost_reports++;
    s->counts.lost[lost.reason] += lost.count;
    s->counts.lost_ranges[lost.reason] += lost.count == 0;
    ops->lost(ops->user, &lost);
}

static void event_deliver(weft__stream *s, const weft_event *event, bool late, const weft__stream_ops *ops)
{
    bool wanted = ops->deliver(ops->user, event, late);
    s->counts.delivered += wanted;
    s->before += !wanted && s->before_known;
}

/* Hands on held events with a seq up to the given one. */
static void held_release(weft__stream *s, uint64_t up_to, const weft__stream_ops *ops)
{
    size_t n = 0;
    while (n < s->held_count && s->held[n]->id.seq <= up_to) {
        event_deliver(s, s->held[n], false, ops);
        weft_event_release(s->held[n]);
        n++;
    }
    if (n == 0)
        return;
    s->held_count -= n;
    memmove(s->held, s->held + n, s->held_count * sizeof *s->held);
}

static void hold_end(weft__stream *s, const weft__stream_ops *ops)
{
    s->hold_until_ms = 0;
    held_release(s, UINT64_MAX, ops);
}

/* The first hole that still holds others back has moved, or there is none left. */
static void hold_advance(weft__stream *s, const weft__stream_ops *ops)
{
    if (s->hold_until_ms == 0)
        return;
    size_t i = 0;
    while (i < s->holes.count && s->holes.items[i].to < s->hold_from)
        i++;
    if (i == s->holes.count) {
        hold_end(s, ops);
        return;
    }
    if (s->holes.items[i].from > s->hold_from) {
        s->hold_from = s->holes.items[i].from;
        held_release(s, s->hold_from, ops);
    }
}

static void hole_open(weft__stream *s, uint64_t from, uint64_t to, int64_t now_ms, uint32_t hold_ms,
                      const weft__stream_ops *ops)
{
    s->counts.gaps++;
    if (s->holes.count == WEFT__SEQ_RANGES_MAX) {
        weft__seq_range oldest = s->holes.items[0];
        weft_lost lost = {.from_seq = oldest.from, .to_seq = oldest.to, .reason = WEFT_LOST_OVERFLOW};
        weft__stream_lose(s, &lost, ops);
    }
    if (s->holes.count == 0)
        s->oldest_hole_ms = now_ms;
    if (weft__seq_ranges_extend(&s->holes, from, to) != WEFT_OK) {
        lost_report(s, &(weft_lost){.from_seq = from, .to_seq = to, .reason = WEFT_LOST_OVERFLOW}, ops);
        return;
    }
    if (s->hold_until_ms == 0) {
        s->hold_until_ms = now_ms + hold_ms;
        s->hold_from = from;
    }
}

/* What lies between the mark and `to` is missing. */
static void gap_open(weft__stream *s, uint64_t to, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops)
{
    if (!s->best_effort) {
        hole_open(s, s->high + 1, to, now_ms, hold_ms, ops);
    } else {
        s->counts.gaps++;
        lost_report(s, &(weft_lost){.from_seq = s->high + 1, .to_seq = to, .reason = WEFT_LOST_UNREACHABLE}, ops);
    }
    s->high = to;
}

/* Makes of an event that was just counted in a part of the last hole again. */
static bool event_unsee(weft__stream *s, uint64_t covered, const weft_event *event)
{
    return s->patient && s->ask.request != 0 &&
           weft__seq_ranges_extend(&s->holes, covered + 1, event->id.seq) == WEFT_OK;
}

static void held_add(weft__stream *s, const weft_event *event, const weft__stream_ops *ops)
{
    if (s->held_count == s->held_capacity && s->held_count < WEFT__HELD_MAX) {
        size_t capacity = s->held_capacity == 0 ? 64 : 2 * s->held_capacity;
        const weft_event **held = realloc(s->held, capacity * sizeof *held);
        if (held != NULL) {
            s->held = held;
            s->held_capacity = capacity;
        }
    }
    const weft_event *kept = weft_event_keep(event);
    if (s->held_count == WEFT__HELD_MAX || s->held_count == s->held_capacity || kept == NULL) {
        bool late = s->held_count > 0 && s->held[s->held_count - 1]->id.seq > event->id.seq;
        weft_event_release(kept);
        hold_end(s, ops);
        event_deliver(s, event, late, ops);
        return;
    }
    size_t at = s->held_count;
    while (at > 0 && s->held[at - 1]->id.seq > event->id.seq)
        at--;
    memmove(&s->held[at + 1], &s->held[at], (s->held_count - at) * sizeof *s->held);
    s->held[at] = kept;
    s->held_count++;
}

static void event_take_new(weft__stream *s, uint64_t covered, const weft_event *event, const weft__stream_ops *ops)
{
    if (s->hold_until_ms != 0) {
        if (s->held_count < WEFT__HELD_MAX || !event_unsee(s, covered, event))
            held_add(s, event, ops);
        return;
    }
    event_deliver(s, event, false, ops);
}

/* An event at or below the high-water mark. (covered, seq] leaves the holes; a set too full to be split refuses that,
 * and the event stays missing, to be asked for again. */
static void event_take_missing(weft__stream *s, uint64_t covered, const weft_event *event, const weft__stream_ops *ops)
{
    uint64_t seq = event->id.seq;
    bool late = s->hold_until_ms == 0 || seq < s->hold_from;
    if (!weft__seq_ranges_contain(&s->holes, seq)) {
        s->counts.duplicates++;
        return;
    }
    if (weft__seq_ranges_remove(&s->holes, covered + 1, seq) != WEFT_OK)
        return;
    s->counts.healed++;
    bool next = !late && covered < s->hold_from; /* nothing that waits lies before it */
    if (late || next) {
        event_deliver(s, event, late, ops);
    } else {
        held_add(s, event, ops); /* among those that wait, so that it goes out in its place */
    }
    hold_advance(s, ops);
}

void weft__stream_take(weft__stream *s, uint64_t prev_seq, const weft_event *const *events, size_t count,
                       int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops)
{
    assert(s->based && count > 0);
    s->unshown = true;
    s->counts.received += count;
    if (prev_seq > s->high)
        gap_open(s, prev_seq, now_ms, hold_ms, ops);
    uint64_t covered = prev_seq;
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = events[i]->id.seq;
        if (seq <= s->high) {
            event_take_missing(s, covered, events[i], ops);
        } else {
            s->high = seq;
            event_take_new(s, covered, events[i], ops);
        }
        covered = seq;
    }
}

void weft__stream_settle(weft__stream *s, uint64_t from, uint64_t to, const weft__stream_ops *ops)
{
    if (from > to)
        return;
    s->unshown = true;
    if (to > s->high && from <= s->high + 1)
        s->high = to;
    (void)weft__seq_ranges_remove(&s->holes, from, to);
    hold_advance(s, ops);
}

static void part_lose(weft__stream *s, const weft_lost *lost, uint64_t from, uint64_t to, const weft__stream_ops *ops)
{
    weft_lost part = *lost;
    part.from_seq = from > lost->from_seq ? from : lost->from_seq;
    part.to_seq = to < lost->to_seq ? to : lost->to_seq;
    if (part.from_seq > part.to_seq)
        return;
    if (part.from_seq != lost->from_seq || part.to_seq != lost->to_seq)
        part.count = 0;
    lost_report(s, &part, ops);
}

void weft__stream_lose(weft__stream *s, const weft_lost *lost, const weft__stream_ops *ops)
{
    weft_lost named = *lost;
    if (named.reason == WEFT_LOST_UNSPECIFIED) /* one that only a newer version knows */
        named.reason = WEFT_LOST_OVERFLOW;
    if (s->best_effort && named.from_seq > s->high + 1)
        gap_open(s, named.from_seq - 1, 0, 0, ops);
    for (size_t i = 0; i < s->holes.count; i++)
        part_lose(s, &named, s->holes.items[i].from, s->holes.items[i].to, ops);
    if (s->high < UINT64_MAX)
        part_lose(s, &named, s->high + 1, UINT64_MAX, ops);
    weft__stream_settle(s, named.from_seq, named.to_seq, ops);
}

void weft__stream_reach(weft__stream *s, uint64_t seq, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops)
{
    if (seq <= s->high || (!s->based && s->capped && seq <= s->cap))
        return;
    s->guessed = s->guessed || (!s->based && s->capped);
    weft__stream_base(s, s->capped ? s->cap : 0);
    s->unshown = true;
    gap_open(s, seq, now_ms, hold_ms, ops);
}

void weft__stream_suspect(weft__stream *s, uint64_t seq, int64_t now_ms, int64_t grace_ms)
{
    bool open = s->suspected > s->high; /* a later one waits until this one is settled: it may merely be under way */
    if (seq > s->high && !open) {
        s->suspected = seq;
        s->suspected_ms = now_ms + grace_ms;
    } else if (open && seq > s->suspected && seq > s->suspected_later) {
        s->suspected_later = seq;
        s->suspected_later_ms = now_ms + grace_ms;
    }
}

/* A guessed baseline may turn out to lie too high; and what fills a hole is let past by those that wait if they are too
 * many. */
bool weft__stream_lacks(const weft__stream *s, uint64_t seq)
{
    return s->guessed || s->held_count > 0 || (s->holes.count > 0 && s->holes.items[0].from < seq) ||
           (s->suspected > s->high && s->high + 1 < seq);
}

/* The end of one suspicion is the beginning of the next. */
static void suspicion_end(weft__stream *s)
{
    s->suspected = s->suspected_later > s->high ? s->suspected_later : 0;
    s->suspected_ms = s->suspected_later_ms;
    s->suspected_later = 0;
}

void weft__stream_settled(const weft__stream *s, uint64_t *ret_high, size_t *ret_holes)
{
    *ret_high = s->hold_until_ms != 0 ? s->hold_from - 1 : s->high;
    size_t i = 0;
    while (i < s->holes.count && s->holes.items[i].from <= *ret_high)
        i++;
    *ret_holes = i;
}

weft_status weft__stream_restore(weft__stream *s, uint64_t high, const weft__seq_range *holes, size_t count,
                                 int64_t now_ms)
{
    uint64_t before = 0;
    for (size_t i = 0; i < count; before = holes[i++].to) {
        if (holes[i].from <= before || holes[i].to < holes[i].from || holes[i].to > high)
            return WEFT_INVALID;
        weft_status st = weft__seq_ranges_append(&s->holes, holes[i].from, holes[i].to);
        if (st != WEFT_OK)
            return st;
    }
    weft__stream_base(s, high);
    s->oldest_hole_ms = now_ms;
    return WEFT_OK;
}

void weft__stream_hold_on(weft__stream *s, int64_t now_ms, uint32_t hold_ms)
{
    if (s->patient && s->hold_until_ms != 0)
        s->hold_until_ms = now_ms + hold_ms;
}

void weft__stream_tick(weft__stream *s, int64_t now_ms, uint32_t hold_ms, const weft__stream_ops *ops)
{
    if (s->suspected != 0 && now_ms >= s->suspected_ms) {
        weft__stream_reach(s, s->suspected, now_ms, hold_ms, ops);
        suspicion_end(s);
    }
    if (s->hold_until_ms != 0 && now_ms >= s->hold_until_ms) {
        s->unshown = true;
        hold_end(s, ops);
    }
}
