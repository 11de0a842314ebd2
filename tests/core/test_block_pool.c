/* Memory of kept events: used again, given back by other threads, bounded, and alive when its thread is not. */
#include "core/block_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"

enum { SIZE = 300, BURST = 100000 };

static weft__blocks_held held(void)
{
    weft__blocks_held h;
    weft__blocks_get_held(&h);
    return h;
}

static size_t pooled_bytes(void)
{
    weft__blocks_held h = held();
    return h.own_bytes + h.remote_bytes;
}

/* Every case begins on a thread of its own, whose pool is empty. */
static void on_thread(void *(*run)(void *), void *user)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, user), 0);
    pthread_join(thread, NULL);
}

/* Whether this build has a pool at all; asked while that is empty. */
static bool pooled(void)
{
    void *block = weft__block_alloc(SIZE);
    weft__block_free(block);
    if (pooled_bytes() == 0) {
        suite_skip("this build has no pool, so that uses after free are found");
        return false;
    }
    CU_ASSERT_PTR_EQUAL(weft__block_alloc(SIZE), block);
    weft__block_free(block);
    return true;
}

typedef struct stack {
    void **blocks;
    size_t count;
} stack;

static stack stack_create(size_t count)
{
    stack s = {.blocks = calloc(count, sizeof(void *)), .count = count};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s.blocks);
    return s;
}

static void *stack_fill(void *user)
{
    stack *s = user;
    for (size_t i = 0; i < s->count; i++) {
        s->blocks[i] = weft__block_alloc(SIZE);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s->blocks[i]);
        memset(s->blocks[i], 'x', SIZE);
    }
    return NULL;
}

static void *stack_free(void *user)
{
    const stack *s = user;
    for (size_t i = 0; i < s->count; i++)
        weft__block_free(s->blocks[i]);
    return NULL;
}

static bool stack_has(const stack *s, const void *block)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->blocks[i] == block)
            return true;
    return false;
}

/* ---- one thread ---- */

static void blocks_of_every_size_are_whole_and_apart(void)
{
    enum { SIZES = 3000 };
    char **blocks = calloc(SIZES, sizeof *blocks);
    CU_ASSERT_PTR_NOT_NULL_FATAL(blocks);
    for (size_t size = 1; size < SIZES; size++) {
        blocks[size] = weft__block_alloc(size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[size]);
        CU_ASSERT_EQUAL((uintptr_t)blocks[size] % _Alignof(max_align_t), 0);
        memset(blocks[size], (int)(size % 251), size);
    }
    for (size_t size = 1; size < SIZES; size++) {
        CU_ASSERT_EQUAL(blocks[size][0], (char)(size % 251));
        CU_ASSERT_EQUAL(blocks[size][size - 1], (char)(size % 251));
        weft__block_free(blocks[size]);
    }
    free(blocks);
    weft__block_free(NULL);
    CU_ASSERT_PTR_NULL(weft__block_alloc(SIZE_MAX));
}

static void *reuse_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    void *first = weft__block_alloc(SIZE);
    void *other_size = weft__block_alloc(3 * SIZE);
    weft__block_free(first);
    weft__block_free(other_size);
    CU_ASSERT_PTR_EQUAL(weft__block_alloc(3 * SIZE), other_size);
    CU_ASSERT_PTR_EQUAL(weft__block_alloc(SIZE), first);
    CU_ASSERT_EQUAL(pooled_bytes(), 0);
    weft__block_free(first);
    weft__block_free(other_size);
    return NULL;
}

static void a_freed_block_is_used_again(void)
{
    on_thread(reuse_run, NULL);
}

static void *bound_run(void *unused)
{
    (void)unused;
    stack burst = stack_create(BURST);
    stack_fill(&burst);
    stack_free(&burst);
    free(burst.blocks);
    CU_ASSERT_TRUE(held().own_bytes <= WEFT__BLOCKS_HELD_MAX_BYTES);
    return NULL;
}

static void a_burst_leaves_no_more_than_the_bound(void)
{
    on_thread(bound_run, NULL);
}

static void *large_run(void *unused)
{
    (void)unused;
    weft__block_free(weft__block_alloc(4096));
    CU_ASSERT_EQUAL(pooled_bytes(), 0);
    return NULL;
}

static void large_blocks_are_not_kept(void)
{
    on_thread(large_run, NULL);
}

/* ---- two threads ---- */

static void *return_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    stack s = stack_create(64);
    stack_fill(&s);
    on_thread(stack_free, &s);
    size_t returned = held().remote_bytes;
    CU_ASSERT_TRUE(returned >= s.count * SIZE);
    for (size_t i = 0; i < s.count; i++)
        CU_ASSERT_TRUE(stack_has(&s, weft__block_alloc(SIZE)));
    CU_ASSERT_EQUAL(pooled_bytes(), 0);
    stack_free(&s);
    CU_ASSERT_EQUAL(held().own_bytes, returned);
    free(s.blocks);
    return NULL;
}

static void blocks_freed_elsewhere_come_back(void)
{
    on_thread(return_run, NULL);
}

static void *newest_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    stack earlier = stack_create(64), later = stack_create(2);
    stack_fill(&earlier);
    stack_fill(&later);
    on_thread(stack_free, &earlier);
    CU_ASSERT_TRUE(stack_has(&earlier, weft__block_alloc(SIZE)));
    on_thread(stack_free, &later);
    for (size_t i = 0; i < later.count; i++)
        CU_ASSERT_TRUE(stack_has(&later, weft__block_alloc(SIZE)));
    for (size_t i = 1; i < earlier.count; i++)
        CU_ASSERT_TRUE(stack_has(&earlier, weft__block_alloc(SIZE)));
    CU_ASSERT_EQUAL(pooled_bytes(), 0);
    stack_free(&earlier);
    stack_free(&later);
    free(earlier.blocks);
    free(later.blocks);
    return NULL;
}

/* It is still in the cache. */
static void what_came_back_last_is_used_first(void)
{
    on_thread(newest_run, NULL);
}

static void *waves_run(void *unused)
{
    (void)unused;
    enum { WAVES = 4 };
    stack waves[WAVES];
    void *taken[WAVES];
    for (size_t i = 0; i < WAVES; i++) {
        waves[i] = stack_create(BURST / 20);
        stack_fill(&waves[i]);
    }
    for (size_t i = 0; i < WAVES; i++) {
        on_thread(stack_free, &waves[i]);
        taken[i] = weft__block_alloc(SIZE);
        CU_ASSERT_TRUE(pooled_bytes() <= WEFT__BLOCKS_HELD_MAX_BYTES);
        free(waves[i].blocks);
    }
    for (size_t i = 0; i < WAVES; i++)
        weft__block_free(taken[i]);
    return NULL;
}

static void waves_that_come_back_leave_no_more_than_the_bound(void)
{
    on_thread(waves_run, NULL);
}

static void *remote_bound_run(void *unused)
{
    (void)unused;
    stack burst = stack_create(BURST);
    stack_fill(&burst);
    on_thread(stack_free, &burst);
    CU_ASSERT_TRUE(held().remote_bytes <= WEFT__BLOCKS_HELD_MAX_BYTES);
    free(burst.blocks);
    return NULL;
}

static void a_burst_freed_elsewhere_leaves_no_more_than_the_bound(void)
{
    on_thread(remote_bound_run, NULL);
}

static void *trade_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    stack burst = stack_create(BURST), large = stack_create(BURST / 100);
    for (size_t i = 0; i < large.count; i++)
        large.blocks[i] = weft__block_alloc(4 * SIZE);
    stack_fill(&burst);
    on_thread(stack_free, &burst);
    stack_free(&large);
    CU_ASSERT_TRUE(pooled_bytes() > WEFT__BLOCKS_HELD_MAX_BYTES);
    weft__block_free(weft__block_alloc(SIZE));
    CU_ASSERT_TRUE(pooled_bytes() <= WEFT__BLOCKS_HELD_MAX_BYTES);
    free(burst.blocks);
    free(large.blocks);
    return NULL;
}

static void sizes_that_are_not_wanted_make_room(void)
{
    on_thread(trade_run, NULL);
}

typedef struct gathering {
    stack blocks;
    size_t before_flush;
    size_t after_flush;
} gathering;

static void *gather_run(void *user)
{
    gathering *g = user;
    stack_free(&g->blocks);
    g->before_flush = held().gathered_bytes;
    weft__blocks_flush();
    g->after_flush = held().gathered_bytes;
    return NULL;
}

static void *flush_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    gathering g = {.blocks = stack_create(3)};
    stack_fill(&g.blocks);
    on_thread(gather_run, &g);
    CU_ASSERT_TRUE(g.before_flush >= 3 * (size_t)SIZE);
    CU_ASSERT_EQUAL(g.after_flush, 0);
    CU_ASSERT_EQUAL(held().remote_bytes, g.before_flush);
    free(g.blocks.blocks);
    return NULL;
}

static void a_flush_gives_back_what_was_gathered(void)
{
    on_thread(flush_run, NULL);
}

static void *last_few_run(void *unused)
{
    (void)unused;
    if (!pooled())
        return NULL;
    stack s = stack_create(3);
    stack_fill(&s);
    on_thread(stack_free, &s);
    CU_ASSERT_TRUE(held().remote_bytes >= 3 * (size_t)SIZE);
    free(s.blocks);
    return NULL;
}

static void a_thread_that_ends_gives_back_what_it_gathered(void)
{
    on_thread(last_few_run, NULL);
}

/* ---- threads that come and go ---- */

static void *look_run(void *user)
{
    weft__block_free(weft__block_alloc(4096)); /* has no pool yet */
    weft__block_free(weft__block_alloc(1));
    *(weft__blocks_held *)user = held();
    return NULL;
}

static void blocks_outlive_their_thread(void)
{
    stack s = stack_create(100);
    weft__blocks_held next;
    on_thread(stack_fill, &s);
    for (size_t i = 0; i < s.count; i++)
        memset(s.blocks[i], 'y', SIZE);
    stack_free(&s);
    weft__blocks_flush();
    on_thread(look_run, &next);
    CU_ASSERT_EQUAL(next.remote_bytes, 0);
    CU_ASSERT_TRUE(next.own_bytes < SIZE);
    free(s.blocks);
}

static void a_new_thread_adopts_the_pool_of_an_ended_one(void)
{
    weft__blocks_held first, last;
    on_thread(look_run, &first);
    for (int i = 0; i < 8; i++)
        on_thread(look_run, &last);
    CU_ASSERT_EQUAL(first.pools, last.pools);
}

static void *free_at_the_end(void *user)
{
    pthread_key_t *key = user;
    stack *s = malloc(sizeof *s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    *s = stack_create(10);
    stack_fill(s);
    pthread_setspecific(*key, s);
    return NULL;
}

static void stack_destroy(void *user)
{
    stack *s = user;
    stack_free(s);
    weft__block_free(weft__block_alloc(SIZE));
    free(s->blocks);
    free(s);
}

/* Destructors of a thread run in no order, and another one's may release events. */
static void a_thread_without_its_pool_can_still_free(void)
{
    pthread_key_t key;
    CU_ASSERT_EQUAL_FATAL(pthread_key_create(&key, stack_destroy), 0);
    on_thread(free_at_the_end, &key);
    pthread_key_delete(key);
}

enum { TRADERS = 4, ROUNDS = 8, TRADES = 4000, COUNTERS = 16 };

typedef struct market {
    _Atomic(char *) counters[COUNTERS]; /* whoever puts a block there takes away what lay there */
    atomic_uint next;
    atomic_uint torn;
} market;

static void block_check(market *m, char *block)
{
    if (block == NULL)
        return;
    for (size_t i = 1; i < SIZE; i++)
        if (block[i] != block[0]) {
            atomic_fetch_add(&m->torn, 1);
            break;
        }
    weft__block_free(block);
}

static void *trade(void *user)
{
    market *m = user;
    unsigned mine = atomic_fetch_add(&m->next, 1);
    for (unsigned i = 0; i < TRADES; i++) {
        char *block = weft__block_alloc(SIZE + i % 3 * 100);
        memset(block, (char)(mine * 31 + i), SIZE);
        block_check(m, atomic_exchange(&m->counters[(mine + i * 7) % COUNTERS], block));
    }
    return NULL;
}

static void no_block_is_ever_in_two_hands(void)
{
    market m = {.next = 0};
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[TRADERS];
        for (int i = 0; i < TRADERS; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, trade, &m), 0);
        for (int i = 0; i < TRADERS; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < COUNTERS; i++)
        block_check(&m, m.counters[i]);
    CU_ASSERT_EQUAL(m.torn, 0);
}

SUITE(core_block_pool, CASE(blocks_of_every_size_are_whole_and_apart), CASE(a_freed_block_is_used_again),
      CASE(a_burst_leaves_no_more_than_the_bound), CASE(large_blocks_are_not_kept),
      CASE(blocks_freed_elsewhere_come_back), CASE(what_came_back_last_is_used_first),
      CASE(waves_that_come_back_leave_no_more_than_the_bound),
      CASE(a_burst_freed_elsewhere_leaves_no_more_than_the_bound), CASE(sizes_that_are_not_wanted_make_room),
      CASE(a_flush_gives_back_what_was_gathered), CASE(a_thread_that_ends_gives_back_what_it_gathered),
      CASE(blocks_outlive_their_thread), CASE(a_new_thread_adopts_the_pool_of_an_ended_one),
      CASE(a_thread_without_its_pool_can_still_free), CASE(no_block_is_ever_in_two_hands))
