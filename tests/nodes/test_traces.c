/* A month of real sessions: the engine's events against published sums, and against the counter that shares no code
 * with it. Skipped where the traces are missing. */
#include <CUnit/CUnit.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "nodes/line_reader.h"
#include "nodes/ownership.h"
#include "nodes/recount.h"
#include "nodes/totals.h"
#include "nodes/transcript.h"
#include "support/suite.h"

#define TRACES WEFT_SOURCE_DIR "/../shared/data/claude_code_jan/*.gz"

typedef struct january {
    totals sum;
    uint64_t tool_ms;
    size_t problems;
} january;

static void on_january_event(const weft_event *event, void *user)
{
    january *j = user;
    if (weft_event_validate(event, NULL) != WEFT_OK)
        j->problems++;
    if (event->type == WEFT_TOOL_CALL_END)
        j->tool_ms += event->tool_call_end.duration_ms;
    CU_ASSERT_EQUAL(totals_add_event(&j->sum, event), WEFT_OK);
}

static void on_january_problem(const char *text, void *user)
{
    ((january *)user)->problems++;
    printf("%s\n", text);
}

static void january_read(transcript *t, const glob_t *files)
{
    char error[512];
    const char *text;
    size_t length;
    for (size_t i = 0; i < files->gl_pathc; i++) {
        line_reader *reader;
        CU_ASSERT_EQUAL_FATAL(line_reader_open(files->gl_pathv[i], NULL, 0, &reader, error, sizeof error), WEFT_OK);
        while (line_reader_next(reader, true, &text, &length) == LINE_READER_LINE)
            (void)transcript_feed(t, files->gl_pathv[i], line_reader_position(reader).line, text, length, 0);
        line_reader_close(reader);
    }
}

static bool january_find(glob_t *files)
{
    if (glob(TRACES, 0, NULL, files) == 0)
        return true;
    printf("skipped: no traces at %s ", TRACES);
    return false;
}

static void january_count(january *j, const glob_t *files)
{
    prices *p;
    transcript *t;
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    transcript_opts opts = {.prices = p, .on_event = on_january_event, .on_problem = on_january_problem, .user = j};
    CU_ASSERT_EQUAL_FATAL(transcript_create(&opts, &t), WEFT_OK);
    january_read(t, files);
    CU_ASSERT_EQUAL(transcript_end(t), WEFT_OK);
    CU_ASSERT_EQUAL(j->problems, 0);
    transcript_destroy(t);
    prices_destroy(p);
}

static void events_add_up_to_the_published_sums(void)
{
    glob_t files;
    january j = {0};
    if (!january_find(&files))
        return;
    january_count(&j, &files);
    CU_ASSERT_EQUAL(j.sum.sessions.count, 124);
    CU_ASSERT_EQUAL(j.sum.llm_requests, 10185);
    CU_ASSERT_EQUAL(j.sum.tokens.input, 383801);
    CU_ASSERT_EQUAL(j.sum.tokens.output, 1312617);
    CU_ASSERT_EQUAL(j.sum.tokens.cache_read, 914729276);
    CU_ASSERT_EQUAL(j.sum.tokens.cache_write, 48007775);
    CU_ASSERT_EQUAL((j.sum.cost_nano_usd + 5000000) / 10000000, 74533);
    CU_ASSERT_EQUAL(j.sum.tool_calls, 10336);
    CU_ASSERT_EQUAL(j.sum.tool_errors, 447);
    CU_ASSERT_EQUAL(j.sum.agent_errors, 57);
    CU_ASSERT_EQUAL(j.tool_ms, 291084402 + 248778243);
    totals_fini(&j.sum);
    globfree(&files);
}

static void print_difference(const char *text, void *user)
{
    (void)user;
    printf("%s\n", text);
}

static void events_agree_with_a_recount_of_the_files(void)
{
    glob_t files;
    january j = {0};
    totals recounted = {0};
    uint64_t lines = 0;
    prices *p;
    ownership *o;
    char error[512];
    uint64_t skipped;
    if (!january_find(&files))
        return;
    january_count(&j, &files);
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(ownership_create(&o), WEFT_OK);
    for (size_t i = 0; i < files.gl_pathc; i++)
        CU_ASSERT_EQUAL(ownership_scan_file(o, files.gl_pathv[i], &lines, error, sizeof error), WEFT_OK);
    CU_ASSERT_EQUAL(lines, 42413);
    const char *const *nodes;
    size_t count = ownership_nodes(o, &nodes);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT(totals_add_node(&j.sum, nodes[i]));
    CU_ASSERT_EQUAL(recount_files((const char *const *)files.gl_pathv, files.gl_pathc, p, &recounted, &skipped, error,
                                  sizeof error),
                    WEFT_OK);
    CU_ASSERT_EQUAL(skipped, 0);
    CU_ASSERT_EQUAL(recounted.nodes.count, 5);
    CU_ASSERT_EQUAL(totals_compare(&j.sum, "events", &recounted, "files", print_difference, NULL), 0);
    totals_fini(&j.sum);
    totals_fini(&recounted);
    ownership_destroy(o);
    prices_destroy(p);
    globfree(&files);
}

SUITE(nodes_traces, CASE(events_add_up_to_the_published_sums), CASE(events_agree_with_a_recount_of_the_files))
