/* bridge/split.c: by the codec, there and back: rare enough to be simple. */
#include "bridge/split.h"

#include "bridge/draft.h"

#include <stdlib.h>

static weft_status part_encode(const weft_batch *whole, size_t i, uint64_t prev_seq, weft__journal_row *part)
{
    const weft_event *event = whole->events[i];
    weft_batch batch = {
        .node = whole->node, .epoch = whole->epoch, .prev_seq = prev_seq, .events = &event, .event_count = 1};
    uint8_t *bytes;
    weft_status st = weft_batch_encode(&batch, &bytes, &part->length);
    if (st != WEFT_OK)
        return st;
    part->bytes = bytes;
    part->event_count = 1;
    part->prev_seq = prev_seq;
    part->first_seq = part->last_seq = event->id.seq;
    part->priority = weft_event_priority(event);
    return WEFT_OK;
}

weft_status weft__row_split(const weft__journal_row *row, weft__journal_row **ret_rows, size_t *ret_count)
{
    weft_batch *whole;
    weft_status st = weft_batch_decode(row->bytes, row->length, &whole, NULL);
    if (st != WEFT_OK)
        return st;
    weft__journal_row *parts = calloc(whole->event_count + 1, sizeof *parts);
    size_t count = 0;
    uint64_t prev_seq = row->prev_seq;
    if (parts == NULL)
        st = WEFT_NO_MEMORY;
    while (st == WEFT_OK && count < whole->event_count) {
        parts[count] = *row;
        parts[count].bytes = NULL;
        st = part_encode(whole, count, prev_seq, &parts[count]);
        prev_seq = whole->events[count]->id.seq;
        count++;
    }
    weft_batch_free(whole);
    if (st != WEFT_OK) {
        weft__rows_free(parts, count);
        return st;
    }
    *ret_rows = parts;
    *ret_count = count;
    return WEFT_OK;
}
