/* bridge/draft.c: an event is written straight into the buffer that will be the row, and later the message: where
 * nothing was dropped, finishing adds a checksum and hands the buffer over.
 *
 * How large an event is shows when it is written: one that makes a batch too large is cut off again, and written once
 * more into the next. Dropped events stay where they are until half of a draft is such. */
#include "bridge/draft.h"

#include <stdlib.h>
#include <string.h>

enum { MARKS_FIRST = 16, WORTH_TIDYING = 16 };

struct weft__draft_mark {
    weft__stream_link link;
    uint64_t seq;
    int64_t accepted_ms;
    size_t offset, length; /* in the buffer */
    weft_priority priority;
    bool dropped;
};

weft__draft *weft__draft_create(size_t max_bytes, bool marked)
{
    weft__draft *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->max_bytes = max_bytes;
    d->marked = marked;
    return d;
}

void weft__draft_destroy(weft__draft *d)
{
    if (d == NULL)
        return;
    weft__writer_fini(&d->writer);
    free(d->marks);
    free(d);
}

void weft__rows_free(weft__journal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)rows[i].bytes);
    free(rows);
}

/* ---- adding ---- */

static bool mark_room(weft__draft *d)
{
    if (!d->marked || d->mark_count < d->mark_capacity)
        return true;
    size_t capacity = d->mark_capacity == 0 ? MARKS_FIRST : 2 * d->mark_capacity;
    weft__draft_mark *marks = realloc(d->marks, capacity * sizeof *marks);
    if (marks == NULL)
        return false;
    d->marks = marks;
    d->mark_capacity = capacity;
    return true;
}

static weft_status draft_open(weft__draft *d, const weft_event *event, const weft__stream_link *link)
{
    weft_topic topic = weft_event_topic(event);
    d->first = *link;
    d->row = (weft__journal_row){
        .epoch = event->id.epoch, .topic = topic, .prev_seq = link->prev_seq, .first_seq = event->id.seq};
    return weft__writer_begin(&d->writer, event->id.node, event->id.epoch, link->prev_seq, 0);
}

/* Nothing is in it any more, nor was anything dropped from it. */
static bool is_fresh(const weft__draft *d)
{
    return d->row.event_count == 0 && !d->broken;
}

static void row_note(weft__journal_row *row, uint64_t seq, weft_priority priority, int64_t accepted_ms)
{
    row->event_count++;
    row->last_seq = seq;
    if (priority > row->priority)
        row->priority = priority;
    if (accepted_ms > row->accepted_ms)
        row->accepted_ms = accepted_ms;
}

static void event_note(weft__draft *d, const weft_event *event, const weft__stream_link *link, size_t offset)
{
    weft_priority priority = weft_event_priority(event);
    d->last = *link;
    row_note(&d->row, event->id.seq, priority, event->accepted_ms);
    if (d->marked)
        d->marks[d->mark_count++] = (weft__draft_mark){.link = *link,
                                                       .seq = event->id.seq,
                                                       .accepted_ms = event->accepted_ms,
                                                       .offset = offset,
                                                       .length = d->writer.length - offset,
                                                       .priority = priority};
}

static bool takes(const weft__draft *d, const weft_event *event, const weft__stream_link *link)
{
    return d->row.event_count < WEFT__BATCH_MAX_EVENTS && d->row.epoch == event->id.epoch &&
           d->last.nth + 1 == link->nth;
}

weft_status weft__draft_add(weft__draft *d, const weft_event *event, const weft__stream_link *link, size_t *ret_bytes)
{
    bool fresh = is_fresh(d);
    if (!fresh && !takes(d, event, link))
        return WEFT_FULL;
    weft_status st = !mark_room(d) ? WEFT_NO_MEMORY : fresh ? draft_open(d, event, link) : WEFT_OK;
    weft__writer before = d->writer;
    if (st == WEFT_OK)
        st = weft__writer_add(&d->writer, event);
    if (!fresh && st == WEFT_TOO_LARGE)
        return WEFT_FULL;
    if (st != WEFT_OK)
        return st;
    if (!fresh && d->writer.length - d->writer.header_bytes > d->max_bytes) {
        weft__writer_cut(&d->writer, &before);
        return WEFT_FULL;
    }
    event_note(d, event, link, before.length);
    *ret_bytes = d->writer.length - before.length;
    return WEFT_OK;
}

void weft__draft_save(const weft__draft *d, weft__draft_state *ret)
{
    *ret = (weft__draft_state){d->writer, d->row, d->last, d->mark_count};
}

void weft__draft_cut(weft__draft *d, const weft__draft_state *to)
{
    weft__writer_cut(&d->writer, &to->writer);
    d->row = to->row;
    d->last = to->last;
    d->mark_count = to->mark_count;
}

/* ---- dropping ---- */

static weft__draft_mark *mark_find(weft__draft *d, uint64_t seq)
{
    size_t from = 0, to = d->mark_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (d->marks[middle].seq < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from < d->mark_count && d->marks[from].seq == seq ? &d->marks[from] : NULL;
}

static void draft_tidy(weft__draft *d)
{
    size_t kept = 0, at = d->writer.header_bytes;
    for (size_t i = 0; i < d->mark_count; i++) {
        weft__draft_mark mark = d->marks[i];
        if (mark.dropped)
            continue;
        memmove(d->writer.bytes + at, d->writer.bytes + mark.offset, mark.length);
        mark.offset = at;
        at += mark.length;
        d->marks[kept++] = mark;
    }
    d->writer.length = at;
    d->mark_count = kept;
    d->dropped = 0;
}

size_t weft__draft_drop(weft__draft *d, uint64_t seq)
{
    weft__draft_mark *mark = mark_find(d, seq);
    if (mark == NULL || mark->dropped)
        return 0;
    size_t length = mark->length;
    mark->dropped = true;
    d->broken = true;
    d->dropped++;
    d->row.event_count--;
    if (d->dropped >= WORTH_TIDYING && 2 * d->dropped > d->mark_count)
        draft_tidy(d);
    return length;
}

/* ---- finishing ---- */

/* What was dropped between the stream's last row and one that begins there. */
static weft_lost lost_before(const weft__journal_row *row, const weft__stream_link *first, const weft__stream_end *end)
{
    bool known = end->epoch == row->epoch;
    return (weft_lost){.epoch = row->epoch,
                       .topic = row->topic,
                       .from_seq = (known ? end->last_seq : 0) + 1,
                       .to_seq = first->prev_seq,
                       .count = first->nth - (known ? end->nth : 0) - 1,
                       .reason = WEFT_LOST_OVERFLOW};
}

/* Makes the writer's buffer the row's bytes. */
static weft_status row_close(weft__journal_row *row, weft__writer *w, const weft__stream_link *first,
                             const weft__stream_link *last, weft__stream_end *end)
{
    weft__writer before = *w;
    weft_lost lost = lost_before(row, first, end);
    weft_status st = lost.count > 0 ? weft__writer_lose(w, &lost) : WEFT_OK;
    uint8_t *bytes;
    if (st == WEFT_OK)
        st = weft__writer_release(w, &bytes, &row->length);
    if (st != WEFT_OK) {
        weft__writer_cut(w, &before);
        return st;
    }
    row->bytes = bytes;
    row->lost_before = lost.count;
    *end = (weft__stream_end){row->epoch, row->last_seq, last->nth};
    return WEFT_OK;
}

/* How many events from the i-th on follow each other without a gap; 0: there are none. */
static size_t run_length(const weft__draft *d, size_t i)
{
    size_t count = 0;
    while (i + count < d->mark_count && !d->marks[i + count].dropped &&
           d->marks[i + count].link.nth == d->marks[i].link.nth + count)
        count++;
    return count;
}

static size_t run_next(const weft__draft *d, size_t i)
{
    while (i < d->mark_count && d->marks[i].dropped)
        i++;
    return i;
}

size_t weft__draft_rows(const weft__draft *d)
{
    size_t rows = 0;
    if (!d->broken)
        return d->row.event_count > 0;
    for (size_t i = run_next(d, 0); i < d->mark_count; i = run_next(d, i + run_length(d, i)))
        rows++;
    return rows;
}

static weft_status run_finish(const weft__draft *d, const char *node, const weft__draft_mark *run, size_t count,
                              weft__stream_end *end, weft__journal_row *ret)
{
    const weft__draft_mark *last = &run[count - 1];
    weft__writer w = {0};
    *ret = (weft__journal_row){
        .epoch = d->row.epoch, .topic = d->row.topic, .prev_seq = run->link.prev_seq, .first_seq = run->seq};
    for (size_t i = 0; i < count; i++)
        row_note(ret, run[i].seq, run[i].priority, run[i].accepted_ms);
    weft_status st = weft__writer_begin(&w, node, ret->epoch, ret->prev_seq, 0);
    if (st == WEFT_OK)
        st = weft__writer_add_written(&w, d->writer.bytes + run->offset, last->offset + last->length - run->offset);
    if (st == WEFT_OK)
        st = row_close(ret, &w, &run->link, &last->link, end);
    weft__writer_fini(&w);
    return st;
}

/* One row for each run of events without a gap. */
static weft_status runs_finish(const weft__draft *d, const char *node, weft__stream_end *end, weft__journal_row *rows)
{
    weft__stream_end at = *end;
    weft_status st = WEFT_OK;
    size_t made = 0;
    for (size_t i = run_next(d, 0), count; st == WEFT_OK && i < d->mark_count; i = run_next(d, i + count)) {
        count = run_length(d, i);
        st = run_finish(d, node, &d->marks[i], count, &at, &rows[made]);
        made += st == WEFT_OK;
    }
    if (st == WEFT_OK)
        *end = at;
    for (size_t i = 0; st != WEFT_OK && i < made; i++)
        free((void *)rows[i].bytes);
    return st;
}

weft_status weft__draft_finish(weft__draft *d, const char *node, weft__stream_end *end, weft__journal_row *rows)
{
    weft_status st = WEFT_OK;
    if (d->broken) {
        st = runs_finish(d, node, end, rows);
    } else if (d->row.event_count > 0) {
        weft__journal_row row = d->row;
        st = row_close(&row, &d->writer, &d->first, &d->last, end);
        if (st == WEFT_OK)
            *rows = row;
    }
    if (st == WEFT_OK)
        d->row.event_count = 0;
    return st;
}
