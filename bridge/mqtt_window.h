/* bridge/mqtt_window.h: the QoS 1 messages in flight on one connection, and the packet ids they carry.
 *
 * Paho's publish reads the id out of its message record, which its other thread has freed by then when a partly written
 * message is acknowledged quickly. So the id is never asked for but counted along: a fresh session numbers its
 * messages 1, 2 … 65535, 1 … (MQTT 5 section 2.2.1). An id that is still in flight when its turn comes counts as a full
 * window, which keeps the count exact.
 *
 * Threads: one thread takes and resets; any thread releases. */
#ifndef WEFT_BRIDGE_MQTT_WINDOW_H
#define WEFT_BRIDGE_MQTT_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { WEFT__PACKET_ID_MAX = 65535 };

typedef struct weft__mqtt_window {
    unsigned limit;                                             /* taker only */
    int last;                                                   /* taker only */
    atomic_uint count;                                          /* taken and not released */
    _Atomic uint32_t in_flight[(WEFT__PACKET_ID_MAX + 1) / 32]; /* a bit per id */
} weft__mqtt_window;

/* Empties the window for a new connection. Only while no acknowledgement can come. */
void weft__mqtt_window_reset(weft__mqtt_window *window, unsigned limit);
/* Returns the id that the next message will carry, now in flight; 0 if the window is full. */
int weft__mqtt_window_take(weft__mqtt_window *window);
/* Ends the flight of an id; false if it was not in flight. */
bool weft__mqtt_window_release(weft__mqtt_window *window, int id);

#endif
