/* bridge/journal_thread.c: the journal agent, which writes, and the sync agent beside it.
 *
 * A turn: run calls, write what the intake holds, then the services of journal_service.c. Writing comes before
 * everything else; replays are answered some parts a turn.
 *
 * A failing disk: what has been taken stays in `unwritten` and is tried again every RETRY_MS, while services go on as
 * far as the disk lets them; new publishes are refused with the disk's status until a write succeeds. A full disk gets
 * the journal's reserve: while that is used up, new events of the spared topics are taken, others refused. */
#include "bridge/bridge_private.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUND_EVENTS = 8192,
    IDLE_MS = 200,
    RETRY_MS = 250,
    RESTORE_MS = 1000,
    SYNC_MS = 100,
    TOPICS_SPARED = WEFT_TOPIC_COST | WEFT_TOPIC_SESSION,
};

/* Notes how writing goes; what is news is told. */
static void journal_failing(weft_bridge *b, weft_status st, uint32_t spared)
{
    pthread_mutex_lock(&b->mutex);
    bool known = b->journal_status == st && b->topics_spared == spared;
    b->journal_status = st;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    if (known)
        return;
    b->topics_spared = spared;
    weft__intake_fail(&b->intake, st, spared);
    weft__bridge_notice(
        b, &(weft_notice){.kind = st == WEFT_OK ? WEFT_NOTICE_JOURNAL_RECOVERED : WEFT_NOTICE_JOURNAL_FAILED,
                          .status = st,
                          .text = spared != 0 ? "no space left; from the reserve only cost and session events are taken"
                                              : weft_status_text(st)});
}

/* Nothing waits to be written, and the journal is open. */
static void journal_settled(weft_bridge *b)
{
    if (weft__journal_is_low(b->journal))
        journal_failing(b, WEFT_NO_SPACE, TOPICS_SPARED);
    else
        journal_failing(b, WEFT_OK, 0);
}

/* Holds the reserve again once the disk has room. */
static void reserve_restore(weft_bridge *b, int64_t now)
{
    if (b->unwritten.groups != NULL || !weft__journal_is_low(b->journal))
        return;
    if (now >= b->restore_ms) {
        b->restore_ms = now + RESTORE_MS;
        (void)weft__journal_reserve_restore(b->journal);
    }
    journal_settled(b);
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

/* Whether there is a journal to work with. A damaged one is opened anew, and tried again every RETRY_MS if that fails.
 */
static bool journal_is_ready(weft_bridge *b, int64_t now)
{
    if (b->journal != NULL && !b->journal_damaged)
        return true;
    if (now < b->reopen_ms)
        return false;
    weft_status st = journal_reopen(b);
    if (st != WEFT_OK) {
        b->reopen_ms = now + RETRY_MS;
        journal_failing(b, st, 0);
        return false;
    }
    b->journal_damaged = false;
    if (b->unwritten.groups == NULL)
        journal_settled(b);
    return true;
}

/* ---- writing ---- */

static weft_status marks_collect(weft__unwritten *u, int64_t now_ms)
{
    size_t count = 0;
    for (const weft__group *g = u->groups; g != NULL; g = g->next)
        count += g->has_mark;
    if (count == 0)
        return WEFT_OK;
    u->marks = calloc(count, sizeof *u->marks);
    if (u->marks == NULL)
        return WEFT_NO_MEMORY;
    for (const weft__group *g = u->groups; g != NULL; g = g->next)
        if (g->has_mark)
            u->marks[u->mark_count++] =
                (weft__feed_mark){g->mark.feed, g->mark.line, g->mark.state, g->mark.state_bytes, now_ms};
    return WEFT_OK;
}

static weft_status unwritten_encode(weft_bridge *b)
{
    weft__unwritten *u = &b->unwritten;
    if (u->encoded)
        return WEFT_OK;
    weft_status st = u->marks == NULL ? marks_collect(u, weft_clock_wall_ms(b->clock)) : WEFT_OK;
    if (st == WEFT_OK)
        st = weft__batcher_build(&b->batcher, u->groups, &u->rows, &u->row_count);
    u->encoded = st == WEFT_OK;
    return st;
}

static void written_note(weft_bridge *b, uint64_t receipt, int64_t row)
{
    pthread_mutex_lock(&b->mutex);
    b->written_receipt = receipt;
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

static void unwritten_clear(weft_bridge *b)
{
    weft__unwritten *u = &b->unwritten;
    weft__rows_free(u->rows, u->row_count);
    free(u->marks);
    for (weft__group *next, *g = u->groups; g != NULL; g = next) {
        next = g->next;
        weft__group_free(&b->intake, g);
    }
    *u = (weft__unwritten){0};
}

static void unwritten_done(weft_bridge *b)
{
    weft__unwritten *u = &b->unwritten;
    uint64_t receipt = 0;
    for (const weft__group *g = u->groups; g != NULL; g = g->next)
        receipt = g->receipt;
    for (size_t i = 0; i < u->row_count; i++)
        b->untrimmed_bytes += u->rows[i].length;
    int64_t newest = u->row_count > 0 ? u->rows[u->row_count - 1].id : 0;
    groups_show(b, u->groups);
    for (size_t i = 0; i < u->row_count; i++)
        weft__cursors_feed(&b->cursors, &(weft__cursor_message){.tree = WEFT__TREE_EVT,
                                                                .sender = b->node,
                                                                .topic = u->rows[i].topic,
                                                                .payload = u->rows[i].bytes,
                                                                .length = u->rows[i].length});
    weft__uplink_push(b->uplink, u->rows, u->row_count);
    written_note(b, receipt, newest);
    unwritten_clear(b);
}

static void unwritten_store(weft_bridge *b, int64_t now)
{
    weft__unwritten *u = &b->unwritten;
    bool failing = u->retry_ms != 0;
    weft_status st = unwritten_encode(b);
    if (st == WEFT_OK)
        st = weft__journal_append(b->journal, u->rows, u->row_count, u->marks, u->mark_count);
    if (st == WEFT_OK) {
        weft__bridge_step(b, WEFT__STEP_APPENDED);
        unwritten_done(b);
        if (failing || weft__journal_is_low(b->journal))
            journal_settled(b);
        return;
    }
    bool mendable = st == WEFT_CORRUPT && !u->reopened;
    b->journal_damaged = b->journal_damaged || st == WEFT_CORRUPT;
    u->reopened = u->reopened || st == WEFT_CORRUPT;
    u->retry_ms = mendable ? now : now + RETRY_MS;
    if (!mendable)
        journal_failing(b, st, 0);
}

static void unwritten_give_up(weft_bridge *b)
{
    for (const weft__group *g = b->unwritten.groups; g != NULL; g = g->next)
        for (size_t i = 0; i < g->count; i++)
            weft__ledger_add(&b->ledger, g->events[i]->id.epoch, weft_event_topic(g->events[i]), WEFT__LEDGER_UNWRITTEN,
                             1);
    unwritten_clear(b);
}

/* Writes what waits. Returns whether there may be more. */
static bool intake_write(weft_bridge *b, int64_t now)
{
    if (b->unwritten.groups == NULL)
        b->unwritten.groups = weft__intake_take(&b->intake, ROUND_EVENTS);
    if (b->unwritten.groups == NULL)
        return false;
    if (now >= b->unwritten.retry_ms && journal_is_ready(b, now))
        unwritten_store(b, now);
    return b->unwritten.groups == NULL || (now >= b->unwritten.retry_ms && now >= b->reopen_ms);
}

/* The last attempts: nobody will come back to what is left. */
static void journal_finish(weft_bridge *b, int64_t now)
{
    b->unwritten.retry_ms = b->reopen_ms = 0;
    while (intake_write(b, now))
        ;
    do
        unwritten_give_up(b);
    while ((b->unwritten.groups = weft__intake_take(&b->intake, ROUND_EVENTS)) != NULL);
    if (b->journal != NULL)
        weft__journal_service_finish(b);
}

int64_t weft__journal_turn(weft_bridge *b)
{
    int64_t now = weft__bridge_mono_ms(b);
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->journal_stopping;
    pthread_mutex_unlock(&b->mutex);
    calls_run(b);
    if (stopping) {
        journal_finish(b, now);
        return -1;
    }
    bool more = intake_write(b, now), ready = journal_is_ready(b, now);
    if (ready)
        reserve_restore(b, now);
    int64_t wait_ms = ready ? weft__journal_service(b) : IDLE_MS;
    return more ? 0 : wait_ms < IDLE_MS ? wait_ms : IDLE_MS;
}

/* Syncs when somebody waits for it, else every SYNC_MS while there is something to sync; only at the end if the process
 * alone is guarded against. */
static void journal_sync(weft_bridge *b, int64_t now, bool stopping)
{
    pthread_mutex_lock(&b->mutex);
    bool waited_for = b->flush_waiters > 0;
    uint64_t written = b->written_receipt;
    bool behind = written > b->synced_receipt && (stopping || b->opts.durability != WEFT_DURABLE_PROCESS);
    pthread_mutex_unlock(&b->mutex);
    if (!behind || !(waited_for || stopping || now - b->synced_ms >= SYNC_MS))
        return;
    pthread_mutex_lock(&b->journal_mutex);
    weft_status st = b->journal != NULL ? weft__journal_sync(b->journal) : WEFT_IO;
    pthread_mutex_unlock(&b->journal_mutex);
    b->synced_ms = weft__bridge_mono_ms(b);
    if (st == WEFT_OK)
        weft__bridge_step(b, WEFT__STEP_SYNCED);
    pthread_mutex_lock(&b->mutex);
    if (st == WEFT_OK)
        b->synced_receipt = written;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
}

int64_t weft__sync_turn(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    bool stopping = b->sync_stopping;
    pthread_mutex_unlock(&b->mutex);
    journal_sync(b, weft__bridge_mono_ms(b), stopping);
    if (stopping)
        return -1;
    pthread_mutex_lock(&b->journal_mutex);
    if (b->journal != NULL)
        (void)weft__journal_checkpoint(b->journal);
    pthread_mutex_unlock(&b->journal_mutex);
    return SYNC_MS;
}
