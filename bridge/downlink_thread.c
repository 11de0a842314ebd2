/* bridge/downlink_thread.c: the link's callbacks enqueue; the downlink thread verifies, orders, and hands to the
 * deliver thread what each message gave, in one parcel.
 *
 * When handlers are slow the deliver queue fills and the downlink thread waits; then the inbound queue fills, and whole
 * messages are dropped, counted, and later healed like any other gap. Nothing here makes the link wait. */
#include "bridge/bridge_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 50,
    NOTICE_MS = 60000,
    AHEAD_BYTES = 512 * 1024, /* of events that are read and not delivered: beyond that they leave the caches … */
    AHEAD_MS = 10,            /* … but who does not catch up in this time has slow handlers, not a late thread */
};

/* ---- the link's threads ---- */

void weft__bridge_on_message(void *bridge, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    weft_bridge *b = bridge;
    weft__topic_parts parts;
    bool ours = weft__topic_parse(topic, &parts) == WEFT_OK, live = ours && parts.tree == WEFT__TREE_LIVE;
    bool command = b->sends && ours && parts.tree == WEFT__TREE_CMD;
    weft__inbound *in = weft__inbound_create(&b->inbound_pool, topic, payload, length);
    if (in != NULL) {
        in->retained = retained;
        in->known_before = retained && atomic_load(&b->first_connection);
    }
    if (in == NULL || weft__queue_push(command ? &b->commands : &b->inbound, &in->node, false) != WEFT_OK) {
        atomic_fetch_add(&b->dropped_overflow, 1);
        weft__inbound_free(&b->inbound_pool, in);
        if (live) /* comes again with the next connection only, and says where streams begin */
            weft__bridge_on_down(b);
    }
}

void weft__bridge_on_acked(void *bridge, int token, weft_status status)
{
    weft_bridge *b = bridge;
    weft__ack *ack = calloc(1, sizeof *ack);
    if (ack != NULL) {
        ack->token = token;
        ack->status = status;
        ack->at_ns = weft_clock_mono_ns(b->clock);
    }
    /* Without it the message would stay in flight for ever: start over with the connection instead. */
    if (ack == NULL || weft__queue_push(&b->acks, &ack->node, false) != WEFT_OK) {
        free(ack);
        weft__bridge_on_down(b);
    } else if (status != WEFT_OK || weft__queue_count(&b->acks) >= atomic_load(&b->acks_wake_at)) {
        weft__signal_raise(&b->link_signal);
    }
}

void weft__bridge_on_down(void *bridge)
{
    weft_bridge *b = bridge;
    atomic_store(&b->link_down, true);
    weft__signal_raise(&b->link_signal);
}

/* ---- what the downlink asks for ---- */

static bool on_room(void *user, size_t events, size_t losses)
{
    weft_bridge *b = user;
    return weft__packer_reserve(&b->packer, events, losses) == WEFT_OK;
}

/* Hands over what has been packed: waits while the deliver thread has too much to do. */
static void parcel_send(weft_bridge *b)
{
    weft__parcel *parcel = weft__packer_close(&b->packer);
    if (parcel == NULL || weft__queue_push(&b->deliveries, &parcel->node, !b->env.driven) == WEFT_OK)
        return;
    atomic_fetch_add(&b->dropped_overflow, parcel->count);
    weft__parcel_free(parcel);
}

static void on_deliver(void *user, const weft_event *event)
{
    weft_bridge *b = user;
    uint32_t wish = weft__wish_of(b, weft_topic_number(weft_event_topic(event)));
    weft_status st = weft__packer_add_event(&b->packer, event, wish);
    if (st == WEFT_FULL) {
        parcel_send(b);
        st = weft__packer_add_event(&b->packer, event, wish);
    }
    if (st != WEFT_OK)
        atomic_fetch_add(&b->dropped_overflow, 1);
}

static void on_lost(void *user, const weft_lost *lost)
{
    weft_bridge *b = user;
    uint32_t wish = weft__wish_of(b, weft_topic_number(lost->topic));
    if (weft__packer_add_lost(&b->packer, lost, wish) == WEFT_FULL) {
        parcel_send(b);
        (void)weft__packer_add_lost(&b->packer, lost, wish);
    }
}

static void own_question_put(weft_bridge *b, const weft__question *question, const char *request_id)
{
    weft__own_question *own = calloc(1, sizeof *own);
    if (own == NULL)
        return; /* it is asked again */
    own->node.bytes = sizeof *own;
    own->request = (weft__replay_request){.taker = question->taker,
                                          .epoch = question->epoch,
                                          .topic = question->topic,
                                          .from_seq = question->from_seq,
                                          .to_seq = question->to_seq,
                                          .since_ms = question->since_ms};
    weft__name_copy(own->request.to, b->node);
    weft__name_copy(own->request.request_id, request_id);
    if (weft__queue_push(&b->own_questions, &own->node, false) != WEFT_OK)
        free(own);
}

void weft__bridge_ask(weft_bridge *b, const weft__question *question)
{
    char id[24], to[WEFT__TOPIC_MAX_BYTES];
    snprintf(id, sizeof id, "%llu", (unsigned long long)question->request);
    if (b->sends && strcmp(question->node, b->node) == 0) {
        own_question_put(b, question, id);
        return;
    }
    weft__command command = {.from = b->node, .request_id = id, .has_replay = true};
    command.replay.epoch = question->epoch;
    command.replay.topic = question->topic;
    command.replay.from_seq = question->from_seq;
    command.replay.to_seq = question->to_seq;
    command.replay.since_ms = question->since_ms;
    command.replay.taker = question->taker;
    uint8_t *bytes;
    size_t length;
    if (weft__topic_cmd(to, b->fabric, question->node, "replay", b->node) == WEFT_OK &&
        weft__command_encode(&command, &bytes, &length) == WEFT_OK)
        weft__bridge_send(b, to, bytes, length, 1, false);
}

static void on_ask(void *user, const weft__question *question)
{
    weft__bridge_ask(user, question);
}

static void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    weft__bridge_notice(
        user, &(weft_notice){
                  .kind = up ? WEFT_NOTICE_PEER_UP : WEFT_NOTICE_PEER_DOWN, .node = node, .epoch = epoch, .text = why});
}

static void on_skewed(void *user, const char *node, uint64_t epoch, int64_t skew_ms)
{
    weft__bridge_notice(user, &(weft_notice){.kind = WEFT_NOTICE_CLOCK_SKEW,
                                             .node = node,
                                             .epoch = epoch,
                                             .count = (uint64_t)(skew_ms < 0 ? -skew_ms : skew_ms),
                                             .text = skew_ms < 0 ? "behind" : "ahead"});
}

/* What the broker says again then is no news from before our first connection. */
static void on_birthless(void *user)
{
    weft_bridge *b = user;
    atomic_store(&b->first_connection, false);
    atomic_store(&b->cursors.lives_wanted, true);
    weft__signal_raise(&b->link_signal);
}

static void on_dropped(void *user, const char *node, const char *reason)
{
    weft_bridge *b = user;
    int64_t now = weft__bridge_mono_ms(b), last = atomic_load(&b->dropped_notice_ms);
    if (last != 0 && now - last < NOTICE_MS)
        return;
    atomic_store(&b->dropped_notice_ms, now);
    weft__bridge_notice(
        b, &(weft_notice){.kind = WEFT_NOTICE_MESSAGE_DROPPED, .status = WEFT_MALFORMED, .node = node, .text = reason});
}

static void on_unaccounted(void *user, const char *node, uint64_t epoch, weft_topic topic, int64_t events)
{
    weft_bridge *b = user;
    int64_t now = weft__bridge_mono_ms(b), last = atomic_load(&b->unaccounted_notice_ms);
    if (last != 0 && now - last < NOTICE_MS)
        return;
    atomic_store(&b->unaccounted_notice_ms, now);
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_UNACCOUNTED,
                                          .status = WEFT_CORRUPT,
                                          .node = node,
                                          .epoch = epoch,
                                          .count = (uint64_t)(events < 0 ? -events : events),
                                          .text = weft_topic_name(topic)});
}

weft_status weft__downlink_thread_prepare(weft_bridge *b)
{
    weft__downlink_opts opts = {.node = b->node,
                                .hold_ms = b->opts.hold_ms,
                                .silent_ms = b->opts.keep_alive_s * 1500 + 2000,
                                .closes_work = true,
                                .dead_grace_ms = b->opts.dead_grace_ms,
                                .clock = b->clock,
                                .first_request = b->wire.random >> 1,
                                .since_ms = b->opts.since_ms,
                                .past_marked = b->opts.since_ms != 0};
    weft__downlink_ops ops = {.deliver = on_deliver,
                              .room = on_room,
                              .lost = on_lost,
                              .ask = on_ask,
                              .peer = on_peer,
                              .skewed = on_skewed,
                              .birthless = on_birthless,
                              .dropped = on_dropped,
                              .unaccounted = on_unaccounted,
                              .user = b};
    return weft__downlink_create(&opts, &ops, &b->downlink);
}

/* ---- the downlink thread ---- */

static void replay_put(weft_bridge *b, const char *from, const weft__command *command)
{
    weft__replay_request request = {.taker = command->replay.taker,
                                    .epoch = command->replay.epoch,
                                    .topic = command->replay.topic,
                                    .from_seq = command->replay.from_seq,
                                    .to_seq = command->replay.to_seq,
                                    .max_messages = command->replay.max_messages,
                                    .since_ms = command->replay.since_ms};
    weft__name_copy(request.to, from);
    weft__name_copy(request.request_id, command->request_id);
    if (weft__replay_desk_put(b->replay_desk, &request) != WEFT_OK) /* the asker asks again */
        atomic_fetch_add(&b->control_dropped, 1);
}

/* Who only listens has no replays to give. */
static void command_obey(weft_bridge *b, const weft__topic_parts *parts, const weft__command *command)
{
    bool ours = strcmp(parts->to, b->node) == 0, everybody = strcmp(parts->to, "-") == 0;
    bool answerable = command->request_id != NULL && strlen(command->request_id) <= WEFT_NAME_MAX_BYTES;
    if (answerable && (ours || everybody) && strcmp(parts->word, "account") == 0)
        weft__account_answer(b, parts->sender, command->request_id);
    else if (answerable && ours && b->sends && strcmp(parts->word, "replay") == 0 && command->has_replay &&
             command->replay.from_seq > 0)
        replay_put(b, parts->sender, command);
}

static void command_take(weft_bridge *b, const weft__topic_parts *parts, const weft__inbound *in)
{
    weft__command *command;
    const char *reason = NULL;
    weft_status st = weft__command_decode(in->payload, in->length, &command, &reason);
    if (st != WEFT_OK) {
        weft__downlink_drop(b->downlink, parts->sender, st, reason != NULL ? reason : "malformed command");
        return;
    }
    if (command->from != NULL && strcmp(command->from, parts->sender) != 0)
        weft__downlink_drop(b->downlink, parts->sender, WEFT_OK, "the payload names another node than the topic");
    else
        command_obey(b, parts, command);
    free(command);
}

void weft__bridge_commands_take(weft_bridge *b)
{
    weft__topic_parts parts;
    weft__node *next;
    for (weft__node *node = weft__queue_take(&b->commands, 0); node != NULL; node = next) {
        weft__inbound *in = (weft__inbound *)node;
        next = node->next;
        if (weft__topic_parse(in->topic, &parts) == WEFT_OK && strcmp(parts.sender, b->node) != 0)
            command_take(b, &parts, in);
        weft__inbound_free(&b->inbound_pool, in);
    }
}

static weft__live_origin origin_of(const weft__inbound *in)
{
    if (in->known_before)
        return WEFT__LIVE_BEFORE;
    return in->retained ? WEFT__LIVE_RETAINED : WEFT__LIVE_FRESH;
}

/* Who only listens has no events, and may bear the name of a user who has. */
static bool is_own(const weft_bridge *b, const weft__topic_parts *parts)
{
    bool ours = b->sends || parts->tree == WEFT__TREE_CMD || parts->tree == WEFT__TREE_REPLY;
    return ours && strcmp(parts->sender, b->node) == 0;
}

static void cursors_feed(weft_bridge *b, const weft__topic_parts *parts, const weft__inbound *in)
{
    bool concerned = parts->tree == WEFT__TREE_EVT || parts->tree == WEFT__TREE_REPLY ||
                     parts->tree == WEFT__TREE_LIVE || parts->tree == WEFT__TREE_BEAT;
    if (concerned)
        weft__cursors_feed(&b->cursors, &(weft__cursor_message){.tree = parts->tree,
                                                                .sender = parts->sender,
                                                                .topic = parts->topic,
                                                                .taker = weft__asks_taker(parts->word),
                                                                .origin = origin_of(in),
                                                                .payload = in->payload,
                                                                .length = in->length});
}

/* Returns OK, or NO_MEMORY: it has not been taken. */
static weft_status message_read(weft_bridge *b, const weft__topic_parts *parts, const weft__inbound *in, int64_t now)
{
    switch (parts->tree) {
    case WEFT__TREE_EVT:
        return weft__downlink_batch(b->downlink, parts->sender, parts->topic, in->payload, in->length, now);
    case WEFT__TREE_REPLY:
        if (weft__account_asked(parts->word))
            weft__account_take(b, parts->sender, in->payload, in->length);
        else
            weft__downlink_reply(b->downlink, parts->sender, in->payload, in->length, now);
        break;
    case WEFT__TREE_CMD: /* of one that only listens; else they have a queue of their own */
        command_take(b, parts, in);
        break;
    case WEFT__TREE_LIVE:
        if (weft__downlink_live(b->downlink, parts->sender, in->payload, in->length, origin_of(in), now) != WEFT_OK)
            return WEFT_NO_MEMORY;
        if (in->length == 0)
            weft__bridge_note_cleared(b, parts->sender);
        break;
    case WEFT__TREE_BEAT:
        weft__downlink_beat(b->downlink, parts->sender, in->payload, in->length, now);
        break;
    default:
        break;
    }
    return WEFT_OK;
}

/* The same. */
static weft_status message_take(weft_bridge *b, const weft__inbound *in, int64_t now)
{
    weft__topic_parts parts;
    if (weft__topic_parse(in->topic, &parts) != WEFT_OK)
        return WEFT_OK;
    if (is_own(b, &parts)) {
        atomic_fetch_add(&b->dropped_own, parts.tree == WEFT__TREE_EVT);
        if (parts.tree == WEFT__TREE_LIVE)
            weft__bridge_note_own_live(b, in->payload, in->length);
        return WEFT_OK;
    }
    weft_status st = message_read(b, &parts, in, now);
    if (st == WEFT_OK)
        cursors_feed(b, &parts, in);
    return st;
}

/* What the link thread has subscribed since. It says so before it subscribes, so that whoever looks after taking a
 * message and before reading it knows what the message was subscribed for. */
static void link_follow(weft_bridge *b)
{
    uint32_t subscribed = atomic_load(&b->downlink_topics) & atomic_load(&b->interest);
    int64_t told_ms = atomic_exchange(&b->downlink_told_ms, 0);
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++)
        if (b->topics_followed & ~subscribed & (uint32_t)weft_topic_from_number(number))
            atomic_fetch_add(&b->wishes[number], 1);
    if (subscribed != b->topics_followed)
        weft__downlink_interest(b->downlink, b->topics_followed = subscribed,
                                told_ms != 0 ? told_ms : weft__bridge_mono_ms(b));
    if (atomic_exchange(&b->downlink_connected, false)) {
        weft__downlink_connected(b->downlink, weft__bridge_mono_ms(b));
        weft__cursors_connected(&b->cursors, true);
    }
    if (!atomic_load(&b->downlink_up)) {
        weft__downlink_cut(b->downlink);
        weft__cursors_connected(&b->cursors, false);
    }
}

/* Lets the deliver thread catch up: what waits takes a quarter of the memory as long as it has not been read. */
static void deliverer_await(weft_bridge *b)
{
    int64_t patience_ms = b->deliverer_slow || b->env.driven ? 0 : AHEAD_MS;
    b->deliverer_slow = !weft__queue_await(&b->deliveries, AHEAD_BYTES, patience_ms);
}

/* Returns OK, or NO_MEMORY: the rest is still to be read. */
static weft_status inbound_read(weft_bridge *b, int64_t now)
{
    weft_status st = WEFT_OK;
    while (b->reading != NULL && st == WEFT_OK) {
        weft__node *next = b->reading->next;
        deliverer_await(b);
        st = message_take(b, (const weft__inbound *)b->reading, now);
        parcel_send(b);
        if (st == WEFT_OK) {
            weft__inbound_free(&b->inbound_pool, (weft__inbound *)b->reading);
            b->reading = next;
        }
    }
    return st;
}

int64_t weft__downlink_turn(weft_bridge *b)
{
    enum { AT_ONCE = 64, NO_MEMORY_MS = 10 };
    if (atomic_load(&b->downlink_stopping))
        return -1;
    if (b->reading == NULL)
        b->reading = weft__queue_take(&b->inbound, AT_ONCE);
    bool more = b->reading != NULL;
    link_follow(b);
    int64_t now = weft__bridge_mono_ms(b);
    if (inbound_read(b, now) != WEFT_OK)
        return NO_MEMORY_MS;
    if (now - b->ticked_ms >= TICK_MS) {
        weft__downlink_tick(b->downlink, now);
        b->ticked_ms = now;
    }
    parcel_send(b);
    return more ? 0 : TICK_MS;
}
