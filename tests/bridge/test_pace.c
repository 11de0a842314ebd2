/* When a commit waits a little for more events. */
#include "bridge/pace.h"
#include "support/suite.h"

/* Commits of so many events, one from each interval; the patience after the last. */
static int64_t patience(weft__pace *p, int commits, size_t events, int64_t interval_ns)
{
    int64_t now = p->taken_ns;
    for (int i = 0; i < commits; i++)
        weft__pace_taken(p, events, now += interval_ns);
    return weft__pace_next_ns(p, now) - now;
}

static void a_slow_stream_is_never_kept_waiting(void)
{
    weft__pace p = {0};
    CU_ASSERT_EQUAL(patience(&p, 100, 1, 100000), 0);
    CU_ASSERT_EQUAL(patience(&p, 100, 3, 300000), 0);
}

static void a_fast_stream_is(void)
{
    weft__pace p = {0};
    CU_ASSERT_TRUE(patience(&p, 100, 1, 20000) > 50000);
    CU_ASSERT_TRUE(patience(&p, 100, 100, 500000) > 0);
}

static void what_took_longer_than_the_patience_goes_at_once(void)
{
    weft__pace p = {0};
    (void)patience(&p, 100, 1000, 1000000);
    CU_ASSERT_TRUE(weft__pace_next_ns(&p, p.taken_ns + 900000) <= p.taken_ns + 900000);
}

static void one_pause_does_not_end_it_but_a_slow_time_does(void)
{
    weft__pace p = {0};
    (void)patience(&p, 100, 1, 10000);
    CU_ASSERT_EQUAL(patience(&p, 1, 1, 3600 * INT64_C(1000000000)), 0); /* one alone is sent at once */
    CU_ASSERT_TRUE(patience(&p, 30, 1, 10000) > 0);
    CU_ASSERT_EQUAL(patience(&p, 30, 1, 1000000), 0);
}

SUITE(bridge_pace, CASE(a_slow_stream_is_never_kept_waiting), CASE(a_fast_stream_is),
      CASE(what_took_longer_than_the_patience_goes_at_once), CASE(one_pause_does_not_end_it_but_a_slow_time_does))
