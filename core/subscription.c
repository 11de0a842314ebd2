/* core/subscription.c: subscriptions and their statistics. */
#include "core/subscription.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static_assert(WEFT_EVENT_TYPE_COUNT <= 256, "weft__tally.last keeps the type in 8 bits");

enum { QUEUE_DEFAULT = 1024, BLOCK_DEFAULT_MS = 1000 };

static weft_status name_init(weft__subscription *sub, const char *name)
{
    char cut[WEFT__NAME_BYTES];
    weft__name_copy(cut, name);
    if (cut[0] == '\0')
        return WEFT_OK;
    sub->name = strdup(cut);
    return sub->name != NULL ? WEFT_OK : WEFT_NO_MEMORY;
}

static bool opts_valid(const weft_subscribe_opts *opts)
{
    return (unsigned)opts->overflow <= WEFT_OVERFLOW_DEAD_LETTER;
}

static weft_status queue_create(const weft_subscribe_opts *opts, weft__queue **ret)
{
    if (!opts->queued)
        return WEFT_OK;
    weft__queue *queue = aligned_alloc(WEFT__CACHE_LINE, sizeof *queue);
    if (queue == NULL)
        return WEFT_NO_MEMORY;
    memset(queue, 0, sizeof *queue);
    weft__mailbox_opts mailbox = {
        .max = opts->queue_max != 0 ? opts->queue_max : QUEUE_DEFAULT,
        .overflow = opts->overflow,
        .block_ms = opts->block_ms != 0 ? opts->block_ms : BLOCK_DEFAULT_MS,
        .concurrency = opts->concurrency != 0 ? opts->concurrency : 1,
        .paused = opts->paused,
    };
    weft_status status = weft__mailbox_init(&queue->mailbox, &mailbox);
    if (status != WEFT_OK) {
        free(queue);
        return status;
    }
    *ret = queue;
    return WEFT_OK;
}

static void queue_destroy(weft__queue *queue)
{
    if (queue == NULL)
        return;
    weft__mailbox_fini(&queue->mailbox);
    free(queue);
}

static weft_status parts_init(weft__subscription *sub, const weft_filter *filter, const weft_subscribe_opts *opts)
{
    weft_status status = weft__filter_init(&sub->filter, filter, sub->home->symbols);
    if (status != WEFT_OK)
        return status;
    status = name_init(sub, opts->name);
    if (status != WEFT_OK)
        goto err_filter;
    status = queue_create(opts, &sub->queue);
    if (status != WEFT_OK)
        goto err_name;
    if (sub->queue != NULL)
        sub->queue->owner = sub;
    status = weft__tally_alloc(sub->home->slots, &sub->tally);
    if (status != WEFT_OK)
        goto err_queue;
    return WEFT_OK;
err_queue:
    queue_destroy(sub->queue);
err_name:
    free(sub->name);
err_filter:
    weft__filter_fini(&sub->filter, sub->home->symbols);
    return status;
}

weft_status weft__subscription_create(const weft__home *home, const weft_filter *filter,
                                      const weft_subscribe_opts *opts, weft_handler_fn handler, void *user,
                                      weft__subscription **ret)
{
    static const weft_subscribe_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    if (handler == NULL || !opts_valid(opts))
        return WEFT_INVALID;
    weft__subscription *sub = calloc(1, sizeof *sub);
    if (sub == NULL)
        return WEFT_NO_MEMORY;
    atomic_init(&sub->refs, 1);
    atomic_init(&sub->state, opts->paused ? WEFT__SUB_PAUSED : 0);
    sub->home = home;
    sub->handler = handler;
    sub->on_lost = opts->on_lost;
    sub->user = user;
    sub->once = opts->once;
    sub->attempts = (opts->attempts != 0 ? opts->attempts : 1) & 0x7FFFFFFF;
    sub->failures_max = opts->failures_max;
    weft_status status = parts_init(sub, filter, opts);
    if (status != WEFT_OK) {
        free(sub);
        return status;
    }
    *ret = sub;
    return WEFT_OK;
}

void weft__subscription_ref(weft__subscription *sub)
{
    atomic_fetch_add_explicit(&sub->refs, 1, memory_order_relaxed);
}

void weft__subscription_unref(weft__subscription *sub)
{
    if (atomic_fetch_sub_explicit(&sub->refs, 1, memory_order_acq_rel) != 1)
        return;
    weft__tally_free(sub->home->slots, sub->tally);
    queue_destroy(sub->queue);
    free(sub->name);
    weft__filter_fini(&sub->filter, sub->home->symbols);
    free(sub);
}

weft__subscription *weft__subscription_of_job(weft__job *job)
{
    weft__queue *queue = (weft__queue *)(void *)((char *)job - offsetof(weft__queue, job));
    return queue->owner;
}

weft_status weft__subscription_call_timed(weft__subscription *sub, const weft_clock *clock, const weft_event *event)
{
    int64_t begin_ns = weft_clock_mono_ns(clock);
    weft_status status = sub->handler(event, sub->user);
    weft__count_shared(&sub->handler_ns, (uint64_t)(weft_clock_mono_ns(clock) - begin_ns));
    atomic_fetch_add_explicit(&sub->handler_timed, 1, memory_order_relaxed);
    return status;
}

static void read_queue_stats(const weft__subscription *sub, weft_subscription_stats *ret)
{
    ret->queued = true;
    ret->dropped_overflow = weft__count_read(&sub->queue->dropped_overflow);
    ret->expired = weft__count_read(&sub->queue->expired);
    ret->queue_depth = weft__mailbox_waiting(&sub->queue->mailbox);
    ret->queue_max = sub->queue->mailbox.opts.max;
}

void weft__subscription_read_stats(weft__subscription *sub, uint64_t handled, uint64_t last,
                                   weft_subscription_stats *ret)
{
    unsigned state = atomic_load(&sub->state);
    handled += weft__tally_sum(sub->home->slots, weft__tally_place_of(sub->tally), &last);
    *ret = (weft_subscription_stats){
        .paused = (state & WEFT__SUB_PAUSED) != 0,
        .suspended = (state & WEFT__SUB_SUSPENDED) != 0,
        .handled = (int64_t)handled > 0 ? handled : 0, /* a chunk counts when its handlers have run */
        .errors = weft__count_read(&sub->errors),
        .stalls = atomic_load(&sub->stalls),
        .handler_ns = weft__count_read(&sub->handler_ns),
        .handler_timed = atomic_load(&sub->handler_timed),
        .skipped_paused = atomic_load(&sub->skipped_paused),
        .dead_letters = atomic_load(&sub->dead_letters),
        .running = weft__slots_running(sub->home->slots, sub->id),
    };
    ret->last_type = (weft_event_type)(last & 0xFF);
    ret->last_event_ms = (int64_t)(last >> 8);
    weft__name_copy(ret->name, sub->name);
    if (sub->queue != NULL)
        read_queue_stats(sub, ret);
}

void weft__subscription_reset_stats(weft__subscription *sub)
{
    weft__tally_clear(sub->home->slots, weft__tally_place_of(sub->tally), 1);
    atomic_store(&sub->handled_before, 0);
    sub->last_before = 0;
    atomic_store(&sub->errors, 0);
    atomic_store(&sub->stalls, 0);
    atomic_store(&sub->handler_ns, 0);
    atomic_store(&sub->handler_timed, 0);
    atomic_store(&sub->skipped_paused, 0);
    atomic_store(&sub->dead_letters, 0);
    if (sub->queue != NULL) {
        atomic_store(&sub->queue->dropped_overflow, 0);
        atomic_store(&sub->queue->expired, 0);
    }
}
