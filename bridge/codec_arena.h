/* bridge/codec_arena.h: memory for taking one message apart: a bump allocator with a ceiling.
 *
 * The generated code makes one small allocation a field and has no limit of its own (a megabyte of empty submessages
 * becomes fifty). Here an allocation is an addition, nothing is given back before the end, and a message that wants
 * more than its length explains is refused. Threads: one at a time. */
#ifndef WEFT_BRIDGE_CODEC_ARENA_H
#define WEFT_BRIDGE_CODEC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

struct weft__arena_block;

typedef struct weft__arena {
    ProtobufCAllocator allocator; /* hand this to the generated code */
    struct weft__arena_block *blocks;
    char *at;
    size_t left;   /* in the current block */
    size_t budget; /* that may still be handed out */
    bool refused;  /* the budget was exceeded */
    bool failed;   /* malloc said no */
    alignas(max_align_t) char first[8192];
} weft__arena;

/* The arena must not move. */
void weft__arena_init(weft__arena *arena, size_t budget);
void weft__arena_fini(weft__arena *arena);
/* Starts again with a new budget; everything handed out is gone. */
void weft__arena_reset(weft__arena *arena, size_t budget);
/* NULL when the budget or the memory is at its end. */
void *weft__arena_alloc(weft__arena *arena, size_t bytes);

/* What a message of this length may take: a record on the wire is some bytes, in memory a struct. */
static inline size_t weft__arena_budget(size_t length)
{
    return 16 * length + 64 * (size_t)1024;
}

/* Unpacks a message into the arena. NULL if it is malformed, or as weft__arena_alloc. The result is not freed but
 * vanishes with the arena. */
ProtobufCMessage *weft__arena_unpack(weft__arena *arena, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                     size_t length);

/* Why unpacking failed: MALFORMED with a reason that begins with where, or NO_MEMORY. */
weft_status weft__arena_verdict(const weft__arena *arena, const char *where, const char **reason);

#endif
