/* bridge/journal_scan.c: finds the way round rows that cannot be read.
 *
 * The search for the next position that can be read doubles its step and then halves it, so that a lost page costs the
 * rows on it and no others. */
#include "bridge/journal_db.h"

#include <sqlite3.h>

static bool position_readable(sqlite3_stmt *scan, int64_t id)
{
    (void)sqlite3_reset(scan);
    (void)sqlite3_bind_int64(scan, 1, id);
    int rc = sqlite3_step(scan);
    (void)sqlite3_reset(scan);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool weft__scan_cross(sqlite3_stmt *scan, int64_t *id)
{
    int64_t readable = 1, unreadable = 0;
    while (!position_readable(scan, *id + readable)) {
        if (readable > (INT64_MAX - *id) / 4)
            return false;
        unreadable = readable;
        readable *= 2;
    }
    while (readable - unreadable > 1) {
        int64_t middle = unreadable + (readable - unreadable) / 2;
        if (position_readable(scan, *id + middle))
            readable = middle;
        else
            unreadable = middle;
    }
    *id += readable;
    return true;
}
