/* nodes/transcript_state.c: the engine's state as JSON, and back.
 *
 *   {"v":1, "last":ms, "seen":base64, "sessions":[[id,last]], "streams":[[key,request,input]],
 *    "requests":[[id,session,agent,model,start,last,[input,output,cache_read,cache_write]]],
 *    "calls":[[id,session,agent,name,task,start]], "results":[[id,session,agent,time,success]]}
 *
 * Rows stand in the order of the tables, so that a restored engine emits in the same order. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/transcript_private.h"

static const json_int_t version = 1;

/* ---- writing ---- */

static json_t *session_pack(const char *key, const void *value)
{
    const live_session *live = value;
    return json_pack("[sI]", key, (json_int_t)live->last_ms);
}

static json_t *stream_pack(const char *key, const void *value)
{
    const stream *st = value;
    return json_pack("[ssI]", key, st->request != NULL ? st->request : "", (json_int_t)st->input_ms);
}

static json_t *request_pack(const char *key, const void *value)
{
    const open_request *r = value;
    return json_pack("[ssssII[IIII]]", key, r->of.session, r->of.agent, r->model, (json_int_t)r->start_ms,
                     (json_int_t)r->last_ms, (json_int_t)r->tokens.input, (json_int_t)r->tokens.output,
                     (json_int_t)r->tokens.cache_read, (json_int_t)r->tokens.cache_write);
}

static json_t *call_pack(const char *key, const void *value)
{
    const open_call *call = value;
    return json_pack("[sssssI]", key, call->of.session, call->of.agent, call->name, call->task,
                     (json_int_t)call->start_ms);
}

static json_t *result_pack(const char *key, const void *value)
{
    const waiting_result *w = value;
    return json_pack("[sssIb]", key, w->of.session, w->of.agent, (json_int_t)w->timestamp_ms, (int)w->success);
}

static bool table_pack(json_t *state, const char *name, const string_map *map,
                       json_t *(*pack)(const char *key, const void *value))
{
    json_t *rows = json_array();
    bool ok = rows != NULL;
    const string_map_entry *entry;
    for (size_t cursor = 0; ok && (entry = string_map_next(map, &cursor)) != NULL;)
        ok = json_array_append_new(rows, pack(entry->key, entry->value)) == 0;
    if (ok)
        return json_object_set_new(state, name, rows) == 0;
    json_decref(rows);
    return false;
}

char *transcript_save(const transcript *t)
{
    char *seen = seen_set_save(&t->seen);
    char *text = NULL;
    json_t *state =
        seen == NULL ? NULL : json_pack("{sIsIss}", "v", version, "last", (json_int_t)t->last_ms, "seen", seen);
    if (state != NULL && table_pack(state, "sessions", &t->sessions, session_pack) &&
        table_pack(state, "streams", &t->streams, stream_pack) &&
        table_pack(state, "requests", &t->requests, request_pack) && table_pack(state, "calls", &t->calls, call_pack) &&
        table_pack(state, "results", &t->results, result_pack))
        text = json_dumps(state, JSON_COMPACT);
    json_decref(state);
    free(seen);
    return text;
}

/* ---- reading ---- */

typedef bool row_unpack_fn(transcript *t, json_t *row, int64_t now_ms);

static void owner_set(owner *of, const char *session, const char *agent)
{
    text_copy(of->session, sizeof of->session, session);
    text_copy(of->agent, sizeof of->agent, agent);
}

/* Whether a row may become an entry: the key is new and no longer than the engine makes them. */
static bool key_fits(const string_map *map, const char *key, size_t size)
{
    return strlen(key) < size && string_map_get(map, key) == NULL;
}

static bool session_unpack(transcript *t, json_t *row, int64_t now_ms)
{
    const char *key;
    json_int_t last;
    (void)now_ms;
    if (json_unpack(row, "[sI!]", &key, &last) != 0 || !key_fits(&t->sessions, key, SHORT_ID_BYTES))
        return false;
    live_session *live = calloc(1, sizeof *live);
    if (!transcript__table_put(t, &t->sessions, key, live))
        return false;
    live->last_ms = last;
    return true;
}

static bool stream_unpack(transcript *t, json_t *row, int64_t now_ms)
{
    const char *key, *request;
    json_int_t input;
    (void)now_ms;
    if (json_unpack(row, "[ssI!]", &key, &request, &input) != 0 || !key_fits(&t->streams, key, STREAM_KEY_BYTES) ||
        strlen(request) >= SHORT_ID_BYTES)
        return false;
    stream *st = calloc(1, sizeof *st);
    if (!transcript__table_put(t, &t->streams, key, st))
        return false;
    st->input_ms = input;
    st->request = *request != '\0' ? strdup(request) : NULL;
    t->failed |= *request != '\0' && st->request == NULL;
    return true;
}

static bool request_unpack(transcript *t, json_t *row, int64_t now_ms)
{
    const char *key, *session, *agent, *model;
    json_int_t start, last, input, output, cache_read, cache_write;
    if (json_unpack(row, "[ssssII[IIII!]!]", &key, &session, &agent, &model, &start, &last, &input, &output,
                    &cache_read, &cache_write) != 0 ||
        !key_fits(&t->requests, key, SHORT_ID_BYTES))
        return false;
    open_request *r = calloc(1, sizeof *r);
    if (!transcript__table_put(t, &t->requests, key, r))
        return false;
    owner_set(&r->of, session, agent);
    text_copy(r->model, sizeof r->model, model);
    r->start_ms = start;
    r->last_ms = last;
    r->fed_ms = now_ms;
    r->tokens = (token_counts){(uint64_t)input, (uint64_t)output, (uint64_t)cache_read, (uint64_t)cache_write};
    return true;
}

static bool call_unpack(transcript *t, json_t *row, int64_t now_ms)
{
    const char *key, *session, *agent, *name, *task;
    json_int_t start;
    (void)now_ms;
    if (json_unpack(row, "[sssssI!]", &key, &session, &agent, &name, &task, &start) != 0 ||
        !key_fits(&t->calls, key, SHORT_ID_BYTES))
        return false;
    open_call *call = calloc(1, sizeof *call);
    if (!transcript__table_put(t, &t->calls, key, call))
        return false;
    owner_set(&call->of, session, agent);
    text_copy(call->name, sizeof call->name, name);
    text_copy(call->task, sizeof call->task, task);
    call->start_ms = start;
    return true;
}

static bool result_unpack(transcript *t, json_t *row, int64_t now_ms)
{
    const char *key, *session, *agent;
    json_int_t time;
    int success;
    (void)now_ms;
    if (json_unpack(row, "[sssIb!]", &key, &session, &agent, &time, &success) != 0 ||
        !key_fits(&t->results, key, SHORT_ID_BYTES))
        return false;
    waiting_result *w = calloc(1, sizeof *w);
    if (!transcript__table_put(t, &t->results, key, w))
        return false;
    owner_set(&w->of, session, agent);
    w->timestamp_ms = time;
    w->success = success != 0;
    return true;
}

static bool table_unpack(transcript *t, const json_t *state, const char *name, row_unpack_fn *unpack, int64_t now_ms)
{
    const json_t *rows = json_object_get(state, name);
    bool ok = json_is_array(rows) && json_array_size(rows) <= t->opts.table_max;
    for (size_t i = 0; ok && i < json_array_size(rows); i++)
        ok = unpack(t, json_array_get(rows, i), now_ms);
    return ok;
}

weft_status transcript_load(transcript *t, const char *state, int64_t now_ms)
{
    json_int_t found = 0, last = 0;
    const char *seen;
    json_t *root = json_loads(state, 0, NULL);
    bool ok = root != NULL && json_unpack(root, "{sIsIss}", "v", &found, "last", &last, "seen", &seen) == 0 &&
              found == version && seen_set_load(&t->seen, seen) &&
              table_unpack(t, root, "sessions", session_unpack, now_ms) &&
              table_unpack(t, root, "streams", stream_unpack, now_ms) &&
              table_unpack(t, root, "requests", request_unpack, now_ms) &&
              table_unpack(t, root, "calls", call_unpack, now_ms) &&
              table_unpack(t, root, "results", result_unpack, now_ms);
    t->last_ms = last;
    json_decref(root);
    return t->failed ? WEFT_NO_MEMORY : ok ? WEFT_OK : WEFT_CORRUPT;
}
