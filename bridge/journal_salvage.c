/* bridge/journal_salvage.c: carries what can be read of a damaged journal over into a new one.
 *
 * Rows are read in order of id. A lost page costs the rows on it and no others (journal_scan.c). A row whose own checks
 * fail in the head is left out; one whose message alone is damaged is carried, so that readers are told which events it
 * held. The damaged file is only read: its WAL stays with it. */
#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { CHUNK_ROWS = 512, STREAM_EVENTS_COLUMN = 9 };

typedef struct salvage {
    sqlite3 *from;
    weft__journal *to;
    sqlite3_stmt *scan;
    int64_t id;  /* all up to here is carried or given up */
    bool at_end; /* the scan has seen the last row */
} salvage;

static weft_status row_carry(salvage *v)
{
    weft__journal_row row;
    v->id = sqlite3_column_int64(v->scan, 0);
    if (!weft__row_decode(v->scan, &row) || !weft__row_valid(&row))
        return WEFT_OK;
    weft_status st = weft__row_insert(v->to, &row);
    return st == WEFT_INVALID ? WEFT_OK : st;
}

/* Carries up to a chunk of rows; *ret_rc is how the scan stood: ROW for more, DONE, or a failure to read. */
static weft_status rows_carry_chunk(salvage *v, int *ret_rc)
{
    weft_status st = weft__journal_begin(v->to);
    if (st != WEFT_OK)
        return st;
    (void)sqlite3_bind_int64(v->scan, 1, v->id);
    *ret_rc = SQLITE_ROW;
    for (int i = 0; i < CHUNK_ROWS && st == WEFT_OK && *ret_rc == SQLITE_ROW; i++) {
        *ret_rc = sqlite3_step(v->scan);
        if (*ret_rc == SQLITE_ROW)
            st = row_carry(v);
    }
    (void)sqlite3_reset(v->scan);
    st = weft__journal_end(v->to, st);
    return st == WEFT_OK ? weft__journal_checkpoint(v->to) : st;
}

static weft_status rows_carry(salvage *v)
{
    static const char sql[] = "SELECT " WEFT__ROW_HEAD ", bytes FROM rows WHERE id > ?1 ORDER BY id";
    if (sqlite3_prepare_v2(v->from, sql, -1, &v->scan, NULL) != SQLITE_OK)
        return WEFT_OK;
    weft_status st = WEFT_OK;
    int rc = SQLITE_ROW;
    while (st == WEFT_OK && rc != SQLITE_DONE) {
        st = rows_carry_chunk(v, &rc);
        if (st == WEFT_OK && rc != SQLITE_ROW && rc != SQLITE_DONE && !weft__scan_cross(v->scan, &v->id))
            break;
    }
    (void)sqlite3_finalize(v->scan);
    return st;
}

typedef weft_status (*record_fn)(weft__journal *to, sqlite3_stmt *stmt);

/* Hands what can be read of a small table to fn, in one transaction. */
static weft_status records_carry(salvage *v, const char *sql, record_fn fn)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(v->from, sql, -1, &stmt, NULL) != SQLITE_OK)
        return WEFT_OK;
    weft_status st = weft__journal_begin(v->to);
    if (st == WEFT_OK) {
        while (st == WEFT_OK && sqlite3_step(stmt) == SQLITE_ROW)
            st = fn(v->to, stmt);
        st = weft__journal_end(v->to, st);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

/* The stream that a record of the streams table names. */
static weft_status stream_named(weft__journal *to, sqlite3_stmt *stmt, weft__stream **ret)
{
    int64_t epoch = sqlite3_column_int64(stmt, 0), topic = sqlite3_column_int64(stmt, 1);
    *ret = NULL;
    if (epoch <= 0 || topic <= 0 || topic >= 31 || sqlite3_column_int64(stmt, 2) < sqlite3_column_int64(stmt, 3) ||
        sqlite3_column_int64(stmt, 3) < 0)
        return WEFT_OK;
    *ret = weft__stream_obtain(to, (uint64_t)epoch, (weft_topic)(1u << topic));
    return *ret == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

/* Before the rows, so that they count as pending or not. */
static weft_status acknowledged_carry(weft__journal *to, sqlite3_stmt *stmt)
{
    weft__stream *s;
    weft_status st = stream_named(to, stmt, &s);
    if (s != NULL)
        s->totals.acked_seq = (uint64_t)sqlite3_column_int64(stmt, 3);
    return st;
}

/* After the rows, which must follow each other. */
static weft_status last_seq_carry(weft__journal *to, sqlite3_stmt *stmt)
{
    weft__stream *s;
    weft_status st = stream_named(to, stmt, &s);
    if (s == NULL)
        return st;
    bool counted = sqlite3_column_count(stmt) > STREAM_EVENTS_COLUMN; /* older ones did not */
    uint64_t last_seq = (uint64_t)sqlite3_column_int64(stmt, 2);
    uint64_t events = counted ? (uint64_t)sqlite3_column_int64(stmt, STREAM_EVENTS_COLUMN) : 0;
    weft__stream_touch(s);
    if (s->totals.last_seq < last_seq)
        s->totals.last_seq = last_seq;
    if (s->totals.events < events)
        s->totals.events = events;
    return WEFT_OK;
}

static weft_status epoch_carry(weft__journal *to, sqlite3_stmt *stmt)
{
    const uint64_t epoch = (uint64_t)sqlite3_column_int64(stmt, 0);
    return weft__journal_run(to, WEFT__SQL_EPOCH_STORE, &epoch, 1);
}

static weft_status feed_carry(weft__journal *to, sqlite3_stmt *stmt)
{
    sqlite3_stmt *store = to->sql[WEFT__SQL_FEED_STORE];
    for (int i = 0; i < sqlite3_column_count(stmt); i++)
        (void)sqlite3_bind_value(store, i + 1, sqlite3_column_value(stmt, i));
    weft_status st = weft__journal_run(to, WEFT__SQL_FEED_STORE, NULL, 0);
    (void)sqlite3_clear_bindings(store);
    return st;
}

/* Whether the damaged journal is of a version that says when feeds moved. */
static bool feeds_dated(salvage *v)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(v->from, "SELECT touched_ms FROM feeds", -1, &stmt, NULL);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_OK;
}

static weft_status all_carry(salvage *v)
{
    static const char streams[] = "SELECT * FROM streams";
    weft_status st = records_carry(v, streams, acknowledged_carry);
    if (st == WEFT_OK)
        st = rows_carry(v);
    if (st == WEFT_OK)
        st = records_carry(v, streams, last_seq_carry);
    if (st == WEFT_OK)
        st = records_carry(v, "SELECT max(epoch) FROM epochs HAVING max(epoch) > 0", epoch_carry);
    if (st == WEFT_OK)
        st = records_carry(v,
                           feeds_dated(v) ? "SELECT feed, line, state, touched_ms FROM feeds"
                                          : "SELECT feed, line, state, 0 FROM feeds",
                           feed_carry);
    return st;
}

static weft_status file_carry(const char *path, weft__journal *to, const char **reason)
{
    salvage v = {.to = to};
    weft_status st = weft__journal_db_open(to, false, reason);
    if (st != WEFT_OK)
        return st;
    if (sqlite3_open_v2(path, &v.from, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, to->disk->vfs) == SQLITE_OK) {
        (void)sqlite3_db_config(v.from, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        (void)sqlite3_exec(v.from, "PRAGMA cell_size_check = ON", NULL, NULL, NULL);
        st = all_carry(&v);
    }
    (void)sqlite3_close(v.from);
    weft__journal_db_close(to);
    /* Closing moves the WAL into the file and syncs it; a WAL left behind says that it could not. */
    return st == WEFT_OK && weft__journal_file_unclean(to->disk, to->path) ? WEFT_NO_SPACE : st;
}

weft_status weft__journal_salvage(weft__journal *j, const char **reason)
{
    weft__journal to = {.disk = j->disk, .wal = -1, .lock = -1};
    to.path = weft__journal_file_name(j->path, ".salvage");
    if (to.path == NULL)
        return WEFT_NO_MEMORY;
    (void)pthread_mutex_init(&to.write_lock, NULL);
    (void)pthread_mutex_init(&to.checkpoint_lock, NULL);
    (void)pthread_mutex_init(&to.sync_lock, NULL);
    *reason = "the journal is damaged, and what can be read of it could not be carried over";
    weft_status st = weft__journal_file_create(to.disk, to.path, reason);
    if (st == WEFT_OK)
        st = file_carry(j->path, &to, reason);
    if (st == WEFT_OK)
        st = weft__journal_file_replace(j->disk, j->path, &j->damaged_path);
    if (st != WEFT_OK)
        weft__journal_file_remove(to.disk, to.path);
    (void)pthread_mutex_destroy(&to.sync_lock);
    (void)pthread_mutex_destroy(&to.checkpoint_lock);
    (void)pthread_mutex_destroy(&to.write_lock);
    free(to.streams);
    free(to.path);
    return st == WEFT_CORRUPT ? WEFT_IO : st; /* the new file: no reason to salvage that one */
}
