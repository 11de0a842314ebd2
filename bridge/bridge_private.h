/* bridge/bridge_private.h: the bridge taken apart into its threads.
 *
 *   publishers ─intake─▶ journal thread ─uplink─▶ link thread ─▶ broker
 *                          │   ▲ replays, calls       ▲ control
 *   handlers ◀─delivery─ deliver thread ◀─ downlink thread ◀─inbound─ the link's own threads
 *
 * Each thread owns one file (journal_thread.c, link_thread.c, downlink_thread.c with deliver) and what is marked with
 * its name here. All waits for progress (flush, drain, ready) are on `changed`, under `mutex`.
 *
 * Lock order  journal_mutex alone; mutex, then the uplink's or the intake's own; those and the queues' are leaves. */
#ifndef WEFT_BRIDGE_PRIVATE_H
#define WEFT_BRIDGE_PRIVATE_H

#include "bridge/batcher.h"
#include "bridge/downlink.h"
#include "bridge/intake.h"
#include "bridge/journal.h"
#include "bridge/link.h"
#include "bridge/node_state.h"
#include "bridge/topic_map.h"
#include "bridge/uplink.h"
#include "weft/bridge.h"
#include "weft/tap.h"

#include <stdatomic.h>

/* A message as it came from the link. */
typedef struct weft__inbound {
    weft__node node;
    bool known_before; /* came retained on the first connection */
    size_t length;
    uint8_t *payload; /* behind the topic in the same block */
    char topic[];
} weft__inbound;

/* What the deliver thread hands to the dispatcher: an event, or a loss. */
typedef struct weft__delivery {
    weft__node node;
    const weft_event *event; /* NULL: a loss */
    weft_lost lost;
    char lost_node[WEFT_NAME_MAX_BYTES + 1];
} weft__delivery;

/* A message beside the events for the link thread to send. */
typedef struct weft__control {
    weft__node node;
    int qos;
    bool retain;
    size_t length;
    uint8_t *payload; /* malloc'ed */
    char topic[];
} weft__control;

typedef struct weft__ack {
    weft__node node;
    int token;
    weft_status status;
} weft__ack;

typedef struct weft__replay {
    weft__node node;
    char to[WEFT_NAME_MAX_BYTES + 1];
    char request_id[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq;
    uint64_t to_seq;
    uint32_t max_messages;
} weft__replay;

/* Something to be done on the journal thread while the caller waits. */
typedef struct weft__call {
    weft__node node;
    weft_status (*run)(weft_bridge *b, void *user);
    void *user;
    weft_status status;
    bool done; /* [mutex] */
} weft__call;

enum { WEFT__WINDOW_MAX = 64 };

typedef enum weft__phase { WEFT__PHASE_RUNNING, WEFT__PHASE_STOPPING, WEFT__PHASE_STOPPED } weft__phase;

struct weft_bridge {
    /* const after create */
    weft_bridge_opts opts; /* strings are copies, all in `strings` */
    char *strings;
    char fabric[WEFT_NAME_MAX_BYTES + 1];
    char node[WEFT_NAME_MAX_BYTES + 1];
    weft_dispatcher *bus;
    const weft_clock *clock;
    const weft__link_ops *link_ops;
    weft__link *link;
    bool sends; /* has a journal and an uplink */

    pthread_t journal_thread, sync_thread, link_thread, downlink_thread, deliver_thread;
    unsigned threads_started;

    weft__signal journal_signal, sync_signal, link_signal, downlink_signal, deliver_signal;
    weft__intake intake;
    weft__uplink *uplink;
    weft__queue inbound, deliveries, control, taps, acks, commands, replays, calls;

    /* journal thread */
    weft__journal *journal; /* replaced under journal_mutex; sync and checkpoint: the sync thread, under it */
    pthread_mutex_t journal_mutex;
    weft__batcher batcher;
    weft__node_state *state;
    bool state_changed;
    int64_t state_sent_ms;
    int64_t trimmed_ms;
    uint64_t untrimmed_bytes; /* written since */

    /* downlink thread */
    weft__downlink *downlink;

    /* link thread */
    struct {
        bool first; /* no connection yet in this life */
        bool up;
        uint32_t attempts;
        int64_t retry_ms;
        uint32_t subscribed;
        weft__link_limits limits;
        size_t control_in_flight;
        int control_tokens[WEFT__WINDOW_MAX];
        bool beat_due;
        int64_t beat_ms;
        int64_t refused_until_ms;
        int64_t refused_notice_ms;
        uint64_t too_large_told;
        weft_status failure; /* of the last attempt, so that a cause is told once */
        uint64_t random;
    } wire;

    _Atomic uint32_t interest; /* topics that local subscriptions want */
    _Atomic uint64_t epoch;
    _Atomic uint32_t downlink_topics; /* what the link thread subscribes, said before it does */
    atomic_bool downlink_connected;   /* there is a fresh connection */
    atomic_bool link_down;            /* set by the link's callbacks */
    atomic_bool first_connection;     /* the present connection is the first of this life */
    atomic_bool deliver_stopping, downlink_stopping;
    atomic_bool deliver_dropping; /* the time for handlers is up */
    _Atomic uint64_t dropped_own, dropped_overflow, control_dropped, replayed_events, connects, lost_events;
    _Atomic int64_t dropped_notice_ms;
    _Atomic size_t payload_max; /* what the broker takes */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    weft__phase phase; /* [mutex], all below too */
    bool journal_stopping;
    bool sync_stopping;
    bool link_stopping;
    bool connected;
    uint32_t ready_topics; /* subscribed at the broker, while connected */
    bool fenced;
    weft_status connect_status;
    uint64_t written_receipt;
    uint64_t written_events;
    uint64_t synced_receipt;
    int64_t written_row; /* newest row id */
    weft_status journal_status;
    unsigned flush_waiters;
    uint64_t pending_at_open; /* events left by earlier lives; const after create */

    pthread_mutex_t notice_mutex; /* one notice at a time */
};

void *weft__journal_thread(void *bridge);
void *weft__sync_thread(void *bridge);
void *weft__link_thread(void *bridge);
void *weft__downlink_thread(void *bridge);
void *weft__deliver_thread(void *bridge);

/* The link's callbacks: they only enqueue. */
void weft__bridge_on_message(void *bridge, const char *topic, const uint8_t *payload, size_t length, bool retained);
void weft__bridge_on_acked(void *bridge, int token, weft_status status);
void weft__bridge_on_down(void *bridge);

weft_status weft__downlink_thread_prepare(weft_bridge *b);
/* Reads the commands of others that have come. Runs on the journal thread: slow handlers must not keep a node from
 * healing others. */
void weft__bridge_commands_take(weft_bridge *b);

/* Opens the journal, tells of a damaged one. */
weft_status weft__bridge_journal_open(weft_bridge *b, weft__journal **ret, const char **reason);

void weft__bridge_notice(weft_bridge *b, const weft_notice *notice);
int64_t weft__bridge_mono_ms(const weft_bridge *b);
/* Runs something on the journal thread and waits for it. */
weft_status weft__bridge_call(weft_bridge *b, weft_status (*run)(weft_bridge *, void *), void *user);
/* Queues an event of the JSON tap: it goes out when no events wait, and is dropped, counted, when too many do. */
void weft__bridge_send_tap(weft_bridge *b, const char *topic, uint8_t *payload, size_t length);
/* Queues a message for the link thread; takes over the malloc'ed payload. A full queue drops it, counted. */
void weft__bridge_send(weft_bridge *b, const char *topic, uint8_t *payload, size_t length, int qos, bool retain);
/* Publishes the node's state soon, whether it has changed or not. Threads: any. */
weft_status weft__journal_thread_show_state(weft_bridge *b, void *unused);
/* Begins an epoch at least as large as *(uint64_t *)epoch. Runs on the journal thread. */
weft_status weft__journal_thread_begin_epoch(weft_bridge *b, void *epoch);
/* Encodes the birth of the present epoch, which names where earlier ones end. Runs on the journal thread. */
weft_status weft__journal_thread_birth(weft_bridge *b, void *bytes_out);
/* Encodes birth, goodbye or will of the present epoch. */
weft_status weft__bridge_live_encode(weft_bridge *b, weft__live_status status, const weft__position *previous,
                                     size_t previous_count, uint8_t **ret, size_t *ret_bytes);

/* weft_bridge_create over another link. */
weft_status weft__bridge_create_over(weft_dispatcher *bus, const weft_bridge_opts *opts, const weft__link_ops *link_ops,
                                     weft_bridge **ret, const char **reason);

#endif
