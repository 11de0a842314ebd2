/* nodes/simulate_turn.c: what happens between a prompt and the end of the answer. The figures are quantiles and rates
 * of a month of real sessions; what the totals must be is counted here, where it is decided. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodes/simulate_private.h"

#define MILLION 1000000u

static const quantiles input_tokens = {{1, 7, 8, 8, 9, 10, 128, 2000}};
static const quantiles output_tokens = {{1, 1, 1, 3, 129, 418, 1634, 8822}};
static const quantiles new_context = {{60, 179, 355, 662, 1379, 4099, 16000, 40000}};
static const quantiles first_context = {{14000, 17000, 19000, 22000, 30000, 42000, 60000, 90000}};
static const quantiles prompt_bytes = {{2, 12, 40, 120, 420, 1800, 9000, 30000}};
static const quantiles content_bytes = {{0, 30, 90, 500, 2400, 9000, 40000, 90000}};
static const quantiles line_gap_ms = {{40, 300, 450, 700, 1100, 2200, 9000, 30000}};
static const quantiles answer_ms = {{900, 1800, 2400, 3300, 5200, 9000, 31000, 90000}};
static const quantiles requests_per_turn = {{1, 1, 2, 5, 10, 19, 52, 90}};
static const quantiles requests_per_agent = {{1, 2, 5, 9, 15, 24, 40, 60}};
static const quantiles wait_for_person_ms = {{60000, 120000, 400000, 1200000, 5000000, 20000000, 60000000, 78000000}};

enum { CONTEXT_MAX = 155000 };

typedef struct tool {
    const char *name;
    uint32_t weight;
    uint32_t error_ppm;
    bool mcp;
    quantiles ms;
} tool;

static const tool tools[] = {
    {"Bash", 2880, 79000, false, {{31, 165, 441, 2539, 6172, 22302, 120000, 600000}}},
    {"Read", 2411, 12000, false, {{5, 40, 65, 129, 280, 631, 1962, 12000}}},
    {"Edit", 2175, 49000, false, {{5, 38, 65, 157, 1557, 27944, 120000, 487224}}},
    {"Grep", 1335, 15000, false, {{100, 373, 429, 509, 719, 1207, 2409, 4615}}},
    {"TodoWrite", 447, 0, false, {{10, 25, 43, 77, 157, 322, 2974, 43880}}},
    {"Glob", 126, 60000, false, {{49, 365, 444, 592, 1141, 1513, 4901, 8177}}},
    {"Task", 94, 60000, false, {{0, 0, 0, 0, 0, 0, 0, 0}}}, /* as long as its subagent */
    {"Write", 78, 38000, false, {{2, 32, 104, 444, 10233, 59286, 160759, 260759}}},
    {"mcp__tracker__get_issue", 40, 120000, true, {{200, 400, 600, 940, 1400, 2300, 6000, 9000}}},
    {"TaskOutput", 33, 30000, false, {{85, 355, 1154, 2800, 60549, 96546, 300075, 300075}}},
    {"Skill", 23, 40000, false, {{5, 10, 14, 20, 40, 70, 200, 400}}},
    {"WebFetch", 12, 80000, false, {{900, 1500, 2500, 4000, 6500, 9000, 20000, 40000}}},
    {"AskUserQuestion", 8, 120000, false, {{4000, 9000, 20000, 45000, 90000, 200000, 900000, 3000000}}},
};

typedef struct pending_call {
    const tool *tool;
    char id[SIM_ID_BYTES];
    int64_t time_ms;
} pending_call;

enum { CALLS_MAX = 4 };

static random_source *random_of(const sim_speaker *sp)
{
    return &sp->session->sim->random;
}

static void check(simulation *sim, bool ok)
{
    sim->failed |= !ok;
}

static void run_agent(sim_session *s, const pending_call *call);

/* ---- tools ---- */

static const tool *tool_choose(sim_speaker *sp)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        sum += tools[i].weight;
    uint64_t at = random_below(random_of(sp), sum);
    const tool *chosen = tools;
    while (at >= chosen->weight)
        at -= (chosen++)->weight;
    bool subagent = sp->agent[0] != '\0';
    return subagent && strcmp(chosen->name, "Task") == 0 ? tools : chosen;
}

/* Progress while a tool runs: once a second for commands, at both ends for remote tools. */
static void tool_progress(sim_session *s, const pending_call *call, int64_t duration_ms)
{
    if (!s->progress)
        return;
    for (int second = 2; call->tool == tools && second * 1000 < duration_ms && second < 12; second++)
        sim_record(
            s, call->time_ms + second * 1000, "progress",
            ",\"toolUseID\":\"bash-progress-%d\",\"parentToolUseID\":\"%s\",\"data\":{\"type\":\"bash_progress\","
            "\"elapsedTimeSeconds\":%d,\"totalLines\":%d}",
            second - 2, call->id, second, second * 3);
    for (int end = 0; call->tool->mcp && end < 2; end++)
        sim_record(
            s, call->time_ms + (end == 0 ? 1 : duration_ms - 1), "progress",
            ",\"toolUseID\":\"%s\",\"parentToolUseID\":\"%s\",\"data\":{\"type\":\"mcp_progress\",\"status\":\"%s\","
            "\"serverName\":\"tracker\",\"toolName\":\"get_issue\"}",
            call->id, call->id, end == 0 ? "started" : "completed");
}

static void say_result(sim_speaker *sp, const pending_call *call, int64_t time_ms, bool error, const char *members)
{
    char message[256];
    snprintf(
        message, sizeof message,
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"%s\",\"content_bytes\":%" PRIu64
        "%s}]}",
        call->id, random_quantile(random_of(sp), &content_bytes), error ? ",\"is_error\":true" : "");
    sim_say(sp, time_ms, "user", message, members);
}

/* Runs one call to its end; false if it never ends. */
static bool run_call(sim_speaker *sp, const pending_call *call)
{
    sim_session *s = sp->session;
    random_source *r = random_of(sp);
    bool subagent = sp->agent[0] != '\0';
    if (!subagent && random_chance(r, 600))
        return false;
    if (strcmp(call->tool->name, "Task") == 0) {
        run_agent(s, call);
        return true;
    }
    bool error = random_chance(r, call->tool->error_ppm);
    int64_t duration = (int64_t)random_quantile(r, &call->tool->ms);
    if (random_chance(r, 700))
        duration = (int64_t)random_quantile(r, &wait_for_person_ms);
    else if (!subagent && random_chance(r, 200))
        duration = -(int64_t)random_below(r, 5); /* the result is written before its call */
    if (!subagent)
        tool_progress(s, call, duration);
    say_result(sp, call, call->time_ms + duration, error,
               error && !subagent ? ",\"toolUseResult\":{\"text_bytes\":80,\"error\":true}" : "");
    if (error)
        check(s->sim, totals_add_call_error(s->sim->totals, call->tool->name));
    if (call->time_ms + duration > s->now_ms)
        s->now_ms = call->time_ms + duration;
    return true;
}

/* ---- requests ---- */

typedef struct answer {
    char id[SIM_ID_BYTES];
    char request_id[SIM_ID_BYTES];
    token_counts tokens;
    uint64_t line_output; /* what the line at hand says */
} answer;

static void say_line(sim_speaker *sp, const answer *a, const char *content)
{
    char message[1024], members[96];
    snprintf(message, sizeof message,
             "{\"id\":\"%s\",\"model\":\"%s\",\"role\":\"assistant\",\"stop_reason\":null,\"usage\":{\"input_tokens\":"
             "%" PRIu64 ",\"cache_creation_input_tokens\":%" PRIu64 ",\"cache_read_input_tokens\":%" PRIu64
             ",\"output_tokens\":%" PRIu64 ",\"service_tier\":\"standard\"},\"content\":[%s]}",
             a->id, sp->model, a->tokens.input, a->tokens.cache_write, a->tokens.cache_read, a->line_output, content);
    snprintf(members, sizeof members, ",\"requestId\":\"%s\"", a->request_id);
    sim_say(sp, sp->session->now_ms, "assistant", message, members);
}

static void next_line(sim_speaker *sp, answer *a, bool last)
{
    random_source *r = random_of(sp);
    sp->session->now_ms += (int64_t)random_quantile(r, &line_gap_ms);
    /* Most answers repeat one usage; some grow, and their last line has it all. */
    a->line_output = last || random_chance(r, 900000) ? a->tokens.output : 1 + random_below(r, a->tokens.output);
}

static void answer_begin(sim_speaker *sp, answer *a)
{
    simulation *sim = sp->session->sim;
    random_source *r = random_of(sp);
    uint64_t fresh = random_quantile(r, *sp->context == 0 ? &first_context : &new_context);
    sim_id(sim, "msg_01", a->id);
    sim_id(sim, "req_011C", a->request_id);
    memcpy(sp->message_uuid, a->id, sizeof a->id);
    a->tokens = (token_counts){.cache_read = *sp->context, .cache_write = fresh};
    a->tokens.input = random_quantile(r, &input_tokens);
    a->tokens.output = random_quantile(r, &output_tokens);
    *sp->context += fresh;
    sp->session->now_ms += (int64_t)random_quantile(r, &answer_ms);
    check(sim, totals_add_request(sim->totals, sp->model, &a->tokens,
                                  prices_cost(sim->prices, sp->model, &a->tokens, NULL)));
}

/* One line a call, each with the usage once more. */
static size_t say_calls(sim_speaker *sp, answer *a, pending_call calls[CALLS_MAX])
{
    sim_session *s = sp->session;
    random_source *r = random_of(sp);
    size_t count = 1;
    while (count < CALLS_MAX && random_chance(r, 60000))
        count++;
    for (size_t i = 0; i < count; i++) {
        char content[256];
        next_line(sp, a, i + 1 == count);
        calls[i] = (pending_call){.tool = tool_choose(sp), .time_ms = s->now_ms};
        sim_id(s->sim, "toolu_01", calls[i].id);
        snprintf(content, sizeof content,
                 "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":\"%s\",\"input_bytes\":%" PRIu64 "}", calls[i].id,
                 calls[i].tool->name, 20 + random_below(r, 900));
        say_line(sp, a, content);
        check(s->sim, totals_add_call(s->sim->totals, calls[i].tool->name));
    }
    return count;
}

static void say_words(sim_speaker *sp, answer *a, bool final)
{
    random_source *r = random_of(sp);
    char content[96];
    if (random_chance(r, 920000)) {
        next_line(sp, a, false);
        snprintf(content, sizeof content, "{\"type\":\"thinking\",\"thinking_bytes\":%" PRIu64 "}",
                 50 + random_below(r, 1500));
        say_line(sp, a, content);
    }
    if (final || random_chance(r, 330000)) {
        next_line(sp, a, final);
        snprintf(content, sizeof content, "{\"type\":\"text\",\"text_bytes\":%" PRIu64 "}", 20 + random_below(r, 900));
        say_line(sp, a, content);
    }
}

/* One request and the tools that it calls. Returns whether the turn may go on. */
static bool run_request(sim_speaker *sp, bool final)
{
    answer a;
    pending_call calls[CALLS_MAX];
    answer_begin(sp, &a);
    say_words(sp, &a, final);
    if (final)
        return false;
    size_t count = say_calls(sp, &a, calls);
    bool ended = true;
    for (size_t i = 0; i < count; i++)
        ended &= run_call(sp, &calls[i]);
    return ended;
}

/* ---- subagents ---- */

static void agent_result(sim_speaker *main, const pending_call *call, const char *agent, int64_t started_ms)
{
    sim_session *s = main->session;
    char members[256];
    bool error = random_chance(random_of(main), call->tool->error_ppm);
    bool detached = !error && random_chance(random_of(main), 140000);
    int64_t now = s->now_ms;
    if (error)
        members[0] = '\0';
    else if (detached)
        snprintf(members, sizeof members, ",\"toolUseResult\":{\"agentId\":\"%s\",\"status\":\"async_launched\"}",
                 agent);
    else
        snprintf(members, sizeof members,
                 ",\"toolUseResult\":{\"agentId\":\"%s\",\"status\":\"completed\",\"totalDurationMs\":%" PRId64
                 ",\"totalTokens\":%" PRIu64 ",\"totalToolUseCount\":%d}",
                 agent, now - started_ms, 5000 + random_below(random_of(main), 60000), 4);
    say_result(main, call, now, error, members);
    if (error)
        check(s->sim, totals_add_call_error(s->sim->totals, call->tool->name));
}

/* A subagent between its call and the result. Old versions of the agent tell nothing of what it does. */
static void run_agent(sim_session *s, const pending_call *call)
{
    static const char small_model[] = "claude-haiku-4-5-20251001";
    random_source *r = &s->sim->random;
    uint64_t context = 0;
    bool small = random_chance(r, 300000);
    sim_speaker main = {.session = s, .model = s->model, .context = &s->context};
    sim_speaker sub = {
        .session = s, .model = small ? small_model : s->model, .context = &context, .parent_call = call->id};
    int64_t started_ms = s->now_ms > call->time_ms ? s->now_ms : call->time_ms;
    snprintf(sub.agent, sizeof sub.agent, "a%06x", (unsigned)random_below(r, 0x1000000));
    sim_uuid(s->sim, sub.message_uuid);
    s->now_ms = started_ms + 20;
    if (!s->progress) {
        s->now_ms += (int64_t)(5000 + random_below(r, 200000));
    } else {
        sim_say(&sub, s->now_ms, "user", "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text_bytes\":1400}]}",
                "");
        uint64_t requests = random_quantile(r, &requests_per_agent);
        for (uint64_t i = 1; i <= requests; i++)
            (void)run_request(&sub, i == requests);
    }
    agent_result(&main, call, sub.agent, started_ms);
}

/* ---- turns ---- */

static void say_synthetic(sim_speaker *main, bool api_error)
{
    char message[320], id[SIM_ID_BYTES];
    sim_uuid(main->session->sim, id);
    snprintf(
        message, sizeof message,
        "{\"id\":\"%s\",\"model\":\"<synthetic>\",\"role\":\"assistant\",\"stop_reason\":\"stop_sequence\",\"usage\":{"
        "\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0},"
        "\"content\":[{\"type\":\"text\",\"text_bytes\":22}]}",
        id);
    sim_say(main, main->session->now_ms, "assistant", message,
            api_error ? ",\"isApiErrorMessage\":true,\"error\":\"unknown\"" : "");
    main->session->sim->totals->agent_errors++;
}

/* The service is overloaded: tries with growing delays. Returns whether it came back. */
static bool retry(sim_speaker *main)
{
    sim_session *s = main->session;
    random_source *r = random_of(main);
    int attempts = 1 + (int)random_below(r, 4);
    bool back = !random_chance(r, 100000);
    if (!back)
        attempts = 10;
    for (int i = 1; i <= attempts; i++) {
        uint64_t delay_us = (500000u << (i - 1 < 6 ? i - 1 : 6)) + random_below(r, 100000);
        sim_record(s, s->now_ms, "system",
                   ",\"subtype\":\"api_error\",\"retryInMs\":%" PRIu64 ".%03u,\"retryAttempt\":%d,\"maxRetries\":10,"
                   "\"level\":\"error\",\"error\":{\"status\":529}",
                   delay_us / 1000, (unsigned)(delay_us % 1000), i);
        s->sim->totals->agent_errors++;
        s->now_ms += (int64_t)(delay_us / 1000) + 900;
    }
    if (!back)
        say_synthetic(main, true);
    return back;
}

static void compact(sim_session *s)
{
    sim_record(s, s->now_ms, "system",
               ",\"subtype\":\"compact_boundary\",\"level\":\"info\",\"compactMetadata\":{\"trigger\":\"auto\","
               "\"preTokens\":%" PRIu64 "}",
               s->context);
    sim_record(s, s->now_ms + 1, "user",
               ",\"isCompactSummary\":true,\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text_"
               "bytes\":9000}]}");
    s->context = 0;
    s->now_ms += 2000;
}

static void turn_end(sim_session *s, int64_t started_ms)
{
    random_source *r = &s->sim->random;
    if (random_chance(r, 720000))
        sim_record(s, s->now_ms + 40, "system",
                   ",\"subtype\":\"stop_hook_summary\",\"hookCount\":1,\"hookErrors\":0,\"level\":\"suggestion\"");
    if (random_chance(r, 450000))
        sim_record(s, s->now_ms + 60, "system", ",\"subtype\":\"turn_duration\",\"durationMs\":%" PRId64,
                   s->now_ms - started_ms);
    s->now_ms += 100;
}

void sim_turn(sim_session *s)
{
    random_source *r = &s->sim->random;
    sim_speaker main = {.session = s, .model = s->model, .context = &s->context};
    int64_t started_ms = s->now_ms;
    if (random_chance(r, 60000))
        sim_bare_record(s, s->now_ms, "queue-operation", ",\"operation\":\"enqueue\"");
    sim_record(s, s->now_ms, "user",
               ",\"message\":{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text_bytes\":%" PRIu64 "}]}",
               random_quantile(r, &prompt_bytes));
    uint64_t requests = random_quantile(r, &requests_per_turn);
    bool going = true;
    for (uint64_t i = 1; going && i <= requests; i++) {
        if (s->context > CONTEXT_MAX)
            compact(s);
        if (random_chance(r, 1200) && !retry(&main))
            break;
        going = run_request(&main, i == requests);
    }
    if (random_chance(r, 15000))
        say_synthetic(&main, false);
    turn_end(s, started_ms);
}
