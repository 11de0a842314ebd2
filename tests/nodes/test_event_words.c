/* tests/nodes/test_event_words.c: what is typed becomes the event that was meant, by way of the JSON reader. */
#include "nodes/event_words.h"

#include "nodes/event_print.h"
#include "support/suite.h"

#include <string.h>

/* NULL, and the reason in error, when the words or the JSON are refused. */
static const weft_event *typed(const char *type, const char *const *words, size_t count, char error[600])
{
    weft_text text = {0};
    const weft_event *event = NULL;
    weft_json_error json = {0};
    weft_status st = event_words_to_json(type, (char *const *)words, count, &text, error, 600);
    if (st == WEFT_OK && weft_event_from_json(text.data, text.length, &event, &json) != WEFT_OK)
        memcpy(error, json.text, sizeof json.text);
    weft_text_fini(&text);
    return event;
}

#define TYPED(type, ...)                                                                                               \
    typed(type, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), error)

static void fills_the_payload_and_the_envelope(void)
{
    char error[600] = "";
    const weft_event *e = TYPED("token_usage", "session_id=s1", "model=m \"x\"", "input_tokens=9007199254740993",
                                "cost_usd=0.02", "source=hook", "timestamp_ms=1767614400000");
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_EQUAL(e->type, WEFT_TOKEN_USAGE);
    CU_ASSERT_STRING_EQUAL(e->session_id, "s1");
    CU_ASSERT_STRING_EQUAL(e->source, "hook");
    CU_ASSERT_EQUAL(e->timestamp_ms, 1767614400000);
    CU_ASSERT_STRING_EQUAL(e->token_usage.model, "m \"x\"");
    CU_ASSERT_EQUAL(e->token_usage.input_tokens, 9007199254740993);
    CU_ASSERT_EQUAL(e->token_usage.cost_usd, 0.02);
    weft_event_release(e);
}

static void takes_tags_attributes_booleans_and_names_of_both_kinds(void)
{
    char error[600] = "";
    const weft_event *e = TYPED("toolCallEnd", "toolName=Bash", "call_id=c1", "success=true", "tag=a", "tag=b=c",
                                "attr.stream=main", "attr.graph.node=7");
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_STRING_EQUAL(e->tool_call_end.tool_name, "Bash");
    CU_ASSERT_TRUE(e->tool_call_end.success);
    CU_ASSERT_EQUAL_FATAL(e->tag_count, 2);
    CU_ASSERT_STRING_EQUAL(e->tags[1], "b=c");
    CU_ASSERT_EQUAL_FATAL(e->attribute_count, 2);
    weft_event_release(e);
}

static void takes_custom_data_and_variants_without_fields(void)
{
    char error[600] = "";
    const weft_event *e = TYPED("custom", "event_type=deploy", "data_json={\"n\": [1, 2]}");
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_STRING_EQUAL(e->custom.event_type, "deploy");
    CU_ASSERT_STRING_EQUAL(e->custom.data_json, "{\"n\": [1, 2]}");
    weft_event_release(e);
    e = TYPED("session_start", "session_id=s1");
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_EQUAL(e->type, WEFT_SESSION_START);
    CU_ASSERT_STRING_EQUAL(e->session_id, "s1");
    weft_event_release(e);
}

/* What a publisher owes beside the ids; any word will do for the others. */
static const char *const *owed_words(const char *type)
{
    static const char *const words[][3] = {{"tool_call_start", "tool_name=Bash"},
                                           {"tool_call_end", "tool_name=Bash"},
                                           {"session_status_changed", "status=idle"},
                                           {"session_mutation", "mutation=title"},
                                           {"custom", "event_type=deploy"},
                                           {"llm_text_delta", "request_id=r1", "text=pie"},
                                           {"llm_reasoning_delta", "request_id=r1", "text=pie"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], type) == 0)
            return &words[i][1];
    static const char *const any[] = {"source=hook", NULL};
    return any;
}

static void names_what_is_missing(void)
{
    char error[600] = "";
    CU_ASSERT_PTR_NULL(TYPED("tool_call_start", "call_id=c1"));
    CU_ASSERT_STRING_EQUAL(error, "tool_name: missing");
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "cost_usd=-1"));
    CU_ASSERT_STRING_EQUAL(error, "cost_usd: negative");
}

static void every_variant_can_be_typed(void)
{
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        char error[600] = "";
        const char *name = weft_event_type_name((weft_event_type)type);
        const char *const *owed = owed_words(name);
        const weft_event *e =
            TYPED(name, "session_id=s1", "agent_id=a1", owed[0], owed[1] != NULL ? owed[1] : "priority=1");
        CU_ASSERT_STRING_EQUAL(error, "");
        CU_ASSERT_PTR_NOT_NULL_FATAL(e);
        CU_ASSERT_EQUAL((int)e->type, type);
        weft_event_release(e);
    }
}

static void says_what_was_meant(void)
{
    char error[600] = "";
    CU_ASSERT_PTR_NULL(TYPED("tokenusage", "model=m"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "token_usage"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "input_token=9"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "input_tokens"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "colour=red"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "cost_usd"));
}

static void refuses_words_that_are_no_fields(void)
{
    char error[600] = "";
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "model"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "=x"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "model=a", "model=b"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "model=\xff"));
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "attr.=x"));
}

static void a_value_cannot_smuggle_members_in(void)
{
    char error[600] = "";
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "cost_usd=1},\"sessionId\":\"evil\",\"x\":{\"y\":1"));
    CU_ASSERT_NOT_EQUAL(error[0], '\0');
    error[0] = '\0';
    CU_ASSERT_PTR_NULL(TYPED("token_usage", "input_tokens=ten"));
    CU_ASSERT_NOT_EQUAL(error[0], '\0');
    error[0] = '\0';
    CU_ASSERT_PTR_NULL(TYPED("tool_call_end", "success=maybe"));
    CU_ASSERT_NOT_EQUAL(error[0], '\0');
}

/* ---- printing, the other way ---- */

static void expect_printed(const weft_event *event, const char *expected)
{
    weft_text text = {0};
    event_print(event, &text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text.data);
    CU_ASSERT_STRING_EQUAL(text.data, expected);
    weft_text_fini(&text);
}

static void prints_one_line_with_the_fields_by_name(void)
{
    weft_event event = {
        .type = WEFT_TOKEN_USAGE,
        .timestamp_ms = 1767614400123,
        .id = {.node = "host-a", .epoch = 7, .seq = 1},
        .session_id = "s1",
        .token_usage = {.model = "claude-opus-4-5", .input_tokens = 9, .cost_usd = 0.02},
    };
    expect_printed(&event, "12:00:00.123 host-a token_usage session=s1 model=claude-opus-4-5 input_tokens=9 "
                           "cost_usd=0.02\n");
}

static void printed_text_cannot_drive_a_terminal_or_break_the_line(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR,
                        .agent_error = {.error = "a\nb \x1b[2J\xc2\x9b"
                                                 "31m\x7f"}};
    expect_printed(&event, "00:00:00.000 - agent_error error=\"a\\nb \\u001b[2J?\?31m?\"\n");
}

static void long_text_is_cut_between_characters(void)
{
    char long_text[300] = "";
    for (int i = 0; i < 70; i++)
        strcat(long_text, "\xe2\x82\xac");
    weft_event event = {.type = WEFT_SHUTDOWN_REQUESTED, .shutdown_requested = {.reason = long_text}};
    weft_text text = {0};
    event_print(&event, &text);
    CU_ASSERT_TRUE(weft_utf8_valid(text.data, text.length));
    CU_ASSERT_TRUE(text.length < 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "…\n"));
    weft_text_fini(&text);
}

SUITE(nodes_event_words, CASE(fills_the_payload_and_the_envelope),
      CASE(takes_tags_attributes_booleans_and_names_of_both_kinds), CASE(takes_custom_data_and_variants_without_fields),
      CASE(every_variant_can_be_typed), CASE(names_what_is_missing), CASE(says_what_was_meant),
      CASE(refuses_words_that_are_no_fields), CASE(a_value_cannot_smuggle_members_in),
      CASE(prints_one_line_with_the_fields_by_name), CASE(printed_text_cannot_drive_a_terminal_or_break_the_line),
      CASE(long_text_is_cut_between_characters))
