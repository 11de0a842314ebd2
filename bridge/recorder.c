/* bridge/recorder.c: a cursor whose effect is a row. Threads: the cursor's, but for open, close and get_stats. */
#include "weft/recorder.h"

#include "bridge/bridge_private.h"
#include "bridge/record_store.h"

#include <stdlib.h>
#include <string.h>

struct weft_recorder {
    /* const after open */
    weft_bridge *bridge;
    weft_recorder_opts opts;
    weft_cursor *cursor;

    weft__record_store *store; /* the cursor's turn */

    pthread_mutex_t mutex;
    uint64_t rows, bytes, removed; /* [mutex] as of the last idle time */
};

static weft_status store_open(void *user, weft__cursor_store *cursor)
{
    weft_recorder *r = user;
    return weft__record_store_open(cursor, &r->store);
}

static void figures_show(weft_recorder *r, uint64_t removed)
{
    uint64_t bytes = weft__record_store_bytes(r->store);
    pthread_mutex_lock(&r->mutex);
    r->rows = weft__record_store_rows(r->store);
    r->bytes = bytes;
    r->removed += removed;
    pthread_mutex_unlock(&r->mutex);
}

/* Before the database is closed. */
static void store_close(void *user)
{
    weft_recorder *r = user;
    figures_show(r, 0);
    weft__record_store_close(r->store);
    r->store = NULL;
}

static weft_status event_record(void *user, const weft_event *event)
{
    weft_recorder *r = user;
    return weft__record_store_add(r->store, event);
}

static weft_status lost_record(void *user, const weft_lost *lost)
{
    weft_recorder *r = user;
    return weft__record_store_add_lost(r->store, lost, weft_clock_wall_ms(r->bridge->clock));
}

static bool store_trim(void *user, int64_t wall_ms)
{
    enum { CHUNKS = 16 };
    weft_recorder *r = user;
    uint64_t removed = 1, sum = 0;
    int64_t keep_from = 0;
    if (r->opts.retain_ms > 0 && r->opts.retain_ms < (uint64_t)wall_ms)
        keep_from = wall_ms - (int64_t)r->opts.retain_ms;
    bool bounded = keep_from > 0 || r->opts.retain_bytes > 0;
    for (int i = 0; bounded && i < CHUNKS && removed > 0; i++) {
        removed = 0;
        (void)weft__record_store_trim(r->store, keep_from, r->opts.retain_bytes, &removed);
        sum += removed;
    }
    figures_show(r, sum);
    return bounded && removed > 0;
}

static void recorder_free(weft_recorder *r)
{
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

weft_status weft_recorder_open(weft_bridge *b, const weft_recorder_opts *opts, weft_recorder **ret, const char **reason)
{
    const char *ignored;
    reason = reason != NULL ? reason : &ignored;
    if (opts->path == NULL) {
        *reason = "path: missing";
        return WEFT_INVALID;
    }
    weft_recorder *r = calloc(1, sizeof *r);
    if (r == NULL)
        return WEFT_NO_MEMORY;
    *r = (weft_recorder){.bridge = b, .opts = *opts};
    r->opts.path = NULL;
    pthread_mutex_init(&r->mutex, NULL);
    weft_cursor_opts cursor = {
        .name = "recorder", .path = opts->path, .topics = opts->topics, .since_ms = opts->since_ms};
    weft__cursor_effect effect = {.inside = true,
                                  .tables = weft__record_tables,
                                  .open = store_open,
                                  .close = store_close,
                                  .event = event_record,
                                  .lost = lost_record,
                                  .idle = store_trim,
                                  .user = r};
    weft_status st = weft__cursor_open_with(b, &cursor, &effect, &r->cursor, reason);
    if (st != WEFT_OK) {
        recorder_free(r);
        return st;
    }
    *ret = r;
    return WEFT_OK;
}

void weft_recorder_get_stats(weft_recorder *r, weft_recorder_stats *ret)
{
    weft_cursor_stats cursor;
    weft_cursor_get_stats(r->cursor, &cursor);
    *ret = (weft_recorder_stats){.since_ms = cursor.since_ms,
                                 .recorded = cursor.handled,
                                 .lost_ranges = cursor.lost_ranges,
                                 .healed = cursor.healed,
                                 .dropped = cursor.dropped,
                                 .open_gaps = cursor.open_gaps,
                                 .status = cursor.store_status};
    pthread_mutex_lock(&r->mutex);
    ret->rows = r->rows;
    ret->bytes = r->bytes;
    ret->removed = r->removed;
    pthread_mutex_unlock(&r->mutex);
}

void weft_recorder_close(weft_recorder *r, weft_recorder_stats *ret)
{
    if (r == NULL)
        return;
    weft__cursor_end(r->cursor);
    if (ret != NULL)
        weft_recorder_get_stats(r, ret);
    weft__cursor_free(r->cursor);
    recorder_free(r);
}
