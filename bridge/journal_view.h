/* bridge/journal_view.h: what the files behind weft/journal.h share. */
#ifndef WEFT_BRIDGE_JOURNAL_VIEW_H
#define WEFT_BRIDGE_JOURNAL_VIEW_H

#include "bridge/journal_db.h"
#include "weft/journal.h"

struct weft_journal_view {
    sqlite3 *db;
    char *path;
    bool feeds_dated;             /* false in a journal of version 1 */
    weft_journal_stream *streams; /* sorted by (epoch, topic); as they were when the view was last refreshed */
    size_t stream_count;
};

/* Reads the table of streams anew. */
weft_status weft__view_refresh(weft_journal_view *v);
/* NULL if there is none. */
const weft_journal_stream *weft__view_stream(const weft_journal_view *v, uint64_t epoch, weft_topic topic);

/* A row with its message, and what is wrong with it; `unread`: rows from entry.row to entry.row + unread - 1 cannot be
 * read. */
typedef struct weft__view_row {
    weft_journal_entry entry;
    weft__journal_row row;
    int64_t unread;
} weft__view_row;
typedef weft_status (*weft__view_row_fn)(const weft__view_row *row, void *user);
/* Gives all rows in order of id, also damaged ones. Reads some at a time, unless the caller has begun a transaction. */
weft_status weft__view_each(weft_journal_view *v, weft__view_row_fn fn, void *user);

/* What is wrong with a row's message; NULL: nothing. */
const char *weft__view_message_check(const weft__journal_row *row);

#endif
