/* Threads that do everything at once, and books that must balance when they are done: of the events that a subscription
 * wants, each is handled, a dead letter, or dropped or passed over under a reason; and every answer of weft_publish is
 * a count of the dispatcher. WEFT_SEED repeats a round as far as the scheduler does; WEFT_STRESS_SECONDS is how long to
 * go on. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/event_maker.h"
#include "support/suite.h"
#include "weft/dead_letter.h"
#include "weft/intercept.h"
#include "weft/rate_limit.h"

enum { THREADS = 3, WITNESSES = 10, CHURNERS = 4, STEPS = 3000, PATIENCE_MS = 60000, STATUSES = 64 };

/* What an event is for, as its timestamp_ms. */
enum { ORDINARY = 1, OF_A_HANDLER, SPLIT_OFF };

typedef struct world world;

/* A subscription that lives through the round. */
typedef struct witness {
    world *w;
    weft_subscription handle;
    uint32_t topics;
    int concurrency;  /* of a queued one; 0: any number, inline */
    unsigned failing; /* of a hundred calls */
    atomic_int inside;
    atomic_uint_fast64_t calls, told, redelivered;
} witness;

typedef struct churner {
    world *w;
    weft_subscription handle;
    atomic_bool ended;
} churner;

struct world {
    weft_dispatcher *bus;
    uint64_t seed;
    bool stops; /* the first thread stops and starts it */
    witness witnesses[WITNESSES];
    atomic_uint_fast64_t answers[STATUSES];
    atomic_uint_fast64_t churner_calls, churner_ok;
    atomic_int broken; /* handlers called after their end, or too many at once */
};

typedef struct actor {
    world *w;
    unsigned index;
    churner *churners[CHURNERS];
    weft_interceptor interceptor;
} actor;

static _Thread_local uint64_t dice_state;

static unsigned dice(unsigned sides)
{
    uint64_t z = dice_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % sides);
}

static void publish(world *w, int64_t what)
{
    weft_event event = event_least((weft_event_type)(1 + dice(WEFT_EVENT_TYPE_COUNT - 1)));
    event.priority = (weft_priority)dice(WEFT_PRIORITY_CRITICAL + 1);
    event.timestamp_ms = what;
    event.source = dice(2) == 0 ? "a" : "b";
    weft_status status = weft_publish(w->bus, &event);
    atomic_fetch_add(&w->answers[status % STATUSES], 1);
}

/* ---- handlers ---- */

static weft_status on_witness(const weft_event *event, void *user)
{
    witness *self = user;
    if (dice_state == 0)
        dice_state = self->w->seed;
    atomic_fetch_add(&self->calls, 1);
    if (atomic_fetch_add(&self->inside, 1) >= self->concurrency && self->concurrency > 0)
        atomic_fetch_add(&self->w->broken, 1);
    if (event->timestamp_ms == ORDINARY && dice(16) == 0)
        publish(self->w, OF_A_HANDLER);
    atomic_fetch_sub(&self->inside, 1);
    return dice(100) < self->failing ? WEFT_FAILED : WEFT_OK;
}

static void on_lost(const weft_lost *lost, void *user)
{
    atomic_fetch_add(&((witness *)user)->told, lost->count);
}

static weft_status on_churner(const weft_event *event, void *user)
{
    churner *self = user;
    (void)event;
    if (self->ended)
        atomic_fetch_add(&self->w->broken, 1);
    atomic_fetch_add(&self->w->churner_calls, 1);
    return WEFT_OK;
}

static weft_status on_intercept(weft_event *event, weft_stage *stage, void *user)
{
    (void)user;
    if (event->timestamp_ms == SPLIT_OFF)
        return WEFT_OK;
    switch (dice(32)) {
    case 0:
        return WEFT_DROPPED;
    case 1:
        return WEFT_REFUSED;
    case 2:
        return weft_stage_split(stage, &(weft_event){.type = WEFT_TOKEN_USAGE, .timestamp_ms = SPLIT_OFF});
    default:
        return WEFT_OK;
    }
}

/* ---- what the threads do ---- */

static void churner_start(actor *a, unsigned place)
{
    static const uint32_t topics[] = {0, WEFT_TOPIC_COST, WEFT_TOPIC_TOOL | WEFT_TOPIC_AGENT};
    churner *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->w = a->w;
    weft_filter filter = {.topics = topics[dice(3)], .source = dice(3) == 0 ? "a" : NULL};
    weft_subscribe_opts opts = {.queued = !a->w->stops && dice(2) == 0,
                                .concurrency = dice(3),
                                .queue_max = 1 + dice(8),
                                .overflow = WEFT_OVERFLOW_DROP_NEWEST};
    if (weft_subscribe_with(a->w->bus, &filter, &opts, on_churner, c, &c->handle) != WEFT_OK)
        abort();
    a->churners[place] = c;
}

static void churner_end(actor *a, unsigned place)
{
    churner *c = a->churners[place];
    if (weft_unsubscribe(a->w->bus, c->handle) != WEFT_OK)
        atomic_fetch_add(&a->w->broken, 1);
    c->ended = true;
    free(c);
    a->churners[place] = NULL;
}

static void churn(actor *a)
{
    unsigned place = dice(CHURNERS);
    if (a->churners[place] == NULL)
        churner_start(a, place);
    else
        churner_end(a, place);
}

static void pause_or_resume(actor *a)
{
    weft_subscription handle = a->w->witnesses[dice(WITNESSES)].handle;
    weft_status status =
        dice(3) == 0 ? weft_subscription_pause(a->w->bus, handle) : weft_subscription_resume(a->w->bus, handle);
    if (status != WEFT_OK)
        atomic_fetch_add(&a->w->broken, 1);
}

static void limit(actor *a)
{
    weft_rate_limit limits[] = {{.per_second = 50000, .burst = 100},
                                {.topics = WEFT_TOPIC_LLM, .per_second = 1000, .each_source = true}};
    if (weft_rate_limits_set(a->w->bus, limits, dice(3)) != WEFT_OK)
        atomic_fetch_add(&a->w->broken, 1);
}

static void intercept(actor *a)
{
    weft_interceptor_opts opts = {.order = (int32_t)dice(3), .topics = dice(2) == 0 ? WEFT_TOPIC_AGENT : 0};
    weft_status status = WEFT_OK;
    if (a->interceptor.id == 0) {
        status = weft_intercept(a->w->bus, &opts, on_intercept, NULL, &a->interceptor);
    } else {
        status = weft_interceptor_remove(a->w->bus, a->interceptor);
        a->interceptor.id = 0;
    }
    if (status != WEFT_OK)
        atomic_fetch_add(&a->w->broken, 1);
}

static witness *witness_of(world *w, weft_subscription handle)
{
    for (witness *one = w->witnesses; one < w->witnesses + WITNESSES; one++)
        if (one->handle.id == handle.id)
            return one;
    return NULL;
}

static void redeliver(actor *a)
{
    weft_dead_letter letters[4];
    size_t count = weft_dead_letters_list(a->w->bus, 0, letters, 4);
    for (size_t i = 0; i < count; i++) {
        witness *whose = witness_of(a->w, letters[i].subscription);
        if (weft_dead_letter_redeliver(a->w->bus, letters[i].id) == WEFT_OK && whose != NULL)
            atomic_fetch_add(&whose->redelivered, 1);
        weft_event_release(letters[i].event);
    }
}

static void stop_and_start(actor *a)
{
    if (a->index != 0 || !a->w->stops)
        return;
    (void)weft_dispatcher_stop(a->w->bus, dice(3), NULL);
    if (weft_dispatcher_start(a->w->bus) != WEFT_OK)
        atomic_fetch_add(&a->w->broken, 1);
}

static void *act(void *user)
{
    actor *a = user;
    dice_state = a->w->seed * 1000 + a->index + 1;
    for (int step = 0; step < STEPS; step++) {
        switch (dice(64)) {
        case 0:
        case 1:
            churn(a);
            break;
        case 2:
        case 3:
            pause_or_resume(a);
            break;
        case 4:
            redeliver(a);
            break;
        case 5:
            if (dice(4) == 0)
                limit(a);
            break;
        case 6:
            if (dice(4) == 0)
                intercept(a);
            break;
        case 7:
            if (dice(16) == 0)
                stop_and_start(a);
            break;
        default:
            publish(a->w, ORDINARY);
            break;
        }
    }
    for (unsigned i = 0; i < CHURNERS; i++)
        if (a->churners[i] != NULL)
            churner_end(a, i);
    return NULL;
}

/* ---- the books ---- */

static uint64_t wanted(const weft_dispatcher_stats *total, const witness *one)
{
    uint64_t count = 0;
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (one->topics == 0 ||
            (one->topics & (uint32_t)weft_event_topic(&(weft_event){.type = (weft_event_type)type})) != 0)
            count += total->by_type[type];
    return count + one->redelivered;
}

/* What is missing can only have been dropped by a stop. */
static uint64_t check_witness(world *w, const weft_dispatcher_stats *total, const witness *one)
{
    weft_subscription_stats s;
    CU_ASSERT_EQUAL_FATAL(weft_subscription_get_stats(w->bus, one->handle, &s), WEFT_OK);
    CU_ASSERT_EQUAL(s.handled + s.errors, one->calls);
    CU_ASSERT_EQUAL(s.queue_depth, 0);
    CU_ASSERT_EQUAL(s.running, 0);
    CU_ASSERT(one->told <= s.dropped_overflow);
    if (!w->stops)
        CU_ASSERT_EQUAL(one->told, s.queued ? s.dropped_overflow : 0);
    uint64_t found = s.handled + s.dead_letters + s.dropped_overflow + s.skipped_paused + s.expired;
    CU_ASSERT(found <= wanted(total, one));
    return wanted(total, one) - found;
}

static void check_books(world *w)
{
    weft_dispatcher_stats total;
    uint64_t missing = 0, by_type = 0;
    weft_dispatcher_get_stats(w->bus, &total);
    for (int i = 0; i < WITNESSES; i++)
        missing += check_witness(w, &total, &w->witnesses[i]);
    CU_ASSERT_EQUAL(missing, total.dropped_stopped);
    for (int type = 0; type < WEFT_EVENT_TYPE_COUNT; type++)
        by_type += total.by_type[type];
    CU_ASSERT_EQUAL(by_type, total.published);
    CU_ASSERT_EQUAL(total.published, w->answers[WEFT_OK] - total.dropped_interceptor + total.split);
    CU_ASSERT_EQUAL(total.refused_rate, w->answers[WEFT_RATE_LIMITED]);
    CU_ASSERT_EQUAL(total.refused_interceptor, w->answers[WEFT_REFUSED]);
    CU_ASSERT_EQUAL(total.refused_stopped, w->answers[WEFT_STOPPED]);
    CU_ASSERT_EQUAL(total.refused_invalid + total.refused_nested + total.refused_memory + total.refused_bridge, 0);
    CU_ASSERT_EQUAL(total.subscriptions, WITNESSES);
}

/* ---- rounds ---- */

static void witness_start(world *w, unsigned i)
{
    static const uint32_t topics[] = {0, WEFT_TOPIC_COST, WEFT_TOPIC_TOOL | WEFT_TOPIC_SESSION};
    static const weft_overflow overflows[] = {
        WEFT_OVERFLOW_DROP_OLDEST, WEFT_OVERFLOW_DROP_NEWEST, WEFT_OVERFLOW_DEAD_LETTER, WEFT_OVERFLOW_DROP_OLDEST,
        WEFT_OVERFLOW_DROP_NEWEST, WEFT_OVERFLOW_DEAD_LETTER, WEFT_OVERFLOW_BLOCK};
    witness *one = &w->witnesses[i];
    bool queued = i % 2 == 0;
    weft_filter filter = {.topics = topics[dice(3)]};
    weft_subscribe_opts opts = {.queued = queued,
                                .concurrency = 1 + dice(3),
                                .attempts = dice(3),
                                .failures_max = dice(3) == 0 ? 1 + dice(20) : 0,
                                .queue_max = 1 + dice(40),
                                .overflow = overflows[dice(7)],
                                .block_ms = 1,
                                .on_lost = on_lost};
    one->w = w;
    one->topics = filter.topics;
    one->concurrency = queued ? (int)opts.concurrency : 0;
    one->failing = dice(2) == 0 ? dice(50) : 0;
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(w->bus, &filter, &opts, on_witness, one, &one->handle), WEFT_OK);
}

static void threads_run(world *w)
{
    pthread_t threads[THREADS];
    actor actors[THREADS] = {0};
    for (unsigned i = 0; i < THREADS; i++) {
        actors[i] = (actor){.w = w, .index = i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void round_run(uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    dice_state = seed;
    w->seed = seed;
    w->stops = dice(2) == 0;
    weft_dispatcher_opts opts = {.workers = 1 + dice(3), .history_max = dice(2) * 20, .dead_letters_max = 1 + dice(50)};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&opts, &w->bus), WEFT_OK);
    for (unsigned i = 0; i < WITNESSES; i++)
        witness_start(w, i);
    threads_run(w);
    for (int i = 0; i < WITNESSES; i++)
        CU_ASSERT_EQUAL(weft_subscription_resume(w->bus, w->witnesses[i].handle), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(w->bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(w->broken, 0);
    check_books(w);
    weft_dispatcher_destroy(w->bus);
    free(w);
}

static int64_t now_ms(void)
{
    return weft_clock_mono_ms(weft_clock_system());
}

static void the_books_balance(void)
{
    const char *seconds = getenv("WEFT_STRESS_SECONDS"), *given = getenv("WEFT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000;
    int64_t end_ms = now_ms() + (seconds != NULL ? strtol(seconds, NULL, 10) : 2) * 1000;
    unsigned rounds = 0;
    do {
        round_run(seed + rounds++);
    } while (CU_get_number_of_failures() == 0 && now_ms() < end_ms);
    printf("WEFT_SEED=%" PRIu64 " after %u rounds ", seed + rounds - 1, rounds);
}

SUITE(core_dispatcher_balance, CASE(the_books_balance))
