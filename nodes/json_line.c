/* nodes/json_line.c: see the header. The repairs cost another reading, so they are tried only after a failure. */
#include "nodes/json_line.h"

#include <math.h>
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

/* Whole numbers beyond 64 bits make no line bad: all of its numbers are read as doubles then. */
static json_t *text_parse(const char *text, size_t length, json_error_t *error)
{
    json_t *value = json_loadb(text, length, JSON_ALLOW_NUL, error);
    if (value == NULL && json_error_code(error) == json_error_numeric_overflow)
        value = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, error);
    return value;
}

json_t *json_line_parse(const char *text, size_t length, json_error_t *error)
{
    json_error_t local;
    json_error_t *found = error != NULL ? error : &local;
    json_t *value = text_parse(text, length, found);
    if (value != NULL || memmem(text, length, "\\u", 2) == NULL)
        return value;
    char *copy = malloc(length);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, length);
    if (surrogates_repair(copy, length))
        value = text_parse(copy, length, found);
    free(copy);
    return value;
}

bool json_line_whole_number(const json_t *value, uint64_t max, uint64_t *ret)
{
    double real = json_number_value(value);
    if (!json_is_number(value) || real < 0 || real > (double)max || real != floor(real))
        return false;
    uint64_t number = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)real;
    if (number > max)
        return false;
    *ret = number;
    return true;
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
