/* tests/support/server_program.c: see the header. */
#include "support/server_program.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool server_program_find(const char *program, char path[PATH_MAX])
{
    const char *list = getenv("PATH");
    char *places = NULL;
    if (asprintf(&places, "%s:/usr/sbin:/usr/local/sbin", list != NULL ? list : "") < 0)
        return false;
    bool found = false;
    char *rest = places;
    for (char *place = strsep(&rest, ":"); place != NULL && !found; place = strsep(&rest, ":"))
        found =
            *place != '\0' && snprintf(path, PATH_MAX, "%s/%s", place, program) < PATH_MAX && access(path, X_OK) == 0;
    free(places);
    return found;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t server_free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    uint16_t port = 0;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

bool server_accepts(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    bool accepted = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return accepted;
}
