/* bridge/cursor_store.c: one SQLite file in WAL mode, checkpointed by its own commits: it is nobody's sending path.
 *
 * Without `synced` a power cut may take the newest commits, effects and places together: what is asked for again then
 * has not happened. */
#include "bridge/cursor_store.h"

#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    APPLICATION_ID = 0x77656375, /* "wecu" */
    VERSION = 1,
    BUSY_MS = 5000, /* for a user's own sqlite3 at work on the file */
};

static const char schema[] =
    "CREATE TABLE cursors(name TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) STRICT;"
    "CREATE TABLE places(cursor TEXT NOT NULL, node TEXT NOT NULL, epoch INTEGER NOT NULL, topic INTEGER NOT NULL,"
    " high INTEGER NOT NULL, holes BLOB, PRIMARY KEY(cursor, node, epoch, topic)) STRICT, WITHOUT ROWID;";

typedef enum statement { BEGIN, COMMIT, ROLLBACK, PUT, REMOVE, EACH, STATEMENTS } statement;

static const char *const statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT] = "REPLACE INTO places VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [REMOVE] = "DELETE FROM places WHERE cursor = ?1 AND node = ?2 AND epoch = ?3 AND topic = ?4",
    [EACH] = "SELECT node, epoch, topic, high, holes FROM places WHERE cursor = ?1",
};

struct weft__cursor_store {
    const weft__disk *disk;
    char *path; /* NULL: in memory */
    int lock;
    char name[WEFT_ID_MAX_BYTES + 1];
    int64_t since_ms;
    sqlite3 *db;
    sqlite3_stmt *sql[STATEMENTS];
};

static weft_status result(const weft__cursor_store *s, int rc)
{
    return weft__journal_status(s->db, rc);
}

static weft_status run(weft__cursor_store *s, statement which)
{
    weft_status st = result(s, sqlite3_step(s->sql[which]));
    (void)sqlite3_reset(s->sql[which]);
    return st;
}

/* ---- open ---- */

static weft_status file_claim(weft__cursor_store *s, const char *path, const char **reason)
{
    weft_status st = weft__journal_file_lock(s->disk, path, &s->path, &s->lock, reason);
    if (st == WEFT_OK)
        st = weft__journal_file_create(s->disk, s->path, reason);
    return st;
}

static int64_t integer_read(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

static weft_status tables_make(weft__cursor_store *s, const char *tables)
{
    char version[96];
    (void)snprintf(version, sizeof version, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   APPLICATION_ID, VERSION);
    int rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK && tables != NULL)
        rc = sqlite3_exec(s->db, tables, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, version, NULL, NULL, NULL);
    return result(s, rc);
}

static weft_status file_identify(weft__cursor_store *s, const char *tables, const char **reason)
{
    int64_t count = integer_read(s->db, "SELECT count(*) FROM sqlite_schema");
    if (count < 0)
        return WEFT_CORRUPT;
    if (count == 0)
        return tables_make(s, tables);
    if (integer_read(s->db, "PRAGMA application_id") != APPLICATION_ID) {
        *reason = weft__journal_reason("%s: a database of something else", s->path);
        return WEFT_INVALID;
    }
    if (integer_read(s->db, "PRAGMA user_version") > VERSION) {
        *reason = weft__journal_reason("%s: written by a newer version of weft", s->path);
        return WEFT_UNSUPPORTED;
    }
    return WEFT_OK;
}

static weft_status statements_prepare(weft__cursor_store *s)
{
    for (int i = 0; i < STATEMENTS; i++) {
        int rc = sqlite3_prepare_v3(s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->sql[i], NULL);
        if (rc != SQLITE_OK)
            return rc == SQLITE_ERROR ? WEFT_CORRUPT : result(s, rc);
    }
    return WEFT_OK;
}

/* Finds the cursor, or makes it. */
static weft_status cursor_obtain(weft__cursor_store *s, int64_t since_ms)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, "INSERT INTO cursors VALUES(?1, ?2) ON CONFLICT DO NOTHING", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, s->name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 2, since_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    (void)sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        rc = sqlite3_prepare_v2(s->db, "SELECT since_ms FROM cursors WHERE name = ?1", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return result(s, rc);
    (void)sqlite3_bind_text(stmt, 1, s->name, -1, SQLITE_STATIC);
    rc = sqlite3_step(stmt);
    s->since_ms = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? WEFT_OK : result(s, rc);
}

static weft_status database_open(weft__cursor_store *s, const weft__cursor_store_opts *opts, const char **reason)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (s->path == NULL ? SQLITE_OPEN_MEMORY : 0);
    int rc = sqlite3_open_v2(s->path != NULL ? s->path : ":memory:", &s->db, flags, s->disk->vfs);
    if (rc != SQLITE_OK)
        return result(s, rc);
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    rc = sqlite3_exec(s->db,
                      opts->synced
                          ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
                          : "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768",
                      NULL, NULL, NULL);
    weft_status st = result(s, rc);
    if (st == WEFT_OK)
        st = file_identify(s, opts->tables, reason);
    if (st == WEFT_OK)
        st = statements_prepare(s);
    return st == WEFT_OK ? cursor_obtain(s, opts->since_ms) : st;
}

weft_status weft__cursor_store_open(const weft__cursor_store_opts *opts, weft__cursor_store **ret, const char **reason)
{
    weft__cursor_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return WEFT_NO_MEMORY;
    s->disk = opts->disk != NULL ? opts->disk : weft__disk_system();
    s->lock = -1;
    (void)snprintf(s->name, sizeof s->name, "%s", opts->name);
    weft_status st = opts->path != NULL ? file_claim(s, opts->path, reason) : WEFT_OK;
    if (st == WEFT_OK)
        st = database_open(s, opts, reason);
    if (st == WEFT_OK) {
        *ret = s;
        return WEFT_OK;
    }
    if (*reason == NULL && s->db != NULL)
        *reason = weft__journal_reason("%s: %s", s->path != NULL ? s->path : "memory", sqlite3_errmsg(s->db));
    weft__cursor_store_close(s);
    return st;
}

void weft__cursor_store_close(weft__cursor_store *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(s->sql[i]);
    (void)sqlite3_close(s->db);
    if (s->lock >= 0)
        s->disk->unlock(s->disk->user, s->lock);
    free(s->path);
    free(s);
}

int64_t weft__cursor_store_since_ms(const weft__cursor_store *s)
{
    return s->since_ms;
}

sqlite3 *weft__cursor_store_db(const weft__cursor_store *s)
{
    return s->db;
}

/* ---- places ---- */

static weft_status place_read(sqlite3_stmt *stmt, weft__place *place, weft__seq_range *holes)
{
    place->node = (const char *)sqlite3_column_text(stmt, 0);
    place->epoch = (uint64_t)sqlite3_column_int64(stmt, 1);
    place->topic = weft_topic_from_number((unsigned)sqlite3_column_int64(stmt, 2));
    place->high = (uint64_t)sqlite3_column_int64(stmt, 3);
    const void *blob = sqlite3_column_blob(stmt, 4);
    size_t bytes = (size_t)sqlite3_column_bytes(stmt, 4);
    if (place->node == NULL || place->topic == 0 || bytes % sizeof *holes != 0 ||
        bytes > WEFT__SEQ_RANGES_MAX * sizeof *holes)
        return WEFT_CORRUPT;
    if (bytes > 0)
        memcpy(holes, blob, bytes);
    place->holes = holes;
    place->hole_count = bytes / sizeof *holes;
    return WEFT_OK;
}

weft_status weft__cursor_store_each(weft__cursor_store *s, weft_status (*fn)(void *user, const weft__place *place),
                                    void *user)
{
    sqlite3_stmt *stmt = s->sql[EACH];
    weft__seq_range *holes = calloc(WEFT__SEQ_RANGES_MAX, sizeof *holes);
    if (holes == NULL)
        return WEFT_NO_MEMORY;
    (void)sqlite3_bind_text(stmt, 1, s->name, -1, SQLITE_STATIC);
    weft_status st = WEFT_OK;
    int rc;
    while (st == WEFT_OK && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
        weft__place place;
        st = result(s, rc);
        if (st == WEFT_OK)
            st = place_read(stmt, &place, holes);
        if (st == WEFT_OK)
            st = fn(user, &place);
    }
    (void)sqlite3_reset(stmt);
    free(holes);
    return st;
}

static void key_bind(weft__cursor_store *s, sqlite3_stmt *stmt, const char *node, uint64_t epoch, weft_topic topic)
{
    (void)sqlite3_bind_text(stmt, 1, s->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, 2, node, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, (sqlite3_int64)epoch);
    (void)sqlite3_bind_int64(stmt, 4, (sqlite3_int64)weft_topic_number(topic));
}

weft_status weft__cursor_store_begin(weft__cursor_store *s)
{
    return run(s, BEGIN);
}

/* Numbers of this host's byte order: the file is this host's. */
weft_status weft__cursor_store_put(weft__cursor_store *s, const weft__place *place)
{
    sqlite3_stmt *stmt = s->sql[PUT];
    key_bind(s, stmt, place->node, place->epoch, place->topic);
    (void)sqlite3_bind_int64(stmt, 5, (sqlite3_int64)place->high);
    if (place->hole_count > 0)
        (void)sqlite3_bind_blob(stmt, 6, place->holes, (int)(place->hole_count * sizeof *place->holes), SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(stmt, 6);
    return run(s, PUT);
}

weft_status weft__cursor_store_remove(weft__cursor_store *s, const char *node, uint64_t epoch, weft_topic topic)
{
    key_bind(s, s->sql[REMOVE], node, epoch, topic);
    return run(s, REMOVE);
}

weft_status weft__cursor_store_end(weft__cursor_store *s, weft_status status)
{
    if (status == WEFT_OK)
        status = run(s, COMMIT);
    if (status != WEFT_OK && !sqlite3_get_autocommit(s->db)) /* some failures have rolled back by themselves */
        (void)run(s, ROLLBACK);
    return status;
}
