/* core/lost.h: loss records that outlive the call that reported them. */
#ifndef WEFT_CORE_LOST_H
#define WEFT_CORE_LOST_H

#include "weft/dispatcher.h"

/* Copies a record with its node name. Ownership: free(), one block. Returns NULL when memory is out. */
weft_lost *weft__lost_copy(const weft_lost *lost);

/* How many events a record stands for, at least one. */
static inline uint64_t weft__lost_count(const weft_lost *lost)
{
    return lost->count != 0 ? lost->count : 1;
}

#endif
