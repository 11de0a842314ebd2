/* tests/bench/bench.c: the program behind tests/bench/run: chooses groups, takes the rounds, writes table or JSON. */
#include "bench/bench.h"
#include "bench/worker.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench_report {
    bench_opts opts;
    unsigned rows;
};

typedef struct bench_group {
    const char *name;
    void (*run)(bench_report *report);
} bench_group;

static const bench_group groups[] = {
    {"dispatch", bench_dispatch}, {"handoff", bench_handoff}, {"codec", bench_codec}, {"bridge", bench_bridge},
    {"latency", bench_latency},   {"fanout", bench_fanout},   {"scale", bench_scale},
};
enum { GROUP_COUNT = sizeof groups / sizeof *groups, ROUNDS_DEFAULT = 15 };

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double sorted_median(const double *values, unsigned count)
{
    return count % 2 != 0 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Four digits, and never an exponent where people read. */
static int decimals(double value)
{
    return value >= 1000 ? 0 : value >= 100 ? 1 : value >= 10 ? 2 : value >= 1 ? 3 : 4;
}

/* What is said of an entry, or of one of its further figures. */
typedef struct bench_summary {
    const char *name;
    const char *absent; /* why there are no numbers; NULL: there are */
    double min, median, max;
    double ratio; /* median of the measurement / this median */
} bench_summary;

/* A line of the report: a case, or one of its further figures. */
typedef struct bench_line {
    const char *group;
    const char *unit;
    char name[96];
    unsigned count;
    bench_summary of[BENCH_ENTRIES_MAX];
} bench_line;

static void json_number(const char *name, double value)
{
    if (isnan(value))
        printf(", \"%s\": null", name);
    else
        printf(", \"%s\": %.6g", name, value);
}

static void report_json(const bench_report *report, const bench_line *line)
{
    const bench_summary *of = line->of;
    printf("%s{\"group\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\"", report->rows == 0 ? "[\n  " : ",\n  ",
           line->group, line->name, line->unit);
    json_number("min", of[0].min);
    json_number("median", of[0].median);
    json_number("max", of[0].max);
    json_number("reference", line->count > 1 ? of[1].median : NAN);
    json_number("ratio", line->count > 1 ? of[1].ratio : NAN);
    printf(", \"beside\": [");
    for (unsigned i = 1; i < line->count; i++) {
        printf("%s{\"name\": \"%s\"", i == 1 ? "" : ", ", of[i].name);
        json_number("median", of[i].median);
        json_number("ratio", of[i].ratio);
        printf("}");
    }
    printf("]}");
}

static void table_line(const char *group, const char *name, const char *unit, const bench_summary *of, bool reference)
{
    double row[] = {of->min, of->median, of->max, of->ratio};
    printf("%-9s %-50s %-9s", group, name, unit);
    for (unsigned i = 0; of->absent == NULL && i < (reference ? 4 : 3); i++)
        printf(" %10.*f", decimals(row[i]), row[i]);
    printf("%s%s\n", of->absent != NULL ? " " : "", of->absent != NULL ? of->absent : "");
}

static void report_table(const bench_report *report, const bench_line *line)
{
    if (report->rows == 0)
        printf("ratio: the median of what is measured / the median of what stands beside it, indented\n\n"
               "%-9s %-50s %-9s %10s %10s %10s %10s\n",
               "group", "name", "unit", "min", "median", "max", "ratio");
    table_line(line->group, line->name, line->unit, &line->of[0], false);
    for (unsigned i = 1; i < line->count; i++) {
        char name[64];
        snprintf(name, sizeof name, "  beside %s", line->of[i].name);
        table_line("", name, "", &line->of[i], true);
    }
}

typedef double bench_values[1 + BENCH_FIGURES_MAX][BENCH_ENTRIES_MAX][BENCH_ROUNDS_MAX];

/* One round of an entry, and what else it says of it. ret_values NULL: a warm-up. */
static void entry_take(const bench_case *c, unsigned entry, uint64_t events, unsigned round, bench_values *ret_values)
{
    const bench_entry *e = &c->entries[entry];
    double value = e->fn != NULL ? e->fn(e->user, events) : 0;
    if (ret_values == NULL)
        return;
    (*ret_values)[0][entry][round] = value;
    for (unsigned i = 0; c->also != NULL && c->also[i].name != NULL; i++)
        (*ret_values)[1 + i][entry][round] = e->fn == NULL ? 0 : isnan(value) ? NAN : c->also[i].read(e->user);
}

static bool any_nan(const double *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

static bench_summary summary_of(const bench_entry *entry, double *values, unsigned rounds)
{
    bench_summary summary = {.name = entry->name, .min = NAN, .median = NAN, .max = NAN};
    if (entry->fn == NULL) {
        summary.absent = "not here: its library or its server is missing";
    } else if (any_nan(values, rounds)) {
        summary.absent = "cannot";
    } else {
        qsort(values, rounds, sizeof *values, double_compare);
        summary.min = values[0];
        summary.median = sorted_median(values, rounds);
        summary.max = values[rounds - 1];
    }
    return summary;
}

static void line_report(bench_report *report, const bench_case *c, bench_line *line,
                        double values[BENCH_ENTRIES_MAX][BENCH_ROUNDS_MAX], unsigned rounds)
{
    line->group = c->group;
    for (unsigned i = 0; i < line->count; i++) {
        line->of[i] = summary_of(&c->entries[i], values[i], rounds);
        line->of[i].ratio = line->of[0].median / line->of[i].median;
    }
    (report->opts.json ? report_json : report_table)(report, line);
    report->rows++;
    fflush(stdout);
}

static void line_name(bench_line *line, const bench_case *c, const char *figure)
{
    snprintf(line->name, sizeof line->name, "%s%s%s", c->entries[0].name, figure != NULL ? ": " : "",
             figure != NULL ? figure : "");
}

bool bench_wanted(const bench_report *report, const char *name)
{
    return report->opts.only == NULL || strstr(name, report->opts.only) != NULL;
}

void bench_run(bench_report *report, const bench_case *c)
{
    if (!bench_wanted(report, c->entries[0].name))
        return;
    static bench_values values;
    bench_line line = {.unit = c->unit};
    unsigned rounds = report->opts.rounds != 0 ? report->opts.rounds : c->rounds != 0 ? c->rounds : ROUNDS_DEFAULT;
    uint64_t events = report->opts.events != 0 ? report->opts.events : c->events;
    for (; line.count < BENCH_ENTRIES_MAX && c->entries[line.count].name != NULL; line.count++)
        entry_take(c, line.count, c->warm_up != 0 ? events / c->warm_up : events, 0, NULL);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < line.count; i++)
            entry_take(c, (round + i) % line.count, events, round, &values);
    line_name(&line, c, c->figure);
    line_report(report, c, &line, values[0], rounds);
    for (unsigned i = 0; c->also != NULL && c->also[i].name != NULL; i++) {
        line.unit = c->also[i].unit;
        line_name(&line, c, c->also[i].name);
        line_report(report, c, &line, values[1 + i], rounds);
    }
}

static _Noreturn void usage(const char *wrong)
{
    if (wrong != NULL)
        fprintf(stderr, "bench: no group '%s'\n", wrong);
    fprintf(stderr, "usage: tests/bench/run [GROUP…] [--json] [--rounds N] [--events N] [--only TEXT]\ngroups:");
    for (size_t i = 0; i < GROUP_COUNT; i++)
        fprintf(stderr, " %s", groups[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max)
        usage(NULL);
    return value;
}

static bench_opts opts_parse(int argc, char **argv)
{
    static const struct option table[] = {{"json", no_argument, NULL, 'j'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"events", required_argument, NULL, 'e'},
                                          {"only", required_argument, NULL, 'o'},
                                          {0}};
    bench_opts opts = {0};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c == 'j')
            opts.json = true;
        else if (c == 'r')
            opts.rounds = (unsigned)number(optarg, BENCH_ROUNDS_MAX);
        else if (c == 'e')
            opts.events = number(optarg, 100000000);
        else if (c == 'o')
            opts.only = optarg;
        else
            usage(NULL);
    }
    return opts;
}

static const bench_group *group_find(const char *name)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    usage(name);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--worker") == 0)
        return bench_worker_main(argc - 2, argv + 2);
    bench_report report = {.opts = opts_parse(argc, argv)};
    for (int i = optind; i < argc; i++)
        (void)group_find(argv[i]);
    for (int i = optind; i < argc; i++)
        group_find(argv[i])->run(&report);
    for (size_t i = 0; optind == argc && i < GROUP_COUNT; i++)
        groups[i].run(&report);
    if (report.opts.json)
        printf("%s\n]\n", report.rows == 0 ? "[" : "");
    return 0;
}
