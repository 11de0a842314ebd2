/* nodes/unix_socket.c: connects to and listens at a path.
 *
 * A socket file whose process died refuses connections; one that is alive accepts them: that tells a stale file from an
 * occupied one. Two nodes that start at one path at the same moment could both find it stale; the journal's lock, taken
 * before, lets only one of them get here under one node name. */
#include "nodes/unix_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static weft_status address_init(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address->sun_path)
        return WEFT_INVALID;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return WEFT_OK;
}

static void close_keeping_errno(int fd)
{
    int saved = errno;
    (void)close(fd);
    errno = saved;
}

weft_status unix_socket_connect(const char *path, int *ret_fd)
{
    struct sockaddr_un address;
    if (address_init(&address, path) != WEFT_OK)
        return WEFT_INVALID;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return WEFT_UNREACHABLE;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close_keeping_errno(fd);
        return WEFT_UNREACHABLE;
    }
    *ret_fd = fd;
    return WEFT_OK;
}

static bool directory_make(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return true;
    (void)snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    return mkdir(directory, 0700) == 0 || errno == EEXIST;
}

/* Removes the file of a dead process. */
static weft_status stale_remove(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? WEFT_OK : WEFT_IO;
    if (!S_ISSOCK(info.st_mode))
        return WEFT_EXISTS;
    int fd;
    weft_status st = unix_socket_connect(path, &fd);
    if (st == WEFT_OK) {
        (void)close(fd);
        return WEFT_EXISTS;
    }
    if (errno != ECONNREFUSED)
        return errno == EAGAIN ? WEFT_EXISTS : WEFT_IO;
    return unlink(path) == 0 || errno == ENOENT ? WEFT_OK : WEFT_IO;
}

static weft_status bind_and_listen(int fd, const struct sockaddr_un *address)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return errno == EADDRINUSE ? WEFT_EXISTS : WEFT_IO;
    if (chmod(address->sun_path, 0600) != 0 || listen(fd, BACKLOG) != 0)
        return WEFT_IO;
    return WEFT_OK;
}

weft_status unix_socket_listen(const char *path, int *ret_fd)
{
    struct sockaddr_un address;
    if (address_init(&address, path) != WEFT_OK)
        return WEFT_INVALID;
    if (!directory_make(path))
        return WEFT_IO;
    weft_status st = stale_remove(path);
    if (st != WEFT_OK)
        return st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return WEFT_IO;
    st = bind_and_listen(fd, &address);
    if (st != WEFT_OK) {
        close_keeping_errno(fd);
        return st;
    }
    *ret_fd = fd;
    return WEFT_OK;
}
