/* nodes/cmd_node.c: `weft node`, the sidecar daemon in the foreground. */
#include "nodes/commands.h"
#include "nodes/node.h"
#include "nodes/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"node", 'n', "NAME", "this node's name (the host's)"},
    {"state-dir", 0, "DIR", "keep the journal under this directory ($XDG_STATE_HOME/weft, ~/.local/state/weft)"},
    {"socket", 's', "PATH", "take lines at this socket ($XDG_RUNTIME_DIR/weft/NODE.sock, /tmp/weft-UID/NODE.sock)"},
    {"stdin", 0, NULL, "take lines from standard input too, and end when it ends"},
    {"print", 'p', NULL, "print every event that passes, this node's and the others'"},
    {"stats", 0, NULL, "print the node's figures as one JSON line when it has stopped"},
    {"drain-timeout", 0, "S", "seconds that a stop waits for the broker (10)"},
    {0},
};

static void on_ready(const node_opts *opts)
{
    printf("ready %s\n", opts->socket_path);
    (void)fflush(stdout);
}

typedef struct figure {
    const char *name;
    size_t offset; /* of a uint64_t in weft_bridge_stats */
} figure;

#define FIGURE(name)                                                                                                   \
    {                                                                                                                  \
#name, offsetof(weft_bridge_stats, name)                                                                       \
    }

static const figure figures[] = {
    FIGURE(epoch),           FIGURE(connects),         FIGURE(published),         FIGURE(written),
    FIGURE(sent_events),     FIGURE(sent_messages),    FIGURE(resent_events),     FIGURE(acked_events),
    FIGURE(pending_events),  FIGURE(replayed_events),  FIGURE(lost_events),       FIGURE(received_messages),
    FIGURE(received_events), FIGURE(delivered_events), FIGURE(duplicates),        FIGURE(gaps),
    FIGURE(healed_events),   FIGURE(lost_reports),     FIGURE(dropped_malformed), FIGURE(dropped_corrupt),
    FIGURE(dropped_foreign), FIGURE(dropped_overflow), FIGURE(denied_publishes),
};

static void on_stopped(const weft_bridge_stats *stats)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        uint64_t value;
        memcpy(&value, (const char *)stats + figures[i].offset, sizeof value);
        printf("%s\"%s\":%" PRIu64, i == 0 ? "{" : ",", figures[i].name, value);
    }
    printf("}\n");
    (void)fflush(stdout);
}

static int run(const args *a)
{
    char host[WEFT_NAME_MAX_BYTES + 1], journal[PATH_MAX], socket_path[PATH_MAX];
    const char *reason = NULL;
    int64_t drain_ms;
    node_opts opts = {.standard_input = args_flag(a, "stdin"), .print = args_flag(a, "print"), .on_ready = on_ready};
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    places_node_name(host);
    opts.node = node_option_read(a, host);
    if (opts.node == NULL || broker_options_read(a, &opts.broker) != EXIT_DONE ||
        !args_seconds(a, "drain-timeout", 10000, &drain_ms))
        return EXIT_USAGE;
    opts.drain_ms = (uint32_t)drain_ms;
    opts.on_stopped = args_flag(a, "stats") ? on_stopped : NULL;
    opts.journal_path = journal;
    if (!places_journal(args_text(a, "state-dir", NULL), opts.broker.fabric, opts.node, journal, &reason))
        return args_usage(a, "%s.", reason);
    opts.socket_path = args_text(a, "socket", socket_path);
    if (opts.socket_path == socket_path && !places_socket(opts.node, socket_path, &reason))
        return args_usage(a, "%s.", reason);
    return node_run(&opts);
}

const command cmd_node = {
    .name = "node",
    .synopsis = "[OPTION]…",
    .summary = "Runs the node of this host: takes events from local feeders, carries them to the other hosts.",
    .details = "It prints `ready SOCKET` once it takes lines, with or without a broker: what the broker has not\n"
               "acknowledged stays in the journal and is sent later. SIGTERM or SIGINT stop it: it answers, drains,\n"
               "says goodbye. Exit status: 0 stopped, 1 failed, 2 usage, 4 a newer process holds the node's name.",
    .options = rows,
    .run = run,
};
