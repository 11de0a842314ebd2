/* nodes/demo_result.c: the observer's totals beside the files'. */
#include "nodes/demo_result.h"

#include <inttypes.h>
#include <stdio.h>

static void difference_print(const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "weft demo: differs: %s\n", text);
}

bool demo_result_holds(const demo_result *r)
{
    bool holds = totals_compare(r->seen, "observer", r->expected, "files", difference_print, NULL) == 0;
    if (r->known != NULL && totals_compare(r->known, "simulation", r->expected, "files", difference_print, NULL) != 0)
        holds = false;
    if (r->count.lost > 0 || r->count.duplicates > 0 || r->count.events != r->fed) {
        fprintf(stderr,
                "weft demo: %" PRIu64 " events taken by the nodes, %" PRIu64 " handled by the observer; %" PRIu64
                " lost, %" PRIu64 " handled twice\n",
                r->fed, r->count.events, r->count.lost, r->count.duplicates);
        holds = false;
    }
    if (r->chaos != NULL && r->resent + r->bridge.healed_events == 0) {
        fprintf(stderr, "weft demo: the faults left no trace: nothing was sent again or healed\n");
        holds = false;
    }
    return holds;
}

/* ---- JSON ---- */

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *chaos_json(const demo_result *r)
{
    json_t *object = json_object();
    set_count(object, "broker_kills", r->chaos->broker_kills);
    set_count(object, "node_kills", r->chaos->node_kills);
    set_count(object, "epochs_changed", r->count.epochs_changed);
    set_count(object, "resent", r->resent);
    set_count(object, "healed", r->bridge.healed_events);
    return object;
}

void demo_result_print_json(const demo_result *r, bool match)
{
    json_t *result = totals_to_json(r->seen), *by_type = json_object();
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (r->seen->events_by_type[type] > 0)
            set_count(by_type, weft_event_type_name((weft_event_type)type), r->seen->events_by_type[type]);
    json_object_set_new(result, "events_by_type", by_type);
    set_count(result, "events", r->count.events);
    set_count(result, "messages", r->bridge.received_messages);
    set_count(result, "lost", r->count.lost);
    set_count(result, "duplicates", r->count.duplicates);
    set_count(result, "duplicates_dropped", r->bridge.duplicates);
    set_count(result, "healed", r->bridge.healed_events);
    json_object_set_new(result, "seconds", json_real(r->seconds));
    json_object_set_new(result, "match", json_boolean(match));
    if (r->chaos != NULL)
        json_object_set_new(result, "chaos", chaos_json(r));
    json_dumpf(result, stdout, TOTALS_JSON_FLAGS | JSON_INDENT(2));
    putchar('\n');
    json_decref(result);
}

/* ---- text ---- */

static void pair_print(const char *what, uint64_t seen, uint64_t expected)
{
    printf("  %-22s %18" PRIu64 " %18" PRIu64 "  %s\n", what, seen, expected, seen == expected ? "ok" : "DIFFERS");
}

void demo_result_print(const demo_result *r, bool match)
{
    const totals *seen = r->seen, *expected = r->expected;
    printf("\n  %-22s %18s %18s\n", "totals", "at the observer", "in the files");
    pair_print("nodes", seen->nodes.count, expected->nodes.count);
    pair_print("sessions", seen->sessions.count, expected->sessions.count);
    pair_print("LLM requests", seen->llm_requests, expected->llm_requests);
    pair_print("input tokens", seen->tokens.input, expected->tokens.input);
    pair_print("output tokens", seen->tokens.output, expected->tokens.output);
    pair_print("cache read tokens", seen->tokens.cache_read, expected->tokens.cache_read);
    pair_print("cache write tokens", seen->tokens.cache_write, expected->tokens.cache_write);
    pair_print("tool calls", seen->tool_calls, expected->tool_calls);
    pair_print("tool errors", seen->tool_errors, expected->tool_errors);
    pair_print("agent errors", seen->agent_errors, expected->agent_errors);
    printf("  %-22s %18.6f %18.6f  %s\n", "cost, USD", weft_usd(seen->cost_nano_usd), weft_usd(expected->cost_nano_usd),
           seen->cost_nano_usd == expected->cost_nano_usd ? "ok" : "DIFFERS");
    printf("\n  %" PRIu64 " events in %" PRIu64 " messages, %.1f s; %" PRIu64 " lost, %" PRIu64
           " handled twice, %" PRIu64 " repeats dropped, %" PRIu64 " healed\n",
           r->count.events, r->bridge.received_messages, r->seconds, r->count.lost, r->count.duplicates,
           r->bridge.duplicates, r->bridge.healed_events);
    if (r->chaos != NULL)
        printf("  chaos: broker killed %u times, a node once; %" PRIu64 " new epoch, %" PRIu64 " events sent again\n",
               r->chaos->broker_kills, r->count.epochs_changed, r->resent);
    printf("  %s\n", match ? "every total matches" : "TOTALS DIFFER");
}
