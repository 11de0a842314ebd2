/* nodes/filter_options.c: see the header. */
#include "nodes/filter_options.h"

#include "nodes/timestamp.h"
#include "weft/event.h"

#include <stdlib.h>
#include <string.h>

bool topics_option_read(const args *a, const char *name, uint32_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < args_count(a, name); i++) {
        weft_topic topic = weft_topic_from_name(args_nth(a, name, i));
        if (topic == 0) {
            fprintf(stderr, "weft %s: --%s: there is no topic '%s'; there are:", a->command->name, name,
                    args_nth(a, name, i));
#define X(upper, wire, number, best_effort) fprintf(stderr, " %s", #wire);
            WEFT_TOPIC_MAP(X)
#undef X
            fprintf(stderr, "\n");
            return false;
        }
        *ret |= (uint32_t)topic;
    }
    return true;
}

static double unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 24 * 3600;
    default:
        return 0;
    }
}

static bool age_parse(const char *text, int64_t *ret_ms)
{
    char *end;
    if (text[0] < '0' || text[0] > '9' || strncmp(text, "0x", 2) == 0)
        return false;
    double ms = strtod(text, &end);
    if (*end == '\0' || end[1] != '\0' || unit_seconds(*end) == 0)
        return false;
    ms *= 1000 * unit_seconds(*end);
    if (ms > 1e15)
        return false;
    *ret_ms = (int64_t)ms;
    return true;
}

bool moment_parse(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    int64_t age;
    if (!age_parse(text, &age))
        return timestamp_parse(text, ret_ms);
    *ret_ms = now_ms > age ? now_ms - age : 1;
    return true;
}

bool moment_option_read(const args *a, const char *name, int64_t now_ms, int64_t *ret_ms)
{
    const char *text = args_text(a, name, NULL);
    *ret_ms = 0;
    if (text == NULL || moment_parse(text, now_ms, ret_ms))
        return true;
    args_usage(a, "--%s: '%s' is no time; give it " MOMENT_HELP ".", name, text);
    return false;
}
