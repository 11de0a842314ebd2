/* weft/journal.h: looks into a node's journal from outside, whether the node runs or not.
 *
 * A view only reads: a running node's appends do not wait for it, and it takes none of the node's locks. (While a walk
 * runs, the node's write-ahead log cannot be begun anew and may grow.) It sees what is written, synchronised or not.
 * Purging needs the journal for itself and is refused while a node runs.
 *
 * Threads: a view belongs to one thread at a time. */
#ifndef WEFT_JOURNAL_H
#define WEFT_JOURNAL_H

#include "weft/event.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_journal_view weft_journal_view;

/* Opens a journal to read it. reason, if not NULL, gets a text on failure that names the file, valid until the
 * thread's next call here.
 * Returns OK, NOT_FOUND, INVALID (not a journal), UNSUPPORTED (of a newer version), CORRUPT (not even its tables can
 * be read), IO or NO_MEMORY. */
weft_status weft_journal_view_open(const char *path, weft_journal_view **ret, const char **reason);
/* NULL is fine. */
void weft_journal_view_close(weft_journal_view *v);

typedef struct weft_journal_totals {
    uint64_t epoch; /* the newest; 0: none yet */
    uint64_t streams;
    uint64_t feeds;
    uint64_t rows; /* a row is one message: a batch of events of one stream */
    uint64_t row_bytes;
    uint64_t events;
    uint64_t pending_rows; /* not yet acknowledged by the broker */
    uint64_t pending_events;
    int64_t oldest_ms; /* accepted; 0: no rows */
    int64_t newest_ms;
    uint64_t file_bytes;
    uint64_t log_bytes;     /* write-ahead log: what is not in the file yet, and room that it keeps */
    uint64_t reserve_bytes; /* held for the day when the disk is full */
} weft_journal_totals;

/* Returns OK, CORRUPT, IO or NO_MEMORY. */
weft_status weft_journal_view_totals(weft_journal_view *v, weft_journal_totals *ret);

/* Functions that a walk calls; anything but WEFT_OK ends the walk and is returned. What they get is valid for the call.
 */
typedef struct weft_journal_stream {
    uint64_t epoch;
    weft_topic topic;
    uint64_t last_seq;  /* last assigned */
    uint64_t acked_seq; /* the broker has acknowledged all up to here */
    uint64_t rows;
    uint64_t row_bytes;
    uint64_t pending_rows;
    uint64_t pending_events;
} weft_journal_stream;
typedef weft_status (*weft_journal_stream_fn)(const weft_journal_stream *stream, void *user);
weft_status weft_journal_view_streams(weft_journal_view *v, weft_journal_stream_fn fn, void *user);

typedef struct weft_journal_feed {
    const char *feed;
    uint64_t line;
    uint64_t state_bytes;
    int64_t touched_ms; /* when it last moved; 0: before journals kept that */
} weft_journal_feed;
typedef weft_status (*weft_journal_feed_fn)(const weft_journal_feed *feed, void *user);
weft_status weft_journal_view_feeds(weft_journal_view *v, weft_journal_feed_fn fn, void *user);

typedef struct weft_journal_entry {
    int64_t row;
    uint64_t epoch;
    weft_topic topic; /* 0: damaged */
    uint64_t prev_seq;
    uint64_t first_seq;
    uint64_t last_seq;
    uint32_t event_count;
    weft_priority priority; /* highest in it */
    int64_t accepted_ms;    /* newest in it */
    uint64_t bytes;
    bool pending;
    const char *damage; /* NULL: sound; static */
} weft_journal_entry;

/* What a walk is about; zeroed: everything. */
typedef struct weft_journal_query {
    uint32_t topics;        /* mask; 0: all */
    const char *session_id; /* NULL: all; rows have no session: walks over rows ignore it */
    int64_t since_ms;       /* accepted at or after; 0: no bound. A row counts by its newest event */
    int64_t until_ms;       /* accepted before; 0: no bound */
    bool pending_only;
} weft_journal_query;

/* Rows in the order they were written. */
typedef weft_status (*weft_journal_entry_fn)(const weft_journal_entry *entry, void *user);
weft_status weft_journal_view_rows(weft_journal_view *v, const weft_journal_query *query, weft_journal_entry_fn fn,
                                   void *user);

/* Events in the order they were written; damaged rows are given to on_damaged (may be NULL) and passed over. */
typedef weft_status (*weft_journal_event_fn)(const weft_event *event, void *user);
weft_status weft_journal_view_events(weft_journal_view *v, const weft_journal_query *query, weft_journal_event_fn fn,
                                     weft_journal_entry_fn on_damaged, void *user);

/* Something that verifying has found. */
typedef struct weft_journal_finding {
    bool damage; /* else a remark: nothing is wrong with the journal itself */
    int64_t row; /* 0: not about one row; so for all below */
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq; /* events concerned; 0: not known */
    uint64_t to_seq;
    const char *text; /* "the message's checksum does not hold" */
} weft_journal_finding;
typedef void (*weft_journal_finding_fn)(const weft_journal_finding *finding, void *user);

/* Reads everything: pages and indexes, each row's checksums, that its message can be decoded and is what the row says,
 * that each stream's rows follow each other, and that the streams' totals are those of their rows. *ret_damage counts
 * what is wrong. Returns OK (all was looked at, whatever was found), IO or NO_MEMORY. */
weft_status weft_journal_view_verify(weft_journal_view *v, weft_journal_finding_fn fn, void *user,
                                     uint64_t *ret_damage);

typedef struct weft_journal_purge {
    bool pending_too; /* also what the broker has not acknowledged: it is never sent, and reported lost */
    bool dry;         /* only counts */
} weft_journal_purge;

typedef struct weft_journal_purged {
    uint64_t rows;
    uint64_t events;
    uint64_t pending_events; /* of those */
    uint64_t bytes;          /* of those rows */
    uint64_t file_bytes;     /* by which the file has shrunk */
} weft_journal_purged;

/* Deletes acknowledged rows of a journal that is not in use, and gives their room back to the file system. Others can
 * not be healed from it any more. Positions, epochs and feeds stay. A damaged journal is salvaged first.
 * Returns OK, NOT_FOUND, EXISTS (a node has it open), or as opening it for use does; reason as above. */
weft_status weft_journal_purge_path(const char *path, const weft_journal_purge *what, weft_journal_purged *ret,
                                    const char **reason);

#ifdef __cplusplus
}
#endif
#endif
