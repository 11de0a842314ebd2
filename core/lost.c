/* core/lost.c: loss records: their names and copies. */
#include "core/lost.h"

#include <stdlib.h>
#include <string.h>

const char *weft_lost_reason_name(weft_lost_reason reason)
{
    static const char *const names[] = {
        [WEFT_LOST_UNSPECIFIED] = "unspecified", [WEFT_LOST_RETENTION] = "retention",
        [WEFT_LOST_OVERFLOW] = "overflow",       [WEFT_LOST_TOO_LARGE] = "too_large",
        [WEFT_LOST_CORRUPT] = "corrupt",         [WEFT_LOST_UNREACHABLE] = "unreachable",
    };
    return (unsigned)reason < sizeof names / sizeof *names ? names[reason] : names[WEFT_LOST_UNSPECIFIED];
}

weft_lost *weft__lost_copy(const weft_lost *lost)
{
    size_t bytes = lost->node != NULL ? strlen(lost->node) + 1 : 0;
    weft_lost *copy = malloc(sizeof *copy + bytes);
    if (copy == NULL)
        return NULL;
    *copy = *lost;
    if (bytes > 0)
        copy->node = memcpy(copy + 1, lost->node, bytes);
    return copy;
}
