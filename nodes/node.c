/* nodes/node.c: assembles a node and takes it down in order.
 *
 * Up      journal (its lock keeps a second node of the name away), socket, ready.
 * Down    no more lines; answers to what is published; the broker's acknowledgements, for a while; goodbye.
 * Threads the caller's serves the socket. The bridge's threads call on_notice and on_written, which only log, set flags
 *         and wake. */
#include "nodes/node.h"

#include "nodes/event_print.h"
#include "nodes/feed_server.h"
#include "nodes/log.h"
#include "nodes/notice_log.h"
#include "nodes/service_notify.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_MAX = 1000, FINISH_MS = 2000, PRINT_QUEUE_MAX = 4096 };

typedef struct node {
    const node_opts *opts;
    weft_dispatcher *dispatcher;
    weft_bridge *bridge;
    _Atomic(feed_server *) server;
    atomic_bool fenced;
    weft_text print_text; /* the one print handler only */
} node;

/* What signals reach. */
static _Atomic(feed_server *) running_server;
static volatile sig_atomic_t signals_seen;
static atomic_bool stop_wanted;

static void on_signal(int number)
{
    if (signals_seen++ > 0)
        _exit(128 + number);
    node_stop();
}

void node_stop(void)
{
    atomic_store(&stop_wanted, true);
    feed_server *server = atomic_load(&running_server);
    if (server != NULL)
        feed_server_stop(server);
}

static void signals_handle(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is a full disk, not an end */
}

/* ---- callbacks ---- */

static weft_status publish_group(void *user, const weft_event *const *events, size_t count, const weft_feed_mark *mark,
                                 uint64_t *ret_receipt, size_t *ret_index)
{
    return weft_bridge_publish_group(((node *)user)->bridge, events, count, mark, ret_receipt, ret_index);
}

static uint64_t written(void *user)
{
    return weft_bridge_written(((node *)user)->bridge);
}

static weft_status feed(void *user, const char *name, uint64_t *ret_line, char **ret_state, size_t *ret_state_bytes)
{
    return weft_bridge_feed(((node *)user)->bridge, name, ret_line, ret_state, ret_state_bytes);
}

static const feed_ops bridge_ops = {publish_group, written, feed};

static void on_written(uint64_t receipt, void *user)
{
    (void)receipt;
    feed_server *server = atomic_load(&((node *)user)->server);
    if (server != NULL)
        feed_server_wake(server);
}

static void on_notice(const weft_notice *notice, void *user)
{
    node *n = user;
    notice_log(notice, n->opts->broker.url);
    if (notice->kind != WEFT_NOTICE_FENCED)
        return;
    atomic_store(&n->fenced, true);
    feed_server *server = atomic_load(&n->server);
    if (server != NULL)
        feed_server_stop(server);
}

static void on_refused(const char *feeder, uint64_t line, const char *error, void *user)
{
    const node *n = user;
    if (n->opts->standard_input && strcmp(feeder, "standard input") == 0)
        log_say(LOG_LINE_REFUSED, "%s, line %" PRIu64 ": %s", feeder, line, error);
}

static void on_taken_over(const char *name, void *user)
{
    (void)user;
    log_say(LOG_FEED_TAKEN_OVER, "a second feeder came as '%s'; the first one's connection is closed", name);
}

static weft_status on_print(const weft_event *event, void *user)
{
    node *n = user;
    weft_text_clear(&n->print_text);
    event_print(event, &n->print_text);
    if (n->print_text.data != NULL)
        (void)fwrite(n->print_text.data, 1, n->print_text.length, stdout);
    (void)fflush(stdout);
    return WEFT_OK;
}

static void on_print_lost(const weft_lost *lost, void *user)
{
    (void)user;
    weft_text text = {0};
    lost_print(lost, &text);
    log_say(LOG_EVENTS_LOST, "%s", text.data != NULL ? text.data : "");
    weft_text_fini(&text);
}

/* ---- up ---- */

static int fail(const char *what, const char *detail, weft_status st)
{
    if (detail != NULL) /* it names what it is about */
        log_say(LOG_NODE_FAILED, "%s", detail);
    else
        log_say(LOG_NODE_FAILED, "%s: %s", what, weft_status_text(st));
    return st == WEFT_INVALID ? EXIT_USAGE : EXIT_JOB_FAILED;
}

static int bridge_up(node *n)
{
    const char *reason = NULL;
    weft_bridge_opts opts = n->opts->journal;
    opts.node = n->opts->node;
    opts.journal_path = n->opts->journal_path;
    opts.on_notice = on_notice;
    opts.on_written = on_written;
    opts.user = n;
    broker_options_apply(&n->opts->broker, &opts);
    weft_status st = weft_bridge_create(n->dispatcher, &opts, &n->bridge, &reason);
    if (st == WEFT_EXISTS) {
        log_say(LOG_NODE_FAILED,
                "%s: another process has this journal open; end it, or choose another --node or --state-dir",
                n->opts->journal_path);
        return EXIT_JOB_FAILED;
    }
    return st == WEFT_OK ? EXIT_DONE : fail(n->opts->journal_path, reason, st);
}

static int print_up(node *n)
{
    weft_subscription ignored;
    weft_subscribe_opts opts = {.name = "print",
                                .queued = true,
                                .queue_max = PRINT_QUEUE_MAX,
                                .overflow = WEFT_OVERFLOW_BLOCK,
                                .on_lost = on_print_lost};
    weft_status st = weft_subscribe_with(n->dispatcher, NULL, &opts, on_print, n, &ignored);
    return st == WEFT_OK ? EXIT_DONE : fail("print", NULL, st);
}

static int server_up(node *n)
{
    char reason[512] = "";
    feed_server *server = NULL;
    feed_server_opts opts = {.path = n->opts->socket_path,
                             .standard_input = n->opts->standard_input,
                             .ops = &bridge_ops,
                             .ops_user = n,
                             .on_refused = on_refused,
                             .on_taken_over = on_taken_over,
                             .user = n};
    weft_status st = feed_server_create(&opts, &server, reason, sizeof reason);
    if (st != WEFT_OK) {
        log_say(LOG_SOCKET_FAILED, "%s", reason);
        return st == WEFT_INVALID ? EXIT_USAGE : EXIT_JOB_FAILED;
    }
    atomic_store(&n->server, server);
    atomic_store(&running_server, server);
    if (atomic_load(&stop_wanted) || atomic_load(&n->fenced)) /* before there was anything to stop */
        feed_server_stop(server);
    return EXIT_DONE;
}

static int up(node *n)
{
    weft_dispatcher_opts opts = {.history_max = HISTORY_MAX};
    weft_status st = weft_dispatcher_create(&opts, &n->dispatcher);
    if (st != WEFT_OK)
        return fail("dispatcher", NULL, st);
    int status = bridge_up(n);
    if (status == EXIT_DONE && n->opts->print)
        status = print_up(n);
    return status == EXIT_DONE ? server_up(n) : status;
}

/* ---- down ---- */

static int down(node *n)
{
    feed_server_stats lines;
    weft_bridge_stats events;
    service_notify("STOPPING=1");
    log_say(LOG_NODE_STOPPING, "takes no more lines; drains for up to %u ms", n->opts->drain_ms);
    (void)feed_server_finish(n->server, FINISH_MS);
    weft_status drained = atomic_load(&n->fenced) ? WEFT_FENCED : weft_bridge_stop(n->bridge, n->opts->drain_ms);
    feed_server_get_stats(n->server, &lines);
    weft_bridge_get_stats(n->bridge, &events);
    if (drained == WEFT_TIMEOUT)
        log_say(LOG_NODE_UNDRAINED, "%" PRIu64 " event(s) wait in %s for the next start", events.pending_events,
                n->opts->journal_path);
    log_say(LOG_NODE_STOPPED,
            "%" PRIu64 " lines taken, %" PRIu64 " refused, %" PRIu64 " repeated; %" PRIu64 " events sent, %" PRIu64
            " acknowledged, %" PRIu64 " received",
            lines.counts.lines, lines.counts.refused, lines.counts.duplicates, events.sent_events, events.acked_events,
            events.received_events);
    if (n->opts->on_stopped != NULL)
        n->opts->on_stopped(&events);
    if (atomic_load(&n->fenced))
        return EXIT_FENCED;
    return drained != WEFT_OK && n->opts->standard_input ? EXIT_JOB_FAILED : EXIT_DONE;
}

static void node_destroy(node *n)
{
    weft_bridge_destroy(n->bridge); /* after it nobody wakes the server */
    atomic_store(&running_server, NULL);
    feed_server_destroy(n->server);
    weft_dispatcher_destroy(n->dispatcher);
    weft_text_fini(&n->print_text);
}

int node_run(const node_opts *opts)
{
    node n = {.opts = opts};
    signals_handle();
    int status = up(&n);
    if (status == EXIT_DONE) {
        log_say(LOG_NODE_READY, "node %s of fabric %s takes lines at %s", opts->node, opts->broker.fabric,
                opts->socket_path);
        if (opts->on_ready != NULL)
            opts->on_ready(opts);
        service_notify("READY=1");
        (void)feed_server_run(n.server);
        status = down(&n);
    }
    node_destroy(&n);
    return status;
}
