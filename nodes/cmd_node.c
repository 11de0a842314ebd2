/* nodes/cmd_node.c: `weft node`, the sidecar daemon in the foreground, and what looks at all nodes of a fabric. */
#include "nodes/commands.h"
#include "nodes/journal_options.h"
#include "nodes/node.h"
#include "nodes/node_admin.h"
#include "nodes/places.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"node", 'n', "NAME", "this node's name (the host's)"},
    {"state-dir", 0, "DIR", "keep the journal under this directory ($XDG_STATE_HOME/weft, ~/.local/state/weft)"},
    JOURNAL_OPTION_ROWS,
    {"socket", 's', "PATH", "take lines at this socket ($XDG_RUNTIME_DIR/weft/NODE.sock, /tmp/weft-UID/NODE.sock)"},
    {"stdin", 0, NULL, "take lines from standard input too, and end when it ends"},
    {"print", 'p', NULL, "print every event that passes, this node's and the others'"},
    {"stats", 0, NULL, "print the node's figures as one JSON line when it has stopped"},
    {"drain-timeout", 0, "S", "seconds that a stop waits for the broker (10)"},
    {"json", 'j', NULL, "ls: print JSON, one object a line"},
    {"wait", 'w', "S", "ls: seconds to wait for a beat of each node that is up (6)"},
    {"force", 0, NULL, "forget: also a node that is up"},
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
    FIGURE(dropped_foreign), FIGURE(dropped_overflow), FIGURE(denied_publishes),  FIGURE(delta_published),
    FIGURE(delta_sent),      FIGURE(delta_joined),     FIGURE(delta_lost),
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

/* ---- ls, forget ---- */

static int run_ls(const args *a)
{
    broker_options broker;
    int64_t wait_ms;
    if (a->rest_count > 1)
        return args_usage(a, "'%s' is too much.", a->rest[1]);
    if (broker_options_read(a, &broker) != EXIT_DONE || !args_seconds(a, "wait", 6000, &wait_ms))
        return EXIT_USAGE;
    return node_admin_list(&broker, wait_ms, args_flag(a, "json"));
}

static int run_forget(const args *a)
{
    broker_options broker;
    if (a->rest_count != 2)
        return args_usage(a, "forget: say which node, by its name.");
    if (!weft_name_valid(a->rest[1]))
        return args_usage(a, "forget: '%s' is no name; use 1 to %d of a-z 0-9 _ . - (not - alone).", a->rest[1],
                          WEFT_NAME_MAX_BYTES);
    if (broker_options_read(a, &broker) != EXIT_DONE)
        return EXIT_USAGE;
    return node_admin_forget(&broker, a->rest[1], args_flag(a, "force"));
}

/* ---- the daemon ---- */

static int run_daemon(const args *a)
{
    char host[WEFT_NAME_MAX_BYTES + 1], journal[PATH_MAX], socket_path[PATH_MAX];
    const char *reason = NULL;
    int64_t drain_ms;
    node_opts opts = {.standard_input = args_flag(a, "stdin"), .print = args_flag(a, "print"), .on_ready = on_ready};
    places_node_name(host);
    opts.node = node_option_read(a, host);
    if (opts.node == NULL || broker_options_read(a, &opts.broker) != EXIT_DONE ||
        !journal_options_read(a, &opts.journal) || !args_seconds(a, "drain-timeout", 10000, &drain_ms))
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

static int run(const args *a)
{
    if (a->rest_count == 0)
        return run_daemon(a);
    if (strcmp(a->rest[0], "ls") == 0)
        return run_ls(a);
    if (strcmp(a->rest[0], "forget") == 0)
        return run_forget(a);
    return args_usage(a, "'%s' is too much; it takes options only, or ls, or forget NAME.", a->rest[0]);
}

const command cmd_node = {
    .name = "node",
    .synopsis = "[ls|forget NAME] [OPTION]…",
    .summary = "Runs the node of this host: takes events from local feeders, carries them to the other hosts.",
    .details =
        "It prints `ready SOCKET` once it takes lines, with or without a broker: what the broker has not\n"
        "acknowledged stays in the journal and is sent later. SIGTERM or SIGINT stop it: it answers, drains,\n"
        "says goodbye.\n"
        "  ls           shows the nodes of the fabric: up, silent, lost (by the broker) or goodbye, since when,\n"
        "               how long ago it was heard, and how far its clock is from ours\n"
        "  forget NAME  clears what a dismissed node left at the broker; every observer drops it. Refused while\n"
        "               the node is up; whether one that said so is may take 20 seconds to tell\n"
        "Exit status: 0 stopped, 1 failed, 2 usage, 3 no broker (ls, forget),\n"
        "4 a newer process holds the node's name.",
    .options = rows,
    .run = run,
};
