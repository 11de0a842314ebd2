/* bridge/journal_db.h: what the files of the journal share; of it cursor_store.c and record_store.c use what names
 * files and translates results. SQLite's types stay opaque here.
 *
 *   journal.c          open, close, append, acknowledge, epochs, feeds, positions, statistics
 *   journal_db.c       the connection, the schema, the statements, transactions
 *   journal_stream.c   what is known of each stream, kept in memory and stored with every transaction
 *   journal_feed.c     how far feeds have come
 *   journal_row.c      one row in and out, with its checks
 *   journal_read.c     the walks for sending and for replays
 *   journal_trim.c     retention
 *   journal_sync.c     sync and checkpoint, the only parts that other threads run
 *   journal_gather.c   the WAL's frames in few large writes
 *   journal_salvage.c  carries the readable rows of a damaged file over
 *   journal_reserve.c  room held for a full disk
 *   journal_scan.c     finds the way round what cannot be read
 *   journal_view.c     weft/journal.h: looks into a journal from outside; with journal_verify.c and journal_purge.c
 *   journal_file.c     names, directory, lock, moving aside
 *   journal_disk.c     the system's files, behind a table of functions
 */
#ifndef WEFT_BRIDGE_JOURNAL_DB_H
#define WEFT_BRIDGE_JOURNAL_DB_H

#include "bridge/journal.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct weft__gather weft__gather;

enum {
    WEFT__JOURNAL_APPLICATION_ID = 0x77656674, /* "weft" */
    WEFT__JOURNAL_VERSION = 4,                 /* of the schema */
};

/* Columns of a row, in the order of weft__journal_row_columns; the blob comes last so that the rest is read without it.
 */
#define WEFT__ROW_HEAD "id, epoch, topic, prev_seq, first_seq, last_seq, event_count, priority, accepted_ms, head_crc"

/* X(NAME, text) */
#define WEFT__SQL_MAP(X)                                                                                               \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ROLLBACK, "ROLLBACK")                                                                                            \
    X(ROW_INSERT, "INSERT INTO rows VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                             \
    X(ROW, "SELECT " WEFT__ROW_HEAD ", bytes FROM rows WHERE id = ?1")                                                 \
    X(ROW_SIZE, "SELECT " WEFT__ROW_HEAD ", length(bytes) FROM rows WHERE id = ?1")                                    \
    X(ROW_DELETE, "DELETE FROM rows WHERE id = ?1")                                                                    \
    X(ROW_NEXT, "SELECT id, last_seq, event_count FROM rows INDEXED BY rows_by_stream "                                \
                "WHERE epoch = ?1 AND topic = ?2 AND last_seq > ?3 AND id > ?4 ORDER BY last_seq LIMIT 1")             \
    X(ROW_BEFORE, "SELECT coalesce(max(last_seq), 0) FROM rows INDEXED BY rows_by_stream "                             \
                  "WHERE epoch = ?1 AND topic = ?2 AND last_seq < ?3")                                                 \
    X(ROW_COUNT, "SELECT count(*), coalesce(sum(event_count), 0) FROM rows INDEXED BY rows_by_stream "                 \
                 "WHERE epoch = ?1 AND topic = ?2 AND last_seq > ?3 AND last_seq <= ?4")                               \
    X(ROW_LOWEST, "SELECT id FROM rows INDEXED BY rows_by_priority WHERE priority = ?1 AND priority <> 2 "             \
                  "ORDER BY id LIMIT 1")                                                                               \
    X(ROW_NORMAL, "SELECT id FROM rows NOT INDEXED WHERE priority = 2 AND id > ?1 ORDER BY id LIMIT 1")                \
    X(STREAM_STORE, "REPLACE INTO streams VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                       \
    X(STREAM_DELETE, "DELETE FROM streams WHERE epoch = ?1 AND topic = ?2")                                            \
    X(STREAM_LOAD, "SELECT * FROM streams ORDER BY epoch, topic")                                                      \
    X(EPOCH_LAST, "SELECT coalesce(max(epoch), 0) FROM epochs")                                                        \
    X(EPOCH_STORE, "INSERT INTO epochs VALUES(?1)")                                                                    \
    X(EPOCH_DELETE, "DELETE FROM epochs WHERE epoch < ?1")                                                             \
    X(FEED_STORE, "INSERT INTO feeds VALUES(?1, ?2, ?3, ?4) ON CONFLICT(feed) DO UPDATE "                              \
                  "SET line = excluded.line, state = coalesce(excluded.state, state), touched_ms = "                   \
                  "max(excluded.touched_ms, touched_ms)")                                                              \
    X(FEED_LOAD, "SELECT line, state FROM feeds WHERE feed = ?1")                                                      \
    X(FEED_COUNT, "SELECT count(*) FROM feeds")                                                                        \
    X(FEED_DATE, "UPDATE feeds SET touched_ms = ?1 WHERE touched_ms <= 0")                                             \
    X(FEED_FORGET, "DELETE FROM feeds WHERE feed IN (SELECT feed FROM feeds WHERE touched_ms < ?1 "                    \
                   "ORDER BY touched_ms LIMIT ?2)")

typedef enum weft__sql {
#define X(name, text) WEFT__SQL_##name,
    WEFT__SQL_MAP(X)
#undef X
        WEFT__SQL_COUNT
} weft__sql;

/* What the streams table holds of one stream. */
typedef struct weft__stream_totals {
    uint64_t last_seq;
    uint64_t acked_seq;
    int64_t last_id; /* of the newest row it ever had */
    uint64_t rows;
    uint64_t row_bytes;
    uint64_t pending_rows;
    uint64_t pending_events;
    uint64_t events;  /* ever appended; 0: not known, as it was begun by a version that did not count */
    uint64_t gone_ms; /* newest accepted_ms of the rows deleted; 0: none, or not known */
} weft__stream_totals;

/* What the index alone tells of a row. */
typedef struct weft__row_head {
    int64_t id; /* 0: none */
    uint64_t last_seq;
    uint32_t event_count;
} weft__row_head;

typedef struct weft__stream {
    uint64_t epoch;
    weft_topic topic;
    weft__stream_totals totals;
    weft__stream_totals before; /* valid if touched: the totals when the transaction began */
    bool touched;               /* changed by the open transaction */
    bool dirty;                 /* differs from the streams table */
    bool forgotten;             /* leaves memory when the open transaction commits */
    weft__row_head head;        /* of the walk or trim that runs now */
    weft__row_head given;       /* newest row a pending walk has given: the next walk starts behind it */
} weft__stream;

struct weft__journal {
    /* const after open */
    const weft__disk *disk;
    char *path; /* NULL: in memory */
    uint64_t max_bytes;
    uint64_t retention_ms;
    int lock; /* of the disk; -1: none */

    /* journal thread only */
    sqlite3 *db;
    sqlite3_stmt *sql[WEFT__SQL_COUNT];
    weft__gather *gather;  /* NULL: frames are written one by one */
    weft__stream *streams; /* sorted by (epoch, topic) */
    size_t stream_count;
    size_t stream_capacity;
    int64_t last_id;
    int64_t normal_after;   /* no row up to here has normal priority */
    uint64_t reserve_bytes; /* 0: none is wanted, or the disk cannot */
    bool reserve_given;     /* to the disk, and not held again */
    bool damage_seen;       /* close leaves the WAL in place, so that the next open checks and salvages */
    char *damaged_path;     /* what open moved aside; NULL: nothing */

    /* Held by a transaction from begin to end, and by a checkpoint while it empties the WAL. Innermost. */
    pthread_mutex_t write_lock;

    _Atomic uint64_t commits;   /* transactions since open */
    _Atomic uint32_t wal_pages; /* in the WAL after the newest commit */

    /* [checkpoint_lock], taken after sync_lock and before write_lock */
    pthread_mutex_t checkpoint_lock;
    sqlite3 *checkpointer;

    /* [sync_lock], outermost */
    pthread_mutex_t sync_lock;
    int wal;          /* a file of the disk; -1: none */
    uint64_t synced;  /* commits known to be on disk */
    bool sync_failed; /* the kernel may have dropped pages: only an emptied WAL is trusted again */
};

/* ---- journal_db.c ---- */

/* Translates a result of SQLite on that connection. */
weft_status weft__journal_status(sqlite3 *db, int rc);
/* As weft__journal_status, and remembers damage. */
weft_status weft__journal_result(weft__journal *j, int rc);
/* A text in the thread's own buffer, valid until its next call. */
const char *weft__journal_reason(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the database at j->path (created if empty), prepares all statements, loads the streams. `check` reads every
 * page. On failure everything is closed again. Returns OK, CORRUPT, UNSUPPORTED, INVALID, IO, NO_SPACE, NO_MEMORY. */
weft_status weft__journal_db_open(weft__journal *j, bool check, const char **reason);
void weft__journal_db_close(weft__journal *j);

sqlite3_stmt *weft__journal_bind(weft__journal *j, weft__sql sql, const uint64_t *values, int count);
/* Runs a statement that gives no rows. */
weft_status weft__journal_run(weft__journal *j, weft__sql sql, const uint64_t *values, int count);

/* begin; end commits what status says OK of, with the streams that changed, and otherwise rolls back, also in memory.
 * Returns status, or why it could not be committed. */
weft_status weft__journal_begin(weft__journal *j);
weft_status weft__journal_end(weft__journal *j, weft_status status);

/* ---- journal_stream.c ---- */

uint64_t weft__topic_number(weft_topic topic);
weft_status weft__streams_load(weft__journal *j);
weft__stream *weft__stream_find(weft__journal *j, uint64_t epoch, weft_topic topic);
/* As find, made if missing; pointers to streams end here. NULL: out of memory. */
weft__stream *weft__stream_obtain(weft__journal *j, uint64_t epoch, weft_topic topic);
/* Before changing totals inside a transaction. */
void weft__stream_touch(weft__stream *s);
weft_status weft__streams_store(weft__journal *j);
void weft__streams_committed(weft__journal *j);
void weft__streams_rolled_back(weft__journal *j);

/* ---- journal_sync.c ---- */

/* The last user left a WAL: a sync of it may have failed, of which the kernel tells nobody again. Moves it into the
 * database now, or else at the first sync. */
void weft__journal_sync_distrust(weft__journal *j);

/* ---- journal_gather.c ---- */

/* Puts itself before the WAL's file of a connection, whose every commit is then one write or a few. Free it once the
 * connection is closed. NULL: no memory, or the database has no WAL; both do no harm. */
weft__gather *weft__gather_create(sqlite3 *db);
void weft__gather_free(weft__gather *g);

/* ---- journal_feed.c ---- */

/* Inside a transaction. */
weft_status weft__feed_store(weft__journal *j, const weft__feed_mark *mark);
/* Inside a transaction. Forgets feeds as journal.h says. */
weft_status weft__feeds_trim(weft__journal *j, int64_t now_ms);

/* ---- journal_row.c ---- */

/* Whether the numbers of a row are ones that the journal can hold. */
bool weft__row_valid(const weft__journal_row *row);
/* Inside a transaction. Sets the id. Returns INVALID if the row does not follow its stream's last. */
weft_status weft__row_insert(weft__journal *j, weft__journal_row *row);
weft_status weft__row_delete(weft__journal *j, weft__stream *s, const weft__journal_row *row);
/* The first row of a stream with last_seq > after_seq and id > after_id. Returns OK or NOT_FOUND, or a failure. */
weft_status weft__row_next(weft__journal *j, const weft__stream *s, uint64_t after_seq, int64_t after_id,
                           weft__row_head *ret);
/* Reads a row that the index names. Where the table does not give it whole, bytes is NULL and the rest is what the
 * index knows. Bytes are valid until weft__row_done. */
weft_status weft__row_fetch(weft__journal *j, const weft__stream *s, const weft__row_head *head,
                            weft__journal_row *ret);
void weft__row_done(weft__journal *j);
/* Reads a row without its bytes, unchecked. Returns CORRUPT if it is not there. */
weft_status weft__row_measure(weft__journal *j, int64_t id, weft__journal_row *ret);
/* Columns of WEFT__ROW_HEAD and bytes; returns whether the checksum over the head holds. */
bool weft__row_decode(sqlite3_stmt *stmt, weft__journal_row *ret);
/* Whether the message's checksum holds, if it has one. */
bool weft__row_bytes_hold(const weft__journal_row *row);

/* ---- journal_trim.c ---- */

/* Deletes all acknowledged rows, or all rows. */
weft_status weft__journal_clear(weft__journal *j, bool pending_too);

/* ---- journal_reserve.c ---- */

/* Decides how much to hold, and tries to. */
void weft__reserve_open(weft__journal *j, uint64_t wanted);
/* Gives the room of the reserve at that path back. Returns whether there was any. */
bool weft__reserve_remove(const weft__disk *disk, const char *path);
/* The same for an open journal: what has found no space may be tried again. */
bool weft__reserve_give(weft__journal *j);

/* ---- journal_scan.c ---- */

/* Where rows behind `id` cannot be read: the next id behind which they can. `scan` selects rows with id > ?1 in order.
 * Returns false if nothing behind it can be read. */
bool weft__scan_cross(sqlite3_stmt *scan, int64_t *id);

/* ---- journal_salvage.c ---- */

/* Replaces the damaged file at j->path (closed) by a new one with what can be read of it. Sets damaged_path. */
weft_status weft__journal_salvage(weft__journal *j, const char **reason);

/* ---- journal_file.c ---- */

/* Makes the directory, finds the canonical path (*ret_path, malloc'ed) and takes the lock. */
weft_status weft__journal_file_lock(const weft__disk *disk, const char *path, char **ret_path, int *ret_lock,
                                    const char **reason);
/* Creates the file if missing and gives it 0600. */
weft_status weft__journal_file_create(const weft__disk *disk, const char *path, const char **reason);
/* Whether a WAL is there: the last user did not close. */
bool weft__journal_file_unclean(const weft__disk *disk, const char *path);
/* path + suffix, malloc'ed. */
char *weft__journal_file_name(const char *path, const char *suffix);
/* Deletes a database with its WAL. */
void weft__journal_file_remove(const weft__disk *disk, const char *path);
/* Declares path.salvage complete, and puts it in the place of path, which is moved aside to *ret_aside (malloc'ed). */
weft_status weft__journal_file_replace(const weft__disk *disk, const char *path, char **ret_aside);
/* Goes on with a replacement that a crash interrupted; removes a salvage that was not complete. */
weft_status weft__journal_file_recover(const weft__disk *disk, const char *path, char **ret_aside);
/* Makes names in the directory of path durable. */
weft_status weft__journal_file_sync_names(const weft__disk *disk, const char *path);
weft_status weft__journal_errno_status(int error);

#endif
