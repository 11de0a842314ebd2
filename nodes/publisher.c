/* nodes/publisher.c: two ways behind one interface: a feed_client, or a bridge without a name of its own.
 *
 * Through a node, "ok" means that its journal has the event; straight to the broker, that the broker has acknowledged
 * it, and nothing remembers it here. */
#include "nodes/publisher.h"

#include "nodes/deadline.h"
#include "nodes/feed_client.h"
#include "nodes/feed_line.h"
#include "nodes/notice_log.h"
#include "nodes/places.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FULL_WAIT_MS = 100, DENIED_WAIT_MS = 1000 };

struct publisher {
    const publisher_opts *opts;
    feed_client *node; /* one of the two ways */
    weft_bridge *bridge;
    weft_dispatcher *dispatcher;
    uint64_t refused;   /* lines at fault */
    atomic_bool denied; /* the broker's ACL */
};

static void say_refused(publisher *p, uint64_t number, const char *error)
{
    if (p->opts->source != NULL)
        fprintf(stderr, "weft %s: %s:%" PRIu64 ": %s.\n", p->opts->command, p->opts->source, number, error);
    else
        fprintf(stderr, "weft %s: %s.\n", p->opts->command, error);
    p->refused++;
}

static int say_node_gone(const publisher *p)
{
    fprintf(stderr, "weft %s: %s.\n", p->opts->command, feed_client_error(p->node));
    return EXIT_NO_PEER;
}

/* ---- through the node ---- */

static void on_refused(uint64_t line, const char *text, void *user)
{
    publisher *p = user;
    say_refused(p, line, text);
}

/* Returns whether the node can be reached. */
static bool node_open(publisher *p)
{
    feed_client_opts opts = {.path = p->opts->socket_path,
                             .room_ms = p->opts->timeout_ms > 0 ? p->opts->timeout_ms : 1,
                             .on_refused = on_refused,
                             .user = p};
    if (feed_client_create(&opts, &p->node) != WEFT_OK)
        return false;
    if (feed_client_connect(p->node) == WEFT_OK)
        return true;
    if (p->opts->socket_required)
        (void)say_node_gone(p);
    feed_client_destroy(p->node);
    p->node = NULL;
    return false;
}

/* A node that does not answer is there, but may not be able to write. */
static int node_verdict(const publisher *p, weft_status st)
{
    if (st == WEFT_OK)
        return EXIT_DONE;
    (void)say_node_gone(p);
    return st == WEFT_TIMEOUT ? EXIT_JOB_FAILED : EXIT_NO_PEER;
}

static int node_send(publisher *p, const char *line, size_t length)
{
    return node_verdict(p, feed_client_send(p->node, line, length, NULL));
}

static int node_finish(publisher *p)
{
    return node_verdict(p, feed_client_flush(p->node, p->opts->timeout_ms));
}

/* ---- straight to the broker ---- */

static void on_notice(const weft_notice *notice, void *user)
{
    publisher *p = user;
    if (notice->kind == WEFT_NOTICE_PUBLISH_REFUSED)
        atomic_store(&p->denied, true);
    if (notice->kind == WEFT_NOTICE_CONNECT_FAILED && notice->status == WEFT_REFUSED) {
        notice_say_refused(p->opts->command, notice, p->opts->broker.url);
        return;
    }
    if (notice->kind != WEFT_NOTICE_CONNECTED && notice->kind != WEFT_NOTICE_PEER_UP &&
        notice->kind != WEFT_NOTICE_PEER_DOWN)
        notice_log(notice, p->opts->broker.url);
}

static int broker_open(publisher *p)
{
    char node[WEFT_NAME_MAX_BYTES + 1];
    const char *url = p->opts->broker.url, *reason = NULL;
    places_process_name(p->opts->broker.user, "cli", node);
    weft_bridge_opts opts = {.node = node, .anonymous = true, .on_notice = on_notice, .user = p};
    broker_options_apply(&p->opts->broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &p->dispatcher);
    if (st == WEFT_OK)
        st = weft_bridge_create(p->dispatcher, &opts, &p->bridge, &reason);
    if (st != WEFT_OK) {
        fprintf(stderr, "weft %s: %s: %s.\n", p->opts->command, url, reason != NULL ? reason : weft_status_text(st));
        return EXIT_USAGE;
    }
    st = weft_bridge_wait_ready(p->bridge, p->opts->timeout_ms);
    if (st == WEFT_OK)
        return EXIT_DONE;
    if (st != WEFT_REFUSED) /* else the notice says it */
        fprintf(stderr, "weft %s: cannot reach the broker at %s: %s; is it running? (--broker names another)\n",
                p->opts->command, url, weft_status_text(st));
    return EXIT_NO_PEER;
}

/* A full intake empties as the broker acknowledges. */
static weft_status group_publish(publisher *p, const feed_line *line)
{
    int64_t deadline = deadline_in_ms(p->opts->timeout_ms);
    for (;;) {
        uint64_t receipt;
        weft_status st = weft_bridge_publish_group(p->bridge, line->events, line->event_count, NULL, &receipt, NULL);
        if (st != WEFT_FULL || deadline_left_ms(deadline, FULL_WAIT_MS) == 0)
            return st;
        (void)weft_bridge_drain(p->bridge, FULL_WAIT_MS);
    }
}

static int broker_send(publisher *p, const feed_line *line, uint64_t number)
{
    weft_status st = line->event_count > 0 ? group_publish(p, line) : WEFT_OK;
    if (st == WEFT_OK)
        return EXIT_DONE;
    if (st == WEFT_FULL || st == WEFT_STOPPED) {
        fprintf(stderr, "weft %s: the broker at %s takes nothing more (at line %" PRIu64 "): %s.\n", p->opts->command,
                p->opts->broker.url, number, weft_status_text(st));
        return EXIT_JOB_FAILED;
    }
    say_refused(p, number, weft_status_text(st));
    return EXIT_USAGE;
}

/* Once the broker has denied one topic, what is left of the others gets little time: of the denied nothing comes. */
static weft_status drain_or_denied(publisher *p)
{
    int64_t deadline = deadline_in_ms(p->opts->timeout_ms);
    bool denied = false;
    for (;;) {
        int wait_ms = deadline_left_ms(deadline, FULL_WAIT_MS);
        weft_status st = weft_bridge_drain(p->bridge, (uint32_t)wait_ms);
        if (st != WEFT_TIMEOUT || wait_ms == 0)
            return st;
        if (!denied && atomic_load(&p->denied) && deadline_left_ms(deadline, DENIED_WAIT_MS) == DENIED_WAIT_MS)
            deadline = deadline_in_ms(DENIED_WAIT_MS);
        denied = atomic_load(&p->denied);
    }
}

static int broker_finish(publisher *p)
{
    weft_status st = drain_or_denied(p);
    if (atomic_load(&p->denied)) {
        fprintf(stderr, "weft %s: the broker at %s does not let this user publish all of it; look at its ACL.\n",
                p->opts->command, p->opts->broker.url);
        return EXIT_JOB_FAILED;
    }
    if (st == WEFT_OK)
        return EXIT_DONE;
    weft_bridge_stats stats;
    weft_bridge_get_stats(p->bridge, &stats);
    fprintf(stderr, "weft %s: the broker at %s did not acknowledge %" PRIu64 " event(s) within %u ms.\n",
            p->opts->command, p->opts->broker.url, stats.pending_events, p->opts->timeout_ms);
    return EXIT_JOB_FAILED;
}

/* ---- either way ---- */

int publisher_open(const publisher_opts *opts, publisher **ret)
{
    publisher *p = calloc(1, sizeof *p);
    if (p == NULL) {
        fprintf(stderr, "weft %s: out of memory.\n", opts->command);
        return EXIT_JOB_FAILED;
    }
    p->opts = opts;
    int status = EXIT_DONE;
    if (opts->socket_path == NULL || !node_open(p))
        status = opts->socket_path != NULL && opts->socket_required ? EXIT_NO_PEER : broker_open(p);
    if (status != EXIT_DONE) {
        publisher_close(p);
        return status;
    }
    *ret = p;
    return EXIT_DONE;
}

/* The node numbers what it gets: a refused line goes to it as an empty one, so that both count alike. */
static int refuse(publisher *p, uint64_t number, const char *error)
{
    say_refused(p, number, error);
    int status = p->node != NULL ? node_send(p, "", 0) : EXIT_DONE;
    return status == EXIT_DONE ? EXIT_USAGE : status;
}

int publisher_send(publisher *p, const char *text, size_t length, uint64_t number)
{
    feed_line line;
    char error[512];
    if (text == NULL)
        return refuse(p, number, "longer than 1 MiB");
    if (feed_line_parse(text, length, &line, error, sizeof error) != WEFT_OK)
        return refuse(p, number, error);
    int status;
    if (line.kind == FEED_LINE_GREETING || line.state != NULL)
        status = refuse(p, number, "feeds and states are for programs that speak to a node's socket themselves");
    else
        status = p->node != NULL ? node_send(p, text, length) : broker_send(p, &line, number);
    feed_line_fini(&line);
    return status;
}

int publisher_finish(publisher *p)
{
    int status = p->node != NULL ? node_finish(p) : broker_finish(p);
    return status == EXIT_DONE && p->refused > 0 ? EXIT_USAGE : status;
}

void publisher_close(publisher *p)
{
    if (p == NULL)
        return;
    feed_client_destroy(p->node);
    if (p->bridge != NULL)
        (void)weft_bridge_stop(p->bridge, 0);
    weft_bridge_destroy(p->bridge);
    weft_dispatcher_destroy(p->dispatcher);
    free(p);
}
