/* nodes/json_span.c: counts brackets outside strings. */
#include "nodes/json_span.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(json_cursor *c)
{
    while (c->at < c->end && is_space(*c->at))
        c->at++;
}

static bool take(json_cursor *c, char wanted)
{
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static json_cursor open_with(json_span span, char bracket)
{
    json_cursor c = {.at = span.text, .end = span.text + span.length};
    c.failed = !take(&c, bracket);
    return c;
}

json_cursor json_object_open(json_span span)
{
    return open_with(span, '{');
}

json_cursor json_array_open(json_span span)
{
    return open_with(span, '[');
}

/* Behind the closing quote; the cursor stands on the opening one. */
static bool skip_string(json_cursor *c)
{
    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\')
            c->at++;
    }
    c->at = c->end;
    return false;
}

static bool skip_nested(json_cursor *c)
{
    size_t depth = 0;
    while (c->at < c->end) {
        char now = *c->at;
        if (now == '"') {
            if (!skip_string(c))
                return false;
            continue;
        }
        c->at++;
        if (now == '{' || now == '[')
            depth++;
        else if ((now == '}' || now == ']') && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_scalar(json_cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && !is_space(*c->at) && strchr(",]}:\"[{", *c->at) == NULL)
        c->at++;
    return c->at > start;
}

static bool take_value(json_cursor *c, json_span *ret)
{
    skip_space(c);
    if (c->at == c->end)
        return false;
    ret->text = c->at;
    bool whole = *c->at == '"' ? skip_string(c) : *c->at == '{' || *c->at == '[' ? skip_nested(c) : skip_scalar(c);
    ret->length = (size_t)(c->at - ret->text);
    return whole;
}

/* Whether another item follows: a comma between two, or the closing bracket and nothing but space behind it. */
static bool advance(json_cursor *c, char closing)
{
    if (c->failed)
        return false;
    if (take(c, closing)) {
        skip_space(c);
        c->failed = c->at != c->end;
        return false;
    }
    if (c->started && !take(c, ',')) {
        c->failed = true;
        return false;
    }
    c->started = true;
    return true;
}

bool json_object_next(json_cursor *c, json_span *ret_key, json_span *ret_value)
{
    if (!advance(c, '}'))
        return false;
    skip_space(c);
    if (c->at == c->end || *c->at != '"' || !take_value(c, ret_key) || !take(c, ':') || !take_value(c, ret_value)) {
        c->failed = true;
        return false;
    }
    ret_key->text++;
    ret_key->length -= 2;
    return true;
}

bool json_array_next(json_cursor *c, json_span *ret_value)
{
    if (!advance(c, ']'))
        return false;
    c->failed = !take_value(c, ret_value);
    return !c->failed;
}

bool json_span_is(json_span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.text, text, span.length) == 0;
}
