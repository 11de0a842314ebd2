/* tests/bench/load.c: the script that every session repeats: its variants as often, and its strings as long, as in
 * recorded sessions of coding agents. */
#include "bench/load.h"

#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN_MS 1767614400000

#define MODEL "claude-opus-4-5-20251101"
#define EVENT(kind, ...)                                                                                               \
    {                                                                                                                  \
        .type = WEFT_##kind, .source = "claude-code", __VA_ARGS__                                                      \
    }
#define REQUEST                                                                                                        \
    EVENT(LLM_REQUEST_START, .llm_request_start = {.model = MODEL}),                                                   \
        EVENT(LLM_RESPONSE_END, .llm_response_end = {.model = MODEL}),                                                 \
        EVENT(TOKEN_USAGE, .token_usage = {.model = MODEL})
#define CALL(tool)                                                                                                     \
    EVENT(TOOL_CALL_START, .tool_call_start = {.tool_name = (tool)}),                                                  \
        EVENT(TOOL_CALL_END, .tool_call_end = {.tool_name = (tool), .success = true})
#define STATUS(value) EVENT(SESSION_STATUS_CHANGED, .session_status_changed = {.status = WEFT_SESSION_##value})

/* An end stands right behind its beginning: so they get the same id. */
static const weft_event script[] = {
    EVENT(SESSION_START, .session_start = {0}),
    STATUS(BUSY),
    EVENT(CONFIG_RELOADED, .config_reloaded = {0}),
    REQUEST,
    CALL("Read"),
    REQUEST,
    CALL("Bash"),
    EVENT(AGENT_START, .agent_start = {.task = "explore the parser and its tests"}),
    REQUEST,
    CALL("Grep"),
    REQUEST,
    EVENT(SESSION_MUTATION, .session_mutation = {.mutation = "message_added", .seq = 17}),
    REQUEST,
    CALL("Edit"),
    EVENT(AGENT_ERROR, .agent_error = {.error = "529 overloaded_error: Overloaded"}),
    EVENT(SESSION_STATUS_CHANGED, .session_status_changed = {.status = WEFT_SESSION_RETRY,
                                                             .attempt = 1,
                                                             .message = "overloaded",
                                                             .next_retry_ms = 1767614405000}),
    REQUEST,
    CALL("Bash"),
    REQUEST,
    EVENT(CUSTOM, .custom = {.event_type = "hook.progress",
                             .source = "hooks",
                             .data_json = "{\"hookEvent\":\"PreToolUse\",\"hookName\":\"PreToolUse:Bash\",\"ms\":41}"}),
    REQUEST,
    CALL("mcp__github__get_pull_request"),
    EVENT(AGENT_END, .agent_end = {.success = true}),
    REQUEST,
    CALL("Read"),
    REQUEST,
    REQUEST,
    EVENT(CUSTOM, .custom = {.event_type = "queue-operation",
                             .source = "claude-code",
                             .data_json = "{\"operation\":\"enqueue\",\"bytes\":182}"}),
    REQUEST,
    EVENT(BUDGET_EXHAUSTED, .budget_exhausted = {.budget_usd = 5, .total_cost_usd = 5.0173}),
    EVENT(SHUTDOWN_REQUESTED, .shutdown_requested = {.reason = "budget"}),
    STATUS(IDLE),
    EVENT(SESSION_END, .session_end = {0}),
};
enum { SCRIPT_STEPS = sizeof script / sizeof *script };
_Static_assert((int)SCRIPT_STEPS == (int)BENCH_SCRIPT_MAX, "the array of steps has room for a whole script");

/* The finaliser of SplitMix64. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void bench_load_init(bench_load *load, uint64_t seed, unsigned sessions, uint32_t topics)
{
    *load = (bench_load){
        .seed = mixed(seed + 1), .session_count = sessions, .sessions = calloc(sessions, sizeof *load->sessions)};
    if (load->sessions == NULL)
        bench_die("out of memory");
    for (unsigned i = 0; i < sessions; i++) {
        uint64_t id = mixed(load->seed + i);
        snprintf(load->sessions[i].id, sizeof load->sessions[i].id, "%08x-5a54-4d0c-9a5e-%012llx", (unsigned)(id >> 32),
                 (unsigned long long)(id & 0xffffffffffff));
        snprintf(load->sessions[i].agent, sizeof load->sessions[i].agent, "a%07x", (unsigned)(id & 0xfffffff));
    }
    for (unsigned i = 0; i < SCRIPT_STEPS; i++)
        if (topics == 0 || (weft_event_topic(&script[i]) & topics) != 0)
            load->steps[load->step_count++] = (uint8_t)i;
}

void bench_load_fini(bench_load *load)
{
    free(load->sessions);
}

/* prefix, 16 digits, and six letters as such ids have. */
static const char *id_write(char id[32], const char *prefix, uint64_t value)
{
    size_t at = strlen(prefix);
    memcpy(id, prefix, at);
    for (int shift = 60; shift >= 0; shift -= 4)
        id[at++] = "0123456789abcdef"[value >> shift & 15];
    memcpy(id + at, "YYHkQi", 7);
    return id;
}

static void amounts_set(weft_event *event, uint64_t random)
{
    struct weft_token_usage *usage = &event->token_usage;
    usage->input_tokens = 1 + (random & 15);
    usage->output_tokens = random >> 4 & 1023;
    usage->cache_read_tokens = random >> 14 & 0x1ffff;
    usage->cache_write_tokens = random >> 31 & 4095;
    usage->cost_usd = (double)(usage->output_tokens * 250 + usage->cache_read_tokens * 5) / 1e7;
}

static void details_set(weft_event *event, uint64_t place, bench_load_text *text, uint64_t seed)
{
    switch (event->type) {
    case WEFT_TOOL_CALL_START:
        event->tool_call_start.call_id = id_write(text->call, "toolu_01", mixed(seed ^ place));
        break;
    case WEFT_TOOL_CALL_END:
        event->tool_call_end.call_id = id_write(text->call, "toolu_01", mixed(seed ^ (place - 1)));
        event->tool_call_end.duration_ms = place & 8191;
        break;
    case WEFT_LLM_REQUEST_START:
        event->llm_request_start.request_id = id_write(text->request, "msg_01", mixed(seed ^ place));
        break;
    case WEFT_LLM_RESPONSE_END:
        event->llm_response_end.request_id = id_write(text->request, "msg_01", mixed(seed ^ (place - 1)));
        event->llm_response_end.input_tokens = 1 + (place & 15);
        event->llm_response_end.output_tokens = place & 1023;
        event->llm_response_end.duration_ms = 1000 + (place & 4095);
        break;
    case WEFT_TOKEN_USAGE:
        amounts_set(event, mixed(seed ^ place));
        break;
    default:
        break;
    }
}

void bench_load_event(const bench_load *load, uint64_t number, bench_load_text *text, weft_event *ret)
{
    const bench_load_session *session = &load->sessions[number % load->session_count];
    uint64_t turn = number / load->session_count;
    unsigned step = load->steps[turn % load->step_count];
    /* Of each step of each repetition of the script in each session its own. */
    uint64_t place = (number - turn % load->step_count * load->session_count) * BENCH_SCRIPT_MAX + step;
    *ret = script[step];
    ret->timestamp_ms = ORIGIN_MS + (int64_t)number;
    ret->session_id = session->id;
    ret->agent_id = session->agent;
    details_set(ret, place, text, load->seed);
}

uint64_t bench_load_number(const weft_event *event)
{
    return (uint64_t)(event->timestamp_ms - ORIGIN_MS);
}
