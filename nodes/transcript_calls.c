/* nodes/transcript_calls.c: the part of the engine that knows tool calls, their results and the subagents they run. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/transcript_private.h"

/* ---- tool calls ---- */

static void emit_call_end(transcript *t, const char *id, const char *name, const owner *of, int64_t start_ms,
                          int64_t end_ms, bool success)
{
    weft_event event = transcript__event_of(WEFT_TOOL_CALL_END, of, end_ms);
    event.tool_call_end = (struct weft_tool_call_end){
        .tool_name = name, .call_id = id, .duration_ms = transcript__span_ms(start_ms, end_ms), .success = success};
    transcript__emit(t, &event);
}

static void call_give_up(transcript *t, const char *id)
{
    free(string_map_take(&t->calls, id));
    transcript__seen_add(t, SEEN_CALL, id);
}

void transcript__result_give_up(transcript *t, const char *id)
{
    waiting_result *w = string_map_take(&t->results, id);
    emit_call_end(t, id, TRANSCRIPT_UNKNOWN_TOOL, &w->of, w->timestamp_ms, w->timestamp_ms, w->success);
    transcript__seen_add(t, SEEN_RESULT, id);
    free(w);
}

static void call_end(transcript *t, const char *id, const open_call *call, int64_t end_ms, bool success)
{
    emit_call_end(t, id, call->name, &call->of, call->start_ms, end_ms, success);
    call_give_up(t, id);
}

static open_call *call_open(const step *s, const record_item *item, const char *id)
{
    transcript *t = s->t;
    char oldest[STREAM_KEY_BYTES];
    if (t->calls.count >= t->opts.table_max)
        call_give_up(t, transcript__table_oldest(&t->calls, oldest));
    open_call *call = calloc(1, sizeof *call);
    if (!transcript__table_put(t, &t->calls, id, call))
        return NULL;
    call->of = s->of;
    call->start_ms = s->time_ms;
    short_id_from(call->name, item->name);
    text_copy(call->task, sizeof call->task, item->task);
    weft_event event = transcript__event_of(WEFT_TOOL_CALL_START, &s->of, s->time_ms);
    event.tool_call_start = (struct weft_tool_call_start){.tool_name = call->name, .call_id = id};
    transcript__emit(t, &event);
    return call;
}

void transcript__call_start(const step *s, const record_item *item)
{
    transcript *t = s->t;
    char id[SHORT_ID_BYTES];
    short_id_from(id, item->id);
    if (string_map_get(&t->calls, id) != NULL || seen_set_has(&t->seen, SEEN_CALL, id))
        return;
    const open_call *call = call_open(s, item, id);
    if (call == NULL)
        return;
    waiting_result *early = string_map_take(&t->results, id);
    if (early != NULL)
        call_end(t, id, call, early->timestamp_ms, early->success);
    else if (seen_set_has(&t->seen, SEEN_RESULT, id))
        call_give_up(t, id);
    free(early);
}

static void result_wait(const step *s, const record_item *item, const char *id)
{
    transcript *t = s->t;
    char oldest[STREAM_KEY_BYTES];
    if (t->results.count >= t->opts.table_max)
        transcript__result_give_up(t, transcript__table_oldest(&t->results, oldest));
    waiting_result *w = calloc(1, sizeof *w);
    if (!transcript__table_put(t, &t->results, id, w))
        return;
    *w = (waiting_result){.of = s->of, .timestamp_ms = s->time_ms, .success = !item->is_error};
}

/* ---- subagents ---- */

void transcript__agent_start(transcript *t, const owner *of, const char *task, int64_t time_ms)
{
    char key[STREAM_KEY_BYTES];
    snprintf(key, sizeof key, "%s\x1f%s", of->session, of->agent);
    if (seen_set_has(&t->seen, SEEN_AGENT, key))
        return;
    transcript__seen_add(t, SEEN_AGENT, key);
    weft_event event = transcript__event_of(WEFT_AGENT_START, of, time_ms);
    event.agent_start.task = task;
    transcript__emit(t, &event);
}

/* What a call's result says about the subagent that it ran; call is NULL if it is not known. */
static void agent_result(const step *s, const open_call *call, bool success)
{
    const json_t *result = s->record->result;
    const char *id = json_string_value(json_object_get(result, "agentId"));
    if (id == NULL || *id == '\0')
        return;
    owner of = s->of;
    short_id_from(of.agent, id);
    transcript__agent_start(s->t, &of, call != NULL ? call->task : "", call != NULL ? call->start_ms : s->time_ms);
    if (!json_is_number(json_object_get(result, "totalDurationMs")))
        return;
    const char *status = json_string_value(json_object_get(result, "status"));
    weft_event event = transcript__event_of(WEFT_AGENT_END, &of, s->time_ms);
    event.agent_end.success = success && (status == NULL || strcmp(status, "completed") == 0);
    transcript__emit(s->t, &event);
}

void transcript__call_result(const step *s, const record_item *item, bool first)
{
    transcript *t = s->t;
    char id[SHORT_ID_BYTES];
    short_id_from(id, item->id);
    const open_call *call = string_map_get(&t->calls, id);
    if (call == NULL && (string_map_get(&t->results, id) != NULL || seen_set_has(&t->seen, SEEN_CALL, id) ||
                         seen_set_has(&t->seen, SEEN_RESULT, id)))
        return;
    if (first)
        agent_result(s, call, !item->is_error);
    if (call != NULL)
        call_end(t, id, call, s->time_ms, !item->is_error);
    else
        result_wait(s, item, id);
}
