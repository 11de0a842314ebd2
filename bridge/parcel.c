/* bridge/parcel.c: see the header. */
#include "bridge/parcel.h"

#include <stdlib.h>

enum { FIRST_ITEMS = 8 };

void weft__loss_free(weft__loss *loss)
{
    free(loss);
}

void weft__parcel_free(weft__parcel *parcel)
{
    if (parcel == NULL)
        return;
    for (const weft__parcel_item *item = parcel->items + parcel->done; item < parcel->items + parcel->count; item++)
        if (item->is_loss)
            weft__loss_free(item->loss);
        else
            weft_event_release(item->event);
    free(parcel);
}

void weft__packer_fini(weft__packer *packer)
{
    weft__parcel_free(packer->open);
    for (weft__loss *spare = packer->spares, *next; spare != NULL; spare = next) {
        next = spare->next;
        weft__loss_free(spare);
    }
}

/* ---- room ---- */

static weft_status parcel_resize(weft__packer *packer, size_t capacity)
{
    bool fresh = packer->open == NULL;
    weft__parcel *parcel = realloc(packer->open, sizeof *parcel + capacity * sizeof *parcel->items);
    if (parcel == NULL)
        return WEFT_NO_MEMORY;
    if (fresh)
        *parcel = (weft__parcel){.node.bytes = sizeof *parcel};
    parcel->capacity = capacity;
    packer->open = parcel;
    return WEFT_OK;
}

static weft_status losses_reserve(weft__packer *packer, size_t losses)
{
    for (; packer->spare_count < losses; packer->spare_count++) {
        weft__loss *spare = malloc(sizeof *spare);
        if (spare == NULL)
            return WEFT_NO_MEMORY;
        spare->next = packer->spares;
        packer->spares = spare;
    }
    return WEFT_OK;
}

weft_status weft__packer_reserve(weft__packer *packer, size_t events, size_t losses)
{
    size_t wanted = (packer->open != NULL ? packer->open->count : 0) + events + losses;
    size_t capacity = packer->open != NULL ? packer->open->capacity : 0;
    weft_status st = wanted > capacity ? parcel_resize(packer, wanted) : WEFT_OK;
    return st == WEFT_OK ? losses_reserve(packer, losses) : st;
}

/* For what nobody has reserved. */
static weft_status parcel_grow(weft__packer *packer)
{
    const weft__parcel *open = packer->open;
    if (open == NULL)
        return parcel_resize(packer, FIRST_ITEMS);
    if (open->count < open->capacity)
        return WEFT_OK;
    return open->count < WEFT__PARCEL_ITEMS ? parcel_resize(packer, 2 * open->capacity + FIRST_ITEMS) : WEFT_FULL;
}

/* ---- filling ---- */

static void item_add(weft__parcel *parcel, weft__parcel_item item, size_t bytes)
{
    parcel->items[parcel->count++] = item;
    parcel->node.bytes += sizeof item + bytes;
}

weft_status weft__packer_add_event(weft__packer *packer, const weft_event *event, uint32_t wish)
{
    weft_status st = parcel_grow(packer);
    if (st != WEFT_OK)
        return st;
    const weft_event *kept = weft_event_keep(event);
    if (kept == NULL)
        return WEFT_NO_MEMORY;
    uint16_t number = (uint16_t)weft_topic_number(weft_event_topic(kept));
    item_add(packer->open, (weft__parcel_item){.event = kept, .wish = wish, .topic_number = number},
             weft_event_kept_bytes(kept));
    return WEFT_OK;
}

weft_status weft__packer_add_lost(weft__packer *packer, const weft_lost *lost, uint32_t wish)
{
    weft_status st = parcel_grow(packer);
    if (st == WEFT_OK)
        st = losses_reserve(packer, 1);
    if (st != WEFT_OK)
        return st;
    weft__loss *loss = packer->spares;
    packer->spares = loss->next;
    packer->spare_count--;
    loss->lost = *lost;
    weft__name_copy(loss->node, lost->node);
    loss->lost.node = loss->node;
    uint16_t number = (uint16_t)weft_topic_number(lost->topic);
    item_add(packer->open, (weft__parcel_item){.loss = loss, .wish = wish, .topic_number = number, .is_loss = true},
             sizeof *loss);
    return WEFT_OK;
}

/* What was reserved for events that are held back, say, and was not needed, is not carried along. */
static weft__parcel *parcel_trim(weft__parcel *parcel)
{
    if (parcel->capacity <= 2 * parcel->count + FIRST_ITEMS)
        return parcel;
    weft__parcel *trimmed = realloc(parcel, sizeof *parcel + parcel->count * sizeof *parcel->items);
    if (trimmed == NULL)
        return parcel;
    trimmed->capacity = trimmed->count;
    return trimmed;
}

weft__parcel *weft__packer_close(weft__packer *packer)
{
    weft__parcel *parcel = packer->open;
    if (parcel == NULL || parcel->count == 0)
        return NULL;
    packer->open = NULL;
    return parcel_trim(parcel);
}
