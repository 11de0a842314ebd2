/* bridge/bridge_private.h: the bridge taken apart into its agents, each of which has a thread of its own.
 *
 *   publishers ─intake─▶ journal thread ─uplink─▶ link thread ─▶ broker
 *                          │   ▲ replays, calls       ▲ control
 *   handlers ◀─parcels── deliver thread ◀─ downlink thread ◀─inbound─ the link's own threads
 *
 * Each agent owns a file (journal_thread.c with journal_service.c, sync_thread.c, link_thread.c with link_connect.c and
 * link_subscribe.c and link_deltas.c, downlink_thread.c, deliver_thread.c) and what is marked with its thread's name
 * here; a cursor has a thread and a turn of its own (cursor.h), fed by the downlink thread. An agent's work is cut into
 * turns: a turn does what is due and never waits for another agent, so that a driven bridge, which has no threads, can
 * be given its turns one after the other. All waits for progress (flush, drain, ready) are on `changed`, under `mutex`.
 *
 * Lock order  journal_lock alone; mutex, then the uplink's or the intake's own; those and the queues' are leaves. */
#ifndef WEFT_BRIDGE_PRIVATE_H
#define WEFT_BRIDGE_PRIVATE_H

#include "bridge/cursor.h"
#include "bridge/deltas.h"
#include "bridge/denials.h"
#include "bridge/downlink.h"
#include "bridge/inbound.h"
#include "bridge/intake.h"
#include "bridge/journal.h"
#include "bridge/ledger.h"
#include "bridge/link.h"
#include "bridge/node_state.h"
#include "bridge/pace.h"
#include "bridge/parcel.h"
#include "bridge/replay_desk.h"
#include "bridge/topic_map.h"
#include "bridge/uplink.h"
#include "bridge/window.h"
#include "weft/bridge.h"
#include "weft/tap.h"

#include <stdatomic.h>

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
    int64_t at_ns; /* monotonic */
} weft__ack;

/* A question of one of this node's own cursors. */
typedef struct weft__own_question {
    weft__node node;
    weft__replay_request request;
} weft__own_question;

/* Something to be done on the journal thread while the caller waits. */
typedef struct weft__call {
    weft__node node;
    weft_status (*run)(weft_bridge *b, void *user);
    void *user;
    weft_status status;
    bool done; /* [mutex] */
} weft__call;

/* What this process has asked all or some nodes for. */
typedef struct weft__account_ask {
    uint64_t number;
    char request_id[32];
    weft_account_fn on_account; /* NULL: nothing yet */
    void *user;
} weft__account_ask;

/* What has left the intake and is not in the journal yet. */
typedef struct weft__unwritten {
    weft__commit *commit;
    bool reopened;    /* the journal has been opened anew for it */
    int64_t retry_ms; /* not before; 0: not tried yet */
} weft__unwritten;

enum { WEFT__WINDOW_MAX = 64 };

typedef enum weft__phase { WEFT__PHASE_RUNNING, WEFT__PHASE_STOPPING, WEFT__PHASE_STOPPED } weft__phase;

/* Where a test may end the process or the bridge: X(NAME, name) */
#define WEFT__STEP_MAP(X)                                                                                              \
    X(APPENDED, "appended")         /* rows are in the journal; nobody has been told */                                \
    X(SYNCED, "synced")             /* they are on disk; nobody has been told */                                       \
    X(SENT, "sent")                 /* a message was handed to the link */                                             \
    X(ACKNOWLEDGED, "acknowledged") /* the broker has it; the journal does not know yet */                             \
    X(HANDLED, "handled")           /* a cursor's events are handled; its place is not stored */

typedef enum weft__step {
#define X(name, text) WEFT__STEP_##name,
    WEFT__STEP_MAP(X)
#undef X
        WEFT__STEP_COUNT
} weft__step;

/* What a bridge stands on; zero is what weft_bridge_create gives it. */
typedef struct weft__bridge_env {
    const weft__link_ops *link_ops; /* NULL: weft__mqtt_link */
    const weft__disk *disk;         /* NULL: the system's */
    uint64_t random_seed;           /* 0: of the clock and the process */
    bool driven;                    /* no threads: the creator gives the turns, and makes all calls, from one thread */
    void (*on_step)(void *user, weft__step step); /* may be NULL; on the agent's thread */
    void *user;
} weft__bridge_env;

/* The end of this process at the n-th passage of a step, as WEFT_KILL_AT=step:n in its environment asks. */
typedef struct weft__kill_point {
    weft__step step;
    _Atomic uint64_t left; /* 0: none */
} weft__kill_point;

typedef enum weft__agent_id {
    WEFT__AGENT_JOURNAL,
    WEFT__AGENT_SYNC,
    WEFT__AGENT_CHECKPOINT,
    WEFT__AGENT_DELIVER,
    WEFT__AGENT_DOWNLINK,
    WEFT__AGENT_LINK,
    WEFT__AGENT_COUNT
} weft__agent_id;

typedef struct weft__agent {
    weft_bridge *bridge;
    /* Returns for how many ms the agent may sleep unless its signal is raised; below 0 it has ended. */
    int64_t (*turn)(weft_bridge *b);
    weft__signal *signal;
    pthread_t thread;
    bool running; /* has a thread or, driven, has not ended */
} weft__agent;

struct weft_bridge {
    /* const after create */
    weft__bridge_env env;
    weft_bridge_opts opts; /* strings are copies, all in `strings` */
    char *strings;
    char fabric[WEFT_NAME_MAX_BYTES + 1];
    char node[WEFT_NAME_MAX_BYTES + 1];
    weft_dispatcher *bus;
    const weft_clock *clock;
    const weft__link_ops *link_ops;
    weft__link *link;
    bool sends;       /* has a journal and an uplink */
    bool node_shared; /* other processes may use the node's name beside this one */
    int64_t instance; /* tells this process from another of its name */
    weft__kill_point kill_point;

    weft__agent agents[WEFT__AGENT_COUNT];
    weft__signal journal_signal, sync_signal, checkpoint_signal, link_signal, downlink_signal, deliver_signal;
    weft__intake intake;
    weft__deltas deltas;
    weft__ledger ledger;
    weft__uplink *uplink;
    weft__queue inbound, deliveries, control, taps, acks, commands, calls;
    weft__inbound_pool inbound_pool;
    weft__queue own_questions; /* of cursors, to this node itself */
    weft__cursors cursors;

    /* journal thread */
    weft__journal *journal; /* replaced under journal_lock; the sync and checkpoint threads share it meanwhile */
    pthread_rwlock_t journal_lock;
    weft__stream_end ends[WEFT_TOPIC_MAX]; /* of what has left the intake */
    weft__unwritten unwritten;
    weft__pace pace;
    bool journal_damaged;   /* found while reading: opened anew before anything else */
    int64_t reopen_ms;      /* not before */
    uint32_t topics_spared; /* while the journal fails or is low: still taken */
    int64_t restore_ms;     /* the reserve: not before */
    weft__replay_desk *replay_desk;
    int64_t own_beat_ms; /* when cursors are told next where this node's own streams are */
    weft__node_state *state;
    bool state_changed;
    int64_t state_sent_ms;
    int64_t trimmed_ms;
    uint64_t untrimmed_bytes; /* written since */
    uint64_t drops_noticed;   /* of the intake */
    int64_t drops_noticed_ms;

    /* sync thread */
    int64_t synced_ms;

    /* downlink thread */
    weft__downlink *downlink;
    uint32_t topics_followed; /* of downlink_topics */
    int64_t ticked_ms;
    weft__node *reading; /* taken from inbound, and not read yet */
    weft__packer packer; /* what the message that is read gives for delivery */
    bool deliverer_slow; /* it was waited for in vain, and has not caught up since */

    /* deliver thread */
    weft__node *delivering; /* taken, and not handed on yet */

    /* link thread */
    struct {
        bool first; /* no connection yet in this life */
        bool up;
        uint32_t attempts;
        int64_t retry_ms;
        uint32_t subscribed;
        weft__link_limits limits;
        weft__window window;
        size_t control_in_flight;
        struct {
            int token;
            uint32_t subject; /* see denials.h */
        } control[WEFT__WINDOW_MAX];
        int delta_mark;      /* a message whose acknowledgement says that those before it have left; 0: none */
        size_t delta_marked; /* bytes up to it … */
        size_t delta_ahead;  /* … and all that have not been acknowledged so */
        int64_t delta_denied_ms;
        int64_t delta_wait_ms;
        bool beat_due;
        int64_t beat_ms;
        int64_t refused_until_ms;
        int64_t subscribe_again_ms; /* what was denied; 0: nothing was */
        uint32_t waiting;           /* subjects that wait for that */
        uint64_t too_large_told;
        weft_status failure; /* of the last attempt, as its cause, so that each is told once */
        char failure_cause[256];
        uint64_t random;
        bool leaving; /* goodbye is said */
        int64_t leave_until_ms;
    } wire;

    weft__denials denials;
    _Atomic uint32_t interest; /* topics that local subscriptions want */
    _Atomic uint64_t epoch;
    _Atomic int64_t born_ms;                 /* monotonic: when the epoch's birth was first published; 0: not yet */
    _Atomic uint32_t downlink_topics;        /* what the link thread subscribes, said before it does */
    _Atomic uint32_t wishes[WEFT_TOPIC_MAX]; /* that have ended, by topic */
    _Atomic int64_t downlink_told_ms;        /* when that was said that has not been followed yet; 0: nothing */
    atomic_bool downlink_connected;          /* there is a fresh connection */
    atomic_bool downlink_up;                 /* there is a connection */
    atomic_bool own_live_wrong;              /* what is retained under our name is not our birth */
    atomic_bool link_down;                   /* set by the link's callbacks */
    atomic_size_t acks_wake_at;              /* so many acknowledgements are worth waking the link thread for */
    atomic_uint drainers;                    /* that wait for acknowledgements */
    atomic_bool first_connection;            /* the present connection is the first of this life */
    atomic_bool deliver_stopping, downlink_stopping;
    atomic_bool deliver_dropping; /* the time for handlers is up */
    _Atomic uint64_t dropped_own, dropped_overflow, control_dropped, connects;
    _Atomic int64_t dropped_notice_ms, unaccounted_notice_ms;
    atomic_bool answers_wait;   /* for room among the control messages */
    _Atomic size_t payload_max; /* what the broker takes */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    weft__phase phase; /* [mutex], all below too */
    bool journal_stopping;
    bool sync_stopping;
    bool link_stopping;
    bool connected;
    uint32_t ready_topics;  /* subscribed at the broker, while connected */
    uint32_t denied_topics; /* that the broker does not let us subscribe to */
    bool fenced;
    weft_status connect_status;
    uint64_t written_receipt;
    uint64_t synced_receipt;
    int64_t written_row; /* newest row id */
    weft_status journal_status;
    unsigned flush_waiters;
    uint64_t drops_told; /* by a flush */
    weft__account_ask account_ask;

    char forgetting[WEFT_NAME_MAX_BYTES + 1]; /* whose clearing is waited for; empty: nobody's */

    pthread_mutex_t notice_mutex; /* one notice at a time */
    pthread_mutex_t forget_mutex; /* one weft_bridge_forget at a time; outside of mutex */
};

int64_t weft__journal_turn(weft_bridge *b);
int64_t weft__sync_turn(weft_bridge *b);
int64_t weft__checkpoint_turn(weft_bridge *b);
int64_t weft__link_turn(weft_bridge *b);
int64_t weft__downlink_turn(weft_bridge *b);
int64_t weft__deliver_turn(weft_bridge *b);

/* What a turn of the journal thread does beside writing; there is a journal. Returns when it wants to be called again,
 * in ms. */
int64_t weft__journal_service(weft_bridge *b);
void weft__journal_service_finish(weft_bridge *b);

/* "appended" …; total. */
const char *weft__step_name(weft__step step);
/* Says that a step has been passed. */
void weft__bridge_step(weft_bridge *b, weft__step step);
void weft__kill_point_read(weft__kill_point *ret);

/* How many wishes for a topic have ended. */
uint32_t weft__wish_of(weft_bridge *b, unsigned topic_number);

/* The link's callbacks: they only enqueue. */
void weft__bridge_on_message(void *bridge, const char *topic, const uint8_t *payload, size_t length, bool retained);
void weft__bridge_on_acked(void *bridge, int token, weft_status status);
void weft__bridge_on_down(void *bridge);

weft_status weft__downlink_thread_prepare(weft_bridge *b);
/* The live of a node was cleared; our own live came back. Run on the downlink thread. */
void weft__bridge_note_cleared(weft_bridge *b, const char *node);
void weft__bridge_note_own_live(weft_bridge *b, const uint8_t *bytes, size_t length);
/* Reads the commands of others that have come. Runs on the journal thread: slow handlers must not keep a node from
 * healing others. */
void weft__bridge_commands_take(weft_bridge *b);

/* Answers somebody who asks for this node's account. */
void weft__account_answer(weft_bridge *b, const char *to, const char *request_id);
/* Whether a reply is the answer to such a question; and takes it. */
bool weft__account_asked(const char *request_id);
void weft__account_take(weft_bridge *b, const char *sender, const uint8_t *bytes, size_t length);

/* Sends a question of the downlink's or of a cursor's: to another node, or to the own journal thread. Threads: any. */
void weft__bridge_ask(weft_bridge *b, const weft__question *question);
/* The topics to be subscribed: what local subscriptions want, and cursors. */
uint32_t weft__bridge_topics(weft_bridge *b);

/* Opens the journal, tells of a damaged one. */
weft_status weft__bridge_journal_open(weft_bridge *b, weft__journal **ret, const char **reason);

void weft__bridge_notice(weft_bridge *b, const weft_notice *notice);
/* Takes a best-effort event of this node. Returns as weft__deltas_put. Threads: any. */
weft_status weft__bridge_delta_put(weft_bridge *b, weft_event *event);
int64_t weft__bridge_mono_ms(const weft_bridge *b);
/* Runs something on the journal thread and waits for it. */
weft_status weft__bridge_call(weft_bridge *b, weft_status (*run)(weft_bridge *, void *), void *user);
/* Shows an event of this node on the JSON tap. */
void weft__bridge_tap_event(weft_bridge *b, const weft_event *event);
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

/* weft_bridge_create in another environment. A driven bridge must not be waited for (flush, drain, wait_ready), and its
 * stop does not drain: it says goodbye without waiting for the broker. */
weft_status weft__bridge_create_in(weft_dispatcher *bus, const weft_bridge_opts *opts, const weft__bridge_env *env,
                                   weft_bridge **ret, const char **reason);

#endif
