/* weft/recorder.h: collects the events of the fabric in one SQLite database, each exactly once.
 *
 * A durable cursor (weft/cursor.h) whose effects, rows, are in its own database: an event's row and the place behind it
 * are committed together. Whoever is killed whenever, recorder, broker or publisher, what was missed is asked for again
 * when they are back, and no row comes twice. After a power cut of the recorder's host its newest rows may be gone, and
 * are asked for again. docs/recorder.md has the tables. */
#ifndef WEFT_RECORDER_H
#define WEFT_RECORDER_H

#include "weft/bridge.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_recorder weft_recorder;

typedef struct weft_recorder_opts {
    const char *path;      /* of the database */
    uint32_t topics;       /* durable ones; 0: all of them */
    int64_t since_ms;      /* a new database begins with what was accepted then (wall clock); 0: now */
    uint64_t retain_ms;    /* rows of events accepted longer ago go; 0: all are kept */
    uint64_t retain_bytes; /* the oldest rows go beyond so much; the file does not shrink, its room is used again. 0:
                            * all are kept */
} weft_recorder_opts;

/* Opens or goes on. Ownership: close it before the bridge is destroyed; strings are copied.
 * Returns as weft_cursor_open. */
weft_status weft_recorder_open(weft_bridge *b, const weft_recorder_opts *opts, weft_recorder **ret,
                               const char **reason);
typedef struct weft_recorder_stats {
    int64_t since_ms;     /* where it began when the database was new */
    uint64_t rows;        /* in the table of events */
    uint64_t recorded;    /* events, by this life */
    uint64_t lost_ranges; /* noted in the table of losses, by this life */
    uint64_t removed;     /* rows, because of their age or number */
    uint64_t healed;
    uint64_t dropped; /* whole messages, because it was behind; healed later */
    uint64_t bytes;   /* in use in the file */
    uint32_t open_gaps;
    weft_status status; /* why nothing can be written at the moment; it goes on trying */
} weft_recorder_stats;
void weft_recorder_get_stats(weft_recorder *r, weft_recorder_stats *ret);

/* Commits what has come, and frees. ret, if not NULL, gets the last figures. NULL is fine. */
void weft_recorder_close(weft_recorder *r, weft_recorder_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
