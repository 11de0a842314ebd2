/* bridge/journal_file.c: the journal's names, directory, lock and permissions; what it does to files itself.
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
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool file_exists(const char *path, const char *suffix)
{
    struct stat info;
    char *name = weft__journal_file_name(path, suffix);
    bool exists = name != NULL && stat(name, &info) == 0;
    free(name);
    return exists;
}

bool weft__journal_file_unclean(const char *path)
{
    return file_exists(path, "-wal");
}

static void file_unlink(const char *path, const char *suffix)
{
    char *name = weft__journal_file_name(path, suffix);
    if (name != NULL)
        (void)unlink(name);
    free(name);
}

void weft__journal_file_remove(const char *path)
{
    file_unlink(path, "");
    file_unlink(path, "-wal");
    file_unlink(path, "-shm");
}

/* Makes the directories of a file name that are missing; name is changed while this runs, and as before afterwards. */
static int directories_make(char *name)
{
    for (char *slash = strchr(name + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(name, 0700) != 0 ? errno : 0;
        if (failed == 0 && chmod(name, 0700) != 0) /* whatever the umask took */
            failed = errno;
        *slash = '/';
        if (failed != 0 && failed != EEXIST && failed != EROFS && failed != EACCES)
            return failed;
    }
    return 0;
}

/* The canonical name, so that SQLite, which resolves links, and we agree on the names beside it. */
static char *path_resolve(const char *path)
{
    char *whole = realpath(path, NULL);
    if (whole != NULL || errno != ENOENT)
        return whole;
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    char *resolved = directory == NULL ? NULL : realpath(directory, NULL);
    free(directory);
    if (resolved == NULL)
        return NULL;
    size_t length = strlen(resolved) + strlen(path) + 2;
    whole = malloc(length);
    if (whole != NULL)
        (void)snprintf(whole, length, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved,
                       slash == NULL ? path : slash + 1);
    free(resolved);
    return whole;
}

static weft_status lock_take(const char *path, int *ret_fd, const char **reason)
{
    char *name = weft__journal_file_name(path, ".lock");
    if (name == NULL)
        return WEFT_NO_MEMORY;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(name);
    if (fd < 0) {
        *reason = weft__journal_reason("%s.lock: %s", path, strerror(errno));
        return weft__journal_errno_status(errno);
    }
    (void)fchmod(fd, 0600);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        (void)close(fd);
        *reason = error == EWOULDBLOCK ? weft__journal_reason("%s: open in another process", path)
                                       : weft__journal_reason("%s.lock: %s", path, strerror(error));
        return error == EWOULDBLOCK ? WEFT_EXISTS : weft__journal_errno_status(error);
    }
    *ret_fd = fd;
    return WEFT_OK;
}

weft_status weft__journal_file_lock(const char *path, char **ret_path, int *ret_lock_fd, const char **reason)
{
    size_t length = strlen(path);
    if (length == 0 || length > PATH_MAX - 64 || path[length - 1] == '/') {
        *reason = "the journal's path is empty, too long, or a directory";
        return WEFT_INVALID;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return WEFT_NO_MEMORY;
    int error = directories_make(copy);
    free(copy);
    char *resolved = error == 0 ? path_resolve(path) : NULL;
    if (resolved == NULL) {
        error = error != 0 ? error : errno;
        *reason = weft__journal_reason("%s: %s", path, strerror(error));
        return weft__journal_errno_status(error);
    }
    weft_status st = lock_take(resolved, ret_lock_fd, reason);
    if (st == WEFT_OK)
        *ret_path = resolved;
    else
        free(resolved);
    return st;
}

void weft__journal_file_unlock(int lock_fd)
{
    /* Said aloud, because a child forked meanwhile may still hold the descriptor. */
    (void)flock(lock_fd, LOCK_UN);
    (void)close(lock_fd);
}

weft_status weft__journal_file_create(const char *path, const char **reason)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || (S_ISREG(info.st_mode) && fchmod(fd, 0600) != 0)) {
        int error = errno;
        *reason = weft__journal_reason("%s: %s", path, strerror(error));
        if (fd >= 0)
            (void)close(fd);
        return error == EISDIR ? WEFT_INVALID : weft__journal_errno_status(error);
    }
    (void)close(fd);
    if (S_ISREG(info.st_mode))
        return WEFT_OK;
    *reason = weft__journal_reason("%s: not a regular file", path);
    return WEFT_INVALID;
}

weft_status weft__journal_file_sync_names(const char *path)
{
    char *directory = strdup(path);
    if (directory == NULL)
        return WEFT_NO_MEMORY;
    char *slash = strrchr(directory, '/'); /* the path is canonical: there is one */
    slash[slash == directory] = '\0';
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0)
        return weft__journal_errno_status(errno);
    /* EINVAL: a file system that has no such operation. */
    weft_status st = fsync(fd) == 0 || errno == EINVAL ? WEFT_OK : weft__journal_errno_status(errno);
    (void)close(fd);
    return st;
}

static weft_status file_move(const char *from, const char *from_suffix, const char *to, const char *to_suffix)
{
    char *source = weft__journal_file_name(from, from_suffix);
    char *target = weft__journal_file_name(to, to_suffix);
    weft_status st = source == NULL || target == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    if (st == WEFT_OK && rename(source, target) != 0 && errno != ENOENT)
        st = weft__journal_errno_status(errno);
    free(source);
    free(target);
    return st;
}

static char *aside_name(const char *path)
{
    char suffix[24];
    int n = 1;
    do
        (void)snprintf(suffix, sizeof suffix, ".damaged-%d", n);
    while (file_exists(path, suffix) && n++ < ASIDE_MAX);
    return weft__journal_file_name(path, suffix);
}

/* PATH.salvaged is complete: everything from here on can be repeated. */
static weft_status salvaged_place(const char *path, char **ret_aside)
{
    char *aside = aside_name(path);
    if (aside == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = file_move(path, "-wal", aside, "-wal");
    if (st == WEFT_OK)
        st = file_move(path, "-shm", aside, "-shm");
    if (st == WEFT_OK)
        st = file_move(path, "", aside, "");
    if (st == WEFT_OK)
        st = file_move(path, ".salvaged", path, "");
    if (st == WEFT_OK)
        st = weft__journal_file_sync_names(path);
    if (st != WEFT_OK) {
        free(aside);
        return st;
    }
    free(*ret_aside);
    *ret_aside = aside;
    return WEFT_OK;
}

weft_status weft__journal_file_replace(const char *path, char **ret_aside)
{
    weft_status st = file_move(path, ".salvage", path, ".salvaged");
    if (st == WEFT_OK)
        st = weft__journal_file_sync_names(path);
    return st == WEFT_OK ? salvaged_place(path, ret_aside) : st;
}

weft_status weft__journal_file_recover(const char *path, char **ret_aside)
{
    char *unfinished = weft__journal_file_name(path, ".salvage");
    if (unfinished == NULL)
        return WEFT_NO_MEMORY;
    weft__journal_file_remove(unfinished);
    free(unfinished);
    return file_exists(path, ".salvaged") ? salvaged_place(path, ret_aside) : WEFT_OK;
}
