/* Four threads publish, subscribe, unsubscribe and publish again inside handlers, at random, against a reference that
 * only counts. The user pointer of an ended subscription is freed at once: a handler that still runs is caught by the
 * reference, by ASan and by TSan. WEFT_SEED repeats a run as far as the scheduler does. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/event_maker.h"
#include "support/suite.h"
#include "weft/dispatcher.h"

enum { THREADS = 4, STEPS = 25000, CELLS = 24, NESTING_MAX = 2, QUEUE_MAX = 32, PATIENCE_MS = 60000 };
enum { ALIVE = 0x600D, DEAD = 0xDEAD };

typedef struct world world;

/* What a subscription of the churn points to. */
typedef struct cell_user {
    world *world;
    atomic_int state;
    atomic_int inside;
    bool queued;
} cell_user;

typedef struct cell {
    _Atomic(cell_user *) user; /* taken out by the thread that ends the subscription */
    _Atomic uint64_t id;       /* may be stale: handlers try to end it too */
} cell;

/* A subscription that lives through the run, and what it must come to. */
typedef struct witness {
    weft_subscription sub;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t lost;
} witness;

struct world {
    weft_dispatcher *bus;
    cell cells[CELLS];
    witness all, failing, queued, small;
    atomic_uint_fast64_t published;
    atomic_uint_fast64_t of_cost;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t churn_calls;
    atomic_int broken; /* handlers called after their end, or two at once */
    unsigned seed;
};

static _Thread_local unsigned dice_state;
static _Thread_local int nesting;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 16) % sides;
}

static void publish_random(world *w)
{
    weft_event event = event_least((weft_event_type)dice(WEFT_EVENT_TYPE_COUNT));
    bool cost = weft_event_topic(&event) == WEFT_TOPIC_COST;
    weft_status expected = weft_event_validate(&event, NULL);
    if (weft_publish(w->bus, &event) != expected)
        atomic_fetch_add(&w->broken, 1);
    if (expected != WEFT_OK) {
        atomic_fetch_add(&w->refused, 1);
        return;
    }
    atomic_fetch_add(&w->published, 1);
    atomic_fetch_add(&w->of_cost, cost);
}

static void unsubscribe_somebody(world *w)
{
    weft_subscription sub = {atomic_load(&w->cells[dice(CELLS)].id)};
    (void)weft_unsubscribe(w->bus, sub);
}

static weft_status churn(const weft_event *event, void *user)
{
    cell_user *u = user;
    world *w = u->world;
    (void)event;
    if (dice_state == 0)
        dice_state = w->seed;
    bool crowded = atomic_fetch_add(&u->inside, 1) != 0 && u->queued;
    if (atomic_load(&u->state) != ALIVE || crowded)
        atomic_fetch_add(&w->broken, 1);
    atomic_fetch_add(&w->churn_calls, 1);
    if (nesting < NESTING_MAX && dice(4) == 0) {
        nesting++;
        if (dice(2) == 0)
            publish_random(w);
        else
            unsubscribe_somebody(w);
        nesting--;
    }
    if (atomic_load(&u->state) != ALIVE)
        atomic_fetch_add(&w->broken, 1);
    atomic_fetch_sub(&u->inside, 1);
    return WEFT_OK;
}

static void cell_fill(world *w, cell *c)
{
    static const uint32_t topics[] = {0, WEFT_TOPIC_COST, WEFT_TOPIC_TOOL | WEFT_TOPIC_LLM, WEFT_TOPIC_AGENT};
    cell_user *user = malloc(sizeof *user);
    if (user == NULL)
        abort();
    *user = (cell_user){.world = w, .state = ALIVE, .queued = dice(3) == 0};
    weft_filter filter = {.topics = topics[dice(4)]};
    weft_subscribe_opts opts = {
        .queued = user->queued, .queue_max = 4, .overflow = (weft_overflow)dice(3), .block_ms = 1};
    weft_subscription sub;
    if (weft_subscribe_with(w->bus, &filter, &opts, churn, user, &sub) != WEFT_OK)
        abort();
    cell_user *none = NULL;
    if (atomic_compare_exchange_strong(&c->user, &none, user)) {
        atomic_store(&c->id, sub.id);
        return;
    }
    (void)weft_unsubscribe(w->bus, sub);
    atomic_store(&user->state, DEAD);
    free(user);
}

/* The id is published after the user: until then nobody can end the subscription, and the cell is left alone. */
static void cell_clear(world *w, cell *c)
{
    uint64_t id = atomic_load(&c->id);
    if (id == 0 || !atomic_compare_exchange_strong(&c->id, &id, 0))
        return;
    cell_user *user = atomic_exchange(&c->user, NULL);
    (void)weft_unsubscribe(w->bus, (weft_subscription){id});
    if (atomic_load(&user->inside) != 0)
        atomic_fetch_add(&w->broken, 1);
    atomic_store(&user->state, DEAD);
    free(user);
}

static void *run_thread(void *user)
{
    world *w = user;
    dice_state = w->seed ^ (unsigned)(uintptr_t)&dice_state ^ 1u;
    for (int step = 0; step < STEPS; step++) {
        cell *c = &w->cells[dice(CELLS)];
        if (dice(4) != 0)
            publish_random(w);
        else if (atomic_load(&c->user) == NULL)
            cell_fill(w, c);
        else
            cell_clear(w, c);
    }
    return NULL;
}

static weft_status witness_call(const weft_event *event, void *user)
{
    (void)event;
    atomic_fetch_add(&((witness *)user)->calls, 1);
    return WEFT_OK;
}

static weft_status witness_fail(const weft_event *event, void *user)
{
    (void)witness_call(event, user);
    return WEFT_FAILED;
}

static void witness_lost(const weft_lost *lost, void *user)
{
    atomic_fetch_add(&((witness *)user)->lost, lost->count);
}

static void witnesses_subscribe(world *w)
{
    weft_filter cost = {.topics = WEFT_TOPIC_COST};
    weft_subscribe_opts queued = {.queued = true,
                                  .queue_max = QUEUE_MAX,
                                  .overflow = WEFT_OVERFLOW_BLOCK,
                                  .block_ms = 5,
                                  .on_lost = witness_lost};
    weft_subscribe_opts small = {.queued = true, .queue_max = 1, .on_lost = witness_lost};
    CU_ASSERT_EQUAL(weft_subscribe(w->bus, NULL, witness_call, &w->all, &w->all.sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe(w->bus, &cost, witness_fail, &w->failing, &w->failing.sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe_with(w->bus, &cost, &queued, witness_call, &w->queued, &w->queued.sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscribe_with(w->bus, NULL, &small, witness_call, &w->small, &w->small.sub), WEFT_OK);
}

static weft_subscription_stats stats_of(world *w, const witness *who)
{
    weft_subscription_stats stats = {0};
    CU_ASSERT_EQUAL(weft_subscription_get_stats(w->bus, who->sub, &stats), WEFT_OK);
    return stats;
}

static void check_counts(world *w)
{
    weft_dispatcher_stats total;
    weft_dispatcher_get_stats(w->bus, &total);
    CU_ASSERT_EQUAL(total.published, w->published);
    CU_ASSERT_EQUAL(total.refused_invalid, w->refused);
    CU_ASSERT_EQUAL(total.unmatched, 0);
    CU_ASSERT_EQUAL(total.dropped_stopped, 0);
    uint64_t by_type = 0;
    for (int type = 0; type < WEFT_EVENT_TYPE_COUNT; type++)
        by_type += total.by_type[type];
    CU_ASSERT_EQUAL(by_type, w->published);

    CU_ASSERT_EQUAL(w->all.calls, w->published);
    CU_ASSERT_EQUAL(stats_of(w, &w->all).handled, w->published);
    CU_ASSERT_EQUAL(w->failing.calls, w->of_cost);
    CU_ASSERT_EQUAL(stats_of(w, &w->failing).errors, w->of_cost);
    CU_ASSERT_EQUAL(total.handler_errors, w->of_cost);
    CU_ASSERT_EQUAL(w->queued.calls + w->queued.lost, w->of_cost);
    CU_ASSERT_EQUAL(stats_of(w, &w->queued).dropped_overflow, w->queued.lost);
    CU_ASSERT_EQUAL(w->small.calls + w->small.lost, w->published);
    CU_ASSERT_EQUAL(stats_of(w, &w->small).dropped_overflow, w->small.lost);
    CU_ASSERT_EQUAL(total.handled, w->all.calls + w->queued.calls + w->small.calls + w->churn_calls);
}

static void every_event_is_accounted_for_and_no_ended_handler_runs(void)
{
    static world w;
    const char *seed = getenv("WEFT_SEED");
    w.seed = seed != NULL ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
    printf("WEFT_SEED=%u ", w.seed);
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&(weft_dispatcher_opts){.history_max = 64}, &w.bus), WEFT_OK);
    witnesses_subscribe(&w);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, run_thread, &w), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CELLS; i++)
        cell_clear(&w, &w.cells[i]);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(w.bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(w.broken, 0);
    CU_ASSERT(w.churn_calls > STEPS);
    check_counts(&w);
    weft_dispatcher_destroy(w.bus);
}

/* ---- reading while the subscriptions are replaced ---- */

typedef struct replacing {
    weft_dispatcher *bus;
    atomic_bool done;
} replacing;

static void *publish_until_done(void *user)
{
    replacing *r = user;
    while (!r->done)
        CU_ASSERT_EQUAL(weft_publish(r->bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    return NULL;
}

/* For the sanitizers: a publisher that trusts what it read before it raised its guard reads freed memory. */
static void nobody_reads_a_freed_snapshot(void)
{
    replacing r = {0};
    witness w = {0};
    weft_filter cost = {.topics = WEFT_TOPIC_COST};
    pthread_t threads[THREADS];
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &r.bus), WEFT_OK);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, publish_until_done, &r), 0);
    for (int i = 0; i < 20000; i++) {
        weft_subscription sub = {0};
        CU_ASSERT_EQUAL(weft_subscribe(r.bus, &cost, witness_call, &w, &sub), WEFT_OK);
        CU_ASSERT_EQUAL(weft_unsubscribe(r.bus, sub), WEFT_OK);
    }
    r.done = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(w.calls, 0);
    weft_dispatcher_destroy(r.bus);
}

SUITE(core_dispatcher_stress, CASE(nobody_reads_a_freed_snapshot),
      CASE(every_event_is_accounted_for_and_no_ended_handler_runs))
