/* One thread does at random all that callers can do with inline subscriptions; a plain model says what comes of it: who
 * is called for each event, in which order, and every count. WEFT_SEED repeats a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/core/bus.h"
#include "support/event_maker.h"

enum { STEPS = 20000, RUNS = 6, SUBS_MAX = 200, CALLS_MAX = 4 * SUBS_MAX };

/* What filters of a run ask for. With all of it there are many one-shots and the like, too; else few. */
typedef enum asking { ASKING_TYPES, ASKING_TEXTS, ASKING_ALL, ASKING_COUNT } asking;

/* What the model knows of a subscription. */
typedef struct model {
    struct world *world;
    weft_subscription sub;
    weft_filter filter;
    weft_event_type type; /* of the filter */
    weft_status verdict;
    uint32_t attempts, failures_max, failures;
    bool alive, once, paused, suspended;
    uint64_t handled, errors, skipped, letters;
} model;

typedef struct world {
    event_maker dice;
    weft_dispatcher *bus;
    model pool[SUBS_MAX];
    model *models[SUBS_MAX]; /* in the order of subscribing, the ended ones between */
    size_t count;
    const model *expected[CALLS_MAX], *called[CALLS_MAX];
    size_t expected_count, called_count;
    weft_dispatcher_stats totals;
    asking asks;
    unsigned broken;
} world;

static const char *const sessions[] = {NULL, "s1", "s2", "s3"};
static const char *const agents[] = {"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b1", "b2", "b3"};
static const char *const sources[] = {NULL, "tool.a", "tool.b", "planner"};
static const char *const globs[] = {NULL, "tool.*", "*.b", "planner"};
static const weft_event_type types[] = {WEFT_TOOL_CALL_START, WEFT_TOOL_CALL_END, WEFT_AGENT_START, WEFT_AGENT_END,
                                        WEFT_TOKEN_USAGE};

static unsigned roll(world *w, unsigned sides)
{
    return (unsigned)(event_maker_next(&w->dice) >> 32) % sides;
}

static weft_status note_call(const weft_event *event, void *user)
{
    model *m = user;
    (void)event;
    if (m->world->called_count < CALLS_MAX)
        m->world->called[m->world->called_count++] = m;
    return m->verdict;
}

/* ---- what the model expects ---- */

static void expect_attempts(world *w, model *m)
{
    uint32_t calls = m->verdict == WEFT_OK ? 1 : m->attempts;
    for (uint32_t i = 0; i < calls; i++)
        w->expected[w->expected_count++] = m;
    if (m->verdict == WEFT_OK) {
        m->handled++;
        m->failures = 0;
        w->totals.handled++;
    } else {
        m->errors += calls;
        m->letters++;
        w->totals.handler_errors += calls;
        w->totals.dead_letters++;
        m->suspended = m->failures_max != 0 && ++m->failures >= m->failures_max;
    }
    if (m->once) {
        m->alive = false;
        w->totals.subscriptions--;
    }
}

static void expect_event(world *w, const weft_event *event)
{
    bool matched = false;
    w->totals.published++;
    w->totals.by_type[event->type]++;
    for (size_t i = 0; i < w->count; i++) {
        model *m = w->models[i];
        if (!m->alive || !weft_filter_matches(&m->filter, event, WEFT_ORIGIN_LOCAL))
            continue;
        matched = true;
        if (m->suspended) {
            m->letters++;
            w->totals.dead_letters++;
        } else if (m->paused) {
            m->skipped++;
            w->totals.skipped_paused++;
        } else {
            expect_attempts(w, m);
        }
    }
    w->totals.unmatched += !matched;
}

/* ---- steps ---- */

static void step_publish(world *w)
{
    weft_event event = {.type = types[roll(w, 5)],
                        .timestamp_ms = roll(w, 4) != 0,
                        .session_id = sessions[roll(w, 4)],
                        .agent_id = agents[roll(w, 12)],
                        .source = sources[roll(w, 4)],
                        .correlation_id = roll(w, 8) == 0 ? "c1" : NULL,
                        .priority = (weft_priority)roll(w, 5)};
    w->expected_count = w->called_count = 0;
    expect_event(w, &event);
    w->broken += weft_publish(w->bus, &event) != WEFT_OK;
    w->broken += w->called_count != w->expected_count;
    w->broken += memcmp(w->called, w->expected, w->expected_count * sizeof *w->called) != 0;
}

static bool wants_tools(const weft_event *event, void *user)
{
    (void)user;
    return weft_event_topic(event) == WEFT_TOPIC_TOOL;
}

static void filter_make(world *w, model *m)
{
    static const uint32_t topics[] = {0, 0, WEFT_TOPIC_TOOL, WEFT_TOPIC_AGENT | WEFT_TOPIC_COST};
    m->filter = (weft_filter){.topics = topics[roll(w, 4)], .types = &m->type, .type_count = roll(w, 4) == 0};
    if (w->asks == ASKING_TYPES || (w->asks == ASKING_ALL && roll(w, 2) == 0))
        return;
    m->filter.session_id = sessions[roll(w, 4)];
    if (w->asks == ASKING_TEXTS) {
        m->filter.agent_id = agents[roll(w, 12)];
        return;
    }
    m->filter.source = roll(w, 4) == 0 ? globs[roll(w, 4)] : NULL;
    m->filter.correlation_id = roll(w, 16) == 0 ? "c1" : NULL;
    m->filter.min_priority = roll(w, 8) == 0 ? WEFT_PRIORITY_HIGH : WEFT_PRIORITY_UNSET;
    m->filter.predicate = roll(w, 8) == 0 ? wants_tools : NULL;
}

static void model_make(world *w, model *m)
{
    unsigned sides = w->asks == ASKING_ALL ? 8 : 128;
    *m = (model){.world = w,
                 .type = types[roll(w, 5)],
                 .alive = true,
                 .once = roll(w, sides) == 0,
                 .paused = roll(w, sides) == 0,
                 .verdict = roll(w, 8) == 0 ? WEFT_FAILED : WEFT_OK,
                 .attempts = roll(w, sides) == 0 ? 3 : 1,
                 .failures_max = roll(w, sides) == 0 ? 2 : 0};
    filter_make(w, m);
}

/* Of one that has ended, once all are in use; NULL: none has. */
static model *model_take(world *w)
{
    if (w->count < SUBS_MAX)
        return &w->pool[w->count];
    size_t at = 0;
    while (at < w->count && w->models[at]->alive)
        at++;
    if (at == w->count)
        return NULL;
    model *taken = w->models[at];
    memmove(&w->models[at], &w->models[at + 1], (--w->count - at) * sizeof *w->models);
    return taken;
}

static void step_subscribe(world *w)
{
    model *m = model_take(w);
    if (m == NULL)
        return;
    model_make(w, m);
    weft_subscribe_opts opts = {
        .once = m->once, .paused = m->paused, .attempts = m->attempts, .failures_max = m->failures_max};
    m->sub = bus_subscribe(w->bus, &m->filter, &opts, note_call, m);
    w->models[w->count++] = m;
    w->totals.subscriptions++;
}

static void step_unsubscribe(world *w, model *m)
{
    w->broken += weft_unsubscribe(w->bus, m->sub) != (m->alive ? WEFT_OK : WEFT_NOT_FOUND);
    w->totals.subscriptions -= m->alive;
    m->alive = false;
}

static void step_pause(world *w, model *m)
{
    w->broken += weft_subscription_pause(w->bus, m->sub) != (m->alive ? WEFT_OK : WEFT_NOT_FOUND);
    m->paused = true;
}

static void step_resume(world *w, model *m)
{
    w->broken += weft_subscription_resume(w->bus, m->sub) != (m->alive ? WEFT_OK : WEFT_NOT_FOUND);
    m->paused = m->suspended = false;
    m->failures = 0;
}

static void step(world *w)
{
    unsigned die = roll(w, 100);
    model *m = w->count > 0 ? w->models[roll(w, (unsigned)w->count)] : NULL;
    if (die < 70)
        step_publish(w);
    else if (die < 78 || m == NULL)
        step_subscribe(w);
    else if (die < 84)
        step_unsubscribe(w, m);
    else if (die < (w->asks == ASKING_ALL ? 88 : 85))
        step_pause(w, m);
    else if (die < 96)
        step_resume(w, m);
    else
        m->verdict = m->verdict == WEFT_OK ? WEFT_FAILED : WEFT_OK;
}

/* ---- checks ---- */

static void check_model(world *w, const model *m)
{
    weft_subscription_stats stats = bus_stats_of(w->bus, m->sub);
    w->broken += stats.handled != m->handled;
    w->broken += stats.errors != m->errors;
    w->broken += stats.skipped_paused != m->skipped;
    w->broken += stats.dead_letters != m->letters;
    w->broken += stats.paused != m->paused;
    w->broken += stats.suspended != m->suspended;
}

static void check_all(world *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->models[i]->alive)
            check_model(w, w->models[i]);
    weft_dispatcher_stats stats = bus_stats(w->bus);
    stats.dead_letters_displaced = 0;
    w->broken += memcmp(&stats, &w->totals, sizeof stats) != 0;
}

static void run(uint64_t seed)
{
    static world w;
    w = (world){.dice = {.state = seed}, .asks = (asking)(seed % ASKING_COUNT), .bus = bus_create(NULL)};
    unsigned steps = 0;
    while (w.broken == 0 && steps++ < STEPS) {
        step(&w);
        if (steps % 64 == 0)
            check_all(&w);
    }
    if (w.broken != 0)
        printf("run %llu, step %u: ", (unsigned long long)seed, steps);
    CU_ASSERT_EQUAL(w.broken, 0);
    weft_dispatcher_destroy(w.bus);
}

static void agrees_with_the_model(void)
{
    const char *text = getenv("WEFT_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    printf("WEFT_SEED=%llu ", (unsigned long long)seed);
    for (uint64_t i = 0; i < RUNS; i++)
        run(seed + i);
}

SUITE(core_dispatch_model, CASE(agrees_with_the_model))
