/* nodes/journal_options.c: see the header. */
#include "nodes/journal_options.h"

#include "nodes/filter_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool size_parse(const char *text, uint64_t *ret)
{
    static const char units[] = "kMGT";
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end == 'K' ? 'k' : *end) : NULL;
    if (errno != 0 || (*end != '\0' && (unit == NULL || end[1] != '\0')))
        return false;
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    if (value > UINT64_MAX >> 1 >> shift)
        return false;
    *ret = (uint64_t)value << shift;
    return true;
}

static bool size_read(const args *a, const char *name, uint64_t *ret)
{
    const char *text = args_text(a, name, NULL);
    if (text == NULL || size_parse(text, ret))
        return true;
    args_usage(a, "--%s: '%s' is no size; give it as 500M or 1G.", name, text);
    return false;
}

static bool age_read(const args *a, const char *name, uint64_t *ret_ms)
{
    static const int64_t base = INT64_MAX / 2, age_max_ms = INT64_C(1000000000000000);
    const char *text = args_text(a, name, NULL);
    int64_t moment;
    if (text == NULL)
        return true;
    if (!moment_parse(text, base, &moment) || moment >= base || moment < base - age_max_ms) {
        args_usage(a, "--%s: '%s' is no age; give it as 90s, 10m, 12h or 7d.", name, text);
        return false;
    }
    *ret_ms = (uint64_t)(base - moment);
    return true;
}

static bool durability_read(const args *a, weft_durability *ret)
{
    const char *text = args_text(a, "durability", "power");
    *ret = strcmp(text, "process") == 0 ? WEFT_DURABLE_PROCESS : WEFT_DURABLE_POWER;
    if (*ret == WEFT_DURABLE_PROCESS || strcmp(text, "power") == 0)
        return true;
    args_usage(a, "--durability: '%s' is neither power nor process.", text);
    return false;
}

bool journal_options_read(const args *a, weft_bridge_opts *opts)
{
    if (!size_read(a, "journal-max", &opts->journal_max_bytes) ||
        !size_read(a, "journal-reserve", &opts->journal_reserve_bytes) ||
        !age_read(a, "journal-keep", &opts->journal_retention_ms) || !durability_read(a, &opts->durability))
        return false;
    if (args_text(a, "journal-reserve", NULL) != NULL && opts->journal_reserve_bytes == 0)
        opts->journal_reserve_bytes = UINT64_MAX; /* none */
    if (args_text(a, "journal-max", NULL) == NULL || opts->journal_max_bytes >= 1 << 20)
        return true;
    args_usage(a, "--journal-max: less than 1M is too little.");
    return false;
}
