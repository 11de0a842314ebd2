/* bridge/journal_disk.c: the system's files, as the journal uses them. Threads: any. */
#include "bridge/journal_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int result(int rc)
{
    return rc == 0 ? 0 : errno;
}

static int system_directory_make(void *user, const char *path)
{
    (void)user;
    int error = result(mkdir(path, 0700));
    return error == 0 ? result(chmod(path, 0700)) : error; /* whatever the umask took */
}

static int system_directory_sync(void *user, const char *path)
{
    (void)user;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = result(fsync(fd));
    (void)close(fd);
    return error == EINVAL ? 0 : error; /* EINVAL: a file system that has no such operation */
}

static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* So that SQLite, which resolves links, and we agree on the names beside it. */
static int system_resolve(void *user, const char *path, char **ret)
{
    (void)user;
    *ret = realpath(path, NULL);
    if (*ret != NULL || errno != ENOENT)
        return *ret != NULL ? 0 : errno;
    char *directory = directory_of(path);
    char *resolved = directory == NULL ? NULL : realpath(directory, NULL);
    int error = errno;
    free(directory);
    if (resolved == NULL)
        return error;
    const char *slash = strrchr(path, '/');
    size_t length = strlen(resolved) + strlen(path) + 2;
    *ret = malloc(length);
    if (*ret != NULL)
        (void)snprintf(*ret, length, "%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved,
                       slash == NULL ? path : slash + 1);
    free(resolved);
    return *ret != NULL ? 0 : ENOMEM;
}

static int system_create(void *user, const char *path)
{
    (void)user;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    struct stat info;
    int error = result(fstat(fd, &info));
    if (error == 0)
        error = S_ISREG(info.st_mode) ? result(fchmod(fd, 0600)) : ENOTSUP;
    (void)close(fd);
    return error;
}

static bool system_exists(void *user, const char *path)
{
    (void)user;
    struct stat info;
    return stat(path, &info) == 0;
}

static int system_remove(void *user, const char *path)
{
    (void)user;
    return result(unlink(path));
}

static int system_rename(void *user, const char *from, const char *to)
{
    (void)user;
    return result(rename(from, to));
}

static int system_allocate(void *user, const char *path, uint64_t bytes)
{
    (void)user;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno;
    int error = bytes > INT64_MAX ? EFBIG : posix_fallocate(fd, 0, (off_t)bytes);
    (void)close(fd);
    if (error != 0)
        (void)unlink(path);
    return error == EINVAL ? ENOTSUP : error;
}

static uint64_t system_capacity(void *user, const char *path)
{
    (void)user;
    struct statvfs info;
    char *directory = directory_of(path);
    bool known = directory != NULL && statvfs(directory, &info) == 0;
    free(directory);
    return known ? (uint64_t)info.f_blocks * info.f_frsize : 0;
}

static int system_lock(void *user, const char *path, int *ret_lock)
{
    (void)user;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    (void)fchmod(fd, 0600);
    int error = result(flock(fd, LOCK_EX | LOCK_NB));
    if (error == 0)
        *ret_lock = fd;
    else
        (void)close(fd);
    return error;
}

static void system_unlock(void *user, int lock)
{
    (void)user;
    /* Said aloud, because a child forked meanwhile may still hold the descriptor. */
    (void)flock(lock, LOCK_UN);
    (void)close(lock);
}

static int system_open(void *user, const char *path, int *ret_file)
{
    (void)user;
    *ret_file = open(path, O_RDWR | O_CLOEXEC);
    return *ret_file >= 0 ? 0 : errno;
}

static int system_sync(void *user, int file)
{
    (void)user;
    return result(fdatasync(file));
}

static void system_close(void *user, int file)
{
    (void)user;
    (void)close(file);
}

const weft__disk *weft__disk_system(void)
{
    static const weft__disk disk = {.directory_make = system_directory_make,
                                    .directory_sync = system_directory_sync,
                                    .resolve = system_resolve,
                                    .create = system_create,
                                    .exists = system_exists,
                                    .remove = system_remove,
                                    .rename = system_rename,
                                    .allocate = system_allocate,
                                    .capacity = system_capacity,
                                    .lock = system_lock,
                                    .unlock = system_unlock,
                                    .open = system_open,
                                    .sync = system_sync,
                                    .close = system_close};
    return &disk;
}
