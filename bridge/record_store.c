/* bridge/record_store.c: rows of events: what is asked for most in columns, and the whole event as JSON.
 *
 * Rows have ids in the order in which they were recorded, and retention takes the lowest first. The count of rows is
 * kept in memory: counting them takes a pass over the table. */
#include "bridge/record_store.h"

#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { TRIM_ROWS = 1000 };

const char weft__record_tables[] =
    "CREATE TABLE events(id INTEGER PRIMARY KEY, node TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " topic TEXT NOT NULL, type TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, accepted_ms INTEGER NOT NULL,"
    " session TEXT, agent TEXT, source TEXT, flags INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE(node, epoch, seq)) "
    "STRICT;"
    "CREATE INDEX events_by_time ON events(timestamp_ms);"
    "CREATE INDEX events_by_session ON events(session, timestamp_ms) WHERE session IS NOT NULL;"
    "CREATE TABLE lost(node TEXT NOT NULL, epoch INTEGER NOT NULL, topic TEXT NOT NULL, from_seq INTEGER NOT NULL,"
    " to_seq INTEGER NOT NULL, events INTEGER, reason TEXT NOT NULL, noticed_ms INTEGER NOT NULL) STRICT;";

typedef enum statement { ADD, ADD_LOST, TRIM_AGE, TRIM_SIZE, COUNT, BYTES, STATEMENTS } statement;

static const char *const statements[STATEMENTS] = {
    [ADD] =
        "INSERT INTO events(node, epoch, seq, topic, type, timestamp_ms, accepted_ms, session, agent, source, flags,"
        " event) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
    [ADD_LOST] = "INSERT INTO lost VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [TRIM_AGE] = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?2) AND accepted_ms < ?1",
    [TRIM_SIZE] = "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?1)",
    [COUNT] = "SELECT count(*) FROM events",
    [BYTES] = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count,"
              " pragma_page_size",
};

struct weft__record_store {
    sqlite3 *db;
    sqlite3_stmt *sql[STATEMENTS];
    uint64_t rows;
    weft_text json;
};

static weft_status run(weft__record_store *s, statement which)
{
    weft_status st = weft__journal_status(s->db, sqlite3_step(s->sql[which]));
    (void)sqlite3_reset(s->sql[which]);
    return st;
}

static uint64_t number(weft__record_store *s, statement which)
{
    sqlite3_stmt *stmt = s->sql[which];
    uint64_t value = sqlite3_step(stmt) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return value;
}

weft_status weft__record_store_open(weft__cursor_store *cursor, weft__record_store **ret)
{
    weft__record_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return WEFT_NO_MEMORY;
    s->db = weft__cursor_store_db(cursor);
    int rc = SQLITE_OK;
    for (int i = 0; i < STATEMENTS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
    if (rc != SQLITE_OK) {
        weft_status st = rc == SQLITE_ERROR ? WEFT_CORRUPT : weft__journal_status(s->db, rc);
        weft__record_store_close(s);
        return st;
    }
    s->rows = number(s, COUNT);
    *ret = s;
    return WEFT_OK;
}

void weft__record_store_close(weft__record_store *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(s->sql[i]);
    weft_text_fini(&s->json);
    free(s);
}

static void text_bind(sqlite3_stmt *stmt, int index, const char *text)
{
    if (text != NULL)
        (void)sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(stmt, index);
}

weft_status weft__record_store_add(weft__record_store *s, const weft_event *event)
{
    sqlite3_stmt *stmt = s->sql[ADD];
    weft_text_clear(&s->json);
    weft_status st = weft_event_to_json(event, &s->json);
    if (st != WEFT_OK || s->json.failed)
        return st != WEFT_OK ? st : WEFT_NO_MEMORY;
    text_bind(stmt, 1, event->id.node);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)event->id.epoch);
    (void)sqlite3_bind_int64(stmt, 3, (sqlite3_int64)event->id.seq);
    text_bind(stmt, 4, weft_topic_name(weft_event_topic(event)));
    text_bind(stmt, 5, weft_event_type_name(event->type));
    (void)sqlite3_bind_int64(stmt, 6, weft_event_timestamp_ms(event));
    (void)sqlite3_bind_int64(stmt, 7, event->accepted_ms);
    text_bind(stmt, 8, event->session_id);
    text_bind(stmt, 9, event->agent_id);
    text_bind(stmt, 10, event->source);
    (void)sqlite3_bind_int64(stmt, 11, event->flags);
    (void)sqlite3_bind_text(stmt, 12, s->json.data, (int)s->json.length, SQLITE_STATIC);
    st = run(s, ADD);
    if (st == WEFT_OK)
        s->rows += (uint64_t)sqlite3_changes(s->db);
    return st;
}

weft_status weft__record_store_add_lost(weft__record_store *s, const weft_lost *lost, int64_t noticed_ms)
{
    sqlite3_stmt *stmt = s->sql[ADD_LOST];
    text_bind(stmt, 1, lost->node != NULL ? lost->node : "");
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)lost->epoch);
    text_bind(stmt, 3, weft_topic_name(lost->topic));
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)lost->from_seq);
    (void)sqlite3_bind_int64(stmt, 5, (sqlite3_int64)lost->to_seq);
    if (lost->count > 0)
        (void)sqlite3_bind_int64(stmt, 6, (sqlite3_int64)lost->count);
    else
        (void)sqlite3_bind_null(stmt, 6);
    text_bind(stmt, 7, weft_lost_reason_name(lost->reason));
    (void)sqlite3_bind_int64(stmt, 8, noticed_ms);
    return run(s, ADD_LOST);
}

weft_status weft__record_store_trim(weft__record_store *s, int64_t keep_from_ms, uint64_t max_bytes,
                                    uint64_t *ret_removed)
{
    bool large = max_bytes > 0 && weft__record_store_bytes(s) > max_bytes;
    statement which = large ? TRIM_SIZE : TRIM_AGE;
    *ret_removed = 0;
    if (!large)
        (void)sqlite3_bind_int64(s->sql[which], 1, keep_from_ms);
    (void)sqlite3_bind_int64(s->sql[which], large ? 1 : 2,
                             s->rows < 10 * TRIM_ROWS ? (int)s->rows / 10 + 1 : TRIM_ROWS);
    weft_status st = run(s, which);
    if (st != WEFT_OK)
        return st;
    *ret_removed = (uint64_t)sqlite3_changes(s->db);
    s->rows -= *ret_removed < s->rows ? *ret_removed : s->rows;
    return WEFT_OK;
}

uint64_t weft__record_store_rows(const weft__record_store *s)
{
    return s->rows;
}

uint64_t weft__record_store_bytes(weft__record_store *s)
{
    return number(s, BYTES);
}
