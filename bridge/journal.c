/* bridge/journal.c: the journal's operations; see bridge/journal_db.h for the map of its files.
 *
 * Owns       the file, and what must survive: rows, marks, epochs, how far each stream is assigned and acknowledged.
 * Leaves     what is in a message to the codec, when to sync, checkpoint and trim to the bridge.
 * Threads    the journal thread; sync and checkpoint any (journal_sync.c).
 * Lock order sync_lock, checkpoint_lock, write_lock.
 * Invariant  totals in memory are those of the committed rows, but for acknowledgements, which may be ahead. */
#include "bridge/journal.h"

#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdlib.h>

static const uint64_t default_max_bytes = UINT64_C(1) << 30;
static const uint64_t default_retention_ms = UINT64_C(7) * 24 * 3600 * 1000;

/* ---- open and close ---- */

static weft_status file_open(weft__journal *j, const char *path, const char **reason)
{
    weft_status st = weft__journal_file_lock(j->disk, path, &j->path, &j->lock, reason);
    if (st == WEFT_OK)
        st = weft__journal_file_recover(j->disk, j->path, &j->damaged_path);
    if (st == WEFT_OK)
        st = weft__journal_file_create(j->disk, j->path, reason);
    if (st != WEFT_OK)
        return st;
    bool unclean = weft__journal_file_unclean(j->disk, j->path);
    j->sync_failed = unclean; /* or may have, in the life that left the WAL */
    st = weft__journal_db_open(j, unclean, reason);
    if (st != WEFT_CORRUPT)
        return st;
    st = weft__journal_salvage(j, reason);
    j->damage_seen = false;
    return st == WEFT_OK ? weft__journal_db_open(j, false, reason) : st;
}

static void journal_free(weft__journal *j)
{
    if (j->lock >= 0)
        j->disk->unlock(j->disk->user, j->lock);
    (void)pthread_mutex_destroy(&j->sync_lock);
    (void)pthread_mutex_destroy(&j->checkpoint_lock);
    (void)pthread_mutex_destroy(&j->write_lock);
    free(j->streams);
    free(j->damaged_path);
    free(j->path);
    free(j);
}

weft_status weft__journal_open(const weft__journal_opts *opts, weft__journal **ret, bool *ret_damaged,
                               const char **reason)
{
    const char *unused;
    const char **why = reason != NULL ? reason : &unused;
    weft__journal *j = calloc(1, sizeof *j);
    if (j == NULL)
        return WEFT_NO_MEMORY;
    (void)pthread_mutex_init(&j->write_lock, NULL);
    (void)pthread_mutex_init(&j->checkpoint_lock, NULL);
    (void)pthread_mutex_init(&j->sync_lock, NULL);
    j->lock = -1;
    j->wal = -1;
    j->disk = opts->disk != NULL ? opts->disk : weft__disk_system();
    j->max_bytes = opts->max_bytes == 0 ? default_max_bytes : opts->max_bytes;
    j->retention_ms = opts->retention_ms == 0 ? default_retention_ms : opts->retention_ms;
    *why = "the journal could not be opened";
    weft_status st = opts->path == NULL ? weft__journal_db_open(j, false, why) : file_open(j, opts->path, why);
    if (st != WEFT_OK) {
        bool once_more = st == WEFT_NO_SPACE && j->lock >= 0 && weft__reserve_remove(j->disk, j->path);
        journal_free(j);
        return once_more ? weft__journal_open(opts, ret, ret_damaged, reason) : st;
    }
    weft__reserve_open(j, opts->reserve_bytes);
    if (ret_damaged != NULL)
        *ret_damaged = j->damaged_path != NULL;
    *ret = j;
    return WEFT_OK;
}

void weft__journal_close(weft__journal *j)
{
    if (j == NULL)
        return;
    if (weft__journal_begin(j) == WEFT_OK)
        (void)weft__journal_end(j, WEFT_OK); /* acknowledgements not stored yet */
    weft__journal_db_close(j);
    journal_free(j);
}

const char *weft__journal_damaged_path(const weft__journal *j)
{
    return j->damaged_path;
}

/* ---- epochs ---- */

weft_status weft__journal_last_epoch(weft__journal *j, uint64_t *ret)
{
    sqlite3_stmt *stmt = j->sql[WEFT__SQL_EPOCH_LAST];
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    uint64_t stored = st == WEFT_OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    if (st != WEFT_OK)
        return st;
    uint64_t of_streams = j->stream_count == 0 ? 0 : j->streams[j->stream_count - 1].epoch;
    *ret = stored > of_streams ? stored : of_streams;
    return WEFT_OK;
}

static weft_status epoch_store(weft__journal *j, uint64_t epoch)
{
    weft_status st = weft__journal_begin(j);
    if (st != WEFT_OK)
        return st;
    st = weft__journal_run(j, WEFT__SQL_EPOCH_STORE, &epoch, 1);
    if (st == WEFT_OK)
        st = weft__journal_run(j, WEFT__SQL_EPOCH_DELETE, &epoch, 1);
    return weft__journal_end(j, st);
}

weft_status weft__journal_begin_epoch(weft__journal *j, uint64_t epoch)
{
    uint64_t last;
    weft_status st = weft__journal_last_epoch(j, &last);
    if (st != WEFT_OK)
        return st;
    if (epoch <= last || epoch > INT64_MAX)
        return WEFT_INVALID;
    st = epoch_store(j, epoch);
    return st == WEFT_NO_SPACE && weft__reserve_give(j) ? epoch_store(j, epoch) : st;
}

/* ---- append and acknowledge ---- */

static weft_status append_once(weft__journal *j, weft__journal_row *rows, size_t row_count,
                               const weft__feed_mark *marks, size_t mark_count)
{
    int64_t last_id = j->last_id;
    weft_status st = weft__journal_begin(j);
    if (st != WEFT_OK)
        return st;
    for (size_t i = 0; i < row_count && st == WEFT_OK; i++)
        st = weft__row_insert(j, &rows[i]);
    for (size_t i = 0; i < mark_count && st == WEFT_OK; i++)
        st = weft__feed_store(j, &marks[i]);
    st = weft__journal_end(j, st);
    if (st != WEFT_OK)
        j->last_id = last_id;
    return st;
}

weft_status weft__journal_append(weft__journal *j, weft__journal_row *rows, size_t row_count,
                                 const weft__feed_mark *marks, size_t mark_count)
{
    for (size_t i = 0; i < row_count; i++)
        if (!weft__row_valid(&rows[i]))
            return WEFT_INVALID;
    if (row_count == 0 && mark_count == 0)
        return WEFT_OK;
    weft_status st = append_once(j, rows, row_count, marks, mark_count);
    if (st == WEFT_NO_SPACE && weft__reserve_give(j))
        st = append_once(j, rows, row_count, marks, mark_count);
    return st;
}

/* What lies between two acknowledged seqs stops being pending. */
static weft_status pending_reduce(weft__journal *j, weft__stream *s, uint64_t seq)
{
    const uint64_t values[] = {s->epoch, weft__topic_number(s->topic), s->totals.acked_seq, seq};
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW_COUNT, values, sizeof values / sizeof *values);
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    if (st == WEFT_OK) {
        uint64_t rows = (uint64_t)sqlite3_column_int64(stmt, 0), events = (uint64_t)sqlite3_column_int64(stmt, 1);
        weft__stream_totals *t = &s->totals;
        t->pending_rows = seq == t->last_seq || rows > t->pending_rows ? 0 : t->pending_rows - rows;
        t->pending_events = seq == t->last_seq || events > t->pending_events ? 0 : t->pending_events - events;
    }
    (void)sqlite3_reset(stmt);
    return st;
}

weft_status weft__journal_acknowledge(weft__journal *j, uint64_t epoch, weft_topic topic, uint64_t seq)
{
    weft__stream *s = weft__stream_find(j, epoch, topic);
    if (s == NULL)
        return WEFT_NOT_FOUND;
    if (seq > s->totals.last_seq)
        seq = s->totals.last_seq;
    if (seq <= s->totals.acked_seq)
        return WEFT_OK;
    weft_status st = pending_reduce(j, s, seq);
    if (st != WEFT_OK)
        return st;
    s->totals.acked_seq = seq;
    s->dirty = true;
    return WEFT_OK;
}

/* ---- what it knows ---- */

size_t weft__journal_positions(weft__journal *j, weft__position *positions, size_t max)
{
    size_t count = 0;
    for (size_t i = j->stream_count; i > 0 && count < max; i--) {
        const weft__stream *s = &j->streams[i - 1];
        if (s->totals.last_seq > 0) /* 0: left by a first append that failed */
            positions[count++] = (weft__position){s->epoch, s->topic, s->totals.last_seq, s->totals.events};
    }
    return count;
}

uint64_t weft__journal_pending(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    const weft__stream *s = weft__stream_find(j, epoch, topic);
    return s == NULL ? 0 : s->totals.pending_events;
}

uint64_t weft__journal_last_seq(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    const weft__stream *s = weft__stream_find(j, epoch, topic);
    return s == NULL ? 0 : s->totals.last_seq;
}

int64_t weft__journal_gone_ms(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    const weft__stream *s = weft__stream_find(j, epoch, topic);
    return s == NULL ? 0 : (int64_t)s->totals.gone_ms;
}

uint64_t weft__journal_acknowledged(weft__journal *j, uint64_t epoch, weft_topic topic)
{
    const weft__stream *s = weft__stream_find(j, epoch, topic);
    return s == NULL ? 0 : s->totals.acked_seq;
}

void weft__journal_get_stats(weft__journal *j, weft__journal_stats *ret)
{
    *ret = (weft__journal_stats){.newest_row = j->last_id};
    for (size_t i = 0; i < j->stream_count; i++) {
        const weft__stream_totals *t = &j->streams[i].totals;
        ret->rows += t->rows;
        ret->row_bytes += t->row_bytes;
        ret->pending_rows += t->pending_rows;
        ret->pending_events += t->pending_events;
    }
}
