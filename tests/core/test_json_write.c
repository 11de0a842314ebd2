/* weft_event_to_json and weft_text; what is written is read back by a parser that is not ours (jansson). */
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/number.h"
#include "support/suite.h"
#include "weft/json.h"

static void expect_json(const weft_event *event, const char *expected)
{
    weft_text text = {0};
    CU_ASSERT_EQUAL(weft_event_to_json(event, &text), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(text.data, expected);
    json_t *parsed = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
    CU_ASSERT_PTR_NOT_NULL(parsed);
    json_decref(parsed);
    weft_text_fini(&text);
}

static void writes_the_stream_the_envelope_and_the_payload(void)
{
    const char *const tags[] = {"x", "y"};
    const weft_attribute attributes[] = {{"k", "v"}, {"n", NULL}};
    weft_event event = {
        .type = WEFT_TOKEN_USAGE,
        .priority = WEFT_PRIORITY_HIGH,
        .flags = WEFT_FLAG_REPLAYED,
        .timestamp_ms = 1767614400123,
        .accepted_ms = 1767614400124,
        .ttl_ms = 5000,
        .id = {"host-a", 1767614400000, 7},
        .source = "cli",
        .session_id = "s1",
        .tags = tags,
        .tag_count = 2,
        .attributes = attributes,
        .attribute_count = 2,
        .token_usage = {.model = "m", .input_tokens = 9, .output_tokens = UINT64_MAX, .cost_usd = 0.02},
    };
    expect_json(&event,
                "{\"node\":\"host-a\",\"epoch\":\"1767614400000\",\"seq\":\"7\",\"topic\":\"cost\","
                "\"type\":\"token_usage\",\"timestampMs\":\"1767614400123\",\"acceptedMs\":\"1767614400124\","
                "\"source\":\"cli\",\"sessionId\":\"s1\",\"priority\":3,\"ttlMs\":\"5000\",\"flags\":1,"
                "\"tags\":[\"x\",\"y\"],\"attributes\":{\"k\":\"v\",\"n\":\"\"},"
                "\"tokenUsage\":{\"model\":\"m\",\"inputTokens\":\"9\",\"outputTokens\":\"18446744073709551615\","
                "\"cacheReadTokens\":\"0\",\"cacheWriteTokens\":\"0\",\"costUsd\":0.02}}");
}

static void leaves_out_what_is_absent(void)
{
    expect_json(&(weft_event){.type = WEFT_CONFIG_RELOADED, .source = "", .id = {.node = ""}},
                "{\"topic\":\"system\",\"type\":\"config_reloaded\",\"configReloaded\":{}}");
}

static void writes_enums_as_the_wire_names_them(void)
{
    weft_event event = {.type = WEFT_SESSION_STATUS_CHANGED,
                        .session_id = "s",
                        .session_status_changed = {.status = WEFT_SESSION_RETRY, .attempt = 1}};
    expect_json(&event, "{\"topic\":\"session\",\"type\":\"session_status_changed\",\"sessionId\":\"s\","
                        "\"sessionStatusChanged\":{\"status\":\"SESSION_STATUS_RETRY\",\"attempt\":1,\"message\":\"\","
                        "\"nextRetryMs\":\"0\"}}");
}

static void writes_data_as_a_string_on_one_line(void)
{
    weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "e", .data_json = "{\n\"a\": 1}"}};
    expect_json(&event, "{\"topic\":\"custom\",\"type\":\"custom\",\"custom\":{\"eventType\":\"e\",\"source\":\"\","
                        "\"dataJson\":\"{\\n\\\"a\\\": 1}\"}}");
}

static void writes_every_type_as_json(void)
{
    weft_text text = {0};
    for (int type = 0; type <= WEFT_EVENT_TYPE_COUNT; type++) {
        weft_text_clear(&text);
        CU_ASSERT_EQUAL(weft_event_to_json(&(weft_event){.type = (weft_event_type)type}, &text), WEFT_OK);
        CU_ASSERT_EQUAL(weft_json_check(text.data, text.length, 2), WEFT_OK);
    }
    weft_text_fini(&text);
}

static void appends_to_what_is_there(void)
{
    weft_text text = {0};
    weft_text_printf(&text, "%s:", "event{");
    CU_ASSERT_EQUAL(weft_event_to_json(&(weft_event){.type = WEFT_CONFIG_RELOADED}, &text), WEFT_OK);
    CU_ASSERT_PTR_EQUAL(strstr(text.data, "event{:{\"topic\""), text.data);
    weft_text_fini(&text);
}

static void expect_literal(const char *string, const char *expected)
{
    weft_text text = {0};
    weft_text_json_string(&text, string);
    CU_ASSERT_STRING_EQUAL(text.data, expected);
    CU_ASSERT_EQUAL(text.length, strlen(expected));
    weft_text_fini(&text);
}

static void escapes_strings(void)
{
    expect_literal(NULL, "\"\"");
    expect_literal("plain \xE2\x82\xAC", "\"plain \xE2\x82\xAC\"");
    expect_literal("\"\\\b\f\n\r\t", "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    expect_literal("\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\"");
}

static void makes_bad_utf8_good(void)
{
    expect_literal("a\xFF"
                   "b",
                   "\"a\xEF\xBF\xBD"
                   "b\"");
    expect_literal("\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void expect_double(double value, const char *expected)
{
    char digits[WEFT__NUMBER_TEXT_BYTES];
    CU_ASSERT_EQUAL(weft__number_from_double(digits, value), strlen(expected));
    CU_ASSERT_STRING_EQUAL(digits, expected);
    double back;
    CU_ASSERT_TRUE_FATAL(weft__number_to_double(digits, &back));
    CU_ASSERT_EQUAL(back, value);
}

static void doubles_are_short_and_read_back(void)
{
    expect_double(0, "0");
    expect_double(0.1, "0.1");
    expect_double(0.1 + 0.2, "0.30000000000000004");
    expect_double(-1.5e300, "-1.5e+300");
    expect_double(5e-324, "4.94065645841247e-324");
    expect_double(9007199254740993.0, "9007199254740992");
}

static void doubles_do_not_follow_the_locale(void)
{
    const char *const commas[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    size_t i = 0;
    while (i < sizeof commas / sizeof *commas && setlocale(LC_ALL, commas[i]) == NULL)
        i++;
    if (i == sizeof commas / sizeof *commas)
        puts("skipped: no locale with a decimal comma is installed");
    expect_double(0.5, "0.5");
    setlocale(LC_ALL, "C");
}

static void numbers_that_json_lacks_are_strings(void)
{
    weft_event event = {.type = WEFT_BUDGET_EXHAUSTED,
                        .budget_exhausted = {.budget_usd = (double)NAN, .total_cost_usd = -(double)INFINITY}};
    expect_json(&event, "{\"topic\":\"cost\",\"type\":\"budget_exhausted\",\"budgetExhausted\":{\"budgetUsd\":\"NaN\","
                        "\"totalCostUsd\":\"-Infinity\"}}");
}

static void text_grows_and_is_used_again(void)
{
    weft_text text = {0};
    for (int i = 0; i < 1000; i++)
        weft_text_append(&text, "0123456789", 10);
    weft_text_append(&text, NULL, 0);
    CU_ASSERT_EQUAL(text.length, 10000);
    CU_ASSERT_EQUAL(strlen(text.data), 10000);
    const char *data = text.data;
    weft_text_clear(&text);
    CU_ASSERT_STRING_EQUAL(text.data, "");
    weft_text_printf(&text, "%d-%s", 42, "x");
    CU_ASSERT_STRING_EQUAL(text.data, "42-x");
    CU_ASSERT_PTR_EQUAL(text.data, data);
    weft_text_fini(&text);
    CU_ASSERT_PTR_NULL(text.data);
}

static void text_that_cannot_grow_stays_failed(void)
{
    weft_text text = {0};
    weft_text_append(&text, "ab", 2);
    weft_text_append(&text, "", SIZE_MAX / 2 + 2);
    CU_ASSERT_TRUE(text.failed);
    weft_text_append(&text, "c", 1);
    CU_ASSERT_STRING_EQUAL(text.data, "ab");
    CU_ASSERT_EQUAL(weft_event_to_json(&(weft_event){.type = WEFT_CONFIG_RELOADED}, &text), WEFT_NO_MEMORY);
    weft_text_fini(&text);
}

SUITE(core_json_write, CASE(writes_the_stream_the_envelope_and_the_payload), CASE(leaves_out_what_is_absent),
      CASE(writes_enums_as_the_wire_names_them), CASE(writes_data_as_a_string_on_one_line),
      CASE(writes_every_type_as_json), CASE(appends_to_what_is_there), CASE(escapes_strings), CASE(makes_bad_utf8_good),
      CASE(doubles_are_short_and_read_back), CASE(doubles_do_not_follow_the_locale),
      CASE(numbers_that_json_lacks_are_strings), CASE(text_grows_and_is_used_again),
      CASE(text_that_cannot_grow_stays_failed))
