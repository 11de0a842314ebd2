/* core/schema.c: the one table of variants and fields, and finding a row of it.
 *
 * A row whose kind does not fit the C type of its member does not compile; tests/bridge holds the table against the
 * generated wire descriptors. Rows numbered 0 are members that a variant shares with the envelope. Threads: any. */
#include "weft/schema.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define TYPE_STRING const char *
#define TYPE_ID     const char *
#define TYPE_JSON   const char *
#define TYPE_BOOL   bool
#define TYPE_U32    uint32_t
#define TYPE_U64    uint64_t
#define TYPE_TIME   int64_t
#define TYPE_F64    double
#define TYPE_ENUM   unsigned int /* what gcc and clang give an enum without negative values */

/* Zero, or an error at compile time. */
#define CHECK_TYPE(expression, kind) (0 * _Generic((expression), TYPE_##kind : sizeof(TYPE_##kind)))

#define ENVELOPE_OF(field_name, member, json, field_kind, wire, ...)                                                   \
    {                                                                                                                  \
        .name = field_name, .json_name = json, .kind = WEFT_FIELD_##field_kind, .number = wire,                        \
        .offset = offsetof(weft_event, member) + CHECK_TYPE(((weft_event *)0)->member, field_kind), __VA_ARGS__        \
    }
#define ENVELOPE_AS(name, member, json, kind, wire, names) ENVELOPE_OF(name, member, json, kind, wire, .values = names)
#define ENVELOPE(member, json, kind, wire)                 ENVELOPE_OF(#member, member, json, kind, wire, .required = false)
/* Of the envelope, and one that this variant does not go without. */
#define SHARED(member, json, kind) ENVELOPE_OF(#member, member, json, kind, 0, .required = true)

#define FIELD_OF(variant, member, json, field_kind, wire, ...)                                                         \
    {                                                                                                                  \
        .name = #member, .json_name = json, .kind = WEFT_FIELD_##field_kind, .number = wire,                           \
        .offset = offsetof(weft_event, variant) + offsetof(struct weft_##variant, member) +                            \
                  CHECK_TYPE(((struct weft_##variant *)0)->member, field_kind),                                        \
        __VA_ARGS__                                                                                                    \
    }
#define FIELD(variant, member, json, kind, wire)    FIELD_OF(variant, member, json, kind, wire, .required = false)
#define REQUIRED(variant, member, json, kind, wire) FIELD_OF(variant, member, json, kind, wire, .required = true)
#define AMOUNT(variant, member, json, kind, wire)   FIELD_OF(variant, member, json, kind, wire, .not_negative = true)
#define REQUIRED_ENUM(variant, member, json, wire, names, prefix)                                                      \
    FIELD_OF(variant, member, json, ENUM, wire, .values = names, .value_prefix = prefix, .required = true)

/* Ends the fields of a variant, so that one without any has an array too. */
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static const char *const priorities[] = {"unset", "low", "normal", "high", "critical", NULL};
static const char *const session_statuses[] = {"unspecified", "idle", "busy", "retry", NULL};

static const weft_field envelope[] = {
    ENVELOPE_AS("seq", id.seq, "seq", U64, 1, NULL),
    ENVELOPE(timestamp_ms, "timestampMs", TIME, 2),
    ENVELOPE(accepted_ms, "acceptedMs", TIME, 3),
    ENVELOPE(source, "source", STRING, 4),
    ENVELOPE(session_id, "sessionId", ID, 5),
    ENVELOPE(agent_id, "agentId", ID, 6),
    ENVELOPE(execution_id, "executionId", ID, 7),
    ENVELOPE(correlation_id, "correlationId", ID, 8),
    ENVELOPE(causation_id, "causationId", ID, 9),
    ENVELOPE(traceparent, "traceparent", ID, 10),
    ENVELOPE_AS("priority", priority, "priority", U32, 11, priorities),
    ENVELOPE(ttl_ms, "ttlMs", U64, 12),
    ENVELOPE(flags, "flags", U32, 15),
};

static const weft_field tool_call_start[] = {
    REQUIRED(tool_call_start, tool_name, "toolName", STRING, 1),
    FIELD(tool_call_start, call_id, "callId", ID, 2),
    END,
};

static const weft_field tool_call_end[] = {
    REQUIRED(tool_call_end, tool_name, "toolName", STRING, 1),
    FIELD(tool_call_end, call_id, "callId", ID, 2),
    FIELD(tool_call_end, duration_ms, "durationMs", U64, 3),
    FIELD(tool_call_end, success, "success", BOOL, 4),
    END,
};

static const weft_field llm_request_start[] = {
    FIELD(llm_request_start, model, "model", STRING, 1),
    FIELD(llm_request_start, request_id, "requestId", ID, 2),
    END,
};

static const weft_field llm_response_end[] = {
    FIELD(llm_response_end, model, "model", STRING, 1),
    FIELD(llm_response_end, request_id, "requestId", ID, 2),
    FIELD(llm_response_end, input_tokens, "inputTokens", U64, 3),
    FIELD(llm_response_end, output_tokens, "outputTokens", U64, 4),
    FIELD(llm_response_end, duration_ms, "durationMs", U64, 5),
    END,
};

static const weft_field agent_start[] = {
    SHARED(agent_id, "agentId", ID),
    FIELD(agent_start, task, "task", STRING, 1),
    END,
};

static const weft_field agent_end[] = {
    SHARED(agent_id, "agentId", ID),
    FIELD(agent_end, success, "success", BOOL, 1),
    END,
};

static const weft_field agent_error[] = {
    SHARED(agent_id, "agentId", ID),
    FIELD(agent_error, error, "error", STRING, 1),
    END,
};

static const weft_field session_start[] = {
    SHARED(session_id, "sessionId", ID),
    END,
};

static const weft_field session_end[] = {
    SHARED(session_id, "sessionId", ID),
    END,
};

static const weft_field session_status_changed[] = {
    SHARED(session_id, "sessionId", ID),
    REQUIRED_ENUM(session_status_changed, status, "status", 1, session_statuses, "SESSION_STATUS_"),
    FIELD(session_status_changed, attempt, "attempt", U32, 2),
    FIELD(session_status_changed, message, "message", STRING, 3),
    FIELD(session_status_changed, next_retry_ms, "nextRetryMs", U64, 4),
    END,
};

static const weft_field session_mutation[] = {
    SHARED(session_id, "sessionId", ID),
    REQUIRED(session_mutation, mutation, "mutation", STRING, 1),
    FIELD(session_mutation, seq, "seq", U64, 2),
    END,
};

static const weft_field token_usage[] = {
    FIELD(token_usage, model, "model", STRING, 1),
    FIELD(token_usage, input_tokens, "inputTokens", U64, 2),
    FIELD(token_usage, output_tokens, "outputTokens", U64, 3),
    FIELD(token_usage, cache_read_tokens, "cacheReadTokens", U64, 4),
    FIELD(token_usage, cache_write_tokens, "cacheWriteTokens", U64, 5),
    AMOUNT(token_usage, cost_usd, "costUsd", F64, 6),
    END,
};

static const weft_field budget_exhausted[] = {
    AMOUNT(budget_exhausted, budget_usd, "budgetUsd", F64, 1),
    AMOUNT(budget_exhausted, total_cost_usd, "totalCostUsd", F64, 2),
    END,
};

static const weft_field config_reloaded[] = {
    END,
};

static const weft_field shutdown_requested[] = {
    FIELD(shutdown_requested, reason, "reason", STRING, 1),
    END,
};

static const weft_field custom[] = {
    REQUIRED(custom, event_type, "eventType", STRING, 1),
    FIELD(custom, source, "source", STRING, 2),
    FIELD(custom, data_json, "dataJson", JSON, 3),
    END,
};

static const weft_field llm_text_delta[] = {
    FIELD(llm_text_delta, model, "model", STRING, 1),
    REQUIRED(llm_text_delta, request_id, "requestId", ID, 2),
    REQUIRED(llm_text_delta, text, "text", STRING, 3),
    END,
};

static const weft_field llm_reasoning_delta[] = {
    REQUIRED(llm_reasoning_delta, request_id, "requestId", ID, 1),
    REQUIRED(llm_reasoning_delta, text, "text", STRING, 2),
    END,
};

static const char *misfit_of_status(const weft_event *event)
{
    const struct weft_session_status_changed *s = &event->session_status_changed;
    return s->status == WEFT_SESSION_RETRY && s->attempt == 0 ? "attempt" : NULL;
}

/* Topic and number of a variant by its name, for ROW. */
enum {
#define X(name, member, topic, number) TOPIC_OF_##member = WEFT_TOPIC_##topic, NUMBER_OF_##member = (number),
    WEFT_EVENT_MAP(X)
#undef X
        NUMBER_FIRST = 100,
    NUMBER_MAX = 999
};

#define ROW_OF(row_type, member, json, ...)                                                                            \
    [WEFT_##row_type] = {.type = WEFT_##row_type,                                                                      \
                         .name = #member,                                                                              \
                         .json_name = json,                                                                            \
                         .topic = (weft_topic)TOPIC_OF_##member,                                                       \
                         .number = NUMBER_OF_##member,                                                                 \
                         .fields = member,                                                                             \
                         .field_count = COUNT(member) - 1,                                                             \
                         __VA_ARGS__}
#define ROW(type, member, json)                 ROW_OF(type, member, json, .misfit = NULL)
#define LASTS(type, member, json, end_type, id) ROW_OF(type, member, json, .ended_by = WEFT_##end_type, .ended_id = id)
#define JOINS(type, member, json, text)         ROW_OF(type, member, json, .joined = text)

static const weft_schema rows[WEFT_EVENT_TYPE_COUNT] = {
    LASTS(TOOL_CALL_START, tool_call_start, "toolCallStart", TOOL_CALL_END, "call_id"),
    ROW(TOOL_CALL_END, tool_call_end, "toolCallEnd"),
    LASTS(LLM_REQUEST_START, llm_request_start, "llmRequestStart", LLM_RESPONSE_END, "request_id"),
    ROW(LLM_RESPONSE_END, llm_response_end, "llmResponseEnd"),
    LASTS(AGENT_START, agent_start, "agentStart", AGENT_END, "agent_id"),
    ROW(AGENT_END, agent_end, "agentEnd"),
    ROW(AGENT_ERROR, agent_error, "agentError"),
    LASTS(SESSION_START, session_start, "sessionStart", SESSION_END, "session_id"),
    ROW(SESSION_END, session_end, "sessionEnd"),
    ROW_OF(SESSION_STATUS_CHANGED, session_status_changed, "sessionStatusChanged", .misfit = misfit_of_status),
    ROW(SESSION_MUTATION, session_mutation, "sessionMutation"),
    ROW(TOKEN_USAGE, token_usage, "tokenUsage"),
    ROW(BUDGET_EXHAUSTED, budget_exhausted, "budgetExhausted"),
    ROW(CONFIG_RELOADED, config_reloaded, "configReloaded"),
    ROW(SHUTDOWN_REQUESTED, shutdown_requested, "shutdownRequested"),
    ROW(CUSTOM, custom, "custom"),
    JOINS(LLM_TEXT_DELTA, llm_text_delta, "llmTextDelta", "text"),
    JOINS(LLM_REASONING_DELTA, llm_reasoning_delta, "llmReasoningDelta", "text"),
};

_Static_assert(WEFT_EVENT_TYPE_COUNT <= 256, "by_number holds a type in one byte");

static const unsigned char by_number[NUMBER_MAX - NUMBER_FIRST + 1] = {
#define X(name, member, topic, number) [(number)-NUMBER_FIRST] = WEFT_##name,
    WEFT_EVENT_MAP(X)
#undef X
};

const weft_schema *weft_schema_of(weft_event_type type)
{
    return (unsigned)type < WEFT_EVENT_TYPE_COUNT && type != WEFT_EVENT_NONE ? &rows[type] : NULL;
}

const weft_schema *weft_schema_by_number(unsigned number)
{
    if (number < NUMBER_FIRST || number > NUMBER_MAX)
        return NULL;
    return weft_schema_of((weft_event_type)by_number[number - NUMBER_FIRST]);
}

/* Looks at every row: names come from people and files, one at a time. With thousands of variants it wants a hash. */
const weft_schema *weft_schema_by_name(const char *name)
{
    for (size_t i = WEFT_EVENT_NONE + 1; name != NULL && i < COUNT(rows); i++)
        if (rows[i].name[0] == name[0] && (strcmp(rows[i].name, name) == 0 || strcmp(rows[i].json_name, name) == 0))
            return &rows[i];
    return NULL;
}

const weft_field *weft_schema_field(const weft_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return &schema->fields[i];
    return NULL;
}

const weft_field *weft_envelope_fields(size_t *ret_count)
{
    *ret_count = COUNT(envelope);
    return envelope;
}
