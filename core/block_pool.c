/* core/block_pool.c: free blocks of each thread, by size, in front of malloc.
 *
 * A block belongs for life to the pool of the thread that made it. Its owner frees it into its own lists; another
 * thread gathers blocks of one owner, and pushes them together onto that owner's remote list, where the owner finds
 * them when its own lists are empty. Left to malloc, the two threads would meet at a lock for every block.
 *
 * What has come back last is used first: most of it is still in the owner's cache. In the order in which blocks came
 * back, all there are would pass through it in turn, however few are in use at a time.
 *
 * Owns       the pools. One whose thread has ended is never freed, so that blocks may outlive their thread; a new
 *            thread adopts it.
 * Threads    a pool is its thread's own but for the fields marked otherwise.
 * Invariant  held_bytes and remote_bytes together are the bytes in a pool's lists, once no push is under way.
 * Bounds     a pool that holds enough, or has no thread, takes nothing: the block goes back to malloc. Blocks that a
 *            thread has gathered stay with it until it flushes or ends: at most 31 for each of 4 owners.
 *
 * Under ASan there is no pool: every block is malloc's, so that a use after free is found. */
#include "core/block_pool.h"

#include "core/prefetch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_POOL false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define WITH_POOL false
#endif
#endif
#ifndef WITH_POOL
#define WITH_POOL true
#endif

enum {
    LINE_BYTES = 64,
    POOLED_MAX_BYTES = 2048,
    CLASSES = POOLED_MAX_BYTES / LINE_BYTES + 1,
    GATHER_MAX = 32,
    GATHER_OWNERS = 4
};

typedef struct block {
    struct pool *owner;    /* const after create; NULL: malloc's */
    uint32_t owner_number; /* const after create */
    uint32_t bytes;        /* const after create; of the whole block; 0: malloc's */
    struct block *next;    /* while it is free; otherwise the user's memory begins here */
    struct block *below;   /* while it is the first of `returned`: of those that came back earlier */
} block;

enum { HEADER_BYTES = offsetof(block, next) };

typedef struct chain {
    struct pool *owner;
    block *first;
    block *last;
    ptrdiff_t bytes;
    unsigned count;
} chain;

typedef struct pool {
    block *free[CLASSES];
    block *returned;      /* taken off the remote list, not sorted by size yet, what came last on top */
    ptrdiff_t held_bytes; /* of free and returned */
    chain gathered[GATHER_OWNERS];
    uint32_t number;   /* const after create */
    bool has_thread;   /* [pools.lock] */
    struct pool *next; /* const after create */

    /* Any thread pushes blocks, or takes them all. */
    _Alignas(LINE_BYTES) _Atomic(block *) remote;
    atomic_ptrdiff_t remote_bytes;
    atomic_bool open; /* has a thread */
} pool;

static struct {
    pthread_mutex_t lock;
    pool *first;    /* [lock] */
    uint32_t count; /* [lock] */
    pthread_once_t once;
    pthread_key_t key; /* const after once */
    bool has_key;      /* const after once */
} pools = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static _Thread_local pool *pool_of_thread;
static _Thread_local bool thread_ends; /* its pool is gone, and there will be no other */

/* ---- a pool's own lists ---- */

static void blocks_free(block *first)
{
    while (first != NULL) {
        block *next = first->next;
        free(first);
        first = next;
    }
}

static ptrdiff_t blocks_bytes(const block *first)
{
    ptrdiff_t bytes = 0;
    for (; first != NULL; first = first->next)
        bytes += first->bytes;
    return bytes;
}

static void list_push(pool *p, block *b)
{
    block **list = &p->free[b->bytes / LINE_BYTES];
    b->next = *list;
    *list = b;
}

static void lists_free(pool *p)
{
    for (size_t i = 0; i < CLASSES; i++) {
        p->held_bytes -= blocks_bytes(p->free[i]);
        blocks_free(p->free[i]);
        p->free[i] = NULL;
    }
}

static void own_free(pool *p, block *b)
{
    if (p->held_bytes + b->bytes > WEFT__BLOCKS_HELD_MAX_BYTES) {
        free(b);
        return;
    }
    p->held_bytes += b->bytes;
    list_push(p, b);
}

static block *returned_pop(pool *p)
{
    block *b = p->returned;
    p->returned = b->next != NULL ? b->next : b->below;
    if (b->next != NULL)
        b->next->below = b->below;
    return b;
}

static void returned_free(pool *p)
{
    while (p->returned != NULL) {
        block *b = returned_pop(p);
        p->held_bytes -= b->bytes;
        free(b);
    }
}

/* Called when the size that is wanted has run out: if it becomes too much, what was there goes. */
static void remote_take(pool *p)
{
    if (atomic_load_explicit(&p->remote, memory_order_relaxed) == NULL)
        return;
    block *first = atomic_exchange_explicit(&p->remote, NULL, memory_order_acquire);
    p->held_bytes += atomic_exchange_explicit(&p->remote_bytes, 0, memory_order_relaxed);
    if (p->held_bytes > WEFT__BLOCKS_HELD_MAX_BYTES) {
        lists_free(p);
        returned_free(p);
    }
    first->below = p->returned;
    p->returned = first;
}

/* The block after the one in use is on its way from another core, where it was read and freed, all its lines at once:
 * one after the other they would cost more than filling it. */
static void fetch_early(block *next, uint32_t bytes)
{
    if (next == NULL)
        return;
    for (uint32_t at = 0; at < bytes; at += LINE_BYTES)
        weft__prefetch_to_write((char *)next + at);
}

/* Sorts what has come back until there is a block of this size. The next block is under way since the last one was
 * taken, so that the one behind it can be asked for. */
static bool returned_sort(pool *p, uint32_t bytes)
{
    remote_take(p);
    while (p->returned != NULL) {
        block *b = returned_pop(p);
        if (p->returned != NULL)
            fetch_early(p->returned->next, bytes);
        list_push(p, b);
        if (b->bytes == bytes)
            return true;
    }
    return false;
}

static block *own_take(pool *p, uint32_t bytes)
{
    block **list = &p->free[bytes / LINE_BYTES];
    if (*list == NULL && !returned_sort(p, bytes))
        return NULL;
    block *b = *list;
    *list = b->next;
    fetch_early(b->next, bytes);
    p->held_bytes -= bytes;
    return b;
}

/* ---- blocks of other pools ---- */

static void remote_drain(pool *owner)
{
    block *first = atomic_exchange(&owner->remote, NULL);
    atomic_fetch_sub(&owner->remote_bytes, blocks_bytes(first));
    blocks_free(first);
}

/* Pushes, then looks whether the owner is still open; an ending owner closes, then drains. One of them sees the
 * other, so nothing stays behind. */
static void remote_push(pool *owner, const chain *c)
{
    atomic_fetch_add_explicit(&owner->remote_bytes, c->bytes, memory_order_relaxed);
    block *head = atomic_load_explicit(&owner->remote, memory_order_relaxed);
    do
        c->last->next = head;
    while (!atomic_compare_exchange_weak(&owner->remote, &head, c->first));
    if (!atomic_load(&owner->open))
        remote_drain(owner);
}

static bool pool_accepts(pool *owner, ptrdiff_t bytes)
{
    return atomic_load_explicit(&owner->open, memory_order_relaxed) &&
           atomic_load_explicit(&owner->remote_bytes, memory_order_relaxed) + bytes <= WEFT__BLOCKS_HELD_MAX_BYTES;
}

/* Leaves the chain empty. */
static void chain_give_back(chain *c)
{
    if (c->count == 0)
        return;
    if (pool_accepts(c->owner, c->bytes))
        remote_push(c->owner, c);
    else
        blocks_free(c->first);
    *c = (chain){.owner = c->owner};
}

static void chain_add(chain *c, block *b)
{
    b->next = c->first;
    if (c->first == NULL)
        c->last = b;
    c->first = b;
    c->bytes += b->bytes;
    c->count++;
}

static void gather(pool *p, block *b)
{
    chain *c = &p->gathered[b->owner_number % GATHER_OWNERS];
    if (c->owner != b->owner) {
        chain_give_back(c);
        c->owner = b->owner;
    }
    chain_add(c, b);
    if (c->count == GATHER_MAX)
        chain_give_back(c);
}

static void gathered_give_back(pool *p)
{
    for (size_t i = 0; i < GATHER_OWNERS; i++)
        chain_give_back(&p->gathered[i]);
}

/* ---- pools and their threads ---- */

static void pool_leave(void *ended)
{
    pool *p = ended;
    pool_of_thread = NULL;
    thread_ends = true;
    gathered_give_back(p);
    lists_free(p);
    returned_free(p);
    atomic_store(&p->open, false);
    remote_drain(p);
    pthread_mutex_lock(&pools.lock);
    p->has_thread = false;
    pthread_mutex_unlock(&pools.lock);
}

static void key_create(void)
{
    pools.has_key = pthread_key_create(&pools.key, pool_leave) == 0;
}

static pool *pool_create_locked(void)
{
    pool *p = aligned_alloc(LINE_BYTES, sizeof *p);
    if (p == NULL)
        return NULL;
    *p = (pool){.number = pools.count++, .next = pools.first};
    pools.first = p;
    return p;
}

static pool *pool_adopt(void)
{
    pthread_mutex_lock(&pools.lock);
    pool *p = pools.first;
    while (p != NULL && p->has_thread)
        p = p->next;
    if (p == NULL)
        p = pool_create_locked();
    if (p != NULL)
        p->has_thread = true;
    pthread_mutex_unlock(&pools.lock);
    return p;
}

static pool *pool_join(void)
{
    if (!WITH_POOL || thread_ends)
        return NULL;
    (void)pthread_once(&pools.once, key_create);
    if (!pools.has_key)
        return NULL;
    pool *p = pool_adopt();
    if (p == NULL)
        return NULL;
    if (pthread_setspecific(pools.key, p) != 0) {
        pool_leave(p);
        return NULL;
    }
    atomic_store(&p->open, true);
    pool_of_thread = p;
    return p;
}
/* NULL: this thread has to do without. */
static inline pool *pool_here(void)
{
    return pool_of_thread != NULL ? pool_of_thread : pool_join();
}

/* ---- blocks ---- */

static block *block_create(pool *owner, size_t bytes)
{
    block *b = owner != NULL ? aligned_alloc(LINE_BYTES, bytes) : malloc(bytes);
    if (b == NULL)
        return NULL;
    b->owner = owner;
    b->owner_number = owner != NULL ? owner->number : 0;
    b->bytes = owner != NULL ? (uint32_t)bytes : 0;
    return b;
}

static block *pooled_take(pool *p, uint32_t bytes)
{
    block *b = own_take(p, bytes);
    return b != NULL ? b : block_create(p, bytes);
}

void *weft__block_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - HEADER_BYTES)
        return NULL;
    size_t whole = bytes + HEADER_BYTES;
    pool *p = whole <= POOLED_MAX_BYTES ? pool_here() : NULL;
    block *b = p != NULL ? pooled_take(p, ((uint32_t)whole + LINE_BYTES - 1) & ~(uint32_t)(LINE_BYTES - 1))
                         : block_create(NULL, whole);
    return b != NULL ? (char *)b + HEADER_BYTES : NULL;
}

static void foreign_free(block *b)
{
    pool *p = pool_here();
    if (p != NULL) {
        gather(p, b);
        return;
    }
    chain single = {.owner = b->owner};
    chain_add(&single, b);
    chain_give_back(&single);
}

void weft__block_free(void *memory)
{
    if (memory == NULL)
        return;
    block *b = (block *)(void *)((char *)memory - HEADER_BYTES);
    if (b->owner == NULL)
        free(b);
    else if (b->owner == pool_of_thread)
        own_free(pool_of_thread, b);
    else
        foreign_free(b);
}

void weft__blocks_flush(void)
{
    if (pool_of_thread != NULL)
        gathered_give_back(pool_of_thread);
}

void weft__blocks_get_held(weft__blocks_held *ret)
{
    *ret = (weft__blocks_held){0};
    pthread_mutex_lock(&pools.lock);
    ret->pools = pools.count;
    pthread_mutex_unlock(&pools.lock);
    pool *p = pool_of_thread;
    if (p == NULL)
        return;
    ret->own_bytes = (size_t)p->held_bytes;
    ret->remote_bytes = (size_t)atomic_load(&p->remote_bytes);
    for (size_t i = 0; i < GATHER_OWNERS; i++)
        ret->gathered_bytes += (size_t)p->gathered[i].bytes;
}
