/* nodes/node_admin.c: see the header. */
#include "nodes/node_admin.h"

#include "nodes/deadline.h"
#include "nodes/notice_log.h"
#include "nodes/timestamp.h"
#include "weft/json.h"
#include "weft/peers.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MS = 10000,
    SETTLE_MS = 500, /* for what is retained to come */
    POLL_MS = 50,
    CLEAR_MS = 10000,
    /* A node that is up and not heard for this long is silent: 17 s by itself, more with long keep-alives. */
    SILENT_MARGIN_MS = 3000,
    KEEP_ALIVE_S = 10,
};

typedef struct watcher {
    const broker_options *broker;
    weft_dispatcher *dispatcher;
    weft_bridge *bridge;
    weft_peer *peers;
    size_t count;
    atomic_bool told; /* why the broker refuses */
} watcher;

/* ---- watching ---- */

static void on_notice(const weft_notice *notice, void *user)
{
    watcher *w = user;
    bool refused = notice->kind == WEFT_NOTICE_CONNECT_FAILED && notice->status == WEFT_REFUSED;
    if (refused && !atomic_exchange(&w->told, true))
        notice_say_refused("node", notice, w->broker->url);
}

static int watcher_start(watcher *w, const broker_options *broker)
{
    const char *reason = NULL;
    weft_bridge_opts opts = {.listen_only = true, .on_notice = on_notice, .user = w};
    *w = (watcher){.broker = broker};
    broker_options_apply(broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &w->dispatcher);
    if (st == WEFT_OK)
        st = weft_bridge_create(w->dispatcher, &opts, &w->bridge, &reason);
    if (st != WEFT_OK) {
        fprintf(stderr, "weft node: %s: %s.\n", broker->url, reason != NULL ? reason : weft_status_text(st));
        return EXIT_USAGE;
    }
    st = weft_bridge_wait_ready(w->bridge, CONNECT_MS);
    if (st == WEFT_OK)
        return EXIT_DONE;
    if (!atomic_load(&w->told))
        fprintf(stderr, "weft node: cannot reach the broker at %s; is it running? (--broker names another)\n",
                broker->url);
    return EXIT_NO_PEER;
}

static void watcher_stop(watcher *w)
{
    weft_bridge_destroy(w->bridge);
    weft_dispatcher_destroy(w->dispatcher);
    free(w->peers);
}

static bool peers_take(watcher *w)
{
    size_t count = weft_bridge_peers(w->bridge, NULL, 0) + 16; /* who comes meanwhile comes next time */
    weft_peer *peers = realloc(w->peers, count * sizeof *peers);
    if (peers == NULL)
        return false;
    w->peers = peers;
    size_t there = weft_bridge_peers(w->bridge, peers, count);
    w->count = there < count ? there : count;
    return true;
}

static const weft_peer *peer_find(const watcher *w, const char *node)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->peers[i].node, node) == 0)
            return &w->peers[i];
    return NULL;
}

static bool all_have_beaten(const watcher *w, const void *unused)
{
    (void)unused;
    for (size_t i = 0; i < w->count; i++)
        if (w->peers[i].state == WEFT_PEER_UP && w->peers[i].beat_age_ms < 0)
            return false;
    return true;
}

/* Whether it is clear that this node is up or not. */
static bool one_is_clear(const watcher *w, const void *node)
{
    const weft_peer *peer = peer_find(w, node);
    return peer == NULL || peer->state != WEFT_PEER_UP || peer->beat_age_ms >= 0;
}

/* Looks again and again, after a moment, until something holds or time is up. */
static void watch(watcher *w, int64_t wait_ms, bool (*enough)(const watcher *w, const void *what), const void *what)
{
    int64_t deadline = deadline_in_ms(wait_ms > SETTLE_MS ? wait_ms : SETTLE_MS);
    (void)poll(NULL, 0, SETTLE_MS);
    while (peers_take(w) && !enough(w, what) && deadline_left_ms(deadline, 1) > 0)
        (void)poll(NULL, 0, POLL_MS);
}

/* ---- ls ---- */

static int name_order(const void *a, const void *b)
{
    return strcmp(((const weft_peer *)a)->node, ((const weft_peer *)b)->node);
}

static void print_json(const weft_peer *peer, weft_text *text)
{
    weft_text_printf(text, "{\"node\":\"%s\",\"state\":\"%s\",\"epoch\":%" PRIu64, peer->node,
                     weft_peer_state_name(peer->state), peer->epoch);
    const struct {
        const char *name;
        bool known;
        int64_t value;
    } figures[] = {{"since_ms", peer->since_ms > 0, peer->since_ms},
                   {"beat_age_ms", peer->beat_age_ms >= 0, peer->beat_age_ms},
                   {"skew_ms", peer->skew_known, peer->skew_ms}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        weft_text_printf(text, ",\"%s\":", figures[i].name);
        if (figures[i].known)
            weft_text_printf(text, "%" PRId64, figures[i].value);
        else
            weft_text_printf(text, "null");
    }
    weft_text_printf(text, ",\"version\":");
    if (peer->version[0] != '\0')
        weft_text_json_string(text, peer->version);
    else
        weft_text_printf(text, "null");
    weft_text_printf(text, "}\n");
}

static void print_row(const weft_peer *peer, int width, weft_text *text)
{
    char since[TIMESTAMP_BYTES] = "-", beat[32] = "-", clock[32] = "-", version[sizeof peer->version];
    bool unproven = peer->state == WEFT_PEER_UP && peer->beat_age_ms < 0;
    if (peer->since_ms > 0)
        timestamp_format(peer->since_ms, since);
    if (peer->beat_age_ms >= 0)
        (void)snprintf(beat, sizeof beat, "%.1f s ago", (double)peer->beat_age_ms / 1000);
    if (peer->skew_known)
        (void)snprintf(clock, sizeof clock, "%+.3f s", (double)peer->skew_ms / 1000);
    (void)snprintf(version, sizeof version, "%s", peer->version[0] != '\0' ? peer->version : "-");
    for (char *c = version; *c != '\0'; c++)
        *c = *c > ' ' && *c < 0x7f ? *c : '?';
    weft_text_printf(text, "%-*s  %-7s  %-24s  %-13" PRIu64 "  %-10s  %-10s  %s\n", width, peer->node,
                     unproven ? "up?" : weft_peer_state_name(peer->state), since, peer->epoch, beat, clock, version);
}

static void print_table(const watcher *w, weft_text *text)
{
    int width = (int)sizeof "NODE";
    bool unproven = false;
    for (size_t i = 0; i < w->count; i++) {
        int length = (int)strlen(w->peers[i].node);
        width = length > width ? length : width;
        unproven |= w->peers[i].state == WEFT_PEER_UP && w->peers[i].beat_age_ms < 0;
    }
    weft_text_printf(text, "%-*s  %-7s  %-24s  %-13s  %-10s  %-10s  %s\n", width, "NODE", "STATE", "SINCE", "EPOCH",
                     "BEAT", "CLOCK", "VERSION");
    for (size_t i = 0; i < w->count; i++)
        print_row(&w->peers[i], width, text);
    if (unproven)
        weft_text_printf(text, "up?: it said so, but was not heard while we listened.\n");
}

int node_admin_list(const broker_options *broker, int64_t wait_ms, bool json)
{
    watcher w;
    weft_text text = {0};
    int status = watcher_start(&w, broker);
    if (status == EXIT_DONE) {
        watch(&w, wait_ms, all_have_beaten, NULL);
        qsort(w.peers, w.count, sizeof *w.peers, name_order);
        for (size_t i = 0; json && i < w.count; i++)
            print_json(&w.peers[i], &text);
        if (!json && w.count > 0)
            print_table(&w, &text);
        if (w.count == 0)
            fprintf(stderr, "weft node: no node is known in fabric %s at %s.\n", broker->fabric, broker->url);
        if (text.data != NULL)
            (void)fwrite(text.data, 1, text.length, stdout);
    }
    weft_text_fini(&text);
    watcher_stop(&w);
    return status;
}

/* ---- forget ---- */

/* How long it takes until a node that died with its broker is known to be dead. */
static int64_t silence_ms(const broker_options *broker)
{
    uint32_t keep_alive_s = broker->keep_alive_s != 0 ? broker->keep_alive_s : KEEP_ALIVE_S;
    int64_t by_keep_alive = (int64_t)keep_alive_s * 1500 + 2000, least = 17000;
    return (by_keep_alive > least ? by_keep_alive : least) + SILENT_MARGIN_MS;
}

static int clear(watcher *w, const char *node, const weft_peer *known)
{
    weft_status st = weft_bridge_forget(w->bridge, node, CLEAR_MS);
    if (st == WEFT_REFUSED) {
        fprintf(stderr,
                "weft node: the broker's access rules do not let %s clear what %s left; it takes the right to\n"
                "publish as that node.\n",
                w->broker->user != NULL ? w->broker->user : "us", node);
        return EXIT_JOB_FAILED;
    }
    if (st != WEFT_OK) {
        fprintf(stderr, "weft node: the broker has not confirmed that it forgot %s: %s.\n", node, weft_status_text(st));
        return EXIT_JOB_FAILED;
    }
    if (known == NULL)
        printf("forgot %s, of which no life was retained\n", node);
    else
        printf("forgot %s (%s, epoch %" PRIu64 ")%s\n", node, weft_peer_state_name(known->state), known->epoch,
               known->state == WEFT_PEER_UP ? "; if it is up, it says so again within 5 s" : "");
    return EXIT_DONE;
}

int node_admin_forget(const broker_options *broker, const char *node, bool force)
{
    watcher w;
    int status = watcher_start(&w, broker);
    if (status == EXIT_DONE) {
        watch(&w, force ? 0 : silence_ms(broker), one_is_clear, node);
        const weft_peer *known = peer_find(&w, node);
        if (!force && known != NULL && known->state == WEFT_PEER_UP) {
            fprintf(stderr, "weft node: %s is up (epoch %" PRIu64 "); stop it first, or use --force.\n", node,
                    known->epoch);
            status = EXIT_JOB_FAILED;
        } else {
            status = clear(&w, node, known);
        }
    }
    watcher_stop(&w);
    return status;
}
