/* core/pool.h: a fixed number of threads that run jobs in turn. */
#ifndef WEFT_CORE_POOL_H
#define WEFT_CORE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "weft/status.h"

/* Embedded in what is to be run; a job must not be pushed again before the pool has run it. */
typedef struct weft__job {
    struct weft__job *next; /* the pusher's, then [pool lock] */
} weft__job;

/* Runs one turn of a job on worker 0..workers-1. */
typedef void (*weft__job_fn)(weft__job *job, unsigned worker, void *user);

struct weft__pool_worker;

typedef struct weft__pool {
    weft__job_fn run;                  /* const after init */
    void *user;                        /* const after init */
    unsigned workers;                  /* const after init */
    struct weft__pool_worker *threads; /* [lock] */
    pthread_mutex_t lock;              /* leaf */
    pthread_cond_t work;               /* [lock] */
    pthread_cond_t idle;               /* [lock] */
    weft__job *head, **tail;           /* [lock] */
    atomic_uint queued;                /* [lock] to write: jobs in the list */
    unsigned started;                  /* [lock] */
    unsigned running;                  /* [lock] jobs being run */
    unsigned idle_waiters;             /* [lock] */
    unsigned stuck;                    /* [lock] workers that wait for room, inside a job */
    bool quit;                         /* [lock] */
} weft__pool;

/* Starts no thread yet. Returns OK or NO_MEMORY. */
weft_status weft__pool_init(weft__pool *pool, unsigned workers, weft__job_fn run, void *user);
/* Ends and joins the threads; queued jobs are not run. Blocks for the running ones. */
void weft__pool_fini(weft__pool *pool);

/* Starts the threads that are missing. The threads take no signals. Returns OK, or FULL if the system gives no thread
 * at all. */
weft_status weft__pool_start(weft__pool *pool);
/* Queues jobs, linked by `next`, behind the others. NULL is fine. */
void weft__pool_push(weft__pool *pool, weft__job *jobs);
/* Whether a job waits for a worker. */
static inline bool weft__pool_has_queued(const weft__pool *pool)
{
    return atomic_load_explicit(&pool->queued, memory_order_relaxed) != 0;
}
/* Whether the calling thread may wait for what other jobs must do: any thread but a worker may, and a worker as long as
 * another one is left to run those jobs. If so, call weft__pool_wait_end afterwards. */
bool weft__pool_wait_begin(weft__pool *pool);
void weft__pool_wait_end(weft__pool *pool);
/* Waits until no job is queued or runs. deadline may be NULL. Returns false if the deadline came first. */
bool weft__pool_wait_idle(weft__pool *pool, const struct timespec *deadline);

#endif
