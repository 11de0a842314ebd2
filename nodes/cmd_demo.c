/* nodes/cmd_demo.c: the main job on one machine: transcripts → a node per operator → a broker → an observer, and the
 * observer's totals held against totals counted straight from the files by other code. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/commands.h"
#include "nodes/deadline.h"
#include "nodes/demo_result.h"
#include "nodes/demo_view.h"
#include "nodes/recount.h"
#include "nodes/scratch.h"
#include "nodes/simulate.h"

enum {
    ARRIVE_MS = 60000, /* without a new event at the observer */
    BIRTHS_MS = 20000,
    REASON_BYTES = 1024,
    SEED = 1,
};

typedef struct demo {
    const args *args;
    bool json;
    bool with_chaos;
    char directory[64];
    char **files;
    size_t file_count;
    ownership *owners;
    const char *const *nodes;
    size_t node_count;
    uint64_t lines;
    prices *prices;
    demo_cluster *cluster;
    demo_observer *observer;
    demo_feed *feed;
    demo_chaos chaos;
    uint64_t resent;
    int64_t started_ms;
    totals known;       /* of simulated files */
    weft_status status; /* of callbacks */
    char reason[REASON_BYTES];
} demo;

static FILE *talk(const demo *d)
{
    return d->json ? stderr : stdout;
}

static int failed(const demo *d, int exit_status)
{
    fprintf(stderr, "weft demo: %s\n", d->reason);
    return exit_status;
}

/* ---- input ---- */

static weft_status files_add(demo *d, const char *path)
{
    char **files = realloc(d->files, (d->file_count + 1) * sizeof *files);
    if (files == NULL)
        return WEFT_NO_MEMORY;
    d->files = files;
    d->files[d->file_count] = strdup(path);
    return d->files[d->file_count++] == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

static void on_simulated_file(const char *path, void *user)
{
    demo *d = user;
    if (d->status == WEFT_OK)
        d->status = files_add(d, path);
}

static weft_status files_simulate(demo *d, int64_t seed)
{
    char directory[128];
    snprintf(directory, sizeof directory, "%s/transcripts", d->directory);
    simulate_opts opts = {.seed = (uint64_t)seed, .dir = directory};
    weft_status st =
        simulate_write(&opts, d->prices, &d->known, NULL, on_simulated_file, d, d->reason, sizeof d->reason);
    fprintf(talk(d), "no transcripts given: five operators' sessions are simulated, seed %lld\n", (long long)seed);
    return st == WEFT_OK ? d->status : st;
}

/* Reads every file once: who owns which session, and how many lines there are. */
static weft_status files_scan(demo *d)
{
    weft_status st = ownership_create(&d->owners);
    for (size_t i = 0; st == WEFT_OK && i < d->file_count; i++)
        st = ownership_scan_file(d->owners, d->files[i], &d->lines, d->reason, sizeof d->reason);
    if (st == WEFT_OK && (d->node_count = ownership_nodes(d->owners, &d->nodes)) == 0) {
        const char *others = d->file_count > 1 ? " nor in the other files" : "";
        snprintf(d->reason, sizeof d->reason, "%s: no sessions in it%s; is it a coding agent's transcript (.jsonl)?",
                 d->files[0], others);
        st = WEFT_INVALID;
    }
    return st;
}

/* ---- the run ---- */

static weft_status before_line(uint64_t line, void *user)
{
    return demo_chaos_step(&((demo *)user)->chaos, line);
}

static weft_status stage_set(demo *d, uint16_t port)
{
    const char *why = NULL;
    weft_status st = demo_cluster_start(d->directory, port, &d->cluster, d->reason, sizeof d->reason);
    if (st != WEFT_OK)
        return st;
    st = demo_observer_create(demo_cluster_url(d->cluster), DEMO_FABRIC, &d->observer, &why);
    if (st != WEFT_OK)
        snprintf(d->reason, sizeof d->reason, "the observer cannot listen at %s: %s", demo_cluster_url(d->cluster),
                 why != NULL ? why : weft_status_text(st));
    for (size_t i = 0; st == WEFT_OK && i < d->node_count; i++)
        st = demo_cluster_add_node(d->cluster, d->nodes[i], d->reason, sizeof d->reason);
    if (st == WEFT_OK && (st = demo_observer_wait_nodes(d->observer, d->node_count, BIRTHS_MS)) != WEFT_OK)
        snprintf(d->reason, sizeof d->reason, "not all nodes reached the broker at %s", demo_cluster_url(d->cluster));
    return st;
}

static weft_status pace_read(const demo *d, demo_feed_opts *opts)
{
    const char *speed = args_text(d->args, "speed", NULL);
    char *end;
    opts->pace = d->json ? DEMO_PACE_MAX : DEMO_PACE_SHOW;
    if (speed == NULL)
        return WEFT_OK;
    if (strcmp(speed, "max") == 0) {
        opts->pace = DEMO_PACE_MAX;
        return WEFT_OK;
    }
    opts->pace = DEMO_PACE_TIMES;
    opts->times = strtod(speed, &end);
    return *end == '\0' && opts->times > 0 ? WEFT_OK : WEFT_INVALID;
}

/* Waits until the observer has all that the nodes took, or nothing more comes. */
static void arrivals_wait(demo *d)
{
    uint64_t expected = demo_feed_events(d->feed), seen = 0;
    int64_t deadline = deadline_in_ms(ARRIVE_MS);
    while (deadline_left_ms(deadline, 1) > 0) {
        observer_count count;
        demo_observer_get_count(d->observer, &count);
        if (count.events >= expected)
            return;
        if (count.events > seen) {
            seen = count.events;
            deadline = deadline_in_ms(ARRIVE_MS);
        }
        (void)poll(NULL, 0, 20);
    }
    fprintf(stderr, "weft demo: %llu of %llu events have arrived; nothing more came for %d s\n",
            (unsigned long long)seen, (unsigned long long)expected, ARRIVE_MS / 1000);
}

static weft_status play(demo *d, demo_feed_opts *opts)
{
    demo_view *view = NULL;
    weft_status st = demo_feed_create(opts, &d->feed, d->reason, sizeof d->reason);
    d->chaos = (demo_chaos){.cluster = d->cluster,
                            .observer = d->observer,
                            .feed = d->feed,
                            .lines = d->lines,
                            .reason = d->reason,
                            .reason_bytes = sizeof d->reason};
    if (st == WEFT_OK)
        st = demo_view_start(talk(d), d->observer, d->feed, d->lines, &view);
    if (st == WEFT_OK)
        st = demo_feed_run(d->feed, d->reason, sizeof d->reason);
    if (st == WEFT_OK)
        st = demo_chaos_end(&d->chaos);
    if (st == WEFT_OK)
        arrivals_wait(d);
    demo_view_stop(view);
    if (st == WEFT_OK)
        st = demo_cluster_stop_nodes(d->cluster, &d->resent, d->reason, sizeof d->reason);
    return st;
}

/* ---- the result ---- */

static int result_tell(demo *d)
{
    totals expected = {0};
    demo_result r = {.expected = &expected,
                     .known = d->args->rest_count == 0 ? &d->known : NULL,
                     .seen = demo_observer_totals(d->observer),
                     .fed = demo_feed_events(d->feed),
                     .resent = d->resent,
                     .chaos = d->with_chaos ? &d->chaos : NULL,
                     .seconds = (double)(deadline_now_ms() - d->started_ms) / 1000};
    demo_observer_get_count(d->observer, &r.count);
    demo_observer_get_bridge_stats(d->observer, &r.bridge);
    weft_status st = recount_files((const char *const *)d->files, d->file_count, d->prices, &expected, NULL, d->reason,
                                   sizeof d->reason);
    bool match = st == WEFT_OK && demo_result_holds(&r);
    if (st == WEFT_OK && d->json)
        demo_result_print_json(&r, match);
    else if (st == WEFT_OK)
        demo_result_print(&r, match);
    totals_fini(&expected);
    if (st != WEFT_OK)
        return failed(d, EXIT_JOB_FAILED);
    return match ? EXIT_DONE : EXIT_JOB_FAILED;
}

/* ---- frame ---- */

static void demo_fini(demo *d)
{
    demo_feed_destroy(d->feed);
    demo_observer_destroy(d->observer);
    demo_cluster_destroy(d->cluster);
    ownership_destroy(d->owners);
    prices_destroy(d->prices);
    for (size_t i = 0; i < d->file_count; i++)
        free(d->files[i]);
    free(d->files);
    totals_fini(&d->known);
}

static weft_status input_prepare(demo *d, int64_t seed)
{
    weft_status st = prices_create(&d->prices);
    const char *prices_file = args_text(d->args, "prices", NULL);
    if (st == WEFT_OK && prices_file != NULL)
        st = prices_load(d->prices, prices_file, d->reason, sizeof d->reason);
    for (size_t i = 0; st == WEFT_OK && i < d->args->rest_count; i++)
        st = files_add(d, d->args->rest[i]);
    if (st == WEFT_OK && d->file_count == 0)
        st = files_simulate(d, seed);
    return st == WEFT_OK ? files_scan(d) : st;
}

static int demo_run(demo *d, uint16_t port, int64_t seed)
{
    demo_feed_opts feed = {0};
    if (pace_read(d, &feed) != WEFT_OK)
        return args_usage(d->args, "--speed: \"max\", or how many times as fast as it happened");
    int status;
    if (!scratch_make("weft-demo", d->directory, sizeof d->directory, d->reason, sizeof d->reason))
        return failed(d, EXIT_JOB_FAILED);
    if (!scratch_guard(d->directory, args_flag(d->args, "keep"), &status))
        return status;
    if (input_prepare(d, seed) != WEFT_OK)
        return failed(d, EXIT_USAGE);
    if (stage_set(d, port) != WEFT_OK)
        return failed(d, EXIT_NO_PEER);
    fprintf(talk(d), "%zu files, %llu lines, %zu nodes and an observer at %s\n", d->file_count,
            (unsigned long long)d->lines, d->node_count, demo_cluster_url(d->cluster));
    feed.files = (const char *const *)d->files;
    feed.file_count = d->file_count;
    feed.owners = d->owners;
    feed.nodes = d->nodes;
    feed.node_count = d->node_count;
    feed.cluster = d->cluster;
    feed.prices = d->prices;
    feed.lines = d->lines;
    feed.before_line = d->with_chaos ? before_line : NULL;
    feed.user = d;
    d->started_ms = deadline_now_ms();
    if (play(d, &feed) != WEFT_OK)
        return failed(d, EXIT_JOB_FAILED);
    return result_tell(d);
}

static int run(const args *a)
{
    int64_t port, seed;
    demo d = {.args = a, .json = args_flag(a, "json"), .with_chaos = args_flag(a, "chaos")};
    if (!args_number(a, "port", 0, 65535, 0, &port) || !args_number(a, "seed", 0, INT64_MAX, SEED, &seed))
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    int status = demo_run(&d, (uint16_t)port, seed);
    demo_fini(&d);
    return status;
}

static const option_row options[] = {
    {"json", 0, NULL, "print the totals as one JSON object, and nothing else, on stdout"},
    {"speed", 's', "X|max", "X times as fast as it happened, or as fast as it goes;\nwithout it the whole takes 20 s"},
    {"chaos", 0, NULL, "kill the broker when 25% and 60% of the lines are in, and a node at 40%"},
    {"prices", 0, "FILE", "JSON with prices of further models, USD per million tokens"},
    {"port", 'p', "PORT", "of the broker; without it a free one"},
    {"seed", 0, "N", "of the simulated transcripts"},
    {"keep", 0, NULL, "leave journals and logs in the temporary directory"},
    {0},
};

const command cmd_demo = {
    .name = "demo",
    .synopsis = "[OPTION]… [TRACE…]",
    .summary = "Plays transcripts through a fabric of nodes and holds every total against the files.",
    .details = "TRACE is a coding agent's transcript (.jsonl or .jsonl.gz), for example ~/.claude/projects/*/*.jsonl.\n"
               "Without one, five operators' sessions are simulated.\n"
               "Exit status: 0 when every total matches, 1 when one differs.",
    .options = options,
    .run = run,
};
