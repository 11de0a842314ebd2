/* tests/bench/work.c: the sample, the handlers, and the bytes of an event. */
#include "bench/work.h"

#include "bench/bench.h"

#include <string.h>

const weft_event bench_sample = {
    .type = WEFT_TOKEN_USAGE,
    .timestamp_ms = 1767614400000,
    .source = "agent",
    .session_id = "8c1f2f0e-5a54-4d0c-9a5e-0d2b9a7f6c11",
    .agent_id = "a1",
    .token_usage = {.model = "claude-opus-4-5",
                    .input_tokens = 9,
                    .output_tokens = 412,
                    .cache_read_tokens = 48211,
                    .cache_write_tokens = 733,
                    .cost_usd = 0.0389},
};

static void guard_add(bench_guard *guard, const weft_event *event)
{
    guard->input_tokens += event->token_usage.input_tokens;
    guard->output_tokens += event->token_usage.output_tokens;
    guard->cost_usd += event->token_usage.cost_usd;
}

weft_status bench_on_event(const weft_event *event, void *user)
{
    guard_add(user, event);
    return WEFT_OK;
}

weft_status bench_on_queued(const weft_event *event, void *user)
{
    bench_guard *guard = user;
    guard_add(guard, event);
    if (--guard->left == 0)
        sem_post(guard->done);
    return WEFT_OK;
}

weft_event_type bench_work_type(const bench_work *work, unsigned i)
{
    static const weft_event_type types[] = {WEFT_TOKEN_USAGE,       WEFT_TOOL_CALL_START,  WEFT_TOOL_CALL_END,
                                            WEFT_LLM_REQUEST_START, WEFT_LLM_RESPONSE_END, WEFT_AGENT_START,
                                            WEFT_AGENT_END,         WEFT_AGENT_ERROR};
    return types[work->types != 0 ? i % work->types : 0];
}

const char *bench_work_session(const bench_work *work, unsigned i)
{
    if (!work->by_session)
        return NULL;
    return work->sessions != NULL ? work->sessions[i] : bench_sample.session_id;
}

void bench_work_check(const bench_work *work, uint64_t events)
{
    for (unsigned i = 0; i < work->subscribers; i++) {
        uint64_t due = bench_work_type(work, i) == bench_sample.type ? events : 0;
        if (work->guards[i].input_tokens != due * bench_sample.token_usage.input_tokens)
            bench_die("a handler has not seen just what was published");
    }
}

static uint16_t text_put(bench_message *message, uint16_t offset, const char *string)
{
    size_t bytes = strlen(string) + 1;
    if (bytes > sizeof message->text - offset)
        bench_die("the event is too long for a message");
    memcpy(message->text + offset, string, bytes);
    return (uint16_t)(offset + bytes);
}

void bench_pack(bench_message *message, const weft_event *event)
{
    const struct weft_token_usage *usage = &event->token_usage;
    message->timestamp_ms = event->timestamp_ms;
    message->type = (uint16_t)event->type;
    message->tokens[0] = usage->input_tokens;
    message->tokens[1] = usage->output_tokens;
    message->tokens[2] = usage->cache_read_tokens;
    message->tokens[3] = usage->cache_write_tokens;
    message->cost_usd = usage->cost_usd;
    message->string_ends[0] = text_put(message, 0, event->source);
    message->string_ends[1] = text_put(message, message->string_ends[0], event->session_id);
    message->string_ends[2] = text_put(message, message->string_ends[1], event->agent_id);
    (void)text_put(message, message->string_ends[2], usage->model);
}

void bench_unpack(weft_event *event, const bench_message *message)
{
    *event = (weft_event){
        .type = (weft_event_type)message->type,
        .timestamp_ms = message->timestamp_ms,
        .source = message->text,
        .session_id = message->text + message->string_ends[0],
        .agent_id = message->text + message->string_ends[1],
        .token_usage = {.model = message->text + message->string_ends[2],
                        .input_tokens = message->tokens[0],
                        .output_tokens = message->tokens[1],
                        .cache_read_tokens = message->tokens[2],
                        .cache_write_tokens = message->tokens[3],
                        .cost_usd = message->cost_usd},
    };
}
