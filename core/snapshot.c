/* core/snapshot.c: immutable lists of subscriptions, and when to free them.
 *
 * Simplification: every subscribe copies the list. At ten thousand subscriptions that is some 300 KB; should sets of
 * that size change all the time, add and drop many in one step. */
#include "core/snapshot.h"

#include <stdlib.h>

static bool entry_lives(const weft__entry *entry)
{
    return !atomic_load(&entry->sub->dead);
}

static void entries_add(weft__entries *entries, weft__subscription *sub)
{
    weft__subscription_ref(sub);
    entries->list[entries->count++] = (weft__entry){.types = sub->filter->types, .filter = sub->filter, .sub = sub};
    weft__type_set_merge(&entries->types, &sub->filter->types);
}

static void entries_copy(weft__entries *to, const weft__entries *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (entry_lives(&from->list[i]))
            entries_add(to, from->list[i].sub);
}

weft__snapshot *weft__snapshot_create(const weft__snapshot *from, weft__subscription *add)
{
    static const weft__snapshot empty = {0};
    if (from == NULL)
        from = &empty;
    size_t queued_max = from->queued.count + (add != NULL && add->queued);
    size_t inline_max = from->inline_.count + (add != NULL && !add->queued);
    weft__snapshot *snapshot = malloc(sizeof *snapshot + (queued_max + inline_max) * sizeof(weft__entry));
    if (snapshot == NULL)
        return NULL;
    *snapshot = (weft__snapshot){.tap = from->tap};
    snapshot->queued.list = (weft__entry *)(void *)(snapshot + 1);
    snapshot->inline_.list = snapshot->queued.list + queued_max;
    entries_copy(&snapshot->queued, &from->queued);
    entries_copy(&snapshot->inline_, &from->inline_);
    if (add != NULL)
        entries_add(add->queued ? &snapshot->queued : &snapshot->inline_, add);
    return snapshot;
}

static void entries_release(weft__entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        weft__subscription_unref(entries->list[i].sub);
}

void weft__snapshot_destroy(weft__snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    entries_release(&snapshot->queued);
    entries_release(&snapshot->inline_);
    free(snapshot);
}

static weft__subscription *entries_find(const weft__entries *entries, uint64_t id)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->list[i].sub->id == id && entry_lives(&entries->list[i]))
            return entries->list[i].sub;
    return NULL;
}

weft__subscription *weft__snapshot_find(const weft__snapshot *snapshot, uint64_t id)
{
    weft__subscription *sub = entries_find(&snapshot->inline_, id);
    return sub != NULL ? sub : entries_find(&snapshot->queued, id);
}

static uint32_t entries_living(const weft__entries *entries)
{
    uint32_t living = 0;
    for (size_t i = 0; i < entries->count; i++)
        living += entry_lives(&entries->list[i]);
    return living;
}

uint32_t weft__snapshot_count(const weft__snapshot *snapshot)
{
    return entries_living(&snapshot->queued) + entries_living(&snapshot->inline_);
}

static uint32_t entries_remote_topics(const weft__entries *entries)
{
    uint32_t topics = 0;
    for (size_t i = 0; i < entries->count; i++)
        if (entry_lives(&entries->list[i]) && entries->list[i].filter->condition.origin != WEFT_ORIGIN_LOCAL)
            topics |= entries->list[i].filter->topics;
    return topics;
}

uint32_t weft__snapshot_remote_topics(const weft__snapshot *snapshot)
{
    return entries_remote_topics(&snapshot->queued) | entries_remote_topics(&snapshot->inline_);
}

void weft__snapshot_replace_locked(weft__slots *slots, weft__guard *current, weft__snapshot **retired,
                                   weft__snapshot *next)
{
    weft__snapshot *old = atomic_exchange(current, next);
    old->next_retired = *retired;
    *retired = old;
    weft__snapshot **link = retired;
    while (*link != NULL) {
        weft__snapshot *snapshot = *link;
        if (weft__slots_guard(slots, snapshot)) {
            link = &snapshot->next_retired;
        } else {
            *link = snapshot->next_retired;
            weft__snapshot_destroy(snapshot);
        }
    }
}
