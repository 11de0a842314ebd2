/* tests/nodes/test_histogram.c: quantiles against sorted values. */
#include "nodes/histogram.h"

#include <stdlib.h>

#include "nodes/random.h"
#include "support/suite.h"

static int value_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* What the header promises of a quantile, given the true one. */
static bool near_enough(uint64_t value, uint64_t truth)
{
    return value >= truth && value - truth <= truth / HISTOGRAM_HALF;
}

static void says_nothing_of_no_values(void)
{
    static const histogram h;
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.5), 0);
    CU_ASSERT_EQUAL(histogram_mean(&h), 0);
}

static void keeps_small_values_exactly(void)
{
    static histogram h;
    for (uint64_t value = 0; value < 64; value++)
        histogram_add(&h, value);
    CU_ASSERT_EQUAL(h.count, 64);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0), 0);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.5), 31);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 1), 63);
    CU_ASSERT_DOUBLE_EQUAL(histogram_mean(&h), 31.5, 1e-9);
}

static void a_share_between_two_values_is_the_higher_one(void)
{
    static histogram h;
    for (uint64_t value = 1; value <= 3; value++)
        histogram_add(&h, value);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.33), 1);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.34), 2);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.5), 2);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.67), 3);
}

static void takes_every_power_of_two_and_its_neighbours(void)
{
    for (unsigned bit = 0; bit < 64; bit++)
        for (int off = -1; off <= 1; off++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)off;
            histogram *h = calloc(1, sizeof *h);
            CU_ASSERT_PTR_NOT_NULL_FATAL(h);
            histogram_add(h, value);
            histogram_add(h, UINT64_MAX);
            CU_ASSERT(near_enough(histogram_quantile(h, 0.5), value));
            CU_ASSERT_EQUAL(histogram_quantile(h, 1), UINT64_MAX);
            CU_ASSERT_EQUAL(h->min, value);
            free(h);
        }
}

static void quantiles_are_those_of_the_sorted_values(void)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    static histogram h;
    static const double shares[] = {0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    random_source random = {.state = 7};
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_next(&random) >> (20 + random_below(&random, 40));
        histogram_add(&h, values[i]);
    }
    qsort(values, COUNT, sizeof *values, value_compare);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        size_t rank = (size_t)(shares[i] * COUNT + 0.5);
        CU_ASSERT(near_enough(histogram_quantile(&h, shares[i]), values[rank - 1]));
    }
    CU_ASSERT_EQUAL(h.max, values[COUNT - 1]);
}

static void merging_is_adding_all(void)
{
    static histogram one, two, both;
    random_source random = {.state = 11};
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_below(&random, 1000000);
        histogram_add(i % 3 == 0 ? &one : &two, value);
        histogram_add(&both, value);
    }
    static const histogram empty;
    histogram_merge(&one, &empty);
    histogram_merge(&one, &two);
    CU_ASSERT_EQUAL(one.count, both.count);
    CU_ASSERT_EQUAL(one.min, both.min);
    CU_ASSERT_EQUAL(one.max, both.max);
    CU_ASSERT_EQUAL(histogram_quantile(&one, 0.9), histogram_quantile(&both, 0.9));
}

SUITE(nodes_histogram, CASE(says_nothing_of_no_values), CASE(keeps_small_values_exactly),
      CASE(a_share_between_two_values_is_the_higher_one), CASE(takes_every_power_of_two_and_its_neighbours),
      CASE(quantiles_are_those_of_the_sorted_values), CASE(merging_is_adding_all))
