/* bridge/journal_stream.c: what the journal knows of each stream, in memory, stored with the transaction that changes
 * it.
 *
 * That way open reads one small table instead of all rows, and statistics are sums over a few structs. Acknowledgements
 * change memory only and are stored with the next transaction: a crash before it causes resends, nothing else.
 *
 * Found by a walk from the newest backwards: the streams in use are the last seven of the array. */
#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 16, TOPIC_BITS = 31 };

uint64_t weft__topic_number(weft_topic topic)
{
    return (uint64_t)__builtin_ctz((unsigned)topic);
}

static int stream_compare(const weft__stream *s, uint64_t epoch, weft_topic topic)
{
    if (s->epoch != epoch)
        return s->epoch < epoch ? -1 : 1;
    return s->topic == topic ? 0 : s->topic < topic ? -1 : 1;
}

/* The index of the first stream that does not come before (epoch, topic). */
static size_t stream_place(const weft__journal *j, uint64_t epoch, weft_topic topic)
{
    size_t i = j->stream_count;
    while (i > 0 && stream_compare(&j->streams[i - 1], epoch, topic) >= 0)
        i--;
    return i;
}

weft__stream *weft__stream_find(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    size_t i = stream_place(j, epoch, topic);
    return i < j->stream_count && stream_compare(&j->streams[i], epoch, topic) == 0 ? &j->streams[i] : NULL;
}

weft__stream *weft__stream_obtain(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    size_t i = stream_place(j, epoch, topic);
    if (i < j->stream_count && stream_compare(&j->streams[i], epoch, topic) == 0)
        return &j->streams[i];
    if (j->stream_count == j->stream_capacity) {
        size_t capacity = j->stream_capacity == 0 ? CAPACITY_MIN : 2 * j->stream_capacity;
        weft__stream *larger = realloc(j->streams, capacity * sizeof *larger);
        if (larger == NULL)
            return NULL;
        j->streams = larger;
        j->stream_capacity = capacity;
    }
    memmove(&j->streams[i + 1], &j->streams[i], (j->stream_count - i) * sizeof *j->streams);
    j->stream_count++;
    j->streams[i] = (weft__stream){.epoch = epoch, .topic = topic};
    return &j->streams[i];
}

void weft__stream_touch(weft__stream *s)
{
    if (!s->touched)
        s->before = s->totals;
    s->touched = true;
    s->dirty = true;
}

static weft_status stream_store(weft__journal *j, const weft__stream *s)
{
    const weft__stream_totals *t = &s->totals;
    const uint64_t values[] = {
        s->epoch,
        weft__topic_number(s->topic),
        t->last_seq,
        t->acked_seq,
        (uint64_t)t->last_id,
        t->rows,
        t->row_bytes,
        t->pending_rows,
        t->pending_events,
        t->events,
        t->gone_ms,
    };
    return weft__journal_run(j, WEFT__SQL_STREAM_STORE, values, sizeof values / sizeof *values);
}

weft_status weft__streams_store(weft__journal *j)
{
    weft_status st = WEFT_OK;
    for (size_t i = 0; i < j->stream_count && st == WEFT_OK; i++) {
        const weft__stream *s = &j->streams[i];
        /* last_seq 0: left by a first append that failed */
        if (s->dirty && !s->forgotten && s->totals.last_seq > 0)
            st = stream_store(j, s);
    }
    return st;
}

void weft__streams_committed(weft__journal *j)
{
    size_t kept = 0;
    for (size_t i = 0; i < j->stream_count; i++) {
        j->streams[i].touched = false;
        j->streams[i].dirty = false;
        if (!j->streams[i].forgotten && kept++ != i)
            j->streams[kept - 1] = j->streams[i];
    }
    j->stream_count = kept;
}

void weft__streams_rolled_back(weft__journal *j)
{
    for (size_t i = 0; i < j->stream_count; i++) {
        weft__stream *s = &j->streams[i];
        if (s->touched)
            s->totals = s->before;
        s->touched = false;
        s->forgotten = false;
    }
}

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}

/* Returns WEFT_CORRUPT for numbers that no journal writes. */
static weft_status stream_load(weft__journal *j, sqlite3_stmt *stmt)
{
    uint64_t number = column_u64(stmt, 1);
    if (number == 0 || number >= TOPIC_BITS)
        return weft__journal_result(j, SQLITE_CORRUPT);
    weft__stream *s = weft__stream_obtain(j, column_u64(stmt, 0), (weft_topic)(1u << number));
    if (s == NULL)
        return WEFT_NO_MEMORY;
    s->totals = (weft__stream_totals){
        .last_seq = column_u64(stmt, 2),
        .acked_seq = column_u64(stmt, 3),
        .last_id = sqlite3_column_int64(stmt, 4),
        .rows = column_u64(stmt, 5),
        .row_bytes = column_u64(stmt, 6),
        .pending_rows = column_u64(stmt, 7),
        .pending_events = column_u64(stmt, 8),
        .events = column_u64(stmt, 9),
        .gone_ms = column_u64(stmt, 10),
    };
    if (s->totals.acked_seq > s->totals.last_seq || s->totals.pending_rows > s->totals.rows)
        return weft__journal_result(j, SQLITE_CORRUPT);
    if (s->totals.last_id > j->last_id)
        j->last_id = s->totals.last_id;
    return WEFT_OK;
}

weft_status weft__streams_load(weft__journal *j)
{
    sqlite3_stmt *stmt = j->sql[WEFT__SQL_STREAM_LOAD];
    weft_status st = WEFT_OK;
    int rc;
    j->stream_count = 0;
    j->last_id = 0;
    while (st == WEFT_OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE)
        st = rc == SQLITE_ROW ? stream_load(j, stmt) : weft__journal_result(j, rc);
    (void)sqlite3_reset(stmt);
    return st;
}
