/* core/stats.c: adds up what the slots have counted. */
#include "core/dispatcher_private.h"

typedef struct sum {
    weft_dispatcher_stats stats;
    uint64_t totals[WEFT__COUNT_COUNT];
} sum;

static void sum_add(const weft__counters *counters, void *user)
{
    sum *s = user;
    for (size_t i = 0; i < WEFT__COUNT_COUNT; i++)
        s->totals[i] += weft__count_read(&counters->totals[i]);
    for (size_t i = 0; i < WEFT_EVENT_TYPE_COUNT; i++)
        s->stats.by_type[i] += weft__count_read(&counters->by_type[i]);
}

static sum sum_of(weft_dispatcher *d)
{
    sum s = {0};
    sum_add(&d->shared, &s);
    weft__slots_each(&d->slots, sum_add, &s);
    return s;
}

uint64_t weft__stats_total(weft_dispatcher *d, weft__count count)
{
    return sum_of(d).totals[count];
}

void weft_dispatcher_get_stats(weft_dispatcher *d, weft_dispatcher_stats *ret)
{
    sum s = sum_of(d);
    *ret = s.stats;
#define X(name, member) ret->member = s.totals[WEFT__COUNT_##name];
    WEFT__COUNT_MAP(X)
#undef X
    pthread_mutex_lock(&d->writer);
    ret->subscriptions = weft__snapshot_count(atomic_load(&d->current));
    pthread_mutex_unlock(&d->writer);
}

weft_status weft_subscription_get_stats(weft_dispatcher *d, weft_subscription subscription,
                                        weft_subscription_stats *ret)
{
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(atomic_load(&d->current), subscription.id);
    if (sub != NULL)
        weft__subscription_read_stats(sub, ret);
    pthread_mutex_unlock(&d->writer);
    return sub != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}
