/* bridge/tcp_nodelay.c: see tcp_nodelay.h. */
#include "bridge/tcp_nodelay.h"

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Of an IPv4 or IPv6 connection; 0: it is none. */
static uint16_t peer_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer = {0};
    socklen_t bytes = sizeof peer;
    if (getpeername(fd, &peer.any, &bytes) != 0)
        return 0;
    if (peer.any.sa_family == AF_INET)
        return ntohs(peer.v4.sin_port);
    return peer.any.sa_family == AF_INET6 ? ntohs(peer.v6.sin6_port) : 0;
}

static bool nodelay_set(int fd)
{
    int on = 0;
    socklen_t bytes = sizeof on;
    if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &bytes) != 0 || on != 0)
        return false;
    on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

size_t weft__tcp_nodelay(uint16_t port)
{
    DIR *descriptors = opendir("/proc/self/fd");
    size_t set = 0;
    if (descriptors == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(descriptors)) != NULL;) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && peer_port((int)fd) == port)
            set += nodelay_set((int)fd);
    }
    closedir(descriptors);
    return set;
}
