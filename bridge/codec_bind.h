/* bridge/codec_bind.h: which member of our structs is which member of the generated ones.
 *
 * A binding is one scalar member on both sides. Those of the events are made from weft_schema and the generated
 * descriptors at first use; the control messages write theirs down. Threads: any. */
#ifndef WEFT_BRIDGE_CODEC_BIND_H
#define WEFT_BRIDGE_CODEC_BIND_H

#include <protobuf-c/protobuf-c.h>

#include "weft/schema.h"

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

enum { WEFT__BIND_FIELDS_MAX = 32, WEFT__PAYLOAD_BYTES_MAX = 128 };

/* The wire side of one variant. */
typedef struct weft__payload_map {
    const ProtobufCMessageDescriptor *message;
    weft__binding bindings[WEFT__BIND_FIELDS_MAX];
    size_t binding_count;
    size_t slot_offset; /* of the pointer to the payload in the generated event */
    size_t case_offset; /* of the number of the payload */
} weft__payload_map;

/* The scalar members of the envelope; and a variant's. Ownership: static. NULL for an unknown type. */
const weft__binding *weft__envelope_bindings(size_t *ret_count);
const weft__payload_map *weft__payload_map_of(weft_event_type type);

#endif
