/* bridge/journal_service.c: what the journal thread does beside writing: notes acknowledgements, refills the uplink,
 * answers replays, trims, shows the node's state and births.
 *
 * Whatever finds the file damaged sets journal_damaged; the next turn opens it anew before anything else. */
#include "bridge/bridge_private.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRIM_MS = 10000,
    STATE_MS = 1000,
    DROPS_TELL_MS = 60000,
    PREVIOUS_MAX = 64,
    ANSWERS_WAITING_MAX = 2 * WEFT__REPLAY_MAX_MESSAGES, /* more would only keep other control messages waiting */
    JOURNAL_MAX_BYTES = 1 << 30,                         /* what the journal takes for its bound when none is given */
};

static weft_status checked(weft_bridge *b, weft_status st)
{
    if (st == WEFT_CORRUPT)
        b->journal_damaged = true;
    return st;
}

static void acknowledgements_note(weft_bridge *b)
{
    weft__position positions[WEFT_TOPIC_MAX];
    size_t count = weft__uplink_take_acknowledged(b->uplink, positions, WEFT_TOPIC_MAX);
    for (size_t i = 0; i < count; i++)
        (void)checked(
            b, weft__journal_acknowledge(b->journal, positions[i].epoch, positions[i].topic, positions[i].last_seq));
}

typedef struct refill {
    weft__uplink *uplink;
    uint64_t epoch;
    size_t rows;
} refill;

static weft_status refill_row(const weft__journal_row *row, void *user)
{
    refill *r = user;
    weft_status st = weft__uplink_refill(r->uplink, row, row->epoch != r->epoch);
    r->rows += st == WEFT_OK;
    return st;
}

static void uplink_refill(weft_bridge *b)
{
    enum { ROWS = 512 };
    int64_t after;
    if (!weft__uplink_wants_refill(b->uplink, &after))
        return;
    refill r = {.uplink = b->uplink, .epoch = atomic_load(&b->epoch)};
    weft_status st = checked(b, weft__journal_each_pending(b->journal, after, ROWS, refill_row, &r));
    if (st == WEFT_OK && r.rows < ROWS)
        weft__uplink_refilled(b->uplink);
    if (r.rows == ROWS)
        weft__signal_raise(&b->journal_signal);
    if (r.rows > 0)
        weft__signal_raise(&b->link_signal);
}

static void answer_send(void *user, const weft__replay_request *request, uint8_t *bytes, size_t length, uint64_t events)
{
    weft_bridge *b = user;
    char topic[WEFT__TOPIC_MAX_BYTES];
    if (strcmp(request->to, b->node) == 0) {
        weft__cursors_feed(&b->cursors, &(weft__cursor_message){.tree = WEFT__TREE_REPLY,
                                                                .sender = b->node,
                                                                .taker = request->taker,
                                                                .payload = bytes,
                                                                .length = length});
        free(bytes);
        return;
    }
    if (weft__topic_reply(topic, b->fabric, request->to, b->node, request->request_id) != WEFT_OK) {
        free(bytes);
        return;
    }
    weft__ledger_add(&b->ledger, request->epoch, request->topic, WEFT__LEDGER_REPLAYED, events);
    weft__bridge_send(b, topic, bytes, length, 1, false);
}

/* A reply is a little larger than the batch in it. */
static size_t replay_bytes_max(const weft_bridge *b)
{
    enum { REPLY_OVERHEAD_BYTES = 256 };
    size_t limit = atomic_load(&b->payload_max);
    return limit > REPLY_OVERHEAD_BYTES ? limit - REPLY_OVERHEAD_BYTES : 1;
}

/* What this node's own cursors ask of it. */
static void own_questions_take(weft_bridge *b)
{
    weft__node *next;
    for (weft__node *node = weft__queue_take(&b->own_questions, 0); node != NULL; node = next) {
        next = node->next;
        (void)weft__replay_desk_put(b->replay_desk, &((weft__own_question *)node)->request);
        free(node);
    }
}

static void own_message_feed(weft_bridge *b, weft__tree tree, uint8_t *bytes, size_t length)
{
    weft__cursors_feed(&b->cursors,
                       &(weft__cursor_message){.tree = tree, .sender = b->node, .payload = bytes, .length = length});
    free(bytes);
}

/* To be told at home does not count as being born. */
static void own_birth_tell(weft_bridge *b)
{
    int64_t born_ms = atomic_load(&b->born_ms);
    weft__bytes birth = {0};
    if (weft__journal_thread_birth(b, &birth) == WEFT_OK)
        own_message_feed(b, WEFT__TREE_LIVE, (uint8_t *)(uintptr_t)birth.data, birth.length);
    atomic_store(&b->born_ms, born_ms);
}

/* Tells cursors of this node's own life as others hear of it: its birth when they know nothing, and beats. */
static void own_life_tell(weft_bridge *b)
{
    enum { OWN_BEAT_MS = 5000 };
    int64_t now_ms = weft__bridge_mono_ms(b);
    if (atomic_load(&b->cursors.count) == 0)
        return;
    bool wanted = atomic_exchange(&b->cursors.own_wanted, false);
    if (!wanted && now_ms < b->own_beat_ms)
        return;
    b->own_beat_ms = now_ms + OWN_BEAT_MS;
    if (wanted)
        own_birth_tell(b);
    weft__position positions[PREVIOUS_MAX];
    size_t count = weft__journal_positions(b->journal, positions, PREVIOUS_MAX), kept = 0;
    weft__beat beat = {.node = b->node, .epoch = atomic_load(&b->epoch), .streams = positions};
    for (size_t i = 0; i < count; i++)
        if (positions[i].epoch == beat.epoch)
            positions[kept++] = positions[i];
    beat.stream_count = kept;
    beat.timestamp_ms = weft_clock_wall_ms(b->clock);
    uint8_t *bytes;
    size_t length;
    if (weft__beat_encode(&beat, &bytes, &length) == WEFT_OK)
        own_message_feed(b, WEFT__TREE_BEAT, bytes, length);
}

/* A few parts at a time: new events come first. The link thread wakes us when there is room for more. */
static int64_t replays_answer(weft_bridge *b)
{
    enum { PARTS_AT_ONCE = 4 };
    int64_t wait_ms = 0;
    for (int i = 0; i < PARTS_AT_ONCE && wait_ms == 0; i++) {
        atomic_store(&b->answers_wait, true); /* before looking, so that no room is made unnoticed */
        if (weft__queue_count(&b->control) > ANSWERS_WAITING_MAX)
            return INT64_MAX;
        atomic_store(&b->answers_wait, false);
        (void)checked(b, weft__replay_desk_turn(b->replay_desk, b->journal, weft__bridge_mono_ms(b),
                                                replay_bytes_max(b), answer_send, b, &wait_ms));
    }
    return wait_ms;
}

typedef struct giving_up {
    weft_bridge *bridge;
    uint64_t events;
} giving_up;

static void row_given_up(const weft__journal_row *row, void *user)
{
    giving_up *g = user;
    g->events += weft__uplink_forget(g->bridge->uplink, row); /* none: they are with the broker already */
}

/* Events that made room for others, at most once a minute. */
static void drops_tell(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    uint64_t dropped = weft__intake_dropped(&b->intake), news = dropped - b->drops_noticed;
    if (news == 0 || (b->drops_noticed > 0 && now - b->drops_noticed_ms < DROPS_TELL_MS))
        return;
    b->drops_noticed = dropped;
    b->drops_noticed_ms = now;
    weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_LOST,
                                          .status = WEFT_FULL,
                                          .count = news,
                                          .text = "the journal is too slow: they made room for others"});
}

static void journal_trim(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    uint64_t bound = b->opts.journal_max_bytes != 0 ? b->opts.journal_max_bytes : JOURNAL_MAX_BYTES;
    if (now - b->trimmed_ms < TRIM_MS && b->untrimmed_bytes < bound / 16)
        return;
    b->trimmed_ms = now;
    b->untrimmed_bytes = 0;
    giving_up g = {.bridge = b};
    (void)checked(b, weft__journal_trim(b->journal, weft_clock_wall_ms(b->clock), row_given_up, &g));
    if (g.events > 0)
        weft__bridge_notice(b, &(weft_notice){.kind = WEFT_NOTICE_LOST,
                                              .status = WEFT_FULL,
                                              .count = g.events,
                                              .text = "the journal is at its bound"});
}

static void state_send(weft_bridge *b)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    uint8_t *bytes;
    size_t length;
    b->state_changed = false;
    b->state_sent_ms = weft__bridge_mono_ms(b);
    if (weft__topic_node(topic, b->fabric, WEFT__TREE_STATE, b->node) == WEFT_OK &&
        weft__node_state_encode(b->state, b->node, atomic_load(&b->epoch), weft_clock_wall_ms(b->clock), &bytes,
                                &length) == WEFT_OK)
        weft__bridge_send(b, topic, bytes, length, 1, true);
}

/* A publisher counts its event after giving it away, perhaps when it has been written and shown. */
static void state_show(weft_bridge *b)
{
    if (b->opts.anonymous || weft__bridge_mono_ms(b) - b->state_sent_ms < STATE_MS ||
        !(b->state_changed || weft__node_state_has_news(b->state)))
        return;
    pthread_mutex_lock(&b->mutex);
    bool connected = b->connected;
    pthread_mutex_unlock(&b->mutex);
    if (connected)
        state_send(b);
}

weft_status weft__journal_thread_show_state(weft_bridge *b, void *unused)
{
    (void)unused;
    state_send(b);
    return WEFT_OK;
}

weft_status weft__journal_thread_birth(weft_bridge *b, void *bytes_out)
{
    weft__bytes *out = bytes_out;
    weft__position positions[PREVIOUS_MAX + WEFT_TOPIC_MAX];
    size_t count = weft__journal_positions(b->journal, positions, PREVIOUS_MAX + WEFT_TOPIC_MAX), previous = 0;
    for (size_t i = 0; i < count && previous < PREVIOUS_MAX; i++)
        if (positions[i].epoch != atomic_load(&b->epoch))
            positions[previous++] = positions[i];
    uint8_t *bytes;
    weft_status st = weft__bridge_live_encode(b, WEFT__LIVE_BIRTH, positions, previous, &bytes, &out->length);
    if (st == WEFT_OK)
        out->data = bytes;
    return st;
}

weft_status weft__journal_thread_begin_epoch(weft_bridge *b, void *epoch)
{
    uint64_t at_least = *(const uint64_t *)epoch, last = 0;
    weft_status st = weft__journal_last_epoch(b->journal, &last);
    if (st == WEFT_OK && at_least <= last)
        at_least = last + 1;
    if (st == WEFT_OK)
        st = weft__journal_begin_epoch(b->journal, at_least);
    if (st != WEFT_OK)
        return st;
    weft__node_state_begin_epoch(b->state);
    weft__intake_begin_epoch(&b->intake, at_least);
    atomic_store(&b->epoch, at_least);
    atomic_store(&b->born_ms, 0);
    atomic_store(&b->cursors.own_wanted, true);
    return WEFT_OK;
}

int64_t weft__journal_service(weft_bridge *b)
{
    acknowledgements_note(b);
    uplink_refill(b);
    weft__bridge_commands_take(b);
    own_questions_take(b);
    own_life_tell(b);
    int64_t wait_ms = replays_answer(b);
    journal_trim(b);
    drops_tell(b);
    state_show(b);
    return wait_ms;
}

void weft__journal_service_finish(weft_bridge *b)
{
    acknowledgements_note(b);
}
