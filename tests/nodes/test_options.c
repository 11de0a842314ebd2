/* tests/nodes/test_options.c: command lines as users type them. */
#include "nodes/options.h"

#include "support/suite.h"

#include <string.h>

static const option_row rows[] = {
    {"broker", 'b', "URL", "where the broker is"},
    {"topic", 't', "T", "one of several"},
    {"json", 0, NULL, "one object a line"},
    {"timeout", 0, "S", "give up after"},
    {0},
};

static const command example = {.name = "example", .synopsis = "FILE…", .summary = "Does it.", .options = rows};

#define PARSE(a, ...)                                                                                                  \
    char *argv[] = {(char[]){"example"}, __VA_ARGS__, NULL};                                                           \
    args a;                                                                                                            \
    args_result result = args_parse(&example, (int)(sizeof argv / sizeof *argv) - 1, argv, &a)
#define WORD(text) ((char[]){text})

static void takes_options_and_operands_in_any_order(void)
{
    PARSE(a, WORD("one"), WORD("--json"), WORD("-b"), WORD("mqtt://x"), WORD("two"));
    CU_ASSERT_EQUAL(result, ARGS_OK);
    CU_ASSERT_TRUE(args_flag(&a, "json"));
    CU_ASSERT_STRING_EQUAL(args_text(&a, "broker", "?"), "mqtt://x");
    CU_ASSERT_EQUAL_FATAL(a.rest_count, 2);
    CU_ASSERT_STRING_EQUAL(a.rest[0], "one");
    CU_ASSERT_STRING_EQUAL(a.rest[1], "two");
    args_fini(&a);
}

static void keeps_every_value_of_a_repeated_option(void)
{
    PARSE(a, WORD("--topic=cost"), WORD("-t"), WORD("tool"));
    CU_ASSERT_EQUAL(result, ARGS_OK);
    CU_ASSERT_EQUAL_FATAL(args_count(&a, "topic"), 2);
    CU_ASSERT_STRING_EQUAL(args_nth(&a, "topic", 0), "cost");
    CU_ASSERT_STRING_EQUAL(args_nth(&a, "topic", 1), "tool");
    CU_ASSERT_STRING_EQUAL(args_text(&a, "topic", "?"), "tool");
    args_fini(&a);
}

static void falls_back_when_an_option_is_not_given(void)
{
    PARSE(a, WORD("file"));
    int64_t number, ms;
    CU_ASSERT_EQUAL(result, ARGS_OK);
    CU_ASSERT_STRING_EQUAL(args_text(&a, "broker", "mqtt://localhost"), "mqtt://localhost");
    CU_ASSERT_TRUE(args_number(&a, "timeout", 1, 9, 7, &number));
    CU_ASSERT_EQUAL(number, 7);
    CU_ASSERT_TRUE(args_seconds(&a, "timeout", 1500, &ms));
    CU_ASSERT_EQUAL(ms, 1500);
    args_fini(&a);
}

static void refuses_unknown_options(void)
{
    PARSE(a, WORD("--brocker=x"));
    CU_ASSERT_EQUAL(result, ARGS_BAD);
    args_fini(&a);
}

static void refuses_an_option_without_its_argument(void)
{
    PARSE(a, WORD("--broker"));
    CU_ASSERT_EQUAL(result, ARGS_BAD);
    args_fini(&a);
}

static void refuses_a_value_for_a_flag(void)
{
    PARSE(a, WORD("--json=yes"));
    CU_ASSERT_EQUAL(result, ARGS_BAD);
    args_fini(&a);
}

static void refuses_numbers_out_of_bounds_or_with_a_tail(void)
{
    static const char *const bad[] = {"0", "10", "5x", "", "-3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char word[64];
        snprintf(word, sizeof word, "--timeout=%s", bad[i]);
        PARSE(a, word);
        int64_t number = 42;
        CU_ASSERT_EQUAL(result, ARGS_OK);
        CU_ASSERT_FALSE(args_number(&a, "timeout", 1, 9, 7, &number));
        CU_ASSERT_EQUAL(number, 42);
        args_fini(&a);
    }
}

static void reads_seconds_with_decimals(void)
{
    PARSE(a, WORD("--timeout=0.25"));
    int64_t ms;
    CU_ASSERT_EQUAL(result, ARGS_OK);
    CU_ASSERT_TRUE(args_seconds(&a, "timeout", 0, &ms));
    CU_ASSERT_EQUAL(ms, 250);
    args_fini(&a);
}

static void help_names_every_option(void)
{
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    command_print_help(&example, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "usage: weft example FILE…\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "-b, --broker URL  where the broker is\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--json "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "-h, --help "));
}

static void help_wins_over_running(void)
{
    PARSE(a, WORD("--json"), WORD("--help"));
    CU_ASSERT_EQUAL(result, ARGS_HELP);
    args_fini(&a);
}

static void finds_the_word_that_was_meant(void)
{
    static const char *const words[] = {"broker", "fabric", "node"};
    CU_ASSERT_STRING_EQUAL(word_nearest("brocker", words, 3), "broker");
    CU_ASSERT_STRING_EQUAL(word_nearest("nod", words, 3), "node");
    CU_ASSERT_PTR_NULL(word_nearest("timeout", words, 3));
}

static int runs;

static int verb_run(const args *a)
{
    runs++;
    return args_flag(a, "json") && a->rest_count == 1 ? EXIT_DONE : EXIT_JOB_FAILED;
}

static const command verb = {
    .name = "job do", .synopsis = "FILE…", .summary = "Does it.", .options = rows, .run = verb_run};
static const command *const verbs[] = {&verb, NULL};
static const command job = {.name = "job", .synopsis = "do", .summary = "Several.", .verbs = verbs};

static void runs_the_verb_that_the_first_word_names(void)
{
    char *good[] = {WORD("job"), WORD("do"), WORD("--json"), WORD("file"), NULL};
    char *unknown[] = {WORD("job"), WORD("doo"), NULL};
    char *none[] = {WORD("job"), NULL};
    runs = 0;
    CU_ASSERT_EQUAL(command_main(&job, 4, good), EXIT_DONE);
    CU_ASSERT_EQUAL(command_main(&job, 2, unknown), EXIT_USAGE);
    CU_ASSERT_EQUAL(command_main(&job, 1, none), EXIT_USAGE);
    CU_ASSERT_EQUAL(runs, 1);
    CU_ASSERT_PTR_EQUAL(command_verb(&job, "do"), &verb);
    CU_ASSERT_PTR_NULL(command_verb(&example, "do"));
}

static void help_of_a_command_lists_its_verbs(void)
{
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    command_print_help(&job, out);
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "usage: weft job do\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "  do        Does it.\n"));
}

SUITE(nodes_options, CASE(takes_options_and_operands_in_any_order), CASE(keeps_every_value_of_a_repeated_option),
      CASE(falls_back_when_an_option_is_not_given), CASE(refuses_unknown_options),
      CASE(refuses_an_option_without_its_argument), CASE(refuses_a_value_for_a_flag),
      CASE(refuses_numbers_out_of_bounds_or_with_a_tail), CASE(reads_seconds_with_decimals),
      CASE(help_names_every_option), CASE(help_wins_over_running), CASE(finds_the_word_that_was_meant),
      CASE(runs_the_verb_that_the_first_word_names), CASE(help_of_a_command_lists_its_verbs))
