/* bridge/node_state.c: sessions hang in a hash table, which grows with them, and in a list, newest change first.
 *
 * Bounds  SESSIONS_MAX live sessions (the one that changed longest ago is forgotten), MODELS_MAX models (later ones,
 * and names that are no names, are counted as "other"). */
#include "bridge/node_state.h"

#include "bridge/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSIONS_MAX = 10000,
    SESSIONS_SHOWN = 500,
    MODELS_MAX = 256,
    MODEL_NAME_MAX_BYTES = 128,
    BUCKETS_FIRST = 64,
    STATE_MAX_BYTES = 64 * 1024
};

typedef struct session {
    struct session *same_bucket;
    struct session *newer, *older;
    int64_t changed_ms;
    weft_session_status status;
    uint32_t hash;
    char id[];
} session;

struct weft__node_state {
    pthread_mutex_t mutex; /* for all below */
    weft__model_totals models[MODELS_MAX];
    size_t model_count;
    session **buckets;
    size_t bucket_count; /* a power of two */
    session *newest, *oldest;
    uint64_t started, ended, live;
    bool news; /* since it was encoded last */
};

weft_status weft__node_state_create(weft__node_state **ret)
{
    weft__node_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return WEFT_NO_MEMORY;
    state->bucket_count = BUCKETS_FIRST;
    state->buckets = calloc(BUCKETS_FIRST, sizeof(session *));
    if (state->buckets == NULL) {
        free(state);
        return WEFT_NO_MEMORY;
    }
    pthread_mutex_init(&state->mutex, NULL);
    *ret = state;
    return WEFT_OK;
}

static void models_clear(weft__node_state *state)
{
    for (size_t i = 0; i < state->model_count; i++)
        free((void *)state->models[i].model);
    state->model_count = 0;
}

void weft__node_state_destroy(weft__node_state *state)
{
    if (state == NULL)
        return;
    models_clear(state);
    for (session *s = state->newest, *older; s != NULL; s = older) {
        older = s->older;
        free(s);
    }
    pthread_mutex_destroy(&state->mutex);
    free(state->buckets);
    free(state);
}

void weft__node_state_begin_epoch(weft__node_state *state)
{
    pthread_mutex_lock(&state->mutex);
    models_clear(state);
    state->started = state->ended = 0;
    pthread_mutex_unlock(&state->mutex);
}

/* ---- models ---- */

static weft__model_totals *model_find(weft__node_state *state, const char *name)
{
    if (name == NULL || name[0] == '\0')
        name = "unknown";
    if (strlen(name) > MODEL_NAME_MAX_BYTES)
        name = "other";
    for (size_t i = 0; i < state->model_count; i++)
        if (strcmp(state->models[i].model, name) == 0)
            return &state->models[i];
    if (state->model_count == MODELS_MAX)
        return &state->models[MODELS_MAX - 1];
    char *copy = strdup(state->model_count == MODELS_MAX - 1 ? "other" : name);
    if (copy == NULL)
        return NULL;
    weft__model_totals *model = &state->models[state->model_count++];
    *model = (weft__model_totals){.model = copy};
    return model;
}

static void usage_add(weft__node_state *state, const struct weft_token_usage *usage)
{
    weft__model_totals *model = model_find(state, usage->model);
    if (model == NULL)
        return;
    model->input_tokens += usage->input_tokens;
    model->output_tokens += usage->output_tokens;
    model->cache_read_tokens += usage->cache_read_tokens;
    model->cache_write_tokens += usage->cache_write_tokens;
    model->cost_nano_usd += weft_nano_usd(usage->cost_usd);
}

/* ---- sessions ---- */

static session **session_bucket(const weft__node_state *state, uint32_t hash)
{
    return &state->buckets[hash & (state->bucket_count - 1)];
}

static void session_hash(weft__node_state *state, session *s)
{
    session **bucket = session_bucket(state, s->hash);
    s->same_bucket = *bucket;
    *bucket = s;
}

/* Without memory they stay as few as they are. */
static void buckets_grow(weft__node_state *state)
{
    session **buckets = calloc(2 * state->bucket_count, sizeof(session *));
    if (buckets == NULL)
        return;
    free(state->buckets);
    state->buckets = buckets;
    state->bucket_count *= 2;
    for (session *s = state->newest; s != NULL; s = s->older)
        session_hash(state, s);
}

static void session_unlink(weft__node_state *state, session *s)
{
    *(s->newer != NULL ? &s->newer->older : &state->newest) = s->older;
    *(s->older != NULL ? &s->older->newer : &state->oldest) = s->newer;
}

static void session_link_newest(weft__node_state *state, session *s)
{
    s->newer = NULL;
    s->older = state->newest;
    *(state->newest != NULL ? &state->newest->newer : &state->oldest) = s;
    state->newest = s;
}

static void session_remove(weft__node_state *state, session *s)
{
    session **at = session_bucket(state, s->hash);
    while (*at != s)
        at = &(*at)->same_bucket;
    *at = s->same_bucket;
    session_unlink(state, s);
    state->live--;
    free(s);
}

static uint32_t id_hash(const weft__node_state *state, const char *id, size_t length)
{
    return (uint32_t)weft__hash_text((uintptr_t)state, id, length);
}

static session *session_find(const weft__node_state *state, const char *id, uint32_t hash)
{
    session *s = *session_bucket(state, hash);
    while (s != NULL && (s->hash != hash || strcmp(s->id, id) != 0))
        s = s->same_bucket;
    return s;
}

static session *session_add(weft__node_state *state, const char *id, size_t length, uint32_t hash)
{
    if (state->live == SESSIONS_MAX)
        session_remove(state, state->oldest);
    if (state->live == state->bucket_count)
        buckets_grow(state);
    session *s = calloc(1, sizeof *s + length + 1);
    if (s == NULL)
        return NULL;
    memcpy(s->id, id, length);
    s->hash = hash;
    session_hash(state, s);
    session_link_newest(state, s);
    state->live++;
    return s;
}

static void session_touch(weft__node_state *state, const weft_event *event, weft_session_status status)
{
    size_t length = strlen(event->session_id);
    uint32_t hash = id_hash(state, event->session_id, length);
    session *s = session_find(state, event->session_id, hash);
    if (s == NULL)
        s = session_add(state, event->session_id, length, hash);
    if (s == NULL)
        return;
    if (s != state->newest) {
        session_unlink(state, s);
        session_link_newest(state, s);
    }
    s->status = status;
    s->changed_ms = weft_event_timestamp_ms(event);
}

static void session_end(weft__node_state *state, const char *id)
{
    session *s = session_find(state, id, id_hash(state, id, strlen(id)));
    state->ended++;
    if (s != NULL)
        session_remove(state, s);
}

static void event_add_locked(weft__node_state *state, const weft_event *event)
{
    bool in_session = event->session_id != NULL && event->session_id[0] != '\0';
    if (event->type == WEFT_TOKEN_USAGE) {
        usage_add(state, &event->token_usage);
    } else if (event->type == WEFT_LLM_RESPONSE_END) {
        weft__model_totals *model = model_find(state, event->llm_response_end.model);
        if (model != NULL)
            model->requests++;
    } else if (event->type == WEFT_SESSION_START && in_session) {
        state->started++;
        session_touch(state, event, WEFT_SESSION_BUSY);
    } else if (event->type == WEFT_SESSION_STATUS_CHANGED && in_session) {
        session_touch(state, event, event->session_status_changed.status);
    } else if (event->type == WEFT_SESSION_END && in_session) {
        session_end(state, event->session_id);
    }
}

/* Only these have something to tell. */
static bool is_counted(const weft_event *event)
{
    return (event->flags & WEFT_FLAG_SYNTHETIC) == 0 &&
           (event->type == WEFT_TOKEN_USAGE || event->type == WEFT_LLM_RESPONSE_END ||
            event->type == WEFT_SESSION_START || event->type == WEFT_SESSION_STATUS_CHANGED ||
            event->type == WEFT_SESSION_END);
}

void weft__node_state_add(weft__node_state *state, const weft_event *event)
{
    if (!is_counted(event))
        return;
    pthread_mutex_lock(&state->mutex);
    event_add_locked(state, event);
    state->news = true;
    pthread_mutex_unlock(&state->mutex);
}

bool weft__node_state_has_news(weft__node_state *state)
{
    pthread_mutex_lock(&state->mutex);
    bool news = state->news;
    pthread_mutex_unlock(&state->mutex);
    return news;
}

static weft_status state_encode_locked(const weft__node_state *state, const char *node, uint64_t epoch,
                                       int64_t timestamp_ms, uint8_t **ret, size_t *ret_bytes)
{
    weft__session_state shown[SESSIONS_SHOWN];
    size_t count = 0;
    for (const session *s = state->newest; s != NULL && count < SESSIONS_SHOWN; s = s->older)
        shown[count++] = (weft__session_state){s->id, s->status, s->changed_ms};
    for (;;) {
        weft__state message = {.node = node,
                               .epoch = epoch,
                               .timestamp_ms = timestamp_ms,
                               .models = state->models,
                               .model_count = state->model_count,
                               .sessions_started = state->started,
                               .sessions_ended = state->ended,
                               .sessions_live = state->live,
                               .sessions = shown,
                               .session_count = count,
                               .truncated = count < state->live};
        weft_status st = weft__state_encode(&message, ret, ret_bytes);
        if (st != WEFT_OK || *ret_bytes <= STATE_MAX_BYTES || count == 0)
            return st;
        free(*ret);
        count /= 2;
    }
}

weft_status weft__node_state_encode(weft__node_state *state, const char *node, uint64_t epoch, int64_t timestamp_ms,
                                    uint8_t **ret, size_t *ret_bytes)
{
    pthread_mutex_lock(&state->mutex);
    weft_status st = state_encode_locked(state, node, epoch, timestamp_ms, ret, ret_bytes);
    state->news = state->news && st != WEFT_OK;
    pthread_mutex_unlock(&state->mutex);
    return st;
}
