/* nodes/event_words.c: three passes over the words, one for each part of the object: envelope, tags and attributes,
 * payload. */
#include "nodes/event_words.h"

#include "nodes/options.h"
#include "weft/schema.h"

#include <stdarg.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, NAMES_MAX = 64 };

typedef struct words {
    const weft_schema *schema;
    char *const *words;
    size_t count;
    weft_text *out;
    char *error;
    size_t error_bytes;
} words;

static bool fail(words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(words *w, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(w->error, w->error_bytes, format, list);
    va_end(list);
    return false;
}

static bool is_named(const weft_field *field, const char *name)
{
    return strcmp(field->name, name) == 0 || strcmp(field->json_name, name) == 0;
}

static const weft_field *payload_field(const words *w, const char *name)
{
    for (size_t i = 0; i < w->schema->field_count; i++)
        if (w->schema->fields[i].number != 0 && is_named(&w->schema->fields[i], name))
            return &w->schema->fields[i];
    return NULL;
}

static const weft_field *envelope_field(const char *name)
{
    size_t count;
    const weft_field *fields = weft_envelope_fields(&count);
    for (size_t i = 0; i < count; i++)
        if (is_named(&fields[i], name))
            return &fields[i];
    return NULL;
}

static bool is_tag(const char *name)
{
    return strcmp(name, "tag") == 0;
}

static bool is_attribute(const char *name)
{
    return strncmp(name, "attr.", 5) == 0 && name[5] != '\0';
}

/* ---- checking ---- */

static bool fail_unknown(words *w, const char *name)
{
    const char *names[NAMES_MAX];
    size_t count = 0, envelope_count;
    const weft_field *envelope = weft_envelope_fields(&envelope_count);
    for (size_t i = 0; i < w->schema->field_count && count < NAMES_MAX; i++)
        names[count++] = w->schema->fields[i].name;
    for (size_t i = 0; i < envelope_count && count < NAMES_MAX; i++)
        names[count++] = envelope[i].name;
    const char *near = word_nearest(name, names, count);
    if (near != NULL)
        return fail(w, "%s has no field '%s'; did you mean %s?", w->schema->name, name, near);
    char known[400] = "";
    for (size_t i = 0, at = 0; i < w->schema->field_count && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, " %s", w->schema->fields[i].name);
    return fail(w, "%s has no field '%s'; it has%s, and those of every event (session_id, source, tag, attr.KEY …)",
                w->schema->name, name, known[0] != '\0' ? known : " none of its own");
}

/* The name before '='; its value behind it. */
static bool split(words *w, const char *word, char name[NAME_MAX_BYTES + 1], const char **ret_value)
{
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word)
        return fail(w, "'%s' is not field=value", word);
    if ((size_t)(equals - word) > NAME_MAX_BYTES + 5)
        return fail(w, "'%.20s…' is too long for a field's name", word);
    size_t length = (size_t)(equals - word) < NAME_MAX_BYTES ? (size_t)(equals - word) : NAME_MAX_BYTES;
    memcpy(name, word, length);
    name[length] = '\0';
    *ret_value = equals + 1;
    return true;
}

static bool is_repeated(const words *w, size_t index, const char *name)
{
    size_t length = strlen(name) + 1; /* with the '=' */
    for (size_t i = 0; i < index; i++)
        if (strncmp(w->words[i], w->words[index], length) == 0)
            return true;
    return false;
}

static bool check(words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        char name[NAME_MAX_BYTES + 1];
        const char *value;
        if (!split(w, w->words[i], name, &value))
            return false;
        if (payload_field(w, name) == NULL && envelope_field(name) == NULL && !is_tag(name) && !is_attribute(name))
            return fail_unknown(w, name);
        if (!is_tag(name) && is_repeated(w, i, name))
            return fail(w, "%s is given twice", name);
        if (!weft_utf8_valid(value, strlen(value)))
            return fail(w, "%s: not valid UTF-8", name);
    }
    return true;
}

/* ---- writing ---- */

/* Numbers that JSON writes without quotes and booleans are passed on when they are JSON; the reader names what is not.
 */
static void put_value(words *w, const weft_field *field, const char *value)
{
    bool literal = field->kind == WEFT_FIELD_F64 || field->kind == WEFT_FIELD_BOOL;
    if (literal && value[0] != '"' && weft_json_check(value, strlen(value), 1) == WEFT_OK)
        weft_text_append(w->out, value, strlen(value));
    else
        weft_text_json_string(w->out, value);
}

static void put_field(words *w, const weft_field *field, const char *value, bool first)
{
    if (!first)
        weft_text_append(w->out, ",", 1);
    weft_text_json_string(w->out, field->json_name);
    weft_text_append(w->out, ":", 1);
    put_value(w, field, value);
}

/* The fields of the variant, or of the envelope. A name that both have is the variant's. */
static void put_fields(words *w, bool of_payload)
{
    bool first = of_payload;
    for (size_t i = 0; i < w->count; i++) {
        char name[NAME_MAX_BYTES + 1];
        const char *value;
        (void)split(w, w->words[i], name, &value);
        const weft_field *field = payload_field(w, name);
        if ((field != NULL) != of_payload)
            continue;
        if (!of_payload)
            field = envelope_field(name);
        if (field != NULL)
            put_field(w, field, value, first);
        first = first && field == NULL;
    }
}

static void put_tags(words *w)
{
    bool first = true;
    for (size_t i = 0; i < w->count; i++) {
        if (strncmp(w->words[i], "tag=", 4) != 0)
            continue;
        weft_text_printf(w->out, "%s", first ? ",\"tags\":[" : ",");
        weft_text_json_string(w->out, w->words[i] + 4);
        first = false;
    }
    weft_text_printf(w->out, "%s", first ? "" : "]");
}

static void put_attributes(words *w)
{
    bool first = true;
    for (size_t i = 0; i < w->count; i++) {
        char name[NAME_MAX_BYTES + 1];
        const char *value;
        if (!split(w, w->words[i], name, &value) || !is_attribute(name))
            continue;
        weft_text_printf(w->out, "%s", first ? ",\"attributes\":{" : ",");
        weft_text_json_string(w->out, name + 5);
        weft_text_append(w->out, ":", 1);
        weft_text_json_string(w->out, value);
        first = false;
    }
    weft_text_printf(w->out, "%s", first ? "" : "}");
}

static bool has_payload(const weft_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].number != 0)
            return true;
    return false;
}

static const weft_schema *type_find(const char *type, char *error, size_t error_bytes)
{
    const weft_schema *schema = weft_schema_by_name(type);
    if (schema != NULL)
        return schema;
    const char *names[NAMES_MAX * 2];
    size_t count = 0;
    for (int i = 1; i < WEFT_EVENT_TYPE_COUNT && count < sizeof names / sizeof *names; i++)
        names[count++] = weft_event_type_name((weft_event_type)i);
    const char *near = word_nearest(type, names, count);
    if (near != NULL) {
        snprintf(error, error_bytes, "there is no event type '%s'; did you mean %s?", type, near);
        return NULL;
    }
    size_t at = (size_t)snprintf(error, error_bytes, "there is no event type '%.40s'; there are", type);
    for (size_t i = 0; i < count && at < error_bytes; i++)
        at += (size_t)snprintf(error + at, error_bytes - at, " %s", names[i]);
    return NULL;
}

weft_status event_words_to_json(const char *type, char *const *list, size_t count, weft_text *out, char *error,
                                size_t error_bytes)
{
    words w = {.words = list, .count = count, .out = out, .error = error, .error_bytes = error_bytes};
    w.schema = type_find(type, error, error_bytes);
    if (w.schema == NULL || !check(&w))
        return WEFT_INVALID;
    weft_text_printf(out, "{\"type\":\"%s\"", w.schema->name);
    put_fields(&w, false);
    put_tags(&w);
    put_attributes(&w);
    if (has_payload(w.schema)) {
        weft_text_printf(out, ",\"%s\":{", w.schema->json_name);
        put_fields(&w, true);
        weft_text_append(out, "}", 1);
    }
    weft_text_append(out, "}", 1);
    return out->failed ? WEFT_NO_MEMORY : WEFT_OK;
}
