/* tests/nodes/test_journal_options.c: how much a journal keeps, as users type it. */
#include "nodes/journal_options.h"

#include "support/suite.h"

static uint64_t size(const char *text)
{
    uint64_t bytes = 12345;
    return size_parse(text, &bytes) ? bytes : UINT64_MAX;
}

static void reads_sizes(void)
{
    CU_ASSERT_EQUAL(size("0"), 0);
    CU_ASSERT_EQUAL(size("65536"), 65536);
    CU_ASSERT_EQUAL(size("64k"), 65536);
    CU_ASSERT_EQUAL(size("64K"), 65536);
    CU_ASSERT_EQUAL(size("500M"), UINT64_C(500) << 20);
    CU_ASSERT_EQUAL(size("2T"), UINT64_C(2) << 40);
    static const char *const bad[] = {"", "M", "-1", "1.5G", "1GB", "1x", "99999999999999999999", "99999999T"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(size(bad[i]), UINT64_MAX);
}

static const option_row rows[] = {JOURNAL_OPTION_ROWS, {0}};
static const command example = {.name = "example", .synopsis = "", .summary = "Does it.", .options = rows};

static bool read_word(char *word, weft_bridge_opts *opts)
{
    char *argv[] = {(char[]){"example"}, word, NULL};
    args a;
    *opts = (weft_bridge_opts){0};
    CU_ASSERT_EQUAL_FATAL(args_parse(&example, word != NULL ? 2 : 1, argv, &a), ARGS_OK);
    bool good = journal_options_read(&a, opts);
    args_fini(&a);
    return good;
}

static void writes_what_is_given(void)
{
    weft_bridge_opts opts;
    CU_ASSERT(read_word(NULL, &opts) && opts.journal_max_bytes == 0 && opts.durability == WEFT_DURABLE_POWER);
    CU_ASSERT(read_word((char[]){"--journal-max=2M"}, &opts) && opts.journal_max_bytes == 2 << 20);
    CU_ASSERT(read_word((char[]){"--journal-keep=2h"}, &opts) && opts.journal_retention_ms == 7200000);
    CU_ASSERT(read_word((char[]){"--journal-reserve=1M"}, &opts) && opts.journal_reserve_bytes == 1 << 20);
    CU_ASSERT(read_word((char[]){"--journal-reserve=0"}, &opts) && opts.journal_reserve_bytes == UINT64_MAX);
    CU_ASSERT(read_word((char[]){"--durability=process"}, &opts) && opts.durability == WEFT_DURABLE_PROCESS);
}

static void refuses_what_is_no_value(void)
{
    weft_bridge_opts opts;
    CU_ASSERT_FALSE(read_word((char[]){"--journal-max=much"}, &opts));
    CU_ASSERT_FALSE(read_word((char[]){"--journal-max=10k"}, &opts));
    CU_ASSERT_FALSE(read_word((char[]){"--journal-keep=0s"}, &opts));
    CU_ASSERT_FALSE(read_word((char[]){"--journal-keep=2026-01-05T12:00:00Z"}, &opts));
    CU_ASSERT_FALSE(read_word((char[]){"--durability=disk"}, &opts));
}

SUITE(nodes_journal_options, CASE(reads_sizes), CASE(writes_what_is_given), CASE(refuses_what_is_no_value))
