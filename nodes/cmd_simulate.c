/* nodes/cmd_simulate.c: `weft simulate`: the generator of transcripts on the command line. */
#include <stdio.h>

#include "nodes/commands.h"
#include "nodes/simulate.h"

static const option_row options[] = {
    {"seed", 's', "N", "the same seed writes the same files (1)"},
    {"operators", 0, "N", "how many people's agents; a file each (5)"},
    {"sessions", 0, "N", "sessions of all operators together (120, about 40,000 records)"},
    {"days", 0, "N", "over how many days they are spread (27)"},
    {"out", 'o', "DIR", "where op1.jsonl and so on are written; required"},
    {0},
};

static void print_path(const char *path, void *user)
{
    (void)user;
    fprintf(stderr, "%s\n", path);
}

static int write_and_report(const simulate_opts *opts)
{
    char error[512];
    prices *p = NULL;
    totals sum = {0};
    uint64_t records = 0;
    weft_status status = prices_create(&p);
    if (status == WEFT_OK)
        status = simulate_write(opts, p, &sum, &records, print_path, NULL, error, sizeof error);
    else
        snprintf(error, sizeof error, "%s", weft_status_text(status));
    json_t *object = status == WEFT_OK ? totals_to_json(&sum) : NULL;
    if (object != NULL && json_object_set_new(object, "records", json_integer((json_int_t)records)) == 0 &&
        json_dumpf(object, stdout, TOTALS_JSON_FLAGS | JSON_INDENT(1)) == 0)
        putchar('\n');
    if (status != WEFT_OK)
        fprintf(stderr, "weft simulate: %s\n", error);
    json_decref(object);
    totals_fini(&sum);
    prices_destroy(p);
    return status == WEFT_OK ? EXIT_DONE : status == WEFT_IO ? EXIT_USAGE : EXIT_JOB_FAILED;
}

static int run(const args *a)
{
    int64_t seed, operators, sessions, days;
    simulate_opts opts = {.dir = args_text(a, "out", NULL)};
    if (a->rest_count > 0)
        return args_usage(a, "unexpected argument '%s'", a->rest[0]);
    if (opts.dir == NULL)
        return args_usage(a, "--out is missing");
    if (!args_number(a, "seed", 0, INT64_MAX, 1, &seed) ||
        !args_number(a, "operators", 1, SIMULATE_OPERATORS_MAX, 5, &operators) ||
        !args_number(a, "sessions", 1, SIMULATE_SESSIONS_MAX, 120, &sessions) ||
        !args_number(a, "days", 1, SIMULATE_DAYS_MAX, 27, &days))
        return EXIT_USAGE;
    opts.seed = (uint64_t)seed;
    opts.operators = (uint32_t)operators;
    opts.sessions = (uint32_t)sessions;
    opts.days = (uint32_t)days;
    return write_and_report(&opts);
}

const command cmd_simulate = {
    .name = "simulate",
    .synopsis = "[OPTION]… --out DIR",
    .summary = "Writes transcripts of simulated agents.",
    .details = "The files have the form of a coding agent's transcripts. Their totals, counted while generating, are\n"
               "printed as one JSON object.",
    .options = options,
    .run = run,
};
