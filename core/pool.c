/* core/pool.c: the shared workers of queued subscriptions.
 *
 * One list under one lock. A job is a turn of a whole mailbox, not one event, so the lock is taken once for many
 * events; should it show up in profiles all the same, give each worker its own list to steal from. */
#include "core/pool.h"

#include <signal.h>
#include <stdlib.h>

#include "core/deadline.h"

/* The pool whose worker this thread is; NULL: of none. */
static _Thread_local weft__pool *working_for;

struct weft__pool_worker {
    pthread_t thread;
    weft__pool *pool;
    unsigned index;
};

weft_status weft__pool_init(weft__pool *pool, unsigned workers, weft__job_fn run, void *user)
{
    *pool = (weft__pool){.run = run, .user = user, .workers = workers};
    pool->tail = &pool->head;
    pool->threads = calloc(workers, sizeof *pool->threads);
    if (pool->threads == NULL)
        return WEFT_NO_MEMORY;
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        goto err_threads;
    if (weft__cond_init(&pool->work) != 0)
        goto err_lock;
    if (weft__cond_init(&pool->idle) != 0)
        goto err_work;
    return WEFT_OK;
err_work:
    pthread_cond_destroy(&pool->work);
err_lock:
    pthread_mutex_destroy(&pool->lock);
err_threads:
    free(pool->threads);
    return WEFT_NO_MEMORY;
}

void weft__pool_fini(weft__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i].thread, NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
}

static weft__job *pop_locked(weft__pool *pool)
{
    weft__job *job = pool->head;
    pool->head = job->next;
    if (pool->head == NULL)
        pool->tail = &pool->head;
    job->next = NULL;
    atomic_fetch_sub_explicit(&pool->queued, 1, memory_order_relaxed);
    return job;
}

static bool idle_locked(const weft__pool *pool)
{
    return pool->running == 0 && pool->head == NULL;
}

static void run_one_locked(weft__pool *pool, unsigned worker)
{
    weft__job *job = pop_locked(pool);
    pool->running++;
    pthread_mutex_unlock(&pool->lock);
    pool->run(job, worker, pool->user);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    if (pool->idle_waiters > 0 && idle_locked(pool))
        pthread_cond_broadcast(&pool->idle);
}

static void *worker_main(void *argument)
{
    struct weft__pool_worker *worker = argument;
    weft__pool *pool = worker->pool;
    working_for = pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->quit) {
        if (pool->head != NULL)
            run_one_locked(pool, worker->index);
        else
            (void)weft__cond_wait(&pool->work, &pool->lock, NULL);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool start_one_locked(weft__pool *pool)
{
    struct weft__pool_worker *worker = &pool->threads[pool->started];
    *worker = (struct weft__pool_worker){.pool = pool, .index = pool->started};
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
        return false;
    (void)pthread_setname_np(worker->thread, "weft-worker");
    pool->started++;
    return true;
}

weft_status weft__pool_start(weft__pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&pool->lock);
    while (pool->started < pool->workers && start_one_locked(pool))
        continue;
    weft_status status = pool->started > 0 ? WEFT_OK : WEFT_FULL;
    pthread_mutex_unlock(&pool->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* Signals once the lock is free: a worker that wakes to find it taken goes back to sleep. */
void weft__pool_push(weft__pool *pool, weft__job *jobs)
{
    if (jobs == NULL)
        return;
    unsigned count = 0;
    pthread_mutex_lock(&pool->lock);
    *pool->tail = jobs;
    for (; jobs != NULL; jobs = jobs->next) {
        pool->tail = &jobs->next;
        count++;
    }
    atomic_fetch_add_explicit(&pool->queued, count, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lock);
    while (count-- > 0)
        pthread_cond_signal(&pool->work);
}

bool weft__pool_wait_begin(weft__pool *pool)
{
    if (working_for != pool)
        return true;
    pthread_mutex_lock(&pool->lock);
    bool may = pool->stuck + 1 < pool->started;
    pool->stuck += may;
    pthread_mutex_unlock(&pool->lock);
    return may;
}

void weft__pool_wait_end(weft__pool *pool)
{
    if (working_for != pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stuck--;
    pthread_mutex_unlock(&pool->lock);
}

bool weft__pool_wait_idle(weft__pool *pool, const struct timespec *deadline)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle_waiters++;
    while (!idle_locked(pool))
        if (!weft__cond_wait(&pool->idle, &pool->lock, deadline))
            break;
    bool idle = idle_locked(pool);
    pool->idle_waiters--;
    pthread_mutex_unlock(&pool->lock);
    return idle;
}
