/* bridge/codec_record.h: whole structs ↔ whole messages, described by tables: the lost records of a batch and all of
 * control.h.
 *
 * A decoded record is one malloc'ed block, its strings and lists inside. List elements whose topic only a newer version
 * knows are left out: it speaks of streams that nobody here can take. Threads: any. */
#ifndef WEFT_BRIDGE_CODEC_RECORD_H
#define WEFT_BRIDGE_CODEC_RECORD_H

#include "bridge/codec_arena.h"
#include "bridge/codec_bind.h"

/* A repeated message: pointer and count on both sides. */
typedef struct weft__list {
    const struct weft__record *item;
    size_t offset;
    size_t count_offset;
    size_t wire_offset;
    size_t wire_count_offset;
} weft__list;

/* A message that may be missing and whose members lie in the outer struct: its record's offsets count from there. */
typedef struct weft__part {
    const struct weft__record *record;
    size_t flag_offset;
    size_t wire_offset;
} weft__part;

/* A field of bytes. */
typedef struct weft__blob {
    size_t offset;
    size_t length_offset;
    size_t wire_offset;
} weft__blob;

typedef struct weft__record {
    const char *name;
    const ProtobufCMessageDescriptor *wire;
    size_t bytes; /* of our struct */
    size_t max_length;
    const weft__binding *bindings;
    size_t binding_count;
    const weft__list *lists;
    size_t list_count;
    const weft__part *part;                     /* or NULL */
    const weft__blob *blob;                     /* or NULL */
    const char *(*complaint)(const void *ours); /* NULL if the values make sense together, else the bad member */
} weft__record;

/* One row of `bindings`, for members of the same name on both sides. */
#define WEFT__BIND(kind, OURS, WIRE, member)                                                                           \
    {                                                                                                                  \
#member, WEFT__BIND_##kind, 0, offsetof(OURS, member), offsetof(WIRE, member)                                  \
    }
#define WEFT__BIND_LIMIT(kind, OURS, WIRE, member, limit)                                                              \
    {                                                                                                                  \
#member, WEFT__BIND_##kind, limit, offsetof(OURS, member), offsetof(WIRE, member)                              \
    }

/* Encodes; *ret is malloc'ed. Returns OK, INVALID, TOO_LARGE or NO_MEMORY. */
weft_status weft__record_encode(const weft__record *record, const void *ours, uint8_t **ret, size_t *ret_bytes);
/* Decodes and verifies; *ret is one malloc'ed block that begins with our struct. Returns OK, TOO_LARGE, MALFORMED or
 * NO_MEMORY; reason (may be NULL) then gets a static text. */
weft_status weft__record_decode(const weft__record *record, const uint8_t *bytes, size_t length, void **ret,
                                const char **reason);

/* The two steps for one element: initialises *wire (of the right size) and fills it, lists in the arena (NULL if the
 * record has none); and the way back, strings borrowed from the message. Load returns OK, UNSUPPORTED (an unknown
 * topic) or MALFORMED. */
bool weft__record_store(const weft__record *record, const void *ours, ProtobufCMessage *wire, weft__arena *arena);
weft_status weft__record_load(const weft__record *record, void *ours, const ProtobufCMessage *wire,
                              const char **reason);

extern const weft__record weft__lost_record; /* weft_lost without node */

#endif
