/* bridge/journal_read.c: walks over rows, for sending and for replays.
 *
 * Within a stream ids and seqs both rise, so one index by stream serves all: the pending walk merges the streams that
 * have something pending by their next ids, and never looks at acknowledged rows, however many of them other streams
 * have put between. Where a stream's last walk ended is remembered, so that paging through a long backlog does not
 * begin at its acknowledged seq each time. Choosing the next stream is a pass over all of them: cheap for the seven to
 * some tens that a node has; a node with thousands of pending streams would want a heap. */
#include "bridge/journal_db.h"

static weft_status row_give(weft__journal *j, size_t stream, const weft__row_head *head, weft__journal_row_fn fn,
                            void *user)
{
    weft__journal_row row;
    weft_status st = weft__row_fetch(j, &j->streams[stream], head, &row);
    if (st == WEFT_OK)
        st = fn(&row, user);
    weft__row_done(j);
    return st;
}

static uint64_t pending_floor(const weft__stream *s, int64_t after_id)
{
    uint64_t acked = s->totals.acked_seq;
    return s->given.id <= after_id && s->given.last_seq > acked ? s->given.last_seq : acked;
}

/* Finds where each stream's pending rows begin. */
static weft_status pending_heads(weft__journal *j, int64_t after_id)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < j->stream_count && (st == WEFT_OK || st == WEFT_NOT_FOUND); i++) {
        weft__stream *s = &j->streams[i];
        s->head = (weft__row_head){0};
        if (s->totals.pending_rows > 0)
            st = weft__row_next(j, s, pending_floor(s, after_id), after_id, &s->head);
    }
    return st == WEFT_NOT_FOUND ? WEFT_OK : st;
}

/* The stream whose head has the smallest id; stream_count if none. */
static size_t heads_oldest(const weft__journal *j)
{
    size_t oldest = j->stream_count;
    for (size_t i = 0; i < j->stream_count; i++)
        if (j->streams[i].head.id != 0 &&
            (oldest == j->stream_count || j->streams[i].head.id < j->streams[oldest].head.id))
            oldest = i;
    return oldest;
}

weft_status weft__journal_each_pending(weft__journal *j, int64_t after_id, size_t max, weft__journal_row_fn fn,
                                       void *user)
{
    weft_status st = pending_heads(j, after_id);
    for (size_t given = 0; given < max && st == WEFT_OK; given++) {
        size_t i = heads_oldest(j);
        if (i == j->stream_count)
            break;
        weft__row_head head = j->streams[i].head;
        st = row_give(j, i, &head, fn, user);
        if (st != WEFT_OK)
            break;
        weft__stream *s = &j->streams[i];
        s->given = head;
        st = weft__row_next(j, s, head.last_seq, head.id, &s->head);
        st = st == WEFT_NOT_FOUND ? WEFT_OK : st;
    }
    return st;
}

/* The first seq of the oldest row of a stream, as far as it can be read. */
static weft_status first_kept(weft__journal *j, const weft__stream *s, uint64_t *ret)
{
    weft__row_head head;
    weft__journal_row row;
    weft_status st = weft__row_next(j, s, 0, 0, &head);
    if (st == WEFT_NOT_FOUND)
        return WEFT_OK;
    if (st == WEFT_OK)
        st = weft__row_fetch(j, s, &head, &row);
    if (st == WEFT_OK)
        *ret = row.first_seq;
    weft__row_done(j);
    return st;
}

typedef struct range {
    uint64_t to_seq;
    bool ended;
    weft__journal_row_fn fn;
    void *user;
} range;

static weft_status range_give(const weft__journal_row *row, void *user)
{
    range *r = user;
    r->ended = row->first_seq > r->to_seq;
    return r->ended ? WEFT_OK : r->fn(row, r->user);
}

weft_status weft__journal_each_in_range(weft__journal *j, uint64_t epoch, weft_topic topic, uint64_t from_seq,
                                        uint64_t to_seq, size_t max, weft__journal_row_fn fn, void *user,
                                        uint64_t *ret_first_kept)
{
    range r = {.to_seq = to_seq, .fn = fn, .user = user};
    const weft__stream *found = weft__stream_find(j, epoch, topic);
    uint64_t after = from_seq == 0 ? 0 : from_seq - 1;
    *ret_first_kept = 0;
    if (found == NULL)
        return WEFT_OK;
    size_t i = (size_t)(found - j->streams);
    weft_status st = first_kept(j, found, ret_first_kept);
    for (size_t given = 0; given < max && st == WEFT_OK && after < INT64_MAX; given++) {
        weft__row_head head;
        st = weft__row_next(j, &j->streams[i], after, 0, &head);
        if (st == WEFT_OK)
            st = row_give(j, i, &head, range_give, &r);
        if (r.ended)
            break;
        after = head.last_seq;
    }
    return st == WEFT_NOT_FOUND ? WEFT_OK : st;
}
