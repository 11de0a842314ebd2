/* bridge/journal_view.c: looks into a journal through a connection of its own that only reads.
 *
 * Rows are read in short transactions, so that a slow reader at the end of a pipe does not keep the node from beginning
 * its WAL anew. A journal that nobody has open and that was closed in order has no WAL; SQLite makes one to read it,
 * and removes it when the view closes. One that a killed process left stays as it is: it tells the node's next start to
 * check the pages. */
#include "bridge/journal_view.h"

#include "weft/wire.h"

#include <ctype.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_ROWS = 128, BUSY_MS = 2000, COLUMN_BYTES = 10 };

/* ---- open and close ---- */

static uint64_t file_bytes(const char *path, const char *suffix)
{
    struct stat info;
    char *name = weft__journal_file_name(path, suffix);
    uint64_t bytes = name != NULL && stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
    free(name);
    return bytes;
}

/* file:PATH?immutable=1, for places where not even a WAL's index may be made. Ownership: malloc'ed. */
static char *uri_immutable(const char *path)
{
    static const char suffix[] = "?immutable=1";
    char *uri = malloc(3 * strlen(path) + sizeof "file:" + sizeof suffix);
    if (uri == NULL)
        return NULL;
    char *at = stpcpy(uri, "file:");
    for (const char *p = path; *p != '\0'; p++)
        if (isalnum((unsigned char)*p) || strchr("/._-", *p) != NULL)
            *at++ = *p;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*p);
    (void)stpcpy(at, suffix);
    return uri;
}

static int value_read(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int connection_open(weft_journal_view *v, const char *name, int flags)
{
    int64_t tables;
    (void)sqlite3_close(v->db);
    v->db = NULL;
    int rc = sqlite3_open_v2(name, &v->db, flags, NULL);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_extended_result_codes(v->db, 1);
    (void)sqlite3_busy_timeout(v->db, BUSY_MS);
    if (weft__journal_file_unclean(weft__disk_system(), v->path))
        (void)sqlite3_db_config(v->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = sqlite3_exec(v->db, "PRAGMA cell_size_check = ON; PRAGMA query_only = ON", NULL, NULL, NULL);
    return rc == SQLITE_OK ? value_read(v->db, "SELECT count(*) FROM sqlite_schema", &tables) : rc;
}

static weft_status database_open(weft_journal_view *v)
{
    bool unclean = weft__journal_file_unclean(weft__disk_system(), v->path);
    int rc = connection_open(v, v->path, SQLITE_OPEN_READWRITE);
    int primary = rc & 0xff;
    if (!unclean && (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY || primary == SQLITE_PERM)) {
        char *uri = uri_immutable(v->path);
        if (uri == NULL)
            return WEFT_NO_MEMORY;
        rc = connection_open(v, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
        free(uri);
    }
    return weft__journal_status(v->db, rc);
}

static weft_status database_identify(weft_journal_view *v, const char **reason)
{
    int64_t application = 0, version = 0;
    int rc = value_read(v->db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = value_read(v->db, "PRAGMA user_version", &version);
    if (rc != SQLITE_OK)
        return weft__journal_status(v->db, rc);
    if (application != WEFT__JOURNAL_APPLICATION_ID) {
        *reason = weft__journal_reason("%s: not a journal of weft", v->path);
        return WEFT_INVALID;
    }
    if (version > WEFT__JOURNAL_VERSION) {
        *reason = weft__journal_reason("%s: written by a newer version of weft", v->path);
        return WEFT_UNSUPPORTED;
    }
    v->feeds_dated = version > 1;
    return weft__view_refresh(v);
}

weft_status weft_journal_view_open(const char *path, weft_journal_view **ret, const char **reason)
{
    const char *unused;
    const char **why = reason != NULL ? reason : &unused;
    *why = NULL;
    if (path == NULL || access(path, F_OK) != 0) {
        *why = weft__journal_reason("%s: there is no such file", path == NULL ? "journal" : path);
        return WEFT_NOT_FOUND;
    }
    weft_journal_view *v = calloc(1, sizeof *v);
    if (v == NULL)
        return WEFT_NO_MEMORY;
    v->path = realpath(path, NULL);
    weft_status st = v->path == NULL ? WEFT_NO_MEMORY : database_open(v);
    if (st == WEFT_OK)
        st = database_identify(v, why);
    if (st != WEFT_OK) {
        if (*why == NULL)
            *why = weft__journal_reason("%s: %s", path, v->db != NULL ? sqlite3_errmsg(v->db) : weft_status_text(st));
        weft_journal_view_close(v);
        return st;
    }
    *ret = v;
    return WEFT_OK;
}

void weft_journal_view_close(weft_journal_view *v)
{
    if (v == NULL)
        return;
    (void)sqlite3_close(v->db);
    free(v->streams);
    free(v->path);
    free(v);
}

/* ---- streams ---- */

static uint64_t column_u64(sqlite3_stmt *stmt, int column)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    return value < 0 ? 0 : (uint64_t)value;
}

static weft_topic topic_of(uint64_t number)
{
    return number > 0 && number < 31 ? (weft_topic)(1u << number) : 0;
}

static bool stream_add(weft_journal_view *v, size_t *capacity, sqlite3_stmt *stmt)
{
    if (v->stream_count == *capacity) {
        *capacity = *capacity == 0 ? 16 : 2 * *capacity;
        weft_journal_stream *larger = realloc(v->streams, *capacity * sizeof *larger);
        if (larger == NULL)
            return false;
        v->streams = larger;
    }
    v->streams[v->stream_count++] = (weft_journal_stream){.epoch = column_u64(stmt, 0),
                                                          .topic = topic_of(column_u64(stmt, 1)),
                                                          .last_seq = column_u64(stmt, 2),
                                                          .acked_seq = column_u64(stmt, 3),
                                                          .rows = column_u64(stmt, 4),
                                                          .row_bytes = column_u64(stmt, 5),
                                                          .pending_rows = column_u64(stmt, 6),
                                                          .pending_events = column_u64(stmt, 7)};
    return true;
}

weft_status weft__view_refresh(weft_journal_view *v)
{
    static const char sql[] = "SELECT epoch, topic, last_seq, acked_seq, row_count, row_bytes, pending_rows, "
                              "pending_events FROM streams ORDER BY epoch, topic";
    sqlite3_stmt *stmt = NULL;
    size_t capacity = 0;
    bool room = true;
    free(v->streams);
    v->streams = NULL;
    v->stream_count = 0;
    int rc = sqlite3_prepare_v2(v->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        while (room && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
            room = stream_add(v, &capacity, stmt);
    (void)sqlite3_finalize(stmt);
    if (rc == SQLITE_ERROR) /* the table is missing, or not as we made it */
        rc = SQLITE_CORRUPT;
    return room ? weft__journal_status(v->db, rc) : WEFT_NO_MEMORY;
}

static int stream_compare(const void *left, const void *right)
{
    const weft_journal_stream *a = left, *b = right;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    return (a->topic > b->topic) - (a->topic < b->topic);
}

const weft_journal_stream *weft__view_stream(const weft_journal_view *v, uint64_t epoch, weft_topic topic)
{
    const weft_journal_stream key = {.epoch = epoch, .topic = topic};
    return v->stream_count == 0 ? NULL : bsearch(&key, v->streams, v->stream_count, sizeof key, stream_compare);
}

weft_status weft_journal_view_streams(weft_journal_view *v, weft_journal_stream_fn fn, void *user)
{
    weft_status st = weft__view_refresh(v);
    for (size_t i = 0; i < v->stream_count && st == WEFT_OK; i++)
        st = fn(&v->streams[i], user);
    return st;
}

/* ---- feeds ---- */

weft_status weft_journal_view_feeds(weft_journal_view *v, weft_journal_feed_fn fn, void *user)
{
    const char *sql = v->feeds_dated ? "SELECT feed, line, coalesce(length(state), 0), touched_ms FROM feeds ORDER BY 1"
                                     : "SELECT feed, line, coalesce(length(state), 0), 0 FROM feeds ORDER BY 1";
    sqlite3_stmt *stmt = NULL;
    weft_status st = WEFT_OK;
    int rc = sqlite3_prepare_v2(v->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        while (st == WEFT_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            weft_journal_feed feed = {.feed = (const char *)sqlite3_column_text(stmt, 0),
                                      .line = column_u64(stmt, 1),
                                      .state_bytes = column_u64(stmt, 2),
                                      .touched_ms = sqlite3_column_int64(stmt, 3)};
            st = feed.feed != NULL ? fn(&feed, user) : WEFT_NO_MEMORY;
        }
    (void)sqlite3_finalize(stmt);
    return st != WEFT_OK ? st : weft__journal_status(v->db, rc);
}

/* ---- totals ---- */

static weft_status rows_total(weft_journal_view *v, weft_journal_totals *ret)
{
    static const char sql[] = "SELECT coalesce(sum(event_count), 0), coalesce(min(accepted_ms), 0), "
                              "coalesce(max(accepted_ms), 0) FROM rows";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(v->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        ret->events = column_u64(stmt, 0);
        ret->oldest_ms = sqlite3_column_int64(stmt, 1);
        ret->newest_ms = sqlite3_column_int64(stmt, 2);
    }
    (void)sqlite3_finalize(stmt);
    return weft__journal_status(v->db, rc);
}

weft_status weft_journal_view_totals(weft_journal_view *v, weft_journal_totals *ret)
{
    int64_t epoch = 0, feeds = 0;
    weft_status st = weft__view_refresh(v);
    if (st == WEFT_OK)
        st = weft__journal_status(v->db, value_read(v->db, "SELECT coalesce(max(epoch), 0) FROM epochs", &epoch));
    if (st == WEFT_OK)
        st = weft__journal_status(v->db, value_read(v->db, "SELECT count(*) FROM feeds", &feeds));
    *ret = (weft_journal_totals){.epoch = (uint64_t)epoch,
                                 .streams = v->stream_count,
                                 .feeds = (uint64_t)feeds,
                                 .file_bytes = file_bytes(v->path, ""),
                                 .log_bytes = file_bytes(v->path, "-wal"),
                                 .reserve_bytes = file_bytes(v->path, ".reserve")};
    for (size_t i = 0; i < v->stream_count; i++) {
        ret->rows += v->streams[i].rows;
        ret->row_bytes += v->streams[i].row_bytes;
        ret->pending_rows += v->streams[i].pending_rows;
        ret->pending_events += v->streams[i].pending_events;
    }
    return st == WEFT_OK ? rows_total(v, ret) : st;
}

/* ---- rows ---- */

static void row_view(const weft_journal_view *v, sqlite3_stmt *stmt, weft__view_row *ret)
{
    bool head = weft__row_decode(stmt, &ret->row);
    const weft__journal_row *row = &ret->row;
    const weft_journal_stream *stream = weft__view_stream(v, row->epoch, row->topic);
    ret->unread = 0;
    ret->entry = (weft_journal_entry){.row = row->id,
                                      .epoch = row->epoch,
                                      .topic = row->topic,
                                      .prev_seq = row->prev_seq,
                                      .first_seq = row->first_seq,
                                      .last_seq = row->last_seq,
                                      .event_count = row->event_count,
                                      .priority = row->priority,
                                      .accepted_ms = row->accepted_ms,
                                      .bytes = row->length,
                                      .pending = stream == NULL || row->last_seq > stream->acked_seq};
    if (!head)
        ret->entry.damage = "the row's numbers do not match their checksum";
    else if (!weft__row_bytes_hold(row))
        ret->entry.damage = "the message's checksum does not hold";
}

/* Gives the readable rows after *id, some of them; *ret_rc is how reading ended. */
static weft_status rows_chunk(weft_journal_view *v, sqlite3_stmt *scan, int64_t *id, weft__view_row_fn fn, void *user,
                              int *ret_rc)
{
    weft_status st = WEFT_OK;
    (void)sqlite3_bind_int64(scan, 1, *id);
    int given = 0;
    while (st == WEFT_OK && (*ret_rc = sqlite3_step(scan)) == SQLITE_ROW) {
        weft__view_row row;
        row_view(v, scan, &row);
        *id = row.row.id;
        st = fn(&row, user);
        given++;
    }
    (void)sqlite3_reset(scan);
    if (*ret_rc == SQLITE_DONE && given == CHUNK_ROWS)
        *ret_rc = SQLITE_ROW; /* there may be more */
    return st;
}

static weft_status unread_cross(sqlite3_stmt *scan, int64_t *id, weft__view_row_fn fn, void *user, bool *ret_end)
{
    int64_t from = *id + 1;
    *ret_end = !weft__scan_cross(scan, id);
    weft__view_row row = {.unread = *ret_end ? INT64_MAX - from : *id - from + 1};
    row.entry = (weft_journal_entry){.row = from, .damage = "the pages of these rows cannot be read"};
    return fn(&row, user);
}

weft_status weft__view_each(weft_journal_view *v, weft__view_row_fn fn, void *user)
{
    static const char sql[] = "SELECT " WEFT__ROW_HEAD ", bytes FROM rows WHERE id > ?1 ORDER BY id LIMIT ?2";
    sqlite3_stmt *scan = NULL;
    int64_t id = 0;
    bool end = false;
    int rc = sqlite3_prepare_v2(v->db, sql, -1, &scan, NULL);
    if (rc != SQLITE_OK)
        return weft__journal_status(v->db, rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc);
    (void)sqlite3_bind_int64(scan, 2, CHUNK_ROWS);
    weft_status st = WEFT_OK;
    do {
        st = rows_chunk(v, scan, &id, fn, user, &rc);
        if (st == WEFT_OK && rc != SQLITE_ROW && rc != SQLITE_DONE) {
            st = weft__journal_status(v->db, rc);
            if (st == WEFT_CORRUPT)
                st = unread_cross(scan, &id, fn, user, &end);
        }
    } while (st == WEFT_OK && rc != SQLITE_DONE && !end);
    (void)sqlite3_finalize(scan);
    return st;
}

const char *weft__view_message_check(const weft__journal_row *row)
{
    weft_batch *batch = NULL;
    const char *wrong = NULL;
    weft_status st = weft_batch_decode(row->bytes, row->length, &batch, NULL);
    if (st != WEFT_OK)
        return st == WEFT_NO_MEMORY ? NULL : "the message cannot be decoded";
    size_t count = batch->event_count;
    if (batch->epoch != row->epoch || batch->prev_seq != row->prev_seq || count != row->event_count || count == 0 ||
        batch->events[0]->id.seq != row->first_seq || batch->events[count - 1]->id.seq != row->last_seq ||
        (batch->topic != 0 && batch->topic != row->topic))
        wrong = "the message is not the one that the row's numbers tell of";
    weft_batch_free(batch);
    return wrong;
}

/* ---- walks of the public header ---- */

static bool query_takes(const weft_journal_query *q, const weft_journal_entry *entry)
{
    return (q->topics == 0 || entry->topic == 0 || (q->topics & (uint32_t)entry->topic) != 0) &&
           (q->since_ms == 0 || entry->accepted_ms >= q->since_ms) && (entry->pending || !q->pending_only);
}

typedef struct walk {
    weft_journal_query query;
    weft_journal_entry_fn on_entry;
    weft_journal_event_fn on_event;
    void *user;
} walk;

static weft_status entry_give(const weft__view_row *row, void *user)
{
    const walk *w = user;
    const weft_journal_query *q = &w->query;
    bool late = q->until_ms != 0 && row->entry.accepted_ms >= q->until_ms;
    bool wanted = row->unread > 0 || (query_takes(q, &row->entry) && !late);
    return wanted ? w->on_entry(&row->entry, w->user) : WEFT_OK;
}

weft_status weft_journal_view_rows(weft_journal_view *v, const weft_journal_query *query, weft_journal_entry_fn fn,
                                   void *user)
{
    walk w = {.query = query != NULL ? *query : (weft_journal_query){0}, .on_entry = fn, .user = user};
    weft_status st = weft__view_refresh(v);
    return st == WEFT_OK ? weft__view_each(v, entry_give, &w) : st;
}

static bool event_wanted(const weft_journal_query *q, const weft_event *event)
{
    if (q->session_id != NULL && (event->session_id == NULL || strcmp(event->session_id, q->session_id) != 0))
        return false;
    return event->accepted_ms >= q->since_ms && (q->until_ms == 0 || event->accepted_ms < q->until_ms);
}

static weft_status damaged_give(const walk *w, const weft_journal_entry *entry, const char *damage)
{
    weft_journal_entry damaged = *entry;
    damaged.damage = damage;
    return w->on_entry != NULL ? w->on_entry(&damaged, w->user) : WEFT_OK;
}

static weft_status events_give(const weft__view_row *row, void *user)
{
    const walk *w = user;
    weft_batch *batch = NULL;
    if (row->entry.damage != NULL)
        return damaged_give(w, &row->entry, row->entry.damage);
    if (!query_takes(&w->query, &row->entry))
        return WEFT_OK;
    weft_status st = weft_batch_decode(row->row.bytes, row->row.length, &batch, NULL);
    if (st != WEFT_OK)
        return st == WEFT_NO_MEMORY ? st : damaged_give(w, &row->entry, "the message cannot be decoded");
    for (size_t i = 0; i < batch->event_count && st == WEFT_OK; i++)
        if (event_wanted(&w->query, batch->events[i]))
            st = w->on_event(batch->events[i], w->user);
    weft_batch_free(batch);
    return st;
}

weft_status weft_journal_view_events(weft_journal_view *v, const weft_journal_query *query, weft_journal_event_fn fn,
                                     weft_journal_entry_fn on_damaged, void *user)
{
    walk w = {.query = query != NULL ? *query : (weft_journal_query){0},
              .on_entry = on_damaged,
              .on_event = fn,
              .user = user};
    weft_status st = weft__view_refresh(v);
    return st == WEFT_OK ? weft__view_each(v, events_give, &w) : st;
}
