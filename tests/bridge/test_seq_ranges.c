/* The open holes of a stream, held against a plain array of flags. */
#include "bridge/seq_ranges.h"
#include "support/suite.h"

#include <stdlib.h>

static void keeps_ranges_apart(void)
{
    weft__seq_ranges set = {0};
    CU_ASSERT_EQUAL(weft__seq_ranges_append(&set, 3, 5), WEFT_OK);
    CU_ASSERT_EQUAL(weft__seq_ranges_append(&set, 9, 9), WEFT_OK);
    CU_ASSERT_FALSE(weft__seq_ranges_contain(&set, 2));
    CU_ASSERT_TRUE(weft__seq_ranges_contain(&set, 3));
    CU_ASSERT_TRUE(weft__seq_ranges_contain(&set, 5));
    CU_ASSERT_FALSE(weft__seq_ranges_contain(&set, 6));
    CU_ASSERT_TRUE(weft__seq_ranges_contain(&set, 9));
    weft__seq_ranges_fini(&set);
}

static void refuses_beyond_its_bound(void)
{
    weft__seq_ranges set = {0};
    for (uint64_t i = 0; i < WEFT__SEQ_RANGES_MAX; i++)
        CU_ASSERT_EQUAL_FATAL(weft__seq_ranges_append(&set, 10 * i + 1, 10 * i + 5), WEFT_OK);
    CU_ASSERT_EQUAL(weft__seq_ranges_append(&set, 1u << 20, 1u << 21), WEFT_FULL);
    CU_ASSERT_EQUAL(weft__seq_ranges_remove(&set, 3, 3), WEFT_FULL);
    CU_ASSERT_TRUE(weft__seq_ranges_contain(&set, 3));
    CU_ASSERT_EQUAL(weft__seq_ranges_remove(&set, 1, 5), WEFT_OK);
    CU_ASSERT_EQUAL(weft__seq_ranges_remove(&set, 13, 13), WEFT_OK);
    weft__seq_ranges_fini(&set);
}

static void removes_like_a_set_of_flags(void)
{
    enum { SEQS = 400, ROUNDS = 300 };
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        weft__seq_ranges set = {0};
        bool missing[SEQS + 1] = {false};
        for (uint64_t from = 1 + (uint64_t)rand() % 9; from < SEQS - 20; from += 12 + (uint64_t)rand() % 20) {
            uint64_t to = from + (uint64_t)rand() % 10;
            CU_ASSERT_EQUAL_FATAL(weft__seq_ranges_append(&set, from, to), WEFT_OK);
            for (uint64_t seq = from; seq <= to; seq++)
                missing[seq] = true;
        }
        for (int cut = 0; cut < 20; cut++) {
            uint64_t from = 1 + (uint64_t)rand() % SEQS, to = from + (uint64_t)rand() % 30;
            CU_ASSERT_EQUAL_FATAL(weft__seq_ranges_remove(&set, from, to), WEFT_OK);
            for (uint64_t seq = from; seq <= to && seq <= SEQS; seq++)
                missing[seq] = false;
        }
        bool same = true;
        for (uint64_t seq = 1; seq <= SEQS; seq++)
            same = same && missing[seq] == weft__seq_ranges_contain(&set, seq);
        CU_ASSERT_TRUE_FATAL(same);
        weft__seq_ranges_fini(&set);
    }
}

SUITE(bridge_seq_ranges, CASE(keeps_ranges_apart), CASE(refuses_beyond_its_bound), CASE(removes_like_a_set_of_flags))
