/* nodes/cmd_record.c: `weft record`: collects the events of a fabric in one SQLite database.
 *
 * The bridge and the recorder work on threads of their own; this one waits for a signal and looks at the figures once a
 * second. Signals are blocked before the first thread is made, so that they come here. */
#include "nodes/broker_options.h"
#include "nodes/commands.h"
#include "nodes/filter_options.h"
#include "nodes/log.h"
#include "nodes/notice_log.h"
#include "nodes/service_notify.h"
#include "nodes/timestamp.h"
#include "weft/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"db", 'd', "FILE", "the database; made if it is not there"},
    {"topic", 't', "TOPIC", "only tool, llm, agent, session, cost, system or custom (may be repeated)"},
    {"since", 's', "MOMENT", "a new database begins then: " MOMENT_HELP " (now)"},
    {"retain", 0, "AGE", "remove rows of events published longer ago, as 12h or 30d"},
    {"retain-size", 0, "SIZE", "remove the oldest rows beyond so much, as 500MiB or 10GiB"},
    {"node", 'n', "NAME", "be known to the broker by this name (one made up)"},
    {"stats", 0, NULL, "print the final figures as one JSON line"},
    {0},
};

enum { LOOK_S = 1, TELL_LOOKS = 60 };

typedef struct recording {
    broker_options broker;
    const char *node;
    const char *path;
    bool print_stats;
    weft_recorder_opts opts;
    weft_dispatcher *dispatcher;
    weft_bridge *bridge;
    weft_recorder *recorder;
    weft_recorder_stats told;
    weft_status status;
} recording;

static void on_notice(const weft_notice *notice, void *user)
{
    if (notice->kind != WEFT_NOTICE_PEER_UP && notice->kind != WEFT_NOTICE_PEER_DOWN)
        notice_log(notice, ((recording *)user)->broker.url);
}

/* ---- the command line ---- */

static bool retain_read(const args *a, int64_t now_ms, uint64_t *ret_ms)
{
    const char *text = args_text(a, "retain", NULL);
    int64_t from_ms;
    *ret_ms = 0;
    if (text == NULL)
        return true;
    if (strchr(text, ':') != NULL || !moment_parse(text, now_ms, &from_ms) || from_ms >= now_ms) {
        args_usage(a, "--retain: '%s' is no age; give it as 12h or 30d.", text);
        return false;
    }
    *ret_ms = (uint64_t)(now_ms - from_ms);
    return true;
}

static bool retain_size_read(const args *a, uint64_t *ret_bytes)
{
    static const struct {
        const char *suffix;
        double bytes;
    } units[] = {{"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776}};
    const char *text = args_text(a, "retain-size", NULL);
    *ret_bytes = 0;
    if (text == NULL)
        return true;
    char *end;
    double count = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && strcmp(end, units[i].suffix) == 0 && count > 0 && count * units[i].bytes < 1e18)
            *ret_bytes = (uint64_t)(count * units[i].bytes);
    if (*ret_bytes < 1 << 20) {
        args_usage(a, "--retain-size: '%s' is no size of 1MiB or more; give it as 500MiB or 10GiB.", text);
        return false;
    }
    return true;
}

static bool options_read(const args *a, recording *r)
{
    int64_t now_ms = weft_clock_wall_ms(weft_clock_system());
    if (a->rest_count > 0) {
        args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
        return false;
    }
    r->path = args_text(a, "db", NULL);
    if (r->path == NULL) {
        args_usage(a, "--db FILE is missing: which database?");
        return false;
    }
    if (args_text(a, "node", NULL) != NULL && (r->node = node_option_read(a, NULL)) == NULL)
        return false;
    r->print_stats = args_flag(a, "stats");
    return broker_options_read(a, &r->broker) == EXIT_DONE && topics_option_read(a, "topic", &r->opts.topics) &&
           moment_option_read(a, "since", now_ms, &r->opts.since_ms) && retain_read(a, now_ms, &r->opts.retain_ms) &&
           retain_size_read(a, &r->opts.retain_bytes);
}

/* ---- what it tells ---- */

static void failure_tell(recording *r, const weft_recorder_stats *stats)
{
    if (stats->status == r->status)
        return;
    r->status = stats->status;
    if (stats->status != WEFT_OK)
        log_say(LOG_RECORDER_FAILED, "%s: %s; it goes on trying, and asks for what it misses meanwhile", r->path,
                weft_status_text(stats->status));
    else
        log_say(LOG_RECORDER_RECOVERED, "%s can be written again", r->path);
}

static void figures_tell(recording *r, const weft_recorder_stats *stats, log_id id)
{
    log_say(id,
            "%" PRIu64 " events recorded (%" PRIu64 " by replay), %" PRIu64 " removed, %" PRIu64
            " in the database, %" PRIu64 " MiB; %" PRIu64 " losses noted, %u gaps open",
            stats->recorded, stats->healed, stats->removed, stats->rows, stats->bytes >> 20, stats->lost_ranges,
            stats->open_gaps);
    r->told = *stats;
}

static void stats_print(const weft_recorder_stats *stats)
{
    printf("{\"recorded\":%" PRIu64 ",\"lost_ranges\":%" PRIu64 ",\"removed\":%" PRIu64 ",\"healed\":%" PRIu64
           ",\"dropped\":%" PRIu64 ",\"rows\":%" PRIu64 "}\n",
           stats->recorded, stats->lost_ranges, stats->removed, stats->healed, stats->dropped, stats->rows);
    (void)fflush(stdout);
}

/* ---- running ---- */

/* The reason names what it is about. */
static int failed(const char *what, const char *reason, weft_status st)
{
    if (reason != NULL)
        log_say(LOG_RECORDER_FAILED, "%s", reason);
    else
        log_say(LOG_RECORDER_FAILED, "%s: %s", what, weft_status_text(st));
    return st == WEFT_INVALID ? EXIT_USAGE : EXIT_JOB_FAILED;
}

static int up(recording *r)
{
    const char *reason = NULL;
    weft_bridge_opts opts = {.listen_only = true, .node = r->node, .on_notice = on_notice, .user = r};
    broker_options_apply(&r->broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &r->dispatcher);
    if (st == WEFT_OK)
        st = weft_bridge_create(r->dispatcher, &opts, &r->bridge, &reason);
    if (st != WEFT_OK)
        return failed(r->broker.url, reason, st);
    r->opts.path = r->path;
    st = weft_recorder_open(r->bridge, &r->opts, &r->recorder, &reason);
    return st == WEFT_OK ? EXIT_DONE : failed(r->path, reason, st);
}

static void look(recording *r, unsigned looks)
{
    weft_recorder_stats stats;
    weft_recorder_get_stats(r->recorder, &stats);
    failure_tell(r, &stats);
    bool news = stats.recorded != r->told.recorded || stats.lost_ranges != r->told.lost_ranges;
    if (looks % TELL_LOOKS == 0 && news)
        figures_tell(r, &stats, LOG_RECORDER_AT);
}

static void run_until_signal(recording *r, const sigset_t *ends)
{
    const struct timespec pause = {.tv_sec = LOOK_S};
    int number;
    for (unsigned looks = 1; (number = sigtimedwait(ends, NULL, &pause)) < 0; looks++)
        if (errno == EAGAIN)
            look(r, looks);
    struct sigaction again = {.sa_handler = SIG_DFL}; /* a second one ends it at once */
    (void)sigaction(number, &again, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, ends, NULL);
}

static void ready_tell(const recording *r)
{
    weft_recorder_stats stats;
    char since[TIMESTAMP_BYTES];
    weft_recorder_get_stats(r->recorder, &stats);
    timestamp_format(stats.since_ms, since);
    log_say(LOG_RECORDER_READY, "records fabric %s in %s, which begins at %s", r->broker.fabric, r->path, since);
    printf("ready %s\n", r->path);
    (void)fflush(stdout);
    service_notify("READY=1");
}

static void down(recording *r)
{
    weft_recorder_stats stats;
    service_notify("STOPPING=1");
    weft_recorder_close(r->recorder, &stats);
    r->recorder = NULL;
    figures_tell(r, &stats, LOG_RECORDER_STOPPED);
    if (r->print_stats)
        stats_print(&stats);
}

static int run(const args *a)
{
    recording r = {0};
    sigset_t ends;
    if (!options_read(a, &r))
        return EXIT_USAGE;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk, not an end */
    int status = up(&r);
    if (status == EXIT_DONE) {
        ready_tell(&r);
        run_until_signal(&r, &ends);
        down(&r);
    }
    weft_bridge_destroy(r.bridge);
    weft_dispatcher_destroy(r.dispatcher);
    return status;
}

const command cmd_record = {
    .name = "record",
    .synopsis = "--db FILE [OPTION]…",
    .summary = "Collects the events of the fabric in a SQLite database, each exactly once.",
    .details = "It prints `ready FILE` once it records, with or without a broker, and what it does once a minute.\n"
               "What it missed while it was away it asks the nodes for (they keep 7 days, or 1 GiB); what they do not\n"
               "have any more is noted in the table `lost`. Any SQLite client may read at any time: docs/recorder.md.\n"
               "Exit status: 0 stopped by a signal, 1 failed, 2 usage.",
    .options = rows,
    .run = run,
};
