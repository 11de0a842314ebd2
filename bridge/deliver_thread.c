/* bridge/deliver_thread.c: hands what the downlink has packed to the dispatcher, whose inline handlers run here.
 *
 * A parcel's events go to the dispatcher in one pass, up to a loss or its end; before each it is looked whether it is
 * still wanted, since handlers may take any time. */
#include "bridge/bridge_private.h"

#include "core/prefetch.h"

#include <stdlib.h>

enum { LINE_BYTES = 64 };

typedef struct pass {
    weft_bridge *bridge;
    weft__parcel *parcel;
    const weft_event *given; /* to the dispatcher; ours to release */
} pass;

uint32_t weft__wish_of(weft_bridge *b, unsigned topic_number)
{
    return atomic_load(&b->wishes[topic_number]);
}

/* Whether an item is to be handed on. If whoever wanted it has gone, those who want its topic again are told of it
 * anew, where it is theirs: the streams have been forgotten with the wish. */
static bool item_is_wanted(weft_bridge *b, const weft__parcel_item *item)
{
    if (!atomic_load(&b->deliver_dropping))
        return item->wish == weft__wish_of(b, item->topic_number);
    atomic_fetch_add(&b->dropped_overflow, 1);
    return false;
}

/* What was written by another thread comes from afar, all its lines at once. */
static void item_prefetch(const weft__parcel *parcel, size_t i)
{
    if (i >= parcel->count)
        return;
    const char *at = (const char *)parcel->items[i].event;
    for (size_t line = 0; line < sizeof(weft_event); line += LINE_BYTES)
        weft__prefetch_to_write(at + line);
}

static const weft_event *pass_next(void *user)
{
    enum { AHEAD = 2 };
    pass *p = user;
    weft__parcel *parcel = p->parcel;
    weft_event_release(p->given);
    p->given = NULL;
    while (parcel->done < parcel->count && !parcel->items[parcel->done].is_loss) {
        const weft__parcel_item *item = &parcel->items[parcel->done++];
        item_prefetch(parcel, parcel->done + AHEAD);
        if (item_is_wanted(p->bridge, item))
            return p->given = item->event;
        weft_event_release(item->event);
    }
    return NULL;
}

static void item_skip(weft__parcel *parcel)
{
    const weft__parcel_item *item = &parcel->items[parcel->done++];
    if (item->is_loss)
        weft__loss_free(item->loss);
    else
        weft_event_release(item->event);
}

static weft_status loss_hand_on(weft_bridge *b, weft__parcel *parcel)
{
    const weft__parcel_item *item = &parcel->items[parcel->done];
    weft_status st = item_is_wanted(b, item) ? weft_tap_report_lost(b->bus, &item->loss->lost) : WEFT_OK;
    if (st != WEFT_NO_MEMORY)
        item_skip(parcel);
    return st;
}

/* Returns false when there was no memory: nobody has been told of the rest. */
static bool parcel_hand_on(weft_bridge *b, weft__parcel *parcel)
{
    pass p = {.bridge = b, .parcel = parcel};
    while (parcel->done < parcel->count) {
        weft_status st = parcel->items[parcel->done].is_loss ? loss_hand_on(b, parcel)
                                                             : weft_tap_deliver_each(b->bus, pass_next, &p);
        if (st != WEFT_NO_MEMORY)
            continue;
        if (!atomic_load(&b->deliver_stopping))
            return false;
        item_skip(parcel);
        atomic_fetch_add(&b->dropped_overflow, 1);
    }
    return true;
}

int64_t weft__deliver_turn(weft_bridge *b)
{
    enum { AT_ONCE = 8, IDLE_MS = 1000, NO_MEMORY_MS = 10 };
    bool stopping = atomic_load(&b->deliver_stopping);
    if (b->delivering == NULL)
        b->delivering = weft__queue_take(&b->deliveries, AT_ONCE);
    if (b->delivering == NULL)
        return stopping ? -1 : IDLE_MS;
    while (b->delivering != NULL) {
        weft__parcel *parcel = (weft__parcel *)b->delivering;
        weft__node *next = parcel->node.next;
        if (!parcel_hand_on(b, parcel))
            return NO_MEMORY_MS;
        weft__parcel_free(parcel);
        b->delivering = next;
    }
    return 0;
}
