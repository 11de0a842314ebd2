/* bridge/codec_reason.h: why a message was refused, as texts that live for ever. */
#ifndef WEFT_BRIDGE_CODEC_REASON_H
#define WEFT_BRIDGE_CODEC_REASON_H

#include <stdbool.h>
#include <stddef.h>

/* "where.field: what", made once for each combination; all three must be static texts of ours, never a peer's bytes.
 * field may be NULL. Threads: any. */
const char *weft__reason(const char *where, const char *field, const char *what);

/* Stores the reason if somebody wants it; false, so that a check can return it. */
static inline bool weft__refuse(const char **reason, const char *text)
{
    if (reason != NULL)
        *reason = text;
    return false;
}

#endif
