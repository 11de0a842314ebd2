/* What became of this node's own events: sums per stream, in a bounded list. */
#include "bridge/ledger.h"
#include "support/suite.h"

#include <string.h>

static weft__ledger ledger;
static weft__ledger_entry entries[WEFT__LEDGER_MAX];

static const weft__ledger_entry *entry_of(uint64_t epoch, weft_topic topic)
{
    size_t count = weft__ledger_list(&ledger, entries);
    for (size_t i = 0; i < count; i++)
        if (entries[i].epoch == epoch && entries[i].topic == topic)
            return &entries[i];
    return NULL;
}

static void books_each_stream_and_all_of_them(void)
{
    weft__ledger_init(&ledger);
    weft__ledger_carry(&ledger, &(weft__position){4, WEFT_TOPIC_COST, 90, 50}, 10);
    weft__ledger_written(&ledger, 5, WEFT_TOPIC_COST, 3, 2);
    weft__ledger_written(&ledger, 5, WEFT_TOPIC_COST, 9, 4);
    weft__ledger_written(&ledger, 5, WEFT_TOPIC_TOOL, 8, 1);
    weft__ledger_add(&ledger, 5, WEFT_TOPIC_COST, WEFT__LEDGER_SENT, 6);
    weft__ledger_add(&ledger, 5, WEFT_TOPIC_COST, WEFT__LEDGER_ACKED, 3);
    weft__ledger_lose(&ledger, 5, WEFT_TOPIC_COST, WEFT_LOST_OVERFLOW, 1);
    weft__ledger_add(&ledger, 4, WEFT_TOPIC_COST, WEFT__LEDGER_ACKED, 10);
    weft__ledger_add(&ledger, 3, WEFT_TOPIC_COST, WEFT__LEDGER_REPLAYED, 7); /* of a stream long forgotten */
    const weft__ledger_entry *cost = entry_of(5, WEFT_TOPIC_COST);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cost);
    CU_ASSERT_EQUAL(cost->last_seq, 9);
    CU_ASSERT_EQUAL(cost->events, 6);
    CU_ASSERT_EQUAL(cost->counts[WEFT__LEDGER_SENT], 6);
    CU_ASSERT_EQUAL(weft__ledger_pending(cost->counts), 2);
    CU_ASSERT_EQUAL(weft__ledger_lost(cost->counts), 1);
    const weft__ledger_entry *earlier = entry_of(4, WEFT_TOPIC_COST);
    CU_ASSERT_PTR_NOT_NULL_FATAL(earlier);
    CU_ASSERT_EQUAL(earlier->events, 50);
    CU_ASSERT_EQUAL(weft__ledger_pending(earlier->counts), 0);
    uint64_t totals[WEFT__LEDGER_COLUMNS];
    weft__ledger_totals(&ledger, totals);
    CU_ASSERT_EQUAL(totals[WEFT__LEDGER_WRITTEN], 7);
    CU_ASSERT_EQUAL(totals[WEFT__LEDGER_ACKED], 13);
    CU_ASSERT_EQUAL(totals[WEFT__LEDGER_REPLAYED], 7);
    CU_ASSERT_EQUAL(weft__ledger_pending(totals), 3);
    weft__ledger_fini(&ledger);
}

static void knows_the_end_of_a_stream(void)
{
    weft__position end = {0};
    weft__ledger_init(&ledger);
    CU_ASSERT_FALSE(weft__ledger_end(&ledger, 5, WEFT_TOPIC_COST, &end));
    weft__ledger_written(&ledger, 5, WEFT_TOPIC_COST, 9, 4);
    CU_ASSERT_TRUE(weft__ledger_end(&ledger, 5, WEFT_TOPIC_COST, &end));
    CU_ASSERT_TRUE(end.last_seq == 9 && end.events == 4);
    CU_ASSERT_FALSE(weft__ledger_end(&ledger, 4, WEFT_TOPIC_COST, &end));
    weft__ledger_fini(&ledger);
}

static void lists_where_earlier_streams_end_once_they_are_settled(void)
{
    weft__position at[4];
    weft__ledger_init(&ledger);
    weft__ledger_carry(&ledger, &(weft__position){3, WEFT_TOPIC_COST, 9, 0}, 0); /* of an uncounted time */
    weft__ledger_carry(&ledger, &(weft__position){4, WEFT_TOPIC_COST, 9, 5}, 2);
    weft__ledger_carry(&ledger, &(weft__position){5, WEFT_TOPIC_COST, 9, 6}, 0);
    weft__ledger_written(&ledger, 6, WEFT_TOPIC_COST, 1, 1);
    CU_ASSERT_EQUAL(weft__ledger_earlier(&ledger, 6, at, 4), 1);
    CU_ASSERT_TRUE(at[0].epoch == 5 && at[0].last_seq == 9 && at[0].events == 6);
    weft__ledger_add(&ledger, 4, WEFT_TOPIC_COST, WEFT__LEDGER_ACKED, 2);
    CU_ASSERT_EQUAL(weft__ledger_earlier(&ledger, 6, at, 4), 2);
    CU_ASSERT_EQUAL(weft__ledger_earlier(&ledger, 6, at, 1), 1);
    weft__ledger_fini(&ledger);
}

static void forgets_the_oldest_settled_stream_but_never_its_sums(void)
{
    weft__ledger_init(&ledger);
    weft__ledger_carry(&ledger, &(weft__position){1, WEFT_TOPIC_COST, 9, 9}, 9);
    for (uint64_t epoch = 2; epoch <= 2 * WEFT__LEDGER_MAX; epoch++)
        weft__ledger_written(&ledger, epoch, WEFT_TOPIC_COST, 1, 1), /* all but the first are settled */
            weft__ledger_add(&ledger, epoch, WEFT_TOPIC_COST, WEFT__LEDGER_ACKED, 1);
    CU_ASSERT_EQUAL(weft__ledger_list(&ledger, entries), WEFT__LEDGER_MAX);
    CU_ASSERT_PTR_NOT_NULL(entry_of(1, WEFT_TOPIC_COST));
    CU_ASSERT_PTR_NULL(entry_of(2, WEFT_TOPIC_COST));
    CU_ASSERT_PTR_NOT_NULL(entry_of(2 * WEFT__LEDGER_MAX, WEFT_TOPIC_COST));
    uint64_t totals[WEFT__LEDGER_COLUMNS];
    weft__ledger_totals(&ledger, totals);
    CU_ASSERT_EQUAL(totals[WEFT__LEDGER_WRITTEN], 2 * WEFT__LEDGER_MAX - 1);
    CU_ASSERT_EQUAL(weft__ledger_pending(totals), 9);
    weft__ledger_fini(&ledger);
}

static void never_forgets_the_streams_in_use(void)
{
    weft__ledger_init(&ledger);
    for (uint64_t epoch = 1; epoch < WEFT__LEDGER_MAX; epoch++)
        weft__ledger_carry(&ledger, &(weft__position){epoch, WEFT_TOPIC_COST, 9, 9}, 9);
    weft__ledger_written(&ledger, 900, WEFT_TOPIC_COST, 1, 1);
    weft__ledger_add(&ledger, 900, WEFT_TOPIC_COST, WEFT__LEDGER_ACKED, 1);
    weft__ledger_written(&ledger, 900, WEFT_TOPIC_TOOL, 2, 1);
    weft__ledger_written(&ledger, 900, WEFT_TOPIC_COST, 3, 1);
    CU_ASSERT_PTR_NULL(entry_of(1, WEFT_TOPIC_COST));
    CU_ASSERT_EQUAL(entry_of(900, WEFT_TOPIC_COST)->events, 2);
    weft__ledger_fini(&ledger);
}

SUITE(bridge_ledger, CASE(books_each_stream_and_all_of_them), CASE(knows_the_end_of_a_stream),
      CASE(lists_where_earlier_streams_end_once_they_are_settled),
      CASE(forgets_the_oldest_settled_stream_but_never_its_sums), CASE(never_forgets_the_streams_in_use))
