/* bridge/journal_db.c: the journal's connection to SQLite: pragmas, schema, statements, transactions.
 *
 * WAL mode with synchronous NORMAL and no automatic checkpoint: a commit is a write into the WAL and nothing else. Two
 * things are left that may wait in it: the sync of the WAL's header when SQLite begins the WAL anew (once per
 * checkpoint that emptied it; without it a power cut could mix old and new frames), and an empty-the-WAL checkpoint
 * (journal_sync.c), for which it waits on write_lock.
 *
 * Pages are checked one by one (quick_check) at open only if the last user did not close, or closed after it had met
 * damage: a WAL was left behind. That costs about a second a GiB, after a crash, and finds what a torn write or a bad
 * disk left in the tree. What it cannot find, changed bytes inside a row, each row's own checks find on reading.
 */
#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BUSY_MS = 2000, /* for a user's own sqlite3 at work on the file; the checkpointer is kept apart by write_lock */
};

/* topic is the topic's number on the wire. head_crc covers what the checksum inside bytes does not. Rows of normal
 * priority (2), nearly all, stay out of the index by priority, which would cost a fifth of an append's time. */
static const char schema[] =
    "CREATE TABLE rows(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, topic INTEGER NOT NULL,"
    " prev_seq INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, event_count INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, accepted_ms INTEGER NOT NULL, head_crc INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX rows_by_stream ON rows(epoch, topic, last_seq, event_count);"
    "CREATE INDEX rows_by_priority ON rows(priority) WHERE priority <> 2;"
    "CREATE TABLE streams(epoch INTEGER, topic INTEGER, last_seq INTEGER NOT NULL, acked_seq INTEGER NOT NULL,"
    " last_id INTEGER NOT NULL, row_count INTEGER NOT NULL, row_bytes INTEGER NOT NULL, pending_rows INTEGER NOT NULL,"
    " pending_events INTEGER NOT NULL, events INTEGER NOT NULL DEFAULT 0, gone_ms INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(epoch, topic)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE epochs(epoch INTEGER PRIMARY KEY) STRICT;"
    "CREATE TABLE feeds(feed TEXT PRIMARY KEY, line INTEGER NOT NULL, state BLOB,"
    " touched_ms INTEGER NOT NULL DEFAULT 0) STRICT;";

/* What makes version N + 1 of a journal of version N. */
static const char *const migrations[WEFT__JOURNAL_VERSION] = {
    [1] = "ALTER TABLE feeds ADD COLUMN touched_ms INTEGER NOT NULL DEFAULT 0;",
    [2] = "ALTER TABLE streams ADD COLUMN events INTEGER NOT NULL DEFAULT 0;",
    [3] = "ALTER TABLE streams ADD COLUMN gone_ms INTEGER NOT NULL DEFAULT 0;",
};

static const char *const statements[] = {
#define X(name, text) text,
    WEFT__SQL_MAP(X)
#undef X
};

const char *weft__journal_reason(const char *format, ...)
{
    static _Thread_local char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

/* Why a write failed: SQLite makes SQLITE_FULL of ENOSPC only, and forgets the errno of a failed commit; the WAL's file
 * object remembers it. */
static int write_errno(sqlite3 *db)
{
    sqlite3_file *wal = NULL;
    int error = 0;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal != NULL &&
        wal->pMethods != NULL)
        (void)wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error != 0 ? error : sqlite3_system_errno(db);
}

static weft_status io_status(sqlite3 *db, int rc)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return WEFT_NO_MEMORY;
    if (rc == SQLITE_IOERR_SHMSIZE) /* growing PATH-shm by a byte */
        return WEFT_NO_SPACE;
    return weft__journal_errno_status(rc == SQLITE_IOERR_WRITE ? write_errno(db) : sqlite3_system_errno(db));
}

weft_status weft__journal_status(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return WEFT_OK;
    case SQLITE_NOMEM:
        return WEFT_NO_MEMORY;
    case SQLITE_FULL:
        return WEFT_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return WEFT_CORRUPT;
    case SQLITE_IOERR:
        return io_status(db, rc);
    default:
        return WEFT_IO;
    }
}

weft_status weft__journal_result(weft__journal *j, int rc)
{
    weft_status st = weft__journal_status(j->db, rc);
    if (st == WEFT_CORRUPT)
        j->damage_seen = true;
    return st;
}

sqlite3_stmt *weft__journal_bind(weft__journal *j, weft__sql sql, const uint64_t *values, int count)
{
    sqlite3_stmt *stmt = j->sql[sql];
    for (int i = 0; i < count; i++)
        (void)sqlite3_bind_int64(stmt, i + 1, (sqlite3_int64)values[i]);
    return stmt;
}

weft_status weft__journal_run(weft__journal *j, weft__sql sql, const uint64_t *values, int count)
{
    sqlite3_stmt *stmt = weft__journal_bind(j, sql, values, count);
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    (void)sqlite3_reset(stmt);
    return st;
}

weft_status weft__journal_begin(weft__journal *j)
{
    (void)pthread_mutex_lock(&j->write_lock);
    weft_status st = weft__journal_run(j, WEFT__SQL_BEGIN, NULL, 0);
    if (st != WEFT_OK)
        (void)pthread_mutex_unlock(&j->write_lock);
    return st;
}

weft_status weft__journal_end(weft__journal *j, weft_status status)
{
    if (status == WEFT_OK)
        status = weft__streams_store(j);
    if (status == WEFT_OK)
        status = weft__journal_run(j, WEFT__SQL_COMMIT, NULL, 0);
    if (status == WEFT_OK) {
        weft__streams_committed(j);
    } else {
        if (!sqlite3_get_autocommit(j->db)) /* some failures have rolled back by themselves */
            (void)weft__journal_run(j, WEFT__SQL_ROLLBACK, NULL, 0);
        weft__streams_rolled_back(j);
    }
    (void)pthread_mutex_unlock(&j->write_lock);
    return status;
}

/* After each commit that wrote something. */
static int on_wal(void *user, sqlite3 *db, const char *name, int pages)
{
    weft__journal *j = user;
    (void)db;
    (void)name;
    atomic_store(&j->wal_pages, (uint32_t)pages);
    atomic_fetch_add(&j->commits, 1);
    return SQLITE_OK;
}

static int integer_read(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Whether the file is ours to use. *ret_version: of its schema; 0: it is empty. */
static weft_status file_identify(weft__journal *j, int64_t *ret_version, const char **reason)
{
    int64_t application = 0, version = 0, tables = 0;
    int rc = integer_read(j->db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = integer_read(j->db, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = integer_read(j->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return weft__journal_result(j, rc);
    bool fresh = application == 0 && version == 0 && tables == 0;
    if (!fresh && application != WEFT__JOURNAL_APPLICATION_ID) {
        *reason = "the journal's path names a database of another program";
        return WEFT_INVALID;
    }
    if (version > WEFT__JOURNAL_VERSION) {
        *reason = "the journal was written by a newer version of weft";
        return WEFT_UNSUPPORTED;
    }
    if (!fresh && version < 1)
        return weft__journal_result(j, SQLITE_CORRUPT);
    *ret_version = version;
    return WEFT_OK;
}

static weft_status schema_make(weft__journal *j, int64_t version)
{
    char finish[96];
    (void)snprintf(finish, sizeof finish, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   WEFT__JOURNAL_APPLICATION_ID, WEFT__JOURNAL_VERSION);
    int rc = sqlite3_exec(j->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK && version == 0)
        rc = sqlite3_exec(j->db, schema, NULL, NULL, NULL);
    for (; rc == SQLITE_OK && version > 0 && version < WEFT__JOURNAL_VERSION; version++)
        rc = sqlite3_exec(j->db, migrations[version], NULL, NULL, NULL);
    if (rc == SQLITE_ERROR) /* a table is missing or not as we made it */
        rc = SQLITE_CORRUPT;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(j->db, finish, NULL, NULL, NULL);
    return weft__journal_result(j, rc);
}

static weft_status pages_check(weft__journal *j)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(j->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return weft__journal_result(j, rc);
    rc = sqlite3_step(stmt);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    weft_status st = weft__journal_result(j, rc);
    if (st == WEFT_OK && (said == NULL || strcmp(said, "ok") != 0))
        st = weft__journal_result(j, SQLITE_CORRUPT);
    (void)sqlite3_finalize(stmt);
    return st;
}

static weft_status statements_prepare(weft__journal *j)
{
    for (int i = 0; i < WEFT__SQL_COUNT; i++) {
        int rc = sqlite3_prepare_v3(j->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &j->sql[i], NULL);
        if (rc == SQLITE_ERROR) /* a table is missing or not as we made it */
            rc = SQLITE_CORRUPT;
        if (rc != SQLITE_OK)
            return weft__journal_result(j, rc);
    }
    return WEFT_OK;
}

/* secure_delete: Debian's SQLite would overwrite what retention deletes, at the price of writing it all once more. */
static weft_status connection_tune(weft__journal *j)
{
    (void)sqlite3_busy_timeout(j->db, BUSY_MS);
    int rc = sqlite3_exec(j->db,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON;"
                          "PRAGMA secure_delete = OFF; PRAGMA cache_size = -8192",
                          NULL, NULL, NULL);
    (void)sqlite3_wal_hook(j->db, on_wal, j); /* in the place of automatic checkpoints */
    return weft__journal_result(j, rc);
}

static weft_status checkpointer_open(weft__journal *j, bool unclean)
{
    int rc = sqlite3_open_v2(j->path, &j->checkpointer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, j->disk->vfs);
    /* The read makes the connection see that the file has a WAL. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(j->checkpointer,
                          "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;"
                          "SELECT count(*) FROM sqlite_schema",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return weft__journal_status(j->checkpointer, rc);
    (void)sqlite3_extended_result_codes(j->checkpointer, 1);
    const char *wal = sqlite3_filename_wal(sqlite3_db_filename(j->db, "main"));
    int error = j->disk->open(j->disk->user, wal, &j->wal);
    atomic_fetch_add(&j->commits, 1); /* what a killed process left in the WAL is not known to be on disk */
    if (error != 0)
        return weft__journal_errno_status(error);
    if (unclean)
        weft__journal_sync_distrust(j);
    return weft__journal_file_sync_names(j->disk, j->path);
}

static weft_status database_open(weft__journal *j, bool check, const char **reason)
{
    int64_t version = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (j->path == NULL ? SQLITE_OPEN_MEMORY : 0);
    int rc = sqlite3_open_v2(j->path == NULL ? ":memory:" : j->path, &j->db, flags, j->disk->vfs);
    if (rc != SQLITE_OK)
        return weft__journal_result(j, rc);
    (void)sqlite3_extended_result_codes(j->db, 1);
    weft_status st = file_identify(j, &version, reason);
    if (st == WEFT_OK)
        st = connection_tune(j);
    if (st == WEFT_OK && version > 0 && check)
        st = pages_check(j);
    if (st == WEFT_OK && version < WEFT__JOURNAL_VERSION)
        st = schema_make(j, version);
    if (st == WEFT_OK)
        st = statements_prepare(j);
    if (st == WEFT_OK)
        st = weft__streams_load(j);
    if (st == WEFT_OK && j->path != NULL)
        j->gather = weft__gather_create(j->db);
    return st == WEFT_OK && j->path != NULL ? checkpointer_open(j, check) : st;
}

weft_status weft__journal_db_open(weft__journal *j, bool check, const char **reason)
{
    weft_status st = database_open(j, check, reason);
    if (st == WEFT_OK)
        return WEFT_OK;
    if (st != WEFT_INVALID && st != WEFT_UNSUPPORTED)
        *reason = weft__journal_reason("%s: %s", j->path == NULL ? "journal" : j->path,
                                       j->db == NULL ? weft_status_text(st) : sqlite3_errmsg(j->db));
    weft__journal_db_close(j);
    return st;
}

void weft__journal_db_close(weft__journal *j)
{
    for (int i = 0; i < WEFT__SQL_COUNT; i++) {
        (void)sqlite3_finalize(j->sql[i]);
        j->sql[i] = NULL;
    }
    if (j->wal >= 0)
        j->disk->close(j->disk->user, j->wal);
    j->wal = -1;
    (void)sqlite3_close(j->checkpointer);
    j->checkpointer = NULL;
    if (j->db != NULL && j->damage_seen)
        (void)sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(j->db);
    j->db = NULL;
    weft__gather_free(j->gather);
    j->gather = NULL;
}
