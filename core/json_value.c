/* core/json_value.c: converts single values, strictly: what the field cannot hold exactly is an error. Threads: one
 * reader, one thread. */
#include "core/json_value.h"

#include <stdio.h>
#include <string.h>

#include "core/number.h"
#include "core/utf8.h"

weft_status weft__json_error(weft__json_reader *r, weft_status status, const char *member, const char *said)
{
    r->error->column = r->scan.token + 1;
    snprintf(r->error->text, sizeof r->error->text, "%s%s%s%s%s", r->object != NULL ? r->object : "",
             r->object != NULL ? "." : "", member, member[0] != '\0' ? ": " : "", said);
    return status;
}

static const char *token_name(weft__json_token token)
{
    switch (token) {
    case WEFT__JSON_OBJECT:
        return "an object";
    case WEFT__JSON_ARRAY:
        return "a list";
    case WEFT__JSON_STRING:
        return "a string";
    case WEFT__JSON_NUMBER:
        return "a number";
    case WEFT__JSON_TRUE:
    case WEFT__JSON_FALSE:
        return "true or false";
    case WEFT__JSON_NULL:
        return "null";
    default:
        return "nothing";
    }
}

weft_status weft__json_wrong_kind(weft__json_reader *r, const char *member, const char *expected, weft__json_token got)
{
    char said[120];
    snprintf(said, sizeof said, "expected %s, got %s", expected, token_name(got));
    return weft__json_error(r, WEFT_INVALID, member, said);
}

weft_status weft__json_broken(weft__json_reader *r)
{
    char said[64] = "the text ends too early";
    unsigned char c = r->scan.at < r->scan.length ? (unsigned char)r->scan.text[r->scan.at] : 0;
    if (r->scan.status == WEFT_TOO_DEEP)
        snprintf(said, sizeof said, "nested too deeply");
    else if (r->scan.at < r->scan.length)
        snprintf(said, sizeof said, c > 0x20 && c < 0x7F ? "not JSON: unexpected '%c'" : "not JSON: unexpected byte %d",
                 c);
    r->object = NULL;
    weft__json_error(r, r->scan.status, "", said);
    r->error->column = r->scan.at + 1;
    return r->scan.status;
}

/* The token as text that ends with NUL. */
static const char *take_plain(weft__json_reader *r)
{
    char *copy = r->arena + r->arena_used;
    size_t length = r->scan.at - r->scan.token;
    memcpy(copy, r->scan.text + r->scan.token, length);
    copy[length] = '\0';
    r->arena_used += length + 1;
    return copy;
}

const char *weft__json_take_string(weft__json_reader *r)
{
    char *copy = r->arena + r->arena_used;
    if (!weft__json_unquote(r->scan.text + r->scan.token, r->scan.at - r->scan.token, copy))
        return NULL;
    r->arena_used += strlen(copy) + 1;
    return copy;
}

/* A number, or the string that stands for one; NULL for anything else. */
static const char *take_number(weft__json_reader *r, weft__json_token token)
{
    if (token == WEFT__JSON_NUMBER)
        return take_plain(r);
    return token == WEFT__JSON_STRING ? weft__json_take_string(r) : NULL;
}

static weft_status store_string(weft__json_reader *r, weft__json_token token, const char **at, const weft_field *field)
{
    if (token != WEFT__JSON_STRING)
        return weft__json_wrong_kind(r, field->json_name, "a string", token);
    *at = weft__json_take_string(r);
    if (*at == NULL)
        return weft__json_error(r, WEFT_INVALID, field->json_name, "holds \\u0000 or half a surrogate pair");
    return WEFT_OK;
}

static weft_status store_raw(weft__json_reader *r, weft__json_token first, const char **at)
{
    size_t from = r->scan.token;
    if (!weft__json_skip(&r->scan, first))
        return weft__json_broken(r);
    r->scan.token = from;
    *at = take_plain(r);
    return WEFT_OK;
}

static weft_status store_bool(weft__json_reader *r, weft__json_token token, bool *at, const weft_field *field)
{
    if (token != WEFT__JSON_TRUE && token != WEFT__JSON_FALSE)
        return weft__json_wrong_kind(r, field->json_name, "true or false", token);
    *at = token == WEFT__JSON_TRUE;
    return WEFT_OK;
}

static weft_status store_double(weft__json_reader *r, weft__json_token token, double *at, const weft_field *field)
{
    const char *text = take_number(r, token);
    if (text == NULL || !weft__number_to_double(text, at))
        return weft__json_wrong_kind(r, field->json_name, "a finite number", token);
    return WEFT_OK;
}

static bool same_capitals(const char *capitals, const char *name)
{
    while (*name != '\0' && *capitals == weft__ascii_upper(*name)) {
        capitals++;
        name++;
    }
    return *name == '\0' && *capitals == '\0';
}

/* Accepts "retry" and, of an enum, "SESSION_STATUS_RETRY". */
static bool value_from_name(const weft_field *field, const char *name, uint64_t *ret)
{
    size_t prefix = field->value_prefix != NULL ? strlen(field->value_prefix) : 0;
    bool prefixed = prefix > 0 && strncmp(name, field->value_prefix, prefix) == 0;
    for (size_t i = 0; field->values != NULL && field->values[i] != NULL; i++)
        if (strcmp(field->values[i], name) == 0 || (prefixed && same_capitals(name + prefix, field->values[i]))) {
            *ret = i;
            return true;
        }
    return false;
}

static uint64_t largest_of(weft_field_kind kind)
{
    return kind == WEFT_FIELD_U64 ? UINT64_MAX : kind == WEFT_FIELD_TIME ? INT64_MAX : UINT32_MAX;
}

static weft_status store_whole(weft__json_reader *r, weft__json_token token, void *at, const weft_field *field)
{
    uint64_t value;
    const char *text = take_number(r, token);
    const char *expected = field->values != NULL ? "a known name or its number" : "a whole number";
    if (text != NULL && token == WEFT__JSON_NUMBER && !weft__number_to_u64(text, &value))
        return weft__json_error(r, WEFT_INVALID, field->json_name,
                                "expected a whole number, neither negative nor larger than 64 bits");
    if (text == NULL || !(value_from_name(field, text, &value) || weft__number_to_u64(text, &value)))
        return weft__json_wrong_kind(r, field->json_name, expected, token);
    if (value > largest_of(field->kind))
        return weft__json_error(r, WEFT_INVALID, field->json_name, "the number is too large");
    if (field->kind == WEFT_FIELD_U64 || field->kind == WEFT_FIELD_TIME)
        *(uint64_t *)at = value;
    else
        *(uint32_t *)at = (uint32_t)value;
    return WEFT_OK;
}

weft_status weft__json_store(weft__json_reader *r, weft__json_token first, weft_event *event, const weft_field *field,
                             bool raw)
{
    void *at = (char *)event + field->offset;
    if (first == WEFT__JSON_ERROR)
        return weft__json_broken(r);
    if (first == WEFT__JSON_NULL)
        return WEFT_OK;
    switch (field->kind) {
    case WEFT_FIELD_JSON:
        return raw ? store_raw(r, first, at) : store_string(r, first, at, field);
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
        return store_string(r, first, at, field);
    case WEFT_FIELD_BOOL:
        return store_bool(r, first, at, field);
    case WEFT_FIELD_F64:
        return store_double(r, first, at, field);
    default:
        return store_whole(r, first, at, field);
    }
}
