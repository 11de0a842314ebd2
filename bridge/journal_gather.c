/* bridge/journal_gather.c: what a transaction writes into the WAL goes to the file in few large writes.
 *
 * SQLite writes each frame in two pieces, 24 bytes and a page, neither at a page's boundary of the file: a commit of
 * one event is six calls, and a full round some four hundred that each touch two pages of the cache. Here the pieces of
 * consecutive frames are put together and written when the frame that commits is complete, and its xWrite says how that
 * went, so that nothing is committed before it is in the file.
 *
 * Only frames appended where the last one ended are gathered; whatever else is written (the WAL's header, frames
 * written again) goes straight through, after what is held. The methods of the connection's own WAL file are replaced;
 * the VFS is not, nor what other connections see. Journal thread only. */
#include "bridge/journal_db.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUFFER_BYTES = 127 * 1024, /* SQLite's own VFS takes no more than 128 KiB less one at once */
    FRAME_HEADER_BYTES = 24,
    COMMIT_OFFSET = 4, /* in the frame's header: pages of the database after the commit; 0: it does not commit */
};

struct weft__gather {
    sqlite3_io_methods methods; /* first: found again by the file's pMethods */
    const sqlite3_io_methods *base;
    sqlite3_int64 start; /* of what is held, in the file */
    size_t length;
    sqlite3_int64 next; /* where the next frame is appended; -1: not known */
    sqlite3_int64 page; /* where the page of the newest frame header belongs; -1: no header without a page */
    bool commits;       /* that header */
    uint8_t buffer[BUFFER_BYTES];
};

static weft__gather *gather_of(sqlite3_file *file)
{
    return (weft__gather *)(uintptr_t)file->pMethods;
}

static int gather_flush(weft__gather *g, sqlite3_file *file)
{
    size_t length = g->length;
    g->length = 0;
    return length == 0 ? SQLITE_OK : g->base->xWrite(file, g->buffer, (int)length, g->start);
}

static int gather_through(weft__gather *g, sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    int rc = gather_flush(g, file);
    return rc == SQLITE_OK ? g->base->xWrite(file, bytes, count, offset) : rc;
}

static int gather_hold(weft__gather *g, sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    size_t size = (size_t)count;
    bool follows = offset == g->start + (sqlite3_int64)g->length;
    int rc = !follows || g->length + size > BUFFER_BYTES ? gather_flush(g, file) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    if (g->length == 0)
        g->start = offset;
    memcpy(g->buffer + g->length, bytes, size);
    g->length += size;
    return SQLITE_OK;
}

static int header_write(weft__gather *g, sqlite3_file *file, const uint8_t *header, sqlite3_int64 offset)
{
    static const uint8_t none[4];
    bool append = offset == g->next;
    g->page = offset + FRAME_HEADER_BYTES;
    g->commits = memcmp(header + COMMIT_OFFSET, none, sizeof none) != 0;
    return append ? gather_hold(g, file, header, FRAME_HEADER_BYTES, offset)
                  : gather_through(g, file, header, FRAME_HEADER_BYTES, offset);
}

static int page_write(weft__gather *g, sqlite3_file *file, const void *page, int count, sqlite3_int64 offset)
{
    bool append = offset == g->next + FRAME_HEADER_BYTES;
    int rc = append ? gather_hold(g, file, page, count, offset) : gather_through(g, file, page, count, offset);
    g->page = -1;
    g->next = rc == SQLITE_OK ? offset + count : -1;
    return rc == SQLITE_OK && g->commits ? gather_flush(g, file) : rc;
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    weft__gather *g = gather_of(file);
    if (count == FRAME_HEADER_BYTES)
        return header_write(g, file, bytes, offset);
    if (offset == g->page)
        return page_write(g, file, bytes, count, offset);
    g->page = -1;
    return gather_through(g, file, bytes, count, offset);
}

/* ---- everything else sees the file as written ---- */

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
    int rc = gather_flush(gather_of(file), file);
    return rc == SQLITE_OK ? gather_of(file)->base->xRead(file, bytes, count, offset) : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    weft__gather *g = gather_of(file);
    int rc = gather_flush(g, file);
    g->next = g->page = -1;
    return rc == SQLITE_OK ? g->base->xTruncate(file, size) : rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
    int rc = gather_flush(gather_of(file), file);
    return rc == SQLITE_OK ? gather_of(file)->base->xSync(file, flags) : rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    int rc = gather_flush(gather_of(file), file);
    return rc == SQLITE_OK ? gather_of(file)->base->xFileSize(file, ret) : rc;
}

/* What is held belongs to a transaction that did not commit. */
static int file_close(sqlite3_file *file)
{
    file->pMethods = gather_of(file)->base;
    return file->pMethods->xClose(file);
}

weft__gather *weft__gather_create(sqlite3 *db)
{
    sqlite3_file *wal = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK || wal == NULL ||
        wal->pMethods == NULL)
        return NULL;
    weft__gather *g = malloc(sizeof *g);
    if (g == NULL)
        return NULL;
    g->base = wal->pMethods;
    g->methods = *g->base;
    g->methods.xClose = file_close;
    g->methods.xRead = file_read;
    g->methods.xWrite = file_write;
    g->methods.xTruncate = file_truncate;
    g->methods.xSync = file_sync;
    g->methods.xFileSize = file_size;
    g->start = 0;
    g->length = 0;
    g->next = g->page = -1;
    wal->pMethods = &g->methods;
    return g;
}

void weft__gather_free(weft__gather *g)
{
    free(g);
}
