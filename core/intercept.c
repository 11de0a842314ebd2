/* core/intercept.c: the chain of interceptors.
 *
 * Owns       interceptors, their lists, and a publish's stage: an arena and the events split off.
 * Leaves     who is attached where, waiting for a removal, and validating the results to the dispatcher.
 * Split      events are kept copies (one allocation) under a plain struct that later interceptors may change; the copy
 *            holds the strings. Simple, and paid by those who split: an arena copy would save one allocation each.
 * Invariant  seen = passed + dropped + refused, for each interceptor, once its calls have returned. */
#include "core/intercept.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 4096 };

enum { TOPICS_ALL = (int)WEFT_TOPICS_DURABLE | (int)WEFT_TOPICS_BEST_EFFORT };

static void count_add(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t count_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* ---- one interceptor ---- */

weft_status weft__interceptor_create(const weft_interceptor_opts *opts, weft_intercept_fn intercept, void *user,
                                     weft__interceptor **ret)
{
    static const weft_interceptor_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    if (intercept == NULL || (opts->topics & ~(uint32_t)TOPICS_ALL) != 0)
        return WEFT_INVALID;
    weft__interceptor *interceptor = calloc(1, sizeof *interceptor);
    if (interceptor == NULL)
        return WEFT_NO_MEMORY;
    atomic_init(&interceptor->refs, 1);
    interceptor->intercept = intercept;
    interceptor->user = user;
    interceptor->order = opts->order;
    interceptor->topics = opts->topics;
    weft__name_copy(interceptor->name, opts->name);
    *ret = interceptor;
    return WEFT_OK;
}

void weft__interceptor_ref(weft__interceptor *interceptor)
{
    atomic_fetch_add_explicit(&interceptor->refs, 1, memory_order_relaxed);
}

void weft__interceptor_unref(weft__interceptor *interceptor)
{
    if (atomic_fetch_sub_explicit(&interceptor->refs, 1, memory_order_acq_rel) == 1)
        free(interceptor);
}

void weft__interceptor_read_stats(const weft__interceptor *interceptor, weft_interceptor_stats *ret)
{
    *ret = (weft_interceptor_stats){
        .order = interceptor->order,
        .seen = count_read(&interceptor->seen),
        .passed = count_read(&interceptor->passed),
        .dropped = count_read(&interceptor->dropped),
        .refused = count_read(&interceptor->refused),
        .split = count_read(&interceptor->split),
    };
    memcpy(ret->name, interceptor->name, sizeof ret->name);
}

/* ---- lists ---- */

static bool living(const weft__interceptor *interceptor)
{
    return !atomic_load(&interceptor->removed);
}

static void list_append(weft__interceptors *list, weft__interceptor *interceptor)
{
    weft__interceptor_ref(interceptor);
    list->list[list->count++] = interceptor;
}

weft__interceptors *weft__interceptors_create(const weft__interceptors *from, weft__interceptor *add)
{
    size_t room = (from != NULL ? from->count : 0) + (add != NULL ? 1 : 0);
    weft__interceptors *list = malloc(sizeof *list + room * sizeof *list->list);
    if (list == NULL)
        return NULL;
    atomic_init(&list->refs, 1);
    list->count = 0;
    for (size_t i = 0; from != NULL && i < from->count; i++) {
        if (add != NULL && add->order < from->list[i]->order) {
            list_append(list, add);
            add = NULL;
        }
        if (living(from->list[i]))
            list_append(list, from->list[i]);
    }
    if (add != NULL)
        list_append(list, add);
    return list;
}

weft__interceptors *weft__interceptors_ref(weft__interceptors *list)
{
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void weft__interceptors_unref(weft__interceptors *list)
{
    if (list == NULL || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < list->count; i++)
        weft__interceptor_unref(list->list[i]);
    free(list);
}

weft__interceptor *weft__interceptors_find(const weft__interceptors *list, uint64_t id)
{
    for (size_t i = 0; list != NULL && i < list->count; i++)
        if (list->list[i]->id == id && living(list->list[i]))
            return list->list[i];
    return NULL;
}

size_t weft__interceptors_count(const weft__interceptors *list)
{
    size_t count = 0;
    for (size_t i = 0; list != NULL && i < list->count; i++)
        count += living(list->list[i]) ? 1 : 0;
    return count;
}

/* ---- a stage's memory ---- */

struct weft__stage_chunk {
    weft__stage_chunk *older;
    size_t bytes_max;
    _Alignas(max_align_t) unsigned char bytes[];
};

void weft__stage_init(weft_stage *stage)
{
    memset(stage, 0, offsetof(weft_stage, splits));
}

static bool stage_grow(weft_stage *stage, size_t bytes)
{
    size_t bytes_max = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    weft__stage_chunk *chunk = malloc(sizeof *chunk + bytes_max);
    if (chunk == NULL)
        return false;
    chunk->older = stage->chunks;
    chunk->bytes_max = bytes_max;
    stage->chunks = chunk;
    stage->used = 0;
    return true;
}

void *weft_stage_alloc(weft_stage *stage, size_t bytes)
{
    const size_t unit = _Alignof(max_align_t);
    if (bytes > SIZE_MAX - sizeof(weft__stage_chunk) - unit)
        return NULL;
    bytes = bytes == 0 ? unit : (bytes + unit - 1) / unit * unit;
    size_t room = (stage->chunks != NULL ? stage->chunks->bytes_max : sizeof stage->bytes) - stage->used;
    if (bytes > room && !stage_grow(stage, bytes))
        return NULL;
    unsigned char *at = (stage->chunks != NULL ? stage->chunks->bytes : stage->bytes) + stage->used;
    stage->used += bytes;
    return at;
}

const char *weft_stage_copy(weft_stage *stage, const char *text)
{
    if (text == NULL)
        return "";
    size_t bytes = strlen(text) + 1;
    char *copy = weft_stage_alloc(stage, bytes);
    return copy != NULL ? memcpy(copy, text, bytes) : NULL;
}

/* ---- events split off ---- */

struct weft__split {
    weft_event event;       /* goes on; its strings are the copy's, or what interceptors put in */
    const weft_event *copy; /* a reference */
    size_t next;            /* place in the list where it begins */
};

static void splits_release(weft_stage *stage)
{
    for (size_t i = 0; i < stage->size; i++)
        weft_event_release(stage->splits[i]->copy);
    stage->size = 0;
}

void weft__stage_fini(weft_stage *stage)
{
    splits_release(stage);
    while (stage->chunks != NULL) {
        weft__stage_chunk *chunk = stage->chunks;
        stage->chunks = chunk->older;
        free(chunk);
    }
}

static weft_status split_make(weft_stage *stage, const weft_event *event, weft__split **ret)
{
    weft__split *split = weft_stage_alloc(stage, sizeof *split);
    if (split == NULL)
        return WEFT_NO_MEMORY;
    split->next = stage->next;
    split->copy = weft_event_keep(event);
    if (split->copy == NULL)
        return WEFT_NO_MEMORY;
    split->event = *split->copy;
    split->event.keeper = NULL;
    split->event.accepted_ms = stage->accepted_ms;
    if (split->event.timestamp_ms == 0)
        split->event.timestamp_ms = stage->accepted_ms;
    *ret = split;
    return WEFT_OK;
}

weft_status weft_stage_split(weft_stage *stage, const weft_event *event)
{
    weft_status status = event != NULL ? weft_event_validate(event, NULL) : WEFT_INVALID;
    if (status != WEFT_OK)
        return status;
    if (stage->split_count == WEFT_SPLIT_MAX)
        return WEFT_FULL;
    status = split_make(stage, event, &stage->splits[stage->size]);
    if (status != WEFT_OK)
        return status;
    stage->size++;
    stage->split_count++;
    count_add(&stage->running->split);
    return WEFT_OK;
}

size_t weft__stage_size(const weft_stage *stage)
{
    return stage->size;
}

weft_event *weft__stage_at(const weft_stage *stage, size_t index)
{
    return &stage->splits[index]->event;
}

/* ---- the chain ---- */

typedef struct chain {
    const weft__interceptors *list;
    const weft__intercept_hooks *hooks;
    weft_stage *stage;
} chain;

static void verdict_count(weft__interceptor *interceptor, weft_status verdict)
{
    count_add(verdict == WEFT_OK        ? &interceptor->passed
              : verdict == WEFT_DROPPED ? &interceptor->dropped
                                        : &interceptor->refused);
}

static weft_status chain_call(const chain *c, weft__interceptor *interceptor, weft_event *event)
{
    weft_status verdict = WEFT_OK;
    if (c->hooks->enter(c->hooks->user, interceptor)) {
        count_add(&interceptor->seen);
        c->stage->running = interceptor;
        verdict = interceptor->intercept(event, c->stage, interceptor->user);
        verdict_count(interceptor, verdict);
        event->keeper = NULL;
    }
    c->hooks->leave(c->hooks->user);
    return verdict;
}

static bool sees(const weft__interceptor *interceptor, const weft_event *event)
{
    return interceptor->topics == 0 || (interceptor->topics & (uint32_t)weft_event_topic(event)) != 0;
}

static weft_status chain_run(const chain *c, weft_event *event, size_t from)
{
    weft_status verdict = WEFT_OK;
    for (size_t i = from; i < c->list->count && verdict == WEFT_OK; i++) {
        c->stage->next = i + 1;
        if (sees(c->list->list[i], event))
            verdict = chain_call(c, c->list->list[i], event);
    }
    if (verdict == WEFT_DROPPED)
        c->stage->dropped++;
    return verdict;
}

/* Later events move up into the places of dropped ones; what is split off meanwhile comes behind all of them. */
static weft_status chain_run_splits(const chain *c)
{
    weft_stage *stage = c->stage;
    size_t at = 0;
    while (at < stage->size) {
        weft__split *split = stage->splits[at];
        weft_status verdict = chain_run(c, &split->event, split->next);
        if (verdict == WEFT_OK) {
            at++;
        } else if (verdict == WEFT_DROPPED) {
            weft_event_release(split->copy);
            stage->size--;
            memmove(&stage->splits[at], &stage->splits[at + 1], (stage->size - at) * sizeof *stage->splits);
        } else {
            return verdict;
        }
    }
    return WEFT_OK;
}

weft_status weft__intercept_run(const weft__interceptors *list, const weft__intercept_hooks *hooks, weft_event *event,
                                weft_stage *stage)
{
    chain c = {.list = list, .hooks = hooks, .stage = stage};
    struct weft_event_keeper *keeper = event->keeper;
    event->keeper = NULL;
    stage->accepted_ms = event->accepted_ms;
    weft_status own = chain_run(&c, event, 0);
    weft_status rest = own == WEFT_OK || own == WEFT_DROPPED ? chain_run_splits(&c) : own;
    event->keeper = keeper;
    if (rest == WEFT_OK)
        return own;
    splits_release(stage);
    return rest;
}
