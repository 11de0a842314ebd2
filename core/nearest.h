/* core/nearest.h: which of some names a misspelt one most likely means. */
#ifndef WEFT_CORE_NEAREST_H
#define WEFT_CORE_NEAREST_H

#include <stddef.h>

/* Start with {.name = …}, offer every candidate; `best` is then the nearest one, or NULL if none is near. */
typedef struct weft__nearest {
    const char *name;
    const char *best;
    size_t distance; /* of best */
} weft__nearest;

void weft__nearest_offer(weft__nearest *n, const char *candidate);

#endif
