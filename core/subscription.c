/* core/subscription.c: subscriptions and their statistics. */
#include "core/subscription.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static_assert(WEFT_EVENT_TYPE_COUNT <= 256, "weft__stripe.last keeps the type in 8 bits");

enum { QUEUE_DEFAULT = 1024, BLOCK_DEFAULT_MS = 1000 };

/* Cuts at a character, not inside one. */
static void name_set(char *to, size_t bytes, const char *name)
{
    size_t length = strnlen(name, bytes);
    if (length == bytes) {
        length = bytes - 1;
        while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, name, length);
    to[length] = '\0';
}

static bool opts_valid(const weft_subscribe_opts *opts)
{
    return (unsigned)opts->overflow <= WEFT_OVERFLOW_BLOCK;
}

static weft_status mailbox_init(weft__subscription *sub, const weft_subscribe_opts *opts)
{
    if (!sub->queued)
        return WEFT_OK;
    uint32_t max = opts->queue_max != 0 ? opts->queue_max : QUEUE_DEFAULT;
    return weft__mailbox_init(&sub->mailbox, max, opts->overflow,
                              opts->block_ms != 0 ? opts->block_ms : BLOCK_DEFAULT_MS);
}

weft_status weft__subscription_create(const weft_filter *filter, const weft_subscribe_opts *opts,
                                      weft_handler_fn handler, void *user, weft__subscription **ret)
{
    static const weft_subscribe_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    if (handler == NULL || !opts_valid(opts))
        return WEFT_INVALID;
    weft__subscription *sub = aligned_alloc(WEFT__CACHE_LINE, sizeof *sub);
    if (sub == NULL)
        return WEFT_NO_MEMORY;
    memset(sub, 0, sizeof *sub);
    atomic_init(&sub->refs, 1);
    sub->handler = handler;
    sub->on_lost = opts->on_lost;
    sub->user = user;
    sub->queued = opts->queued;
    name_set(sub->name, sizeof sub->name, opts->name != NULL ? opts->name : "");
    weft_status status = weft__filter_compile(filter, &sub->filter);
    if (status != WEFT_OK)
        goto err_sub;
    status = mailbox_init(sub, opts);
    if (status != WEFT_OK)
        goto err_filter;
    *ret = sub;
    return WEFT_OK;
err_filter:
    free(sub->filter);
err_sub:
    free(sub);
    return status;
}

void weft__subscription_ref(weft__subscription *sub)
{
    atomic_fetch_add_explicit(&sub->refs, 1, memory_order_relaxed);
}

void weft__subscription_unref(weft__subscription *sub)
{
    if (atomic_fetch_sub_explicit(&sub->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (sub->queued)
        weft__mailbox_fini(&sub->mailbox);
    free(sub->filter);
    free(sub);
}

weft__subscription *weft__subscription_of_job(weft__job *job)
{
    return (weft__subscription *)(void *)((char *)job - offsetof(weft__subscription, job));
}

static bool call_is_timed(const weft__subscription *sub, const weft__stripe *stripe)
{
    return sub->queued ||
           (weft__count_read(&stripe->handled) + weft__count_read(&stripe->errors)) % WEFT__SAMPLE_EVERY == 0;
}

static weft_status call_timed(weft__subscription *sub, weft__stripe *stripe, const weft_clock *clock,
                              const weft_event *event)
{
    int64_t begin_ns = weft_clock_mono_ns(clock);
    weft_status status = sub->handler(event, sub->user);
    weft__count_shared(&stripe->handler_ns, (uint64_t)(weft_clock_mono_ns(clock) - begin_ns));
    weft__count_shared(&stripe->handler_timed, 1);
    return status;
}

void weft__subscription_handle(weft__subscription *sub, weft__slot *slot, const weft_clock *clock,
                               const weft_event *event)
{
    weft__stripe *stripe = weft__subscription_stripe(sub, slot);
    weft_status status =
        call_is_timed(sub, stripe) ? call_timed(sub, stripe, clock, event) : sub->handler(event, sub->user);
    if (status != WEFT_OK) {
        weft__count_shared(&stripe->errors, 1);
        weft__count_own(&slot->counters.totals[WEFT__COUNT_HANDLER_ERRORS], 1);
        return;
    }
    weft__count_shared(&stripe->handled, 1);
    weft__count_own(&slot->counters.totals[WEFT__COUNT_HANDLED], 1);
    uint64_t last = (uint64_t)event->accepted_ms << 8 | weft__type_index(event->type);
    atomic_store_explicit(&stripe->last, last, memory_order_relaxed);
}

void weft__subscription_read_stats(weft__subscription *sub, weft_subscription_stats *ret)
{
    *ret = (weft_subscription_stats){.queued = sub->queued};
    memcpy(ret->name, sub->name, sizeof ret->name);
    uint64_t last = 0;
    for (size_t i = 0; i < WEFT__STRIPES; i++) {
        const weft__stripe *stripe = &sub->stripes[i];
        ret->handled += weft__count_read(&stripe->handled);
        ret->errors += weft__count_read(&stripe->errors);
        ret->dropped_overflow += weft__count_read(&stripe->dropped_overflow);
        ret->expired += weft__count_read(&stripe->expired);
        ret->handler_ns += weft__count_read(&stripe->handler_ns);
        ret->handler_timed += weft__count_read(&stripe->handler_timed);
        uint64_t stripe_last = weft__count_read(&stripe->last);
        last = stripe_last > last ? stripe_last : last;
    }
    ret->last_type = (weft_event_type)(last & 0xFF);
    ret->last_event_ms = (int64_t)(last >> 8);
    if (sub->queued) {
        ret->queue_depth = weft__mailbox_depth(&sub->mailbox);
        ret->queue_max = sub->mailbox.max;
    }
}
