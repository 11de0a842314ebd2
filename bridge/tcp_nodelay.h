/* bridge/tcp_nodelay.h: small messages leave at once.
 *
 * Paho neither sets TCP_NODELAY nor gives its sockets away. So behind a message that nobody answers, as a beat at QoS
 * 0, the next waits for the broker's delayed acknowledgement: 40 ms on Linux. */
#ifndef WEFT_BRIDGE_TCP_NODELAY_H
#define WEFT_BRIDGE_TCP_NODELAY_H

#include <stddef.h>
#include <stdint.h>

/* Sets TCP_NODELAY on every socket of this process that is connected to the port of any host. Returns how many did not
 * have it. Threads: any. Blocks for reading /proc/self/fd; where that cannot be read nothing is set. */
size_t weft__tcp_nodelay(uint16_t port);

#endif
