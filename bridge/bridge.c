/* bridge/bridge.c: assembles the parts, and is what the public header promises.
 *
 *   running --stop--> stopping (drains) --> stopped;   destroy may come in any of them
 *
 * Starting order: journal, epoch, tap, agents. Stopping order: tap, link (says goodbye), downlink, deliver, journal,
 * sync: each agent ends when nobody can give it work any more. */
#include "bridge/bridge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    INTAKE_MAX_BYTES = 64 << 20,
    UPLINK_MAX_BYTES = 32 << 20,
    INBOUND_MAX_BYTES = 64 << 20,
    DELIVERIES_MAX_BYTES = 64 << 20,
    CONTROL_MAX_BYTES = 32 << 20,
    TAPS_MAX_BYTES = 8 << 20,
    TAPS_MAX = 8192,
    ITEMS_MAX = 65536,
    COMMANDS_MAX = 1024,
    COMMANDS_MAX_BYTES = 4 << 20,
    CALLS_MAX = 64,
    KEEP_ALIVE_S = 10,
    CONNECT_TIMEOUT_S = 5,
    SESSION_EXPIRY_S = 300,
    HOLD_MS = 2000,
    STREAMS_CARRIED_MAX = 4096,
    TIMER_SLACK_NS = 5000,
};

static const char *const notice_names[] = {
    [WEFT_NOTICE_CONNECTED] = "connected",
    [WEFT_NOTICE_DISCONNECTED] = "disconnected",
    [WEFT_NOTICE_CONNECT_FAILED] = "connect_failed",
    [WEFT_NOTICE_FENCED] = "fenced",
    [WEFT_NOTICE_PEER_UP] = "peer_up",
    [WEFT_NOTICE_PEER_DOWN] = "peer_down",
    [WEFT_NOTICE_MESSAGE_DROPPED] = "message_dropped",
    [WEFT_NOTICE_PUBLISH_REFUSED] = "publish_refused",
    [WEFT_NOTICE_SUBSCRIBE_REFUSED] = "subscribe_refused",
    [WEFT_NOTICE_LOST] = "lost",
    [WEFT_NOTICE_JOURNAL_DAMAGED] = "journal_damaged",
    [WEFT_NOTICE_JOURNAL_FAILED] = "journal_failed",
    [WEFT_NOTICE_JOURNAL_RECOVERED] = "journal_recovered",
    [WEFT_NOTICE_EPOCH_CHANGED] = "epoch_changed",
    [WEFT_NOTICE_CLOCK_SKEW] = "clock_skew",
    [WEFT_NOTICE_UNACCOUNTED] = "unaccounted",
};

const char *weft_notice_name(weft_notice_kind kind)
{
    return (size_t)kind < sizeof notice_names / sizeof *notice_names ? notice_names[kind] : "unknown";
}

/* ---- shared by the threads ---- */

void weft__bridge_notice(weft_bridge *b, const weft_notice *notice)
{
    if (b->opts.on_notice == NULL)
        return;
    pthread_mutex_lock(&b->notice_mutex);
    b->opts.on_notice(notice, b->opts.user);
    pthread_mutex_unlock(&b->notice_mutex);
}

int64_t weft__bridge_mono_ms(const weft_bridge *b)
{
    return weft_clock_mono_ms(b->clock);
}

weft_status weft__bridge_call(weft_bridge *b, weft_status (*run)(weft_bridge *, void *), void *user)
{
    weft__call call = {.run = run, .user = user};
    if (b->env.driven)
        return b->journal != NULL ? run(b, user) : WEFT_CORRUPT;
    weft_status st = weft__queue_push(&b->calls, &call.node, true);
    if (st != WEFT_OK)
        return st;
    pthread_mutex_lock(&b->mutex);
    while (!call.done)
        pthread_cond_wait(&b->changed, &b->mutex);
    pthread_mutex_unlock(&b->mutex);
    return call.status;
}

uint32_t weft__bridge_topics(weft_bridge *b)
{
    return atomic_load(&b->interest) | atomic_load(&b->cursors.topics);
}

static void control_queue(weft_bridge *b, weft__queue *queue, const char *topic, uint8_t *payload, size_t length,
                          int qos, bool retain)
{
    size_t topic_bytes = strlen(topic) + 1;
    weft__control *message = malloc(sizeof *message + topic_bytes);
    if (message != NULL) {
        *message = (weft__control){.qos = qos, .retain = retain, .length = length, .payload = payload};
        message->node.bytes = sizeof *message + topic_bytes + length;
        memcpy(message->topic, topic, topic_bytes);
    }
    if (message == NULL || weft__queue_push(queue, &message->node, false) != WEFT_OK) {
        atomic_fetch_add(&b->control_dropped, 1);
        free(payload);
        free(message);
    }
}

void weft__bridge_send(weft_bridge *b, const char *topic, uint8_t *payload, size_t length, int qos, bool retain)
{
    control_queue(b, &b->control, topic, payload, length, qos, retain);
}

void weft__bridge_send_tap(weft_bridge *b, const char *topic, uint8_t *payload, size_t length)
{
    control_queue(b, &b->taps, topic, payload, length, 0, false);
}

void weft__bridge_tap_event(weft_bridge *b, const weft_event *event)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft_text text = {0};
    if (weft__topic_json(topic, b->fabric, event, b->node) == WEFT_OK && weft_event_to_json(event, &text) == WEFT_OK)
        weft__bridge_send_tap(b, topic, (uint8_t *)text.data, text.length);
    else
        weft_text_fini(&text);
}

weft_status weft__bridge_live_encode(weft_bridge *b, weft__live_status status, const weft__position *previous,
                                     size_t previous_count, uint8_t **ret, size_t *ret_bytes)
{
    int64_t now = weft_clock_wall_ms(b->clock), born = atomic_load(&b->born_ms);
    int64_t age = born != 0 ? weft__bridge_mono_ms(b) - born : 0; /* whatever the clock was set to meanwhile */
    weft__live live = {.node = b->node,
                       .epoch = atomic_load(&b->epoch),
                       .status = status,
                       .previous = previous,
                       .previous_count = previous_count,
                       .timestamp_ms = now,
                       .instance = b->instance,
                       .version = WEFT_VERSION,
                       .born_ms = status == WEFT__LIVE_BIRTH ? now - age : 0};
    return weft__live_encode(&live, ret, ret_bytes);
}

weft_status weft__bridge_delta_put(weft_bridge *b, weft_event *event)
{
    bool first;
    weft_status st = weft__deltas_put(&b->deltas, event, weft__bridge_mono_ms(b), &first);
    if (st == WEFT_OK && first)
        weft__signal_raise(&b->link_signal);
    return st;
}

/* ---- the tap ---- */

static weft_status tap_accept(void *user, weft_event *event)
{
    weft_bridge *b = user;
    if (weft__is_best_effort(weft_event_topic(event)))
        return weft__bridge_delta_put(b, event);
    weft_status st = weft__intake_put_event(&b->intake, event);
    if (st == WEFT_OK)
        weft__node_state_add(b->state, event);
    return st;
}

static weft_status tap_accept_nothing(void *user, weft_event *event)
{
    (void)user;
    (void)event;
    return WEFT_OK;
}

static void tap_interest_changed(void *user, uint32_t topics)
{
    weft_bridge *b = user;
    atomic_store(&b->interest, topics);
    weft__signal_raise(&b->link_signal);
}

static const weft_tap_ops sending_tap = {.accept = tap_accept, .interest_changed = tap_interest_changed};
static const weft_tap_ops listening_tap = {.accept = tap_accept_nothing, .interest_changed = tap_interest_changed};

/* ---- create ---- */

static const char *string_copy(char **at, const char *text)
{
    if (text == NULL)
        return NULL;
    char *start = *at;
    *at = stpcpy(start, text) + 1;
    return start;
}

static weft_status policies_set(weft_bridge *b, const weft_bridge_opts *opts, const char **reason)
{
    for (size_t i = 0; i < opts->backpressure_count; i++)
        if (opts->backpressure == NULL || (unsigned)opts->backpressure[i].when_full > WEFT_WHEN_FULL_DROP_OLDEST) {
            *reason = "backpressure: no such policy";
            return WEFT_INVALID;
        }
    if ((unsigned)opts->durability > WEFT_DURABLE_PROCESS) {
        *reason = "durability: no such kind";
        return WEFT_INVALID;
    }
    weft__intake_set_policies(&b->intake, opts->backpressure, opts->backpressure_count, !b->env.driven);
    return WEFT_OK;
}

static weft_status opts_copy(weft_bridge *b, const weft_bridge_opts *opts)
{
    const char **fields[] = {&b->opts.url,     &b->opts.journal_path, &b->opts.username, &b->opts.password,
                             &b->opts.ca_file, &b->opts.cert_file,    &b->opts.key_file};
    b->opts = *opts;
    b->opts.backpressure = NULL; /* the intake has a copy */
    if (b->opts.url == NULL)
        b->opts.url = "mqtt://localhost";
    size_t bytes = 1;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        bytes += *fields[i] != NULL ? strlen(*fields[i]) + 1 : 0;
    char *at = b->strings = malloc(bytes);
    if (at == NULL)
        return WEFT_NO_MEMORY;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = string_copy(&at, *fields[i]);
    if (b->opts.keep_alive_s == 0)
        b->opts.keep_alive_s = KEEP_ALIVE_S;
    if (b->opts.hold_ms == 0)
        b->opts.hold_ms = HOLD_MS;
    return WEFT_OK;
}

static weft_status names_copy(weft_bridge *b, const weft_bridge_opts *opts, const char **reason)
{
    const char *fabric = opts->fabric != NULL ? opts->fabric : "default";
    char made_up[WEFT_NAME_MAX_BYTES + 1];
    snprintf(made_up, sizeof made_up, "listener.%ld.%llx", (long)getpid(),
             (unsigned long long)b->wire.random & 0xffffff);
    const char *node = opts->node;
    if (node == NULL && opts->listen_only) /* the broker's rules pin the name to the user */
        node = opts->username != NULL && weft_name_valid(opts->username) ? opts->username : made_up;
    if (!weft_name_valid(fabric)) {
        *reason = "fabric: a name is 1 to 64 of a-z 0-9 _ . - and not \"-\"";
        return WEFT_INVALID;
    }
    if (node == NULL || !weft_name_valid(node)) {
        *reason = "node: a name is 1 to 64 of a-z 0-9 _ . - and not \"-\"";
        return WEFT_INVALID;
    }
    strcpy(b->fabric, fabric);
    strcpy(b->node, node);
    b->node_shared = opts->anonymous || opts->node == NULL;
    b->opts.fabric = b->fabric;
    b->opts.node = b->node;
    return WEFT_OK;
}

static weft_status link_make(weft_bridge *b, const char **reason)
{
    char client[2 * WEFT_NAME_MAX_BYTES + 16], will_topic[WEFT__TOPIC_MAX_BYTES];
    bool present = b->sends && !b->opts.anonymous;
    uint8_t *will = NULL;
    weft__link_opts opts = {.url = b->opts.url,
                            .client_id = client,
                            .username = b->opts.username,
                            .password = b->opts.password,
                            .ca_file = b->opts.ca_file,
                            .cert_file = b->opts.cert_file,
                            .key_file = b->opts.key_file,
                            .keep_alive_s = b->opts.keep_alive_s,
                            .connect_timeout_s = CONNECT_TIMEOUT_S,
                            .session_expiry_s = SESSION_EXPIRY_S};
    weft__link_callbacks callbacks = {.on_message = weft__bridge_on_message,
                                      .on_acked = weft__bridge_on_acked,
                                      .on_down = weft__bridge_on_down,
                                      .user = b};
    snprintf(client, sizeof client, "weft:%s:%s", b->fabric, b->node);
    if (b->node_shared)
        snprintf(client, sizeof client, "weft:%s:%.32s.%ld.%llx", b->fabric, b->node, (long)getpid(),
                 (unsigned long long)b->wire.random & 0xffffff);
    weft_status st = WEFT_OK;
    if (present) {
        st = weft__topic_node(will_topic, b->fabric, WEFT__TREE_LIVE, b->node);
        if (st == WEFT_OK)
            st = weft__bridge_live_encode(b, WEFT__LIVE_WILL, NULL, 0, &will, &opts.will_bytes);
        opts.will_topic = will_topic;
        opts.will = will;
    }
    if (st == WEFT_OK && (st = b->link_ops->create(&opts, &callbacks, &b->link)) == WEFT_INVALID)
        *reason = "url: expected mqtt://host[:port] or mqtts://host[:port]";
    free(will);
    return st;
}

/* Takes up what earlier lives have left in the journal. */
static weft_status streams_carry(weft_bridge *b)
{
    weft__position *positions = calloc(STREAMS_CARRIED_MAX, sizeof *positions);
    if (positions == NULL)
        return WEFT_NO_MEMORY;
    for (size_t i = weft__journal_positions(b->journal, positions, STREAMS_CARRIED_MAX); i > 0; i--) {
        const weft__position *p = &positions[i - 1];
        weft__ledger_carry(&b->ledger, p, weft__journal_pending(b->journal, p->epoch, p->topic));
    }
    free(positions);
    weft__journal_stats stats;
    weft__journal_get_stats(b->journal, &stats);
    b->written_row = stats.newest_row;
    return WEFT_OK;
}

weft_status weft__bridge_journal_open(weft_bridge *b, weft__journal **ret, const char **reason)
{
    weft__journal_opts opts = {.path = b->opts.journal_path,
                               .max_bytes = b->opts.journal_max_bytes,
                               .retention_ms = b->opts.journal_retention_ms,
                               .reserve_bytes = b->opts.journal_reserve_bytes,
                               .disk = b->env.disk};
    bool damaged = false;
    weft_status st = weft__journal_open(&opts, ret, &damaged, reason);
    if (st == WEFT_OK && damaged)
        weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_JOURNAL_DAMAGED,
                                              .status = WEFT_CORRUPT,
                                              .text = weft__journal_damaged_path(*ret)});
    return st;
}

/* A clock that is not set, or broken, leaves it to the journal and the broker to say where we are. */
static uint64_t epoch_by_clock(const weft_bridge *b)
{
    int64_t wall_ms = weft_clock_wall_ms(b->clock);
    return wall_ms > 0 && (uint64_t)wall_ms < WEFT__EPOCH_MAX ? (uint64_t)wall_ms : 1;
}

static weft_status journal_make(weft_bridge *b, const char **reason)
{
    weft_status st = weft__bridge_journal_open(b, &b->journal, reason);
    if (st != WEFT_OK)
        return st;
    st = streams_carry(b);
    if (st == WEFT_OK)
        st = weft__node_state_create(&b->state);
    if (st == WEFT_OK)
        st = weft__replay_desk_create(b->node, &b->replay_desk);
    if (st == WEFT_OK)
        st = weft__uplink_create(UPLINK_MAX_BYTES, &b->ledger, &b->uplink);
    uint64_t epoch = epoch_by_clock(b);
    if (st == WEFT_OK)
        st = weft__journal_thread_begin_epoch(b, &epoch);
    return st;
}

/* Its two readers together would never let it go. */
static void journal_lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

static void primitives_init(weft_bridge *b, const weft_bridge_opts *opts)
{
    size_t intake_max_bytes = opts->intake_max_bytes != 0 ? opts->intake_max_bytes : INTAKE_MAX_BYTES;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_mutex_init(&b->notice_mutex, NULL);
    pthread_mutex_init(&b->forget_mutex, NULL);
    journal_lock_init(&b->journal_lock);
    weft__cond_init(&b->changed);
    weft__ledger_init(&b->ledger);
    weft__signal *signals[] = {&b->journal_signal, &b->sync_signal,     &b->checkpoint_signal,
                               &b->link_signal,    &b->downlink_signal, &b->deliver_signal};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        weft__signal_init(signals[i]);
    weft__intake_init(&b->intake, b->node, 1, intake_max_bytes, &b->journal_signal);
    weft__inbound_pool_init(&b->inbound_pool);
    weft__deltas_init(&b->deltas, b->node, opts->delta_max_bytes, opts->delta_max_events);
    weft__queue_init(&b->inbound, ITEMS_MAX, INBOUND_MAX_BYTES, &b->downlink_signal);
    weft__queue_init(&b->deliveries, ITEMS_MAX, DELIVERIES_MAX_BYTES, &b->deliver_signal);
    weft__queue_init(&b->control, ITEMS_MAX, CONTROL_MAX_BYTES, &b->link_signal);
    weft__queue_init(&b->taps, TAPS_MAX, TAPS_MAX_BYTES, &b->link_signal);
    weft__queue_init(&b->acks, 2 * ITEMS_MAX, SIZE_MAX, NULL);
    weft__queue_init(&b->commands, COMMANDS_MAX, COMMANDS_MAX_BYTES, &b->journal_signal);
    weft__queue_init(&b->own_questions, COMMANDS_MAX, SIZE_MAX, &b->journal_signal);
    weft__cursors_init(&b->cursors);
    weft__queue_init(&b->calls, CALLS_MAX, SIZE_MAX, &b->journal_signal);
}

/* ---- agents ---- */

static void *agent_run(void *user)
{
    weft__agent *agent = user;
    int64_t wait_ms;
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    while ((wait_ms = agent->turn(agent->bridge)) >= 0)
        weft__signal_wait(agent->signal, wait_ms);
    return NULL;
}

static void agents_prepare(weft_bridge *b)
{
    weft__agent agents[WEFT__AGENT_COUNT] = {
        [WEFT__AGENT_JOURNAL] = {.turn = weft__journal_turn, .signal = &b->journal_signal},
        [WEFT__AGENT_SYNC] = {.turn = weft__sync_turn, .signal = &b->sync_signal},
        [WEFT__AGENT_CHECKPOINT] = {.turn = weft__checkpoint_turn, .signal = &b->checkpoint_signal},
        [WEFT__AGENT_DELIVER] = {.turn = weft__deliver_turn, .signal = &b->deliver_signal},
        [WEFT__AGENT_DOWNLINK] = {.turn = weft__downlink_turn, .signal = &b->downlink_signal},
        [WEFT__AGENT_LINK] = {.turn = weft__link_turn, .signal = &b->link_signal}};
    for (unsigned i = 0; i < WEFT__AGENT_COUNT; i++) {
        b->agents[i] = agents[i];
        b->agents[i].bridge = b;
    }
}

static weft_status agents_start(weft_bridge *b)
{
    for (unsigned i = 0; i < WEFT__AGENT_COUNT; i++) {
        weft__agent *agent = &b->agents[i];
        bool wanted = b->sends || i > WEFT__AGENT_CHECKPOINT; /* who only listens has no journal */
        if (wanted && !b->env.driven && pthread_create(&agent->thread, NULL, agent_run, agent) != 0)
            return WEFT_NO_MEMORY;
        agent->running = wanted;
    }
    return WEFT_OK;
}

/* Waits until an agent that has been told to stop has. */
static void agent_end(weft_bridge *b, weft__agent_id id)
{
    weft__agent *agent = &b->agents[id];
    if (!agent->running)
        return;
    agent->running = false;
    if (!b->env.driven)
        pthread_join(agent->thread, NULL);
    else
        while (agent->turn(b) >= 0)
            ;
}

/* ---- create ---- */

static uint64_t random_make(const weft_bridge *b)
{
    if (b->env.random_seed != 0)
        return b->env.random_seed;
    return (uint64_t)weft_clock_mono_ns(b->clock) ^ ((uint64_t)getpid() << 32) ^ 0x9e3779b97f4a7c15u;
}

/* splitmix64, one step. */
static int64_t instance_make(uint64_t random)
{
    uint64_t z = random + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (int64_t)(((z ^ (z >> 31)) >> 1) | 1);
}

weft_status weft__bridge_create_in(weft_dispatcher *bus, const weft_bridge_opts *opts, const weft__bridge_env *env,
                                   weft_bridge **ret, const char **reason)
{
    const char *ignored;
    reason = reason != NULL ? reason : &ignored;
    *reason = NULL;
    if (bus == NULL || opts == NULL)
        return WEFT_INVALID;
    weft_bridge *b = calloc(1, sizeof *b);
    if (b == NULL)
        return WEFT_NO_MEMORY;
    b->bus = bus;
    b->clock = weft_tap_clock(bus);
    b->env = *env;
    b->link_ops = env->link_ops != NULL ? env->link_ops : &weft__mqtt_link;
    b->sends = !opts->listen_only;
    b->wire.first = true;
    b->wire.random = random_make(b);
    b->instance = instance_make(b->wire.random);
    b->connect_status = WEFT_UNREACHABLE;
    primitives_init(b, opts);
    agents_prepare(b);
    weft__kill_point_read(&b->kill_point);
    weft_status st = policies_set(b, opts, reason);
    if (st == WEFT_OK)
        st = opts_copy(b, opts);
    if (st == WEFT_OK)
        st = names_copy(b, opts, reason);
    if (st == WEFT_OK && b->sends)
        st = journal_make(b, reason);
    if (st == WEFT_OK)
        st = link_make(b, reason);
    if (st == WEFT_OK)
        st = weft__downlink_thread_prepare(b);
    if (st == WEFT_OK && (st = weft_tap_attach(bus, b->sends ? &sending_tap : &listening_tap, b)) == WEFT_EXISTS)
        *reason = "the dispatcher already has a bridge";
    if (st == WEFT_OK && (st = agents_start(b)) != WEFT_OK)
        weft_tap_detach(bus);
    if (st != WEFT_OK) {
        b->bus = NULL;
        weft_bridge_destroy(b);
        return st;
    }
    *ret = b;
    return WEFT_OK;
}

weft_status weft_bridge_create(weft_dispatcher *d, const weft_bridge_opts *opts, weft_bridge **ret, const char **reason)
{
    return weft__bridge_create_in(d, opts, &(weft__bridge_env){0}, ret, reason);
}

/* ---- stop ---- */

static void flag_raise(weft_bridge *b, bool *flag, weft__signal *signal)
{
    pthread_mutex_lock(&b->mutex);
    *flag = true;
    pthread_mutex_unlock(&b->mutex);
    weft__signal_raise(signal);
}

/* deliver: what has been received and verified is still handed to the handlers. */
static void agents_end(weft_bridge *b, bool deliver)
{
    flag_raise(b, &b->link_stopping, &b->link_signal);
    agent_end(b, WEFT__AGENT_LINK);
    weft__deltas_close(&b->deltas, WEFT_STOPPED);
    weft__deltas_give_up(&b->deltas);
    atomic_store(&b->downlink_stopping, true);
    atomic_store(&b->deliver_dropping, !deliver);
    weft__queue_close(&b->inbound);
    agent_end(b, WEFT__AGENT_DOWNLINK);
    atomic_store(&b->deliver_stopping, true);
    weft__queue_close(&b->deliveries);
    agent_end(b, WEFT__AGENT_DELIVER);
    if (b->sends) {
        weft__queue_close(&b->calls); /* what is in it by now is still run, and what the intake holds written */
        weft__intake_close(&b->intake, WEFT_STOPPED);
        flag_raise(b, &b->journal_stopping, &b->journal_signal);
        agent_end(b, WEFT__AGENT_JOURNAL);
        flag_raise(b, &b->sync_stopping, &b->sync_signal);
        weft__signal_raise(&b->checkpoint_signal);
        agent_end(b, WEFT__AGENT_SYNC);
        agent_end(b, WEFT__AGENT_CHECKPOINT);
    }
}

weft_status weft_bridge_stop(weft_bridge *b, uint32_t timeout_ms)
{
    pthread_mutex_lock(&b->mutex);
    bool first = b->phase == WEFT__PHASE_RUNNING;
    if (first)
        b->phase = WEFT__PHASE_STOPPING;
    pthread_mutex_unlock(&b->mutex);
    if (!first)
        return WEFT_STOPPED;
    weft__intake_hurry(&b->intake); /* or detaching would wait for publishes that wait */
    if (b->bus != NULL)
        weft_tap_detach(b->bus);
    weft_status st = b->sends && timeout_ms > 0 && !b->env.driven ? weft_bridge_drain(b, timeout_ms) : WEFT_OK;
    agents_end(b, timeout_ms > 0);
    pthread_mutex_lock(&b->mutex);
    b->phase = WEFT__PHASE_STOPPED;
    pthread_mutex_unlock(&b->mutex);
    return st;
}

static void control_release(weft__node *node)
{
    free(((weft__control *)node)->payload);
    free(node);
}

static void parcel_release(weft__node *node)
{
    weft__parcel_free((weft__parcel *)node);
}

static void node_release(weft__node *node)
{
    free(node);
}

static void call_release(weft__node *node)
{
    (void)node; /* on its caller's stack */
}

static void nodes_release(weft__node *first, void (*release)(weft__node *))
{
    for (weft__node *next; first != NULL; first = next) {
        next = first->next;
        release(first);
    }
}

void weft_bridge_destroy(weft_bridge *b)
{
    if (b == NULL)
        return;
    (void)weft_bridge_stop(b, 0);
    if (b->link != NULL)
        b->link_ops->destroy(b->link);
    weft__downlink_destroy(b->downlink);
    weft__uplink_destroy(b->uplink);
    weft__node_state_destroy(b->state);
    weft__replay_desk_destroy(b->replay_desk);
    weft__intake_fini(&b->intake);
    weft__deltas_fini(&b->deltas);
    weft__queue_fini(&b->inbound, node_release);
    weft__queue_fini(&b->deliveries, parcel_release);
    nodes_release(b->reading, node_release);
    nodes_release(b->delivering, parcel_release);
    weft__packer_fini(&b->packer);
    weft__queue_fini(&b->control, control_release);
    weft__queue_fini(&b->taps, control_release);
    weft__queue_fini(&b->acks, node_release);
    weft__queue_fini(&b->commands, node_release);
    weft__queue_fini(&b->own_questions, node_release);
    weft__cursors_fini(&b->cursors);
    weft__queue_fini(&b->calls, call_release);
    weft__inbound_pool_fini(&b->inbound_pool);
    if (b->journal != NULL)
        weft__journal_close(b->journal);
    weft__signal *signals[] = {&b->journal_signal, &b->sync_signal,     &b->checkpoint_signal,
                               &b->link_signal,    &b->downlink_signal, &b->deliver_signal};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        weft__signal_fini(signals[i]);
    weft__ledger_fini(&b->ledger);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->notice_mutex);
    pthread_mutex_destroy(&b->forget_mutex);
    pthread_rwlock_destroy(&b->journal_lock);
    pthread_mutex_destroy(&b->mutex);
    free(b->strings);
    free(b);
}
