/* Totals: what counts, and that no difference between two of them stays hidden. */
#include "nodes/totals.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"

static void add(totals *t, weft_event event)
{
    CU_ASSERT_EQUAL(totals_add_event(t, &event), WEFT_OK);
}

/* One of everything that counts. */
static void fill(totals *t)
{
    weft_event_id a = {.node = "a", .epoch = 1}, b = {.node = "b", .epoch = 1};
    add(t, (weft_event){.type = WEFT_SESSION_START, .id = a, .session_id = "s1"});
    add(t, (weft_event){.type = WEFT_SESSION_START, .id = b, .session_id = "s2"});
    add(t, (weft_event){.type = WEFT_LLM_RESPONSE_END, .id = a, .session_id = "s1"});
    add(t, (weft_event){.type = WEFT_TOKEN_USAGE,
                        .id = a,
                        .session_id = "s1",
                        .token_usage = {.model = "m",
                                        .input_tokens = 1,
                                        .output_tokens = 2,
                                        .cache_read_tokens = 3,
                                        .cache_write_tokens = 4,
                                        .cost_usd = 0.1}});
    add(t, (weft_event){.type = WEFT_TOOL_CALL_START, .id = b, .tool_call_start = {.tool_name = "Bash"}});
    add(t, (weft_event){.type = WEFT_TOOL_CALL_END, .id = b, .tool_call_end = {.tool_name = "Bash"}});
    add(t, (weft_event){.type = WEFT_AGENT_ERROR, .id = b, .session_id = "s2"});
}

static void counts_events_of_all_nodes(void)
{
    totals t = {0};
    fill(&t);
    fill(&t);
    json_t *object = totals_to_json(&t);
    char *text = json_dumps(object, JSON_COMPACT | TOTALS_JSON_FLAGS);
    CU_ASSERT_STRING_EQUAL(
        text,
        "{\"nodes\":2,\"sessions\":2,\"llm_requests\":2,\"input_tokens\":2,\"output_tokens\":4,\"cache_read_tokens\":6,"
        "\"cache_write_tokens\":8,\"cost_usd\":0.2,\"tool_calls\":2,\"tool_errors\":2,\"agent_errors\":2,\"models\":{"
        "\"m\":"
        "{\"requests\":2,\"input_tokens\":2,\"output_tokens\":4,\"cache_read_tokens\":6,\"cache_write_tokens\":8,"
        "\"cost_usd\":0.2}},\"tools\":{\"Bash\":{\"calls\":2,\"errors\":2}}}");
    CU_ASSERT_EQUAL(t.events_by_type[WEFT_SESSION_START], 4);
    free(text);
    json_decref(object);
    totals_fini(&t);
}

static void leaves_out_what_is_no_call_and_what_an_observer_made_up(void)
{
    totals t = {0};
    add(&t, (weft_event){.type = WEFT_TOOL_CALL_END, .tool_call_end = {.tool_name = "", .success = false}});
    add(&t, (weft_event){.type = WEFT_TOOL_CALL_END, .tool_call_end = {.tool_name = "(unknown)", .success = false}});
    add(&t, (weft_event){.type = WEFT_TOOL_CALL_END, .tool_call_end = {.tool_name = "Read", .success = true}});
    add(&t, (weft_event){.type = WEFT_TOOL_CALL_END,
                         .flags = WEFT_FLAG_SYNTHETIC,
                         .tool_call_end = {.tool_name = "Read", .success = false}});
    CU_ASSERT_EQUAL(t.tool_calls, 0);
    CU_ASSERT_EQUAL(t.tool_errors, 0);
    CU_ASSERT_EQUAL(t.tools.count, 0);
    totals_fini(&t);
}

static void sums_money_exactly(void)
{
    totals t = {0};
    for (int i = 0; i < 1000000; i++)
        add(&t, (weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m", .cost_usd = 0.000000001}});
    CU_ASSERT_EQUAL(t.cost_nano_usd, 1000000);
    totals_fini(&t);
}

static char differences[4096];

static void on_difference(const char *text, void *user)
{
    (void)user;
    strncat(differences, text, sizeof differences - strlen(differences) - 1);
    strncat(differences, "\n", sizeof differences - strlen(differences) - 1);
}

static void compares_every_figure(void)
{
    totals a = {0}, b = {0}, none = {0};
    fill(&a);
    fill(&b);
    CU_ASSERT_EQUAL(totals_compare(&a, "observer", &b, "files", on_difference, NULL), 0);
    CU_ASSERT_STRING_EQUAL(differences, "");
    CU_ASSERT_EQUAL(totals_compare(&a, "observer", &none, "files", NULL, NULL), 11 + 4 + 6 + 2);
    CU_ASSERT_EQUAL(totals_compare(&none, "observer", &a, "files", NULL, NULL), 11 + 4 + 6 + 2);
    totals_fini(&a);
    totals_fini(&b);
}

static void names_what_differs(void)
{
    totals a = {0}, b = {0};
    fill(&a);
    fill(&b);
    differences[0] = '\0';
    CU_ASSERT(totals_add_call(&b, "Read"));
    CU_ASSERT(totals_add_session(&a, "s3"));
    CU_ASSERT(totals_add_session(&b, "s4"));
    CU_ASSERT(totals_add_request(&b, "m", &(token_counts){.output = 1}, 1));
    totals_compare(&a, "observer", &b, "files", on_difference, NULL);
    CU_ASSERT_STRING_EQUAL(differences, "llm_requests: observer 1, files 2\n"
                                        "output_tokens: observer 2, files 3\n"
                                        "cost_usd: observer 0.100000000, files 0.100000001\n"
                                        "tool_calls: observer 1, files 2\n"
                                        "name s3 seen: observer 1, files 0\n"
                                        "name s4 seen: observer 0, files 1\n"
                                        "model m requests: observer 1, files 2\n"
                                        "model m output_tokens: observer 2, files 3\n"
                                        "model m cost_usd: observer 0.100000000, files 0.100000001\n"
                                        "tool Read calls: observer 0, files 1\n");
    totals_fini(&a);
    totals_fini(&b);
}

SUITE(nodes_totals, CASE(counts_events_of_all_nodes), CASE(leaves_out_what_is_no_call_and_what_an_observer_made_up),
      CASE(sums_money_exactly), CASE(compares_every_figure), CASE(names_what_differs))
