/* nodes/bench_report.c: see the header. */
#include "nodes/bench_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "nodes/progress.h"

enum { WORDS_WIDTH = 30, FIGURE_WIDTH = 14 };

static void member_begin(bench_report *r, const char *member)
{
    weft_text_printf(&r->text, ",\"%s\":", member);
}

void bench_report_begin(bench_report *r, bool json, const char *name)
{
    *r = (bench_report){.json = json};
    if (json)
        weft_text_printf(&r->text, "{\"bench\":\"%s\"", name);
}

static void line(bench_report *r, const char *words, const char *figure, const char *unit)
{
    weft_text_printf(&r->text, "%-*s %*s%s%s\n", WORDS_WIDTH, words, FIGURE_WIDTH, figure, unit[0] != '\0' ? " " : "",
                     unit);
}

void bench_report_count(bench_report *r, const char *member, const char *words, uint64_t value)
{
    char figure[32];
    if (!r->json) {
        line(r, words, number_grouped(value, figure), "");
        return;
    }
    member_begin(r, member);
    weft_text_printf(&r->text, "%" PRIu64, value);
}

/* Whole where there are four digits before the point. */
static const char *number_text(double value, char out[32])
{
    if (value >= 1000 && value < 1e18)
        return number_grouped((uint64_t)(value + 0.5), out);
    (void)snprintf(out, 32, "%.*f", value >= 100 ? 1 : value >= 10 ? 2 : 3, value);
    return out;
}

void bench_report_number(bench_report *r, const char *member, const char *words, double value, const char *unit)
{
    char figure[32];
    if (!r->json) {
        line(r, words, number_text(value, figure), unit);
        return;
    }
    member_begin(r, member);
    weft_text_printf(&r->text, "%.6g", value);
}

void bench_report_flag(bench_report *r, const char *member, bool value)
{
    if (!r->json)
        return;
    member_begin(r, member);
    weft_text_printf(&r->text, value ? "true" : "false");
}

void bench_report_text(bench_report *r, const char *member, const char *words, const char *value)
{
    if (!r->json) {
        weft_text_printf(&r->text, "%-*s %s\n", WORDS_WIDTH, words, value);
        return;
    }
    member_begin(r, member);
    weft_text_json_string(&r->text, value);
}

static double us(uint64_t ns)
{
    return (double)ns / 1000;
}

typedef struct latency_column {
    const char *name;
    double value;
} latency_column;

static void latency_table(bench_report *r, const char *words, const latency_column *columns, size_t count)
{
    char figure[32];
    weft_text_printf(&r->text, "%-*s", WORDS_WIDTH, words);
    for (size_t i = 0; i < count; i++)
        weft_text_printf(&r->text, " %s %s%s", columns[i].name, number_text(columns[i].value, figure),
                         i + 1 < count ? "," : " µs\n");
}

static void latency_json(bench_report *r, const char *member, const latency_column *columns, size_t count)
{
    weft_text_printf(&r->text, ",\"%s_us\":", member);
    for (size_t i = 0; i < count; i++)
        weft_text_printf(&r->text, "%c\"%s\":%.6g", i == 0 ? '{' : ',', columns[i].name, columns[i].value);
    weft_text_printf(&r->text, "}");
}

void bench_report_latency(bench_report *r, const char *member, const char *words, const histogram *ns)
{
    const latency_column columns[] = {
        {"mean", histogram_mean(ns) / 1000},         {"p50", us(histogram_quantile(ns, 0.5))},
        {"p90", us(histogram_quantile(ns, 0.9))},    {"p99", us(histogram_quantile(ns, 0.99))},
        {"p999", us(histogram_quantile(ns, 0.999))}, {"max", us(ns->max)},
    };
    size_t count = sizeof columns / sizeof *columns;
    if (ns->count == 0 && r->json)
        weft_text_printf(&r->text, ",\"%s_us\":null", member);
    else if (r->json)
        latency_json(r, member, columns, count);
    else if (ns->count > 0)
        latency_table(r, words, columns, count);
}

bool bench_report_end(bench_report *r)
{
    if (r->json)
        weft_text_printf(&r->text, "}\n");
    bool written = !r->text.failed && fwrite(r->text.data, 1, r->text.length, stdout) == r->text.length;
    weft_text_fini(&r->text);
    return written && fflush(stdout) == 0;
}
