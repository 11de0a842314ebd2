#include "support/core/live.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "weft/tap.h"

void differ(world *w, const char *format, ...)
{
    va_list args;
    if (atomic_exchange(&w->broken, true))
        return;
    printf("\n    WEFT_SEED=%" PRIu64 " step %u: ", w->seed, w->step);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* ---- what handlers and interceptors do ---- */

static void act_on(world *w, int target, act what)
{
    if (target < 0 || w->lives[target]->ended)
        return;
    flavour of = w->lives[target]->plan.flavour;
    if (what == ACT_PAUSE && of == FLAVOUR_INLINE)
        live_pause(w, target);
    else if (what == ACT_RESUME && of == FLAVOUR_INLINE)
        live_resume(w, target);
    else if (what == ACT_UNSUBSCRIBE && of != FLAVOUR_OPEN)
        live_unsubscribe(w, target);
}

static void handler_act(live *l, unsigned number, unsigned call)
{
    world *w = l->w;
    act what = plan_act(&l->plan, w->seed, l->instance, number, call);
    unsigned slot = act_slot(w->seed, l->instance, number, call);
    if (what == ACT_PUBLISH && w->depth < NESTING_MAX && numbers_left(w->numbers))
        live_publish(w, w->depth + 1);
    else if (what == ACT_UNSUBSCRIBE_SELF && l->plan.once)
        (void)weft_unsubscribe(w->bus, l->handle);
    else if (what == ACT_UNSUBSCRIBE_SELF && !l->ended)
        live_unsubscribe(w, (int)l->instance);
    else if (what == ACT_SUBSCRIBE)
        live_subscribe(w, slot);
    else
        act_on(w, w->slots[slot], what);
}

static unsigned call_number(live *l, unsigned number)
{
    pthread_mutex_lock(&l->lock);
    unsigned call = l->made[number]++;
    pthread_mutex_unlock(&l->lock);
    return call;
}

static weft_status on_inline(const weft_event *event, void *user)
{
    live *l = user;
    unsigned number = (unsigned)event->timestamp_ms % NUMBERS_MAX;
    unsigned call = call_number(l, number);
    if (l->plan.once)
        l->ended = true;
    trace_add(&l->w->trace, "call", l->instance, facts_seen(event), call);
    handler_act(l, number, call);
    return plan_result(&l->plan, l->w->seed, l->instance, number, call);
}

static void log_add(live *l, uint64_t seen, unsigned call)
{
    pthread_mutex_lock(&l->lock);
    if (l->log_count == l->log_room) {
        l->log_room = l->log_room != 0 ? l->log_room * 2 : 64;
        l->log = realloc(l->log, l->log_room * sizeof *l->log);
        if (l->log == NULL)
            abort();
    }
    l->log[l->log_count++] = (called){seen, call};
    pthread_mutex_unlock(&l->lock);
}

static weft_status on_queued(const weft_event *event, void *user)
{
    live *l = user;
    unsigned number = (unsigned)event->timestamp_ms % NUMBERS_MAX;
    unsigned call = call_number(l, number);
    int most = l->plan.concurrency > 1 ? (int)l->plan.concurrency : 1;
    if (atomic_fetch_add(&l->inside, 1) >= most)
        differ(l->w, "subscription %u runs more than %d handlers", l->instance, most);
    if (l->plan.once)
        l->ended = true;
    log_add(l, facts_seen(event), call);
    atomic_fetch_sub(&l->inside, 1);
    return plan_result(&l->plan, l->w->seed, l->instance, number, call);
}

static void on_lost(const weft_lost *lost, void *user)
{
    atomic_fetch_add(&((live *)user)->told, lost->count);
}

static void sieve_split(world *w, weft_stage *stage)
{
    const char *tags[2];
    if (!numbers_left(w->numbers))
        return;
    facts f = facts_of(w->seed, ++w->numbers, WEFT_ORIGIN_LOCAL);
    weft_event event = facts_event(&f, tags);
    if (weft_stage_split(stage, &event) != WEFT_OK)
        differ(w, "cannot split off %u", f.number);
}

static weft_status on_intercept(weft_event *event, weft_stage *stage, void *user)
{
    const filtering *f = user;
    sieve s = sieve_of(f->w->seed, f->instance);
    bool touched = sieve_touches(f->w->seed, f->instance, (unsigned)event->timestamp_ms);
    if (touched && s.twist == TWIST_DROP)
        return WEFT_DROPPED;
    if (touched && s.twist == TWIST_REFUSE)
        return WEFT_REFUSED;
    if (touched && s.twist == TWIST_SPLIT)
        sieve_split(f->w, stage);
    if (s.twist == TWIST_RAISE)
        event->priority = WEFT_PRIORITY_CRITICAL;
    if (s.twist == TWIST_MOVE)
        event->session_id = weft_stage_copy(stage, "s2");
    return WEFT_OK;
}

/* ---- the calls, on the dispatcher ---- */

void live_publish(world *w, unsigned depth)
{
    const char *tags[2];
    facts f = facts_of(w->seed, ++w->numbers, WEFT_ORIGIN_LOCAL);
    weft_event event = facts_event(&f, tags);
    unsigned outer = w->depth;
    trace_add(&w->trace, "publish", f.number, 0, 0);
    w->depth = depth;
    weft_status status = weft_publish(w->bus, &event);
    w->depth = outer;
    trace_add(&w->trace, "published", (uint64_t)status, 0, 0);
}

void live_deliver(world *w)
{
    const char *tags[2];
    facts f = facts_of(w->seed, ++w->numbers, WEFT_ORIGIN_REMOTE);
    f.accepted_ms = weft_clock_wall_ms(&w->clock.clock);
    weft_event event = facts_event(&f, tags);
    trace_add(&w->trace, "deliver", f.number, 0, 0);
    weft_status status = weft_tap_deliver(w->bus, &event);
    trace_add(&w->trace, "delivered", (uint64_t)status, 0, 0);
}

void live_subscribe(world *w, unsigned slot)
{
    bool taken = w->slots[slot] >= 0 && !w->lives[w->slots[slot]]->ended;
    if (taken || w->instances == INSTANCES_MAX)
        return;
    live *l = calloc(1, sizeof *l);
    if (l == NULL || pthread_mutex_init(&l->lock, NULL) != 0)
        abort();
    l->w = w;
    l->instance = w->instances;
    l->plan = plan_of(w->seed, l->instance);
    weft_filter filter = plan_filter(&l->plan, &l->lists);
    weft_subscribe_opts opts = plan_opts(&l->plan);
    opts.on_lost = on_lost;
    trace_add(&w->trace, "subscribe", slot, l->instance, 0);
    w->slots[slot] = (int)l->instance;
    w->lives[w->instances++] = l;
    weft_handler_fn handler = l->plan.flavour == FLAVOUR_INLINE ? on_inline : on_queued;
    if (weft_subscribe_with(w->bus, &filter, &opts, handler, l, &l->handle) != WEFT_OK)
        differ(w, "cannot subscribe %u", l->instance);
}

void live_unsubscribe(world *w, int instance)
{
    live *l = w->lives[instance];
    weft_status status = weft_unsubscribe(w->bus, l->handle);
    l->ended = true;
    trace_add(&w->trace, "unsubscribe", (uint64_t)instance, (uint64_t)status, 0);
}

void live_pause(world *w, int instance)
{
    weft_status status = weft_subscription_pause(w->bus, w->lives[instance]->handle);
    trace_add(&w->trace, "pause", (uint64_t)instance, (uint64_t)status, 0);
}

void live_resume(world *w, int instance)
{
    weft_status status = weft_subscription_resume(w->bus, w->lives[instance]->handle);
    trace_add(&w->trace, "resume", (uint64_t)instance, (uint64_t)status, 0);
}

void live_rules_set(world *w)
{
    weft_rate_limit limits[RULES_MAX];
    size_t count = rules_of(w->seed, w->rule_sets++, limits);
    if (weft_rate_limits_set(w->bus, limits, count) != WEFT_OK)
        differ(w, "cannot set rate limits");
}

void live_intercept(world *w)
{
    filtering *f = &w->filterings[w->sieves];
    *f = (filtering){.w = w, .instance = w->sieves++};
    sieve s = sieve_of(w->seed, f->instance);
    weft_interceptor_opts opts = {.order = s.order, .topics = s.topics};
    if (weft_intercept(w->bus, &opts, on_intercept, f, &f->handle) != WEFT_OK)
        differ(w, "cannot attach interceptor %u", f->instance);
}

void live_interceptor_remove(world *w, unsigned instance)
{
    weft_interceptor handle = w->filterings[instance].handle;
    weft_status first = weft_interceptor_remove(w->bus, handle), again = weft_interceptor_remove(w->bus, handle);
    if (first != WEFT_OK || again != WEFT_NOT_FOUND)
        differ(w, "cannot remove interceptor %u", instance);
}

/* ---- worlds ---- */

world *world_create(uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->seed = seed;
    w->history_max = chance(seed, "history", 0, 0, 2) == 0 ? chance(seed, "kept", 0, 0, 20) : 0;
    size_t letters_max = chance(seed, "letters", 0, 0, 4) == 0 ? 1 + chance(seed, "ring", 0, 0, 5) : NUMBERS_MAX;
    w->r = reference_create(seed, letters_max);
    fake_clock_init(&w->clock, 1000000);
    w->r->now_ms = 1000000;
    for (int i = 0; i < SLOTS; i++)
        w->slots[i] = -1;
    weft_dispatcher_opts opts = {
        .clock = &w->clock.clock,
        .workers = 1 + chance(seed, "workers", 0, 0, 3),
        .history_max = (uint32_t)w->history_max,
        .dead_letters_max = (uint32_t)letters_max,
        .always_validate = chance(seed, "validate", 0, 0, 4) == 0,
    };
    if (weft_dispatcher_create(&opts, &w->bus) != WEFT_OK)
        abort();
    return w;
}

void world_destroy(world *w)
{
    weft_dispatcher_destroy(w->bus);
    for (unsigned i = 0; i < w->instances; i++) {
        pthread_mutex_destroy(&w->lives[i]->lock);
        free(w->lives[i]->log);
        free(w->lives[i]);
    }
    reference_destroy(w->r);
    free(w);
}
