/* bridge/seq_ranges.c: sorted array; holes are few, and the first ones are looked at most. */
#include "bridge/seq_ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void weft__seq_ranges_fini(weft__seq_ranges *set)
{
    free(set->items);
    *set = (weft__seq_ranges){0};
}

weft_status weft__seq_ranges_reserve(weft__seq_ranges *set)
{
    if (set->count == WEFT__SEQ_RANGES_MAX)
        return WEFT_FULL;
    if (set->count < set->capacity)
        return WEFT_OK;
    size_t capacity = set->capacity == 0 ? 4 : 2 * set->capacity;
    weft__seq_range *items = realloc(set->items, capacity * sizeof *items);
    if (items == NULL)
        return WEFT_NO_MEMORY;
    set->items = items;
    set->capacity = capacity;
    return WEFT_OK;
}

weft_status weft__seq_ranges_append(weft__seq_ranges *set, uint64_t from, uint64_t to)
{
    assert(from <= to && (set->count == 0 || set->items[set->count - 1].to < from));
    weft_status st = weft__seq_ranges_reserve(set);
    if (st == WEFT_OK)
        set->items[set->count++] = (weft__seq_range){from, to};
    return st;
}

weft_status weft__seq_ranges_prepend(weft__seq_ranges *set, uint64_t from, uint64_t to)
{
    assert(from <= to && (set->count == 0 || to < set->items[0].from));
    weft_status st = weft__seq_ranges_reserve(set);
    if (st != WEFT_OK)
        return st;
    memmove(&set->items[1], &set->items[0], set->count * sizeof *set->items);
    set->items[0] = (weft__seq_range){from, to};
    set->count++;
    return WEFT_OK;
}

weft_status weft__seq_ranges_extend(weft__seq_ranges *set, uint64_t from, uint64_t to)
{
    if (set->count == 0 || set->items[set->count - 1].to + 1 != from)
        return weft__seq_ranges_append(set, from, to);
    set->items[set->count - 1].to = to;
    return WEFT_OK;
}

/* Index of the first range that ends at or after seq. */
static size_t ranges_find(const weft__seq_ranges *set, uint64_t seq)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->items[middle].to < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool weft__seq_ranges_contain(const weft__seq_ranges *set, uint64_t seq)
{
    size_t i = ranges_find(set, seq);
    return i < set->count && set->items[i].from <= seq;
}

static weft_status ranges_split(weft__seq_ranges *set, size_t i, uint64_t from, uint64_t to)
{
    weft_status st = weft__seq_ranges_reserve(set);
    if (st != WEFT_OK)
        return st;
    memmove(&set->items[i + 1], &set->items[i], (set->count - i) * sizeof *set->items);
    set->count++;
    set->items[i].to = from - 1;
    set->items[i + 1].from = to + 1;
    return WEFT_OK;
}

weft_status weft__seq_ranges_remove(weft__seq_ranges *set, uint64_t from, uint64_t to)
{
    size_t i = ranges_find(set, from);
    if (i < set->count && set->items[i].from < from && set->items[i].to > to)
        return ranges_split(set, i, from, to);
    if (i < set->count && set->items[i].from < from)
        set->items[i++].to = from - 1;
    size_t keep = i;
    while (keep < set->count && set->items[keep].to <= to)
        keep++;
    if (keep > i) {
        memmove(&set->items[i], &set->items[keep], (set->count - keep) * sizeof *set->items);
        set->count -= keep - i;
    }
    if (i < set->count && set->items[i].from <= to)
        set->items[i].from = to + 1;
    return WEFT_OK;
}
