/* bridge/journal_trim.c: retention.
 *
 * Rows go in transactions of some hundreds, so that none of them grows the WAL much. What is too old goes stream by
 * stream, oldest first, and each stream stops at the first row to keep: a stream that nobody acknowledges, or a row
 * dated in the future by a wrong clock, holds up its own stream only, until the size bound takes it. A call deletes a
 * bounded number of rows for their age (the next call goes on) and as many as it takes for their size. */
#include "bridge/journal_db.h"

#include <sqlite3.h>

enum {
    CHUNK_ROWS = 256,
    AGED_ROWS_MAX = 8192,
    STREAMS_MAX = 1024, /* remembered without having rows */
};

typedef struct trim {
    weft__journal *j;
    int64_t now_ms;
    int64_t cutoff_ms;
    size_t aged;    /* deleted for their age since the call began */
    size_t deleted; /* in this transaction */
    size_t lost_count;
    weft__journal_row lost[CHUNK_ROWS];
} trim;

static bool trim_full(const trim *t)
{
    return t->deleted == CHUNK_ROWS;
}

static weft_status row_drop(trim *t, weft__stream *s, const weft__journal_row *row)
{
    weft_status st = weft__row_delete(t->j, s, row);
    if (st == WEFT_OK)
        t->deleted++;
    return st;
}

static weft_status stream_trim_aged(trim *t, weft__stream *s)
{
    weft_status st = WEFT_OK;
    while (st == WEFT_OK && s->totals.rows > 0 && !trim_full(t) && t->aged < AGED_ROWS_MAX) {
        weft__row_head head;
        weft__journal_row row;
        st = weft__row_next(t->j, s, 0, 0, &head);
        if (st != WEFT_OK || head.last_seq > s->totals.acked_seq)
            break;
        st = weft__row_measure(t->j, head.id, &row);
        if (st != WEFT_OK || row.accepted_ms >= t->cutoff_ms)
            break;
        t->aged++;
        st = row_drop(t, s, &row);
    }
    return st == WEFT_NOT_FOUND ? WEFT_OK : st;
}

static weft_status trim_aged(trim *t)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < t->j->stream_count && st == WEFT_OK; i++)
        st = stream_trim_aged(t, &t->j->streams[i]);
    return st;
}

static uint64_t bytes_kept(const weft__journal *j)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < j->stream_count; i++)
        sum += j->streams[i].totals.row_bytes;
    return sum;
}

static weft_status head_refill(trim *t, weft__stream *s)
{
    weft_status st = weft__row_next(t->j, s, 0, 0, &s->head);
    return st == WEFT_NOT_FOUND ? WEFT_OK : st;
}

static weft_status heads_refill(trim *t)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < t->j->stream_count && st == WEFT_OK; i++)
        st = head_refill(t, &t->j->streams[i]);
    return st;
}

/* Of the oldest rows of all streams, the oldest that is acknowledged. */
static weft__stream *acknowledged_oldest(const trim *t)
{
    weft__stream *oldest = NULL;
    for (size_t i = 0; i < t->j->stream_count; i++) {
        weft__stream *s = &t->j->streams[i];
        if (s->head.id != 0 && s->head.last_seq <= s->totals.acked_seq &&
            (oldest == NULL || s->head.id < oldest->head.id))
            oldest = s;
    }
    return oldest;
}

static weft_status acknowledged_drop(trim *t, weft__stream *s)
{
    weft__journal_row row;
    weft_status st = weft__row_measure(t->j, s->head.id, &row);
    if (st == WEFT_OK)
        st = row_drop(t, s, &row);
    return st == WEFT_OK ? head_refill(t, s) : st;
}

/* The oldest row of a priority; 0 if there is none. Those of normal priority are not in the index: the table is
 * searched from where the last search ended, so that rows of higher priority before it are passed once in a process's
 * life. */
static weft_status oldest_find(weft__journal *j, weft_priority priority, int64_t *ret_id)
{
    bool normal = priority == WEFT_PRIORITY_NORMAL;
    const uint64_t value = normal ? (uint64_t)j->normal_after : (uint64_t)priority;
    sqlite3_stmt *stmt = weft__journal_bind(j, normal ? WEFT__SQL_ROW_NORMAL : WEFT__SQL_ROW_LOWEST, &value, 1);
    int rc = sqlite3_step(stmt);
    *ret_id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    if (normal && rc == SQLITE_ROW)
        j->normal_after = *ret_id - 1;
    else if (normal && rc == SQLITE_DONE)
        j->normal_after = j->last_id;
    (void)sqlite3_reset(stmt);
    return weft__journal_result(j, rc);
}

static weft_status lowest_find(weft__journal *j, int64_t *ret_id)
{
    weft_status st = oldest_find(j, WEFT_PRIORITY_LOW, ret_id);
    for (int p = WEFT_PRIORITY_NORMAL; p <= WEFT_PRIORITY_CRITICAL && st == WEFT_OK && *ret_id == 0; p++)
        st = oldest_find(j, (weft_priority)p, ret_id);
    return st;
}

static weft_status pending_drop(trim *t, int64_t id)
{
    weft__journal_row *row = &t->lost[t->lost_count];
    weft_status st = weft__row_measure(t->j, id, row);
    if (st != WEFT_OK)
        return st;
    weft__stream *s = weft__stream_find(t->j, row->epoch, row->topic);
    if (s == NULL)
        return weft__journal_result(t->j, SQLITE_CORRUPT);
    st = row_drop(t, s, row);
    if (st == WEFT_OK)
        t->lost_count++;
    return st;
}

static weft_status trim_oversize(trim *t)
{
    weft_status st = WEFT_OK;
    uint64_t kept = bytes_kept(t->j);
    if (kept > t->j->max_bytes)
        st = heads_refill(t);
    for (; st == WEFT_OK && kept > t->j->max_bytes && !trim_full(t); kept = bytes_kept(t->j)) {
        weft__stream *s = acknowledged_oldest(t);
        int64_t id = 0;
        if (s != NULL) {
            st = acknowledged_drop(t, s);
            continue;
        }
        st = lowest_find(t->j, &id);
        if (id == 0)
            break;
        st = pending_drop(t, id);
    }
    return st;
}

/* Forgets the oldest streams without rows beyond STREAMS_MAX. */
static weft_status streams_forget(weft__journal *j)
{
    weft_status st = WEFT_OK;
    size_t excess = j->stream_count > STREAMS_MAX ? j->stream_count - STREAMS_MAX : 0;
    for (size_t i = 0; i < j->stream_count && excess > 0 && st == WEFT_OK; i++) {
        weft__stream *s = &j->streams[i];
        if (s->totals.rows > 0)
            continue;
        const uint64_t values[] = {s->epoch, weft__topic_number(s->topic)};
        st = weft__journal_run(j, WEFT__SQL_STREAM_DELETE, values, 2);
        s->forgotten = true;
        excess--;
    }
    return st;
}

static weft_status trim_transaction(trim *t)
{
    t->deleted = 0;
    t->lost_count = 0;
    weft_status st = weft__journal_begin(t->j);
    if (st != WEFT_OK)
        return st;
    st = trim_aged(t);
    if (st == WEFT_OK)
        st = trim_oversize(t);
    if (st == WEFT_OK)
        st = streams_forget(t->j);
    if (st == WEFT_OK)
        st = weft__feeds_trim(t->j, t->now_ms);
    return weft__journal_end(t->j, st);
}

weft_status weft__journal_trim(weft__journal *j, int64_t now_ms, weft__journal_lost_fn on_lost, void *user)
{
    int64_t kept_ms = j->retention_ms > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)j->retention_ms;
    trim t = {.j = j, .now_ms = now_ms, .cutoff_ms = now_ms > INT64_MIN / 2 ? now_ms - kept_ms : INT64_MIN};
    weft_status st;
    do {
        st = trim_transaction(&t);
        for (size_t i = 0; st == WEFT_OK && i < t.lost_count; i++)
            if (on_lost != NULL)
                on_lost(&t.lost[i], user);
    } while (st == WEFT_OK && trim_full(&t));
    return st;
}

static weft_status stream_clear(trim *t, weft__stream *s, bool pending_too)
{
    weft_status st = WEFT_OK;
    while (st == WEFT_OK && s->totals.rows > 0 && !trim_full(t)) {
        weft__row_head head;
        weft__journal_row row;
        st = weft__row_next(t->j, s, 0, 0, &head);
        if (st != WEFT_OK || (head.last_seq > s->totals.acked_seq && !pending_too))
            break;
        st = weft__row_measure(t->j, head.id, &row);
        if (st == WEFT_OK)
            st = row_drop(t, s, &row);
    }
    return st == WEFT_NOT_FOUND ? WEFT_OK : st;
}

static weft_status clear_transaction(trim *t, bool pending_too)
{
    t->deleted = 0;
    weft_status st = weft__journal_begin(t->j);
    if (st != WEFT_OK)
        return st;
    for (size_t i = 0; i < t->j->stream_count && st == WEFT_OK && !trim_full(t); i++)
        st = stream_clear(t, &t->j->streams[i], pending_too);
    return weft__journal_end(t->j, st);
}

weft_status weft__journal_clear(weft__journal *j, bool pending_too)
{
    trim t = {.j = j};
    weft_status st;
    do {
        st = clear_transaction(&t, pending_too);
        if (st == WEFT_NO_SPACE && weft__reserve_give(j))
            st = clear_transaction(&t, pending_too);
    } while (st == WEFT_OK && trim_full(&t));
    return st;
}
