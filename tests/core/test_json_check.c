/* weft_json_check and weft_utf8_valid: what is JSON and UTF-8, and what only looks like it. */
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"
#include "weft/json.h"

static weft_status check(const char *text)
{
    return weft_json_check(text, strlen(text), WEFT_JSON_MAX_DEPTH);
}

static void accepts_every_kind_of_value(void)
{
    const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5e+10",
        "1E9",
        "0.1",
        "\"\"",
        "\"a\"",
        "\"\\u00e9\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":[{}]}",
        "\t1\r\n",
        "[[],[]]",
        "{\"a\":1,\"b\":{\"c\":null}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "123456789012345678901234567890",
        "\"\\u0000\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT_EQUAL(check(good[i]), WEFT_OK);
}

static void refuses_what_only_looks_like_json(void)
{
    const char *const bad[] = {
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "0x1",
        "NaN",
        "Infinity",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\t\"",
        "[",
        "[1,]",
        "[1 2]",
        "[,1]",
        "]",
        "[}",
        "{",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "1 2",
        "[]]",
        "//c\n1",
        "[1]x",
        "\"\\",
        "{\"a\":1]",
        "\xEF\xBB\xBF[]",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xE2\x82\"",
        "[1,\v2]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(check(bad[i]), WEFT_MALFORMED);
}

static void a_nul_byte_is_never_json(void)
{
    CU_ASSERT_EQUAL(weft_json_check("1\0", 2, 8), WEFT_MALFORMED);
    CU_ASSERT_EQUAL(weft_json_check("\"\0\"", 3, 8), WEFT_MALFORMED);
    CU_ASSERT_EQUAL(weft_json_check("[\0]", 3, 8), WEFT_MALFORMED);
}

static void reads_no_further_than_the_length(void)
{
    CU_ASSERT_EQUAL(weft_json_check("[1]garbage", 3, 8), WEFT_OK);
    CU_ASSERT_EQUAL(weft_json_check("true", 3, 8), WEFT_MALFORMED);
    CU_ASSERT_EQUAL(weft_json_check("\"ab\"", 3, 8), WEFT_MALFORMED);
    char *tight = malloc(2); /* no NUL behind it: a sanitizer sees a byte too much */
    CU_ASSERT_PTR_NOT_NULL_FATAL(tight);
    memcpy(tight, "12", 2);
    CU_ASSERT_EQUAL(weft_json_check(tight, 2, 8), WEFT_OK);
    memcpy(tight, "\"\\", 2);
    CU_ASSERT_EQUAL(weft_json_check(tight, 2, 8), WEFT_MALFORMED);
    free(tight);
    CU_ASSERT_EQUAL(weft_json_check(NULL, 0, 8), WEFT_MALFORMED);
}

static void depth_counts_containers_within_each_other(void)
{
    CU_ASSERT_EQUAL(weft_json_check("1", 1, 0), WEFT_OK);
    CU_ASSERT_EQUAL(weft_json_check("[]", 2, 0), WEFT_TOO_DEEP);
    CU_ASSERT_EQUAL(weft_json_check("[[],[]]", 7, 2), WEFT_OK);
    CU_ASSERT_EQUAL(weft_json_check("{\"a\":[1]}", 9, 1), WEFT_TOO_DEEP);
}

static void a_million_brackets_are_only_too_deep(void)
{
    enum { N = 1000000 };
    char *text = malloc(N);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, '[', N);
    CU_ASSERT_EQUAL(weft_json_check(text, N, WEFT_JSON_MAX_DEPTH), WEFT_TOO_DEEP);
    CU_ASSERT_EQUAL(weft_json_check(text, N, 4000000000u), WEFT_TOO_DEEP);
    free(text);
}

/* Objects and arrays in turn, past the first word of the scanner's bits. */
static void remembers_which_container_each_level_is(void)
{
    char text[2000] = "";
    char *at = text;
    for (int i = 0; i < 100; i++)
        at = stpcpy(at, i % 3 == 0 ? "{\"k\":" : "[");
    at = stpcpy(at, "1");
    for (int i = 99; i >= 0; i--)
        at = stpcpy(at, i % 3 == 0 ? "}" : "]");
    CU_ASSERT_EQUAL(weft_json_check(text, strlen(text), 100), WEFT_OK);
    at[-1] = ']';
    CU_ASSERT_EQUAL(weft_json_check(text, strlen(text), 100), WEFT_MALFORMED);
}

static void utf8_is_strict(void)
{
    const char *const good[] = {"",
                                "plain ascii of some length",
                                "\x7F",
                                "\xC2\x80",
                                "\xDF\xBF",
                                "\xE0\xA0\x80",
                                "\xED\x9F\xBF",
                                "\xEE\x80\x80",
                                "\xEF\xBF\xBF",
                                "\xF0\x90\x80\x80",
                                "\xF4\x8F\xBF\xBF",
                                "12345678\xC3\xA9"};
    const char *const bad[] = {"\x80",
                               "\xC0\x80",
                               "\xC1\xBF",
                               "\xC3",
                               "\xE0\x9F\xBF",
                               "\xED\xA0\x80",
                               "\xE2\x82",
                               "\xF0\x8F\xBF\xBF",
                               "\xF4\x90\x80\x80",
                               "\xF5\x80\x80\x80",
                               "\xFF",
                               "12345678\x80",
                               "1234567\xC3",
                               "\xE2\x28\xA1",
                               "\xF0\x9F\x98z"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CU_ASSERT_TRUE(weft_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(weft_utf8_valid(bad[i], strlen(bad[i])));
    CU_ASSERT_FALSE(weft_utf8_valid("a\0b", 3));
    CU_ASSERT_FALSE(weft_utf8_valid("12345678901234\0", 15));
    CU_ASSERT_FALSE(weft_utf8_valid("1234567\0", 8));
}

static void utf8_sees_every_byte_of_a_plain_text(void)
{
    char text[40];
    for (size_t length = 0; length <= sizeof text; length++) {
        memset(text, 0x7F, sizeof text);
        memset(text, 0x01, length / 2);
        CU_ASSERT_TRUE(weft_utf8_valid(text, length));
        for (size_t i = 0; i < length; i++) {
            char kept = text[i];
            text[i] = '\0';
            CU_ASSERT_FALSE(weft_utf8_valid(text, length));
            text[i] = '\x80';
            CU_ASSERT_FALSE(weft_utf8_valid(text, length));
            text[i] = kept;
        }
    }
}

SUITE(core_json_check, CASE(accepts_every_kind_of_value), CASE(refuses_what_only_looks_like_json),
      CASE(a_nul_byte_is_never_json), CASE(reads_no_further_than_the_length),
      CASE(depth_counts_containers_within_each_other), CASE(a_million_brackets_are_only_too_deep),
      CASE(remembers_which_container_each_level_is), CASE(utf8_is_strict), CASE(utf8_sees_every_byte_of_a_plain_text))
