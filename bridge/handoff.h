/* bridge/handoff.h: how threads of the bridge hand work to each other: a signal to wait on, and a bounded queue.
 *
 * Threads: any. A signal has one waiter. */
#ifndef WEFT_BRIDGE_HANDOFF_H
#define WEFT_BRIDGE_HANDOFF_H

#include "weft/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Condition variables on the monotonic clock. */
void weft__cond_init(pthread_cond_t *cond);
/* Waits until signalled or deadline_ns (CLOCK_MONOTONIC) has come; false after the deadline. */
bool weft__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
int64_t weft__mono_ns(void);

/* A level that is raised by many and consumed by one. */
typedef struct weft__signal {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool raised;
} weft__signal;

void weft__signal_init(weft__signal *signal);
void weft__signal_fini(weft__signal *signal);
void weft__signal_raise(weft__signal *signal);
/* Returns at once if raised since the last wait, else waits for up to timeout_ms; lowers it. */
void weft__signal_wait(weft__signal *signal, int64_t timeout_ms);

/* First member of whatever is queued. */
typedef struct weft__node {
    struct weft__node *next;
    size_t bytes;
} weft__node;

/* FIFO with a bound on items and on bytes. An item larger than the byte bound passes when the queue is empty. */
typedef struct weft__queue {
    pthread_mutex_t mutex;
    pthread_cond_t room;
    weft__node *head;
    weft__node **tail;
    size_t count;
    size_t bytes;
    size_t max_count; /* const after init */
    size_t max_bytes; /* const after init */
    bool closed;
    weft__signal *signal; /* raised by push; const after init */
} weft__queue;

void weft__queue_init(weft__queue *queue, size_t max_count, size_t max_bytes, weft__signal *signal);
/* Frees what is left with `release`. */
void weft__queue_fini(weft__queue *queue, void (*release)(weft__node *));
/* Appends. Returns OK; FULL at once, or after waiting for room when `wait` is set only if the queue is closed
 * meanwhile: STOPPED. The item stays the caller's unless OK. */
weft_status weft__queue_push(weft__queue *queue, weft__node *item, bool wait);
/* Takes everything (linked by next) or at most max items when max > 0; NULL if empty. */
weft__node *weft__queue_take(weft__queue *queue, size_t max);
size_t weft__queue_count(weft__queue *queue);
/* Waits until no more than so many bytes are queued, or it is closed: true. False after timeout_ms. */
bool weft__queue_await(weft__queue *queue, size_t bytes, int64_t timeout_ms);
/* Refuses further pushes and frees waiting ones. */
void weft__queue_close(weft__queue *queue);

#endif
