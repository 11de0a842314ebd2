/* bridge/parcel.h: what one message gave for delivery, in its order: events, and losses between them. One entry of the
 * deliver queue, so that threads meet once a message and not once an event.
 *
 * A parcel is filled through its packer, which is the downlink thread's, closed, and then belongs to whoever takes it
 * off the queue.
 *
 * Invariant  what has been reserved can be added without more memory.
 * Threads    none of their own. */
#ifndef WEFT_BRIDGE_PARCEL_H
#define WEFT_BRIDGE_PARCEL_H

#include "bridge/handoff.h"
#include "bridge/topic_map.h"
#include "weft/dispatcher.h"

enum { WEFT__PARCEL_ITEMS = 1024 }; /* more than that only of what was reserved */

typedef struct weft__loss {
    struct weft__loss *next; /* among the spare ones */
    weft_lost lost;
    char node[WEFT_NAME_MAX_BYTES + 1];
} weft__loss;

typedef struct weft__parcel_item {
    union {
        const weft_event *event; /* a reference */
        weft__loss *loss;
    };
    uint32_t wish; /* that it answers, of those for its topic */
    uint16_t topic_number;
    bool is_loss;
} weft__parcel_item;

typedef struct weft__parcel {
    weft__node node; /* the bytes of all in it */
    size_t count, capacity;
    size_t done; /* items before this have been taken out */
    weft__parcel_item items[];
} weft__parcel;

/* Releases what has not been taken out, too. */
void weft__parcel_free(weft__parcel *parcel);
void weft__loss_free(weft__loss *loss);

/* Zero it. */
typedef struct weft__packer {
    weft__parcel *open; /* NULL: none */
    weft__loss *spares;
    size_t spare_count;
} weft__packer;

void weft__packer_fini(weft__packer *packer);
/* Makes sure that so many more fit. Returns OK or NO_MEMORY. */
weft_status weft__packer_reserve(weft__packer *packer, size_t events, size_t losses);
/* Append. The event is kept once more, what is lost is copied. Return OK; NO_MEMORY: nothing was reserved; FULL: close
 * the parcel first. */
weft_status weft__packer_add_event(weft__packer *packer, const weft_event *event, uint32_t wish);
weft_status weft__packer_add_lost(weft__packer *packer, const weft_lost *lost, uint32_t wish);
/* Takes the parcel. NULL: there is nothing in it. */
weft__parcel *weft__packer_close(weft__packer *packer);

#endif
