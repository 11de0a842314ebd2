/* core/dispatcher.c: the life of a dispatcher.
 *
 * Owns       the snapshot of subscriptions, the reader slots, the worker pool, the history.
 * Leaves     wire formats and brokers to the bridge, logging to the programs.
 * Threads    publish: any. Handlers: the publisher's thread (inline) or one worker at a time (queued).
 * States     running → stopping → stopped → running (state_change). */
#include "core/dispatcher_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/deadline.h"

enum { WORKERS_DEFAULT = 2, DEAD_LETTERS_DEFAULT = 1000 };

static bool state_change(weft_dispatcher *d, weft__dispatcher_state from, weft__dispatcher_state to)
{
    int expected = (int)from;
    return atomic_compare_exchange_strong(&d->state, &expected, (int)to);
}

/* ---- create, destroy ---- */

static weft_status locks_init(weft_dispatcher *d)
{
    if (pthread_mutex_init(&d->writer, NULL) != 0)
        return WEFT_NO_MEMORY;
    if (pthread_mutex_init(&d->lifecycle, NULL) != 0)
        goto err_writer;
    if (pthread_mutex_init(&d->interest_lock, NULL) != 0)
        goto err_lifecycle;
    if (pthread_cond_init(&d->interest_told, NULL) != 0)
        goto err_interest;
    return WEFT_OK;
err_interest:
    pthread_mutex_destroy(&d->interest_lock);
err_lifecycle:
    pthread_mutex_destroy(&d->lifecycle);
err_writer:
    pthread_mutex_destroy(&d->writer);
    return WEFT_NO_MEMORY;
}

static void locks_fini(weft_dispatcher *d)
{
    pthread_cond_destroy(&d->interest_told);
    pthread_mutex_destroy(&d->interest_lock);
    pthread_mutex_destroy(&d->lifecycle);
    pthread_mutex_destroy(&d->writer);
}

static weft_status tables_init(weft_dispatcher *d, const weft_dispatcher_opts *opts)
{
    weft_status status = weft__slots_init(&d->slots);
    if (status != WEFT_OK)
        return status;
    status = weft__symbols_init(&d->symbols);
    if (status != WEFT_OK)
        goto err_slots;
    status = weft__history_init(&d->history, opts->history_max);
    if (status != WEFT_OK)
        goto err_symbols;
    status = weft__dead_letters_init(&d->dead_letters,
                                     opts->dead_letters_max != 0 ? opts->dead_letters_max : DEAD_LETTERS_DEFAULT);
    if (status != WEFT_OK)
        goto err_history;
    return WEFT_OK;
err_history:
    weft__history_fini(&d->history);
err_symbols:
    weft__symbols_fini(&d->symbols);
err_slots:
    weft__slots_fini(&d->slots);
    return status;
}

static void tables_fini(weft_dispatcher *d)
{
    weft__dead_letters_fini(&d->dead_letters);
    weft__history_fini(&d->history);
    weft__symbols_fini(&d->symbols);
    weft__slots_fini(&d->slots);
}

static weft_status first_snapshot(weft_dispatcher *d)
{
    d->chunks.slots = &d->slots;
    weft__snapshot *empty = weft__snapshot_create(&d->chunks, NULL, &(weft__change){.all_careful = d->all_careful});
    atomic_init(&d->current, empty);
    atomic_init(&d->calm, empty);
    return empty != NULL ? WEFT_OK : WEFT_NO_MEMORY;
}

static weft_status parts_init(weft_dispatcher *d, const weft_dispatcher_opts *opts)
{
    weft_status status = locks_init(d);
    if (status != WEFT_OK)
        return status;
    status = tables_init(d, opts);
    if (status != WEFT_OK)
        goto err_locks;
    status = first_snapshot(d);
    if (status != WEFT_OK)
        goto err_tables;
    status = weft__pool_init(&d->pool, opts->workers != 0 ? opts->workers : WORKERS_DEFAULT, weft__turn, d);
    if (status != WEFT_OK)
        goto err_snapshot;
    status = weft__stall_watch_init(&d->stall_watch, d, opts);
    if (status != WEFT_OK)
        goto err_pool;
    return WEFT_OK;
err_pool:
    weft__pool_fini(&d->pool);
err_snapshot:
    weft__snapshot_destroy(atomic_load(&d->current));
err_tables:
    tables_fini(d);
err_locks:
    locks_fini(d);
    return status;
}

weft_status weft_dispatcher_create(const weft_dispatcher_opts *opts, weft_dispatcher **ret)
{
    static const weft_dispatcher_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    if (ret == NULL || opts->workers > WEFT__WORKERS_MAX)
        return WEFT_INVALID;
    weft_dispatcher *d = aligned_alloc(WEFT__CACHE_LINE, sizeof *d);
    if (d == NULL)
        return WEFT_NO_MEMORY;
    memset(d, 0, sizeof *d);
    atomic_init(&d->state, WEFT__RUNNING);
    d->clock = opts->clock != NULL ? opts->clock : weft_clock_system();
    d->home = (weft__home){&d->slots, &d->symbols};
    d->all_careful = opts->history_max > 0 || opts->always_validate;
    weft_status status = parts_init(d, opts);
    if (status != WEFT_OK) {
        free(d);
        return status;
    }
    *ret = d;
    return WEFT_OK;
}

static void snapshots_free(weft_dispatcher *d)
{
    while (d->retired != NULL) {
        weft__snapshot *snapshot = d->retired;
        d->retired = snapshot->next_retired;
        weft__snapshot_destroy(snapshot);
    }
    weft__snapshot_destroy(atomic_load(&d->current));
}

void weft_dispatcher_destroy(weft_dispatcher *d)
{
    if (d == NULL)
        return;
    assert(!weft__slots_held_here(&d->slots));
    (void)weft_dispatcher_stop(d, 0, NULL);
    weft__stall_watch_fini(&d->stall_watch);
    weft__pool_fini(&d->pool);
    snapshots_free(d);
    tables_fini(d);
    locks_fini(d);
    free(d);
}

/* ---- stop, start ---- */

static void mailboxes_set_state(weft_dispatcher *d, weft__mailbox_state state)
{
    uint64_t dropped = 0;
    pthread_mutex_lock(&d->writer);
    const weft__entries *queued = &weft__current_locked(d)->queued;
    for (size_t c = 0; c < queued->chunk_count; c++)
        for (unsigned i = 0; i < queued->chunks[c]->count; i++)
            dropped += weft__mailbox_set_state(&queued->chunks[c]->entries[i].sub->queue->mailbox, state);
    pthread_mutex_unlock(&d->writer);
    weft__count_unslotted(d, WEFT__COUNT_DROPPED_STOPPED, dropped);
}

/* Publishes already begun may still fill mailboxes, so they come first; the mailboxes only shrink after that. What is
 * left in the end is what time did not suffice for, or what is paused. */
static void drain(weft_dispatcher *d, uint32_t timeout_ms)
{
    struct timespec deadline = weft__deadline_after(timeout_ms);
    if (weft__slots_quiesce(&d->slots, &deadline))
        (void)weft__pool_wait_idle(&d->pool, &deadline);
    mailboxes_set_state(d, WEFT__MAILBOX_STOPPED);
    (void)weft__slots_quiesce(&d->slots, NULL);
    (void)weft__pool_wait_idle(&d->pool, NULL);
    mailboxes_set_state(d, WEFT__MAILBOX_OPEN);
}

weft_status weft_dispatcher_stop(weft_dispatcher *d, uint32_t timeout_ms, uint64_t *ret_undelivered)
{
    if (weft__slots_held_here(&d->slots))
        return WEFT_INVALID;
    uint64_t undelivered = 0;
    pthread_mutex_lock(&d->lifecycle);
    if (state_change(d, WEFT__RUNNING, WEFT__STOPPING)) {
        uint64_t before = weft__stats_total(d, WEFT__COUNT_DROPPED_STOPPED);
        drain(d, timeout_ms);
        undelivered = weft__stats_total(d, WEFT__COUNT_DROPPED_STOPPED) - before;
        (void)state_change(d, WEFT__STOPPING, WEFT__STOPPED);
    }
    pthread_mutex_unlock(&d->lifecycle);
    if (ret_undelivered != NULL)
        *ret_undelivered = undelivered;
    return undelivered == 0 ? WEFT_OK : WEFT_TIMEOUT;
}

weft_status weft_dispatcher_start(weft_dispatcher *d)
{
    bool started = state_change(d, WEFT__STOPPED, WEFT__RUNNING);
    return started || atomic_load(&d->state) == WEFT__RUNNING ? WEFT_OK : WEFT_STOPPED;
}

/* ---- history ---- */

size_t weft_history_find(weft_dispatcher *d, const weft_history_query *query, const weft_event **events, size_t max)
{
    return weft__history_find(&d->history, query, events, max);
}

void weft_history_clear(weft_dispatcher *d)
{
    weft__history_clear(&d->history);
}
