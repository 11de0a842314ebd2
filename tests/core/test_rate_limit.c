/* The limiter behind weft_rate_limits_set, its time given by hand. */
#include "core/rate_limit.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/gcra.h"
#include "support/suite.h"

#define SECOND_NS INT64_C(1000000000)
#define YEAR_NS   (INT64_C(31557600) * SECOND_NS)

enum { THREADS = 4, ROUNDS = 500 };

/* An odd moment, as good as any. */
static const int64_t start_ns = INT64_C(987654321987654321);

static weft__limiter *limiter_of(const weft_rate_limit *limits, size_t count)
{
    weft__limiter *limiter = NULL;
    CU_ASSERT_EQUAL_FATAL(weft__limiter_create(limits, count, &limiter), WEFT_OK);
    return limiter;
}

static bool admit_from(weft__limiter *limiter, const char *source, int64_t now_ns)
{
    return weft__limiter_admit(limiter, &(weft_event){.type = WEFT_AGENT_START, .source = source}, now_ns);
}

static bool admit(weft__limiter *limiter, int64_t now_ns)
{
    return admit_from(limiter, NULL, now_ns);
}

/* How many of n events at one moment are admitted. */
static int pour_from(weft__limiter *limiter, const char *source, int n, int64_t now_ns)
{
    int admitted = 0;
    for (int i = 0; i < n; i++)
        admitted += admit_from(limiter, source, now_ns);
    return admitted;
}

static int pour(weft__limiter *limiter, int n, int64_t now_ns)
{
    return pour_from(limiter, NULL, n, now_ns);
}

static weft_rate_limit_stats stats_of(weft__limiter *limiter, size_t index)
{
    weft_rate_limit_stats stats = {0};
    CU_ASSERT_EQUAL(weft__limiter_get_stats(limiter, index, &stats), WEFT_OK);
    return stats;
}

/* ---- one bucket ---- */

static void begins_with_a_full_bucket(void)
{
    weft_rate_limit limit = {.per_second = 10, .burst = 25};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns), 25);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + SECOND_NS / 10), 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + SECOND_NS), 9);
    weft__limiter_unref(limiter);
}

static void a_burst_unset_is_what_comes_in_a_second(void)
{
    const struct {
        double per_second;
        int burst;
    } rows[] = {{0.1, 1}, {1, 1}, {1.9, 1}, {2, 2}, {7.5, 7}, {1000, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_second = rows[i].per_second}, 1);
        CU_ASSERT_EQUAL(pour(limiter, 2000, start_ns), rows[i].burst);
        weft__limiter_unref(limiter);
    }
}

static void a_pause_of_any_length_refills_no_more_than_the_burst(void)
{
    static const int64_t pauses_ns[] = {SECOND_NS, 3600 * SECOND_NS, YEAR_NS, 30 * YEAR_NS, 0, 70 * YEAR_NS};
    weft_rate_limit limit = {.per_second = 4, .burst = 3};
    weft__limiter *limiter = limiter_of(&limit, 1);
    int64_t now_ns = -start_ns;
    CU_ASSERT_EQUAL(pour(limiter, 10, now_ns), 3);
    for (size_t i = 0; i < sizeof pauses_ns / sizeof *pauses_ns; i++) {
        now_ns += pauses_ns[i];
        CU_ASSERT_EQUAL(pour(limiter, 10, now_ns), pauses_ns[i] > 0 ? 3 : 0);
    }
    weft__limiter_unref(limiter);
}

/* With one token in store that is never used up, each event is refused just before it is due, and admitted just after:
 * the rate neither gains nor loses. */
static void check_pace(double per_second, int events, int64_t from_ns)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_second = per_second, .burst = 2}, 1);
    int wrong = 2 - pour(limiter, 3, from_ns);
    for (int n = 1; n <= events; n++) {
        int64_t due_ns = from_ns + (int64_t)floorl((long double)n * 1e9L / per_second);
        int64_t rounding_ns = 7 + ((due_ns - from_ns) >> 52);
        wrong += admit(limiter, due_ns - rounding_ns);
        wrong += !admit(limiter, due_ns + rounding_ns);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).admitted, (uint64_t)events + 2);
    weft__limiter_unref(limiter);
}

static void keeps_the_pace_over_long_spans(void)
{
    static const double rates[] = {0.1, 1.0 / 3, 1, 3, 7.3, 1000, 65536, 999999.7, 1e6, 3e6, 6e7};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        check_pace(rates[i], 100000, i % 2 == 0 ? start_ns : 12345);
    check_pace(1.0 / 1024, 1000000, start_ns); /* 32 years */
}

static void an_event_that_comes_when_it_is_due_is_admitted(void)
{
    static const int rates[] = {1, 2, 5, 8, 10, 20, 50, 100, 125, 200, 250, 500, 1000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_second = rates[i], .burst = 1}, 1);
        int admitted = 0;
        for (int n = 0; n < 3000; n++)
            admitted += admit(limiter, start_ns + n * (SECOND_NS / rates[i]));
        CU_ASSERT_EQUAL(admitted, 3000);
        weft__limiter_unref(limiter);
    }
}

static void the_slowest_rate_still_admits_once(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_second = 5e-324}, 1);
    CU_ASSERT(admit(limiter, start_ns));
    CU_ASSERT(!admit(limiter, start_ns + 30 * YEAR_NS));
    weft__limiter_unref(limiter);
}

static void rates_beyond_the_clock_do_not_overflow(void)
{
    weft_rate_limit limit = {.per_second = 1.7e308, .burst = UINT32_MAX};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour(limiter, 100000, start_ns), 100000);
    CU_ASSERT_EQUAL(pour(limiter, 100, INT64_MAX), 100);
    weft__limiter_unref(limiter);
    limit.per_second = 1e-300;
    limiter = limiter_of(&limit, 1);
    CU_ASSERT(admit(limiter, INT64_MIN + 1));
    CU_ASSERT(admit(limiter, INT64_MAX));
    weft__limiter_unref(limiter);
}

static void a_clock_a_little_behind_takes_nothing_away(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_second = 1, .burst = 3}, 1);
    CU_ASSERT(admit(limiter, start_ns));
    CU_ASSERT(admit(limiter, start_ns - 1000));
    CU_ASSERT(admit(limiter, start_ns));
    CU_ASSERT(!admit(limiter, start_ns));
    CU_ASSERT(admit(limiter, start_ns + SECOND_NS));
    weft__limiter_unref(limiter);
}

/* ---- what a rule covers ---- */

static void a_rate_by_the_minute_admits_a_minutes_worth_at_once(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.per_minute = 30}, 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns), 30);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + 2 * SECOND_NS), 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + 62 * SECOND_NS), 30);
    weft__limiter_unref(limiter);
}

static void both_rates_of_a_rule_hold(void)
{
    weft_rate_limit limit = {.per_second = 10, .per_minute = 30, .burst = 20};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns), 20);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + SECOND_NS), 10);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + 2 * SECOND_NS), 1);
    CU_ASSERT_EQUAL(pour(limiter, 100, start_ns + 4 * SECOND_NS), 1);
    weft__limiter_unref(limiter);
}

static void refusals_of_one_rate_cost_nothing_of_the_other(void)
{
    weft_rate_limit limit = {.per_second = 1, .per_minute = 3, .burst = 1};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour(limiter, 50, start_ns), 1);
    CU_ASSERT_EQUAL(pour(limiter, 50, start_ns + SECOND_NS), 1);
    CU_ASSERT_EQUAL(pour(limiter, 50, start_ns + 2 * SECOND_NS), 1);
    CU_ASSERT_EQUAL(pour(limiter, 50, start_ns + 3 * SECOND_NS), 0);
    weft__limiter_unref(limiter);
}

static void limits_only_its_topics(void)
{
    weft_rate_limit limit = {.topics = WEFT_TOPIC_COST | WEFT_TOPIC_CUSTOM, .per_second = 1};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour(limiter, 10, start_ns), 10);
    CU_ASSERT(weft__limiter_admit(limiter, &(weft_event){.type = WEFT_TOKEN_USAGE}, start_ns));
    CU_ASSERT(!weft__limiter_admit(limiter, &(weft_event){.type = WEFT_CUSTOM}, start_ns));
    CU_ASSERT(!weft__limiter_admit(limiter, &(weft_event){.type = (weft_event_type)9999}, start_ns));
    CU_ASSERT_EQUAL(stats_of(limiter, 0).admitted, 1);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).refused, 2);
    weft__limiter_unref(limiter);
}

static void limits_only_its_sources(void)
{
    weft_rate_limit limit = {.source = "agent-*", .per_second = 1};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour_from(limiter, "agent-1", 5, start_ns), 1);
    CU_ASSERT_EQUAL(pour_from(limiter, "agent-2", 5, start_ns), 0);
    CU_ASSERT_EQUAL(pour_from(limiter, "tool", 5, start_ns), 5);
    CU_ASSERT_EQUAL(pour_from(limiter, NULL, 5, start_ns), 5);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).sources, 0);
    weft__limiter_unref(limiter);
}

static void an_empty_source_glob_covers_all(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.source = "", .per_second = 1}, 1);
    CU_ASSERT_EQUAL(pour_from(limiter, "agent-1", 5, start_ns), 1);
    CU_ASSERT_EQUAL(pour_from(limiter, NULL, 5, start_ns), 0);
    weft__limiter_unref(limiter);
}

static void copies_the_source_glob(void)
{
    char glob[] = "a*";
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.source = glob, .per_second = 1}, 1);
    glob[0] = 'b';
    CU_ASSERT_EQUAL(pour_from(limiter, "a1", 5, start_ns), 1);
    CU_ASSERT_EQUAL(pour_from(limiter, "b1", 5, start_ns), 5);
    weft__limiter_unref(limiter);
}

static void no_rules_admit_everything(void)
{
    weft__limiter *limiter = limiter_of(NULL, 0);
    CU_ASSERT_EQUAL(pour(limiter, 1000, start_ns), 1000);
    CU_ASSERT_EQUAL(weft__limiter_get_stats(limiter, 0, &(weft_rate_limit_stats){0}), WEFT_NOT_FOUND);
    weft__limiter_unref(limiter);
    weft__limiter_unref(NULL);
}

/* ---- several rules ---- */

static void an_event_takes_a_token_of_each_rule_or_of_none(void)
{
    weft_rate_limit limits[] = {{.per_second = 1, .burst = 10},
                                {.topics = WEFT_TOPIC_AGENT, .per_second = 1, .burst = 5},
                                {.topics = WEFT_TOPIC_AGENT, .each_source = true, .per_second = 1, .burst = 2},
                                {.topics = WEFT_TOPIC_COST, .per_second = 1}};
    weft__limiter *limiter = limiter_of(limits, 4);
    CU_ASSERT_EQUAL(pour_from(limiter, "a", 20, start_ns), 2);
    CU_ASSERT_EQUAL(pour_from(limiter, "b", 20, start_ns), 2);
    CU_ASSERT_EQUAL(pour_from(limiter, "c", 20, start_ns), 1);
    int others = 0;
    for (int i = 0; i < 20; i++)
        others += weft__limiter_admit(limiter, &(weft_event){.type = WEFT_TOOL_CALL_START}, start_ns);
    CU_ASSERT_EQUAL(others, 5);
    weft__limiter_unref(limiter);
}

static void each_rule_counts_what_it_refused(void)
{
    weft_rate_limit limits[] = {{.per_second = 1, .burst = 3}, {.per_second = 1, .burst = 2}};
    weft__limiter *limiter = limiter_of(limits, 2);
    CU_ASSERT_EQUAL(pour(limiter, 5, start_ns), 2);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).admitted, 2);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).refused, 0);
    CU_ASSERT_EQUAL(stats_of(limiter, 1).admitted, 2);
    CU_ASSERT_EQUAL(stats_of(limiter, 1).refused, 3);
    CU_ASSERT_EQUAL(weft__limiter_get_stats(limiter, 2, &(weft_rate_limit_stats){0}), WEFT_NOT_FOUND);
    weft__limiter_unref(limiter);
}

/* ---- a bucket for each source ---- */

static void each_source_has_a_bucket_of_its_own(void)
{
    weft_rate_limit limit = {.source = "a*", .each_source = true, .per_second = 2};
    weft__limiter *limiter = limiter_of(&limit, 1);
    CU_ASSERT_EQUAL(pour_from(limiter, "a1", 5, start_ns), 2);
    CU_ASSERT_EQUAL(pour_from(limiter, "a2", 5, start_ns), 2);
    CU_ASSERT_EQUAL(pour_from(limiter, "b1", 5, start_ns), 5);
    CU_ASSERT_EQUAL(pour_from(limiter, "a1", 5, start_ns + SECOND_NS / 2), 1);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).sources, 2);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).admitted, 5);
    weft__limiter_unref(limiter);
}

static void events_without_a_source_share_a_bucket(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.each_source = true, .per_second = 1}, 1);
    CU_ASSERT(admit_from(limiter, NULL, start_ns));
    CU_ASSERT(!admit_from(limiter, "", start_ns));
    CU_ASSERT_EQUAL(stats_of(limiter, 0).sources, 1);
    weft__limiter_unref(limiter);
}

static bool admit_numbered(weft__limiter *limiter, int number)
{
    char source[32];
    (void)snprintf(source, sizeof source, "source-%d", number);
    return admit_from(limiter, source, start_ns);
}

/* The first is used again and again, so that it is never the one unused for longest. */
static void beyond_the_bound_the_bucket_unused_for_longest_is_reused(void)
{
    weft__limiter *limiter = limiter_of(&(weft_rate_limit){.each_source = true, .per_second = 0.001}, 1);
    int admitted = 0;
    for (int number = 0; number < 10000; number++) {
        admitted += admit_numbered(limiter, number);
        CU_ASSERT_EQUAL(admit_numbered(limiter, 0), false);
    }
    CU_ASSERT_EQUAL(admitted, 10000);
    CU_ASSERT_EQUAL(stats_of(limiter, 0).sources, WEFT_RATE_SOURCES_MAX);
    CU_ASSERT(!admit_numbered(limiter, 10000 - WEFT_RATE_SOURCES_MAX + 1));
    CU_ASSERT(admit_numbered(limiter, 10000 - WEFT_RATE_SOURCES_MAX));
    CU_ASSERT(!admit_numbered(limiter, 0));
    CU_ASSERT_EQUAL(stats_of(limiter, 0).sources, WEFT_RATE_SOURCES_MAX);
    weft__limiter_unref(limiter);
}

/* ---- bad rules ---- */

static void refuses_rules_that_cannot_be(void)
{
    const weft_rate_limit rows[] = {{.burst = 3},
                                    {.per_second = -1},
                                    {.per_second = 1, .per_minute = -1e-9},
                                    {.per_second = NAN},
                                    {.per_minute = INFINITY},
                                    {.per_second = 1, .topics = 1},
                                    {.per_second = 1, .topics = 1u << 31}};
    weft__limiter *limiter = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weft_rate_limit limits[] = {{.per_second = 1}, rows[i]};
        CU_ASSERT_EQUAL(weft__limiter_create(limits, 2, &limiter), WEFT_INVALID);
    }
    CU_ASSERT_EQUAL(weft__limiter_create(NULL, 1, &limiter), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(limiter);
}

static void takes_as_many_rules_as_it_says(void)
{
    weft_rate_limit limits[WEFT_RATE_LIMITS_MAX + 1];
    weft__limiter *none = NULL;
    for (int i = 0; i <= WEFT_RATE_LIMITS_MAX; i++)
        limits[i] = (weft_rate_limit){.per_second = 1, .burst = 9, .each_source = i % 8 == 0};
    weft__limiter *limiter = limiter_of(limits, WEFT_RATE_LIMITS_MAX);
    CU_ASSERT_EQUAL(pour(limiter, 20, start_ns), 9);
    weft__limiter_unref(limiter);
    CU_ASSERT_EQUAL(weft__limiter_create(limits, WEFT_RATE_LIMITS_MAX + 1, &none), WEFT_INVALID);
}

/* ---- threads ---- */

typedef struct crowd {
    weft__limiter *limiter;
    _Atomic int64_t now_ns;
    int64_t end_ns;
    atomic_int admitted;
} crowd;

static void *publish_all_along(void *user)
{
    crowd *c = user;
    for (;;) {
        int64_t now_ns = atomic_fetch_add(&c->now_ns, 1000);
        if (now_ns > c->end_ns)
            return NULL;
        if (admit_from(c->limiter, now_ns % 2000 == 0 ? "even" : "odd", now_ns))
            atomic_fetch_add(&c->admitted, 1);
    }
}

/* A million events a second for a fifth of a second of injected time, from all threads together. */
static int crowd_run(const weft_rate_limit *limits, size_t count, crowd *c)
{
    pthread_t threads[THREADS];
    *c = (crowd){.limiter = limiter_of(limits, count), .now_ns = start_ns / 10000 * 10000};
    c->end_ns = c->now_ns + SECOND_NS / 5;
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, publish_all_along, c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return c->admitted;
}

static void threads_together_get_no_more_than_the_rate(void)
{
    crowd c;
    int admitted = crowd_run(&(weft_rate_limit){.per_second = 50000, .burst = 100}, 1, &c);
    CU_ASSERT_EQUAL(admitted, 100 + 50000 / 5);
    CU_ASSERT_EQUAL(stats_of(c.limiter, 0).admitted, (uint64_t)admitted);
    CU_ASSERT_EQUAL(stats_of(c.limiter, 0).refused, 200001 - (uint64_t)admitted);
    weft__limiter_unref(c.limiter);
}

static void threads_under_several_rules_get_no_more_than_each_allows(void)
{
    weft_rate_limit limits[] = {{.per_second = 30000, .burst = 100},
                                {.per_second = 31000, .per_minute = 6000},
                                {.per_second = 20000, .burst = 10, .each_source = true}};
    crowd c;
    int admitted = crowd_run(limits, 3, &c);
    CU_ASSERT(admitted > 5000);
    CU_ASSERT(admitted <= 6000 + 20);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(stats_of(c.limiter, i).admitted, (uint64_t)admitted);
    CU_ASSERT_EQUAL(stats_of(c.limiter, 2).sources, 2);
    weft__limiter_unref(c.limiter);
}

typedef struct rush {
    weft__limiter *limiter;
    pthread_barrier_t ready;
} rush;

static void *publish_at_once(void *user)
{
    rush *r = user;
    (void)pthread_barrier_wait(&r->ready);
    (void)pour(r->limiter, 500, start_ns);
    return NULL;
}

static weft__limiter *limiter_rushed(const weft_rate_limit *limits, size_t count)
{
    pthread_t threads[THREADS];
    rush r = {.limiter = limiter_of(limits, count)};
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&r.ready, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, publish_at_once, &r), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&r.ready);
    return r.limiter;
}

/* The second rule runs dry; the first must not have paid for what it refused. */
static void a_lost_race_gives_back_what_it_took(void)
{
    weft_rate_limit limits[] = {{.per_second = 1, .burst = 1000},
                                {.topics = WEFT_TOPIC_AGENT, .per_second = 1, .burst = 990}};
    for (int round = 0; round < ROUNDS; round++) {
        weft__limiter *limiter = limiter_rushed(limits, 2);
        int left = 0;
        for (int i = 0; i < 20; i++)
            left += weft__limiter_admit(limiter, &(weft_event){.type = WEFT_TOKEN_USAGE}, start_ns);
        CU_ASSERT_EQUAL(stats_of(limiter, 1).admitted, 990);
        CU_ASSERT_EQUAL(left, 10);
        weft__limiter_unref(limiter);
    }
}

/* The same between the rates of a rule: a second later, 16 came in by the minute, and one joined the 10 left. */
static void a_race_lost_on_one_rate_gives_back_of_the_other(void)
{
    weft_rate_limit limit = {.per_second = 1, .burst = 1000, .per_minute = 990};
    for (int round = 0; round < ROUNDS; round++) {
        weft__limiter *limiter = limiter_rushed(&limit, 1);
        CU_ASSERT_EQUAL(stats_of(limiter, 0).admitted, 990);
        CU_ASSERT_EQUAL(pour(limiter, 20, start_ns + SECOND_NS), 11);
        weft__limiter_unref(limiter);
    }
}

static void a_token_given_back_can_be_taken_again(void)
{
    weft__gcra gcra;
    weft__arrival arrival;
    weft__gcra_init(&gcra, 1, 1e9, 2);
    weft__arrival_init(&arrival);
    CU_ASSERT(weft__gcra_take(&gcra, &arrival, start_ns));
    CU_ASSERT(weft__gcra_take(&gcra, &arrival, start_ns));
    CU_ASSERT(!weft__gcra_conforms(&gcra, &arrival, start_ns));
    weft__gcra_give_back(&gcra, &arrival);
    CU_ASSERT(weft__gcra_take(&gcra, &arrival, start_ns));
    CU_ASSERT(!weft__gcra_take(&gcra, &arrival, start_ns));
}

SUITE(core_rate_limit, CASE(begins_with_a_full_bucket), CASE(a_burst_unset_is_what_comes_in_a_second),
      CASE(a_pause_of_any_length_refills_no_more_than_the_burst), CASE(keeps_the_pace_over_long_spans),
      CASE(an_event_that_comes_when_it_is_due_is_admitted), CASE(the_slowest_rate_still_admits_once),
      CASE(rates_beyond_the_clock_do_not_overflow), CASE(a_clock_a_little_behind_takes_nothing_away),
      CASE(a_rate_by_the_minute_admits_a_minutes_worth_at_once), CASE(both_rates_of_a_rule_hold),
      CASE(refusals_of_one_rate_cost_nothing_of_the_other), CASE(limits_only_its_topics), CASE(limits_only_its_sources),
      CASE(an_empty_source_glob_covers_all), CASE(copies_the_source_glob), CASE(no_rules_admit_everything),
      CASE(an_event_takes_a_token_of_each_rule_or_of_none), CASE(each_rule_counts_what_it_refused),
      CASE(each_source_has_a_bucket_of_its_own), CASE(events_without_a_source_share_a_bucket),
      CASE(beyond_the_bound_the_bucket_unused_for_longest_is_reused), CASE(refuses_rules_that_cannot_be),
      CASE(takes_as_many_rules_as_it_says), CASE(threads_together_get_no_more_than_the_rate),
      CASE(threads_under_several_rules_get_no_more_than_each_allows), CASE(a_lost_race_gives_back_what_it_took),
      CASE(a_race_lost_on_one_rate_gives_back_of_the_other), CASE(a_token_given_back_can_be_taken_again))
