/* bridge/journal_reserve.c: room held for the day when the disk is full.
 *
 * PATH.reserve is a file of nothing, allocated when the journal opens. A write that finds no space removes it and is
 * tried again; from then on the journal is low, and its user keeps the room for what matters most. The file is made
 * again once it fits with a quarter to spare, so that a disk at its brim does not flip to and fro.
 *
 * A disk whose quota or file size limit is the obstacle gains nothing by it; nor does it cost anything. */
#include "bridge/journal_db.h"

#include <errno.h>
#include <stdlib.h>

enum { PART_OF_JOURNAL = 64, PART_OF_DISK = 16, RESERVE_MIN_BYTES = 16 * 1024 };

static const uint64_t default_bytes = 16 << 20;

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t bytes_choose(const weft__journal *j, uint64_t wanted)
{
    if (wanted == WEFT__RESERVE_NONE || j->path == NULL || j->disk->allocate == NULL)
        return 0;
    if (wanted != 0)
        return wanted;
    uint64_t capacity = j->disk->capacity != NULL ? j->disk->capacity(j->disk->user, j->path) : 0;
    uint64_t bytes = smaller(default_bytes, j->max_bytes / PART_OF_JOURNAL);
    bytes = capacity != 0 ? smaller(bytes, capacity / PART_OF_DISK) : bytes;
    return bytes < RESERVE_MIN_BYTES ? RESERVE_MIN_BYTES : bytes;
}

/* Returns 0 or an errno value. */
static int reserve_allocate(const weft__journal *j, uint64_t bytes)
{
    char *name = weft__journal_file_name(j->path, ".reserve");
    int error = name == NULL ? ENOMEM : j->disk->allocate(j->disk->user, name, bytes);
    free(name);
    return error;
}

void weft__reserve_open(weft__journal *j, uint64_t wanted)
{
    j->reserve_bytes = bytes_choose(j, wanted);
    int error = j->reserve_bytes > 0 ? reserve_allocate(j, j->reserve_bytes) : 0;
    j->reserve_given = error != 0 && weft__journal_errno_status(error) == WEFT_NO_SPACE;
    if (error != 0 && !j->reserve_given)
        j->reserve_bytes = 0;
}

bool weft__reserve_remove(const weft__disk *disk, const char *path)
{
    char *name = weft__journal_file_name(path, ".reserve");
    bool removed = name != NULL && disk->remove(disk->user, name) == 0;
    free(name);
    return removed;
}

bool weft__reserve_give(weft__journal *j)
{
    if (j->path == NULL || j->reserve_given || !weft__reserve_remove(j->disk, j->path))
        return false;
    j->reserve_given = j->reserve_bytes > 0;
    return true;
}

bool weft__journal_is_low(const weft__journal *j)
{
    return j->reserve_given;
}

weft_status weft__journal_reserve_restore(weft__journal *j)
{
    if (!j->reserve_given)
        return WEFT_OK;
    int error = reserve_allocate(j, j->reserve_bytes + j->reserve_bytes / 4);
    if (error == 0) {
        (void)weft__reserve_remove(j->disk, j->path);
        error = reserve_allocate(j, j->reserve_bytes);
    }
    if (error != 0)
        return weft__journal_errno_status(error);
    j->reserve_given = false;
    return WEFT_OK;
}
