/* bridge/journal_thread.c: the journal agent, which writes.
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
#include <time.h>

enum {
    IDLE_MS = 200,
    RETRY_MS = 250,
    RESTORE_MS = 1000,
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
    if (b->unwritten.commit != NULL || !weft__journal_is_low(b->journal))
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
    pthread_rwlock_wrlock(&b->journal_lock);
    weft__journal *damaged = b->journal;
    b->journal = NULL;
    pthread_rwlock_unlock(&b->journal_lock);
    weft__journal_close(damaged);
    weft__journal *opened = NULL;
    weft_status st = weft__bridge_journal_open(b, &opened, &reason);
    pthread_rwlock_wrlock(&b->journal_lock);
    b->journal = opened;
    pthread_rwlock_unlock(&b->journal_lock);
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
    if (b->unwritten.commit == NULL)
        journal_settled(b);
    return true;
}

/* ---- writing ---- */

static weft_status commit_finish(weft_bridge *b, weft__commit *commit)
{
    for (size_t i = 0; i < commit->mark_count; i++)
        commit->marks[i].touched_ms = weft_clock_wall_ms(b->clock);
    return weft__commit_finish(commit, b->node, b->ends);
}

static void written_note(weft_bridge *b, uint64_t receipt, int64_t row)
{
    pthread_mutex_lock(&b->mutex);
    b->written_receipt = receipt;
    if (row > 0)
        b->written_row = row;
    bool waited_for = b->flush_waiters > 0;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    if (waited_for) /* else it comes when it is time */
        weft__signal_raise(&b->sync_signal);
    weft__signal_raise(&b->link_signal);
    if (b->opts.on_written != NULL)
        b->opts.on_written(receipt, b->opts.user);
}

static void tap_row(weft_bridge *b, const weft__journal_row *row)
{
    weft_batch *batch;
    if (weft_batch_decode(row->bytes, row->length, &batch, NULL) != WEFT_OK) {
        atomic_fetch_add(&b->control_dropped, row->event_count);
        return;
    }
    for (size_t i = 0; i < batch->event_count; i++)
        weft__bridge_tap_event(b, batch->events[i]);
    weft_batch_free(batch);
}

static void row_show(weft_bridge *b, const weft__journal_row *row)
{
    b->untrimmed_bytes += row->length;
    if (b->opts.json_tap)
        tap_row(b, row);
    weft__cursors_feed(&b->cursors, &(weft__cursor_message){.tree = WEFT__TREE_EVT,
                                                            .sender = b->node,
                                                            .topic = row->topic,
                                                            .payload = row->bytes,
                                                            .length = row->length});
}

static void unwritten_clear(weft_bridge *b)
{
    weft__commit_free(&b->intake, b->unwritten.commit);
    b->unwritten = (weft__unwritten){0};
}

static void unwritten_done(weft_bridge *b)
{
    weft__commit *commit = b->unwritten.commit;
    int64_t newest = commit->row_count > 0 ? commit->rows[commit->row_count - 1].id : 0;
    for (size_t i = 0; i < commit->row_count; i++)
        row_show(b, &commit->rows[i]);
    b->state_changed = true;
    weft__uplink_push(b->uplink, commit->rows, commit->row_count);
    written_note(b, commit->receipt, newest);
    unwritten_clear(b);
}

static void unwritten_store(weft_bridge *b, int64_t now)
{
    weft__unwritten *u = &b->unwritten;
    bool failing = u->retry_ms != 0;
    weft__commit *commit = u->commit;
    weft_status st = commit_finish(b, commit);
    if (st == WEFT_OK)
        st = weft__journal_append(b->journal, commit->rows, commit->row_count, commit->marks, commit->mark_count);
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

static void unwritten_book(weft_bridge *b, const weft__journal_row *row)
{
    weft__ledger_add(&b->ledger, row->epoch, row->topic, WEFT__LEDGER_UNWRITTEN, row->event_count);
}

static void unwritten_give_up(weft_bridge *b)
{
    const weft__commit *commit = b->unwritten.commit;
    if (commit == NULL)
        return;
    for (size_t i = 0; i < commit->row_count; i++)
        unwritten_book(b, &commit->rows[i]);
    for (const weft__draft *draft = commit->first; draft != NULL; draft = draft->next)
        unwritten_book(b, &draft->row);
    unwritten_clear(b);
}

/* At a high rate, lets events gather. */
static void arrivals_await(weft_bridge *b)
{
    int64_t now_ns = weft_clock_mono_ns(b->clock), next_ns = weft__pace_next_ns(&b->pace, now_ns);
    if (next_ns <= now_ns || b->env.driven)
        return;
    struct timespec rest = {.tv_nsec = (long)(next_ns - now_ns)};
    (void)nanosleep(&rest, NULL);
}

static void commit_take(weft_bridge *b)
{
    b->unwritten.commit = weft__intake_take(&b->intake);
    if (b->unwritten.commit != NULL)
        weft__pace_taken(&b->pace, b->unwritten.commit->events, weft_clock_mono_ns(b->clock));
}

/* Writes what waits. Returns whether there may be more. */
static bool intake_write(weft_bridge *b, int64_t now)
{
    if (b->unwritten.commit == NULL)
        commit_take(b);
    if (b->unwritten.commit == NULL)
        return false;
    if (now >= b->unwritten.retry_ms && journal_is_ready(b, now))
        unwritten_store(b, now);
    return b->unwritten.commit == NULL || (now >= b->unwritten.retry_ms && now >= b->reopen_ms);
}

/* The last attempts: nobody will come back to what is left. */
static void journal_finish(weft_bridge *b, int64_t now)
{
    b->unwritten.retry_ms = b->reopen_ms = 0;
    while (intake_write(b, now))
        ;
    do
        unwritten_give_up(b);
    while ((b->unwritten.commit = weft__intake_take(&b->intake)) != NULL);
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
    arrivals_await(b);
    bool more = intake_write(b, now), ready = journal_is_ready(b, now);
    if (ready)
        reserve_restore(b, now);
    int64_t wait_ms = ready ? weft__journal_service(b) : IDLE_MS;
    return more ? 0 : wait_ms < IDLE_MS ? wait_ms : IDLE_MS;
}
