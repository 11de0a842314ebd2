/* nodes/bench_order.c: see the header. Streams are looked for one after the other, from that of the last event: events
 * come by messages, and a message is of one stream. A map would pay where hundreds of nodes send one event a message.
 */
#include "nodes/bench_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- streams ---- */

static bool stream_is(const bench_stream *s, const weft_event *event, weft_topic topic)
{
    return s->epoch == event->id.epoch && s->topic == topic && strcmp(s->node, event->id.node) == 0;
}

static bench_stream *stream_add(bench_order *o, const weft_event *event, weft_topic topic, uint64_t number)
{
    if (o->stream_count == BENCH_STREAMS_MAX)
        return NULL;
    if ((o->stream_count & (o->stream_count - 1)) == 0) { /* full at each power of two */
        size_t capacity = o->stream_count == 0 ? 1 : 2 * o->stream_count;
        bench_stream *streams = realloc(o->streams, capacity * sizeof *streams);
        if (streams == NULL)
            return NULL;
        o->streams = streams;
    }
    bench_stream *s = &o->streams[o->stream_count];
    *s = (bench_stream){.epoch = event->id.epoch, .topic = topic, .first = number, .last = number - 1};
    (void)snprintf(s->node, sizeof s->node, "%s", event->id.node);
    o->at = o->stream_count++;
    return s;
}

static bench_stream *stream_of(bench_order *o, const weft_event *event, uint64_t number)
{
    weft_topic topic = weft_event_topic(event);
    for (size_t i = 0; i < o->stream_count; i++) {
        size_t at = (o->at + i) % o->stream_count;
        if (stream_is(&o->streams[at], event, topic)) {
            o->at = at;
            return &o->streams[at];
        }
    }
    return stream_add(o, event, topic, number);
}

/* ---- holes ---- */

static void hole_open(bench_order *o, bench_stream *s, uint64_t from, uint64_t to)
{
    if (s->holes == NULL)
        s->holes = malloc(BENCH_HOLES_MAX * sizeof *s->holes);
    if (s->holes == NULL || s->hole_count == BENCH_HOLES_MAX) {
        o->forgotten += to - from + 1;
        return;
    }
    s->holes[s->hole_count++] = (bench_hole){from, to};
}

static size_t hole_find(const bench_stream *s, uint64_t number)
{
    size_t i = 0;
    while (i < s->hole_count && number > s->holes[i].to)
        i++;
    return i;
}

static void hole_remove(bench_stream *s, size_t i)
{
    s->hole_count--;
    memmove(&s->holes[i], &s->holes[i + 1], (s->hole_count - i) * sizeof *s->holes);
}

static void hole_split(bench_order *o, bench_stream *s, size_t i, uint64_t number)
{
    uint64_t to = s->holes[i].to;
    s->holes[i].to = number - 1;
    if (s->hole_count == BENCH_HOLES_MAX) {
        o->forgotten += to - number;
        return;
    }
    memmove(&s->holes[i + 2], &s->holes[i + 1], (s->hole_count - i - 1) * sizeof *s->holes);
    s->holes[i + 1] = (bench_hole){number + 1, to};
    s->hole_count++;
}

/* Returns false if the number was not missing. */
static bool hole_fill(bench_order *o, bench_stream *s, uint64_t number)
{
    size_t i = hole_find(s, number);
    if (i == s->hole_count || number < s->holes[i].from)
        return false;
    bench_hole *hole = &s->holes[i];
    if (hole->from == hole->to)
        hole_remove(s, i);
    else if (number == hole->from)
        hole->from++;
    else if (number == hole->to)
        hole->to--;
    else
        hole_split(o, s, i, number);
    return true;
}

/* ---- the account ---- */

static void late_take(bench_order *o, bench_stream *s, const weft_event *event, uint64_t number)
{
    bool replayed = (event->flags & WEFT_FLAG_REPLAYED) != 0;
    if (hole_fill(o, s, number))
        (replayed ? &o->healed : &o->disordered)[0]++;
    else if (number >= s->first && o->forgotten == 0)
        o->duplicates++;
    else
        o->unchecked++; /* from before we listened, or of a hole that is forgotten */
}

void bench_order_take(bench_order *o, const weft_event *event, uint64_t number)
{
    bench_stream *s = number > 0 && event->id.node != NULL ? stream_of(o, event, number) : NULL;
    if (s == NULL) {
        o->unchecked++;
    } else if (number <= s->last) {
        late_take(o, s, event, number);
    } else {
        if (number > s->last + 1)
            hole_open(o, s, s->last + 1, number - 1);
        s->last = number;
    }
}

uint64_t bench_order_missing(const bench_order *o)
{
    uint64_t missing = o->forgotten;
    for (size_t i = 0; i < o->stream_count; i++)
        for (size_t hole = 0; hole < o->streams[i].hole_count; hole++)
            missing += o->streams[i].holes[hole].to - o->streams[i].holes[hole].from + 1;
    return missing;
}

void bench_order_fini(bench_order *o)
{
    for (size_t i = 0; i < o->stream_count; i++)
        free(o->streams[i].holes);
    free(o->streams);
    *o = (bench_order){0};
}
