/* nodes/totals.c: see the header. Money is summed in integer nano-USD and becomes a fraction once, in the output. */
#include "nodes/totals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/transcript.h"

void totals_fini(totals *t)
{
    string_map_fini(&t->nodes, NULL);
    string_map_fini(&t->sessions, NULL);
    string_map_fini(&t->models, free);
    string_map_fini(&t->tools, free);
    *t = (totals){0};
}

/* ---- counting ---- */

static bool name_add(string_map *map, const char *name)
{
    static char present;
    if (name == NULL || *name == '\0' || string_map_get(map, name) != NULL)
        return true;
    return string_map_put(map, name, &present);
}

/* The row of a name, made with zeros if there is none; NULL when memory is out. */
static void *row_of(string_map *map, const char *name, size_t size)
{
    void *row = string_map_get(map, name);
    if (row != NULL)
        return row;
    row = calloc(1, size);
    if (row != NULL && string_map_put(map, name, row))
        return row;
    free(row);
    return NULL;
}

static void tokens_add(token_counts *sum, const token_counts *tokens)
{
    sum->input += tokens->input;
    sum->output += tokens->output;
    sum->cache_read += tokens->cache_read;
    sum->cache_write += tokens->cache_write;
}

bool totals_add_node(totals *t, const char *node)
{
    return name_add(&t->nodes, node);
}

bool totals_add_session(totals *t, const char *session)
{
    return name_add(&t->sessions, session);
}

static void money_add(int64_t *sum, int64_t nano_usd)
{
    if (__builtin_add_overflow(*sum, nano_usd, sum))
        *sum = INT64_MAX;
}

/* Everything of a request but its number in llm_requests. */
static bool usage_add(totals *t, const char *model, const token_counts *tokens, int64_t cost_nano_usd)
{
    model_totals *row = row_of(&t->models, model, sizeof *row);
    if (row == NULL)
        return false;
    row->requests++;
    money_add(&row->cost_nano_usd, cost_nano_usd);
    tokens_add(&row->tokens, tokens);
    money_add(&t->cost_nano_usd, cost_nano_usd);
    tokens_add(&t->tokens, tokens);
    return true;
}

bool totals_add_request(totals *t, const char *model, const token_counts *tokens, int64_t cost_nano_usd)
{
    t->llm_requests++;
    return usage_add(t, model, tokens, cost_nano_usd);
}

bool totals_add_call(totals *t, const char *tool)
{
    tool_totals *row = row_of(&t->tools, tool, sizeof *row);
    if (row == NULL)
        return false;
    row->calls++;
    t->tool_calls++;
    return true;
}

bool totals_add_call_error(totals *t, const char *tool)
{
    tool_totals *row = row_of(&t->tools, tool, sizeof *row);
    if (row == NULL)
        return false;
    row->errors++;
    t->tool_errors++;
    return true;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* Of a call that has begun, too: results without a call are no failed calls. */
static bool is_call(const struct weft_tool_call_end *end)
{
    const char *name = text_or_empty(end->tool_name);
    return *name != '\0' && strcmp(name, TRANSCRIPT_UNKNOWN_TOOL) != 0;
}

static bool payload_add(totals *t, const weft_event *event)
{
    const struct weft_token_usage *usage = &event->token_usage;
    const struct weft_tool_call_end *end = &event->tool_call_end;
    switch (event->type) {
    case WEFT_LLM_RESPONSE_END:
        t->llm_requests++;
        return true;
    case WEFT_TOKEN_USAGE: {
        token_counts tokens = {usage->input_tokens, usage->output_tokens, usage->cache_read_tokens,
                               usage->cache_write_tokens};
        return usage_add(t, text_or_empty(usage->model), &tokens, weft_nano_usd(usage->cost_usd));
    }
    case WEFT_TOOL_CALL_START:
        return totals_add_call(t, text_or_empty(event->tool_call_start.tool_name));
    case WEFT_TOOL_CALL_END:
        return end->success || !is_call(end) || totals_add_call_error(t, end->tool_name);
    case WEFT_AGENT_ERROR:
        t->agent_errors++;
        return true;
    default:
        return true;
    }
}

weft_status totals_add_event(totals *t, const weft_event *event)
{
    if ((event->flags & WEFT_FLAG_SYNTHETIC) != 0)
        return WEFT_OK;
    if (event->type > WEFT_EVENT_NONE && event->type < WEFT_EVENT_TYPE_COUNT)
        t->events_by_type[event->type]++;
    bool ok = totals_add_node(t, event->id.node) && totals_add_session(t, event->session_id) && payload_add(t, event);
    return ok ? WEFT_OK : WEFT_NO_MEMORY;
}

/* ---- comparing ---- */

typedef struct comparison {
    const char *a_name;
    const char *b_name;
    void (*on_difference)(const char *text, void *user);
    void *user;
    size_t count;
} comparison;

static void compare_figure(comparison *c, const char *group, const char *name, const char *figure, uint64_t a,
                           uint64_t b)
{
    char text[512];
    if (a == b)
        return;
    snprintf(text, sizeof text, "%s%s%s%s: %s %" PRIu64 ", %s %" PRIu64, group, name, *name != '\0' ? " " : "", figure,
             c->a_name, a, c->b_name, b);
    c->count++;
    if (c->on_difference != NULL)
        c->on_difference(text, c->user);
}

static void compare_money(comparison *c, const char *group, const char *name, int64_t a, int64_t b)
{
    char text[512];
    if (a == b)
        return;
    snprintf(text, sizeof text, "%s%s%scost_usd: %s %.9f, %s %.9f", group, name, *name != '\0' ? " " : "", c->a_name,
             (double)a / 1e9, c->b_name, (double)b / 1e9);
    c->count++;
    if (c->on_difference != NULL)
        c->on_difference(text, c->user);
}

static void compare_tokens(comparison *c, const char *group, const char *name, const token_counts *a,
                           const token_counts *b)
{
    compare_figure(c, group, name, "input_tokens", a->input, b->input);
    compare_figure(c, group, name, "output_tokens", a->output, b->output);
    compare_figure(c, group, name, "cache_read_tokens", a->cache_read, b->cache_read);
    compare_figure(c, group, name, "cache_write_tokens", a->cache_write, b->cache_write);
}

static void compare_model(comparison *c, const char *name, const void *a_row, const void *b_row)
{
    static const model_totals none;
    const model_totals *a = a_row != NULL ? a_row : &none;
    const model_totals *b = b_row != NULL ? b_row : &none;
    compare_figure(c, "model ", name, "requests", a->requests, b->requests);
    compare_tokens(c, "model ", name, &a->tokens, &b->tokens);
    compare_money(c, "model ", name, a->cost_nano_usd, b->cost_nano_usd);
}

static void compare_tool(comparison *c, const char *name, const void *a_row, const void *b_row)
{
    static const tool_totals none;
    const tool_totals *a = a_row != NULL ? a_row : &none;
    const tool_totals *b = b_row != NULL ? b_row : &none;
    compare_figure(c, "tool ", name, "calls", a->calls, b->calls);
    compare_figure(c, "tool ", name, "errors", a->errors, b->errors);
}

/* Sets of names: each that stands on one side only is a difference. */
static void compare_name(comparison *c, const char *name, const void *a_row, const void *b_row)
{
    compare_figure(c, "name ", name, "seen", a_row != NULL, b_row != NULL);
}

static void compare_maps(comparison *c, const string_map *a, const string_map *b,
                         void (*compare)(comparison *c, const char *name, const void *a_row, const void *b_row))
{
    const string_map_entry *entry;
    for (size_t cursor = 0; (entry = string_map_next(a, &cursor)) != NULL;)
        compare(c, entry->key, entry->value, string_map_get(b, entry->key));
    for (size_t cursor = 0; (entry = string_map_next(b, &cursor)) != NULL;)
        if (string_map_get(a, entry->key) == NULL)
            compare(c, entry->key, NULL, entry->value);
}

size_t totals_compare(const totals *a, const char *a_name, const totals *b, const char *b_name,
                      void (*on_difference)(const char *text, void *user), void *user)
{
    comparison c = {a_name, b_name, on_difference, user, 0};
    compare_figure(&c, "", "", "nodes", a->nodes.count, b->nodes.count);
    compare_figure(&c, "", "", "sessions", a->sessions.count, b->sessions.count);
    compare_figure(&c, "", "", "llm_requests", a->llm_requests, b->llm_requests);
    compare_tokens(&c, "", "", &a->tokens, &b->tokens);
    compare_money(&c, "", "", a->cost_nano_usd, b->cost_nano_usd);
    compare_figure(&c, "", "", "tool_calls", a->tool_calls, b->tool_calls);
    compare_figure(&c, "", "", "tool_errors", a->tool_errors, b->tool_errors);
    compare_figure(&c, "", "", "agent_errors", a->agent_errors, b->agent_errors);
    compare_maps(&c, &a->nodes, &b->nodes, compare_name);
    compare_maps(&c, &a->sessions, &b->sessions, compare_name);
    compare_maps(&c, &a->models, &b->models, compare_model);
    compare_maps(&c, &a->tools, &b->tools, compare_tool);
    return c.count;
}

/* ---- output ---- */

static int name_order(const void *a, const void *b)
{
    return strcmp((*(const string_map_entry *const *)a)->key, (*(const string_map_entry *const *)b)->key);
}

static json_t *tokens_to_json(uint64_t requests, const char *requests_name, const token_counts *tokens, int64_t cost)
{
    return json_pack("{sI sI sI sI sI sf}", requests_name, (json_int_t)requests, "input_tokens",
                     (json_int_t)tokens->input, "output_tokens", (json_int_t)tokens->output, "cache_read_tokens",
                     (json_int_t)tokens->cache_read, "cache_write_tokens", (json_int_t)tokens->cache_write, "cost_usd",
                     (double)cost / 1e9);
}

static json_t *model_to_json(const void *value)
{
    const model_totals *row = value;
    return tokens_to_json(row->requests, "requests", &row->tokens, row->cost_nano_usd);
}

static json_t *tool_to_json(const void *value)
{
    const tool_totals *row = value;
    return json_pack("{sI sI}", "calls", (json_int_t)row->calls, "errors", (json_int_t)row->errors);
}

/* An object of the map's rows, sorted by name. */
static json_t *map_to_json(const string_map *map, json_t *(*row_to_json)(const void *value))
{
    const string_map_entry **sorted = calloc(map->count + 1, sizeof *sorted);
    json_t *object = json_object();
    bool ok = sorted != NULL && object != NULL;
    size_t cursor = 0;
    for (size_t i = 0; ok && i < map->count; i++)
        sorted[i] = string_map_next(map, &cursor);
    if (ok)
        qsort(sorted, map->count, sizeof *sorted, name_order);
    for (size_t i = 0; ok && i < map->count; i++)
        ok = json_object_set_new(object, sorted[i]->key, row_to_json(sorted[i]->value)) == 0;
    free(sorted);
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

json_t *totals_to_json(const totals *t)
{
    json_t *object =
        json_pack("{sI sI}", "nodes", (json_int_t)t->nodes.count, "sessions", (json_int_t)t->sessions.count);
    json_t *usage = tokens_to_json(t->llm_requests, "llm_requests", &t->tokens, t->cost_nano_usd);
    json_t *calls = json_pack("{sI sI sI so so}", "tool_calls", (json_int_t)t->tool_calls, "tool_errors",
                              (json_int_t)t->tool_errors, "agent_errors", (json_int_t)t->agent_errors, "models",
                              map_to_json(&t->models, model_to_json), "tools", map_to_json(&t->tools, tool_to_json));
    bool ok = object != NULL && json_object_update(object, usage) == 0 && json_object_update(object, calls) == 0;
    json_decref(usage);
    json_decref(calls);
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}
