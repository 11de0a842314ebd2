/* core/block_pool.h: memory for kept events, which one thread makes and another one frees, millions of times a second.
 */
#ifndef WEFT_CORE_BLOCK_POOL_H
#define WEFT_CORE_BLOCK_POOL_H

#include <stddef.h>

/* What a thread's pool keeps for later at most: of its own, and as much again that other threads have given back. */
enum { WEFT__BLOCKS_HELD_MAX_BYTES = 2 * 1024 * 1024 };

/* Ownership: free with weft__block_free, on any thread. Aligned for pointers and numbers. NULL when memory is out. */
void *weft__block_alloc(size_t bytes);
/* Blocks of other threads are gathered, 32 of one owner at a time; so a thread that goes to rest should flush. */
void weft__block_free(void *memory);
/* Gives back what this thread has gathered for others. */
void weft__blocks_flush(void);

/* For tests: what is kept for later. */
typedef struct weft__blocks_held {
    size_t own_bytes;      /* by this thread's pool */
    size_t remote_bytes;   /* by others given back to it, not taken yet */
    size_t gathered_bytes; /* for others */
    size_t pools;          /* of the whole process, in use or not */
} weft__blocks_held;

void weft__blocks_get_held(weft__blocks_held *ret);

#endif
