/* bridge/journal_file.c: the journal's names, directory, lock and moving aside; what it does to files itself, through
 * its disk (journal_disk.h).
 *
 * Beside PATH stand PATH-wal and PATH-shm (SQLite's), PATH.lock (ours, held by flock: it ends with the process however
 * that dies, and unlike SQLite's own locks it refuses a second opener in the same process too), and after damage
 * PATH.damaged-N, N from 1 to 9; the last is overwritten when all are taken, so that damage cannot fill a disk without
 * bound.
 *
 * A salvage is written to PATH.salvage, synced, and declared complete by renaming it to PATH.salvaged. From then on
 * every step can be repeated after a crash: WAL aside, damaged file aside, new file in place. The damaged file goes
 * last of its parts, so that its new name's number is the same each time.
 */
#include "bridge/journal_db.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASIDE_MAX = 9 };

weft_status weft__journal_errno_status(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WEFT_NO_SPACE;
    case ENOMEM:
        return WEFT_NO_MEMORY;
    default:
        return WEFT_IO;
    }
}

char *weft__journal_file_name(const char *path, const char *suffix)
{
    size_t length = strlen(path) + strlen(suffix) + 1;
    char *name = malloc(length);
    if (name != NULL)
        (void)snprintf(name, length, "%s%s", path, suffix);
    return name;
}

static bool file_exists(const weft__disk *disk, const char *path, const char *suffix)
{
    char *name = weft__journal_file_name(path, suffix);
    bool exists = name != NULL && disk->exists(disk->user, name);
    free(name);
    return exists;
}

bool weft__journal_file_unclean(const weft__disk *disk, const char *path)
{
    return file_exists(disk, path, "-wal");
}

static void file_remove(const weft__disk *disk, const char *path, const char *suffix)
{
    char *name = weft__journal_file_name(path, suffix);
    if (name != NULL)
        (void)disk->remove(disk->user, name);
    free(name);
}

void weft__journal_file_remove(const weft__disk *disk, const char *path)
{
    file_remove(disk, path, "");
    file_remove(disk, path, "-wal");
    file_remove(disk, path, "-shm");
}

/* Makes the directories of a file name that are missing; name is changed while this runs, and as before afterwards. */
static int directories_make(const weft__disk *disk, char *name)
{
    for (char *slash = strchr(name + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = disk->directory_make(disk->user, name);
        *slash = '/';
        if (failed != 0 && failed != EEXIST && failed != EROFS && failed != EACCES)
            return failed;
    }
    return 0;
}

static weft_status lock_take(const weft__disk *disk, const char *path, int *ret_lock, const char **reason)
{
    char *name = weft__journal_file_name(path, ".lock");
    if (name == NULL)
        return WEFT_NO_MEMORY;
    int error = disk->lock(disk->user, name, ret_lock);
    free(name);
    if (error == 0)
        return WEFT_OK;
    if (error == EWOULDBLOCK) {
        *reason = weft__journal_reason("%s: open in another process", path);
        return WEFT_EXISTS;
    }
    *reason = weft__journal_reason("%s.lock: %s", path, strerror(error));
    return weft__journal_errno_status(error);
}

weft_status weft__journal_file_lock(const weft__disk *disk, const char *path, char **ret_path, int *ret_lock,
                                    const char **reason)
{
    size_t length = strlen(path);
    if (length == 0 || length > PATH_MAX - 64 || path[length - 1] == '/') {
        *reason = "the journal's path is empty, too long, or a directory";
        return WEFT_INVALID;
    }
    char *copy = strdup(path), *resolved = NULL;
    if (copy == NULL)
        return WEFT_NO_MEMORY;
    int error = directories_make(disk, copy);
    free(copy);
    if (error == 0)
        error = disk->resolve(disk->user, path, &resolved);
    if (error != 0) {
        *reason = weft__journal_reason("%s: %s", path, strerror(error));
        return weft__journal_errno_status(error);
    }
    weft_status st = lock_take(disk, resolved, ret_lock, reason);
    if (st == WEFT_OK)
        *ret_path = resolved;
    else
        free(resolved);
    return st;
}

weft_status weft__journal_file_create(const weft__disk *disk, const char *path, const char **reason)
{
    int error = disk->create(disk->user, path);
    if (error == 0)
        return WEFT_OK;
    *reason = error == ENOTSUP ? weft__journal_reason("%s: not a regular file", path)
                               : weft__journal_reason("%s: %s", path, strerror(error));
    return error == ENOTSUP || error == EISDIR ? WEFT_INVALID : weft__journal_errno_status(error);
}

weft_status weft__journal_file_sync_names(const weft__disk *disk, const char *path)
{
    char *directory = strdup(path);
    if (directory == NULL)
        return WEFT_NO_MEMORY;
    char *slash = strrchr(directory, '/'); /* the path is canonical: there is one */
    slash[slash == directory] = '\0';
    int error = disk->directory_sync(disk->user, directory);
    free(directory);
    return error == 0 ? WEFT_OK : weft__journal_errno_status(error);
}

static weft_status file_move(const weft__disk *disk, const char *from, const char *from_suffix, const char *to,
                             const char *to_suffix)
{
    char *source = weft__journal_file_name(from, from_suffix);
    char *target = weft__journal_file_name(to, to_suffix);
    weft_status st = source == NULL || target == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    int error = st == WEFT_OK ? disk->rename(disk->user, source, target) : 0;
    if (error != 0 && error != ENOENT)
        st = weft__journal_errno_status(error);
    free(source);
    free(target);
    return st;
}

static char *aside_name(const weft__disk *disk, const char *path)
{
    char suffix[24];
    int n = 1;
    do
        (void)snprintf(suffix, sizeof suffix, ".damaged-%d", n);
    while (file_exists(disk, path, suffix) && n++ < ASIDE_MAX);
    return weft__journal_file_name(path, suffix);
}

/* PATH.salvaged is complete: everything from here on can be repeated. */
static weft_status salvaged_place(const weft__disk *disk, const char *path, char **ret_aside)
{
    char *aside = aside_name(disk, path);
    if (aside == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = file_move(disk, path, "-wal", aside, "-wal");
    if (st == WEFT_OK)
        st = file_move(disk, path, "-shm", aside, "-shm");
    if (st == WEFT_OK)
        st = file_move(disk, path, "", aside, "");
    if (st == WEFT_OK)
        st = file_move(disk, path, ".salvaged", path, "");
    if (st == WEFT_OK)
        st = weft__journal_file_sync_names(disk, path);
    if (st != WEFT_OK) {
        free(aside);
        return st;
    }
    free(*ret_aside);
    *ret_aside = aside;
    return WEFT_OK;
}

weft_status weft__journal_file_replace(const weft__disk *disk, const char *path, char **ret_aside)
{
    weft_status st = file_move(disk, path, ".salvage", path, ".salvaged");
    if (st == WEFT_OK)
        st = weft__journal_file_sync_names(disk, path);
    return st == WEFT_OK ? salvaged_place(disk, path, ret_aside) : st;
}

weft_status weft__journal_file_recover(const weft__disk *disk, const char *path, char **ret_aside)
{
    char *unfinished = weft__journal_file_name(path, ".salvage");
    if (unfinished == NULL)
        return WEFT_NO_MEMORY;
    weft__journal_file_remove(disk, unfinished);
    free(unfinished);
    return file_exists(disk, path, ".salvaged") ? salvaged_place(disk, path, ret_aside) : WEFT_OK;
}
