/* The recount: what the files say, counted by other code than the engine's. */
#include "nodes/recount.h"

#include <CUnit/CUnit.h>
#include <string.h>

#include "support/suite.h"
#include "temp_file.h"

#define ANSWER(session, id, output, content)                                                                           \
    "{\"type\":\"assistant\",\"sessionId\":\"" session "\",\"operator\":\"op1\",\"message\":{\"id\":\"" id             \
    "\",\"model\":\"o3\",\"usage\":{\"output_tokens\":" output "},\"content\":[" content "]}}\n"
#define CALL(id)         "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"Bash\"}"
#define RESULT(id, more) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"
#define USER(session, content)                                                                                         \
    "{\"type\":\"user\",\"sessionId\":\"" session "\",\"message\":{\"content\":[" content "]}}\n"

static char dir[TEMP_PATH_BYTES];
static char first[TEMP_PATH_BYTES];
static char second[TEMP_PATH_BYTES];
static char error[1024];

static weft_status count(totals *ret, uint64_t *ret_skipped)
{
    prices *p;
    const char *const paths[] = {first, second};
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    weft_status status = recount_files(paths, 2, p, ret, ret_skipped, error, sizeof error);
    prices_destroy(p);
    return status;
}

static void begin(const char *one, const char *two)
{
    temp_dir_make(dir);
    temp_path(first, dir, "one.jsonl");
    temp_path(second, dir, "two.jsonl.gz");
    temp_write(first, "w", one);
    temp_write_gz(second, two);
}

static void counts_ids_once_over_all_files(void)
{
    totals t = {0};
    uint64_t skipped;
    begin(ANSWER("s1", "m1", "2", CALL("t1")) ANSWER("s1", "m1", "5", "") ANSWER("s1", "m1", "4", "")
              ANSWER("s1", "m2", "1", CALL("t1")) ANSWER("s1", "m1", "90", ""),
          USER("s1", RESULT("t1", ",\"is_error\":true")) USER("s1", RESULT("t1", ""))
              USER("s2", RESULT("t9", ",\"is_error\":true")) ANSWER("s2", "m1", "99", CALL("t1")));
    CU_ASSERT_EQUAL(count(&t, &skipped), WEFT_OK);
    CU_ASSERT_EQUAL(skipped, 0);
    CU_ASSERT_EQUAL(t.nodes.count, 1);
    CU_ASSERT_EQUAL(t.sessions.count, 2);
    CU_ASSERT_EQUAL(t.llm_requests, 2);
    CU_ASSERT_EQUAL(t.tokens.output, 6);
    CU_ASSERT_EQUAL(t.cost_nano_usd, 6 * 8000);
    CU_ASSERT_EQUAL(t.tool_calls, 1);
    CU_ASSERT_EQUAL(t.tool_errors, 1);
    totals_fini(&t);
    temp_dir_remove(dir);
}

static void passes_over_bad_lines(void)
{
    totals t = {0};
    uint64_t skipped;
    begin(ANSWER("s1", "m1", "\"2\"", "") ANSWER("s2", "m1", "-2", "") "{\n\n[]\n" ANSWER("s3", "m1", "2.0", ""),
          ANSWER("s4", "m2", "99999999999999999999", "")
              ANSWER("s5", "m2", "1", "{\"type\":\"tool_use\"}") "{\"type\":\"system\",\"subtype\":\"api_error\","
                                                                 "\"sessionId\":\"s6\",\"error\":\"half \\udc00\"}");
    CU_ASSERT_EQUAL(count(&t, &skipped), WEFT_OK);
    CU_ASSERT_EQUAL(skipped, 6);
    CU_ASSERT_EQUAL(t.sessions.count, 2);
    CU_ASSERT_EQUAL(t.llm_requests, 1);
    CU_ASSERT_EQUAL(t.agent_errors, 1);
    totals_fini(&t);
    temp_dir_remove(dir);
}

static void says_which_file_cannot_be_read(void)
{
    totals t = {0};
    begin("", "");
    CU_ASSERT_EQUAL_FATAL(unlink(second), 0);
    CU_ASSERT_EQUAL(count(&t, NULL), WEFT_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "two.jsonl.gz: No such file"));
    totals_fini(&t);
    temp_dir_remove(dir);
}

SUITE(nodes_recount, CASE(counts_ids_once_over_all_files), CASE(passes_over_bad_lines),
      CASE(says_which_file_cannot_be_read))
