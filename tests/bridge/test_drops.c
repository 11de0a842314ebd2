/* Who sent what had to be dropped. */
#include "bridge/drops.h"
#include "support/suite.h"

#include <stdio.h>
#include <string.h>

static weft__drops drops;

static void counts_by_sender_topic_and_reason(void)
{
    memset(&drops, 0, sizeof drops);
    weft__drops_add(&drops, "a", WEFT_TOPIC_COST, WEFT__DROP_CORRUPT);
    weft__drops_add(&drops, "a", WEFT_TOPIC_COST, WEFT__DROP_CORRUPT);
    weft__drops_add(&drops, "a", WEFT_TOPIC_TOOL, WEFT__DROP_FOREIGN);
    weft__drops_add(&drops, "b", WEFT_TOPIC_COST, WEFT__DROP_MALFORMED);
    CU_ASSERT_EQUAL_FATAL(drops.count, 3);
    CU_ASSERT_STRING_EQUAL(drops.entries[0].sender, "a");
    CU_ASSERT_EQUAL(drops.entries[0].messages[WEFT__DROP_CORRUPT], 2);
    CU_ASSERT_EQUAL(drops.entries[1].messages[WEFT__DROP_FOREIGN], 1);
    CU_ASSERT_EQUAL(weft__drops_sum(&drops, WEFT__DROP_MALFORMED), 1);
}

static void puts_late_senders_into_one_entry(void)
{
    memset(&drops, 0, sizeof drops);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        weft__drops_add(&drops, name, WEFT_TOPIC_COST, WEFT__DROP_MALFORMED);
    }
    weft__drops_add(&drops, "n0", WEFT_TOPIC_COST, WEFT__DROP_MALFORMED);
    CU_ASSERT_EQUAL(drops.count, WEFT__DROPS_MAX);
    CU_ASSERT_STRING_EQUAL(drops.entries[WEFT__DROPS_MAX - 1].sender, "-");
    CU_ASSERT_EQUAL(drops.entries[0].messages[WEFT__DROP_MALFORMED], 2);
    CU_ASSERT_EQUAL(weft__drops_sum(&drops, WEFT__DROP_MALFORMED), 1001);
}

SUITE(bridge_drops, CASE(counts_by_sender_topic_and_reason), CASE(puts_late_senders_into_one_entry))
