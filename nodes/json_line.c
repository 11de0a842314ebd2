/* nodes/json_line.c: see the header. The repair of surrogates costs a copy, so it is tried only after a failure. */
#include "nodes/json_line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE_BYTES = 6 };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of an escape \uXXXX at text, or -1. */
static int escape_unit(const char *text, size_t length)
{
    if (length < ESCAPE_BYTES || text[0] != '\\' || text[1] != 'u')
        return -1;
    int unit = 0;
    for (int i = 2; i < ESCAPE_BYTES; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Replaces lone halves in place; whether there were any. */
static bool surrogates_repair(char *text, size_t length)
{
    bool repaired = false;
    for (size_t i = 0; i + 1 < length;) {
        int unit = escape_unit(text + i, length - i);
        if (unit < 0) {
            i += text[i] == '\\' ? 2 : 1;
            continue;
        }
        int next = escape_unit(text + i + ESCAPE_BYTES, length - i - ESCAPE_BYTES);
        bool high = unit >= 0xd800 && unit < 0xdc00;
        if (high && next >= 0xdc00 && next < 0xe000) {
            i += 2 * ESCAPE_BYTES;
            continue;
        }
        if (unit >= 0xd800 && unit < 0xe000) {
            memcpy(text + i, "\\ufffd", ESCAPE_BYTES);
            repaired = true;
        }
        i += ESCAPE_BYTES;
    }
    return repaired;
}

json_t *json_line_parse(const char *text, size_t length, json_error_t *error)
{
    json_error_t local;
    json_error_t *first = error != NULL ? error : &local;
    json_t *value = json_loadb(text, length, JSON_ALLOW_NUL, first);
    if (value != NULL || memmem(text, length, "\\u", 2) == NULL)
        return value;
    char *copy = malloc(length);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    if (surrogates_repair(copy, length))
        value = json_loadb(copy, length, JSON_ALLOW_NUL, first);
    free(copy);
    return value;
}

const char *json_line_type_name(const json_t *value)
{
    if (value == NULL)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    default:
        return "null";
    }
}
