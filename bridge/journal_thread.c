/* bridge/journal_thread.c: the journal thread (append, replays, trim, state) and the sync thread beside it.
 *
 * A round: run calls, write what the intake holds, note acknowledgements, refill the uplink, answer replays. Writing
 * comes before everything else in time, too: replays are answered one at a time between rounds.
 *
 * A failing disk: what has been taken stays in memory and is tried again every RETRY_MS; new publishes are refused with
 * the disk's status until a write succeeds. */
#include "bridge/bridge_private.h"

#include "bridge/replay.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUND_EVENTS = 8192,
    IDLE_MS = 200,
    RETRY_MS = 250,
    TRIM_MS = 10000,
    STATE_MS = 1000,
    SYNC_MS = 100,
    PREVIOUS_MAX = 64,
    ANSWERS_WAITING_MAX = 8 * WEFT__REPLAY_MAX_MESSAGES,
    JOURNAL_MAX_BYTES = 1 << 30, /* what the journal takes for its bound when none is given */
};

/* ---- writing ---- */

static weft__feed_mark *marks_collect(const weft__group *groups, size_t *ret_count)
{
    size_t count = 0;
    for (const weft__group *g = groups; g != NULL; g = g->next)
        count += g->has_mark;
    *ret_count = count;
    weft__feed_mark *marks = count > 0 ? calloc(count, sizeof *marks) : NULL;
    if (marks == NULL)
        return NULL;
    size_t i = 0;
    for (const weft__group *g = groups; g != NULL; g = g->next)
        if (g->has_mark)
            marks[i++] = (weft__feed_mark){g->mark.feed, g->mark.line, g->mark.state, g->mark.state_bytes};
    return marks;
}

static void journal_failing(weft_bridge *b, weft_status st)
{
    pthread_mutex_lock(&b->mutex);
    bool told = b->journal_status == st;
    b->journal_status = st;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    weft__intake_fail(&b->intake, st);
    if (!told)
        weft__bridge_notice(
            b, &(weft_notice){.kind = st == WEFT_OK ? WEFT_NOTICE_JOURNAL_RECOVERED : WEFT_NOTICE_JOURNAL_FAILED,
                              .status = st,
                              .text = weft_status_text(st)});
}

static bool journal_must_stop(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stop = b->journal_stopping;
    pthread_mutex_unlock(&b->mutex);
    return stop;
}

static void calls_run(weft_bridge *b)
{
    weft__node *next;
    for (weft__node *node = weft__queue_take(&b->calls, 0); node != NULL; node = next) {
        next = node->next;
        weft__call *call = (weft__call *)node;
        call->status = b->journal != NULL ? call->run(b, call->user) : WEFT_CORRUPT;
        pthread_mutex_lock(&b->mutex);
        call->done = true;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->mutex);
    }
}

/* A damaged journal does not mend by itself: opening it anew moves the damage aside and keeps what can be read. */
static weft_status journal_reopen(weft_bridge *b)
{
    const char *reason;
    pthread_mutex_lock(&b->journal_mutex);
    weft__journal *damaged = b->journal;
    b->journal = NULL;
    pthread_mutex_unlock(&b->journal_mutex);
    weft__journal_close(damaged);
    weft__journal *opened = NULL;
    weft_status st = weft__bridge_journal_open(b, &opened, &reason);
    pthread_mutex_lock(&b->journal_mutex);
    b->journal = opened;
    pthread_mutex_unlock(&b->journal_mutex);
    uint64_t last = 0;
    if (st == WEFT_OK && (st = weft__journal_last_epoch(b->journal, &last)) == WEFT_OK && last < atomic_load(&b->epoch))
        st = weft__journal_begin_epoch(b->journal, atomic_load(&b->epoch));
    return st;
}

static weft_status journal_append(weft_bridge *b, weft__journal_row *rows, size_t count, const weft__feed_mark *marks,
                                  size_t mark_count)
{
    weft_status st = b->journal != NULL ? WEFT_OK : journal_reopen(b);
    if (st == WEFT_OK)
        st = weft__journal_append(b->journal, rows, count, marks, mark_count);
    if (st == WEFT_CORRUPT && (st = journal_reopen(b)) == WEFT_OK)
        st = weft__journal_append(b->journal, rows, count, marks, mark_count);
    return st;
}

/* Appends until it works or the bridge is told to stop. */
static weft_status append_with_patience(weft_bridge *b, weft__journal_row *rows, size_t count,
                                        const weft__feed_mark *marks, size_t mark_count)
{
    weft_status st = journal_append(b, rows, count, marks, mark_count);
    bool failed = st != WEFT_OK;
    while (st != WEFT_OK && !journal_must_stop(b)) {
        journal_failing(b, st);
        calls_run(b);
        weft__signal_wait(&b->journal_signal, RETRY_MS);
        st = journal_append(b, rows, count, marks, mark_count);
    }
    if (failed && st == WEFT_OK)
        journal_failing(b, WEFT_OK);
    return st;
}

static void written_note(weft_bridge *b, uint64_t receipt, size_t events, int64_t row)
{
    pthread_mutex_lock(&b->mutex);
    b->written_receipt = receipt;
    b->written_events += events;
    if (row > 0)
        b->written_row = row;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    weft__signal_raise(&b->sync_signal);
    weft__signal_raise(&b->link_signal);
    if (b->opts.on_written != NULL)
        b->opts.on_written(receipt, b->opts.user);
}

static void tap_json(weft_bridge *b, const weft_event *event)
{
    char topic[WEFT__TOPIC_MAX_BYTES];
    weft_text text = {0};
    if (weft__topic_json(topic, b->fabric, event, b->node) == WEFT_OK && weft_event_to_json(event, &text) == WEFT_OK)
        weft__bridge_send_tap(b, topic, (uint8_t *)text.data, text.length);
    else
        weft_text_fini(&text);
}

static void groups_show(weft_bridge *b, const weft__group *groups)
{
    for (const weft__group *g = groups; g != NULL; g = g->next)
        for (size_t i = 0; i < g->count; i++) {
            weft__node_state_add(b->state, g->events[i]);
            if (b->opts.json_tap)
                tap_json(b, g->events[i]);
        }
    b->state_changed = true;
}

static void groups_write(weft_bridge *b, weft__group *groups)
{
    weft__journal_row *rows = NULL;
    size_t row_count = 0, mark_count = 0, events = 0;
    uint64_t receipt = 0;
    for (const weft__group *g = groups; g != NULL; g = g->next) {
        receipt = g->receipt;
        events += g->count;
    }
    weft__feed_mark *marks = marks_collect(groups, &mark_count);
    weft_status st = mark_count > 0 && marks == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    while (st == WEFT_OK && (st = weft__batcher_build(&b->batcher, groups, &rows, &row_count)) == WEFT_NO_MEMORY &&
           !journal_must_stop(b)) {
        calls_run(b);
        weft__signal_wait(&b->journal_signal, RETRY_MS);
        st = WEFT_OK;
    }
    if (st == WEFT_OK)
        st = append_with_patience(b, rows, row_count, marks, mark_count);
    for (size_t i = 0; i < row_count; i++)
        b->untrimmed_bytes += rows[i].length;
    if (st == WEFT_OK) {
        int64_t newest = row_count > 0 ? rows[row_count - 1].id : 0;
        groups_show(b, groups);
        weft__uplink_push(b->uplink, rows, row_count);
        written_note(b, receipt, events, newest);
    } else {
        atomic_fetch_add(&b->lost_events, events);
    }
    weft__rows_free(rows, row_count);
    free(marks);
    for (weft__group *next; groups != NULL; groups = next) {
        next = groups->next;
        weft__group_free(&b->intake, groups);
    }
}

/* ---- between writes ---- */

static void acknowledgements_note(weft_bridge *b)
{
    weft__position positions[WEFT_TOPIC_MAX];
    if (b->journal == NULL)
        return;
    size_t count = weft__uplink_take_acknowledged(b->uplink, positions, WEFT_TOPIC_MAX);
    for (size_t i = 0; i < count; i++)
        (void)weft__journal_acknowledge(b->journal, positions[i].epoch, positions[i].topic, positions[i].last_seq);
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
    weft_status st = weft__journal_each_pending(b->journal, after, ROWS, refill_row, &r);
    if (st == WEFT_OK && r.rows < ROWS)
        weft__uplink_refilled(b->uplink);
    if (r.rows == ROWS)
        weft__signal_raise(&b->journal_signal);
    if (r.rows > 0)
        weft__signal_raise(&b->link_signal);
}

typedef struct answering {
    weft_bridge *bridge;
    char topic[WEFT__TOPIC_MAX_BYTES];
} answering;

static void replay_send(void *user, uint8_t *bytes, size_t length)
{
    answering *a = user;
    weft__bridge_send(a->bridge, a->topic, bytes, length, 1, false);
}

/* A reply is a little larger than the batch in it. */
static size_t replay_bytes_max(const weft_bridge *b)
{
    enum { REPLY_OVERHEAD_BYTES = 256 };
    size_t limit = atomic_load(&b->payload_max);
    return limit > REPLY_OVERHEAD_BYTES ? limit - REPLY_OVERHEAD_BYTES : 1;
}

static void replays_answer(weft_bridge *b)
{
    if (weft__queue_count(&b->control) > ANSWERS_WAITING_MAX) /* more would only push each other's parts out */
        return;
    weft__node *node = weft__queue_take(&b->replays, 1);
    if (node == NULL)
        return;
    const weft__replay *replay = (const weft__replay *)node;
    answering a = {.bridge = b};
    uint64_t events = 0;
    weft__replay_request request = {.request_id = replay->request_id,
                                    .epoch = replay->epoch,
                                    .topic = replay->topic,
                                    .from_seq = replay->from_seq,
                                    .to_seq = replay->to_seq,
                                    .max_messages = replay->max_messages};
    if (weft__topic_reply(a.topic, b->fabric, replay->to, b->node, replay->request_id) == WEFT_OK)
        (void)weft__replay_answer(b->journal, b->node, &request, replay_bytes_max(b), replay_send, &a, &events);
    atomic_fetch_add(&b->replayed_events, events);
    free(node);
    if (weft__queue_count(&b->replays) > 0)
        weft__signal_raise(&b->journal_signal);
}

typedef struct giving_up {
    weft_bridge *bridge;
    uint64_t events;
} giving_up;

static void row_given_up(const weft__journal_row *row, void *user)
{
    giving_up *g = user;
    weft_bridge *b = g->bridge;
    uint32_t events = weft__uplink_forget(b->uplink, row);
    atomic_fetch_add(&b->lost_events, events);
    g->events += events; /* none: they are with the broker already */
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
    (void)weft__journal_trim(b->journal, weft_clock_wall_ms(b->clock), row_given_up, &g);
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

static void state_show(weft_bridge *b)
{
    if (b->opts.anonymous || !b->state_changed || weft__bridge_mono_ms(b) - b->state_sent_ms < STATE_MS)
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
    return WEFT_OK;
}

void *weft__journal_thread(void *bridge)
{
    weft_bridge *b = bridge;
    for (;;) {
        bool stopping = journal_must_stop(b);
        calls_run(b);
        weft__group *groups;
        while ((groups = weft__intake_take(&b->intake, ROUND_EVENTS)) != NULL) {
            groups_write(b, groups);
            acknowledgements_note(b);
        }
        acknowledgements_note(b);
        if (stopping)
            return NULL;
        if (b->journal == NULL) /* only a failed write that stop has cut short leaves none */
            continue;
        uplink_refill(b);
        weft__bridge_commands_take(b);
        replays_answer(b);
        journal_trim(b);
        state_show(b);
        weft__signal_wait(&b->journal_signal, IDLE_MS);
    }
}

/* Syncs when somebody waits for it, else every SYNC_MS while there is something to sync. */
void *weft__sync_thread(void *bridge)
{
    weft_bridge *b = bridge;
    int64_t synced_ms = 0;
    for (;;) {
        weft__signal_wait(&b->sync_signal, SYNC_MS);
        pthread_mutex_lock(&b->mutex);
        bool stopping = b->sync_stopping;
        bool waited_for = b->flush_waiters > 0;
        uint64_t written = b->written_receipt;
        bool behind = written > b->synced_receipt;
        pthread_mutex_unlock(&b->mutex);
        if (behind && (waited_for || stopping || weft__bridge_mono_ms(b) - synced_ms >= SYNC_MS)) {
            pthread_mutex_lock(&b->journal_mutex);
            weft_status st = b->journal != NULL ? weft__journal_sync(b->journal) : WEFT_IO;
            pthread_mutex_unlock(&b->journal_mutex);
            synced_ms = weft__bridge_mono_ms(b);
            pthread_mutex_lock(&b->mutex);
            if (st == WEFT_OK)
                b->synced_receipt = written;
            pthread_cond_broadcast(&b->changed);
            pthread_mutex_unlock(&b->mutex);
        }
        if (stopping)
            return NULL;
        pthread_mutex_lock(&b->journal_mutex);
        if (b->journal != NULL)
            (void)weft__journal_checkpoint(b->journal);
        pthread_mutex_unlock(&b->journal_mutex);
    }
}
