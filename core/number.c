/* core/number.c: printf and strtod follow the locale of the program, JSON does not. So both run in the C locale, made
 * once and kept. Threads: any. */
#include "core/number.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void c_locale_create(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Returns what c_locale_leave takes; does nothing where memory for the locale was out. */
static locale_t c_locale_enter(void)
{
    pthread_once(&once, c_locale_create);
    return c_locale != (locale_t)0 ? uselocale(c_locale) : (locale_t)0;
}

static void c_locale_leave(locale_t before)
{
    if (before != (locale_t)0)
        uselocale(before);
}

size_t weft__number_from_double(char out[WEFT__NUMBER_TEXT_BYTES], double value)
{
    int length = 0;
    locale_t before = c_locale_enter();
    for (int digits = 15; digits <= 17; digits++) {
        length = snprintf(out, WEFT__NUMBER_TEXT_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    c_locale_leave(before);
    return (size_t)length;
}

size_t weft__number_from_u64(char out[WEFT__NUMBER_TEXT_BYTES], uint64_t value)
{
    char reversed[WEFT__NUMBER_TEXT_BYTES];
    size_t length = 0;
    do {
        reversed[length++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < length; i++)
        out[i] = reversed[length - 1 - i];
    out[length] = '\0';
    return length;
}

bool weft__number_to_double(const char *text, double *ret)
{
    if (text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    char *end;
    locale_t before = c_locale_enter();
    double value = strtod(text, &end);
    c_locale_leave(before);
    if (*end != '\0' || !isfinite(value))
        return false;
    *ret = value;
    return true;
}

static bool whole_double_to_u64(const char *text, uint64_t *ret)
{
    double value;
    if (!weft__number_to_double(text, &value) || value < 0 || value > 0x1p53 || floor(value) != value)
        return false;
    *ret = (uint64_t)value;
    return true;
}

bool weft__number_to_u64(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return whole_double_to_u64(text, ret);
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}
