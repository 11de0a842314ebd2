/* What a node tells of itself: sums per model, the newest sessions, and never more than 64 KiB. */
#include "bridge/node_state.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weft__state *shown(weft__node_state *state, size_t *ret_bytes)
{
    uint8_t *bytes;
    weft__state *m;
    CU_ASSERT_EQUAL_FATAL(weft__node_state_encode(state, "a", 5, 1, &bytes, ret_bytes), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__state_decode(bytes, *ret_bytes, &m, NULL), WEFT_OK);
    free(bytes);
    return m;
}

static void session(weft__node_state *state, weft_event_type type, int number, int64_t at)
{
    char id[WEFT_ID_MAX_BYTES + 1];
    snprintf(id, sizeof id, "session-%0100d", number);
    weft__node_state_add(state, &(weft_event){.type = type, .session_id = id, .timestamp_ms = at});
}

static void usage(weft__node_state *state, const char *model, uint64_t tokens)
{
    weft__node_state_add(state,
                         &(weft_event){.type = WEFT_TOKEN_USAGE,
                                       .token_usage = {.model = model, .input_tokens = tokens, .cost_usd = 0.1}});
}

static void sums_are_exact_and_begin_anew_with_an_epoch(void)
{
    weft__node_state *state;
    size_t bytes;
    CU_ASSERT_EQUAL_FATAL(weft__node_state_create(&state), WEFT_OK);
    for (int i = 0; i < 30; i++)
        usage(state, i % 2 ? "x" : "y", 2);
    session(state, WEFT_SESSION_START, 1, 10);
    weft__state *m = shown(state, &bytes);
    CU_ASSERT_EQUAL_FATAL(m->model_count, 2);
    CU_ASSERT_EQUAL(m->models[0].input_tokens, 30);
    CU_ASSERT_EQUAL(m->models[0].cost_nano_usd, 1500000000);
    CU_ASSERT_EQUAL(m->sessions_started, 1);
    free(m);
    weft__node_state_begin_epoch(state);
    m = shown(state, &bytes);
    CU_ASSERT_EQUAL(m->model_count, 0);
    CU_ASSERT_EQUAL(m->sessions_started, 0);
    CU_ASSERT_EQUAL(m->sessions_live, 1);
    free(m);
    weft__node_state_destroy(state);
}

static void the_newest_sessions_are_shown_and_the_rest_said_to_be_left_out(void)
{
    weft__node_state *state;
    size_t bytes;
    CU_ASSERT_EQUAL_FATAL(weft__node_state_create(&state), WEFT_OK);
    for (int i = 0; i < 20000; i++)
        session(state, WEFT_SESSION_START, i, i);
    weft__state *m = shown(state, &bytes);
    CU_ASSERT_TRUE(bytes <= 64 * 1024);
    CU_ASSERT_TRUE(m->truncated);
    CU_ASSERT_TRUE(m->session_count > 100 && m->session_count <= 500);
    CU_ASSERT_EQUAL(m->sessions[0].changed_ms, 19999);
    CU_ASSERT_EQUAL(m->sessions_started, 20000);
    CU_ASSERT_EQUAL(m->sessions_live, 10000);
    free(m);
    for (int i = 0; i < 20000; i++)
        session(state, WEFT_SESSION_END, i, i);
    m = shown(state, &bytes);
    CU_ASSERT_EQUAL(m->sessions_live, 0);
    CU_ASSERT_FALSE(m->truncated);
    free(m);
    weft__node_state_destroy(state);
}

static void names_without_end_do_not_break_the_bound_nor_the_sum(void)
{
    weft__node_state *state;
    size_t bytes;
    char name[20000];
    CU_ASSERT_EQUAL_FATAL(weft__node_state_create(&state), WEFT_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%0*d", i % 3 == 0 ? 19000 : 120, i);
        usage(state, name, 1);
    }
    weft__state *m = shown(state, &bytes);
    CU_ASSERT_TRUE(bytes <= 64 * 1024);
    uint64_t sum = 0;
    for (size_t i = 0; i < m->model_count; i++)
        sum += m->models[i].input_tokens;
    CU_ASSERT_EQUAL(sum, 1000);
    free(m);
    weft__node_state_destroy(state);
}

SUITE(bridge_node_state, CASE(sums_are_exact_and_begin_anew_with_an_epoch),
      CASE(the_newest_sessions_are_shown_and_the_rest_said_to_be_left_out),
      CASE(names_without_end_do_not_break_the_bound_nor_the_sum))
