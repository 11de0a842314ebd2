/* bridge/journal.h: the outbox, the event store and the source of replays, in one SQLite database in WAL mode.
 *
 * A row is one encoded EventBatch, as it will be sent. A commit (weft__journal_append) makes rows survive the death of
 * the process; weft__journal_sync makes all earlier commits survive a power cut, and may run beside appends. An append
 * holds rows and feed marks: both are there, or neither.
 *
 * The journal also remembers the last seq assigned and acknowledged of each stream, also after retention has taken the
 * rows (of the 1,024 newest streams, and of all that have rows).
 *
 * Any call may return CORRUPT beside what it names: the file itself is damaged. Closing and opening it again salvages
 * what can be read.
 *
 * Threads: one thread (the journal thread) makes all calls, but those marked "any". The path is opened by one process
 * at a time: open locks it. */
#ifndef WEFT_BRIDGE_JOURNAL_H
#define WEFT_BRIDGE_JOURNAL_H

#include "bridge/control.h"
#include "bridge/journal_disk.h"

typedef struct weft__journal weft__journal;

#define WEFT__RESERVE_NONE UINT64_MAX

typedef struct weft__journal_opts {
    const char *path;       /* the database file; its directory is made if missing (0700), the file is 0600.
                               NULL: in memory, no durability */
    uint64_t max_bytes;     /* of rows; 0: 1 GiB */
    uint64_t retention_ms;  /* of acknowledged rows; 0: 7 days */
    const weft__disk *disk; /* NULL: the system's */
    uint64_t reserve_bytes; /* room held beside it; 0: 16 MiB, and no more than a part of the journal's bound and of the
                               file system; WEFT__RESERVE_NONE: none */
} weft__journal_opts;

typedef struct weft__journal_row {
    int64_t id; /* set by append; rises with every row */
    uint64_t epoch;
    weft_topic topic;
    uint64_t prev_seq;
    uint64_t first_seq;
    uint64_t last_seq;
    uint32_t event_count;
    weft_priority priority; /* highest in the batch */
    int64_t accepted_ms;    /* newest in the batch */
    uint64_t lost_before;   /* events of the stream given up between the row before and this one; only append looks */
    const uint8_t *bytes;
    size_t length;
} weft__journal_row;

/* How far a feed has come; committed with the events it produced. */
typedef struct weft__feed_mark {
    const char *feed;
    uint64_t line;
    const char *state; /* opaque to the journal; NULL: leaves the stored one */
    size_t state_bytes;
    int64_t touched_ms; /* when, by the publisher's clock */
} weft__feed_mark;

/* A mark is kept for as long as its feed comes back within FEED_KEPT_MS of the last time: beyond that the oldest go,
 * once there are more than FEEDS_MAX. While none is that old, feeds without a mark are turned away (weft__journal_feed
 * says FULL); marks of such as do not ask are stored up to twice that number, then the oldest go. */
enum { WEFT__FEEDS_MAX = 10000 };
#define WEFT__FEED_KEPT_MS (INT64_C(90) * 24 * 3600 * 1000)

/* Opens or creates. A damaged file is moved aside to PATH.damaged-N and *ret_damaged says so; rows that can still be
 * read are carried over. reason, if not NULL, gets a text (static or owned by the journal's thread) on failure.
 * Returns OK, INVALID (path), IO, NO_SPACE, EXISTS (another process has it open), UNSUPPORTED (written by a newer
 * version) or NO_MEMORY. */
weft_status weft__journal_open(const weft__journal_opts *opts, weft__journal **ret, bool *ret_damaged,
                               const char **reason);
/* Stores what is not stored yet, moves the WAL into the database and syncs it. NULL is fine. Blocks on the disk. */
void weft__journal_close(weft__journal *j);
/* Where open moved the damaged file; NULL: it moved none. Ownership: the journal's. Threads: any. */
const char *weft__journal_damaged_path(const weft__journal *j);

/* The largest epoch in use, 0 if none. */
weft_status weft__journal_last_epoch(weft__journal *j, uint64_t *ret);
/* Records a new epoch. Returns INVALID if it is not larger than all before, or over INT64_MAX. */
weft_status weft__journal_begin_epoch(weft__journal *j, uint64_t epoch);

/* Commits rows (and sets their ids) and marks in one transaction. On failure nothing of it is stored; the next append
 * works once the cause is gone. An unset priority becomes normal.
 * Returns OK, NO_SPACE, IO, NO_MEMORY, or INVALID: a row without bytes or topic, with first_seq not after prev_seq, or
 * not after the last seq appended to its stream. */
weft_status weft__journal_append(weft__journal *j, weft__journal_row *rows, size_t row_count,
                                 const weft__feed_mark *marks, size_t mark_count);

/* The reserve is given back to the disk by the first write that finds no space, which is then tried again. Whether that
 * has happened, and the room is not held again yet: the writer should keep what is left for what matters most. */
bool weft__journal_is_low(const weft__journal *j);
/* Holds the reserve again, if there is room for it and some more. Returns OK, also if it is held, or what the disk
 * says.
 */
weft_status weft__journal_reserve_restore(weft__journal *j);

/* Makes every append that has returned durable against power loss. Threads: any, one at a time. Blocks on the disk. */
weft_status weft__journal_sync(weft__journal *j);

/* Moves the WAL into the database when it has grown. Threads: any, one at a time (not the append's path). */
weft_status weft__journal_checkpoint(weft__journal *j);

/* Notes that the broker has acknowledged all of a stream up to seq. Stored with the next append, trim or close; a crash
 * before it causes resends only. Returns OK, or NOT_FOUND for a stream that never had a row. */
weft_status weft__journal_acknowledge(weft__journal *j, uint64_t epoch, weft_topic topic, uint64_t seq);

/* Called with each row in order; anything but WEFT_OK stops the walk and is returned. The row's bytes are valid for the
 * call. A row whose checksum fails is given with bytes NULL; if its other columns are damaged too, first_seq is the seq
 * after the row before it, and event_count may be 0. It may acknowledge, but must not append or trim. */
typedef weft_status (*weft__journal_row_fn)(const weft__journal_row *row, void *user);

/* Rows not yet acknowledged with id > after_id, by id, at most max. */
weft_status weft__journal_each_pending(weft__journal *j, int64_t after_id, size_t max, weft__journal_row_fn fn,
                                       void *user);
/* Rows of a stream that hold a seq in [from_seq, to_seq], in order. *ret_first_kept gets the first seq of the oldest
 * row kept of that stream (0: none): what lies before it is gone. */
weft_status weft__journal_each_in_range(weft__journal *j, uint64_t epoch, weft_topic topic, uint64_t from_seq,
                                        uint64_t to_seq, size_t max, weft__journal_row_fn fn, void *user,
                                        uint64_t *ret_first_kept);

/* Last seq assigned of every stream, and how many events it has had, newest epoch first, at most max. Returns how many.
 */
size_t weft__journal_positions(weft__journal *j, weft__position *positions, size_t max);
/* How many events of a stream are not acknowledged. */
uint64_t weft__journal_pending(weft__journal *j, uint64_t epoch, weft_topic topic);
/* The last seq assigned in a stream; 0 if it is not known. */
uint64_t weft__journal_last_seq(weft__journal *j, uint64_t epoch, weft_topic topic);
/* When the newest of a stream's rows that have been deleted was accepted; 0: none was, or it is not known. */
int64_t weft__journal_gone_ms(weft__journal *j, uint64_t epoch, weft_topic topic);
/* The seq up to which a stream is acknowledged; 0 if none. */
uint64_t weft__journal_acknowledged(weft__journal *j, uint64_t epoch, weft_topic topic);

/* Reads a feed's mark. Ownership: *ret_state is malloc'ed (NULL when there is none). Returns OK, NOT_FOUND, or FULL: it
 * has none, and there is no room for one. */
weft_status weft__journal_feed(weft__journal *j, const char *feed, uint64_t *ret_line, char **ret_state,
                               size_t *ret_state_bytes);

/* Deletes what retention no longer keeps: acknowledged rows first by age, then, while the rows exceed max_bytes, the
 * oldest acknowledged, then the oldest pending of the lowest priority, each of which is told to on_lost (may be NULL)
 * once it is gone, with bytes NULL. For their age a call deletes some thousand rows at most; the next goes on. Forgets
 * old feeds, too. */
typedef void (*weft__journal_lost_fn)(const weft__journal_row *row, void *user);
weft_status weft__journal_trim(weft__journal *j, int64_t now_ms, weft__journal_lost_fn on_lost, void *user);

typedef struct weft__journal_stats {
    uint64_t rows;
    uint64_t row_bytes;
    uint64_t pending_rows;
    uint64_t pending_events;
    int64_t newest_row; /* id; 0: none yet */
} weft__journal_stats;
void weft__journal_get_stats(weft__journal *j, weft__journal_stats *ret);

#endif
