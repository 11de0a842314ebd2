/* weft/event.h: runtime events, their envelope and their variants.
 *
 * An event is a plain struct that its maker fills and weft_publish borrows for the call. Whoever wants it longer keeps
 * it: weft_event_keep returns a reference to one compact immutable copy (one allocation, strings included), however
 * many keep it. NULL and "" both mean absent in every string of the envelope.
 *
 * A new variant is: a struct here, a line in WEFT_EVENT_MAP, its rows in schema.c, and its message in proto/. */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One bit each, so that a filter takes a mask. Events of a best-effort topic are too many to be kept: a history leaves
 * them out, and between hosts they may be merged, and lost when something is slow; every loss is counted.
 * X(ENUM, wire name, number on the wire, best effort) */
#define WEFT_TOPIC_MAP(X)                                                                                              \
    X(TOOL, tool, 1, 0)                                                                                                \
    X(LLM, llm, 2, 0)                                                                                                  \
    X(AGENT, agent, 3, 0)                                                                                              \
    X(SESSION, session, 4, 0)                                                                                          \
    X(COST, cost, 5, 0)                                                                                                \
    X(SYSTEM, system, 6, 0)                                                                                            \
    X(CUSTOM, custom, 7, 0)                                                                                            \
    X(DELTA, delta, 8, 1)

typedef enum weft_topic {
#define X(name, wire, number, best_effort) WEFT_TOPIC_##name = 1 << (number),
    WEFT_TOPIC_MAP(X)
#undef X
} weft_topic;

enum {
#define X(name, wire, number, best_effort) | ((best_effort) << (number))
    WEFT_TOPICS_BEST_EFFORT = 0 WEFT_TOPIC_MAP(X),
#undef X
#define X(name, wire, number, best_effort) | (!(best_effort) << (number))
    WEFT_TOPICS_DURABLE = 0 WEFT_TOPIC_MAP(X),
#undef X
};

enum { WEFT_TOPIC_MAX = 9 }; /* one more than the largest number in WEFT_TOPIC_MAP */

/* X(ENUM, member and wire name, topic, payload number on the wire) */
#define WEFT_EVENT_MAP(X)                                                                                              \
    X(TOOL_CALL_START, tool_call_start, TOOL, 100)                                                                     \
    X(TOOL_CALL_END, tool_call_end, TOOL, 101)                                                                         \
    X(LLM_REQUEST_START, llm_request_start, LLM, 102)                                                                  \
    X(LLM_RESPONSE_END, llm_response_end, LLM, 103)                                                                    \
    X(AGENT_START, agent_start, AGENT, 104)                                                                            \
    X(AGENT_END, agent_end, AGENT, 105)                                                                                \
    X(AGENT_ERROR, agent_error, AGENT, 106)                                                                            \
    X(SESSION_START, session_start, SESSION, 107)                                                                      \
    X(SESSION_END, session_end, SESSION, 108)                                                                          \
    X(SESSION_STATUS_CHANGED, session_status_changed, SESSION, 109)                                                    \
    X(SESSION_MUTATION, session_mutation, SESSION, 110)                                                                \
    X(TOKEN_USAGE, token_usage, COST, 111)                                                                             \
    X(BUDGET_EXHAUSTED, budget_exhausted, COST, 112)                                                                   \
    X(CONFIG_RELOADED, config_reloaded, SYSTEM, 113)                                                                   \
    X(SHUTDOWN_REQUESTED, shutdown_requested, SYSTEM, 114)                                                             \
    X(CUSTOM, custom, CUSTOM, 115)                                                                                     \
    X(LLM_TEXT_DELTA, llm_text_delta, DELTA, 116)                                                                      \
    X(LLM_REASONING_DELTA, llm_reasoning_delta, DELTA, 117)

typedef enum weft_event_type {
    WEFT_EVENT_NONE, /* of a zeroed event: refused at publish */
#define X(name, member, topic, number) WEFT_##name,
    WEFT_EVENT_MAP(X)
#undef X
        WEFT_EVENT_TYPE_COUNT
} weft_event_type;

typedef enum weft_session_status {
    WEFT_SESSION_UNSPECIFIED,
    WEFT_SESSION_IDLE,
    WEFT_SESSION_BUSY,
    WEFT_SESSION_RETRY,
} weft_session_status;

/* Unset counts as normal. */
typedef enum weft_priority {
    WEFT_PRIORITY_UNSET,
    WEFT_PRIORITY_LOW,
    WEFT_PRIORITY_NORMAL,
    WEFT_PRIORITY_HIGH,
    WEFT_PRIORITY_CRITICAL,
} weft_priority;

enum {
    WEFT_FLAG_REPLAYED = 1,  /* healed or replayed: stands outside the order of its stream */
    WEFT_FLAG_SYNTHETIC = 2, /* made by an observer, not by an agent */
    WEFT_FLAG_REDACTED = 4,
};

enum {
    WEFT_ID_MAX_BYTES = 128, /* every id of the envelope and of a variant */
    WEFT_TAGS_MAX = 32,
    WEFT_ATTRIBUTES_MAX = 64,
    WEFT_EVENT_MAX_BYTES = 192 * 1024, /* encoded */
    WEFT_JSON_MAX_DEPTH = 64,
};

struct weft_tool_call_start {
    const char *tool_name;
    const char *call_id;
};

struct weft_tool_call_end {
    const char *tool_name;
    const char *call_id;
    uint64_t duration_ms;
    bool success;
};

struct weft_llm_request_start {
    const char *model;
    const char *request_id;
};

struct weft_llm_response_end {
    const char *model;
    const char *request_id;
    uint64_t input_tokens;
    uint64_t output_tokens;
    uint64_t duration_ms;
};

struct weft_agent_start {
    const char *task;
};

struct weft_agent_end {
    bool success;
};

struct weft_agent_error {
    const char *error;
};

struct weft_session_start {
    char unused; /* the session is the envelope's session_id */
};

struct weft_session_end {
    char unused;
};

struct weft_session_status_changed {
    weft_session_status status;
    uint32_t attempt; /* of a retry, from 1 */
    const char *message;
    uint64_t next_retry_ms;
};

struct weft_session_mutation {
    const char *mutation;
    uint64_t seq;
};

struct weft_token_usage {
    const char *model;
    uint64_t input_tokens;
    uint64_t output_tokens;
    uint64_t cache_read_tokens;
    uint64_t cache_write_tokens;
    double cost_usd;
};

struct weft_budget_exhausted {
    double budget_usd;
    double total_cost_usd;
};

struct weft_config_reloaded {
    char unused;
};

struct weft_shutdown_requested {
    const char *reason;
};

struct weft_custom {
    const char *event_type;
    const char *source;
    const char *data_json; /* any JSON value (RFC 8259), depth at most WEFT_JSON_MAX_DEPTH; NULL: null */
};

/* A piece of what a call answers, as it comes. Between hosts the pieces of one call may be joined: their text in a row,
 * the time of the first. */
struct weft_llm_text_delta {
    const char *model;
    const char *request_id;
    const char *text;
};

struct weft_llm_reasoning_delta {
    const char *request_id;
    const char *text;
};

typedef struct weft_attribute {
    const char *key;
    const char *value;
} weft_attribute;

/* Unique in the fabric. epoch is one life of the node, seq counts its events in that life, from 1; both 0 while no
 * bridge is attached. An event of a best-effort topic gets its seq when it is sent: here at home seq is 0, and the id
 * says whose it is alone. */
typedef struct weft_event_id {
    const char *node;
    uint64_t epoch;
    uint64_t seq;
} weft_event_id;

struct weft_event_keeper; /* private */

typedef struct weft_event {
    weft_event_type type;
    weft_priority priority;
    uint32_t flags;       /* WEFT_FLAG_* */
    int64_t timestamp_ms; /* when it happened, since the epoch, UTC; 0: publish sets it */
    int64_t accepted_ms;  /* set by publish in every event that is kept */
    uint64_t ttl_ms;      /* from accepted_ms; 0: none */
    weft_event_id id;     /* set by the bridge at publish */
    const char *source;   /* component that made it */
    const char *session_id;
    const char *agent_id;
    const char *execution_id;
    const char *correlation_id;
    const char *causation_id;
    const char *traceparent; /* W3C Trace Context, traceparent header */
    const char *const *tags;
    size_t tag_count;
    const weft_attribute *attributes;
    size_t attribute_count;
    union {
#define X(name, member, topic, number) struct weft_##member member;
        WEFT_EVENT_MAP(X)
#undef X
    };
    struct weft_event_keeper *keeper; /* private: leave 0 */
} weft_event;

/* Makes an empty event of a type with the envelope of another (NULL: none), but for id, accepted_ms and payload.
 * Strings and arrays stay the other's. */
void weft_event_init(weft_event *event, const weft_event *context, weft_event_type type);

/* Topic and time of any event; total: an unknown type is custom, a missing time is 0. Threads: any. */
weft_topic weft_event_topic(const weft_event *event);
int64_t weft_event_timestamp_ms(const weft_event *event);
/* The priority with unset resolved to normal. */
weft_priority weft_event_priority(const weft_event *event);

/* "cost"; and back, 0 for an unknown name. Number on the wire (1 to 8) of a topic bit; and back, 0 for an unknown one.
 */
const char *weft_topic_name(weft_topic topic);
weft_topic weft_topic_from_name(const char *name);
unsigned weft_topic_number(weft_topic topic);
weft_topic weft_topic_from_number(unsigned number);

/* "token_usage"; and back, WEFT_EVENT_NONE for an unknown name. */
const char *weft_event_type_name(weft_event_type type);
weft_event_type weft_event_type_from_name(const char *name);

/* Whether an event is fit to publish: known type, strings valid UTF-8 and within bounds, data_json valid JSON, and
 * everything there that the schema requires (weft/schema.h): the tool of a call, the agent of an agent event, the
 * session of a session event, its status and mutation, the attempt of a retry, the event_type of a custom one, amounts
 * that are not negative.
 * ret_field, if not NULL, gets the name of the offending field on failure (static string; the largest if it is the sum
 * that is too large).
 * Returns OK, INVALID (a type, number, tag or key that cannot be, or something missing), MALFORMED (not UTF-8, or not
 * JSON), TOO_LARGE or TOO_DEEP. Threads: any. */
weft_status weft_event_validate(const weft_event *event, const char **ret_field);

/* Takes a reference to the immutable copy of an event, making it if there is none yet. Inside a handler the copy is
 * shared by all that keep the event. Ownership: release with weft_event_release. Threads: any, each with an event it
 * may read. Returns NULL when memory is out. */
const weft_event *weft_event_keep(const weft_event *event);
/* Gives one reference back; NULL is fine. Threads: any. */
void weft_event_release(const weft_event *kept);
/* Bytes that the kept copy of this event takes, itself included. */
size_t weft_event_kept_bytes(const weft_event *event);

/* A legacy event {event_type, source, data, timestamp_ms} as Custom. Ownership: borrows its arguments. */
weft_event weft_event_from_legacy(const char *event_type, const char *source, const char *data_json,
                                  int64_t timestamp_ms);

/* Money: sums are kept in integer nano-USD. Conversion rounds to the nearest; values beyond int64 saturate; NaN is 0.
 */
int64_t weft_nano_usd(double usd);
double weft_usd(int64_t nano_usd);

#ifdef __cplusplus
}
#endif
#endif
