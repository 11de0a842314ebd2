/* nodes/cmd_ingest.c: `weft ingest`: transcripts of agents become events of the local node. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nodes/broker_options.h"
#include "nodes/commands.h"
#include "nodes/ingest.h"
#include "nodes/places.h"
#include "nodes/short_id.h"
#include "nodes/transcript.h"

#define FORMAT TRANSCRIPT_SOURCE

static const option_row rows[] = {
    {"format", 0, "NAME", "what the files are: " FORMAT " (" FORMAT ")"},
    {"node", 'n', "NAME", "feed the node of this name on this host (the host's name)"},
    {"socket", 's', "PATH", "feed the node that takes lines at this socket"},
    {"follow", 'F', NULL, "go on with what is added to the files, until SIGTERM or SIGINT"},
    {"prices", 0, "FILE",
     "prices of further models: {\"MODEL\": {\"input\", \"output\", \"cache_read\", \"cache_write\"}}\n"
     "in USD per million tokens"},
    {"feed", 0, "NAME", "remember positions under this name (" FORMAT "); needed for standard input to be resumed"},
    {"timeout", 0, "S", "seconds to wait for the node (10)"},
    {0},
};

enum { FOLLOW_RECONNECT_MS = 24 * 3600 * 1000 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void signals_handle(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void say(const char *text, void *user)
{
    (void)user;
    fprintf(stderr, "weft ingest: %s.\n", text);
}

/* Two runs under one feed name would take each other's line numbers for repetitions. Returns a descriptor to keep, -1
 * when another run has the lock, -2 when there is no place for one: then the run goes on without. */
static int feed_lock(const char *socket_path, const char *feed)
{
    char path[PATH_MAX];
    int length =
        snprintf(path, sizeof path, "%s.%08" PRIx32 ".lock", socket_path, (uint32_t)short_id_hash(feed, strlen(feed)));
    int fd = length < (int)sizeof path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (fd < 0)
        return -2;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    return error == EWOULDBLOCK ? -1 : -2;
}

static void files_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int report(const ingest_opts *opts, weft_status status, const ingest_counts *counts)
{
    fprintf(stderr, "weft ingest: %" PRIu64 " lines read, %" PRIu64 " events sent, %" PRIu64 " lines skipped.\n",
            counts->lines, counts->events, counts->lines_skipped);
    if (status == WEFT_UNREACHABLE || status == WEFT_MALFORMED)
        return EXIT_NO_PEER;
    if (status == WEFT_STOPPED && opts->follow)
        return EXIT_DONE;
    if (status != WEFT_OK)
        return EXIT_JOB_FAILED;
    return counts->lines_skipped > 0 || counts->files_failed > 0 ? EXIT_USAGE : EXIT_DONE;
}

static int run_with_prices(const args *a, ingest_opts *opts)
{
    char error[PATH_MAX + 256] = "out of memory";
    const char *file = args_text(a, "prices", NULL);
    ingest_counts counts;
    weft_status status = prices_create(&opts->prices);
    if (status == WEFT_OK && file != NULL)
        status = prices_load(opts->prices, file, error, sizeof error);
    if (status != WEFT_OK) {
        say(error, NULL);
        prices_destroy(opts->prices);
        return EXIT_USAGE;
    }
    status = ingest_run(opts, &counts);
    prices_destroy(opts->prices);
    return report(opts, status, &counts);
}

static bool has_standard_input(const args *a)
{
    for (size_t i = 0; i < a->rest_count; i++)
        if (strcmp(a->rest[i], "-") == 0)
            return true;
    return false;
}

/* The feed: named, unless standard input stands alone and nobody wants it resumed. */
static int feed_choose(const args *a, ingest_opts *opts)
{
    bool standard_input = has_standard_input(a);
    opts->feed = args_text(a, "feed", standard_input ? NULL : FORMAT);
    if (standard_input && a->rest_count > 1 && opts->feed == NULL)
        return args_usage(a, "standard input beside files needs --feed NAME.");
    if (opts->feed != NULL && (opts->feed[0] == '\0' || strlen(opts->feed) > WEFT_ID_MAX_BYTES))
        return args_usage(a, "--feed: a name has 1 to %d bytes.", WEFT_ID_MAX_BYTES);
    return EXIT_DONE;
}

static int socket_choose(const args *a, char room[PATH_MAX], ingest_opts *opts)
{
    char host[WEFT_NAME_MAX_BYTES + 1];
    const char *reason;
    places_node_name(host);
    const char *node = node_option_read(a, host);
    if (node == NULL)
        return EXIT_USAGE;
    opts->socket_path = args_text(a, "socket", NULL);
    if (opts->socket_path != NULL)
        return EXIT_DONE;
    opts->socket_path = room;
    return places_socket(node, room, &reason) ? EXIT_DONE : args_usage(a, "%s.", reason);
}

static int run(const args *a)
{
    char room[PATH_MAX];
    int64_t timeout_ms;
    ingest_opts opts = {.files = (const char *const *)a->rest,
                        .file_count = a->rest_count,
                        .follow = args_flag(a, "follow"),
                        .stop = &interrupted,
                        .on_message = say};
    if (strcmp(args_text(a, "format", FORMAT), FORMAT) != 0)
        return args_usage(a, "--format: '%s' is not known; there is " FORMAT ".", args_text(a, "format", NULL));
    if (a->rest_count == 0 || a->rest_count > INGEST_FILES_MAX)
        return args_usage(a, "give 1 to %d files.", INGEST_FILES_MAX);
    if (!args_seconds(a, "timeout", 10000, &timeout_ms) || feed_choose(a, &opts) != EXIT_DONE ||
        socket_choose(a, room, &opts) != EXIT_DONE)
        return EXIT_USAGE;
    opts.connect_ms = (uint32_t)timeout_ms;
    opts.reconnect_ms = opts.follow ? FOLLOW_RECONNECT_MS : 0;
    int lock = opts.feed != NULL ? feed_lock(opts.socket_path, opts.feed) : -2;
    if (lock == -1)
        return args_usage(a, "another run feeds this node as '%s'; give this one another name with --feed.", opts.feed);
    signals_handle();
    files_raise_limit();
    int status = run_with_prices(a, &opts);
    if (lock >= 0)
        (void)close(lock);
    return status;
}

const command cmd_ingest = {
    .name = "ingest",
    .synopsis = "[OPTION]… FILE…",
    .summary = "Turns transcripts of agents into events of the local node.",
    .details = "FILE is a transcript (.jsonl, also gzipped) or - for standard input. The position in every file is\n"
               "committed with the events it produced: a run that was cut off, or repeated on files that have grown,\n"
               "continues where the last one ended and publishes nothing twice.\n"
               "Exit status: 0 done, 1 failed, 2 usage, or a file or line that could not be read (the others were),\n"
               "3 the node cannot be reached.",
    .options = rows,
    .run = run,
};
