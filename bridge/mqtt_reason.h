/* bridge/mqtt_reason.h: why a connect failed, as a status and a sentence for a user.
 *
 * The client library reports every failure below MQTT as the same -1; a user needs to know which it was. */
#ifndef WEFT_BRIDGE_MQTT_REASON_H
#define WEFT_BRIDGE_MQTT_REASON_H

#include "mqtt_url.h"
#include <stddef.h>

typedef struct weft__mqtt_failure {
    const weft__mqtt_url *url;
    int code;              /* reason code of the CONNACK; negative if there was none */
    int64_t waited_ms;     /* how long the attempt took */
    int64_t timeout_ms;    /* how long it was allowed to take */
    const char *tls_error; /* OpenSSL's error line; may be NULL or empty */
    const char *ca_file;   /* that TLS needs; each may be NULL */
    const char *cert_file;
    const char *key_file;
} weft__mqtt_failure;

/* Writes the sentence. Without a CONNACK it looks for itself: resolves the host, opens a TCP connection, and tries
 * whether TLS, or MQTT without TLS, is spoken there. Returns UNREACHABLE, REFUSED (only somebody's hand can change it),
 * TIMEOUT or NO_MEMORY. Blocks for the name service, then for up to four seconds. Threads: any. */
weft_status weft__mqtt_explain(const weft__mqtt_failure *failure, char *text, size_t text_bytes);

#endif
