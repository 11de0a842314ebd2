/* nodes/totals.h: what a fabric of agents did, summed: counted from events, or by other code, and compared.
 *
 * Zero-initialise a struct totals, free it with totals_fini. Threads: one. */
#ifndef WEFT_NODES_TOTALS_H
#define WEFT_NODES_TOTALS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "nodes/prices.h"
#include "nodes/string_map.h"
#include "weft/event.h"

typedef struct model_totals {
    uint64_t requests;
    token_counts tokens;
    int64_t cost_nano_usd;
} model_totals;

typedef struct tool_totals {
    uint64_t calls;
    uint64_t errors;
} tool_totals;

typedef struct totals {
    string_map nodes;    /* names; values not used */
    string_map sessions; /* ids; values not used */
    uint64_t llm_requests;
    token_counts tokens;
    int64_t cost_nano_usd;
    uint64_t tool_calls;
    uint64_t tool_errors; /* of calls: a result without a call counts nowhere */
    uint64_t agent_errors;
    string_map models; /* of model_totals */
    string_map tools;  /* of tool_totals */
    uint64_t events_by_type[WEFT_EVENT_TYPE_COUNT];
} totals;

void totals_fini(totals *t);

/* Adds one event: its node, session, and what it says. Events that an observer made up (WEFT_FLAG_SYNTHETIC) do not
 * count. Returns OK or NO_MEMORY. */
weft_status totals_add_event(totals *t, const weft_event *event);

/* For counting without events. Each returns false when memory is out. A NULL or empty name adds nothing. */
bool totals_add_node(totals *t, const char *node);
bool totals_add_session(totals *t, const char *session);
bool totals_add_request(totals *t, const char *model, const token_counts *tokens, int64_t cost_nano_usd);
bool totals_add_call(totals *t, const char *tool);
bool totals_add_call_error(totals *t, const char *tool);

/* Calls on_difference for each figure that differs ("tool_calls: observer 10335, files 10336"), models and tools
 * included, events_by_type not. Returns how many differ. */
size_t totals_compare(const totals *a, const char *a_name, const totals *b, const char *b_name,
                      void (*on_difference)(const char *text, void *user), void *user);

/* nodes, sessions, llm_requests, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd,
 * tool_calls, tool_errors, agent_errors, models{}, tools{} in this order, names sorted. Dump it with TOTALS_JSON_FLAGS.
 * Ownership: json_decref. Returns NULL when memory is out. */
json_t *totals_to_json(const totals *t);
#define TOTALS_JSON_FLAGS (JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

#endif
