/* nodes/recount.c: see the header. It keeps every id of the input in memory, which the engine may not: that is the
 * simplification that makes it a check.
 *
 * The rules are data here: `checks` says which members a line must have to count, and an answer (one message id) is
 * closed as soon as its session and agent show another message id. */
#include "nodes/recount.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "nodes/json_line.h"
#include "nodes/ownership.h"
#include "nodes/short_id.h"
#include "nodes/timestamp.h"

enum { LINE_MAX_BYTES = 16 * 1024 * 1024, KEY_BYTES = 2 * SHORT_ID_BYTES };

/* What a member must be, if it is there and not null. */
typedef enum form { STRING, TIME, FLAG, OBJECT, COUNT, POSITIVE, CONTENT, ID_REQUIRED, OBJECT_REQUIRED } form;

/* In the order in which members are reached. "*" is every known type of record; agent_progress stands for itself, and
 * answer for an agent_progress whose nested record is an assistant's. */
static const struct check {
    const char *type;
    const char *path;
    form form;
} checks[] = {
    {"*", "sessionId", STRING},
    {"*", "operator", STRING},
    {"*", "agentId", STRING},
    {"*", "uuid", STRING},
    {"*", "timestamp", TIME},
    {"assistant", "isApiErrorMessage", FLAG},
    {"assistant", "message", OBJECT_REQUIRED},
    {"assistant", "message.id", STRING},
    {"assistant", "message.model", STRING},
    {"assistant", "message.usage", OBJECT},
    {"assistant", "message.usage.input_tokens", COUNT},
    {"assistant", "message.usage.output_tokens", COUNT},
    {"assistant", "message.usage.cache_read_input_tokens", COUNT},
    {"assistant", "message.usage.cache_creation_input_tokens", COUNT},
    {"assistant", "message.content", CONTENT},
    {"user", "isMeta", FLAG},
    {"user", "isCompactSummary", FLAG},
    {"user", "message", OBJECT_REQUIRED},
    {"user", "message.content", CONTENT},
    {"system", "subtype", STRING},
    {"api_error", "retryAttempt", COUNT},
    {"api_error", "retryInMs", POSITIVE},
    {"progress", "data", OBJECT},
    {"progress", "data.type", STRING},
    {"agent_progress", "data.agentId", ID_REQUIRED},
    {"agent_progress", "data.message", OBJECT_REQUIRED},
    {"agent_progress", "data.message.type", STRING},
    {"agent_progress", "parentToolUseID", STRING},
    {"prompt", "data.message.message", OBJECT_REQUIRED},
    {"prompt", "data.message.message.content", CONTENT},
    {"answer", "data.message.isApiErrorMessage", FLAG},
    {"answer", "data.message.message", OBJECT_REQUIRED},
    {"answer", "data.message.message.id", STRING},
    {"answer", "data.message.message.model", STRING},
    {"answer", "data.message.message.usage", OBJECT},
    {"answer", "data.message.message.usage.input_tokens", COUNT},
    {"answer", "data.message.message.usage.output_tokens", COUNT},
    {"answer", "data.message.message.usage.cache_read_input_tokens", COUNT},
    {"answer", "data.message.message.usage.cache_creation_input_tokens", COUNT},
    {"answer", "data.message.message.content", CONTENT},
};

typedef struct answer {
    char model[SHORT_ID_BYTES];
    token_counts tokens;
    bool closed;
} answer;

typedef struct tool_use {
    char name[SHORT_ID_BYTES];
    bool called;
    bool answered;
    bool error; /* of the first result */
} tool_use;

typedef struct session {
    char *operator_name; /* NULL: none so far */
    const char *path;    /* of the first record */
} session;

typedef struct recount {
    string_map sessions; /* → session */
    string_map answers;  /* message id → answer */
    string_map current;  /* session US agent → message id, allocated */
    string_map tools;    /* call id → tool_use */
    string_map errors;   /* uuids; values not used */
    uint64_t error_count;
    uint64_t skipped;
    bool failed; /* memory ran out */
} recount;

/* ---- reading members ---- */

static json_t *at(json_t *value, const char *path)
{
    char name[64];
    while (value != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        memcpy(name, path, length);
        name[length] = '\0';
        value = json_object_get(value, name);
        path += length + (path[length] == '.');
    }
    return json_is_null(value) ? NULL : value;
}

static const char *text_at(json_t *value, const char *path)
{
    const char *text = json_string_value(at(value, path));
    return text != NULL ? text : "";
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- checking ---- */

static bool string_fits(json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static bool id_fits(json_t *value)
{
    return string_fits(value) && json_string_length(value) > 0;
}

static bool item_fits(json_t *item)
{
    json_t *type = at(item, "type");
    if (!json_is_object(item) || (type != NULL && !string_fits(type)))
        return false;
    if (is(text_at(item, "type"), "tool_use"))
        return id_fits(at(item, "id")) && id_fits(at(item, "name"));
    json_t *error = at(item, "is_error");
    if (is(text_at(item, "type"), "tool_result"))
        return id_fits(at(item, "tool_use_id")) && (error == NULL || json_is_boolean(error));
    return true;
}

static bool content_fits(json_t *content)
{
    bool ok = json_is_string(content) || json_is_array(content);
    for (size_t i = 0; ok && i < json_array_size(content); i++)
        ok = item_fits(json_array_get(content, i));
    return ok;
}

static bool time_fits(json_t *value)
{
    int64_t ms;
    return string_fits(value) && (json_string_length(value) == 0 || timestamp_parse(json_string_value(value), &ms));
}

static bool value_fits(json_t *value, form expected)
{
    if (value == NULL)
        return expected != ID_REQUIRED && expected != OBJECT_REQUIRED;
    switch (expected) {
    case STRING:
        return string_fits(value);
    case ID_REQUIRED:
        return id_fits(value);
    case TIME:
        return time_fits(value);
    case FLAG:
        return json_is_boolean(value);
    case COUNT:
        return json_is_number(value) && json_number_value(value) == trunc(json_number_value(value)) &&
               json_number_value(value) >= 0 && json_number_value(value) <= 0x1p53 &&
               (!json_is_integer(value) || json_integer_value(value) <= 1LL << 53);
    case POSITIVE:
        return json_is_number(value) && json_number_value(value) >= 0;
    case CONTENT:
        return content_fits(value);
    default:
        return json_is_object(value);
    }
}

static bool type_fits(json_t *record, const char *type)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (is(checks[i].type, type) && !value_fits(at(record, checks[i].path), checks[i].form))
            return false;
    return true;
}

static bool type_known(const char *type)
{
    static const char *const known[] = {"assistant", "user", "progress", "system", "queue-operation", "pr-link"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(known[i], type))
            return true;
    return false;
}

/* Whether a line counts: as a whole or not at all. */
static bool record_fits(json_t *record)
{
    const char *type = text_at(record, "type");
    if (!json_is_object(record) || !id_fits(at(record, "type")))
        return false;
    if (!type_known(type))
        return true;
    if (!type_fits(record, "*") || !type_fits(record, type))
        return false;
    if (is(type, "system") && is(text_at(record, "subtype"), "api_error"))
        return type_fits(record, "api_error");
    if (!is(type, "progress") || !is(text_at(record, "data.type"), "agent_progress"))
        return true;
    const char *nested = text_at(record, "data.message.type");
    return type_fits(record, "agent_progress") && (!is(nested, "assistant") || type_fits(record, "answer")) &&
           (!is(nested, "user") || type_fits(record, "prompt"));
}

/* ---- counting ---- */

/* The entry of a key, zeroed if it is new; NULL when memory is out. */
static void *entry_of(recount *rc, string_map *map, const char *key, size_t size)
{
    void *entry = string_map_get(map, key);
    if (entry != NULL)
        return entry;
    entry = calloc(1, size);
    if (entry != NULL && string_map_put(map, key, entry))
        return entry;
    free(entry);
    rc->failed = true;
    return NULL;
}

static void count_session(recount *rc, json_t *record, const char *path)
{
    char id[SHORT_ID_BYTES];
    bool usable = string_fits(json_object_get(record, "sessionId"));
    short_id_from(id, usable ? text_at(record, "sessionId") : "");
    session *s = entry_of(rc, &rc->sessions, id, sizeof *s);
    if (s == NULL)
        return;
    if (s->path == NULL)
        s->path = path;
    if (s->operator_name == NULL && *text_at(record, "operator") != '\0')
        s->operator_name = strdup(text_at(record, "operator"));
}

/* The message id that a session and agent showed before this one is closed. */
static void close_previous(recount *rc, const char *stream, const char *id)
{
    char *current = string_map_get(&rc->current, stream);
    if (current != NULL && is(current, id))
        return;
    answer *previous = current != NULL ? string_map_get(&rc->answers, current) : NULL;
    if (previous != NULL)
        previous->closed = true;
    char *copy = strdup(id);
    if (copy == NULL || !string_map_put(&rc->current, stream, copy)) {
        rc->failed = true;
        free(copy);
        return;
    }
    free(current);
}

static token_counts tokens_at(json_t *message)
{
    return (token_counts){.input = (uint64_t)json_number_value(at(message, "usage.input_tokens")),
                          .output = (uint64_t)json_number_value(at(message, "usage.output_tokens")),
                          .cache_read = (uint64_t)json_number_value(at(message, "usage.cache_read_input_tokens")),
                          .cache_write = (uint64_t)json_number_value(at(message, "usage.cache_creation_input_tokens"))};
}

static void count_answer(recount *rc, json_t *message, const char *session_id, const char *agent)
{
    char id[SHORT_ID_BYTES], key[KEY_BYTES];
    char owner[2][SHORT_ID_BYTES];
    short_id_from(id, text_at(message, "id"));
    short_id_from(owner[0], session_id);
    short_id_from(owner[1], agent);
    snprintf(key, sizeof key, "%s\x1f%s", owner[0], owner[1]);
    if (*id == '\0')
        return;
    close_previous(rc, key, id);
    if (is(text_at(message, "model"), "<synthetic>"))
        return;
    bool first = string_map_get(&rc->answers, id) == NULL;
    answer *a = entry_of(rc, &rc->answers, id, sizeof *a);
    token_counts tokens = tokens_at(message);
    if (a == NULL || (!first && (a->closed || tokens.output <= a->tokens.output)))
        return;
    a->tokens = tokens;
    short_id_from(a->model, text_at(message, "model"));
}

static void count_tools(recount *rc, json_t *message)
{
    json_t *content = at(message, "content");
    for (size_t i = 0; i < json_array_size(content); i++) {
        json_t *item = json_array_get(content, i);
        bool call = is(text_at(item, "type"), "tool_use");
        if (!call && !is(text_at(item, "type"), "tool_result"))
            continue;
        char id[SHORT_ID_BYTES];
        short_id_from(id, text_at(item, call ? "id" : "tool_use_id"));
        tool_use *use = entry_of(rc, &rc->tools, id, sizeof *use);
        if (use == NULL)
            return;
        if (call && !use->called)
            short_id_from(use->name, text_at(item, "name"));
        if (!call && !use->answered)
            use->error = json_is_true(at(item, "is_error"));
        use->called |= call;
        use->answered |= !call;
    }
}

static void count_error(recount *rc, const char *uuid)
{
    static char present;
    if (*uuid != '\0') {
        if (string_map_get(&rc->errors, uuid) != NULL)
            return;
        rc->failed |= !string_map_put(&rc->errors, uuid, &present);
    }
    rc->error_count++;
}

static void count_record(recount *rc, json_t *record, const char *path)
{
    const char *type = text_at(record, "type");
    const char *agent = text_at(record, "agentId");
    json_t *holder = record;
    count_session(rc, record, path);
    if (is(type, "system") && is(text_at(record, "subtype"), "api_error"))
        count_error(rc, text_at(record, "uuid"));
    if (is(type, "progress") && is(text_at(record, "data.type"), "agent_progress")) {
        holder = at(record, "data.message");
        agent = text_at(record, "data.agentId");
        type = text_at(holder, "type");
    }
    bool assistant = is(type, "assistant");
    if (!assistant && !is(type, "user"))
        return;
    json_t *message = at(holder, "message");
    if (assistant && (json_is_true(at(holder, "isApiErrorMessage")) || is(text_at(message, "model"), "<synthetic>")))
        count_error(rc, text_at(record, "uuid"));
    if (assistant)
        count_answer(rc, message, text_at(record, "sessionId"), agent);
    count_tools(rc, message);
}

static void count_line(recount *rc, const char *path, const char *line, size_t length)
{
    if (strspn(line, " \t\r") == length)
        return;
    json_t *record = json_line_parse(line, length, NULL);
    if (record != NULL && record_fits(record))
        count_record(rc, record, path);
    else
        rc->skipped++;
    json_decref(record);
}

/* ---- files ---- */

/* Takes the whole lines out of data[0..length); returns how many bytes they were. */
static size_t count_lines(recount *rc, const char *path, char *data, size_t length)
{
    size_t start = 0;
    char *newline;
    while ((newline = memchr(data + start, '\n', length - start)) != NULL) {
        size_t line = (size_t)(newline - (data + start));
        *newline = '\0';
        if (line <= LINE_MAX_BYTES)
            count_line(rc, path, data + start, line);
        else
            rc->skipped++;
        start += line + 1;
    }
    return start;
}

static bool count_gz(recount *rc, gzFile file, const char *path)
{
    size_t capacity = 1 << 20, length = 0;
    char *data = malloc(capacity);
    int got = 1;
    while (data != NULL && got > 0) {
        got = gzread(file, data + length, (unsigned)(capacity - length - 1));
        length += got > 0 ? (size_t)got : 0;
        size_t used = count_lines(rc, path, data, length);
        memmove(data, data + used, length - used);
        length -= used;
        if (length + 1 < capacity)
            continue;
        char *larger = capacity < INT_MAX / 2 ? realloc(data, capacity * 2) : NULL;
        if (larger == NULL)
            free(data);
        data = larger;
        capacity *= 2;
    }
    if (data != NULL && got == 0 && length > 0) {
        data[length++] = '\n';
        count_lines(rc, path, data, length);
    }
    rc->failed |= data == NULL;
    free(data);
    int code;
    gzerror(file, &code);
    return got == 0 && code == Z_OK;
}

static bool count_file(recount *rc, const char *path)
{
    gzFile file = gzopen(path, "rb");
    if (file == NULL)
        return false;
    bool ok = count_gz(rc, file, path);
    gzclose(file);
    return ok;
}

/* ---- the sums ---- */

static void node_of(const session *s, char ret[NODE_NAME_BYTES])
{
    char path[PATH_MAX];
    if (s->operator_name != NULL) {
        node_name_from(ret, s->operator_name);
        return;
    }
    char *slash = realpath(s->path, path) != NULL ? strrchr(path, '/') : NULL;
    if (slash != NULL)
        *slash = '\0';
    const char *name = slash != NULL ? strrchr(path, '/') : NULL;
    node_name_from(ret, name != NULL ? name + 1 : "");
}

static bool sum_up(const recount *rc, prices *p, totals *ret)
{
    const string_map_entry *entry;
    bool ok = true;
    for (size_t cursor = 0; ok && (entry = string_map_next(&rc->sessions, &cursor)) != NULL;) {
        char node[NODE_NAME_BYTES];
        if (*entry->key == '\0' && rc->sessions.count > 1)
            continue;
        node_of(entry->value, node);
        ok = totals_add_session(ret, entry->key) && totals_add_node(ret, node);
    }
    for (size_t cursor = 0; ok && (entry = string_map_next(&rc->answers, &cursor)) != NULL;) {
        const answer *a = entry->value;
        ok = totals_add_request(ret, a->model, &a->tokens, prices_cost(p, a->model, &a->tokens, NULL));
    }
    for (size_t cursor = 0; ok && (entry = string_map_next(&rc->tools, &cursor)) != NULL;) {
        const tool_use *use = entry->value;
        if (use->called)
            ok = totals_add_call(ret, use->name) && (!use->error || totals_add_call_error(ret, use->name));
    }
    ret->agent_errors += rc->error_count;
    return ok;
}

static void session_free(void *value)
{
    free(((session *)value)->operator_name);
    free(value);
}

weft_status recount_files(const char *const *paths, size_t count, prices *p, totals *ret, uint64_t *ret_skipped,
                          char *error, size_t error_size)
{
    recount rc = {0};
    weft_status status = WEFT_OK;
    for (size_t i = 0; i < count && status == WEFT_OK; i++) {
        errno = 0;
        if (!count_file(&rc, paths[i])) {
            snprintf(error, error_size, "%s: %s", paths[i], errno != 0 ? strerror(errno) : "damaged gzip data");
            status = WEFT_IO;
        }
    }
    if (rc.failed || (status == WEFT_OK && !sum_up(&rc, p, ret))) {
        snprintf(error, error_size, "%s", weft_status_text(WEFT_NO_MEMORY));
        status = WEFT_NO_MEMORY;
    }
    if (ret_skipped != NULL)
        *ret_skipped = rc.skipped;
    string_map_fini(&rc.sessions, session_free);
    string_map_fini(&rc.answers, free);
    string_map_fini(&rc.current, free);
    string_map_fini(&rc.tools, free);
    string_map_fini(&rc.errors, NULL);
    return status;
}
