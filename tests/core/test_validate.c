/* What weft_event_validate lets through to publish, which field it names otherwise, and what may arrive all the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_private.h"
#include "support/event_maker.h"
#include "support/suite.h"
#include "weft/event.h"

static void expect(const weft_event *event, weft_status status, const char *field)
{
    const char *named = "";
    CU_ASSERT_EQUAL(weft_event_validate(event, &named), status);
    CU_ASSERT_STRING_EQUAL(named, field);
    CU_ASSERT_EQUAL(weft_event_validate(event, NULL), status);
}

/* A string of n bytes; freed by the caller. */
static char *text_of(size_t n)
{
    char *text = malloc(n + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'a', n);
    text[n] = '\0';
    return text;
}

static void accepts_each_type_with_the_least(void)
{
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        weft_event event = event_least((weft_event_type)type);
        expect(&event, WEFT_OK, "");
    }
}

/* Of a member that is there, then empty, then absent. */
#define EXPECT_REQUIRED(event_type, member, field)                                                                     \
    do {                                                                                                               \
        weft_event e_ = event_least(event_type);                                                                       \
        expect(&e_, WEFT_OK, "");                                                                                      \
        e_.member = "";                                                                                                \
        expect(&e_, WEFT_INVALID, field);                                                                              \
        e_.member = NULL;                                                                                              \
        expect(&e_, WEFT_INVALID, field);                                                                              \
    } while (0)

static void refuses_events_without_what_they_are_about(void)
{
    EXPECT_REQUIRED(WEFT_TOOL_CALL_START, tool_call_start.tool_name, "tool_name");
    EXPECT_REQUIRED(WEFT_TOOL_CALL_END, tool_call_end.tool_name, "tool_name");
    EXPECT_REQUIRED(WEFT_AGENT_START, agent_id, "agent_id");
    EXPECT_REQUIRED(WEFT_AGENT_END, agent_id, "agent_id");
    EXPECT_REQUIRED(WEFT_AGENT_ERROR, agent_id, "agent_id");
    EXPECT_REQUIRED(WEFT_SESSION_START, session_id, "session_id");
    EXPECT_REQUIRED(WEFT_SESSION_END, session_id, "session_id");
    EXPECT_REQUIRED(WEFT_SESSION_STATUS_CHANGED, session_id, "session_id");
    EXPECT_REQUIRED(WEFT_SESSION_MUTATION, session_id, "session_id");
    EXPECT_REQUIRED(WEFT_SESSION_MUTATION, session_mutation.mutation, "mutation");
    EXPECT_REQUIRED(WEFT_CUSTOM, custom.event_type, "event_type");
    weft_event status = event_least(WEFT_SESSION_STATUS_CHANGED);
    status.session_status_changed.status = WEFT_SESSION_UNSPECIFIED;
    expect(&status, WEFT_INVALID, "status");
}

static void wants_the_attempt_of_a_retry(void)
{
    weft_event event = event_least(WEFT_SESSION_STATUS_CHANGED);
    event.session_status_changed.status = WEFT_SESSION_RETRY;
    expect(&event, WEFT_INVALID, "attempt");
    event.session_status_changed.attempt = 1;
    expect(&event, WEFT_OK, "");
}

static void refuses_negative_amounts(void)
{
    expect(&(weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.cost_usd = -0.01}}, WEFT_INVALID, "cost_usd");
    expect(&(weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.cost_usd = -0.0}}, WEFT_OK, "");
    expect(&(weft_event){.type = WEFT_BUDGET_EXHAUSTED, .budget_exhausted = {.budget_usd = -1}}, WEFT_INVALID,
           "budget_usd");
    expect(&(weft_event){.type = WEFT_BUDGET_EXHAUSTED, .budget_exhausted = {.total_cost_usd = -1}}, WEFT_INVALID,
           "total_cost_usd");
}

static void expect_arrives(const weft_event *event, const char *what)
{
    weft__fault fault = {"", ""};
    CU_ASSERT_EQUAL(weft__event_judge(event, false, &fault), WEFT_OK);
    CU_ASSERT_EQUAL(weft__event_judge(event, true, &fault), WEFT_INVALID);
    CU_ASSERT_STRING_EQUAL(fault.what, what);
}

/* What publishers owe is theirs: an event that another node has let through is not refused for it. */
static void asks_only_a_publisher_for_what_he_owes(void)
{
    expect_arrives(&(weft_event){.type = WEFT_TOOL_CALL_START}, "missing");
    expect_arrives(&(weft_event){.type = WEFT_CUSTOM, .custom = {.event_type = ""}}, "missing");
    expect_arrives(&(weft_event){.type = WEFT_SESSION_STATUS_CHANGED, .session_id = "s"}, "missing");
    expect_arrives(&(weft_event){.type = WEFT_SESSION_STATUS_CHANGED,
                                 .session_id = "s",
                                 .session_status_changed = {.status = WEFT_SESSION_RETRY}},
                   "does not go with the other fields");
    expect_arrives(&(weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.cost_usd = -1}}, "negative");
    weft__fault fault = {"", ""};
    weft_event hopeless = {.type = WEFT_TOKEN_USAGE, .token_usage = {.cost_usd = (double)NAN}};
    CU_ASSERT_EQUAL(weft__event_judge(&hopeless, false, &fault), WEFT_INVALID);
    CU_ASSERT_STRING_EQUAL(fault.field, "cost_usd");
    CU_ASSERT_STRING_EQUAL(fault.what, weft_status_text(WEFT_INVALID));
}

static void refuses_a_zeroed_and_an_unknown_type(void)
{
    expect(&(weft_event){0}, WEFT_INVALID, "type");
    expect(&(weft_event){.type = WEFT_EVENT_TYPE_COUNT}, WEFT_INVALID, "type");
}

static void refuses_numbers_that_cannot_be(void)
{
    expect(&(weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.cost_usd = (double)NAN}}, WEFT_INVALID, "cost_usd");
    expect(&(weft_event){.type = WEFT_BUDGET_EXHAUSTED, .budget_exhausted = {.total_cost_usd = (double)INFINITY}},
           WEFT_INVALID, "total_cost_usd");
    expect(&(weft_event){.type = WEFT_CONFIG_RELOADED, .timestamp_ms = -1}, WEFT_INVALID, "timestamp_ms");
    expect(&(weft_event){.type = WEFT_CONFIG_RELOADED, .priority = (weft_priority)5}, WEFT_INVALID, "priority");
    expect(&(weft_event){.type = WEFT_CONFIG_RELOADED, .priority = WEFT_PRIORITY_CRITICAL}, WEFT_OK, "");
    weft_event status = event_least(WEFT_SESSION_STATUS_CHANGED);
    status.session_status_changed.status = (weft_session_status)4;
    expect(&status, WEFT_INVALID, "status");
}

static void refuses_text_that_is_not_utf8(void)
{
    expect(&(weft_event){.type = WEFT_AGENT_ERROR, .agent_id = "a", .agent_error = {.error = "ok \xE2\x82\xAC"}},
           WEFT_OK, "");
    expect(&(weft_event){.type = WEFT_AGENT_ERROR, .agent_id = "a", .agent_error = {.error = "\xFF"}}, WEFT_MALFORMED,
           "error");
    expect(&(weft_event){.type = WEFT_AGENT_ERROR, .agent_id = "a", .source = "cut \xE2\x82"}, WEFT_MALFORMED,
           "source");
    expect(&(weft_event){.type = WEFT_AGENT_ERROR, .agent_id = "a", .session_id = "\xED\xA0\x80"}, WEFT_MALFORMED,
           "session_id");
}

/* Texts are looked at in words: no length and no place must slip through between them. */
static void finds_a_bad_byte_anywhere(void)
{
    for (size_t length = 1; length <= 40; length++) {
        char *text = text_of(length);
        weft_event event = {.type = WEFT_AGENT_ERROR, .agent_id = "a", .agent_error = {.error = text}};
        for (size_t at = 0; at < length; at++) {
            text[at] = '\x80';
            expect(&event, WEFT_MALFORMED, "error");
            text[at] = 'a';
        }
        expect(&event, WEFT_OK, "");
        free(text);
    }
}

static void bounds_ids_at_128_bytes(void)
{
    char *fits = text_of(WEFT_ID_MAX_BYTES), *over = text_of(WEFT_ID_MAX_BYTES + 1);
    expect(&(weft_event){.type = WEFT_SESSION_START, .session_id = fits}, WEFT_OK, "");
    expect(&(weft_event){.type = WEFT_SESSION_START, .session_id = over}, WEFT_TOO_LARGE, "session_id");
    expect(&(weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {"t", over}}, WEFT_TOO_LARGE, "call_id");
    expect(&(weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = over}}, WEFT_OK, "");
    free(fits);
    free(over);
}

static void looks_into_json_data(void)
{
    weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "e", .data_json = "{\"a\":[1,2.5e3,null]}"}};
    expect(&event, WEFT_OK, "");
    event.custom.data_json = "";
    expect(&event, WEFT_OK, "");
    event.custom.data_json = "{a:1}";
    expect(&event, WEFT_MALFORMED, "data_json");
    char nested[2 * 65 + 1] = "";
    memset(nested, '[', 65);
    memset(nested + 65, ']', 65);
    event.custom.data_json = nested;
    expect(&event, WEFT_TOO_DEEP, "data_json");
    memset(nested + 64, ']', 64);
    nested[128] = '\0';
    expect(&event, WEFT_OK, "");
}

static void bounds_tags_and_attributes(void)
{
    const char *tags[WEFT_TAGS_MAX + 1];
    for (size_t i = 0; i < WEFT_TAGS_MAX + 1; i++)
        tags[i] = "t";
    weft_event event = {.type = WEFT_CONFIG_RELOADED, .tags = tags, .tag_count = WEFT_TAGS_MAX};
    expect(&event, WEFT_OK, "");
    event.tag_count++;
    expect(&event, WEFT_TOO_LARGE, "tags");
    event.tag_count = 1;
    tags[0] = NULL;
    expect(&event, WEFT_INVALID, "tags");
    event.tags = NULL;
    expect(&event, WEFT_INVALID, "tags");
    weft_event many = {.type = WEFT_CONFIG_RELOADED, .attribute_count = WEFT_ATTRIBUTES_MAX + 1};
    expect(&many, WEFT_TOO_LARGE, "attributes");
    many.attribute_count = 1;
    expect(&many, WEFT_INVALID, "attributes");
}

static void wants_attributes_with_one_value_a_key(void)
{
    weft_attribute attributes[] = {{"team", "a"}, {"circle", NULL}};
    weft_event event = {.type = WEFT_CONFIG_RELOADED, .attributes = attributes, .attribute_count = 2};
    expect(&event, WEFT_OK, "");
    attributes[1].key = "team";
    expect(&event, WEFT_INVALID, "attributes");
    attributes[1].key = "";
    expect(&event, WEFT_INVALID, "attributes");
    attributes[1].key = NULL;
    expect(&event, WEFT_INVALID, "attributes");
    attributes[1] = (weft_attribute){"bad", "\x80"};
    expect(&event, WEFT_MALFORMED, "attributes");
}

static void bounds_the_whole_and_names_the_largest(void)
{
    char *half = text_of(WEFT_EVENT_MAX_BYTES / 2), *most = text_of(WEFT_EVENT_MAX_BYTES - 1024);
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_id = "a", .source = half, .agent_error = {.error = most}};
    expect(&event, WEFT_TOO_LARGE, "error");
    event.source = "s";
    expect(&event, WEFT_OK, "");
    char *over = text_of(WEFT_EVENT_MAX_BYTES + 1);
    event.agent_error.error = over;
    expect(&event, WEFT_TOO_LARGE, "error");
    free(half);
    free(most);
    free(over);
}

SUITE(core_validate, CASE(accepts_each_type_with_the_least), CASE(refuses_events_without_what_they_are_about),
      CASE(wants_the_attempt_of_a_retry), CASE(refuses_negative_amounts), CASE(asks_only_a_publisher_for_what_he_owes),
      CASE(refuses_a_zeroed_and_an_unknown_type), CASE(refuses_numbers_that_cannot_be),
      CASE(refuses_text_that_is_not_utf8), CASE(finds_a_bad_byte_anywhere), CASE(bounds_ids_at_128_bytes),
      CASE(looks_into_json_data), CASE(bounds_tags_and_attributes), CASE(wants_attributes_with_one_value_a_key),
      CASE(bounds_the_whole_and_names_the_largest))
