/* nodes/unix_socket.h: stream sockets that are files. Descriptors are non-blocking and close on exec. */
#ifndef WEFT_NODES_UNIX_SOCKET_H
#define WEFT_NODES_UNIX_SOCKET_H

#include <stddef.h>

#include "weft/status.h"

/* Returns OK, INVALID (the path is too long), or UNREACHABLE with errno. */
weft_status unix_socket_connect(const char *path, int *ret_fd);

/* Listens at path with mode 0600, making its directory (0700) if it is missing; the file of a process that is gone is
 * replaced. Returns OK, INVALID (the path is too long), EXISTS (somebody answers there, or it is no socket), or IO with
 * errno. */
weft_status unix_socket_listen(const char *path, int *ret_fd);

#endif
