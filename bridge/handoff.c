/* bridge/handoff.c: signal and bounded queue.
 *
 * Simplification accepted: a mutex a queue. The queues carry messages and groups, not single events, so the lock is
 * taken tens of thousands of times a second at most; when a profile shows it, an intrusive MPSC list replaces it. */
#include "bridge/handoff.h"

#include <time.h>

int64_t weft__mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void weft__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool weft__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    struct timespec at = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    return pthread_cond_timedwait(cond, mutex, &at) == 0;
}

void weft__signal_init(weft__signal *signal)
{
    pthread_mutex_init(&signal->mutex, NULL);
    weft__cond_init(&signal->cond);
    signal->raised = false;
}

void weft__signal_fini(weft__signal *signal)
{
    pthread_cond_destroy(&signal->cond);
    pthread_mutex_destroy(&signal->mutex);
}

void weft__signal_raise(weft__signal *signal)
{
    pthread_mutex_lock(&signal->mutex);
    bool first = !signal->raised;
    signal->raised = true;
    pthread_mutex_unlock(&signal->mutex);
    if (first) /* who wakes must not find the mutex taken */
        pthread_cond_signal(&signal->cond);
}

void weft__signal_wait(weft__signal *signal, int64_t timeout_ms)
{
    pthread_mutex_lock(&signal->mutex);
    if (!signal->raised && timeout_ms > 0) {
        int64_t deadline = weft__mono_ns() + timeout_ms * 1000000;
        while (!signal->raised && weft__cond_wait_until(&signal->cond, &signal->mutex, deadline))
            ;
    }
    signal->raised = false;
    pthread_mutex_unlock(&signal->mutex);
}

void weft__queue_init(weft__queue *queue, size_t max_count, size_t max_bytes, weft__signal *signal)
{
    *queue = (weft__queue){.max_count = max_count, .max_bytes = max_bytes, .signal = signal};
    queue->tail = &queue->head;
    pthread_mutex_init(&queue->mutex, NULL);
    weft__cond_init(&queue->room);
}

void weft__queue_fini(weft__queue *queue, void (*release)(weft__node *))
{
    weft__node *next;
    for (weft__node *item = queue->head; item != NULL; item = next) {
        next = item->next;
        release(item);
    }
    pthread_cond_destroy(&queue->room);
    pthread_mutex_destroy(&queue->mutex);
}

static bool queue_has_room(const weft__queue *queue, const weft__node *item)
{
    return queue->count == 0 || (queue->count < queue->max_count && queue->bytes + item->bytes <= queue->max_bytes);
}

weft_status weft__queue_push(weft__queue *queue, weft__node *item, bool wait)
{
    pthread_mutex_lock(&queue->mutex);
    while (wait && !queue->closed && !queue_has_room(queue, item))
        pthread_cond_wait(&queue->room, &queue->mutex);
    weft_status st = queue->closed ? WEFT_STOPPED : queue_has_room(queue, item) ? WEFT_OK : WEFT_FULL;
    if (st == WEFT_OK) {
        item->next = NULL;
        *queue->tail = item;
        queue->tail = &item->next;
        queue->count++;
        queue->bytes += item->bytes;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (st == WEFT_OK && queue->signal != NULL)
        weft__signal_raise(queue->signal);
    return st;
}

weft__node *weft__queue_take(weft__queue *queue, size_t max)
{
    pthread_mutex_lock(&queue->mutex);
    weft__node *first = queue->head;
    weft__node **end = &queue->head;
    for (size_t taken = 0; *end != NULL && (max == 0 || taken < max); taken++) {
        queue->count--;
        queue->bytes -= (*end)->bytes;
        end = &(*end)->next;
    }
    weft__node *rest = *end;
    *end = NULL;
    queue->head = rest;
    if (rest == NULL)
        queue->tail = &queue->head;
    pthread_cond_broadcast(&queue->room);
    pthread_mutex_unlock(&queue->mutex);
    return first;
}

size_t weft__queue_count(weft__queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

bool weft__queue_await(weft__queue *queue, size_t bytes, int64_t timeout_ms)
{
    int64_t deadline = 0;
    pthread_mutex_lock(&queue->mutex);
    bool in_time = timeout_ms > 0;
    while (!queue->closed && queue->bytes > bytes && in_time) {
        deadline = deadline != 0 ? deadline : weft__mono_ns() + timeout_ms * 1000000;
        in_time = weft__cond_wait_until(&queue->room, &queue->mutex, deadline);
    }
    bool below = queue->closed || queue->bytes <= bytes;
    pthread_mutex_unlock(&queue->mutex);
    return below;
}

void weft__queue_close(weft__queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->room);
    pthread_mutex_unlock(&queue->mutex);
    if (queue->signal != NULL)
        weft__signal_raise(queue->signal);
}
