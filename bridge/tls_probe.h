/* bridge/tls_probe.h: why TLS with a broker does not come about, found by trying the handshake once more.
 *
 * The client library tells neither which check of a certificate failed nor what alert the broker sent; a user needs to
 * know which certificate is wrong, and who has to change it. Threads: any. Block up to two seconds. */
#ifndef WEFT_BRIDGE_TLS_PROBE_H
#define WEFT_BRIDGE_TLS_PROBE_H

#include "weft/status.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct weft__tls_side {
    const char *name;    /* that the broker's certificate must carry: a host name or an IP address */
    const char *address; /* host:port, for the sentence */
    const char *ca_file; /* NULL: what the system trusts */
    const char *cert_file;
    const char *key_file;
} weft__tls_side;

/* Makes the handshake over a connected non-blocking socket and waits a little for an alert; the socket stays open.
 * Returns OK (nothing is wrong with TLS, text is untouched), REFUSED (a certificate or file that somebody has to
 * change), UNREACHABLE (the broker closed the connection before it said anything in TLS) or NO_MEMORY, with the
 * sentence in text. */
weft_status weft__tls_probe(int fd, const weft__tls_side *side, char *text, size_t text_bytes);

/* Whether who is at the other end of a connected non-blocking socket answers to TLS, whatever its certificate. */
bool weft__tls_spoken(int fd);

#endif
