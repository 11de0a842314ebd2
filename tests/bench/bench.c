/* tests/bench/bench.c: the program behind tests/bench/run: chooses groups, takes the rounds, writes table or JSON. */
#include "bench/bench.h"
#include "bench/peer.h"

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

static void report_json(bench_report *report, const bench_case *c, const double *values, double reference)
{
    unsigned n = report->opts.rounds;
    double median = sorted_median(values, n);
    printf("%s{\"group\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\", \"min\": %.6g, \"median\": %.6g, \"max\": %.6g, "
           "\"reference\": %.6g, \"ratio\": %.6g}",
           report->rows == 0 ? "[\n  " : ",\n  ", c->group, c->name, c->unit, values[0], median, values[n - 1],
           reference, median / reference);
}

static void report_table(bench_report *report, const bench_case *c, const double *values, double reference)
{
    double median = sorted_median(values, report->opts.rounds);
    double row[] = {values[0], median, values[report->opts.rounds - 1], reference, median / reference};
    if (report->rows == 0)
        printf("%-9s %-26s %-9s %10s %10s %10s %10s %10s  beside\n", "group", "name", "unit", "min", "median", "max",
               "reference", "ratio");
    printf("%-9s %-26s %-9s", c->group, c->name, c->unit);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        printf(" %10.*f", decimals(row[i]), row[i]);
    printf("  %s\n", c->beside);
}

void bench_run(bench_report *report, const bench_case *c)
{
    static double values[BENCH_ROUNDS_MAX], references[BENCH_ROUNDS_MAX];
    unsigned rounds = report->opts.rounds;
    uint64_t events = report->opts.events != 0 ? report->opts.events : c->events;
    (void)c->reference(c->user, events);
    (void)c->measure(c->user, events);
    for (unsigned i = 0; i < rounds; i++) {
        if (i % 2 == 0)
            references[i] = c->reference(c->user, events);
        values[i] = c->measure(c->user, events);
        if (i % 2 != 0)
            references[i] = c->reference(c->user, events);
    }
    qsort(values, rounds, sizeof *values, double_compare);
    qsort(references, rounds, sizeof *references, double_compare);
    (report->opts.json ? report_json : report_table)(report, c, values, sorted_median(references, rounds));
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
    if (argc == 4 && strcmp(argv[1], "--peer") == 0)
        return bench_peer_main(argv[2], argv[3]);
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
