/* Random calls on one thread, each made on a dispatcher (support/core/live.h) and on a reference
 * (support/core/reference.h), which must agree in every status, every handler call and its order, every statistic, dead
 * letter and kept event.
 *
 * Whatever an inline handler, an interceptor or a call of this thread does is written to a trace on both sides. Queued
 * handlers are compared when their workers rest: of what they have been called with, each event must have been next by
 * priority, then by age. WEFT_SEED repeats a round; WEFT_STRESS_SECONDS is how long to go on. */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/core/live.h"
#include "support/suite.h"

enum { STEPS = 500, PATIENCE_MS = 20000, KEPT_MAX = 64 };

/* ---- comparing ---- */

static const step *step_at(const trace *t, int i)
{
    static const step nothing = {"nothing", 0, 0, 0};
    return (size_t)i < t->count ? &t->steps[i] : &nothing;
}

static void print_steps_before(const trace *t, int end)
{
    for (int i = end > 20 ? end - 20 : 0; i < end; i++)
        printf("      %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", t->steps[i].what, t->steps[i].a, t->steps[i].b,
               t->steps[i].c);
}

static void compare_traces(world *w)
{
    int i = trace_difference(&w->trace, &w->r->trace);
    if (i >= 0 && !w->broken) {
        const step *is = step_at(&w->trace, i), *must = step_at(&w->r->trace, i);
        differ(w, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " instead of %s %" PRIu64 " %" PRIu64 " %" PRIu64, is->what,
               is->a, is->b, is->c, must->what, must->a, must->b, must->c);
        print_steps_before(&w->trace, i);
    }
    w->trace.count = 0;
    w->r->trace.count = 0;
}

/* Takes the calls made from the log. */
static void compare_calls(live *l, member *m)
{
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < m->calls.count && !l->w->broken; i++) {
        const waiting *must = &m->calls.items[i];
        if (l->compared == l->log_count)
            differ(l->w, "subscription %u was not called with %u", l->instance, must->facts.number);
        else if (l->log[l->compared].seen != facts_shown(&must->facts) || l->log[l->compared].call != must->place)
            differ(l->w, "subscription %u was called with %" PRIu64 " (call %u) instead of %u (call %u)", l->instance,
                   l->log[l->compared].seen >> 8, l->log[l->compared].call, must->facts.number, must->place);
        l->compared++;
    }
    m->calls.count = 0;
    pthread_mutex_unlock(&l->lock);
}

static bool log_next(live *l, uint64_t *ret_seen)
{
    pthread_mutex_lock(&l->lock);
    bool any = l->compared < l->log_count;
    if (any)
        *ret_seen = l->log[l->compared].seen;
    pthread_mutex_unlock(&l->lock);
    return any;
}

static void compare_log_end(live *l)
{
    uint64_t seen;
    if (log_next(l, &seen))
        differ(l->w, "subscription %u was called with %" PRIu64 " too much", l->instance, seen >> 8);
}

typedef struct rest {
    live *l;
    const member *m;
    uint64_t finished; /* events with which it has come to an end */
} rest;

static bool has_used_one_shot(const rest *r)
{
    pthread_mutex_lock(&r->l->lock);
    bool used = r->l->log_count - r->l->compared >= r->m->calls.count;
    pthread_mutex_unlock(&r->l->lock);
    return used && !r->m->listed;
}

static bool has_come_to_rest(void *user)
{
    const rest *r = user;
    weft_subscription_stats s;
    if (weft_subscription_get_stats(r->l->w->bus, r->l->handle, &s) != WEFT_OK)
        return has_used_one_shot(r);
    bool told = r->m->told_unsure || r->l->told >= r->m->told;
    return r->m->listed && s.handled + s.dead_letters + s.expired >= r->finished && s.queue_depth == 0 &&
           s.running == 0 && told;
}

/* Mostly it is a matter of microseconds. */
static bool await(bool (*condition)(void *), void *user)
{
    for (int i = 0; i < 1000; i++) {
        if (condition(user))
            return true;
        (void)sched_yield();
    }
    return suite_wait(condition, user, PATIENCE_MS);
}

static void rest_differs(const rest *r)
{
    weft_subscription_stats s = {0};
    weft_status status = weft_subscription_get_stats(r->l->w->bus, r->l->handle, &s);
    differ(r->l->w,
           "subscription %u does not come to rest (%s): %" PRIu64 " handled, %" PRIu64 " dead, %" PRIu64
           " expired of %" PRIu64 ", %u waiting, %u running, told of %" PRIu64 " losses of %" PRIu64,
           r->l->instance, weft_status_name(status), s.handled, s.dead_letters, s.expired, r->finished, s.queue_depth,
           s.running, (uint64_t)r->l->told, r->m->told);
}

static void await_rest(live *l, const member *m, size_t waiting_events)
{
    rest r = {l, m, m->handled + m->dead_letters + m->expired + waiting_events};
    if (!await(has_come_to_rest, &r))
        rest_differs(&r);
    if (!m->told_unsure && m->listed && l->told != m->told)
        differ(l->w, "subscription %u was told of %" PRIu64 " losses instead of %" PRIu64, l->instance,
               (uint64_t)l->told, m->told);
}

static void settle_one(world *w, int instance)
{
    live *l = w->lives[instance];
    member *m = w->r->members[instance];
    uint64_t seen;
    await_rest(l, m, member_depth(m));
    reference_work_expired(w->r, instance);
    while (!w->broken && log_next(l, &seen)) {
        if (!reference_work_one(w->r, instance, seen))
            differ(w, "subscription %u was called with %" PRIu64 " out of turn", l->instance, seen >> 8);
        compare_calls(l, m);
    }
    if (!w->broken && member_depth(m) > 0)
        differ(w, "subscription %u was not called with %zu events", l->instance, member_depth(m));
}

static void settle(world *w)
{
    for (unsigned i = 0; i < w->instances && !w->broken; i++) {
        const member *m = w->r->members[i];
        if (m->plan.flavour == FLAVOUR_OPEN && m->listed && !m->paused)
            settle_one(w, (int)i);
        compare_log_end(w->lives[i]);
    }
}

/* X(member of weft_dispatcher_stats) */
#define TOTALS_MAP(X)                                                                                                  \
    X(published)                                                                                                       \
    X(delivered_remote)                                                                                                \
    X(refused_invalid)                                                                                                 \
    X(refused_stopped)                                                                                                 \
    X(refused_bridge)                                                                                                  \
    X(refused_rate)                                                                                                    \
    X(refused_nested)                                                                                                  \
    X(refused_memory)                                                                                                  \
    X(refused_interceptor)                                                                                             \
    X(dropped_interceptor)                                                                                             \
    X(split)                                                                                                           \
    X(handled)                                                                                                         \
    X(handler_errors)                                                                                                  \
    X(dropped_overflow)                                                                                                \
    X(dropped_unsubscribed)                                                                                            \
    X(dropped_stopped)                                                                                                 \
    X(skipped_paused)                                                                                                  \
    X(dead_letters)                                                                                                    \
    X(dead_letters_displaced)                                                                                          \
    X(late_replies)                                                                                                    \
    X(unmatched)                                                                                                       \
    X(subscriptions)

/* What expires in the mailbox of a one-shot that is used up may count as either. */
static weft_dispatcher_stats folded(weft_dispatcher_stats stats)
{
    stats.dropped_unsubscribed += stats.expired;
    stats.expired = 0;
    return stats;
}

static weft_dispatcher_stats totals_expected(const world *w)
{
    weft_dispatcher_stats must = folded(w->r->stats);
    for (unsigned i = 0; i < w->instances; i++)
        must.subscriptions += w->r->members[i]->listed;
    return must;
}

static bool is_between(uint64_t low, uint64_t n, uint64_t high)
{
    return low <= n && n <= high;
}

/* As they are, but as expected where either is right. */
static weft_dispatcher_stats totals_now(const world *w, const weft_dispatcher_stats *must)
{
    weft_dispatcher_stats is;
    uint64_t unsure = w->r->unsure;
    weft_dispatcher_get_stats(w->bus, &is);
    is = folded(is);
    if (is_between(must->dropped_unsubscribed, is.dropped_unsubscribed, must->dropped_unsubscribed + unsure))
        is.dropped_unsubscribed = must->dropped_unsubscribed;
    if (is_between(is.unmatched, must->unmatched, is.unmatched + unsure))
        is.unmatched = must->unmatched;
    return is;
}

static const char *totals_difference(const weft_dispatcher_stats *is, const weft_dispatcher_stats *must)
{
#define X(member)                                                                                                      \
    if (is->member != must->member)                                                                                    \
        return #member;
    TOTALS_MAP(X)
#undef X
    return memcmp(is->by_type, must->by_type, sizeof is->by_type) != 0 ? "by_type" : NULL;
}

static bool totals_agree(void *user)
{
    weft_dispatcher_stats must = totals_expected(user), is = totals_now(user, &must);
    return totals_difference(&is, &must) == NULL;
}

static void compare_totals(world *w)
{
    if (await(totals_agree, w))
        return;
    weft_dispatcher_stats must = totals_expected(w), is = totals_now(w, &must);
#define X(member)                                                                                                      \
    if (is.member != must.member)                                                                                      \
        differ(w, "total " #member " is %" PRIu64 " instead of %" PRIu64, (uint64_t)is.member, (uint64_t)must.member);
    TOTALS_MAP(X)
#undef X
    differ(w, "totals by type differ");
}

static const char *member_difference(const weft_subscription_stats *is, const member *must)
{
    if (is->queued != (must->plan.flavour != FLAVOUR_INLINE))
        return "queued";
    if (is->paused != must->paused)
        return "paused";
    if (is->suspended != must->suspended)
        return "suspended";
    if (is->queue_depth != member_depth(must))
        return "queue_depth";
#define X(member)                                                                                                      \
    if (is->member != must->member)                                                                                    \
        return #member;
    X(handled)
    X(errors)
    X(dropped_overflow)
    X(skipped_paused)
    X(dead_letters)
    X(expired)
#undef X
    return is->running != 0 ? "running" : NULL;
}

static void compare_member(world *w, unsigned instance)
{
    weft_subscription_stats is;
    const member *must = w->r->members[instance];
    weft_status status = weft_subscription_get_stats(w->bus, w->lives[instance]->handle, &is);
    if (status != (must->listed ? WEFT_OK : WEFT_NOT_FOUND))
        differ(w, "statistics of subscription %u: %s", instance, weft_status_name(status));
    const char *name = status == WEFT_OK && must->listed ? member_difference(&is, must) : NULL;
    if (name != NULL)
        differ(w, "subscription %u differs in %s", instance, name);
    if (w->lives[instance]->ended == must->listed)
        differ(w, "subscription %u has %sended", instance, must->listed ? "" : "not ");
}

static void compare_list(world *w)
{
    weft_subscription ids[INSTANCES_MAX];
    size_t count = weft_subscription_list(w->bus, (weft_subscription){0}, ids, INSTANCES_MAX), at = 0;
    for (unsigned i = 0; i < w->instances; i++) {
        if (!w->r->members[i]->listed)
            continue;
        if (at == count || ids[at].id != w->lives[i]->handle.id)
            differ(w, "subscription %u is not listed", i);
        at++;
    }
    if (at != count)
        differ(w, "%zu subscriptions are listed instead of %zu", count, at);
}

static bool letter_is(const world *w, const weft_dead_letter *is, const letter *must)
{
    return is->subscription.id == w->lives[must->instance]->handle.id &&
           facts_seen(is->event) == facts_shown(&must->facts) && is->reason == must->reason &&
           is->status == must->status && is->attempts == must->attempts && is->origin == must->facts.origin &&
           is->event->accepted_ms == must->facts.accepted_ms;
}

/* Several workers may bury at once: the order is not compared. */
static void compare_letters(world *w)
{
    static weft_dead_letter is[NUMBERS_MAX];
    const reference *r = w->r;
    size_t count = weft_dead_letters_list(w->bus, 0, is, NUMBERS_MAX);
    if (count != r->letter_count)
        differ(w, "%zu dead letters instead of %zu", count, r->letter_count);
    for (size_t i = 0; i < r->letter_count && !r->letters_unsure; i++) {
        size_t at = 0;
        while (at < count && (is[at].id == 0 || !letter_is(w, &is[at], &r->letters[i])))
            at++;
        if (at == count)
            differ(w, "no dead letter of event %u for subscription %u: %s", r->letters[i].facts.number,
                   r->letters[i].instance, weft_dead_reason_name(r->letters[i].reason));
        else
            is[at].id = 0;
    }
    for (size_t i = 0; i < count; i++)
        weft_event_release(is[i].event);
}

static void compare_history(world *w)
{
    const weft_event *is[KEPT_MAX];
    size_t count = weft_history_find(w->bus, NULL, is, KEPT_MAX);
    size_t must = w->r->history_count < w->history_max ? w->r->history_count : w->history_max;
    if (count != must)
        differ(w, "%zu events are kept instead of %zu", count, must);
    for (size_t i = 0; i < count; i++) {
        if (i < must && (unsigned)is[i]->timestamp_ms != w->r->history[w->r->history_count - 1 - i])
            differ(w, "%u is kept instead of %u", (unsigned)is[i]->timestamp_ms,
                   w->r->history[w->r->history_count - 1 - i]);
        weft_event_release(is[i]);
    }
}

static bool passed_equal(const weft_interceptor_stats *a, const weft_interceptor_stats *b)
{
    return a->order == b->order && a->seen == b->seen && a->passed == b->passed && a->dropped == b->dropped &&
           a->refused == b->refused && a->split == b->split;
}

static void compare_gates(world *w)
{
    weft_rate_limit_stats rate;
    weft_interceptor_stats passed;
    for (size_t i = 0; i < w->r->rule_count; i++) {
        const rule_state *must = &w->r->rules[i];
        unsigned sources = must->limit.each_source ? (unsigned)__builtin_popcount(must->sources) : 0;
        weft_status status = weft_rate_limit_get_stats(w->bus, i, &rate);
        if (status != WEFT_OK || rate.admitted != must->admitted || rate.refused != must->refused ||
            rate.sources != sources)
            differ(w, "rate limit %zu differs", i);
    }
    if (weft_rate_limit_get_stats(w->bus, w->r->rule_count, &rate) != WEFT_NOT_FOUND)
        differ(w, "more than %zu rate limits", w->r->rule_count);
    for (size_t i = 0; i < w->r->line_count; i++) {
        const sieve_state *must = &w->r->line[i];
        weft_status status = weft_interceptor_get_stats(w->bus, w->filterings[must->instance].handle, &passed);
        if (status != WEFT_OK || !passed_equal(&passed, &must->stats))
            differ(w, "interceptor %u differs", must->instance);
    }
}

static void compare_all(world *w)
{
    settle(w);
    compare_totals(w);
    for (unsigned i = 0; i < w->instances; i++)
        compare_member(w, i);
    compare_list(w);
    compare_letters(w);
    compare_history(w);
    compare_gates(w);
}

/* ---- steps: the same on both sides ---- */

static unsigned dice(world *w, const char *what, unsigned sides)
{
    return chance(w->seed, what, w->step, 0, sides);
}

static void step_publish(world *w)
{
    live_publish(w, 0);
    reference_publish(w->r, 0);
}

static void step_deliver(world *w)
{
    live_deliver(w);
    reference_deliver(w->r);
}

static void step_subscribe(world *w)
{
    unsigned slot = dice(w, "slot", SLOTS);
    live_subscribe(w, slot);
    reference_subscribe(w->r, slot);
}

/* Instance in a random slot, or -1. */
static int somebody(world *w)
{
    int instance = w->slots[dice(w, "slot", SLOTS)];
    return instance >= 0 && w->r->members[instance]->listed ? instance : -1;
}

static void step_unsubscribe(world *w)
{
    int instance = somebody(w);
    settle(w);
    if (instance < 0)
        return;
    live_unsubscribe(w, instance);
    reference_unsubscribe(w->r, instance);
}

static void step_pause(world *w)
{
    int instance = somebody(w);
    settle(w);
    if (instance < 0)
        return;
    live_pause(w, instance);
    reference_pause(w->r, instance);
}

/* What a one-shot or one that is suspended on the way does with the rest is for the reference to say. */
static void work_small(world *w, int instance)
{
    live *l = w->lives[instance];
    member *m = w->r->members[instance];
    reference_work(w->r, instance);
    await_rest(l, m, 0);
    compare_calls(l, m);
    compare_log_end(l);
    if (!m->listed) {
        compare_totals(w); /* the worker may still be counting what it drops */
        return;
    }
    if (m->suspended) {
        live_resume(w, instance);
        reference_resume(w->r, instance);
    }
    live_pause(w, instance);
    reference_pause(w->r, instance);
}

static void step_resume(world *w)
{
    int instance = somebody(w);
    settle(w);
    if (instance < 0)
        return;
    live_resume(w, instance);
    reference_resume(w->r, instance);
    if (w->r->members[instance]->plan.flavour == FLAVOUR_SMALL)
        work_small(w, instance);
    else
        settle(w);
}

static void step_advance(world *w)
{
    int64_t ms = dice(w, "ms", 4) == 0 ? (int64_t)dice(w, "long", 20000) : (int64_t)dice(w, "short", 100);
    settle(w);
    fake_clock_advance(&w->clock, ms);
    reference_advance(w->r, ms);
}

static void step_rules(world *w)
{
    live_rules_set(w);
    reference_rules_set(w->r);
}

static void step_intercept(world *w)
{
    size_t place = dice(w, "place", SIEVES_MAX);
    if (place < w->r->line_count) {
        live_interceptor_remove(w, w->r->line[place].instance);
        reference_interceptor_remove(w->r, place);
    } else {
        live_intercept(w);
        reference_intercept(w->r);
    }
}

static uint64_t letter_id(world *w, const letter *must)
{
    static weft_dead_letter is[NUMBERS_MAX];
    size_t count = weft_dead_letters_list(w->bus, 0, is, NUMBERS_MAX);
    uint64_t id = 0;
    for (size_t i = 0; i < count; i++) {
        if (id == 0 && letter_is(w, &is[i], must))
            id = is[i].id;
        weft_event_release(is[i].event);
    }
    return id;
}

static void letter_redeliver(world *w, size_t place)
{
    uint64_t id = letter_id(w, &w->r->letters[place]);
    weft_status status = weft_dead_letter_redeliver(w->bus, id);
    trace_add(&w->trace, "redelivered", (uint64_t)status, 0, 0);
    reference_redeliver(w->r, place);
}

static void letter_forget(world *w, size_t place)
{
    uint64_t id = letter_id(w, &w->r->letters[place]);
    weft_status first = weft_dead_letter_forget(w->bus, id), again = weft_dead_letter_forget(w->bus, id);
    if (first != WEFT_OK || again != WEFT_NOT_FOUND)
        differ(w, "cannot forget dead letter %" PRIu64, id);
    reference_forget(w->r, place);
}

static void visit(const weft_dead_letter *visited, void *user)
{
    world *w = user;
    if (visited->event == NULL || w->r->letter_count == 0)
        differ(w, "a dead letter too much is drained");
    else
        w->r->letter_count--;
}

static void letters_drain(world *w)
{
    size_t must = w->r->letter_count, is = weft_dead_letters_drain(w->bus, visit, w);
    if (is != must || w->r->letter_count != 0)
        differ(w, "%zu dead letters are drained instead of %zu", is, must);
}

static void step_letter(world *w)
{
    settle(w);
    if (w->broken || w->r->letter_count == 0)
        return;
    size_t place = dice(w, "letter", (unsigned)w->r->letter_count);
    unsigned what = dice(w, "with the letter", 40);
    if (what == 0)
        letters_drain(w);
    else if (w->r->letters_unsure)
        return;
    else if (what < 10)
        letter_forget(w, place);
    else
        letter_redeliver(w, place);
}

static void step_stop(world *w)
{
    uint64_t undelivered = 77;
    settle(w);
    uint64_t must = reference_stop(w->r);
    weft_status status = weft_dispatcher_stop(w->bus, must > 0 ? 2 : PATIENCE_MS, &undelivered);
    if (undelivered != must || status != (must > 0 ? WEFT_TIMEOUT : WEFT_OK))
        differ(w, "stop left %" PRIu64 " instead of %" PRIu64 ": %s", undelivered, must, weft_status_name(status));
    step_publish(w);
    step_deliver(w);
    step_letter(w);
    if (weft_dispatcher_start(w->bus) != WEFT_OK)
        differ(w, "cannot start");
    w->r->stopped = false;
}

static void step_reset(world *w)
{
    settle(w);
    weft_dispatcher_reset(w->bus);
    reference_reset(w->r);
}

static void step_stale(world *w)
{
    if (w->instances == 0)
        return;
    unsigned instance = dice(w, "stale", w->instances);
    weft_subscription handle = w->lives[instance]->handle;
    settle(w);
    if (w->r->members[instance]->listed)
        return;
    if (weft_unsubscribe(w->bus, handle) != WEFT_NOT_FOUND ||
        weft_subscription_pause(w->bus, handle) != WEFT_NOT_FOUND ||
        weft_subscription_resume(w->bus, handle) != WEFT_NOT_FOUND)
        differ(w, "subscription %u can still be found", instance);
}

static void step_invalid(world *w)
{
    weft_event event = {.type = dice(w, "none", 2) == 0 ? WEFT_EVENT_NONE : (weft_event_type)9999, .timestamp_ms = 1};
    if (weft_publish(w->bus, &event) != WEFT_INVALID)
        differ(w, "an event without a type is published");
    w->r->stats.refused_invalid++;
}

typedef struct step_kind {
    void (*run)(world *w);
    unsigned weight;
} step_kind;

static void step_any(world *w)
{
    static const step_kind kinds[] = {
        {step_publish, 60}, {step_deliver, 8}, {step_subscribe, 14}, {step_unsubscribe, 4}, {step_pause, 3},
        {step_resume, 9},   {step_advance, 6}, {step_rules, 1},      {step_intercept, 2},   {step_letter, 4},
        {step_stop, 1},     {step_reset, 1},   {step_stale, 2},      {step_invalid, 1},     {compare_all, 3},
    };
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        sum += kinds[i].weight;
    unsigned at = dice(w, "step", sum);
    const step_kind *kind = kinds;
    for (; at >= kind->weight; kind++)
        at -= kind->weight;
    kind->run(w);
    compare_traces(w);
}

/* ---- rounds ---- */

static bool round_agrees(uint64_t seed)
{
    world *w = world_create(seed);
    while (w->step < STEPS && w->numbers < NUMBERS_MAX - NUMBERS_SPARE && !w->broken) {
        w->step++;
        step_any(w);
    }
    if (!w->broken)
        compare_all(w);
    bool agrees = !w->broken;
    world_destroy(w);
    return agrees;
}

static int64_t now_ms(void)
{
    return weft_clock_mono_ms(weft_clock_system());
}

static void dispatcher_and_reference_agree(void)
{
    const char *seconds = getenv("WEFT_STRESS_SECONDS"), *given = getenv("WEFT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000;
    int64_t end_ms = now_ms() + (seconds != NULL ? strtol(seconds, NULL, 10) : 2) * 1000;
    bool agree;
    unsigned rounds = 0;
    do {
        agree = round_agrees(seed + rounds++);
    } while (agree && now_ms() < end_ms);
    printf("%u rounds ", rounds);
    CU_ASSERT(agree);
}

SUITE(core_dispatcher_model, CASE(dispatcher_and_reference_agree))
