/* bridge/mqtt_reason.c: reason codes, then a look at name service, TCP and what is spoken there, turned into a
 * sentence.
 *
 * What only somebody's hand can change is REFUSED; what may pass by itself is UNREACHABLE or TIMEOUT. */
#include "mqtt_reason.h"
#include "tls_probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROBE_WAIT_MS = 1000 };

/* Returns 0 or an errno. */
static int socket_connect(int fd, const struct addrinfo *address, int timeout_ms)
{
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int ready = poll(&wait, 1, timeout_ms);
    if (ready == 0)
        return ETIMEDOUT;
    int error = errno;
    socklen_t size = sizeof error;
    if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

/* Returns 0 and a connected non-blocking socket, or an errno. */
static int address_open(const struct addrinfo *address, int *ret_fd)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    if (fd < 0)
        return errno;
    int error = socket_connect(fd, address, PROBE_WAIT_MS);
    if (error == 0)
        *ret_fd = fd;
    else
        close(fd);
    return error;
}

/* The address that Paho takes: the first of IPv4, else the last. */
static const struct addrinfo *address_choose(const struct addrinfo *list)
{
    while (list->ai_family != AF_INET && list->ai_next != NULL)
        list = list->ai_next;
    return list;
}

/* Returns 0 and a connected socket if the way is free; else an errno or, negated, what getaddrinfo says. */
static int way_open(const weft__mqtt_url *url, int *ret_fd)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", url->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fault = getaddrinfo(url->host, port, &hints, &list);
    if (fault != 0)
        return -abs(fault);
    int error = address_open(address_choose(list), ret_fd);
    freeaddrinfo(list);
    return error;
}

static weft_status way_explain(int error, const char *host, char *text, size_t text_bytes)
{
    char detail[128];
    if (error < 0)
        (void)snprintf(text, text_bytes, "cannot find %s: %s", host, gai_strerror(error));
    else if (error == ECONNREFUSED)
        (void)snprintf(text, text_bytes, "connection refused by %s: nothing listens there", host);
    else if (error == ETIMEDOUT)
        (void)snprintf(text, text_bytes, "no answer from %s", host);
    else
        (void)snprintf(text, text_bytes, "cannot connect to %s: %s", host, strerror_r(error, detail, sizeof detail));
    return error == ETIMEDOUT ? WEFT_TIMEOUT : WEFT_UNREACHABLE;
}

typedef struct refusal {
    int code; /* MQTT 5 section 3.2.2.2, below 6 MQTT 3.1.1 section 3.2.2.3 */
    weft_status status;
    const char *text; /* follows "host:port " */
} refusal;

static const refusal refusals[] = {
    {0x01, WEFT_REFUSED, "does not speak MQTT 5"},
    {0x02, WEFT_REFUSED, "does not accept the client id"},
    {0x03, WEFT_UNREACHABLE, "says it is unavailable"},
    {0x04, WEFT_REFUSED, "does not accept the user name or password"},
    {0x05, WEFT_REFUSED, "does not authorise this user"},
    {0x84, WEFT_REFUSED, "does not speak MQTT 5"},
    {0x85, WEFT_REFUSED, "does not accept the client id"},
    {0x86, WEFT_REFUSED, "does not accept the user name or password"},
    {0x87, WEFT_REFUSED, "does not accept the user name or password, or does not authorise this user"},
    {0x88, WEFT_UNREACHABLE, "says it is unavailable"},
    {0x89, WEFT_UNREACHABLE, "says it is busy"},
    {0x8a, WEFT_REFUSED, "has banned this client"},
    {0x8c, WEFT_REFUSED, "wants another way of authentication"},
    {0x90, WEFT_REFUSED, "does not accept the topic of the will"},
    {0x95, WEFT_REFUSED, "says the connect packet is too large"},
    {0x97, WEFT_UNREACHABLE, "says a quota is exceeded"},
    {0x9a, WEFT_REFUSED, "does not keep retained messages, which weft needs"},
    {0x9b, WEFT_REFUSED, "does not support QoS 1, which weft needs"},
    {0x9c, WEFT_UNREACHABLE, "wants us to use another server"},
    {0x9d, WEFT_UNREACHABLE, "wants us to use another server"},
    {0x9f, WEFT_UNREACHABLE, "says we connect too often"},
};

static weft_status refusal_explain(int code, const char *host, char *text, size_t text_bytes)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].code == code) {
            (void)snprintf(text, text_bytes, "%s %s", host, refusals[i].text);
            return refusals[i].status;
        }
    (void)snprintf(text, text_bytes, "%s refused the connection with reason 0x%02x", host, (unsigned)code);
    return WEFT_UNREACHABLE;
}

/* ---- what is spoken there ---- */

/* Whether who is at the other end answers a CONNECT (MQTT 5 section 3.1, without a name) with a CONNACK. */
static bool mqtt_spoken(int fd)
{
    static const uint8_t connect_packet[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 5, 0, 0, 0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint8_t first = 0;
    return send(fd, connect_packet, sizeof connect_packet, MSG_NOSIGNAL) == (ssize_t)sizeof connect_packet &&
           poll(&wait, 1, PROBE_WAIT_MS) == 1 && recv(fd, &first, 1, 0) == 1 && first == 0x20;
}

/* Opens a connection of its own for a question. */
static bool is_spoken(const weft__mqtt_url *url, bool (*spoken)(int fd))
{
    int fd;
    if (way_open(url, &fd) != 0)
        return false;
    bool answer = spoken(fd);
    close(fd);
    return answer;
}

/* OpenSSL's lines are thread:error:code:library:function:reason:file:line:data (ERR_print_errors(3)). */
static const char *tls_reason_find(const char *line)
{
    for (int field = 0; field < 5 && line != NULL; field++) {
        line = strchr(line, ':');
        line = line != NULL ? line + 1 : NULL;
    }
    return line != NULL ? line : "";
}

static weft_status tls_explain(const weft__mqtt_failure *failure, int fd, const char *host, char *text,
                               size_t text_bytes)
{
    weft__tls_side side = {.name = failure->url->host,
                           .address = host,
                           .ca_file = failure->ca_file,
                           .cert_file = failure->cert_file,
                           .key_file = failure->key_file};
    weft_status status = weft__tls_probe(fd, &side, text, text_bytes);
    if (status == WEFT_UNREACHABLE && is_spoken(failure->url, mqtt_spoken)) {
        (void)snprintf(text, text_bytes, "%s speaks MQTT without TLS; use mqtt://, or the port of its TLS listener",
                       host);
        return WEFT_REFUSED;
    }
    if (status != WEFT_OK)
        return status;
    const char *reason = failure->tls_error != NULL ? tls_reason_find(failure->tls_error) : "";
    if (*reason != '\0')
        (void)snprintf(text, text_bytes, "TLS with %s failed: %.*s", host, (int)strcspn(reason, ":"), reason);
    else
        (void)snprintf(text, text_bytes, "%s closed the connection before it answered", host);
    return WEFT_UNREACHABLE;
}

/* The way is free, and yet no CONNACK came. */
static weft_status silence_explain(const weft__mqtt_failure *failure, int fd, const char *host, char *text,
                                   size_t text_bytes)
{
    /* The client library counts from a little earlier. */
    if (failure->waited_ms >= failure->timeout_ms - failure->timeout_ms / 10) {
        (void)snprintf(text, text_bytes, "%s took the connection but does not answer", host);
        return WEFT_TIMEOUT;
    }
    if (failure->url->tls)
        return tls_explain(failure, fd, host, text, text_bytes);
    if (weft__tls_spoken(fd)) {
        (void)snprintf(text, text_bytes, "%s speaks TLS; use mqtts://, or the port of its plain listener", host);
        return WEFT_REFUSED;
    }
    (void)snprintf(text, text_bytes, "%s closed the connection: no MQTT 5 broker", host);
    return WEFT_UNREACHABLE;
}

weft_status weft__mqtt_explain(const weft__mqtt_failure *failure, char *text, size_t text_bytes)
{
    const weft__mqtt_url *url = failure->url;
    char host[WEFT__HOST_MAX_BYTES + 16];
    int fd;
    (void)snprintf(host, sizeof host, url->ipv6 ? "[%s]:%u" : "%s:%u", url->host, url->port);
    if (failure->code > 0)
        return refusal_explain(failure->code, host, text, text_bytes);
    const char *proxy = url->tls ? "https_proxy" : "http_proxy";
    if (getenv(proxy) != NULL) {
        (void)snprintf(text, text_bytes, "%s cannot be reached through the proxy named in %s", host, proxy);
        return WEFT_UNREACHABLE;
    }
    int error = way_open(url, &fd);
    if (error != 0)
        return way_explain(error, host, text, text_bytes);
    weft_status status = silence_explain(failure, fd, host, text, text_bytes);
    close(fd);
    return status;
}
