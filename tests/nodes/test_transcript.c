/* The transcript engine: every rule on a small transcript, and its state at every line. */
#include "nodes/transcript.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_text.h"
#include "support/suite.h"

typedef struct bench {
    prices *prices;
    transcript *engine;
    event_list events;
    event_list problems; /* texts, a line each */
    event_list models;
    size_t invalid;
    uint64_t line;
} bench;

static void on_event(const weft_event *event, void *user)
{
    bench *b = user;
    b->invalid += weft_event_validate(event, NULL) != WEFT_OK;
    event_list_add(&b->events, event);
}

static void on_problem(const char *text, void *user)
{
    bench *b = user;
    event_list_append(&b->problems, text);
    event_list_append(&b->problems, "\n");
    b->problems.count++;
}

static void on_unknown_model(const char *model, void *user)
{
    bench *b = user;
    event_list_append(&b->models, model);
    event_list_append(&b->models, "\n");
    b->models.count++;
}

static void bench_restart(bench *b, size_t table_max, size_t seen_max)
{
    transcript_destroy(b->engine);
    transcript_opts opts = {.prices = b->prices,
                            .on_event = on_event,
                            .on_problem = on_problem,
                            .on_unknown_model = on_unknown_model,
                            .user = b,
                            .table_max = table_max,
                            .seen_max = seen_max};
    CU_ASSERT_EQUAL_FATAL(transcript_create(&opts, &b->engine), WEFT_OK);
}

static bench bench_make(void)
{
    bench b = {0};
    CU_ASSERT_EQUAL_FATAL(prices_create(&b.prices), WEFT_OK);
    return b;
}

static void bench_fini(bench *b)
{
    transcript_destroy(b->engine);
    prices_destroy(b->prices);
    event_list_clear(&b->events);
    event_list_clear(&b->problems);
    event_list_clear(&b->models);
}

static weft_status feed_at(bench *b, const char *line, int64_t now_ms)
{
    return transcript_feed(b->engine, "t.jsonl", ++b->line, line, strlen(line), now_ms);
}

/* Feeds lines and ends the input; the events stand in b->events. */
static void run_lines(bench *b, const char *const *lines, size_t count)
{
    if (b->engine == NULL)
        bench_restart(b, 0, 0);
    for (size_t i = 0; i < count; i++)
        (void)feed_at(b, lines[i], 0);
    CU_ASSERT_EQUAL(transcript_end(b->engine), WEFT_OK);
    CU_ASSERT_EQUAL(b->invalid, 0);
}

static void expect_text(const event_list *list, const char *expected)
{
    const char *got = list->text != NULL ? list->text : "";
    if (strcmp(got, expected) != 0)
        printf("\n--- got\n%s--- expected\n%s", got, expected);
    CU_ASSERT_STRING_EQUAL(got, expected);
}

static void expect_events(const char *const *lines, size_t count, const char *expected)
{
    bench b = bench_make();
    run_lines(&b, lines, count);
    expect_text(&b.events, expected);
    CU_ASSERT_EQUAL(b.problems.count, 0);
    bench_fini(&b);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Records of session s1; at is the second. */
#define AT(at)   "\"sessionId\":\"s1\",\"timestamp\":\"1970-01-01T00:00:" at ".000Z\""
#define USER(at) "{\"type\":\"user\"," AT(at) ",\"message\":{\"role\":\"user\",\"content\":\"do it\"}}"
#define ASSISTANT(at, id, usage, content)                                                                              \
    "{\"type\":\"assistant\"," AT(at) ",\"message\":{\"id\":\"" id                                                     \
                                      "\",\"model\":\"claude-opus-4-5\",\"usage\":{" usage "},\"content\":[" content   \
                                      "]}}"
#define OUTPUT(tokens)            "\"input_tokens\":7,\"output_tokens\":" tokens
#define CALL(id, name)            "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\"}"
#define RESULT(id, more)          "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"
#define TOOL_RESULT(at, id, more) "{\"type\":\"user\"," AT(at) ",\"message\":{\"content\":[" RESULT(id, more) "]}}"
#define AGENT_PROGRESS(at, agent, type, message)                                                                       \
    "{\"type\":\"progress\"," AT(at) ",\"parentToolUseID\":\"task1\",\"data\":{\"type\":\"agent_progress\","           \
                                     "\"agentId\":\"" agent "\",\"message\":{\"type\":\"" type                         \
                                     "\",\"message\":" message "}}}"
#define AGENT_ANSWER(at, agent, id, content)                                                                           \
    AGENT_PROGRESS(at, agent, "assistant",                                                                             \
                   "{\"id\":\"" id                                                                                     \
                   "\",\"model\":\"claude-haiku-4-5\",\"usage\":{" OUTPUT("3") "},\"content\":[" content "]}")
#define SYSTEM(at, subtype, more) "{\"type\":\"system\",\"subtype\":\"" subtype "\"," AT(at) more "}"

static void completes_a_request_when_another_message_id_appears(void)
{
    const char *lines[] = {USER("01"), ASSISTANT("03", "m1", OUTPUT("2"), ""), ASSISTANT("04", "m1", OUTPUT("9"), ""),
                           ASSISTANT("05", "m1", OUTPUT("4"), ""), ASSISTANT("06", "m2", OUTPUT("1"), "")};
    expect_events(lines, COUNT(lines),
                  "session_start s1 @1000\n"
                  "session_status_changed s1 @1000 status=busy attempt=0 next_retry_ms=0\n"
                  "llm_request_start s1 @1000 model=claude-opus-4-5 request_id=m1\n"
                  "llm_response_end s1 @5000 model=claude-opus-4-5 request_id=m1 input_tokens=7 output_tokens=9 "
                  "duration_ms=4000\n"
                  "token_usage s1 @5000 model=claude-opus-4-5 input_tokens=7 output_tokens=9 cache_read_tokens=0 "
                  "cache_write_tokens=0 cost_usd=0.000260000\n"
                  "llm_request_start s1 @1000 model=claude-opus-4-5 request_id=m2\n"
                  "llm_response_end s1 @6000 model=claude-opus-4-5 request_id=m2 input_tokens=7 output_tokens=1 "
                  "duration_ms=5000\n"
                  "token_usage s1 @6000 model=claude-opus-4-5 input_tokens=7 output_tokens=1 cache_read_tokens=0 "
                  "cache_write_tokens=0 cost_usd=0.000060000\n"
                  "session_end s1 @6000\n");
}

static size_t events_with(const bench *b, const char *start)
{
    size_t count = 0;
    for (const char *line = b->events.text; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
        count += strncmp(line, start, strlen(start)) == 0;
    return count;
}

static void never_emits_an_id_twice(void)
{
    const char *lines[] = {
        ASSISTANT("01", "m1", OUTPUT("2"), CALL("t1", "Bash")), ASSISTANT("02", "m2", OUTPUT("2"), ""),
        TOOL_RESULT("03", "t1", ""),
        /* a copy of the session under another name, with more output */
        "{\"type\":\"assistant\",\"sessionId\":\"s2\",\"message\":{\"id\":\"m1\",\"model\":\"m\",\"usage\":{" OUTPUT(
            "99") "},\"content\":[" CALL("t1", "Bash") "]}}",
        "{\"type\":\"user\",\"sessionId\":\"s2\",\"message\":{\"content\":[" RESULT("t1", ",\"is_error\":true") "]}}"};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "token_usage s1 @1000 model=claude-opus-4-5 input_tokens=7 output_tokens=2 "), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "session_start"), 2);
    bench_fini(&b);
}

static void keeps_requests_of_main_and_subagent_apart(void)
{
    const char *lines[] = {ASSISTANT("01", "m1", OUTPUT("2"), ""), AGENT_ANSWER("02", "a1", "m2", ""),
                           ASSISTANT("03", "m1", OUTPUT("5"), "")};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end s1 @3000 model=claude-opus-4-5 request_id=m1 input_tokens=7 "
                                    "output_tokens=5 "),
                    1);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end s1/a1 @2000 model=claude-haiku-4-5 request_id=m2"), 1);
    bench_fini(&b);
}

static void completes_idle_requests_while_following(void)
{
    bench b = bench_make();
    bench_restart(&b, 0, 0);
    CU_ASSERT_EQUAL(feed_at(&b, ASSISTANT("01", "m1", OUTPUT("2"), ""), 1000), WEFT_OK);
    CU_ASSERT_EQUAL(feed_at(&b, ASSISTANT("02", "m1", OUTPUT("3"), ""), 5000), WEFT_OK);
    CU_ASSERT_EQUAL(transcript_idle(b.engine, 34999), 35000);
    CU_ASSERT_EQUAL(events_with(&b, "token_usage"), 0);
    CU_ASSERT_EQUAL(transcript_idle(b.engine, 35000), INT64_MAX);
    CU_ASSERT_EQUAL(events_with(&b, "token_usage"), 1);
    CU_ASSERT_EQUAL(feed_at(&b, ASSISTANT("03", "m1", OUTPUT("9"), ""), 36000), WEFT_OK);
    CU_ASSERT_EQUAL(transcript_end(b.engine), WEFT_OK);
    CU_ASSERT_EQUAL(events_with(&b, "token_usage"), 1);
    bench_fini(&b);
}

static void times_tool_calls_and_takes_the_first_result(void)
{
    const char *lines[] = {ASSISTANT("01", "m1", OUTPUT("2"), CALL("t1", "Bash") "," CALL("t2", "Read")),
                           TOOL_RESULT("04", "t1", ",\"is_error\":true"), TOOL_RESULT("05", "t1", ""),
                           TOOL_RESULT("06", "t2", ",\"is_error\":false"),
                           ASSISTANT("07", "m1", OUTPUT("2"), CALL("t1", "Bash"))};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end s1 @4000 tool_name=Bash call_id=t1 duration_ms=3000 success=false"),
                    1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end s1 @6000 tool_name=Read call_id=t2 duration_ms=5000 success=true"),
                    1);
    bench_fini(&b);
}

static void lets_a_result_wait_for_its_call(void)
{
    const char *lines[] = {TOOL_RESULT("02", "t1", ",\"is_error\":true"), TOOL_RESULT("03", "t1", ""),
                           ASSISTANT("02", "m1", OUTPUT("2"), CALL("t1", "Bash"))};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end s1 @2000 tool_name=Bash call_id=t1 duration_ms=0 success=false"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.events.text, "tool_call_start s1 @2000 tool_name=Bash call_id=t1\ntool_call_end"));
    bench_fini(&b);
}

static void ends_a_result_without_a_call_as_no_call(void)
{
    const char *lines[] = {TOOL_RESULT("02", "t9", "")};
    expect_events(lines, COUNT(lines),
                  "session_start s1 @2000\n"
                  "tool_call_end s1 @2000 tool_name=(unknown) call_id=t9 duration_ms=0 success=true\n"
                  "session_end s1 @2000\n");
}

static void starts_a_call_whose_result_was_given_up(void)
{
    bench b = bench_make();
    const char *result[] = {TOOL_RESULT("02", "t1", "")};
    const char *call[] = {ASSISTANT("01", "m1", OUTPUT("2"), CALL("t1", "Bash"))};
    run_lines(&b, result, 1);
    run_lines(&b, call, 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 1);
    bench_fini(&b);
}

static void follows_a_subagent_from_start_to_end(void)
{
    const char *lines[] = {
        ASSISTANT(
            "01", "m1", OUTPUT("2"),
            "{\"type\":\"tool_use\",\"id\":\"task1\",\"name\":\"Task\",\"input\":{\"description\":\"look round\"}}"),
        AGENT_PROGRESS("02", "a1", "user", "{\"content\":\"go\"}"), AGENT_ANSWER("03", "a1", "m2", CALL("t2", "Grep")),
        AGENT_PROGRESS("04", "a1", "user", "{\"content\":[" RESULT("t2", "") "]}"),
        "{\"type\":\"user\"," AT("05") ",\"message\":{\"content\":[" RESULT(
            "task1",
            "") "]},\"toolUseResult\":{\"agentId\":\"a1\",\"status\":\"completed\",\"totalDurationMs\":4000}}"};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "agent_start s1/a1 @2000 task=look round"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "agent_start"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "llm_request_start s1/a1 @2000 model=claude-haiku-4-5 request_id=m2"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start s1/a1 @3000 tool_name=Grep call_id=t2"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end s1/a1 @4000 tool_name=Grep"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "agent_end s1/a1 @5000 success=true"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "session_status_changed"), 0);
    bench_fini(&b);
}

static void starts_a_subagent_that_shows_only_in_its_result(void)
{
    const char *lines[] = {
        ASSISTANT("01", "m1", OUTPUT("2"), CALL("task1", "Task")),
        "{\"type\":\"user\"," AT("05") ",\"message\":{\"content\":[" RESULT(
            "task1", ",\"is_error\":true") "]},\"toolUseResult\":{\"agentId\":\"a1\",\"totalDurationMs\":4000}}"};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(events_with(&b, "agent_start s1/a1 @1000"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "agent_end s1/a1 @5000 success=false"), 1);
    bench_fini(&b);
}

static void reports_each_error_record_once(void)
{
    const char *lines[] = {
        SYSTEM("01", "api_error", ",\"uuid\":\"u1\",\"retryAttempt\":2,\"retryInMs\":545.6,\"error\":{\"status\":529}"),
        SYSTEM("01", "api_error", ",\"uuid\":\"u1\",\"retryAttempt\":2,\"retryInMs\":545.6,\"error\":{\"status\":529}"),
        "{\"type\":\"assistant\"," AT("02") ",\"isApiErrorMessage\":true,\"error\":\"unknown\",\"message\":{\"id\":"
                                            "\"x1\",\"model\":\"<synthetic>\",\"content\":[]}}",
        "{\"type\":\"assistant\"," AT("03") ",\"message\":{\"id\":\"x2\",\"model\":\"<synthetic>\",\"content\":[]}}"};
    expect_events(lines, COUNT(lines),
                  "session_start s1 @1000\n"
                  "agent_error s1/main @1000 error=API error 529\n"
                  "session_status_changed s1 @1000 status=retry attempt=2 message=API error 529 next_retry_ms=546\n"
                  "agent_error s1/main @2000 error=API error: unknown\n"
                  "agent_error s1/main @3000 error=synthetic answer\n"
                  "session_end s1 @3000\n");
}

static void counts_a_retry_without_a_number_as_the_first(void)
{
    const char *lines[] = {SYSTEM("01", "api_error", ",\"uuid\":\"u1\",\"error\":{\"status\":529}")};
    expect_events(lines, COUNT(lines),
                  "session_start s1 @1000\n"
                  "agent_error s1/main @1000 error=API error 529\n"
                  "session_status_changed s1 @1000 status=retry attempt=1 message=API error 529 next_retry_ms=0\n"
                  "session_end s1 @1000\n");
}

static void tells_no_status_without_a_session(void)
{
    const char *lines[] = {
        "{\"type\":\"user\",\"timestamp\":\"1970-01-01T00:00:01Z\",\"message\":{\"content\":\"go\"}}"};
    expect_events(lines, COUNT(lines), "");
}

static void tells_busy_and_idle_of_a_person_s_turn(void)
{
    const char *lines[] = {
        USER("01"), "{\"type\":\"user\",\"isMeta\":true," AT("02") ",\"message\":{\"content\":\"caveat\"}}",
        "{\"type\":\"user\"," AT("03") ",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"and\"}]}}",
        SYSTEM("04", "turn_duration", ",\"durationMs\":3000"), SYSTEM("05", "stop_hook_summary", "")};
    expect_events(lines, COUNT(lines),
                  "session_start s1 @1000\n"
                  "session_status_changed s1 @1000 status=busy attempt=0 next_retry_ms=0\n"
                  "session_status_changed s1 @3000 status=busy attempt=0 next_retry_ms=0\n"
                  "session_status_changed s1 @4000 status=idle attempt=0 next_retry_ms=0\n"
                  "session_end s1 @5000\n");
}

static void passes_rare_records_on_as_custom(void)
{
    const char *lines[] = {
        SYSTEM("01", "compact_boundary", ",\"uuid\":\"u1\",\"compactMetadata\":{\"preTokens\":155377}"),
        "{\"type\":\"queue-operation\",\"operation\":\"enqueue\",\"content\":\"secret words\"," AT("02") "}",
        "{\"type\":\"pr-link\",\"prNumber\":7,\"prUrl\":\"https://example.org/7\"," AT("03") "}",
        SYSTEM("04", "compact_boundary", ",\"uuid\":\"u1\",\"compactMetadata\":{\"preTokens\":155377}")};
    expect_events(
        lines, COUNT(lines),
        "session_start s1 @1000\n"
        "custom s1 @1000 event_type=compact_boundary source=claude-code "
        "data_json={\"compactMetadata\":{\"preTokens\":155377}}\n"
        "custom s1 @2000 event_type=queue-operation source=claude-code data_json={\"operation\":\"enqueue\"}\n"
        "custom s1 @3000 event_type=pr-link source=claude-code "
        "data_json={\"prNumber\":7,\"prUrl\":\"https://example.org/7\"}\n"
        "session_end s1 @4000\n");
}

static void skips_bad_lines_and_names_them(void)
{
    static const struct {
        const char *line;
        const char *problem;
    } bad[] = {
        {"{\"type\":\"user\"", "t.jsonl:1: no JSON: "},
        {"[1]", "t.jsonl:1: record: expected an object, got an array"},
        {"{\"sessionId\":\"s1\"}", "t.jsonl:1: type: missing"},
        {"{\"type\":\"user\",\"sessionId\":7,\"message\":{}}", "t.jsonl:1: sessionId: expected a string, got a whole"},
        {"{\"type\":\"user\",\"timestamp\":\"yesterday\",\"message\":{}}",
         "t.jsonl:1: timestamp: expected a time like 2026-01-05T12:17:31.459Z, got 'yesterday'"},
        {"{\"type\":\"user\"," AT("01") ",\"message\":\"hello\"}", "t.jsonl:1: message: expected an object, got a str"},
        {"{\"type\":\"user\"," AT("01") "}", "t.jsonl:1: message: expected an object, got nothing"},
        {"{\"type\":\"user\"," AT("01") ",\"message\":{\"content\":5}}",
         "t.jsonl:1: message.content: expected an array or a string, got a whole number"},
        {ASSISTANT("01", "m1", "\"output_tokens\":\"12\"", ""),
         "t.jsonl:1: message.usage.output_tokens: expected a whole number from 0 to 2^53, got a string"},
        {ASSISTANT("01", "m1", "\"input_tokens\":-1", ""), "t.jsonl:1: message.usage.input_tokens: expected a whole"},
        {ASSISTANT("01", "m1", OUTPUT("1"), "{\"type\":\"tool_use\",\"id\":\"t1\"}"),
         "t.jsonl:1: message.content[].name: missing"},
        {TOOL_RESULT("01", "t1", ",\"is_error\":\"no\""),
         "t.jsonl:1: message.content[].is_error: expected true or false, got a string"},
        {AGENT_PROGRESS("01", "a1", "assistant", "{\"id\":5}"),
         "t.jsonl:1: data.message.message.id: expected a string, got a whole number"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *lines[] = {bad[i].line, USER("09")};
        bench b = bench_make();
        run_lines(&b, lines, COUNT(lines));
        CU_ASSERT_EQUAL(b.problems.count, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(b.problems.text);
        if (strncmp(b.problems.text, bad[i].problem, strlen(bad[i].problem)) != 0)
            CU_FAIL(b.problems.text);
        CU_ASSERT_EQUAL(events_with(&b, "session_start s1 @9000"), 1);
        CU_ASSERT_EQUAL(b.events.count, 3);
        bench_fini(&b);
    }
}

static void takes_foreign_members_as_they_come(void)
{
    const char *lines[] = {"",
                           "  ",
                           "{\"type\":\"summary\",\"summary\":\"x\",\"leafUuid\":\"u\"}",
                           "{\"type\":\"file-history-snapshot\",\"messageId\":\"x\",\"snapshot\":{},\"timestamp\":12}",
                           "{\"type\":\"user\"," AT("01") ",\"message\":{\"content\":[" RESULT(
                               "t1", "") "]},\"toolUseResult\":{\"agentId\":5,\"status\":200}}",
                           "{\"type\":\"user\"," AT("01") ",\"message\":{\"content\":\"half \\ud83d and \\\\ud83d\"},"
                                                          "\"toolUseResult\":[1,\"x\"]}",
                           "{\"type\":\"user\"," AT("01") ",\"message\":{\"content\":\"NUL \\u0000\"}}"};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    CU_ASSERT_EQUAL(b.problems.count, 0);
    CU_ASSERT_EQUAL(events_with(&b, "session_start"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "session_status_changed"), 2);
    bench_fini(&b);
}

/* An id of n letters and a tail. */
static void long_id(char *ret, size_t n, const char *tail)
{
    memset(ret, 'x', n);
    memcpy(ret + n, tail, strlen(tail) + 1);
}

static void keeps_long_ids_distinct_and_short(void)
{
    char first[600], second[600], lines[4][4096];
    long_id(first, 500, "1");
    long_id(second, 500, "2");
    const char *format = "{\"type\":\"assistant\",\"sessionId\":\"%s\",\"message\":{\"id\":\"%s\",\"model\":\"%s\","
                         "\"usage\":{},\"content\":[{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%s\"}]}}";
    snprintf(lines[0], sizeof lines[0], format, first, first, first, first, first);
    snprintf(lines[1], sizeof lines[1], format, second, second, second, second, second);
    const char *all[] = {lines[0], lines[1], lines[0]};
    bench b = bench_make();
    run_lines(&b, all, COUNT(all));
    CU_ASSERT_EQUAL(events_with(&b, "session_start"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 2);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start"), 2);
    CU_ASSERT_EQUAL(b.models.count, 2);
    bench_fini(&b);
}

static void names_an_unknown_model_once(void)
{
    const char *lines[] = {
        "{\"type\":\"assistant\"," AT("01") ",\"message\":{\"id\":\"m1\",\"model\":\"brand-new\",\"usage\":{" OUTPUT(
            "1") "},\"content\":[]}}",
        "{\"type\":\"assistant\"," AT("02") ",\"message\":{\"id\":\"m2\",\"model\":\"brand-new\",\"usage\":{" OUTPUT(
            "1") "},\"content\":[]}}"};
    bench b = bench_make();
    run_lines(&b, lines, COUNT(lines));
    expect_text(&b.models, "brand-new\n");
    CU_ASSERT_EQUAL(events_with(&b, "token_usage"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.events.text, "cost_usd=0.000000000"));
    bench_fini(&b);
}

static void completes_the_oldest_when_a_table_is_full(void)
{
    bench b = bench_make();
    bench_restart(&b, 2, 0);
    char line[1024];
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof line,
                 "{\"type\":\"assistant\",\"sessionId\":\"s%d\",\"message\":{\"id\":\"m%d\",\"model\":\"o3\","
                 "\"usage\":{},\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t%d\"}]}}",
                 i, i, i);
        CU_ASSERT_EQUAL(feed_at(&b, line, 0), WEFT_OK);
    }
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 3);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 3);
    CU_ASSERT_EQUAL(events_with(&b, "session_end"), 3);
    CU_ASSERT_EQUAL(transcript_end(b.engine), WEFT_OK);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 5);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end"), 5);
    CU_ASSERT_EQUAL(events_with(&b, "session_end"), 5);
    bench_fini(&b);
}

/* One of everything, with things left open at every line. */
static const char *const mixed[] = {
    USER("01"),
    TOOL_RESULT("02", "t7", ",\"is_error\":true"),
    ASSISTANT("03", "m1", OUTPUT("2"), CALL("t1", "Bash") "," CALL("t7", "Read")),
    ASSISTANT("04", "m1", OUTPUT("5"), CALL("task1", "Task")),
    "{\"type\":\"user\",\"sessionId\":\"s2\",\"timestamp\":\"1970-01-01T00:00:04.500Z\",\"message\":{\"content\":\"x\"}"
    "}",
    AGENT_PROGRESS("05", "a1", "user", "{\"content\":\"go\"}"),
    AGENT_ANSWER("06", "a1", "m2", CALL("t2", "Grep")),
    TOOL_RESULT("07", "t1", ""),
    TOOL_RESULT("07", "t99", ",\"is_error\":true"),
    "{\"type\":\"assistant\",\"sessionId\":\"s2\",\"message\":{\"id\":\"m3\",\"model\":\"o3\",\"usage\":{},\"content\":"
    "[]}}",
    "no JSON",
    ASSISTANT("08", "m4", OUTPUT("1"), CALL("t1", "Bash")),
    ASSISTANT("09", "m1", OUTPUT("50"), ""),
    SYSTEM("10", "api_error", ",\"uuid\":\"u1\",\"error\":{\"status\":500}"),
    "{\"type\":\"user\"," AT("11") ",\"message\":{\"content\":[" RESULT(
        "task1", "") "]},\"toolUseResult\":{\"agentId\":\"a1\",\"totalDurationMs\":4000}}",
    SYSTEM("12", "turn_duration", ""),
    SYSTEM("13", "api_error", ",\"uuid\":\"u1\",\"error\":{\"status\":500}"),
    ASSISTANT("14", "m1", OUTPUT("60"), CALL("t9", "Bash")),
};

static void resumes_exactly_from_a_saved_state(void)
{
    bench whole = bench_make();
    run_lines(&whole, mixed, COUNT(mixed));
    for (size_t cut = 0; cut <= COUNT(mixed); cut++) {
        bench b = bench_make();
        bench_restart(&b, 0, 0);
        for (size_t i = 0; i < COUNT(mixed); i++) {
            if (i == cut || cut == COUNT(mixed)) { /* once, or at every line */
                char *state = transcript_save(b.engine);
                CU_ASSERT_PTR_NOT_NULL_FATAL(state);
                bench_restart(&b, 0, 0);
                CU_ASSERT_EQUAL(transcript_load(b.engine, state, 0), WEFT_OK);
                free(state);
            }
            (void)feed_at(&b, mixed[i], 0);
        }
        CU_ASSERT_EQUAL(transcript_end(b.engine), WEFT_OK);
        expect_text(&b.events, whole.events.text);
        bench_fini(&b);
    }
    bench_fini(&whole);
}

static void continues_a_file_that_has_grown(void)
{
    bench b = bench_make();
    run_lines(&b, mixed, 7);
    char *state = transcript_save(b.engine);
    bench_restart(&b, 0, 0);
    CU_ASSERT_EQUAL(transcript_load(b.engine, state, 0), WEFT_OK);
    free(state);
    run_lines(&b, mixed + 7, COUNT(mixed) - 7);
    CU_ASSERT_EQUAL(events_with(&b, "llm_response_end"), 4);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_start"), 5);
    CU_ASSERT_EQUAL(events_with(&b, "tool_call_end s1 @7000 tool_name=Bash call_id=t1 duration_ms=4000"), 1);
    CU_ASSERT_EQUAL(events_with(&b, "agent_start"), 1);
    bench_fini(&b);
}

static void refuses_a_damaged_state(void)
{
    static const char *const states[] = {"",
                                         "{}",
                                         "[]",
                                         "{\"v\":2,\"last\":0,\"seen\":\"\"}",
                                         "{\"v\":1,\"last\":0,\"seen\":\"abc\",\"sessions\":[],\"streams\":[],"
                                         "\"requests\":[],\"calls\":[],\"results\":[]}",
                                         "{\"v\":1,\"last\":0,\"seen\":\"\",\"sessions\":[[1]],\"streams\":[],"
                                         "\"requests\":[],\"calls\":[],\"results\":[]}"};
    for (size_t i = 0; i < COUNT(states); i++) {
        bench b = bench_make();
        bench_restart(&b, 0, 0);
        CU_ASSERT_EQUAL(transcript_load(b.engine, states[i], 0), WEFT_CORRUPT);
        bench_fini(&b);
    }
}

static void bounds_the_state_by_forgetting(void)
{
    bench b = bench_make();
    bench_restart(&b, 0, 100);
    char line[512];
    for (int i = 0; i < 500; i++) {
        snprintf(
            line, sizeof line,
            "{\"type\":\"assistant\",\"sessionId\":\"s1\",\"message\":{\"id\":\"m%d\",\"model\":\"o3\",\"usage\":{},"
            "\"content\":[]}}",
            i);
        CU_ASSERT_EQUAL(feed_at(&b, line, 0), WEFT_OK);
    }
    char *state = transcript_save(b.engine);
    CU_ASSERT(strlen(state) < 1500);
    free(state);
    CU_ASSERT(transcript_forget(b.engine));
    state = transcript_save(b.engine);
    CU_ASSERT(strlen(state) < 1000);
    free(state);
    bench_fini(&b);
}

SUITE(nodes_transcript, CASE(completes_a_request_when_another_message_id_appears), CASE(never_emits_an_id_twice),
      CASE(keeps_requests_of_main_and_subagent_apart), CASE(completes_idle_requests_while_following),
      CASE(times_tool_calls_and_takes_the_first_result), CASE(lets_a_result_wait_for_its_call),
      CASE(ends_a_result_without_a_call_as_no_call), CASE(starts_a_call_whose_result_was_given_up),
      CASE(follows_a_subagent_from_start_to_end), CASE(starts_a_subagent_that_shows_only_in_its_result),
      CASE(reports_each_error_record_once), CASE(counts_a_retry_without_a_number_as_the_first),
      CASE(tells_no_status_without_a_session), CASE(tells_busy_and_idle_of_a_person_s_turn),
      CASE(passes_rare_records_on_as_custom), CASE(skips_bad_lines_and_names_them),
      CASE(takes_foreign_members_as_they_come), CASE(keeps_long_ids_distinct_and_short),
      CASE(names_an_unknown_model_once), CASE(completes_the_oldest_when_a_table_is_full),
      CASE(resumes_exactly_from_a_saved_state), CASE(continues_a_file_that_has_grown), CASE(refuses_a_damaged_state),
      CASE(bounds_the_state_by_forgetting))
