/* How far another host's clock is off, by the messages it stamps. */
#include "bridge/skew.h"
#include "support/suite.h"

static const int64_t NOON = 1700000000000;

static bool is(const weft__skew *skew, int64_t expected)
{
    int64_t got = 0;
    return weft__skew_get(skew, 1, &got) && got == expected;
}

static void the_fastest_message_tells(void)
{
    weft__skew skew = {0};
    int64_t ignored;
    CU_ASSERT_FALSE(weft__skew_get(&skew, 1, &ignored));
    weft__skew_add(&skew, NOON + 7000, NOON + 400, 0); /* 7 s ahead, 400 ms on the way */
    CU_ASSERT_TRUE(is(&skew, 6600));
    weft__skew_add(&skew, NOON + 12000, NOON + 5003, 5000);
    weft__skew_add(&skew, NOON + 17000, NOON + 10900, 10000);
    CU_ASSERT_TRUE(is(&skew, 6997));
    CU_ASSERT_FALSE(weft__skew_get(&skew, 4, &ignored));
    CU_ASSERT_TRUE(weft__skew_get(&skew, 3, &ignored));
}

static void a_clock_behind_is_negative(void)
{
    weft__skew skew = {0};
    weft__skew_add(&skew, NOON - 60000, NOON + 2, 0);
    CU_ASSERT_TRUE(is(&skew, -60002));
}

static void it_follows_a_clock_that_is_set(void)
{
    weft__skew skew = {0};
    int64_t now = 0;
    for (; now < 60000; now += 5000)
        weft__skew_add(&skew, NOON + now + 9000, NOON + now, now);
    CU_ASSERT_TRUE(is(&skew, 9000));
    for (; now < 200000; now += 5000)
        weft__skew_add(&skew, NOON + now, NOON + now, now);
    CU_ASSERT_TRUE(is(&skew, 0));
    weft__skew_add(&skew, NOON + now + 20000, NOON + now, now); /* forward is seen at once */
    CU_ASSERT_TRUE(is(&skew, 20000));
}

static void what_was_seen_long_ago_does_not_count(void)
{
    weft__skew skew = {0};
    weft__skew_add(&skew, NOON + 9000, NOON, 0);
    weft__skew_add(&skew, NOON, NOON, 600000);
    CU_ASSERT_TRUE(is(&skew, 0));
}

static void times_at_the_ends_of_the_scale_do_no_harm(void)
{
    weft__skew skew = {0};
    int64_t got;
    weft__skew_add(&skew, INT64_MAX, NOON, 0);
    CU_ASSERT_TRUE(weft__skew_get(&skew, 1, &got));
    CU_ASSERT_EQUAL(got, INT64_MAX - NOON);
}

SUITE(bridge_skew, CASE(the_fastest_message_tells), CASE(a_clock_behind_is_negative),
      CASE(it_follows_a_clock_that_is_set), CASE(what_was_seen_long_ago_does_not_count),
      CASE(times_at_the_ends_of_the_scale_do_no_harm))
