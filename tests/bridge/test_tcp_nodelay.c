/* Connections to one port send small segments at once; others are left as they are. */
#include "bridge/tcp_nodelay.h"
#include "support/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
    int listener, client;
    uint16_t port;
} connection;

static void connection_open(connection *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof to;
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(c->listener, (struct sockaddr *)&to, sizeof to), 0);
    CU_ASSERT_EQUAL_FATAL(listen(c->listener, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(c->listener, (struct sockaddr *)&to, &bytes), 0);
    c->port = ntohs(to.sin_port);
    CU_ASSERT_EQUAL_FATAL(connect(c->client, (struct sockaddr *)&to, sizeof to), 0);
}

static void connection_close(connection *c)
{
    close(c->client);
    close(c->listener);
}

static bool has_nodelay(int fd)
{
    int on = 0;
    socklen_t bytes = sizeof on;
    CU_ASSERT_EQUAL(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &bytes), 0);
    return on != 0;
}

static void connections_to_the_port_have_no_delay(void)
{
    connection one, other;
    connection_open(&one);
    connection_open(&other);
    CU_ASSERT_EQUAL(weft__tcp_nodelay(one.port), 1);
    CU_ASSERT_TRUE(has_nodelay(one.client));
    CU_ASSERT_FALSE(has_nodelay(other.client));
    CU_ASSERT_EQUAL(weft__tcp_nodelay(one.port), 0);
    connection_close(&one);
    connection_close(&other);
}

SUITE(bridge_tcp_nodelay, CASE(connections_to_the_port_have_no_delay))
