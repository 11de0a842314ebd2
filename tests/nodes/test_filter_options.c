/* tests/nodes/test_filter_options.c: topics and moments as users type them. */
#include "nodes/filter_options.h"

#include "support/suite.h"
#include "weft/event.h"

#include <string.h>

static const int64_t now = 1767614400000; /* 2026-01-05T12:00:00Z */

static int64_t moment(const char *text)
{
    int64_t ms = -1;
    return moment_parse(text, now, &ms) ? ms : -1;
}

static void reads_ages(void)
{
    CU_ASSERT_EQUAL(moment("90s"), now - 90000);
    CU_ASSERT_EQUAL(moment("10m"), now - 600000);
    CU_ASSERT_EQUAL(moment("1.5h"), now - 5400000);
    CU_ASSERT_EQUAL(moment("7d"), now - 7 * 24 * 3600 * 1000LL);
    CU_ASSERT_EQUAL(moment("0s"), now);
    CU_ASSERT_EQUAL(moment("100000d"), 1); /* everything: 0 would mean that nothing was asked */
}

static void reads_times(void)
{
    CU_ASSERT_EQUAL(moment("2026-01-05T12:00:00Z"), now);
    CU_ASSERT_EQUAL(moment("2026-01-05 13:00:00.5+01:00"), now + 500);
}

static void refuses_what_is_neither(void)
{
    static const char *const bad[] = {
        "",      "m",     "10",   "10 m", "10min",    "-5m",        "+5m",
        "0x10m", "1e30d", "infm", "nans", "tomorrow", "2026-01-05", "2026-13-05T00:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(moment(bad[i]), -1);
}

static const option_row rows[] = {{"topic", 't', "T", "one of several"}, {"since", 0, "T", "from"}, {0}};
static const command example = {.name = "example", .synopsis = "", .summary = "Does it.", .options = rows};

static void reads_options(void)
{
    char *argv[] = {(char[]){"example"}, (char[]){"--topic=cost"}, (char[]){"-t"},
                    (char[]){"tool"},    (char[]){"--since=1m"},   NULL};
    args a;
    uint32_t topics;
    int64_t since;
    CU_ASSERT_EQUAL_FATAL(args_parse(&example, 5, argv, &a), ARGS_OK);
    CU_ASSERT_TRUE(topics_option_read(&a, "topic", &topics));
    CU_ASSERT_EQUAL(topics, (uint32_t)(WEFT_TOPIC_COST | WEFT_TOPIC_TOOL));
    CU_ASSERT_TRUE(moment_option_read(&a, "since", now, &since));
    CU_ASSERT_EQUAL(since, now - 60000);
    args_fini(&a);
    char *bad[] = {(char[]){"example"}, (char[]){"--topic=costs"}, (char[]){"--since=x"}, NULL};
    CU_ASSERT_EQUAL_FATAL(args_parse(&example, 3, bad, &a), ARGS_OK);
    CU_ASSERT_FALSE(topics_option_read(&a, "topic", &topics));
    CU_ASSERT_FALSE(moment_option_read(&a, "since", now, &since));
    args_fini(&a);
}

SUITE(nodes_filter_options, CASE(reads_ages), CASE(reads_times), CASE(refuses_what_is_neither), CASE(reads_options))
