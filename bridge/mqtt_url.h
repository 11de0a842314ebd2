/* bridge/mqtt_url.h: what a broker's URL says. Threads: any. No allocation. */
#ifndef WEFT_BRIDGE_MQTT_URL_H
#define WEFT_BRIDGE_MQTT_URL_H

#include "weft/status.h"
#include <stdbool.h>
#include <stdint.h>

enum { WEFT__HOST_MAX_BYTES = 253 };

typedef struct weft__mqtt_url {
    bool tls;
    bool ipv6; /* host is an IPv6 literal, here without its brackets */
    uint16_t port;
    char host[WEFT__HOST_MAX_BYTES + 1];
} weft__mqtt_url;

/* Takes mqtt://host[:port] or mqtts://host[:port] apart. ret_reason (may be NULL) gets a static text on failure.
 * Returns OK or INVALID. */
weft_status weft__mqtt_url_parse(const char *url, weft__mqtt_url *ret, const char **ret_reason);

#endif
