/* weft_event_from_json: what becomes an event, and what the sender of anything else is told. */
#include <stdlib.h>
#include <string.h>

#include "support/event_maker.h"
#include "support/suite.h"
#include "weft/json.h"

static const weft_event *read_ok(const char *text)
{
    const weft_event *event = NULL;
    weft_json_error error;
    weft_status st = weft_event_from_json(text, strlen(text), &event, &error);
    CU_ASSERT_EQUAL(st, WEFT_OK);
    CU_ASSERT_STRING_EQUAL(error.text, "");
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    return event;
}

static void expect_error(const char *text, weft_status status, const char *said)
{
    const weft_event *event = NULL;
    weft_json_error error;
    CU_ASSERT_EQUAL(weft_event_from_json(text, strlen(text), &event, &error), status);
    CU_ASSERT_STRING_EQUAL(error.text, said);
    CU_ASSERT_PTR_NULL(event);
}

static void reads_an_event_of_the_written_form(void)
{
    const weft_event *event =
        read_ok("{\"node\":\"host-a\",\"epoch\":\"17\",\"seq\":\"7\",\"topic\":\"cost\",\"type\":\"token_usage\","
                "\"timestampMs\":\"1767614400123\",\"acceptedMs\":\"5\",\"sessionId\":\"s1\",\"priority\":3,"
                "\"ttlMs\":\"5000\",\"flags\":2,\"tags\":[\"x\",\"y\"],\"attributes\":{\"k\":\"v\"},"
                "\"tokenUsage\":{\"model\":\"m\",\"inputTokens\":\"9007199254740993\",\"costUsd\":0.02}}");
    CU_ASSERT_EQUAL(event->type, WEFT_TOKEN_USAGE);
    CU_ASSERT_EQUAL(event->timestamp_ms, 1767614400123);
    CU_ASSERT_STRING_EQUAL(event->session_id, "s1");
    CU_ASSERT_EQUAL(event->priority, WEFT_PRIORITY_HIGH);
    CU_ASSERT_EQUAL(event->ttl_ms, 5000);
    CU_ASSERT_EQUAL(event->flags, WEFT_FLAG_SYNTHETIC);
    CU_ASSERT_EQUAL_FATAL(event->tag_count, 2);
    CU_ASSERT_STRING_EQUAL(event->tags[1], "y");
    CU_ASSERT_EQUAL_FATAL(event->attribute_count, 1);
    CU_ASSERT_STRING_EQUAL(event->attributes[0].value, "v");
    CU_ASSERT_STRING_EQUAL(event->token_usage.model, "m");
    CU_ASSERT_EQUAL(event->token_usage.input_tokens, UINT64_C(9007199254740993));
    CU_ASSERT_EQUAL(event->token_usage.cost_usd, 0.02);
    weft_event_release(event);
}

static void ignores_what_publish_sets(void)
{
    const weft_event *event = read_ok("{\"seq\":7,\"epoch\":1,\"accepted_ms\":5,\"node\":\"n\",\"topic\":[\"any\"],"
                                      "\"type\":\"config_reloaded\"}");
    CU_ASSERT_EQUAL(event->id.seq, 0);
    CU_ASSERT_EQUAL(event->id.epoch, 0);
    CU_ASSERT_PTR_NULL(event->id.node);
    CU_ASSERT_EQUAL(event->accepted_ms, 0);
    weft_event_release(event);
}

static void names_may_be_in_snake_case_and_any_order(void)
{
    const weft_event *event = read_ok(" {\"token_usage\" : {\"input_tokens\":9} , \"session_id\":\"s\", "
                                      "\"timestamp_ms\":1767614400000.0,\"type\":\"tokenUsage\"}\n");
    CU_ASSERT_EQUAL(event->type, WEFT_TOKEN_USAGE);
    CU_ASSERT_EQUAL(event->token_usage.input_tokens, 9);
    CU_ASSERT_EQUAL(event->timestamp_ms, 1767614400000);
    CU_ASSERT_STRING_EQUAL(event->session_id, "s");
    weft_event_release(event);
}

static void the_payload_alone_tells_the_type(void)
{
    const weft_event *event = read_ok("{\"toolCallEnd\":{\"toolName\":\"Bash\",\"success\":true}}");
    CU_ASSERT_EQUAL(event->type, WEFT_TOOL_CALL_END);
    CU_ASSERT_TRUE(event->tool_call_end.success);
    weft_event_release(event);
}

static void null_is_absent(void)
{
    const weft_event *event =
        read_ok("{\"type\":\"agent_start\",\"source\":null,\"tags\":null,\"attributes\":null,"
                "\"agentStart\":{\"task\":null,\"agentId\":null},\"agentId\":\"a\",\"agentEnd\":null}");
    CU_ASSERT_EQUAL(event->type, WEFT_AGENT_START);
    CU_ASSERT_PTR_NULL(event->agent_start.task);
    CU_ASSERT_PTR_NULL(event->source);
    weft_event_release(event);
}

static void a_status_is_read_by_name_long_name_and_number(void)
{
    const char *const texts[] = {
        "{\"sessionId\":\"s\",\"sessionStatusChanged\":{\"attempt\":1,\"status\":\"retry\"}}",
        "{\"sessionId\":\"s\",\"sessionStatusChanged\":{\"attempt\":1,\"status\":\"SESSION_STATUS_RETRY\"}}",
        "{\"sessionId\":\"s\",\"sessionStatusChanged\":{\"attempt\":1,\"status\":3},\"priority\":\"critical\"}"};
    for (size_t i = 0; i < 3; i++) {
        const weft_event *event = read_ok(texts[i]);
        CU_ASSERT_EQUAL(event->session_status_changed.status, WEFT_SESSION_RETRY);
        CU_ASSERT_EQUAL(event->priority, i == 2 ? WEFT_PRIORITY_CRITICAL : WEFT_PRIORITY_UNSET);
        weft_event_release(event);
    }
    expect_error("{\"sessionStatusChanged\":{\"status\":\"SESSION_STATUS_RETRYING\"}}", WEFT_INVALID,
                 "sessionStatusChanged.status: expected a known name or its number, got a string");
    expect_error("{\"type\":\"config_reloaded\",\"priority\":9}", WEFT_INVALID, "priority: invalid argument");
}

static void an_id_may_stand_in_the_payload_it_is_about(void)
{
    const weft_event *event = read_ok("{\"sessionStart\":{\"sessionId\":\"s1\"},\"session_id\":\"s1\"}");
    CU_ASSERT_STRING_EQUAL(event->session_id, "s1");
    weft_event_release(event);
    expect_error("{\"sessionStart\":{\"sessionId\":\"s1\"},\"session_id\":\"s2\"}", WEFT_INVALID,
                 "sessionId: differs between the event and its payload");
}

static void data_keeps_its_very_digits(void)
{
    const weft_event *event =
        read_ok("{\"custom\":{\"eventType\":\"e\",\"data\": {\"n\": 123456789012345678901234567890, \"x\":1.10} }}");
    CU_ASSERT_STRING_EQUAL(event->custom.data_json, "{\"n\": 123456789012345678901234567890, \"x\":1.10}");
    weft_event_release(event);
    event = read_ok("{\"custom\":{\"event_type\":\"e\",\"data_json\":\"[1,\\\"a\\\"]\"}}");
    CU_ASSERT_STRING_EQUAL(event->custom.data_json, "[1,\"a\"]");
    weft_event_release(event);
    expect_error("{\"custom\":{\"eventType\":\"e\",\"data\":1,\"dataJson\":\"1\"}}", WEFT_INVALID,
                 "custom.dataJson: given twice");
    expect_error("{\"custom\":{\"eventType\":\"e\",\"dataJson\":\"{\"}}", WEFT_INVALID, "data_json: not well-formed");
}

static void a_legacy_event_becomes_custom(void)
{
    const weft_event *event =
        read_ok("{\"event_type\":\"build.done\",\"source\":\"ci\",\"data\":{\"ok\":true},\"timestamp_ms\":1234}");
    CU_ASSERT_EQUAL(event->type, WEFT_CUSTOM);
    CU_ASSERT_EQUAL(event->timestamp_ms, 1234);
    CU_ASSERT_STRING_EQUAL(event->custom.event_type, "build.done");
    CU_ASSERT_STRING_EQUAL(event->custom.source, "ci");
    CU_ASSERT_STRING_EQUAL(event->source, "ci");
    CU_ASSERT_STRING_EQUAL(event->custom.data_json, "{\"ok\":true}");
    weft_event_release(event);
    expect_error("{\"data\":1}", WEFT_INVALID, "eventType: missing");
    expect_error("{\"event_type\":\"x\",\"type\":\"token_usage\"}", WEFT_INVALID,
                 "eventType: does not go with a typed event");
}

static void unquotes_every_escape(void)
{
    const weft_event *event = read_ok("{\"agentError\":{\"error\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC"
                                      "\\uD83D\\uDE00\",\"agentId\":\"a\"}}");
    CU_ASSERT_STRING_EQUAL(event->agent_error.error, "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    weft_event_release(event);
    const char *const bad[] = {"\\u0000", "\\uD83D", "\\uDE00", "\\uD83D\\u0041", "\\uD83Dx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100] = "{\"agentError\":{\"error\":\"";
        strcat(strcat(text, bad[i]), "\"}}");
        expect_error(text, WEFT_INVALID, "agentError.error: holds \\u0000 or half a surrogate pair");
    }
}

static void says_what_is_wrong_and_where(void)
{
    const weft_event *event = NULL;
    weft_json_error error;
    const char *text = "{\"tokenUsage\":{\"inputTokens\":\"many\"}}";
    CU_ASSERT_EQUAL(weft_event_from_json(text, strlen(text), &event, &error), WEFT_INVALID);
    CU_ASSERT_STRING_EQUAL(error.text, "tokenUsage.inputTokens: expected a whole number, got a string");
    CU_ASSERT_EQUAL(error.column, (size_t)(strstr(text, "\"many\"") - text) + 1);
    CU_ASSERT_EQUAL(weft_event_from_json(text, strlen(text), &event, NULL), WEFT_INVALID);
}

static void names_the_member_that_was_meant(void)
{
    expect_error("{\"tokenUsage\":{\"inputTokns\":1}}", WEFT_INVALID,
                 "tokenUsage.inputTokns: unknown member, did you mean \"inputTokens\"?");
    expect_error("{\"sesionId\":\"s\"}", WEFT_INVALID, "sesionId: unknown member, did you mean \"sessionId\"?");
    expect_error("{\"tokenUsages\":{}}", WEFT_INVALID, "tokenUsages: unknown member, did you mean \"tokenUsage\"?");
    expect_error("{\"type\":\"token_usag\"}", WEFT_INVALID, "type: unknown event type, did you mean \"token_usage\"?");
    expect_error("{\"somethingElseEntirely\":1}", WEFT_INVALID, "somethingElseEntirely: unknown member");
    expect_error("{\"a\\u0007\xC3\xA9\":1}", WEFT_INVALID, "a\\u0007??: unknown member");
}

static void refuses_wrong_kinds(void)
{
    const char *whole = "tokenUsage.inputTokens: expected a whole number, neither negative nor larger than 64 bits";
    expect_error("{\"tokenUsage\":{\"inputTokens\":-1}}", WEFT_INVALID, whole);
    expect_error("{\"tokenUsage\":{\"inputTokens\":1.5}}", WEFT_INVALID, whole);
    expect_error("{\"tokenUsage\":{\"inputTokens\":18446744073709551616}}", WEFT_INVALID, whole);
    expect_error("[]", WEFT_INVALID, "an event: expected an object, got a list");
    expect_error("{\"type\":1}", WEFT_INVALID, "type: expected a string, got a number");
    expect_error("{\"source\":{}}", WEFT_INVALID, "source: expected a string, got an object");
    expect_error("{\"tags\":\"x\"}", WEFT_INVALID, "tags: expected a list of strings, got a string");
    expect_error("{\"tags\":[1]}", WEFT_INVALID, "tags: expected a string, got a number");
    expect_error("{\"attributes\":{\"k\":true}}", WEFT_INVALID, "attributes: expected a string, got true or false");
    expect_error("{\"tokenUsage\":[]}", WEFT_INVALID, "tokenUsage: expected an object, got a list");
    expect_error("{\"toolCallEnd\":{\"success\":1}}", WEFT_INVALID,
                 "toolCallEnd.success: expected true or false, got a number");
    expect_error("{\"tokenUsage\":{\"costUsd\":1e999}}", WEFT_INVALID,
                 "tokenUsage.costUsd: expected a finite number, got a number");
}

static void refuses_whole_numbers_it_cannot_hold(void)
{
    const char *const bad[] = {"-1", "1.5", "\"\"", "\" 1\"", "1e300", "18446744073709551616", "\"0x10\"", "true"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100] = "{\"tokenUsage\":{\"inputTokens\":";
        strcat(strcat(text, bad[i]), "}}");
        const weft_event *event = NULL;
        CU_ASSERT_EQUAL(weft_event_from_json(text, strlen(text), &event, NULL), WEFT_INVALID);
    }
    const weft_event *most = read_ok("{\"tokenUsage\":{\"inputTokens\":18446744073709551615}}");
    CU_ASSERT_EQUAL(most->token_usage.input_tokens, UINT64_MAX);
    weft_event_release(most);
    expect_error("{\"type\":\"config_reloaded\",\"flags\":4294967296}", WEFT_INVALID, "flags: the number is too large");
    expect_error("{\"type\":\"config_reloaded\",\"timestampMs\":\"9223372036854775808\"}", WEFT_INVALID,
                 "timestampMs: the number is too large");
}

static void refuses_contradictions(void)
{
    expect_error("{}", WEFT_INVALID, "type: missing");
    expect_error("{\"type\":\"agent_end\",\"tokenUsage\":{}}", WEFT_INVALID, "type: is not the payload's");
    expect_error("{\"agentEnd\":{},\"tokenUsage\":{}}", WEFT_INVALID, "tokenUsage: a second payload");
    expect_error("{\"source\":\"a\",\"source\":\"b\"}", WEFT_INVALID, "source: given twice");
    expect_error("{\"sessionId\":\"a\",\"session_id\":\"a\"}", WEFT_INVALID, "session_id: given twice");
    expect_error("{\"tokenUsage\":{\"model\":\"a\",\"model\":\"b\"}}", WEFT_INVALID, "tokenUsage.model: given twice");
    expect_error("{\"type\":\"agent_end\",\"agentId\":\"a\",\"attributes\":{\"a\":\"1\",\"a\":\"2\"}}", WEFT_INVALID,
                 "attributes: invalid argument");
}

static void a_text_that_is_no_json_is_malformed_whatever_else_is_wrong(void)
{
    expect_error("", WEFT_MALFORMED, "the text ends too early");
    expect_error("{\"type\":\"token_usage\"", WEFT_MALFORMED, "the text ends too early");
    expect_error("{\"type\":\"token_usage\"} x", WEFT_MALFORMED, "not JSON: unexpected 'x'");
    expect_error("{\"nonsense\":1,}", WEFT_MALFORMED, "not JSON: unexpected '}'");
    expect_error("{\"tokenUsage\":{\"model\":\"\xFF\"}}", WEFT_MALFORMED, "not JSON: unexpected byte 255");
    expect_error("{\"tags\":[\"a\",]}", WEFT_MALFORMED, "not JSON: unexpected ']'");
    expect_error("{\"attributes\":{\"a\"}}", WEFT_MALFORMED, "not JSON: unexpected '}'");
    expect_error("{\"seq\":[1,2}", WEFT_MALFORMED, "not JSON: unexpected '}'");
}

/* An event whose data is `depth` arrays within each other. */
static weft_status read_nested(const char *before, size_t depth, const char *after)
{
    char text[400];
    char *at = stpcpy(text, before);
    memset(at, '[', depth);
    memset(at + depth, ']', depth);
    strcpy(at + 2 * depth, after);
    const weft_event *event = NULL;
    weft_status st = weft_event_from_json(text, strlen(text), &event, NULL);
    weft_event_release(event);
    return st;
}

static void bounds_the_depth_of_data(void)
{
    CU_ASSERT_EQUAL(read_nested("{\"custom\":{\"eventType\":\"e\",\"data\":", 64, "}}"), WEFT_OK);
    CU_ASSERT_EQUAL(read_nested("{\"custom\":{\"eventType\":\"e\",\"data\":", 65, "}}"), WEFT_TOO_DEEP);
    CU_ASSERT_EQUAL(read_nested("{\"event_type\":\"x\",\"data\":", 64, "}"), WEFT_OK);
    CU_ASSERT_EQUAL(read_nested("{\"event_type\":\"x\",\"data\":", 65, "}"), WEFT_TOO_DEEP);
    CU_ASSERT_EQUAL(read_nested("{\"custom\":{\"eventType\":\"e\",\"dataJson\":\"", 64, "\"}}"), WEFT_OK);
    CU_ASSERT_EQUAL(read_nested("{\"custom\":{\"eventType\":\"e\",\"dataJson\":\"", 65, "\"}}"), WEFT_TOO_DEEP);
}

static void bounds_sizes(void)
{
    size_t over = 8 * (size_t)WEFT_EVENT_MAX_BYTES + 1;
    char *text = malloc(over + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'a', over);
    text[over] = '\0';
    expect_error(text, WEFT_TOO_LARGE, "an event: the text is too long");
    memcpy(text, "{\"agentId\":\"a\",\"agentError\":{\"error\":\"", 38);
    strcpy(text + WEFT_EVENT_MAX_BYTES + 100, "\"}}");
    expect_error(text, WEFT_TOO_LARGE, "error: larger than allowed");
    strcpy(text + WEFT_EVENT_MAX_BYTES - 1000, "\"}}");
    weft_event_release(read_ok(text));
    memset(text, 'a', 400);
    memcpy(text, "{\"agentError\":{\"error\":\"e\"},\"sessionId\":\"", 41);
    strcpy(text + 41 + WEFT_ID_MAX_BYTES + 1, "\"}");
    expect_error(text, WEFT_TOO_LARGE, "session_id: larger than allowed");
    free(text);
}

static void bounds_tags_and_attributes(void)
{
    char text[2000], *at = stpcpy(text, "{\"tags\":[\"t\"");
    for (int i = 0; i < WEFT_TAGS_MAX; i++)
        at = stpcpy(at, ",\"t\"");
    strcpy(at, "]}");
    expect_error(text, WEFT_TOO_LARGE, "tags: too many");
    at = stpcpy(text, "{\"attributes\":{\"a\":\"b\"");
    for (int i = 0; i < WEFT_ATTRIBUTES_MAX; i++)
        at = stpcpy(at, ",\"a\":\"b\"");
    strcpy(at, "}}");
    expect_error(text, WEFT_TOO_LARGE, "attributes: too many");
}

/* What is written is read as the same again; of every type, with every member of its payload set. */
static void expect_round_trip(const weft_event *event)
{
    weft_text first = {0}, second = {0};
    weft_event_to_json(event, &first);
    const weft_event *back = read_ok(first.data);
    weft_event_to_json(back, &second);
    CU_ASSERT_STRING_EQUAL(second.data, first.data);
    weft_event_release(back);
    weft_text_fini(&first);
    weft_text_fini(&second);
}

static void what_is_written_is_read_back(void)
{
    const weft_event events[] = {
        {.type = WEFT_TOOL_CALL_END,
         .source = "quote \" and \xE2\x82\xAC\n",
         .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         .tool_call_end = {"Bash", "c1", UINT64_MAX, true}},
        {.type = WEFT_LLM_RESPONSE_END, .execution_id = "e", .llm_response_end = {"m", "r", 1, 2, 3}},
        {.type = WEFT_AGENT_ERROR, .agent_id = "a", .correlation_id = "c", .agent_error = {"oh"}},
        {.type = WEFT_SESSION_END, .session_id = "s", .causation_id = "c"},
        {.type = WEFT_SESSION_STATUS_CHANGED,
         .session_id = "s",
         .session_status_changed = {WEFT_SESSION_BUSY, UINT32_MAX, "m", 9}},
        {.type = WEFT_TOKEN_USAGE, .ttl_ms = 1, .token_usage = {"m", 1, 2, 3, 4, 0.1 + 0.2}},
        {.type = WEFT_CUSTOM, .custom = {"e", "s", "{\"a\":\"\\u0000\"}"}},
    };
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        expect_round_trip(&events[i]);
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        weft_event event = event_least((weft_event_type)type);
        expect_round_trip(&event);
    }
}

/* No prefix of a good text is read as an event, and none makes the reader look beyond its end. */
static void a_cut_text_is_malformed(void)
{
    const char *text = "{\"type\":\"token_usage\",\"tags\":[\"\\u00e9\"],\"attributes\":{\"k\":\"v\"},\"ttlMs\":1e1,"
                       "\"tokenUsage\":{\"model\":\"m\",\"costUsd\":0.5}}";
    for (size_t length = 0; length < strlen(text); length++) {
        char *tight = malloc(length + 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(tight);
        memcpy(tight + 1, text, length);
        const weft_event *event = NULL;
        CU_ASSERT_EQUAL(weft_event_from_json(tight + 1, length, &event, NULL), WEFT_MALFORMED);
        free(tight);
    }
    weft_event_release(read_ok(text));
}

SUITE(core_json_read, CASE(reads_an_event_of_the_written_form), CASE(ignores_what_publish_sets),
      CASE(names_may_be_in_snake_case_and_any_order), CASE(the_payload_alone_tells_the_type), CASE(null_is_absent),
      CASE(a_status_is_read_by_name_long_name_and_number), CASE(an_id_may_stand_in_the_payload_it_is_about),
      CASE(data_keeps_its_very_digits), CASE(a_legacy_event_becomes_custom), CASE(unquotes_every_escape),
      CASE(says_what_is_wrong_and_where), CASE(names_the_member_that_was_meant), CASE(refuses_wrong_kinds),
      CASE(refuses_whole_numbers_it_cannot_hold), CASE(refuses_contradictions),
      CASE(a_text_that_is_no_json_is_malformed_whatever_else_is_wrong), CASE(bounds_the_depth_of_data),
      CASE(bounds_sizes), CASE(bounds_tags_and_attributes), CASE(what_is_written_is_read_back),
      CASE(a_cut_text_is_malformed))
