/* bridge/journal_feed.c: how far feeds have come, and for how long that is remembered (bridge/journal.h has the rule).
 *
 * Forgetting is looked at by the trim, a few at a time. Journals of version 1 did not date their feeds: such marks
 * count from the first trim that would look at their age. */
#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { FEEDS_CHUNK = 256 };

weft_status weft__feed_store(weft__journal *j, const weft__feed_mark *mark)
{
    sqlite3_stmt *stmt = j->sql[WEFT__SQL_FEED_STORE];
    (void)sqlite3_bind_text(stmt, 1, mark->feed, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)mark->line);
    if (mark->state == NULL)
        (void)sqlite3_bind_null(stmt, 3);
    else
        (void)sqlite3_bind_blob64(stmt, 3, mark->state, mark->state_bytes, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 4, mark->touched_ms);
    weft_status st = weft__journal_run(j, WEFT__SQL_FEED_STORE, NULL, 0);
    (void)sqlite3_clear_bindings(stmt); /* they pointed into the caller's memory */
    return st;
}

static weft_status feeds_count(weft__journal *j, uint64_t *ret)
{
    sqlite3_stmt *stmt = j->sql[WEFT__SQL_FEED_COUNT];
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    *ret = st == WEFT_OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return st;
}

static weft_status feeds_forget(weft__journal *j, int64_t before_ms, uint64_t count)
{
    const uint64_t values[] = {(uint64_t)before_ms, count < FEEDS_CHUNK ? count : FEEDS_CHUNK};
    return weft__journal_run(j, WEFT__SQL_FEED_FORGET, values, 2);
}

weft_status weft__feeds_trim(weft__journal *j, int64_t now_ms)
{
    uint64_t count;
    weft_status st = feeds_count(j, &count);
    if (st != WEFT_OK || count <= WEFT__FEEDS_MAX || now_ms <= WEFT__FEED_KEPT_MS)
        return st;
    st = weft__journal_run(j, WEFT__SQL_FEED_DATE, (const uint64_t[]){(uint64_t)now_ms}, 1);
    if (st == WEFT_OK)
        st = feeds_forget(j, now_ms - WEFT__FEED_KEPT_MS, count - WEFT__FEEDS_MAX);
    if (st == WEFT_OK)
        st = feeds_count(j, &count);
    if (st == WEFT_OK && count > 2 * WEFT__FEEDS_MAX)
        st = feeds_forget(j, INT64_MAX, count - 2 * WEFT__FEEDS_MAX);
    return st;
}

static weft_status feed_read(sqlite3_stmt *stmt, uint64_t *ret_line, char **ret_state, size_t *ret_state_bytes)
{
    size_t length = (size_t)sqlite3_column_bytes(stmt, 1);
    char *state = NULL;
    if (sqlite3_column_type(stmt, 1) != SQLITE_NULL) {
        state = malloc(length + 1);
        if (state == NULL)
            return WEFT_NO_MEMORY;
        if (length > 0)
            memcpy(state, sqlite3_column_blob(stmt, 1), length);
        state[length] = '\0';
    }
    *ret_line = (uint64_t)sqlite3_column_int64(stmt, 0);
    *ret_state = state;
    *ret_state_bytes = length;
    return WEFT_OK;
}

/* Of a feed that has no mark. */
static weft_status feed_welcome(weft__journal *j)
{
    uint64_t count;
    weft_status st = feeds_count(j, &count);
    if (st != WEFT_OK)
        return st;
    return count < WEFT__FEEDS_MAX ? WEFT_NOT_FOUND : WEFT_FULL;
}

weft_status weft__journal_feed(weft__journal *j, const char *feed, uint64_t *ret_line, char **ret_state,
                               size_t *ret_state_bytes)
{
    sqlite3_stmt *stmt = j->sql[WEFT__SQL_FEED_LOAD];
    (void)sqlite3_bind_text(stmt, 1, feed, -1, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    weft_status st = rc == SQLITE_DONE ? WEFT_NOT_FOUND : weft__journal_result(j, rc);
    if (st == WEFT_OK)
        st = feed_read(stmt, ret_line, ret_state, ret_state_bytes);
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return st == WEFT_NOT_FOUND ? feed_welcome(j) : st;
}
