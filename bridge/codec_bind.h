/* bridge/codec_bind.h: which member of our structs is which member of the generated ones, for all messages but events
 * (codec_plan.h).
 *
 * A binding is one scalar member on both sides. Threads: any. */
#ifndef WEFT_BRIDGE_CODEC_BIND_H
#define WEFT_BRIDGE_CODEC_BIND_H

#include <protobuf-c/protobuf-c.h>

#include "weft/event.h"

typedef enum weft__bind_kind {
    WEFT__BIND_STRING, /* "" on the wire is NULL here */
    WEFT__BIND_BOOL,
    WEFT__BIND_U32,
    WEFT__BIND_U64,
    WEFT__BIND_I64,
    WEFT__BIND_F64,
    WEFT__BIND_TIME,  /* int64_t here, fixed64 there: not negative */
    WEFT__BIND_ENUM,  /* at most limit, else malformed */
    WEFT__BIND_LEVEL, /* at most limit, more is limit: priorities are ordered */
    WEFT__BIND_CAUSE, /* at most limit, more is 0: a newer version knows more causes */
    WEFT__BIND_TOPIC, /* a bit here, a number there */
    WEFT__BIND_TOPIC_OR_NONE,
} weft__bind_kind;

typedef struct weft__binding {
    const char *name; /* snake_case */
    weft__bind_kind kind;
    uint32_t limit;
    size_t offset;      /* in our struct */
    size_t wire_offset; /* in the generated one */
} weft__binding;

/* Stores our members in the generated struct; strings are borrowed. False if one cannot be said on the wire. */
bool weft__bind_store(const weft__binding *bindings, size_t count, const void *ours, void *wire);

/* Stores the generated struct's members in ours; strings are borrowed. Returns OK, MALFORMED, or UNSUPPORTED for a
 * topic that only a newer version knows; *ret_culprit (static) then names the member. */
weft_status weft__bind_load(const weft__binding *bindings, size_t count, void *ours, const void *wire,
                            const char **ret_culprit);

#endif
