/* bridge/link.h: what the bridge asks of a connection to the broker. mqtt_link.c does it with Paho; tests use a fake.
 *
 * A link is two connections under one roof: one that sends (and carries the will), one that receives.
 *
 * Threads: one thread (the link thread) makes all calls on a link; each may block for as long as its timeout says, and
 * publish for as long as the socket is stuck. Callbacks come from the link's own threads: they must only enqueue, never
 * call the link, never block. After on_down no callback comes until the next connect. */
#ifndef WEFT_BRIDGE_LINK_H
#define WEFT_BRIDGE_LINK_H

#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weft__link_callbacks {
    /* A message came; topic and payload are valid for the call only. */
    void (*on_message)(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained);
    /* The broker acknowledged a QoS 1 publish; status OK, REFUSED (an ACL denies it) or TOO_LARGE. May come before
     * publish has returned the token. */
    void (*on_acked)(void *user, int token, weft_status status);
    /* A connection was lost; both are closed by the next connect or disconnect. May come more than once. */
    void (*on_down)(void *user);
    void *user;
} weft__link_callbacks;

typedef struct weft__link_opts {
    const char *url;       /* mqtt://host[:port] or mqtts://; default port 1883 or 8883 */
    const char *client_id; /* ":tx" and ":rx" are appended */
    const char *username;  /* may be NULL */
    const char *password;
    const char *ca_file; /* TLS: may be NULL with mqtt:// */
    const char *cert_file;
    const char *key_file;
    const char *will_topic; /* NULL: no will */
    const uint8_t *will;
    size_t will_bytes;
    uint32_t keep_alive_s;
    uint32_t connect_timeout_s;
    uint32_t session_expiry_s; /* of the receiving connection */
    bool receive_only;         /* no sending connection */
} weft__link_opts;

typedef struct weft__link_limits {
    uint32_t receive_maximum;  /* QoS 1 messages in flight that the broker takes */
    uint32_t max_packet_bytes; /* UINT32_MAX: none said */
} weft__link_limits;

typedef struct weft__link_filter {
    const char *filter;
    int qos;            /* 1 but for QoS 0 topics (beat) */
    weft_status status; /* OK or REFUSED, once subscribed */
} weft__link_filter;

typedef struct weft__link weft__link;

enum { WEFT__LINK_FILTERS_MAX = 8 }; /* some brokers take no more at once */

/* Every function takes the link made by create. */
typedef struct weft__link_ops {
    /* Copies what it needs of opts. Returns OK, INVALID (url) or NO_MEMORY. */
    weft_status (*create)(const weft__link_opts *opts, const weft__link_callbacks *callbacks, weft__link **ret);
    /* Opens both connections. `clean` discards the receiving session at the broker. reason (may be NULL) gets a
     * sentence that holds until the next connect or peek. Returns OK, UNREACHABLE, REFUSED (credentials or ACL: trying
     * again will not help soon) or TIMEOUT. */
    weft_status (*connect)(weft__link *link, bool clean, weft__link_limits *ret_limits, const char **reason);
    /* Changes the will that the next connect carries. */
    weft_status (*set_will)(weft__link *link, const uint8_t *will, size_t will_bytes);
    /* QoS of the subscription is 1 but for QoS 0 topics (beat). Returns OK, REFUSED or UNREACHABLE. */
    weft_status (*subscribe)(weft__link *link, const char *filter, int qos);
    /* The same for 1 to WEFT__LINK_FILTERS_MAX filters in one round trip. Returns OK or UNREACHABLE. */
    weft_status (*subscribe_many)(weft__link *link, weft__link_filter *filters, size_t count);
    weft_status (*unsubscribe)(weft__link *link, const char *filter);
    /* Returns OK with *ret_token (QoS 1: on_acked will name it; QoS 0: 0), FULL (window), TOO_LARGE, or UNREACHABLE. */
    weft_status (*publish)(weft__link *link, const char *topic, const uint8_t *payload, size_t length, int qos,
                           bool retain, int *ret_token);
    /* Reads the retained message of one topic with a throw-away connection, which ends with the next connect or
     * disconnect. Ownership: *ret is malloc'ed, NULL if there is none. reason, as with connect, says why it failed.
     * Returns OK, UNREACHABLE, REFUSED or TIMEOUT. */
    weft_status (*peek)(weft__link *link, const char *topic, uint8_t **ret, size_t *ret_bytes, const char **reason);
    /* Closes both connections properly, so that no will is published; if one was lost before, the will is. Waits up to
     * a second for acknowledgements that are under way. */
    void (*disconnect)(weft__link *link);
    /* A link that is still up ends as in a crash: the will is published. */
    void (*destroy)(weft__link *link);
} weft__link_ops;

extern const weft__link_ops weft__mqtt_link;

/* Whether a URL is one that weft__mqtt_link takes; ret_reason gets a static text otherwise. */
weft_status weft__mqtt_url_check(const char *url, const char **ret_reason);

#endif
