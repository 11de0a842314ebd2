/* Rate limits in front of weft_publish: who is refused, and what is counted. */
#include "support/core/bus.h"
#include "support/fake_clock.h"
#include "weft/intercept.h"
#include "weft/rate_limit.h"

enum { NOW_MS = 1000000, THREADS = 4, EVENTS = 2000 };

static const weft_rate_limit one_a_second = {.per_second = 1};
static const weft_rate_limit as_many_as_come = {.per_second = 1e9};

static void limit(weft_dispatcher *bus, const weft_rate_limit *rule)
{
    CU_ASSERT_EQUAL(weft_rate_limits_set(bus, rule, rule != NULL), WEFT_OK);
}

static weft_status publish(weft_dispatcher *bus, uint64_t number)
{
    weft_event event = numbered(number);
    return weft_publish(bus, &event);
}

static weft_rate_limit_stats rule_stats(weft_dispatcher *bus)
{
    weft_rate_limit_stats stats = {0};
    CU_ASSERT_EQUAL(weft_rate_limit_get_stats(bus, 0, &stats), WEFT_OK);
    return stats;
}

static weft_status intercept(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    return take(event, user);
}

static void nobody_sees_an_event_over_the_limit(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock, .history_max = 8});
    taker inline_ = {0}, queued = {0}, tap = {0}, interceptor = {0};
    const weft_event *kept[8];
    bus_subscribe(bus, NULL, NULL, take, &inline_);
    bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true}, take, &queued);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &taker_tap, &tap), WEFT_OK);
    CU_ASSERT_EQUAL(weft_intercept(bus, NULL, intercept, &interceptor, NULL), WEFT_OK);
    limit(bus, &one_a_second);
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 2), WEFT_RATE_LIMITED);
    fake_clock_advance(&clock, 1000);
    CU_ASSERT_EQUAL(publish(bus, 3), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 4), WEFT_RATE_LIMITED);
    bus_settle(bus);
    taker_check(&inline_, NUMBERS(1, 3));
    taker_check(&queued, NUMBERS(1, 3));
    taker_check(&tap, NUMBERS(1, 3));
    taker_check(&interceptor, NUMBERS(1, 3));
    CU_ASSERT_EQUAL_FATAL(weft_history_find(bus, NULL, kept, 8), 2);
    weft_event_release(kept[0]);
    weft_event_release(kept[1]);
    CU_ASSERT_EQUAL(bus_stats(bus).refused_rate, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 2);
    CU_ASSERT_EQUAL(rule_stats(bus).admitted, 2);
    CU_ASSERT_EQUAL(rule_stats(bus).refused, 2);
    weft_dispatcher_destroy(bus);
}

/* The clock stands still: whatever is admitted has a token. */
static void only_what_is_an_event_takes_a_token(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    limit(bus, &one_a_second);
    weft_event bad = numbered(1);
    bad.session_id = "\xFF";
    CU_ASSERT_EQUAL(weft_publish(bus, &bad), WEFT_MALFORMED);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){0}), WEFT_INVALID);
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 2), WEFT_RATE_LIMITED);
    weft_dispatcher_destroy(bus);
}

static void what_other_hosts_bring_is_not_limited(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    taker t = {0};
    bus_subscribe(bus, NULL, NULL, take, &t);
    limit(bus, &one_a_second);
    weft_event event = numbered(1);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 3);
    CU_ASSERT_EQUAL(publish(bus, 2), WEFT_OK);
    weft_dispatcher_destroy(bus);
}

static void other_topics_are_not_limited(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    limit(bus, &(weft_rate_limit){.topics = WEFT_TOPIC_SESSION, .per_second = 3});
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 2), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 3), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 4), WEFT_RATE_LIMITED);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    weft_dispatcher_destroy(bus);
}

static void new_rules_take_the_place_of_the_old(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    weft_rate_limit_stats stats;
    limit(bus, &one_a_second);
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft_rate_limits_set(bus, &(weft_rate_limit){.per_second = -1}, 1), WEFT_INVALID);
    CU_ASSERT_EQUAL(publish(bus, 2), WEFT_RATE_LIMITED);
    limit(bus, &one_a_second);
    CU_ASSERT_EQUAL(rule_stats(bus).admitted, 0);
    CU_ASSERT_EQUAL(publish(bus, 3), WEFT_OK);
    CU_ASSERT_EQUAL(publish(bus, 4), WEFT_RATE_LIMITED);
    CU_ASSERT_EQUAL(weft_rate_limit_get_stats(bus, 1, &stats), WEFT_NOT_FOUND);
    limit(bus, NULL);
    for (uint64_t number = 5; number < 9; number++)
        CU_ASSERT_EQUAL(publish(bus, number), WEFT_OK);
    CU_ASSERT_EQUAL(weft_rate_limit_get_stats(bus, 0, &stats), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(bus_stats(bus).refused_rate, 2);
    weft_dispatcher_destroy(bus);
}

typedef struct swapping {
    weft_dispatcher *bus;
    atomic_bool done;
    atomic_uint admitted, refused, others;
} swapping;

static void *publish_many(void *user)
{
    swapping *s = user;
    for (uint64_t number = 1; number <= EVENTS; number++) {
        weft_status status = publish(s->bus, number);
        atomic_fetch_add(status == WEFT_OK ? &s->admitted : status == WEFT_RATE_LIMITED ? &s->refused : &s->others, 1);
    }
    return NULL;
}

static void *swap_rules(void *user)
{
    swapping *s = user;
    static const weft_rate_limit none = {.per_minute = 1e-9};
    for (unsigned i = 0; !s->done; i++)
        CU_ASSERT_EQUAL(weft_rate_limits_set(s->bus, i % 2 == 0 ? &as_many_as_come : &none, i % 3 != 0), WEFT_OK);
    return NULL;
}

static void rules_are_replaced_while_threads_publish(void)
{
    swapping s = {.bus = bus_create(NULL)};
    taker t = {0};
    pthread_t threads[THREADS];
    bus_subscribe(s.bus, NULL, NULL, take, &t);
    pthread_t swapper = thread_start(swap_rules, &s);
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(publish_many, &s);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    s.done = true;
    pthread_join(swapper, NULL);
    CU_ASSERT_EQUAL(s.others, 0);
    CU_ASSERT_EQUAL(s.admitted + s.refused, THREADS * EVENTS);
    CU_ASSERT_EQUAL(t.count, s.admitted);
    CU_ASSERT_EQUAL(bus_stats(s.bus).published, s.admitted);
    CU_ASSERT_EQUAL(bus_stats(s.bus).refused_rate, s.refused);
    weft_dispatcher_destroy(s.bus);
}

/* The rules that a publish began with live as long as it does. */
static weft_status lift_rules(weft_event *event, weft_stage *stage, void *user)
{
    (void)event;
    (void)stage;
    limit(user, NULL);
    return WEFT_OK;
}

static void rules_may_be_lifted_by_an_interceptor(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    bus_subscribe(bus, NULL, NULL, take, &t);
    CU_ASSERT_EQUAL(weft_intercept(bus, NULL, lift_rules, bus, NULL), WEFT_OK);
    limit(bus, &(weft_rate_limit){.per_minute = 1});
    for (uint64_t number = 1; number <= 3; number++)
        CU_ASSERT_EQUAL(publish(bus, number), WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 3);
    weft_dispatcher_destroy(bus);
}

SUITE(core_gate_limits, CASE(nobody_sees_an_event_over_the_limit), CASE(only_what_is_an_event_takes_a_token),
      CASE(what_other_hosts_bring_is_not_limited), CASE(other_topics_are_not_limited),
      CASE(new_rules_take_the_place_of_the_old), CASE(rules_are_replaced_while_threads_publish),
      CASE(rules_may_be_lifted_by_an_interceptor))
