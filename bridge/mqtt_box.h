/* bridge/mqtt_box.h: where a peek waits for one message that another thread brings.
 *
 * Threads: one takes; any thread puts or loses, without waiting. */
#ifndef WEFT_BRIDGE_MQTT_BOX_H
#define WEFT_BRIDGE_MQTT_BOX_H

#include "weft/status.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weft__mqtt_box {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool lost;      /* [lock] nothing more will come */
    bool arrived;   /* [lock] */
    uint8_t *bytes; /* [lock] */
    size_t length;  /* [lock] */
} weft__mqtt_box;

weft_status weft__mqtt_box_init(weft__mqtt_box *box);
void weft__mqtt_box_fini(weft__mqtt_box *box);
void weft__mqtt_box_empty(weft__mqtt_box *box);
/* Keeps a copy of the first message. */
void weft__mqtt_box_put(weft__mqtt_box *box, const void *bytes, size_t length);
void weft__mqtt_box_lose(weft__mqtt_box *box);
/* Waits for a message. Ownership: *ret is malloc'ed, NULL if none came in time. Returns OK or UNREACHABLE (lost). */
weft_status weft__mqtt_box_take(weft__mqtt_box *box, int timeout_ms, uint8_t **ret, size_t *ret_bytes);

#endif
