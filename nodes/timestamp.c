/* nodes/timestamp.c: see the header. RFC 3339, section 5.6, without leap seconds. Day counts come from the closed form
 * over 400-year eras, because timegm accepts dates that do not exist. */
#include "nodes/timestamp.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MS = 86400000, DAYS_BEFORE_1970 = 719468, ERA_DAYS = 146097 };

typedef struct civil {
    unsigned year, month, day, hour, minute, second, ms;
} civil;

static bool digits_read(const char **text, unsigned count, unsigned *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(**text - '0');
    }
    return true;
}

static bool char_read(const char **text, char c)
{
    return *(*text)++ == c;
}

static bool field_read(const char **text, unsigned count, char before, unsigned max, unsigned *ret)
{
    return (before == '\0' || char_read(text, before)) && digits_read(text, count, ret) && *ret <= max;
}

/* Optional fraction of any length; keeps three digits. */
static bool fraction_read(const char **text, unsigned *ret_ms)
{
    *ret_ms = 0;
    if (**text != '.')
        return true;
    unsigned scale = 100;
    const char *start = ++*text;
    for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10)
        *ret_ms += scale * (unsigned)(**text - '0');
    return *text > start;
}

static bool offset_read(const char **text, int64_t *ret_ms)
{
    char sign = *(*text)++;
    *ret_ms = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    unsigned hour, minute;
    if ((sign != '+' && sign != '-') || !field_read(text, 2, '\0', 23, &hour) || !field_read(text, 2, ':', 59, &minute))
        return false;
    *ret_ms = (int64_t)(hour * 60 + minute) * 60000 * (sign == '-' ? -1 : 1);
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

/* Days since 1970-01-01; years count from March, so that the leap day is the last. */
static int64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = y / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_BEFORE_1970;
}

bool timestamp_parse(const char *text, int64_t *ret_ms)
{
    civil c;
    int64_t offset;
    if (!field_read(&text, 4, '\0', 9999, &c.year) || !field_read(&text, 2, '-', 12, &c.month) ||
        !field_read(&text, 2, '-', 31, &c.day) || (*text != 'T' && *text != 't' && *text != ' '))
        return false;
    text++;
    if (!field_read(&text, 2, '\0', 23, &c.hour) || !field_read(&text, 2, ':', 59, &c.minute) ||
        !field_read(&text, 2, ':', 59, &c.second) || !fraction_read(&text, &c.ms) || !offset_read(&text, &offset) ||
        *text != '\0')
        return false;
    if (c.year < 1970 || c.month == 0 || c.day == 0 || c.day > month_days(c.year, c.month))
        return false;
    int64_t seconds = ((int64_t)c.hour * 60 + c.minute) * 60 + c.second;
    int64_t ms = days_from_civil(c.year, c.month, c.day) * DAY_MS + seconds * 1000 + c.ms - offset;
    if (ms < 0)
        return false;
    *ret_ms = ms;
    return true;
}

void timestamp_format(int64_t ms, char ret[TIMESTAMP_BYTES])
{
    int64_t days = ms / DAY_MS + DAYS_BEFORE_1970;
    int64_t era = days / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    unsigned day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    month += month < 10 ? 3 : -9;
    unsigned year = (unsigned)(year_of_era + era * 400 + (month <= 2));
    unsigned of_day = (unsigned)(ms % DAY_MS);
    char text[96];
    snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000, (unsigned)month, day,
             of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60, of_day % 1000);
    memcpy(ret, text, TIMESTAMP_BYTES - 1);
    ret[TIMESTAMP_BYTES - 1] = '\0';
}
