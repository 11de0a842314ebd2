/* nodes/transcript.c: the engine: applies records to its tables and emits events. Lines are taken apart in
 * transcript_record.c; tool calls and subagents are in transcript_calls.c; the state is written and read in
 * transcript_state.c.
 *
 * Invariant  an id is in one place: a request in `requests` or in `seen`; a call in `calls` or `seen`; a result that
 *            came first in `results` or `seen`. What leaves a table is remembered in `seen` in the same step. */
#include "nodes/transcript.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/transcript_private.h"
#include "nodes/transcript_record.h"
#include "weft/json.h"

enum { TABLE_MAX = 65536, SEEN_MAX = 1 << 20, CUSTOM_MAX_BYTES = 64 * 1024 };

void transcript__seen_add(transcript *t, char kind, const char *id)
{
    t->failed |= !seen_set_add(&t->seen, kind, id);
}

/* Adds a value of its own to a table; frees it when memory is out. */
bool transcript__table_put(transcript *t, string_map *map, const char *key, void *value)
{
    if (value != NULL && string_map_put(map, key, value))
        return true;
    free(value);
    t->failed = true;
    return false;
}

const char *transcript__table_oldest(const string_map *map, char ret[STREAM_KEY_BYTES])
{
    size_t cursor = 0;
    text_copy(ret, STREAM_KEY_BYTES, string_map_next(map, &cursor)->key);
    return ret;
}

/* ---- emitting ---- */

weft_event transcript__event_of(weft_event_type type, const owner *of, int64_t time_ms)
{
    return (weft_event){.type = type,
                        .timestamp_ms = time_ms,
                        .source = TRANSCRIPT_SOURCE,
                        .session_id = of->session,
                        .agent_id = of->agent};
}

void transcript__emit(transcript *t, const weft_event *event)
{
    t->opts.on_event(event, t->opts.user);
}

static void emit_plain(transcript *t, weft_event_type type, const owner *of, int64_t time_ms)
{
    weft_event event = transcript__event_of(type, of, time_ms);
    transcript__emit(t, &event);
}

uint64_t transcript__span_ms(int64_t from, int64_t to)
{
    return to > from ? (uint64_t)(to - from) : 0;
}

/* A record without a session tells nothing of one. */
static void emit_status(const step *s, const struct weft_session_status_changed *status)
{
    weft_event event = transcript__event_of(WEFT_SESSION_STATUS_CHANGED, &s->of, s->time_ms);
    event.session_status_changed = *status;
    if (*s->of.session != '\0')
        transcript__emit(s->t, &event);
}

/* ---- requests ---- */

static void request_emit(transcript *t, const char *id, const open_request *r)
{
    bool unknown;
    int64_t cost = prices_cost(t->opts.prices, r->model, &r->tokens, &unknown);
    if (unknown && t->opts.on_unknown_model != NULL)
        t->opts.on_unknown_model(r->model, t->opts.user);
    weft_event end = transcript__event_of(WEFT_LLM_RESPONSE_END, &r->of, r->last_ms);
    end.llm_response_end = (struct weft_llm_response_end){.model = r->model,
                                                          .request_id = id,
                                                          .input_tokens = r->tokens.input,
                                                          .output_tokens = r->tokens.output,
                                                          .duration_ms = transcript__span_ms(r->start_ms, r->last_ms)};
    transcript__emit(t, &end);
    weft_event usage = transcript__event_of(WEFT_TOKEN_USAGE, &r->of, r->last_ms);
    usage.token_usage = (struct weft_token_usage){.model = r->model,
                                                  .input_tokens = r->tokens.input,
                                                  .output_tokens = r->tokens.output,
                                                  .cache_read_tokens = r->tokens.cache_read,
                                                  .cache_write_tokens = r->tokens.cache_write,
                                                  .cost_usd = (double)cost / 1e9};
    transcript__emit(t, &usage);
}

/* Completes a request if it is open. */
static void request_complete(transcript *t, const char *id)
{
    char key[STREAM_KEY_BYTES];
    text_copy(key, sizeof key, id);
    open_request *r = string_map_take(&t->requests, key);
    if (r == NULL)
        return;
    request_emit(t, key, r);
    transcript__seen_add(t, SEEN_REQUEST, key);
    free(r);
}

static void request_open(const step *s, const char *id, int64_t input_ms)
{
    transcript *t = s->t;
    char oldest[STREAM_KEY_BYTES];
    if (t->requests.count >= t->opts.table_max)
        request_complete(t, transcript__table_oldest(&t->requests, oldest));
    open_request *r = calloc(1, sizeof *r);
    if (!transcript__table_put(t, &t->requests, id, r))
        return;
    r->of = s->of;
    r->start_ms = input_ms >= 0 && input_ms < s->time_ms ? input_ms : s->time_ms;
    short_id_from(r->model, s->record->model);
    weft_event event = transcript__event_of(WEFT_LLM_REQUEST_START, &r->of, r->start_ms);
    event.llm_request_start = (struct weft_llm_request_start){.model = r->model, .request_id = id};
    transcript__emit(t, &event);
    r->tokens = s->record->tokens;
}

/* One line of an answer. */
static void request_line(const step *s, const char *id, int64_t input_ms)
{
    if (seen_set_has(&s->t->seen, SEEN_REQUEST, id))
        return;
    if (string_map_get(&s->t->requests, id) == NULL)
        request_open(s, id, input_ms);
    open_request *r = string_map_get(&s->t->requests, id);
    if (r == NULL)
        return;
    if (s->record->tokens.output > r->tokens.output) {
        r->tokens = s->record->tokens;
        short_id_from(r->model, s->record->model);
    }
    if (s->time_ms > r->last_ms)
        r->last_ms = s->time_ms;
    r->fed_ms = s->now_ms;
}

/* ---- streams ---- */

static void stream_free(void *value)
{
    stream *st = value;
    if (st != NULL)
        free(st->request);
    free(st);
}

static void stream_evict(transcript *t)
{
    char key[STREAM_KEY_BYTES];
    stream *st = string_map_take(&t->streams, transcript__table_oldest(&t->streams, key));
    if (st->request != NULL)
        request_complete(t, st->request);
    stream_free(st);
}

/* The stream of a record's session and agent, made if there is none; NULL when memory is out. */
static stream *stream_of(const step *s)
{
    transcript *t = s->t;
    char key[STREAM_KEY_BYTES];
    snprintf(key, sizeof key, "%s\x1f%s", s->of.session, s->of.agent);
    stream *st = string_map_get(&t->streams, key);
    if (st != NULL)
        return st;
    if (t->streams.count >= t->opts.table_max)
        stream_evict(t);
    st = calloc(1, sizeof *st);
    if (!transcript__table_put(t, &t->streams, key, st))
        return NULL;
    st->input_ms = -1;
    return st;
}

/* A message id appears in its stream: the one before it is complete. */
static void stream_message(const step *s)
{
    char id[SHORT_ID_BYTES];
    short_id_from(id, s->record->message_id);
    stream *st = stream_of(s);
    if (st == NULL || *id == '\0')
        return;
    if (st->request == NULL || strcmp(st->request, id) != 0) {
        if (st->request != NULL)
            request_complete(s->t, st->request);
        free(st->request);
        st->request = strdup(id);
        s->t->failed |= st->request == NULL;
    }
    if (!s->record->synthetic)
        request_line(s, id, st->input_ms);
}

/* ---- records ---- */

static void session_evict(transcript *t)
{
    char key[STREAM_KEY_BYTES];
    owner of = {0};
    live_session *live = string_map_take(&t->sessions, transcript__table_oldest(&t->sessions, key));
    text_copy(of.session, sizeof of.session, key);
    emit_plain(t, WEFT_SESSION_END, &of, live->last_ms);
    free(live);
}

static void session_touch(const step *s)
{
    transcript *t = s->t;
    if (*s->of.session == '\0')
        return;
    live_session *live = string_map_get(&t->sessions, s->of.session);
    if (live == NULL) {
        if (t->sessions.count >= t->opts.table_max)
            session_evict(t);
        live = calloc(1, sizeof *live);
        if (!transcript__table_put(t, &t->sessions, s->of.session, live))
            return;
        owner of = s->of;
        *of.agent = '\0';
        emit_plain(t, WEFT_SESSION_START, &of, s->time_ms);
    }
    if (s->time_ms > live->last_ms)
        live->last_ms = s->time_ms;
}

/* Notes a record that has no other id; whether it came before (in another copy of the transcript). */
static bool record_repeated(const step *s)
{
    const char *uuid = s->record->uuid;
    if (*uuid == '\0')
        return false;
    if (seen_set_has(&s->t->seen, SEEN_RECORD, uuid))
        return true;
    transcript__seen_add(s->t, SEEN_RECORD, uuid);
    return false;
}

/* The words inside an error member, whose form is the API's. */
static const char *error_words(const json_t *error)
{
    for (int depth = 0; depth < 4 && json_is_object(error); depth++) {
        const json_t *message = json_object_get(error, "message");
        if (json_is_string(message))
            return json_string_value(message);
        error = json_object_get(error, "error");
    }
    return json_string_value(error);
}

static void error_describe(const transcript_record *r, char *ret, size_t size)
{
    const char *kind = r->kind == RECORD_API_ERROR || r->api_error_message ? "API error" : "synthetic answer";
    const char *words = error_words(r->error);
    json_int_t status = json_integer_value(json_object_get(r->error, "status"));
    char text[4096];
    char tail[TASK_BYTES];
    text_copy(tail, sizeof tail, words != NULL ? words : "");
    snprintf(text, sizeof text, "%s", kind);
    if (status != 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %lld", (long long)status);
    if (*tail != '\0')
        snprintf(text + strlen(text), sizeof text - strlen(text), ": %s", tail);
    text_copy(ret, size, text);
}

static void emit_error(const step *s, const char *text)
{
    weft_event event = transcript__event_of(WEFT_AGENT_ERROR, &s->of, s->time_ms);
    if (*s->of.agent == '\0')
        event.agent_id = TRANSCRIPT_MAIN_AGENT;
    event.agent_error.error = text;
    transcript__emit(s->t, &event);
}

static void apply_api_error(const step *s)
{
    char text[TASK_BYTES + 64];
    if (record_repeated(s))
        return;
    error_describe(s->record, text, sizeof text);
    emit_error(s, text);
    emit_status(s, &(struct weft_session_status_changed){.status = WEFT_SESSION_RETRY,
                                                         .attempt = s->record->attempt != 0 ? s->record->attempt : 1,
                                                         .message = text,
                                                         .next_retry_ms = s->record->next_retry_ms});
}

/* A foreign object may be larger or deeper than an event may carry; then only the fact that it came is told. */
static bool custom_fits(const char *data)
{
    size_t length = strlen(data);
    return length <= CUSTOM_MAX_BYTES && weft_json_check(data, length, WEFT_JSON_MAX_DEPTH) == WEFT_OK;
}

static void apply_custom(const step *s)
{
    if (record_repeated(s))
        return;
    char *data = json_dumps(s->record->custom_data, JSON_COMPACT);
    s->t->failed |= data == NULL;
    weft_event event = transcript__event_of(WEFT_CUSTOM, &s->of, s->time_ms);
    event.custom = (struct weft_custom){.event_type = s->record->custom_type,
                                        .source = TRANSCRIPT_SOURCE,
                                        .data_json = data != NULL && custom_fits(data) ? data : "null"};
    transcript__emit(s->t, &event);
    free(data);
}

static void apply_items(const step *s)
{
    bool first = true;
    for (size_t i = 0; i < s->record->item_count; i++) {
        const record_item *item = &s->record->items[i];
        if (!item->is_result) {
            transcript__call_start(s, item);
            continue;
        }
        transcript__call_result(s, item, first);
        first = false;
    }
}

static void apply_assistant(const step *s)
{
    if ((s->record->synthetic || s->record->api_error_message) && !record_repeated(s)) {
        char text[TASK_BYTES + 64];
        error_describe(s->record, text, sizeof text);
        emit_error(s, text);
    }
    stream_message(s);
    apply_items(s);
}

static void apply_user(const step *s)
{
    apply_items(s);
    stream *st = stream_of(s);
    if (st != NULL)
        st->input_ms = s->time_ms;
    if (s->record->prompt)
        emit_status(s, &(struct weft_session_status_changed){.status = WEFT_SESSION_BUSY});
}

static void apply(const step *s)
{
    session_touch(s);
    if (*s->of.agent != '\0') {
        const open_call *call = string_map_get(&s->t->calls, s->record->parent_call);
        transcript__agent_start(s->t, &s->of, call != NULL ? call->task : "", s->time_ms);
    }
    switch (s->record->kind) {
    case RECORD_ASSISTANT:
        apply_assistant(s);
        break;
    case RECORD_USER:
        apply_user(s);
        break;
    case RECORD_API_ERROR:
        apply_api_error(s);
        break;
    case RECORD_TURN_DURATION:
        emit_status(s, &(struct weft_session_status_changed){.status = WEFT_SESSION_IDLE});
        break;
    case RECORD_CUSTOM:
        apply_custom(s);
        break;
    case RECORD_OTHER:
        break;
    }
}

/* ---- the engine ---- */

weft_status transcript_create(const transcript_opts *opts, transcript **ret)
{
    transcript *t = calloc(1, sizeof *t);
    if (t == NULL)
        return WEFT_NO_MEMORY;
    t->opts = *opts;
    if (t->opts.table_max == 0)
        t->opts.table_max = TABLE_MAX;
    t->seen.max = opts->seen_max != 0 ? opts->seen_max : SEEN_MAX;
    *ret = t;
    return WEFT_OK;
}

void transcript_destroy(transcript *t)
{
    if (t == NULL)
        return;
    string_map_fini(&t->requests, free);
    string_map_fini(&t->calls, free);
    string_map_fini(&t->results, free);
    string_map_fini(&t->streams, stream_free);
    string_map_fini(&t->sessions, free);
    seen_set_fini(&t->seen);
    free(t);
}

static void problem_report(const transcript *t, const char *file, uint64_t line, const char *text)
{
    char message[PATH_MAX + 512];
    if (t->opts.on_problem == NULL)
        return;
    snprintf(message, sizeof message, "%s:%llu: %s", file, (unsigned long long)line, text);
    t->opts.on_problem(message, t->opts.user);
}

static bool line_blank(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r'))
        i++;
    return i == length;
}

weft_status transcript_feed(transcript *t, const char *file, uint64_t line, const char *text, size_t length,
                            int64_t now_ms)
{
    char error[400];
    transcript_record record;
    if (line_blank(text, length))
        return WEFT_OK;
    weft_status status = transcript_record_parse(text, length, &record, error, sizeof error);
    if (status != WEFT_OK) {
        problem_report(t, file, line, error);
        return status == WEFT_MALFORMED ? WEFT_INVALID : status;
    }
    if (record.timestamp_ms >= 0)
        t->last_ms = record.timestamp_ms;
    step s = {.t = t, .record = &record, .now_ms = now_ms, .time_ms = t->last_ms};
    short_id_from(s.of.session, record.session);
    short_id_from(s.of.agent, record.agent);
    apply(&s);
    transcript_record_fini(&record);
    return t->failed ? WEFT_NO_MEMORY : WEFT_OK;
}

int64_t transcript_idle(transcript *t, int64_t now_ms)
{
    const string_map_entry *entry;
    int64_t next = INT64_MAX;
    for (size_t cursor = 0; (entry = string_map_next(&t->requests, &cursor)) != NULL;) {
        const open_request *r = entry->value;
        int64_t due = r->fed_ms + TRANSCRIPT_IDLE_MS;
        if (due <= now_ms)
            request_complete(t, entry->key);
        else if (due < next)
            next = due;
    }
    return next;
}

bool transcript_end_step(transcript *t)
{
    char key[STREAM_KEY_BYTES];
    if (t->requests.count > 0)
        request_complete(t, transcript__table_oldest(&t->requests, key));
    else if (t->results.count > 0)
        transcript__result_give_up(t, transcript__table_oldest(&t->results, key));
    else if (t->sessions.count > 0)
        session_evict(t);
    else
        string_map_fini(&t->streams, stream_free);
    return t->requests.count + t->results.count + t->sessions.count + t->streams.count > 0;
}

weft_status transcript_end(transcript *t)
{
    while (transcript_end_step(t))
        ;
    return t->failed ? WEFT_NO_MEMORY : WEFT_OK;
}

bool transcript_forget(transcript *t)
{
    size_t max = t->seen.max, held = t->seen.count;
    seen_set_limit(&t->seen, held / 2);
    t->seen.max = max;
    return held > 0;
}
