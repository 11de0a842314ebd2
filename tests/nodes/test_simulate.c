/* The generator: the same bytes from the same seed, totals that are right, and the shapes of real sessions. */
#include "nodes/simulate.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/line_reader.h"
#include "nodes/recount.h"
#include "nodes/short_id.h"
#include "nodes/transcript.h"
#include "support/suite.h"
#include "temp_file.h"

enum { FILES_MAX = 16 };

typedef struct run {
    char dir[TEMP_PATH_BYTES];
    prices *prices;
    totals known;
    uint64_t records;
    char *paths[FILES_MAX];
    size_t count;
} run;

static void on_file(const char *path, void *user)
{
    run *r = user;
    CU_ASSERT_FATAL(r->count < FILES_MAX);
    r->paths[r->count++] = strdup(path);
}

static void run_begin(run *r, simulate_opts opts)
{
    char error[512];
    *r = (run){0};
    temp_dir_make(r->dir);
    opts.dir = r->dir;
    CU_ASSERT_EQUAL_FATAL(prices_create(&r->prices), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(simulate_write(&opts, r->prices, &r->known, &r->records, on_file, r, error, sizeof error),
                          WEFT_OK);
}

static void run_end(run *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->paths[i]);
    totals_fini(&r->known);
    prices_destroy(r->prices);
    temp_dir_remove(r->dir);
}

static uint64_t files_hash(const run *r)
{
    uint64_t hash = 0;
    char error[512];
    const char *text;
    size_t length;
    for (size_t i = 0; i < r->count; i++) {
        line_reader *reader;
        CU_ASSERT_EQUAL_FATAL(line_reader_open(r->paths[i], NULL, 0, &reader, error, sizeof error), WEFT_OK);
        while (line_reader_next(reader, true, &text, &length) == LINE_READER_LINE)
            hash = hash * 31 + short_id_hash(text, length);
        line_reader_close(reader);
    }
    return hash;
}

static void one_seed_gives_one_set_of_files_on_every_machine(void)
{
    run a, b, c;
    simulate_opts opts = {.seed = 7, .operators = 3, .sessions = 9, .days = 2};
    run_begin(&a, opts);
    run_begin(&b, opts);
    opts.seed = 8;
    run_begin(&c, opts);
    CU_ASSERT_EQUAL(a.count, 3);
    CU_ASSERT_EQUAL(a.known.sessions.count, 9);
    CU_ASSERT_EQUAL(files_hash(&a), files_hash(&b));
    CU_ASSERT_NOT_EQUAL(files_hash(&a), files_hash(&c));
    CU_ASSERT_EQUAL(files_hash(&a),
                    UINT64_C(0xba97ba0dfb7cd402)); /* changes only when the generator is meant to change */
    run_end(&a);
    run_end(&b);
    run_end(&c);
}

static void print_difference(const char *text, void *user)
{
    (void)user;
    printf("%s\n", text);
}

static void totals_known_before_are_what_the_files_say(void)
{
    char error[512];
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run r;
        totals counted = {0};
        uint64_t skipped;
        run_begin(&r, (simulate_opts){.seed = seed, .sessions = 40});
        CU_ASSERT_EQUAL(
            recount_files((const char *const *)r.paths, r.count, r.prices, &counted, &skipped, error, sizeof error),
            WEFT_OK);
        CU_ASSERT_EQUAL(skipped, 0);
        CU_ASSERT_EQUAL(totals_compare(&r.known, "known", &counted, "files", print_difference, NULL), 0);
        totals_fini(&counted);
        run_end(&r);
    }
}

typedef struct shapes {
    uint64_t by_type[WEFT_EVENT_TYPE_COUNT];
    uint64_t retries;
    uint64_t instant; /* calls whose result came first */
} shapes;

static void on_event(const weft_event *event, void *user)
{
    shapes *s = user;
    CU_ASSERT_EQUAL(weft_event_validate(event, NULL), WEFT_OK);
    s->by_type[event->type]++;
    if (event->type == WEFT_SESSION_STATUS_CHANGED)
        s->retries += event->session_status_changed.status == WEFT_SESSION_RETRY;
    if (event->type == WEFT_TOOL_CALL_END)
        s->instant += event->tool_call_end.duration_ms == 0;
}

static void on_problem(const char *text, void *user)
{
    (void)user;
    printf("%s\n", text);
    CU_FAIL("a line that is no record");
}

static shapes shapes_of(run *r)
{
    shapes s = {0};
    char error[512];
    const char *text;
    size_t length;
    transcript *t;
    transcript_opts opts = {.prices = r->prices, .on_event = on_event, .on_problem = on_problem, .user = &s};
    CU_ASSERT_EQUAL_FATAL(transcript_create(&opts, &t), WEFT_OK);
    for (size_t i = 0; i < r->count; i++) {
        line_reader *reader;
        CU_ASSERT_EQUAL_FATAL(line_reader_open(r->paths[i], NULL, 0, &reader, error, sizeof error), WEFT_OK);
        while (line_reader_next(reader, true, &text, &length) == LINE_READER_LINE)
            (void)transcript_feed(t, r->paths[i], 0, text, length, 0);
        line_reader_close(reader);
    }
    CU_ASSERT_EQUAL(transcript_end(t), WEFT_OK);
    transcript_destroy(t);
    return s;
}

static void a_default_run_has_all_that_real_sessions_have(void)
{
    run r;
    run_begin(&r, (simulate_opts){.seed = 1});
    shapes s = shapes_of(&r);
    CU_ASSERT(r.records > 30000 && r.records < 60000);
    CU_ASSERT_EQUAL(r.known.nodes.count, 5);
    CU_ASSERT_EQUAL(s.by_type[WEFT_SESSION_START], 120);
    CU_ASSERT_EQUAL(s.by_type[WEFT_LLM_RESPONSE_END], r.known.llm_requests);
    CU_ASSERT(s.by_type[WEFT_TOOL_CALL_END] < s.by_type[WEFT_TOOL_CALL_START]);
    CU_ASSERT(s.by_type[WEFT_AGENT_START] > s.by_type[WEFT_AGENT_END]);
    CU_ASSERT(s.by_type[WEFT_AGENT_END] > 10);
    CU_ASSERT(s.by_type[WEFT_CUSTOM] > 10);
    CU_ASSERT(s.retries > 5);
    CU_ASSERT(s.instant > 0);
    CU_ASSERT(r.known.tool_errors * 50 > r.known.tool_calls);
    CU_ASSERT(r.known.agent_errors > s.retries);
    CU_ASSERT(r.known.models.count >= 3);
    CU_ASSERT(r.known.tools.count >= 10);
    run_end(&r);
}

static void says_why_it_cannot_write(void)
{
    totals t = {0};
    prices *p;
    char error[512] = "";
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    simulate_opts opts = {.dir = "/nowhere/at/all"};
    CU_ASSERT_EQUAL(simulate_write(&opts, p, &t, NULL, NULL, NULL, error, sizeof error), WEFT_IO);
    CU_ASSERT_STRING_EQUAL(error, "/nowhere/at/all: No such file or directory");
    opts.operators = SIMULATE_OPERATORS_MAX + 1;
    CU_ASSERT_EQUAL(simulate_write(&opts, p, &t, NULL, NULL, NULL, error, sizeof error), WEFT_INVALID);
    totals_fini(&t);
    prices_destroy(p);
}

SUITE(nodes_simulate, CASE(one_seed_gives_one_set_of_files_on_every_machine),
      CASE(totals_known_before_are_what_the_files_say), CASE(a_default_run_has_all_that_real_sessions_have),
      CASE(says_why_it_cannot_write))
