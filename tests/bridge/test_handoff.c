/* Queues and signals between the bridge's threads. */
#include "bridge/handoff.h"
#include "support/suite.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { PATIENCE_MS = 20000, ITEM_BYTES = 100 };

static void item_push(weft__queue *queue)
{
    weft__node *item = malloc(sizeof *item);
    CU_ASSERT_PTR_NOT_NULL_FATAL(item);
    *item = (weft__node){.bytes = ITEM_BYTES};
    CU_ASSERT_EQUAL_FATAL(weft__queue_push(queue, item, false), WEFT_OK);
}

static void item_release(weft__node *item)
{
    free(item);
}

static void items_take(weft__queue *queue, size_t max)
{
    for (weft__node *item = weft__queue_take(queue, max), *next; item != NULL; item = next) {
        next = item->next;
        free(item);
    }
}

static void tells_whether_little_enough_waits(void)
{
    weft__queue queue;
    weft__queue_init(&queue, 10, 1000, NULL);
    CU_ASSERT_TRUE(weft__queue_await(&queue, 0, 0));
    item_push(&queue);
    item_push(&queue);
    CU_ASSERT_TRUE(weft__queue_await(&queue, 2 * ITEM_BYTES, 0));
    CU_ASSERT_FALSE(weft__queue_await(&queue, 2 * ITEM_BYTES - 1, 0));
    CU_ASSERT_FALSE(weft__queue_await(&queue, 0, 1));
    items_take(&queue, 1);
    CU_ASSERT_TRUE(weft__queue_await(&queue, ITEM_BYTES, 0));
    weft__queue_close(&queue);
    CU_ASSERT_TRUE(weft__queue_await(&queue, 0, PATIENCE_MS));
    weft__queue_fini(&queue, item_release);
}

typedef struct awaiting {
    weft__queue queue;
    atomic_bool waits, done;
    bool below;
} awaiting;

static void *await_empty(void *user)
{
    awaiting *a = user;
    a->waits = true;
    a->below = weft__queue_await(&a->queue, 0, PATIENCE_MS);
    a->done = true;
    return NULL;
}

static bool waits(void *user)
{
    return ((awaiting *)user)->waits;
}

static void goes_on_when_enough_was_taken(void)
{
    awaiting a = {.waits = false};
    pthread_t thread;
    weft__queue_init(&a.queue, 10, 1000, NULL);
    item_push(&a.queue);
    item_push(&a.queue);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, await_empty, &a), 0);
    CU_ASSERT(suite_wait(waits, &a, PATIENCE_MS));
    items_take(&a.queue, 1);
    CU_ASSERT_FALSE(a.done);
    items_take(&a.queue, 0);
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(a.below);
    weft__queue_fini(&a.queue, item_release);
}

static void a_signal_raised_before_the_wait_is_not_lost(void)
{
    weft__signal signal;
    weft__signal_init(&signal);
    weft__signal_raise(&signal);
    weft__signal_raise(&signal);
    int64_t before = weft__mono_ns();
    weft__signal_wait(&signal, PATIENCE_MS);
    CU_ASSERT(weft__mono_ns() - before < PATIENCE_MS * INT64_C(1000000));
    CU_ASSERT_FALSE(signal.raised);
    weft__signal_raise(&signal);
    weft__signal_wait(&signal, 0);
    CU_ASSERT_FALSE(signal.raised);
    weft__signal_fini(&signal);
}

SUITE(bridge_handoff, CASE(tells_whether_little_enough_waits), CASE(goes_on_when_enough_was_taken),
      CASE(a_signal_raised_before_the_wait_is_not_lost))
