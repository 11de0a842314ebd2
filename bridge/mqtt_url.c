/* bridge/mqtt_url.c: parses broker URLs (RFC 3986 authority, without user information).
 *
 * Credentials in a URL end up in process lists and logs, so they are refused with a hint instead of accepted. */
#include "mqtt_url.h"
#include "link.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *scheme_skip(const char *url, weft__mqtt_url *parsed)
{
    static const char plain[] = "mqtt://", tls[] = "mqtts://";
    if (strncasecmp(url, tls, sizeof tls - 1) == 0) {
        parsed->tls = true;
        parsed->port = 8883;
        return url + sizeof tls - 1;
    }
    if (strncasecmp(url, plain, sizeof plain - 1) == 0) {
        parsed->port = 1883;
        return url + sizeof plain - 1;
    }
    return NULL;
}

static bool host_char(char c, bool ipv6)
{
    if (ipv6)
        return isxdigit((unsigned char)c) != 0 || c == ':' || c == '.';
    return isalnum((unsigned char)c) != 0 || c == '-' || c == '.' || c == '_';
}

/* Copies the host and returns what follows it, or NULL. */
static const char *host_take(const char *text, weft__mqtt_url *parsed)
{
    parsed->ipv6 = *text == '[';
    const char *host = parsed->ipv6 ? text + 1 : text;
    size_t length = 0;
    while (host_char(host[length], parsed->ipv6))
        length++;
    if (length == 0 || length > WEFT__HOST_MAX_BYTES)
        return NULL;
    memcpy(parsed->host, host, length);
    parsed->host[length] = '\0';
    if (!parsed->ipv6)
        return host + length;
    return host[length] == ']' ? host + length + 1 : NULL;
}

/* Reads ":port" if there is one and returns what follows, or NULL. */
static const char *port_take(const char *text, weft__mqtt_url *parsed)
{
    if (*text != ':')
        return text;
    unsigned long port = 0;
    const char *digit = text + 1;
    for (; isdigit((unsigned char)*digit) && port <= UINT16_MAX; digit++)
        port = port * 10 + (unsigned long)(*digit - '0');
    if (digit == text + 1 || port == 0 || port > UINT16_MAX)
        return NULL;
    parsed->port = (uint16_t)port;
    return digit;
}

static const char *fault_of(const char *url, weft__mqtt_url *parsed)
{
    if (url == NULL)
        return "url: missing";
    const char *rest = scheme_skip(url, parsed);
    if (rest == NULL)
        return "url: must begin with mqtt:// or mqtts://";
    if (strchr(rest, '@') != NULL)
        return "url: credentials do not belong in it; use the user name and password options";
    rest = host_take(rest, parsed);
    if (rest == NULL)
        return "url: no valid host name or address";
    if (*rest != '\0' && *rest != ':' && *rest != '/')
        return "url: a character that no host name has";
    rest = port_take(rest, parsed);
    if (rest == NULL)
        return "url: the port must be a number from 1 to 65535";
    if (strcmp(rest, "") != 0 && strcmp(rest, "/") != 0)
        return "url: nothing may follow the host and port";
    return NULL;
}

weft_status weft__mqtt_url_parse(const char *url, weft__mqtt_url *ret, const char **ret_reason)
{
    weft__mqtt_url parsed = {0};
    const char *fault = fault_of(url, &parsed);
    if (fault != NULL) {
        if (ret_reason != NULL)
            *ret_reason = fault;
        return WEFT_INVALID;
    }
    *ret = parsed;
    return WEFT_OK;
}

weft_status weft__mqtt_url_check(const char *url, const char **ret_reason)
{
    weft__mqtt_url ignored;
    return weft__mqtt_url_parse(url, &ignored, ret_reason);
}
