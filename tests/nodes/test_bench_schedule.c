/* tests/nodes/test_bench_schedule.c: when events are due. */
#include "nodes/bench_schedule.h"

#include "support/suite.h"

static void events_are_due_at_even_distances(void)
{
    bench_schedule s = {.start_ns = 1000, .per_second = 50000};
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 0), 1000);
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 1), 21000);
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 50000), 1000001000);
}

static void uneven_rates_do_not_drift(void)
{
    bench_schedule s = {.per_second = 3};
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 1), 333333333);
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 3000000000), INT64_C(1000000000000000000));
    s.per_second = 0.5;
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, 4), INT64_C(8000000000));
}

static void without_a_rate_all_is_due_at_once(void)
{
    bench_schedule s = {.start_ns = 42};
    CU_ASSERT_EQUAL(bench_schedule_due_ns(&s, UINT64_MAX), 42);
}

static void a_nap_ends_in_time_to_look_around(void)
{
    int64_t now = bench_now_ns();
    int64_t after = bench_nap_until_ns(now + 1000 * INT64_C(1000000000), now);
    CU_ASSERT(after >= now + BENCH_NAP_MAX_NS);
    CU_ASSERT(after < now + 500 * INT64_C(1000000000));
    CU_ASSERT(bench_nap_until_ns(now, after) >= after);
}

SUITE(nodes_bench_schedule, CASE(events_are_due_at_even_distances), CASE(uneven_rates_do_not_drift),
      CASE(without_a_rate_all_is_due_at_once), CASE(a_nap_ends_in_time_to_look_around))
