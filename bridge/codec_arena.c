/* bridge/codec_arena.c: see codec_arena.h. The first block lies in the arena itself, so that an ordinary event costs no
 * malloc at all. */
#include "bridge/codec_arena.h"

#include <stdlib.h>

#include "bridge/codec_reason.h"

enum { ALIGNMENT = alignof(max_align_t), BLOCK_BYTES = 32 * 1024 };

typedef struct weft__arena_block {
    struct weft__arena_block *next;
    alignas(max_align_t) char bytes[];
} arena_block;

static void *on_alloc(void *arena, size_t bytes)
{
    return weft__arena_alloc(arena, bytes);
}

static void on_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

static void arena_begin(weft__arena *arena, size_t budget)
{
    arena->blocks = NULL;
    arena->at = arena->first;
    arena->left = sizeof arena->first;
    arena->budget = budget;
    arena->refused = false;
    arena->failed = false;
}

void weft__arena_init(weft__arena *arena, size_t budget)
{
    arena->allocator = (ProtobufCAllocator){on_alloc, on_free, arena};
    arena_begin(arena, budget);
}

void weft__arena_fini(weft__arena *arena)
{
    arena_block *next;
    for (arena_block *block = arena->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}

void weft__arena_reset(weft__arena *arena, size_t budget)
{
    weft__arena_fini(arena);
    arena_begin(arena, budget);
}

static bool block_add(weft__arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    arena_block *block = malloc(sizeof *block + size);
    if (block == NULL) {
        arena->failed = true;
        return false;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = block->bytes;
    arena->left = size;
    return true;
}

void *weft__arena_alloc(weft__arena *arena, size_t bytes)
{
    if (bytes > arena->budget || bytes > SIZE_MAX / 2) {
        arena->refused = true;
        return NULL;
    }
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes > arena->left && !block_add(arena, bytes))
        return NULL;
    void *at = arena->at;
    arena->at += bytes;
    arena->left -= bytes;
    arena->budget -= bytes < arena->budget ? bytes : arena->budget;
    return at;
}

ProtobufCMessage *weft__arena_unpack(weft__arena *arena, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                                     size_t length)
{
    return protobuf_c_message_unpack(type, &arena->allocator, length, bytes);
}

weft_status weft__arena_verdict(const weft__arena *arena, const char *where, const char **reason)
{
    if (arena->failed) {
        (void)weft__refuse(reason, weft_status_text(WEFT_NO_MEMORY));
        return WEFT_NO_MEMORY;
    }
    const char *what = arena->refused ? "more fields than its length allows" : "cannot be unpacked";
    (void)weft__refuse(reason, weft__reason(where, NULL, what));
    return WEFT_MALFORMED;
}
