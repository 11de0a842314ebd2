/* core/text.c: a growing text buffer. It doubles, and gives up for good when memory is out, so that writers need not
 * look after every piece. Threads: one buffer, one thread. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "weft/json.h"

/* Makes room for `more` bytes and a NUL. */
static bool text_reserve(weft_text *text, size_t more)
{
    if (text->failed)
        return false;
    if (text->data != NULL && more < text->capacity - text->length)
        return true;
    size_t capacity = text->capacity > 0 ? text->capacity : 256;
    while (capacity - text->length <= more && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *data = capacity - text->length > more ? realloc(text->data, capacity) : NULL;
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void weft_text_append(weft_text *text, const char *bytes, size_t length)
{
    if (!text_reserve(text, length))
        return;
    if (length > 0)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void weft_text_printf(weft_text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (length < 0 || !text_reserve(text, (size_t)length))
        return;
    va_start(list, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, list);
    va_end(list);
    text->length += (size_t)length;
}

/* Bytes at p that may stand in a string literal as they are. */
static size_t plain_run(const char *p, size_t left)
{
    size_t run = 0;
    while (run < left) {
        unsigned char c = (unsigned char)p[run];
        size_t step = weft__is_plain_ascii(c) ? 1 : c < 0x80 ? 0 : weft__utf8_sequence(p + run, left - run);
        if (step == 0)
            break;
        run += step;
    }
    return run;
}

/* Writes the byte that ended a run: an escape, or U+FFFD for what is not UTF-8, so that the literal is valid anyway. */
static void append_special(weft_text *text, unsigned char c)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *at = c != '\0' ? strchr(named, c) : NULL;
    if (at != NULL)
        weft_text_append(text, (const char[]){'\\', letters[at - named]}, 2);
    else if (c < 0x20)
        weft_text_printf(text, "\\u%04x", c);
    else
        weft_text_append(text, "\xEF\xBF\xBD", 3);
}

void weft_text_json_string(weft_text *text, const char *string)
{
    size_t left = string != NULL ? strlen(string) : 0;
    weft_text_append(text, "\"", 1);
    while (left > 0) {
        size_t run = plain_run(string, left);
        weft_text_append(text, string, run);
        string += run;
        left -= run;
        if (left == 0)
            break;
        append_special(text, (unsigned char)*string++);
        left--;
    }
    weft_text_append(text, "\"", 1);
}

void weft_text_clear(weft_text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->data != NULL)
        text->data[0] = '\0';
}

void weft_text_fini(weft_text *text)
{
    free(text->data);
    *text = (weft_text){0};
}
