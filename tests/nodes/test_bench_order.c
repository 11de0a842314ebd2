/* tests/nodes/test_bench_order.c: what is missing, late or twice among numbered events. */
#include "nodes/bench_order.h"

#include <stdio.h>

#include "nodes/random.h"
#include "support/suite.h"

static weft_event event_of(const char *node, weft_event_type type, uint32_t flags)
{
    return (weft_event){.type = type, .flags = flags, .id = {.node = node, .epoch = 1}};
}

static void take(bench_order *o, uint64_t number, uint32_t flags)
{
    weft_event event = event_of("a", WEFT_TOKEN_USAGE, flags);
    bench_order_take(o, &event, number);
}

static void sees_nothing_wrong_with_each_once_in_order(void)
{
    bench_order o = {0};
    for (uint64_t i = 1; i <= 1000; i++)
        take(&o, i, 0);
    CU_ASSERT_EQUAL(o.stream_count, 1);
    CU_ASSERT_EQUAL(bench_order_missing(&o) + o.duplicates + o.disordered + o.healed + o.unchecked, 0);
    bench_order_fini(&o);
}

static void what_came_before_the_first_is_not_missing(void)
{
    bench_order o = {0};
    take(&o, 500, 0);
    take(&o, 501, 0);
    CU_ASSERT_EQUAL(bench_order_missing(&o), 0);
    take(&o, 499, WEFT_FLAG_REPLAYED);
    CU_ASSERT_EQUAL(o.duplicates, 0);
    CU_ASSERT_EQUAL(o.unchecked, 1);
    bench_order_fini(&o);
}

static void counts_gaps_and_what_fills_them(void)
{
    bench_order o = {0};
    take(&o, 1, 0);
    take(&o, 10, 0);
    CU_ASSERT_EQUAL(bench_order_missing(&o), 8);
    take(&o, 5, WEFT_FLAG_REPLAYED);
    take(&o, 2, WEFT_FLAG_REPLAYED);
    take(&o, 9, WEFT_FLAG_REPLAYED);
    CU_ASSERT_EQUAL(o.healed, 3);
    CU_ASSERT_EQUAL(bench_order_missing(&o), 5);
    take(&o, 3, 0);
    CU_ASSERT_EQUAL(o.disordered, 1);
    take(&o, 4, WEFT_FLAG_REPLAYED);
    for (uint64_t i = 6; i <= 8; i++)
        take(&o, i, WEFT_FLAG_REPLAYED);
    CU_ASSERT_EQUAL(bench_order_missing(&o), 0);
    CU_ASSERT_EQUAL(o.duplicates, 0);
    CU_ASSERT_EQUAL(o.healed, 7);
    bench_order_fini(&o);
}

static void counts_what_comes_twice(void)
{
    bench_order o = {0};
    take(&o, 1, 0);
    take(&o, 2, 0);
    take(&o, 2, 0);
    take(&o, 1, WEFT_FLAG_REPLAYED);
    CU_ASSERT_EQUAL(o.duplicates, 2);
    bench_order_fini(&o);
}

static void streams_are_apart_by_node_topic_and_life(void)
{
    bench_order o = {0};
    char names[50][8];
    for (int round = 1; round <= 3; round++)
        for (int i = 0; i < 50; i++) {
            (void)snprintf(names[i], sizeof names[i], "n%d", i);
            weft_event cost = event_of(names[i], WEFT_TOKEN_USAGE, 0), tool = event_of(names[i], WEFT_TOOL_CALL_END, 0);
            bench_order_take(&o, &cost, (uint64_t)round);
            bench_order_take(&o, &tool, (uint64_t)round);
        }
    weft_event later = event_of("n7", WEFT_TOKEN_USAGE, 0);
    later.id.epoch = 2;
    bench_order_take(&o, &later, 1);
    CU_ASSERT_EQUAL(o.stream_count, 101);
    CU_ASSERT_EQUAL(o.duplicates + o.disordered + bench_order_missing(&o), 0);
    bench_order_fini(&o);
}

static void stays_in_its_bounds_and_says_so(void)
{
    bench_order o = {0};
    char name[16];
    for (int i = 0; i < BENCH_STREAMS_MAX + 5; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        weft_event event = event_of(name, WEFT_TOKEN_USAGE, 0);
        bench_order_take(&o, &event, 1);
    }
    CU_ASSERT_EQUAL(o.stream_count, BENCH_STREAMS_MAX);
    CU_ASSERT_EQUAL(o.unchecked, 5);
    bench_order_fini(&o);
    for (uint64_t i = 1; i <= BENCH_HOLES_MAX + 10; i++)
        take(&o, 3 * i, 0);
    CU_ASSERT_EQUAL(bench_order_missing(&o), 2 * (BENCH_HOLES_MAX + 9));
    CU_ASSERT(o.forgotten > 0);
    weft_event nameless = {.type = WEFT_TOKEN_USAGE};
    bench_order_take(&o, &nameless, 1);
    CU_ASSERT_EQUAL(o.unchecked, 1);
    bench_order_fini(&o);
}

static void a_hole_that_cannot_be_parted_stays_counted(void)
{
    bench_order o = {0};
    take(&o, 1, 0);
    take(&o, 100, 0); /* 98 missing */
    for (uint64_t i = 1; i < BENCH_HOLES_MAX; i++)
        take(&o, 100 + 2 * i, 0);
    uint64_t missing = 98 + BENCH_HOLES_MAX - 1;
    CU_ASSERT_EQUAL(bench_order_missing(&o), missing);
    take(&o, 50, WEFT_FLAG_REPLAYED);
    CU_ASSERT_EQUAL(bench_order_missing(&o), missing - 1);
    CU_ASSERT_EQUAL(o.healed, 1);
    bench_order_fini(&o);
}

static void any_order_of_replays_leaves_nothing_missing(void)
{
    enum { COUNT = 400 };
    bench_order o = {0};
    bool came[COUNT + 1] = {false};
    random_source random = {.state = 3};
    take(&o, 1, 0);
    take(&o, COUNT, 0);
    came[1] = came[COUNT] = true;
    uint64_t twice = 0;
    for (int left = COUNT - 2; left > 0;) {
        uint64_t number = 1 + random_below(&random, COUNT);
        left -= !came[number];
        twice += came[number];
        came[number] = true;
        take(&o, number, WEFT_FLAG_REPLAYED);
        CU_ASSERT_EQUAL(bench_order_missing(&o), (uint64_t)left);
    }
    CU_ASSERT_EQUAL(o.duplicates, twice);
    CU_ASSERT_EQUAL(o.healed, COUNT - 2);
    bench_order_fini(&o);
}

SUITE(nodes_bench_order, CASE(sees_nothing_wrong_with_each_once_in_order),
      CASE(what_came_before_the_first_is_not_missing), CASE(counts_gaps_and_what_fills_them),
      CASE(counts_what_comes_twice), CASE(streams_are_apart_by_node_topic_and_life),
      CASE(stays_in_its_bounds_and_says_so), CASE(a_hole_that_cannot_be_parted_stays_counted),
      CASE(any_order_of_replays_leaves_nothing_missing))
