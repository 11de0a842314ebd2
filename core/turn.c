/* core/turn.c: a worker's turn with the mailbox of a queued subscription.
 *
 * The worker takes mails in batches, so that it meets the publishers' lock once for many. At a mailbox
 * that is busy it waits a moment for more: the next events then need no wake-up.
 * Threads    workers of the pool. */
#include "core/dispatcher_private.h"

#include <time.h>

enum {
    TURN_MAX = 256,        /* mails a subscription may take before the others get a turn */
    LINGER_NS = 20000,     /* some times what a wake-up costs both sides */
    BUSY_NS = 100000,      /* a turn so soon after the last makes waiting for more worthwhile */
    LOOK_AWAY_PAUSES = 64, /* 1 to 3 us */
    BATCH_SMALL = 16,      /* mails; at a busy mailbox the next ones are let gather for a moment */
    SLOT_RETRY_NS = 1000000,
};

typedef struct turn {
    weft__place place;
    weft__subscription *sub;
    weft__mailbox *box;
    unsigned handled;
    bool busy; /* the last turn was a moment ago */
} turn;

static bool is_timed(const turn *t)
{
    return !weft__count_is_common(&weft__slot_tally(t->place.slot, weft__tally_place_of(t->sub->tally))->handled);
}

static void handle_event(const turn *t, const weft_event *event, weft_origin origin)
{
    const weft__place *p = &t->place;
    if (event->ttl_ms != 0 && weft__event_expired(event, origin, weft_clock_wall_ms(p->d->clock))) {
        weft__count_in_slot(p->slot, WEFT__COUNT_EXPIRED, 1);
        weft__count_shared(&t->sub->queue->expired, 1);
    } else {
        weft__handle(p, t->sub, event, origin, is_timed(t));
    }
}

static void handle_mail(turn *t, weft__mail mail)
{
    const weft_event *event = weft__mail_event(mail);
    if (event != NULL)
        handle_event(t, event, weft__mail_origin(mail));
    else
        weft__handle_lost(&t->place, t->sub, weft__mail_lost(mail));
    weft__slot_count_call(t->place.slot);
    weft__mail_release(mail);
    t->handled++;
}

static bool is_paused(const turn *t)
{
    return (atomic_load_explicit(&t->sub->state, memory_order_relaxed) & WEFT__SUB_PAUSED) != 0;
}

/* Returns whether the worker has nothing in hand any more. */
static bool put_back(const turn *t, weft__batch *batch, unsigned from)
{
    uint64_t dropped;
    weft__put_result result = weft__mailbox_put_back(t->box, batch, from, &dropped);
    weft__count reason = result == WEFT__PUT_CLOSED ? WEFT__COUNT_DROPPED_UNSUBSCRIBED : WEFT__COUNT_DROPPED_STOPPED;
    weft__count_in_slot(t->place.slot, reason, dropped);
    return result != WEFT__PUT_FULL;
}

/* What is urgent goes before what is in hand; of a paused subscription nothing goes, of a stopped one neither. */
static void handle_batch(turn *t, weft__batch *batch)
{
    bool several = batch->count > 1;
    if (batch->untold > 0)
        weft__handle_lost(&t->place, t->sub, &(weft_lost){.count = batch->untold, .reason = WEFT_LOST_OVERFLOW});
    for (unsigned i = 0; i < batch->count; i++) {
        if ((weft__mailbox_is_urgent(t->box) || is_paused(t)) && put_back(t, batch, i))
            break;
        if (several)
            weft__mailbox_hold(t->box, batch->count - i - 1);
        handle_mail(t, batch->mails[i]);
    }
    if (several)
        weft__mailbox_hold(t->box, 0);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Looking all the time would slow the publisher down, who writes what is looked at, and, where two share a core, by
 * working at all. */
static void look_away(void)
{
    for (int i = 0; i < LOOK_AWAY_PAUSES; i++)
        weft__spin_pause();
}

/* Returns whether more has come. Other mailboxes that wait for a worker end it. */
static bool linger(const turn *t)
{
    int64_t end_ns = now_ns() + LINGER_NS;
    for (int64_t now = end_ns - LINGER_NS; now < end_ns; now = now_ns()) {
        if (weft__mailbox_depth(t->box) > 0)
            return true;
        if (weft__pool_has_queued(&t->place.d->pool))
            return false;
        look_away();
    }
    return false;
}

static void schedule(const turn *t)
{
    weft__subscription_ref(t->sub);
    t->sub->queue->job.next = NULL;
    weft__pool_push(&t->place.d->pool, &t->sub->queue->job);
}

static void mails_handle(turn *t)
{
    weft__batch batch;
    bool another;
    while (t->handled < TURN_MAX) {
        bool any = weft__mailbox_take(t->box, WEFT__BATCH_MAX, &batch, &another);
        if (another)
            schedule(t);
        if (any) {
            handle_batch(t, &batch);
            if (t->busy && batch.count < BATCH_SMALL)
                look_away();
        } else if (!t->busy || is_paused(t) || !linger(t)) {
            return;
        }
    }
}

/* Without memory for this worker's slot its mailboxes wait. */
static weft__slot *slot_await(weft__slots *slots)
{
    weft__slot *slot;
    while ((slot = weft__slot_here(slots)) == NULL)
        (void)nanosleep(&(struct timespec){.tv_nsec = SLOT_RETRY_NS}, NULL);
    return slot;
}

void weft__turn(weft__job *job, unsigned worker, void *dispatcher)
{
    (void)worker;
    weft_dispatcher *d = dispatcher;
    turn t = {.sub = weft__subscription_of_job(job)};
    t.box = &t.sub->queue->mailbox;
    weft__slot *slot = slot_await(&d->slots);
    t.place = (weft__place){d, slot, weft__slot_begin_worker(slot)};
    weft__mailbox_begin(t.box);
    t.busy = now_ns() - atomic_load_explicit(&t.sub->queue->rested_ns, memory_order_relaxed) < BUSY_NS;
    mails_handle(&t);
    atomic_store_explicit(&t.sub->queue->rested_ns, now_ns(), memory_order_relaxed);
    if (weft__mailbox_rest(t.box))
        schedule(&t);
    weft__blocks_flush();
    weft__place_end(&t.place);
    weft__subscription_unref(t.sub);
}
