/* core/stats.c: adds up what the slots have counted. */
#include "core/dispatcher_private.h"

typedef struct sum {
    weft_dispatcher_stats stats;
    uint64_t totals[WEFT__COUNT_COUNT];
} sum;

static void sum_add(const weft__counters *counters, sum *s)
{
    for (size_t i = 0; i < WEFT__COUNT_COUNT; i++)
        s->totals[i] += weft__count_read(&counters->totals[i]);
    for (size_t i = 0; i < WEFT_EVENT_TYPE_COUNT; i++)
        s->stats.by_type[i] += weft__count_read(&counters->by_type[i]);
}

static void sum_add_slot(weft__slot *slot, void *user)
{
    sum_add(&slot->counters, user);
}

static sum sum_of(weft_dispatcher *d)
{
    sum s = {0};
    sum_add(&d->shared, &s);
    weft__slots_each(&d->slots, sum_add_slot, &s);
    return s;
}

uint64_t weft__stats_total(weft_dispatcher *d, weft__count count)
{
    return sum_of(d).totals[count];
}

static void sum_since_reset_locked(const weft_dispatcher *d, sum *s)
{
    for (size_t i = 0; i < WEFT__COUNT_COUNT; i++)
        s->totals[i] -= weft__count_read(&d->baseline.totals[i]);
    for (size_t i = 0; i < WEFT_EVENT_TYPE_COUNT; i++)
        s->stats.by_type[i] -= weft__count_read(&d->baseline.by_type[i]);
}

/* What was brought is counted by type as well; the rest was published here. */
static void count_published(weft_dispatcher_stats *stats)
{
    stats->published = 0;
    for (size_t i = 0; i < WEFT_EVENT_TYPE_COUNT; i++)
        stats->published += stats->by_type[i];
    stats->published -= stats->delivered_remote;
}

void weft_dispatcher_get_stats(weft_dispatcher *d, weft_dispatcher_stats *ret)
{
    pthread_mutex_lock(&d->writer);
    sum s = sum_of(d);
    sum_since_reset_locked(d, &s);
    *ret = s.stats;
    ret->subscriptions = d->subscription_count;
    pthread_mutex_unlock(&d->writer);
#define X(name, member) ret->member = s.totals[WEFT__COUNT_##name];
    WEFT__COUNT_MAP(X)
#undef X
    count_published(ret);
}

/* ---- subscriptions ---- */

weft_status weft_subscription_get_stats(weft_dispatcher *d, weft_subscription subscription,
                                        weft_subscription_stats *ret)
{
    pthread_mutex_lock(&d->writer);
    weft__subscription *sub = weft__snapshot_find(weft__current_locked(d), subscription.id);
    if (sub != NULL) {
        uint64_t last, handled = weft__chunks_handled_locked(&d->chunks, sub, &last);
        weft__subscription_read_stats(sub, handled, last, ret);
    }
    pthread_mutex_unlock(&d->writer);
    return sub != NULL ? WEFT_OK : WEFT_NOT_FOUND;
}

/* ---- reset ---- */

static void entries_reset(const weft__entries *entries)
{
    for (size_t c = 0; c < entries->chunk_count; c++)
        for (unsigned i = 0; i < entries->chunks[c]->count; i++)
            weft__subscription_reset_stats(entries->chunks[c]->entries[i].sub);
}

static void totals_reset_locked(weft_dispatcher *d)
{
    sum s = sum_of(d);
    for (size_t i = 0; i < WEFT__COUNT_COUNT; i++)
        atomic_store(&d->baseline.totals[i], s.totals[i]);
    for (size_t i = 0; i < WEFT_EVENT_TYPE_COUNT; i++)
        atomic_store(&d->baseline.by_type[i], s.stats.by_type[i]);
}

void weft_dispatcher_reset(weft_dispatcher *d)
{
    weft__history_clear(&d->history);
    weft__dead_letters_clear(&d->dead_letters);
    pthread_mutex_lock(&d->writer);
    totals_reset_locked(d);
    weft__chunks_reset_locked(&d->chunks);
    entries_reset(&weft__current_locked(d)->queued);
    entries_reset(&weft__current_locked(d)->inline_);
    pthread_mutex_unlock(&d->writer);
}
