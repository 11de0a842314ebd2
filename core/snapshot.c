/* core/snapshot.c: immutable lists of subscriptions, and when to free them.
 *
 * Both lists stay in the order of ids, so an id is found by halving. Neighbouring chunks that have become thin are
 * joined, so that n subscriptions never take more than about n / 16 chunks.
 * An event whose takers are all plain is counted once for each chunk, not for each subscription: in a row that every
 * slot has for the chunk. What a chunk has counted passes to its subscriptions when it goes.
 * Simplification: a change copies the pointers to all chunks: 8 KB at 65,536 subscriptions. */
#include "core/snapshot.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_THIN = WEFT__CHUNK_MAX / 2 };

/* ---- chunks ---- */

static weft__chunk *chunk_ref(weft__chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
    return chunk;
}

/* What all slots have counted in a chunk's row, by event type. */
typedef struct row_counts {
    uint64_t handled[WEFT_EVENT_TYPE_COUNT];
    uint64_t last[WEFT_EVENT_TYPE_COUNT];
} row_counts;

static void row_read(const weft__chunk *chunk, row_counts *ret)
{
    weft__tally_place place = chunk->row;
    for (int type = WEFT_EVENT_NONE; type < WEFT_EVENT_TYPE_COUNT; type++) {
        ret->last[type] = 0;
        ret->handled[type] = weft__tally_sum(chunk->list->slots, place, &ret->last[type]);
        place.at += (uint32_t)sizeof(weft__tally);
    }
}

static uint64_t row_handled(const row_counts *row, const weft__subscription *sub, uint64_t *last)
{
    uint64_t handled = 0;
    for (int type = WEFT_EVENT_NONE; type < WEFT_EVENT_TYPE_COUNT; type++) {
        if (row->handled[type] == 0 || !weft__type_set_has(&sub->filter.types, (weft_event_type)type))
            continue;
        handled += row->handled[type];
        *last = row->last[type] > *last ? row->last[type] : *last;
    }
    return handled;
}

/* Before the row goes its counts become the subscriptions' own. */
static void chunk_settle(const weft__chunk *chunk)
{
    row_counts row;
    row_read(chunk, &row);
    for (unsigned i = 0; i < chunk->count; i++) {
        weft__subscription *sub = chunk->entries[i].sub;
        if (sub->queue == NULL)
            weft__count_shared(&sub->handled_before, row_handled(&row, sub, &sub->last_before));
    }
}

static void chunk_unlist(const weft__chunk *chunk)
{
    weft__chunk **link = &chunk->list->first;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
}

static void chunk_unref(weft__chunk *chunk)
{
    if (chunk == NULL || atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
        return;
    chunk_settle(chunk);
    chunk_unlist(chunk);
    weft__row_free(chunk->list->slots, chunk->row_index);
    for (unsigned i = 0; i < chunk->count; i++)
        weft__subscription_unref(chunk->entries[i].sub);
    free(chunk);
}

/* demands: at most how many the entries make. */
static weft__chunk *chunk_create(weft__chunk_list *list, unsigned room, size_t demands)
{
    size_t bytes = sizeof(weft__chunk) + room * sizeof(weft__entry) + demands * sizeof(weft__demand);
    bytes = (bytes + WEFT__CACHE_LINE - 1) / WEFT__CACHE_LINE * WEFT__CACHE_LINE;
    weft__chunk *chunk = aligned_alloc(WEFT__CACHE_LINE, bytes);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    if (weft__row_alloc(list->slots, &chunk->row_index) != WEFT_OK) {
        free(chunk);
        return NULL;
    }
    atomic_init(&chunk->refs, 1);
    chunk->row = weft__row_place_of(chunk->row_index);
    chunk->demands = (weft__demand *)(void *)&chunk->entries[room];
    chunk->demand_max = demands;
    chunk->list = list;
    chunk->next = list->first;
    list->first = chunk;
    return chunk;
}

static void demand_add(weft__chunk *chunk, size_t text_at, const weft__symbol *symbol, uint64_t bit)
{
    weft__demand *demand = chunk->demands;
    while (demand < chunk->demands + chunk->demand_count && (demand->symbol != symbol || demand->text_at != text_at))
        demand++;
    if (demand == chunk->demands + chunk->demand_count)
        chunk->demands[chunk->demand_count++] = (weft__demand){.symbol = symbol, .text_at = text_at};
    demand->entries |= bit;
}

static void conditions_add(weft__chunk *chunk, const weft__conditions *conditions, uint64_t bit)
{
    weft__symbol *const *symbol = conditions->symbols;
    for (unsigned asks = conditions->asks; asks != 0; asks &= asks - 1)
        demand_add(chunk, weft__ask_text_at((weft__ask)__builtin_ctz(asks)), *symbol++, bit);
    if (conditions->asks_more || conditions->predicate != NULL)
        chunk->picky |= bit;
}

static void chunk_add(weft__chunk *chunk, weft__subscription *sub)
{
    const weft__filter *filter = &sub->filter;
    uint64_t bit = UINT64_C(1) << chunk->count;
    weft__subscription_ref(sub);
    chunk->entries[chunk->count++] = (weft__entry){.handler = sub->handler,
                                                   .user = sub->user,
                                                   .id = sub->id,
                                                   .conditions = filter->conditions,
                                                   .sub = sub,
                                                   .tally = weft__tally_place_of(sub->tally)};
    weft__type_set_merge(&chunk->types, &filter->types);
    for (int type = WEFT_EVENT_NONE; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (weft__type_set_has(&filter->types, (weft_event_type)type))
            chunk->wants[type] |= bit;
    bool open = !weft__subscription_is_special(sub);
    if (open)
        chunk->open |= bit;
    if (filter->conditions != NULL)
        conditions_add(chunk, filter->conditions, bit);
    if (filter->conditions != NULL || !open)
        weft__type_set_merge(&chunk->asking, &filter->types);
    if (((chunk->picky | ~chunk->open) & bit) != 0)
        weft__type_set_merge(&chunk->special, &filter->types);
    if (filter->conditions == NULL || filter->conditions->origin != WEFT_ORIGIN_LOCAL)
        chunk->remote_topics |= filter->topics;
}

static size_t demands_of(const weft__subscription *sub)
{
    return sub->filter.conditions != NULL ? (size_t)__builtin_popcount(sub->filter.conditions->asks) : 0;
}

static void chunk_add_from(weft__chunk *chunk, const weft__chunk *from, const weft__subscription *without)
{
    for (unsigned i = 0; i < from->count; i++)
        if (from->entries[i].sub != without && !weft__subscription_has_ended(from->entries[i].sub))
            chunk_add(chunk, from->entries[i].sub);
}

static bool chunk_lists(const weft__chunk *chunk, const weft__subscription *sub)
{
    return chunk->entries[0].id <= sub->id && sub->id <= chunk->entries[chunk->count - 1].id;
}

/* ---- lists ---- */

static void entries_push(weft__entries *entries, weft__chunk *chunk)
{
    entries->chunks[entries->chunk_count++] = chunk;
    weft__type_set_merge(&entries->types, &chunk->types);
    weft__type_set_merge(&entries->asking, &chunk->asking);
    weft__type_set_merge(&entries->special, &chunk->special);
}

/* The chunk without the subscription, joined with the next one if both are thin; *used: how many of `from` it stands
 * for. NULL with *used set: nothing is left. */
static bool chunk_remake(weft__chunk_list *list, const weft__entries *from, size_t at,
                         const weft__subscription *without, weft__chunk **ret, size_t *used)
{
    const weft__chunk *chunk = from->chunks[at];
    const weft__chunk *next = at + 1 < from->chunk_count ? from->chunks[at + 1] : NULL;
    bool join = without != NULL && next != NULL && chunk->count - 1 + next->count <= CHUNK_THIN;
    weft__chunk *made =
        chunk_create(list, chunk->count + (join ? next->count : 0), chunk->demand_max + (join ? next->demand_max : 0));
    if (made == NULL)
        return false;
    chunk_add_from(made, chunk, without);
    if (join)
        chunk_add_from(made, next, without);
    *used = join ? 2 : 1;
    if (made->count == 0) {
        chunk_unref(made);
        made = NULL;
    }
    *ret = made;
    return true;
}

static bool last_chunk_extend(weft__chunk_list *list, weft__entries *entries, weft__subscription *add)
{
    weft__chunk *last = entries->chunk_count > 0 ? entries->chunks[entries->chunk_count - 1] : NULL;
    bool full = last == NULL || last->count == WEFT__CHUNK_MAX;
    weft__chunk *made = chunk_create(list, full ? 1 : last->count + 1, demands_of(add) + (full ? 0 : last->demand_max));
    if (made == NULL)
        return false;
    if (!full) {
        chunk_add_from(made, last, NULL);
        chunk_unref(last);
        entries->chunk_count--;
    }
    chunk_add(made, add);
    entries_push(entries, made);
    return true;
}

static void entries_fini(weft__entries *entries)
{
    for (size_t i = 0; i < entries->chunk_count; i++)
        chunk_unref(entries->chunks[i]);
    free(entries->chunks);
}

static bool entries_fill(weft__chunk_list *list, weft__entries *to, const weft__entries *from,
                         const weft__change *change)
{
    const weft__subscription *touched = change->remove != NULL ? change->remove : change->renew;
    for (size_t i = 0; i < from->chunk_count;) {
        weft__chunk *chunk = from->chunks[i];
        size_t used = 1;
        if (touched == NULL || !chunk_lists(chunk, touched))
            chunk = chunk_ref(chunk);
        else if (!chunk_remake(list, from, i, change->remove, &chunk, &used))
            return false;
        if (chunk != NULL)
            entries_push(to, chunk);
        i += used;
    }
    return true;
}

static bool entries_init(weft__chunk_list *list, weft__entries *to, const weft__entries *from,
                         const weft__change *change, weft__subscription *add)
{
    to->chunks = malloc((from->chunk_count + 1) * sizeof(weft__chunk *));
    if (to->chunks == NULL)
        return false;
    return entries_fill(list, to, from, change) && (add == NULL || last_chunk_extend(list, to, add));
}

/* ---- snapshots ---- */

static void gates_ref(const weft__gates *gates)
{
    if (gates->limiter != NULL)
        weft__limiter_ref(gates->limiter);
    if (gates->interceptors != NULL)
        (void)weft__interceptors_ref(gates->interceptors);
}

static void gates_unref(const weft__gates *gates)
{
    weft__limiter_unref(gates->limiter);
    weft__interceptors_unref(gates->interceptors);
}

static bool gates_any(const weft__gates *gates)
{
    return gates->tap.ops != NULL || gates->limiter != NULL || gates->interceptors != NULL;
}

static void types_set(weft__snapshot *snapshot, bool all_careful)
{
    snapshot->careful = snapshot->queued.types;
    weft__type_set_add(&snapshot->careful, WEFT_EVENT_NONE);
    if (all_careful || gates_any(&snapshot->gates))
        for (size_t i = 0; i < WEFT__TYPE_WORDS; i++)
            snapshot->careful.words[i] = UINT64_MAX;
    const weft__entries *inline_ = &snapshot->inline_;
    for (size_t i = 0; i < WEFT__TYPE_WORDS && weft__fence_is_asymmetric; i++) {
        uint64_t quick = inline_->types.words[i] & ~inline_->special.words[i] & ~snapshot->careful.words[i];
        snapshot->plain.words[i] = quick & ~inline_->asking.words[i];
        snapshot->texts.words[i] = quick & inline_->asking.words[i];
    }
}

weft__snapshot *weft__snapshot_create(weft__chunk_list *chunks, const weft__snapshot *from, const weft__change *change)
{
    static const weft__snapshot empty = {0};
    if (from == NULL)
        from = &empty;
    weft__subscription *add = change->add;
    bool add_queued = add != NULL && add->queue != NULL;
    weft__snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return NULL;
    snapshot->gates = change->gates != NULL ? *change->gates : from->gates;
    gates_ref(&snapshot->gates);
    if (!entries_init(chunks, &snapshot->queued, &from->queued, change, add_queued ? add : NULL) ||
        !entries_init(chunks, &snapshot->inline_, &from->inline_, change, add_queued ? NULL : add)) {
        weft__snapshot_destroy(snapshot);
        return NULL;
    }
    types_set(snapshot, change->all_careful);
    return snapshot;
}

void weft__snapshot_destroy(weft__snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    entries_fini(&snapshot->queued);
    entries_fini(&snapshot->inline_);
    gates_unref(&snapshot->gates);
    free(snapshot);
}

/* The first chunk whose last id is at least this; the count of chunks if there is none. */
static size_t chunk_at(const weft__entries *entries, uint64_t id)
{
    size_t low = 0, high = entries->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const weft__chunk *chunk = entries->chunks[middle];
        if (chunk->entries[chunk->count - 1].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static weft__subscription *entries_find(const weft__entries *entries, uint64_t id)
{
    size_t at = chunk_at(entries, id);
    if (at == entries->chunk_count)
        return NULL;
    const weft__chunk *chunk = entries->chunks[at];
    for (unsigned i = 0; i < chunk->count; i++)
        if (chunk->entries[i].id == id)
            return chunk->entries[i].sub;
    return NULL;
}

weft__subscription *weft__snapshot_find_listed(const weft__snapshot *snapshot, uint64_t id)
{
    weft__subscription *sub = entries_find(&snapshot->inline_, id);
    return sub != NULL ? sub : entries_find(&snapshot->queued, id);
}

weft__subscription *weft__snapshot_find(const weft__snapshot *snapshot, uint64_t id)
{
    weft__subscription *sub = weft__snapshot_find_listed(snapshot, id);
    return sub != NULL && !weft__subscription_has_ended(sub) ? sub : NULL;
}

/* A place in one of the lists. */
typedef struct cursor {
    const weft__entries *entries;
    size_t chunk;
    unsigned entry;
} cursor;

static const weft__entry *cursor_entry(const cursor *c)
{
    return c->chunk < c->entries->chunk_count ? &c->entries->chunks[c->chunk]->entries[c->entry] : NULL;
}

static void cursor_step(cursor *c)
{
    if (++c->entry == c->entries->chunks[c->chunk]->count) {
        c->entry = 0;
        c->chunk++;
    }
}

static cursor cursor_after(const weft__entries *entries, uint64_t id)
{
    cursor c = {.entries = entries, .chunk = chunk_at(entries, id)};
    while (cursor_entry(&c) != NULL && cursor_entry(&c)->id <= id)
        cursor_step(&c);
    return c;
}

size_t weft__snapshot_ids(const weft__snapshot *snapshot, uint64_t after, weft_subscription *ret, size_t max)
{
    cursor a = cursor_after(&snapshot->inline_, after), b = cursor_after(&snapshot->queued, after);
    size_t count = 0;
    while (count < max) {
        const weft__entry *x = cursor_entry(&a), *y = cursor_entry(&b);
        if (x == NULL && y == NULL)
            break;
        bool first = y == NULL || (x != NULL && x->id < y->id);
        const weft__entry *entry = first ? x : y;
        if (!weft__subscription_has_ended(entry->sub))
            ret[count++].id = entry->id;
        cursor_step(first ? &a : &b);
    }
    return count;
}

static uint32_t entries_remote_topics(const weft__entries *entries)
{
    uint32_t topics = 0;
    for (size_t i = 0; i < entries->chunk_count; i++)
        topics |= entries->chunks[i]->remote_topics;
    return topics;
}

uint32_t weft__snapshot_remote_topics(const weft__snapshot *snapshot)
{
    return entries_remote_topics(&snapshot->queued) | entries_remote_topics(&snapshot->inline_);
}

uint64_t weft__chunks_handled_locked(const weft__chunk_list *chunks, const weft__subscription *sub, uint64_t *ret_last)
{
    uint64_t handled = weft__count_read(&sub->handled_before);
    *ret_last = sub->last_before;
    if (sub->queue != NULL)
        return handled;
    for (const weft__chunk *chunk = chunks->first; chunk != NULL; chunk = chunk->next)
        for (unsigned i = 0; i < chunk->count; i++) {
            if (chunk->entries[i].sub != sub)
                continue;
            row_counts row;
            row_read(chunk, &row);
            handled += row_handled(&row, sub, ret_last);
        }
    return handled;
}

void weft__chunks_reset_locked(weft__chunk_list *chunks)
{
    for (const weft__chunk *chunk = chunks->first; chunk != NULL; chunk = chunk->next)
        weft__tally_clear(chunks->slots, chunk->row, WEFT_EVENT_TYPE_COUNT);
}

void weft__snapshot_replace_locked(weft__slots *slots, weft__guard *current, weft__snapshot **retired,
                                   weft__snapshot *next)
{
    weft__snapshot *old = atomic_exchange(current, next);
    weft__fence_heavy();
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
