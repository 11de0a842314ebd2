/* tests/bench/bench.c: the program behind tests/bench/run: chooses groups, takes the rounds, writes table or JSON. */
#include "bench/bench.h"
#include "bench/receiver.h"

#include <getopt.h>
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
    {"dispatch", bench_dispatch},
    {"handoff", bench_handoff},
    {"codec", bench_codec},
    {"bridge", bench_bridge},
};
enum { GROUP_COUNT = sizeof groups / sizeof *groups };

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

typedef struct bench_figures {
    const char *name;
    bool missing;
    double min, median, max;
    double ratio; /* median of the measurement / this median */
} bench_figures;

static void report_json(const bench_report *report, const bench_case *c, const bench_figures *f, unsigned count)
{
    printf("%s{\"group\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\", \"min\": %.6g, \"median\": %.6g, \"max\": %.6g, "
           "\"reference\": %.6g, \"ratio\": %.6g, \"beside\": [",
           report->rows == 0 ? "[\n  " : ",\n  ", c->group, f[0].name, c->unit, f[0].min, f[0].median, f[0].max,
           f[1].median, f[1].ratio);
    const char *comma = "";
    for (unsigned i = 1; i < count; i++, comma = ", ")
        if (f[i].missing)
            printf("%s{\"name\": \"%s\", \"median\": null, \"ratio\": null}", comma, f[i].name);
        else
            printf("%s{\"name\": \"%s\", \"median\": %.6g, \"ratio\": %.6g}", comma, f[i].name, f[i].median,
                   f[i].ratio);
    printf("]}");
}

static void table_line(const char *group, const char *name, const char *unit, const double *row, unsigned columns)
{
    printf("%-9s %-36s %-9s", group, name, unit);
    for (unsigned i = 0; i < columns; i++)
        printf(" %10.*f", decimals(row[i]), row[i]);
    printf("\n");
}

static void report_table(const bench_report *report, const bench_case *c, const bench_figures *f, unsigned count)
{
    if (report->rows == 0)
        printf("%-9s %-36s %-9s %10s %10s %10s %10s\n", "group", "name", "unit", "min", "median", "max", "ratio");
    table_line(c->group, f[0].name, c->unit, (double[]){f[0].min, f[0].median, f[0].max}, 3);
    for (unsigned i = 1; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "  beside %s", f[i].name);
        if (f[i].missing)
            printf("%-9s %-36s not built: its library was missing\n", "", name);
        else
            table_line("", name, "", (double[]){f[i].min, f[i].median, f[i].max, f[i].ratio}, 4);
    }
}

static void entry_take(const bench_entry *entry, uint64_t events, double *ret_value)
{
    double value = entry->fn != NULL ? entry->fn(entry->user, events) : 0;
    if (ret_value != NULL)
        *ret_value = value;
}

static bench_figures entry_figures(const bench_entry *entry, double *values, unsigned rounds)
{
    qsort(values, rounds, sizeof *values, double_compare);
    return (bench_figures){.name = entry->name,
                           .missing = entry->fn == NULL,
                           .min = values[0],
                           .median = sorted_median(values, rounds),
                           .max = values[rounds - 1]};
}

void bench_run(bench_report *report, const bench_case *c)
{
    static double values[BENCH_ENTRIES_MAX][BENCH_ROUNDS_MAX];
    bench_figures figures[BENCH_ENTRIES_MAX];
    unsigned count = 0, rounds = report->opts.rounds;
    uint64_t events = report->opts.events != 0 ? report->opts.events : c->events;
    for (; count < BENCH_ENTRIES_MAX && c->entries[count].name != NULL; count++)
        entry_take(&c->entries[count], events, NULL);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < count; i++)
            entry_take(&c->entries[(round + i) % count], events, &values[(round + i) % count][round]);
    for (unsigned i = 0; i < count; i++) {
        figures[i] = entry_figures(&c->entries[i], values[i], rounds);
        figures[i].ratio = figures[0].median / figures[i].median;
    }
    (report->opts.json ? report_json : report_table)(report, c, figures, count);
    report->rows++;
    fflush(stdout);
}

static _Noreturn void usage(const char *wrong)
{
    if (wrong != NULL)
        fprintf(stderr, "bench: no group '%s'\n", wrong);
    fprintf(stderr, "usage: tests/bench/run [GROUP…] [--json] [--rounds N] [--events N]\ngroups:");
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
                                          {0}};
    bench_opts opts = {.rounds = 15};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (c == 'j')
            opts.json = true;
        else if (c == 'r')
            opts.rounds = (unsigned)number(optarg, BENCH_ROUNDS_MAX);
        else if (c == 'e')
            opts.events = number(optarg, 100000000);
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
    if (argc == 4 && strcmp(argv[1], "--receiver") == 0)
        return bench_receiver_main(argv[2], argv[3]);
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
