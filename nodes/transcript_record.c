/* nodes/transcript_record.c: see the header. `parser.path` names the member being read, for the message. */
#include "nodes/transcript_record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/json_line.h"
#include "nodes/timestamp.h"

static const uint64_t tokens_max = (uint64_t)1 << 53;

typedef struct parser {
    transcript_record *record;
    const char *path; /* "message.usage." */
    char *error;
    size_t error_size;
} parser;

static bool fail(parser *p, const char *member, const char *expected, const json_t *got)
{
    snprintf(p->error, p->error_size, "%s%s: expected %s, got %s", p->path, member, expected, json_line_type_name(got));
    return false;
}

/* null counts as missing everywhere. */
static json_t *member_get(const json_t *object, const char *member)
{
    json_t *value = json_object_get(object, member);
    return json_is_null(value) ? NULL : value;
}

static bool string_read(parser *p, const json_t *object, const char *member, const char **ret)
{
    const json_t *value = member_get(object, member);
    *ret = "";
    if (value == NULL)
        return true;
    if (!json_is_string(value))
        return fail(p, member, "a string", value);
    *ret = json_string_value(value);
    if (strlen(*ret) == json_string_length(value))
        return true;
    snprintf(p->error, p->error_size, "%s%s: contains a NUL character", p->path, member);
    return false;
}

static bool required_read(parser *p, const json_t *object, const char *member, const char **ret)
{
    if (!string_read(p, object, member, ret))
        return false;
    if (**ret != '\0')
        return true;
    snprintf(p->error, p->error_size, "%s%s: missing", p->path, member);
    return false;
}

static bool flag_read(parser *p, const json_t *object, const char *member, bool *ret)
{
    const json_t *value = member_get(object, member);
    *ret = json_is_true(value);
    return value == NULL || json_is_boolean(value) || fail(p, member, "true or false", value);
}

static bool object_read(parser *p, const json_t *object, const char *member, json_t **ret)
{
    *ret = member_get(object, member);
    return *ret == NULL || json_is_object(*ret) || fail(p, member, "an object", *ret);
}

static bool count_read(parser *p, const json_t *object, const char *member, uint64_t *ret)
{
    const json_t *value = member_get(object, member);
    *ret = 0;
    if (value == NULL)
        return true;
    return json_line_whole_number(value, tokens_max, ret) || fail(p, member, "a whole number from 0 to 2^53", value);
}

static bool timestamp_read(parser *p, const json_t *object, int64_t *ret)
{
    const char *text;
    if (!string_read(p, object, "timestamp", &text))
        return false;
    if (*text == '\0' || timestamp_parse(text, ret))
        return true;
    snprintf(p->error, p->error_size, "%stimestamp: expected a time like 2026-01-05T12:17:31.459Z, got '%.40s'",
             p->path, text);
    return false;
}

/* What a call of the tool that starts subagents says about its task. */
static const char *task_of(const json_t *call)
{
    const json_t *input = json_object_get(call, "input");
    const char *task = json_string_value(json_object_get(input, "description"));
    if (task == NULL)
        task = json_string_value(json_object_get(input, "subagent_type"));
    return task != NULL ? task : "";
}

static bool item_read(parser *p, const json_t *value)
{
    const char *type;
    if (!json_is_object(value))
        return fail(p, "", "an object", value);
    if (!string_read(p, value, "type", &type))
        return false;
    record_item item = {.task = ""};
    if (strcmp(type, "tool_use") == 0) {
        if (!required_read(p, value, "id", &item.id) || !required_read(p, value, "name", &item.name))
            return false;
        item.task = task_of(value);
    } else if (strcmp(type, "tool_result") == 0) {
        item.is_result = true;
        if (!required_read(p, value, "tool_use_id", &item.id) || !flag_read(p, value, "is_error", &item.is_error))
            return false;
    } else {
        p->record->prompt |= strcmp(type, "text") == 0 || strcmp(type, "image") == 0;
        return true;
    }
    p->record->items[p->record->item_count++] = item;
    return true;
}

static bool content_read(parser *p, const json_t *message, const char *path)
{
    const json_t *content = member_get(message, "content");
    if (json_is_string(content))
        p->record->prompt = true;
    if (content == NULL || json_is_string(content) || json_array_size(content) == 0)
        return content == NULL || json_is_string(content) || json_is_array(content) ||
               fail(p, "content", "an array or a string", content);
    p->record->items = calloc(json_array_size(content), sizeof *p->record->items);
    if (p->record->items == NULL)
        return fail(p, "content", "memory for it", NULL);
    const char *outer = p->path;
    p->path = path;
    for (size_t i = 0; i < json_array_size(content); i++)
        if (!item_read(p, json_array_get(content, i)))
            return false;
    p->path = outer;
    return true;
}

static bool usage_read(parser *p, const json_t *message, const char *path)
{
    json_t *usage;
    token_counts *t = &p->record->tokens;
    if (!object_read(p, message, "usage", &usage))
        return false;
    const char *outer = p->path;
    p->path = path;
    bool ok = count_read(p, usage, "input_tokens", &t->input) && count_read(p, usage, "output_tokens", &t->output) &&
              count_read(p, usage, "cache_read_input_tokens", &t->cache_read) &&
              count_read(p, usage, "cache_creation_input_tokens", &t->cache_write);
    p->path = ok ? outer : p->path;
    return ok;
}

/* The message of a record, or of the record nested in agent_progress (path begins with "data.message." then). */
static bool message_read(parser *p, const json_t *holder, bool assistant, bool nested)
{
    json_t *message;
    transcript_record *r = p->record;
    p->path = nested ? "data.message." : "";
    if (!object_read(p, holder, "message", &message))
        return false;
    if (message == NULL)
        return fail(p, "message", "an object", NULL);
    r->kind = assistant ? RECORD_ASSISTANT : RECORD_USER;
    p->path = nested ? "data.message.message." : "message.";
    if (assistant && (!string_read(p, message, "id", &r->message_id) || !string_read(p, message, "model", &r->model) ||
                      !usage_read(p, message, nested ? "data.message.message.usage." : "message.usage.")))
        return false;
    r->synthetic = strcmp(r->model, "<synthetic>") == 0;
    return content_read(p, message, nested ? "data.message.message.content[]." : "message.content[].");
}

static bool assistant_read(parser *p, const json_t *root)
{
    p->record->error = member_get(root, "error");
    return flag_read(p, root, "isApiErrorMessage", &p->record->api_error_message) && message_read(p, root, true, false);
}

static bool user_read(parser *p, const json_t *root)
{
    bool meta, summary;
    if (!flag_read(p, root, "isMeta", &meta) || !flag_read(p, root, "isCompactSummary", &summary) ||
        !message_read(p, root, false, false))
        return false;
    json_t *result = member_get(root, "toolUseResult");
    p->record->result = json_is_object(result) ? result : NULL;
    p->record->prompt &= !meta && !summary && p->record->item_count == 0 && *p->record->agent == '\0';
    return true;
}

static bool progress_read(parser *p, const json_t *root)
{
    json_t *data, *nested;
    const char *type;
    transcript_record *r = p->record;
    if (!object_read(p, root, "data", &data))
        return false;
    p->path = "data.";
    if (!string_read(p, data, "type", &type))
        return false;
    if (strcmp(type, "agent_progress") != 0)
        return true;
    if (!required_read(p, data, "agentId", &r->agent) || !object_read(p, data, "message", &nested))
        return false;
    if (nested == NULL)
        return fail(p, "message", "an object", NULL);
    p->path = "data.message.";
    if (!string_read(p, nested, "type", &type))
        return false;
    bool assistant = strcmp(type, "assistant") == 0;
    if ((assistant || strcmp(type, "user") == 0) && !message_read(p, nested, assistant, true))
        return false;
    if (assistant && !flag_read(p, nested, "isApiErrorMessage", &r->api_error_message))
        return false;
    r->prompt = false;
    p->path = "";
    return string_read(p, root, "parentToolUseID", &r->parent_call);
}

/* Members of foreign records that are worth a custom event; a prompt's text (queue-operation) is not. */
static bool custom_read(parser *p, const json_t *root, const char *type, const char *const *members)
{
    transcript_record *r = p->record;
    r->kind = RECORD_CUSTOM;
    r->custom_type = type;
    r->custom_data = json_object();
    for (; r->custom_data != NULL && *members != NULL; members++) {
        json_t *value = json_object_get(root, *members);
        if (value != NULL && json_object_set(r->custom_data, *members, value) != 0)
            break;
    }
    return (r->custom_data != NULL && *members == NULL) || fail(p, type, "memory for it", NULL);
}

static bool retry_read(parser *p, const json_t *root)
{
    transcript_record *r = p->record;
    uint64_t attempt;
    const json_t *delay = member_get(root, "retryInMs");
    r->kind = RECORD_API_ERROR;
    r->error = member_get(root, "error");
    if (!count_read(p, root, "retryAttempt", &attempt))
        return false;
    if (delay != NULL && (!json_is_number(delay) || json_number_value(delay) < 0))
        return fail(p, "retryInMs", "a number from 0", delay);
    double ms = json_number_value(delay);
    r->attempt = attempt == 0 ? 1 : attempt > UINT32_MAX ? UINT32_MAX : (uint32_t)attempt;
    r->next_retry_ms = ms > 1e15 ? (uint64_t)1e15 : (uint64_t)llround(ms);
    return true;
}

static bool system_read(parser *p, const json_t *root)
{
    static const char *const compact_members[] = {"compactMetadata", NULL};
    const char *subtype;
    if (!string_read(p, root, "subtype", &subtype))
        return false;
    if (strcmp(subtype, "api_error") == 0)
        return retry_read(p, root);
    if (strcmp(subtype, "compact_boundary") == 0)
        return custom_read(p, root, "compact_boundary", compact_members);
    if (strcmp(subtype, "turn_duration") == 0)
        p->record->kind = RECORD_TURN_DURATION;
    return true;
}

static bool queue_read(parser *p, const json_t *root)
{
    static const char *const members[] = {"operation", NULL};
    return custom_read(p, root, "queue-operation", members);
}

static bool pr_link_read(parser *p, const json_t *root)
{
    static const char *const members[] = {"prNumber", "prUrl", "prRepository", NULL};
    return custom_read(p, root, "pr-link", members);
}

static const struct {
    const char *type;
    bool (*read)(parser *p, const json_t *root);
} kinds[] = {
    {"assistant", assistant_read},   {"user", user_read},       {"progress", progress_read}, {"system", system_read},
    {"queue-operation", queue_read}, {"pr-link", pr_link_read},
};

static bool envelope_read(parser *p, const json_t *root)
{
    transcript_record *r = p->record;
    return string_read(p, root, "sessionId", &r->session) && string_read(p, root, "operator", &r->operator_name) &&
           string_read(p, root, "agentId", &r->agent) && string_read(p, root, "uuid", &r->uuid) &&
           timestamp_read(p, root, &r->timestamp_ms);
}

/* A record type that we do not know may give these members another meaning. */
static void other_read(transcript_record *r, const json_t *root)
{
    char ignored[1];
    parser quiet = {.record = r, .path = "", .error = ignored, .error_size = sizeof ignored};
    bool ok =
        string_read(&quiet, root, "sessionId", &r->session) && string_read(&quiet, root, "operator", &r->operator_name);
    if (!ok)
        r->session = r->operator_name = "";
    if (!timestamp_read(&quiet, root, &r->timestamp_ms))
        r->timestamp_ms = -1;
}

static bool root_read(parser *p, const json_t *root)
{
    const char *type;
    if (!json_is_object(root))
        return fail(p, "record", "an object", root);
    if (!required_read(p, root, "type", &type))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i].type) == 0)
            return envelope_read(p, root) && kinds[i].read(p, root);
    other_read(p->record, root);
    return true;
}

weft_status transcript_record_parse(const char *text, size_t length, transcript_record *ret, char *error,
                                    size_t error_size)
{
    json_error_t json_error;
    json_t *root = json_line_parse(text, length, &json_error);
    if (root == NULL) {
        snprintf(error, error_size, "no JSON: %s", json_error.text);
        return json_error_code(&json_error) == json_error_out_of_memory ? WEFT_NO_MEMORY : WEFT_MALFORMED;
    }
    *ret = (transcript_record){.root = root,
                               .session = "",
                               .agent = "",
                               .operator_name = "",
                               .uuid = "",
                               .timestamp_ms = -1,
                               .message_id = "",
                               .model = "",
                               .parent_call = "",
                               .custom_type = ""};
    parser p = {.record = ret, .path = "", .error = error, .error_size = error_size};
    if (root_read(&p, root))
        return WEFT_OK;
    transcript_record_fini(ret);
    return WEFT_INVALID;
}

void transcript_record_fini(transcript_record *record)
{
    free(record->items);
    json_decref(record->custom_data);
    json_decref(record->root);
    record->items = NULL;
    record->custom_data = record->root = NULL;
}
