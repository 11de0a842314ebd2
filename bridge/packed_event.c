/* bridge/packed_event.c: a batch of one event. */
#include "bridge/packed_event.h"

#include "weft/wire.h"

#include <stdlib.h>

uint8_t *weft__event_pack(const weft_event *kept, size_t *ret_bytes)
{
    weft_batch batch = {.node = kept->id.node, .epoch = kept->id.epoch, .events = &kept, .event_count = 1};
    uint8_t *bytes;
    if (weft_batch_encode(&batch, &bytes, ret_bytes) != WEFT_OK)
        return NULL;
    uint8_t *exact = realloc(bytes, *ret_bytes);
    return exact != NULL ? exact : bytes;
}

const weft_event *weft__event_unpack(const uint8_t *packed, size_t bytes)
{
    weft_batch *batch;
    if (weft_batch_decode(packed, bytes, &batch, NULL) != WEFT_OK)
        return NULL;
    const weft_event *event = weft_event_keep(batch->events[0]);
    weft_batch_free(batch);
    return event;
}
