/* core/mailbox.c: lanes under a lock that is held for a few instructions.
 *
 * Threads    put: any. begin, take, put_back, rest: workers that run its job. The others: any.
 * Invariant  every mail put is taken, handed back, or dropped and accounted for by the return values; `untold` covers
 *            what the subscriber has not been told yet.
 *
 * A lock, and not a lock-free ring: what a put may have to do (drop the oldest of the lowest lane, wait, count what is
 * to be told) touches all of the mailbox, and a worker takes it once for up to 64 mails. */
#include "core/mailbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/deadline.h"
#include "core/lost.h"

enum { LANE_FIRST_ROOM = 16, BIT_LOST = 1, BIT_REMOTE = 2, BITS = 3 };

/* ---- mails ---- */

weft__mail weft__mail_of_event(const weft_event *kept, weft_origin origin)
{
    assert(((uintptr_t)kept & BITS) == 0);
    return (weft__mail){(uintptr_t)kept | (origin == WEFT_ORIGIN_REMOTE ? BIT_REMOTE : 0)};
}

weft__mail weft__mail_of_lost(weft_lost *lost)
{
    assert(((uintptr_t)lost & BITS) == 0);
    return (weft__mail){(uintptr_t)lost | BIT_LOST};
}

const weft_event *weft__mail_event(weft__mail mail)
{
    return (mail.packed & BIT_LOST) == 0 ? (const weft_event *)(mail.packed & ~(uintptr_t)BITS) : NULL;
}

const weft_lost *weft__mail_lost(weft__mail mail)
{
    return (mail.packed & BIT_LOST) != 0 ? (const weft_lost *)(mail.packed & ~(uintptr_t)BITS) : NULL;
}

weft_origin weft__mail_origin(weft__mail mail)
{
    return (mail.packed & BIT_REMOTE) != 0 ? WEFT_ORIGIN_REMOTE : WEFT_ORIGIN_LOCAL;
}

void weft__mail_release(weft__mail mail)
{
    weft_event_release(weft__mail_event(mail));
    free((void *)(uintptr_t)weft__mail_lost(mail));
}

static unsigned lane_of(weft__mail mail)
{
    const weft_event *event = weft__mail_event(mail);
    unsigned priority = (unsigned)(event != NULL ? weft_event_priority(event) : WEFT_PRIORITY_NORMAL);
    return (priority <= WEFT_PRIORITY_CRITICAL ? priority : WEFT_PRIORITY_CRITICAL) - WEFT_PRIORITY_LOW;
}

/* ---- lanes ---- */

static bool lane_grow(weft__lane *lane)
{
    uint32_t room = lane->room != 0 ? lane->room * 2 : LANE_FIRST_ROOM;
    weft__mail *ring = malloc(room * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < lane->depth; i++)
        ring[i] = lane->ring[(lane->head + i) & (lane->room - 1)];
    free(lane->ring);
    *lane = (weft__lane){.ring = ring, .room = room, .depth = lane->depth};
    return true;
}

static bool lane_push(weft__lane *lane, weft__mail mail)
{
    if (lane->depth == lane->room && !lane_grow(lane))
        return false;
    lane->ring[(lane->head + lane->depth) & (lane->room - 1)] = mail;
    lane->depth++;
    return true;
}

/* Where there is room: what was popped last goes back first. */
static void lane_push_front(weft__lane *lane, weft__mail mail)
{
    lane->head = (lane->head - 1) & (lane->room - 1);
    lane->ring[lane->head] = mail;
    lane->depth++;
}

static weft__mail lane_pop(weft__lane *lane)
{
    weft__mail mail = lane->ring[lane->head];
    lane->head = (lane->head + 1) & (lane->room - 1);
    lane->depth--;
    return mail;
}

/* ---- init, fini ---- */

weft_status weft__mailbox_init(weft__mailbox *box, const weft__mailbox_opts *opts)
{
    memset(box, 0, sizeof *box);
    box->opts = *opts;
    box->paused = opts->paused;
    if (pthread_mutex_init(&box->room_lock, NULL) != 0)
        return WEFT_NO_MEMORY;
    if (weft__cond_init(&box->room) != 0) {
        pthread_mutex_destroy(&box->room_lock);
        return WEFT_NO_MEMORY;
    }
    return WEFT_OK;
}

static void depth_set_locked(weft__mailbox *box, uint32_t depth)
{
    atomic_store_explicit(&box->depth, depth, memory_order_relaxed);
}

/* What was in a mailbox, to be released without its lock. */
typedef struct remains {
    weft__lane lanes[WEFT__LANES];
} remains;

static remains empty_locked(weft__mailbox *box)
{
    remains left;
    memcpy(left.lanes, box->lanes, sizeof left.lanes);
    memset(box->lanes, 0, sizeof box->lanes);
    depth_set_locked(box, 0);
    box->untold = 0;
    return left;
}

static uint64_t remains_release(remains *left)
{
    uint64_t events = 0;
    for (unsigned i = 0; i < WEFT__LANES; i++) {
        while (left->lanes[i].depth > 0) {
            weft__mail mail = lane_pop(&left->lanes[i]);
            events += weft__mail_event(mail) != NULL;
            weft__mail_release(mail);
        }
        free(left->lanes[i].ring);
    }
    return events;
}

void weft__mailbox_fini(weft__mailbox *box)
{
    remains left = empty_locked(box);
    (void)remains_release(&left);
    pthread_cond_destroy(&box->room);
    pthread_mutex_destroy(&box->room_lock);
}

/* ---- put ---- */

static bool is_full(weft__mailbox *box)
{
    return weft__mailbox_depth(box) >= box->opts.max;
}

/* Counts the caller among the blocked, or returns false: there is room, or nothing to wait for. */
static bool must_wait(weft__mailbox *box)
{
    weft__spinlock_lock(&box->lock);
    bool wait = is_full(box) && box->state == WEFT__MAILBOX_OPEN;
    box->blocked += wait;
    weft__spinlock_unlock(&box->lock);
    return wait;
}

static void wait_ended(weft__mailbox *box)
{
    weft__spinlock_lock(&box->lock);
    box->blocked--;
    weft__spinlock_unlock(&box->lock);
}

/* Returns once there may be room, false once the deadline has passed. Whoever makes room takes room_lock after that, so
 * it finds the waiting either before this look or asleep. */
static bool await_room(weft__mailbox *box, const struct timespec *deadline)
{
    bool in_time = true;
    pthread_mutex_lock(&box->room_lock);
    while (in_time && must_wait(box)) {
        in_time = weft__cond_wait(&box->room, &box->room_lock, deadline);
        wait_ended(box);
    }
    pthread_mutex_unlock(&box->room_lock);
    return in_time;
}

static void tell_room(weft__mailbox *box)
{
    pthread_mutex_lock(&box->room_lock);
    pthread_cond_broadcast(&box->room);
    pthread_mutex_unlock(&box->room_lock);
}

/* Says once for each worker that is missing that the job must be queued. */
static bool schedule_locked(weft__mailbox *box)
{
    bool something = weft__mailbox_depth(box) > 0 || box->untold > 0;
    if (!something || box->scheduled || box->paused || box->workers >= box->opts.concurrency)
        return false;
    box->scheduled = true;
    return true;
}

static void miss_locked(weft__mailbox *box, weft__mail mail)
{
    const weft_lost *lost = weft__mail_lost(mail);
    box->untold += lost != NULL ? weft__lost_count(lost) : 1;
}

static weft__lane *lowest_lane_locked(weft__mailbox *box)
{
    weft__lane *lane = box->lanes;
    while (lane->depth == 0)
        lane++;
    return lane;
}

static bool store_locked(weft__mailbox *box, weft__mail mail)
{
    unsigned lane = lane_of(mail);
    if (!lane_push(&box->lanes[lane], mail))
        return false;
    depth_set_locked(box, weft__mailbox_depth(box) + 1);
    if (box->in_hand != 0 && lane >= box->in_hand)
        atomic_store_explicit(&box->urgent, true, memory_order_relaxed);
    return true;
}

/* Makes room by dropping the oldest of the lowest lane, unless the new mail is lower still. Leaves the loser in *mail.
 */
static weft__put_result displace_locked(weft__mailbox *box, weft__mail *mail)
{
    weft__lane *lowest = lowest_lane_locked(box);
    if (&box->lanes[lane_of(*mail)] < lowest)
        return WEFT__PUT_DROPPED;
    weft__mail oldest = lane_pop(lowest);
    depth_set_locked(box, weft__mailbox_depth(box) - 1);
    if (store_locked(box, *mail)) {
        *mail = oldest;
        return WEFT__PUT_DISPLACED;
    }
    lane_push_front(lowest, oldest);
    depth_set_locked(box, weft__mailbox_depth(box) + 1);
    return WEFT__PUT_DROPPED;
}

static weft__put_result put_full_locked(weft__mailbox *box, weft__mail *mail, weft__put_mode mode)
{
    switch (box->opts.overflow) {
    case WEFT_OVERFLOW_BLOCK:
        return mode == WEFT__PUT_TRY ? WEFT__PUT_FULL : WEFT__PUT_DROPPED;
    case WEFT_OVERFLOW_DROP_OLDEST:
        return displace_locked(box, mail);
    case WEFT_OVERFLOW_DEAD_LETTER:
        return weft__mail_event(*mail) != NULL ? WEFT__PUT_DEAD : WEFT__PUT_DROPPED;
    default:
        return WEFT__PUT_DROPPED;
    }
}

static weft__put_result refusal_locked(const weft__mailbox *box)
{
    return box->state == WEFT__MAILBOX_CLOSED ? WEFT__PUT_CLOSED : WEFT__PUT_STOPPED;
}

/* Leaves in *mail what has no place. */
static weft__put_result put_locked(weft__mailbox *box, weft__mail *mail, weft__put_mode mode)
{
    if (box->state != WEFT__MAILBOX_OPEN)
        return refusal_locked(box);
    weft__put_result result = WEFT__PUT_STORED;
    if (is_full(box))
        result = put_full_locked(box, mail, mode);
    else if (!store_locked(box, *mail))
        result = WEFT__PUT_DROPPED;
    if (result == WEFT__PUT_DISPLACED || result == WEFT__PUT_DROPPED)
        miss_locked(box, *mail);
    return result;
}

/* What finds no room asks for no worker: whoever waits or tries again would have to remember it. */
static weft__put_result put(weft__mailbox *box, weft__mail *mail, weft__put_mode mode, bool *ret_schedule)
{
    weft__spinlock_lock(&box->lock);
    weft__put_result result = put_locked(box, mail, mode);
    *ret_schedule = result != WEFT__PUT_FULL && box->state == WEFT__MAILBOX_OPEN && schedule_locked(box);
    weft__spinlock_unlock(&box->lock);
    return result;
}

/* Another one may take the room that was waited for. */
static weft__put_result put_waiting(weft__mailbox *box, weft__mail *mail, bool *ret_schedule)
{
    struct timespec deadline = weft__deadline_after(box->opts.block_ms);
    weft__put_result result;
    do
        result = put(box, mail, WEFT__PUT_TRY, ret_schedule);
    while (result == WEFT__PUT_FULL && await_room(box, &deadline));
    return result != WEFT__PUT_FULL ? result : put(box, mail, WEFT__PUT_NOW, ret_schedule);
}

weft__put_result weft__mailbox_put(weft__mailbox *box, weft__mail mail, weft__put_mode mode,
                                   uint64_t *ret_dropped_events, bool *ret_schedule)
{
    weft__put_result result =
        mode == WEFT__PUT_WAIT ? put_waiting(box, &mail, ret_schedule) : put(box, &mail, mode, ret_schedule);
    *ret_dropped_events = 0;
    if (result == WEFT__PUT_STORED || result == WEFT__PUT_FULL || result == WEFT__PUT_DEAD)
        return result;
    *ret_dropped_events = weft__mail_event(mail) != NULL;
    weft__mail_release(mail);
    return result;
}

bool weft__mailbox_miss(weft__mailbox *box, uint64_t n)
{
    weft__spinlock_lock(&box->lock);
    bool schedule = false;
    if (box->state == WEFT__MAILBOX_OPEN) {
        box->untold += n;
        schedule = schedule_locked(box);
    }
    weft__spinlock_unlock(&box->lock);
    return schedule;
}

/* ---- take ---- */

void weft__mailbox_begin(weft__mailbox *box)
{
    weft__spinlock_lock(&box->lock);
    box->scheduled = false;
    box->workers++;
    weft__spinlock_unlock(&box->lock);
}

static void take_locked(weft__mailbox *box, unsigned max, weft__batch *batch)
{
    batch->untold = box->untold;
    box->untold = 0;
    unsigned top = WEFT__LANES;
    while (top > 0 && box->lanes[top - 1].depth == 0)
        top--;
    box->in_hand = top;
    atomic_store_explicit(&box->urgent, false, memory_order_relaxed);
    if (top == 0)
        return;
    weft__lane *lane = &box->lanes[top - 1];
    while (batch->count < max && lane->depth > 0)
        batch->mails[batch->count++] = lane_pop(lane);
    depth_set_locked(box, weft__mailbox_depth(box) - batch->count);
}

bool weft__mailbox_take(weft__mailbox *box, unsigned max, weft__batch *ret, bool *ret_schedule)
{
    ret->count = 0;
    ret->untold = 0;
    *ret_schedule = false;
    weft__spinlock_lock(&box->lock);
    if (!box->paused) {
        take_locked(box, box->opts.concurrency > 1 ? 1 : max, ret);
        *ret_schedule = schedule_locked(box);
    }
    bool blocked = ret->count > 0 && box->blocked > 0;
    weft__spinlock_unlock(&box->lock);
    if (blocked)
        tell_room(box);
    return ret->count > 0 || ret->untold > 0;
}

static void put_back_locked(weft__mailbox *box, weft__batch *batch, unsigned from)
{
    weft__lane *lane = &box->lanes[lane_of(batch->mails[from])];
    depth_set_locked(box, weft__mailbox_depth(box) + batch->count - from);
    while (batch->count > from)
        lane_push_front(lane, batch->mails[--batch->count]);
}

static weft__put_result put_back_or_not_locked(weft__mailbox *box, weft__batch *batch, unsigned from)
{
    weft__lane *lane = &box->lanes[lane_of(batch->mails[from])];
    atomic_store_explicit(&box->urgent, false, memory_order_relaxed);
    if (box->state != WEFT__MAILBOX_OPEN)
        return refusal_locked(box);
    while (lane->room - lane->depth < batch->count - from)
        if (!lane_grow(lane))
            return WEFT__PUT_FULL;
    put_back_locked(box, batch, from);
    return WEFT__PUT_STORED;
}

weft__put_result weft__mailbox_put_back(weft__mailbox *box, weft__batch *batch, unsigned from,
                                        uint64_t *ret_dropped_events)
{
    weft__spinlock_lock(&box->lock);
    weft__put_result result = put_back_or_not_locked(box, batch, from);
    weft__spinlock_unlock(&box->lock);
    *ret_dropped_events = 0;
    if (result == WEFT__PUT_STORED || result == WEFT__PUT_FULL)
        return result;
    while (batch->count > from) {
        weft__mail mail = batch->mails[--batch->count];
        *ret_dropped_events += weft__mail_event(mail) != NULL;
        weft__mail_release(mail);
    }
    return result;
}

bool weft__mailbox_rest(weft__mailbox *box)
{
    weft__spinlock_lock(&box->lock);
    box->workers--;
    box->in_hand = 0;
    bool schedule = schedule_locked(box);
    weft__spinlock_unlock(&box->lock);
    return schedule;
}

/* ---- states ---- */

uint64_t weft__mailbox_set_state(weft__mailbox *box, weft__mailbox_state state)
{
    remains left = {0};
    weft__spinlock_lock(&box->lock);
    if (box->state != WEFT__MAILBOX_CLOSED)
        box->state = state;
    if (box->state != WEFT__MAILBOX_OPEN) {
        left = empty_locked(box);
        atomic_store_explicit(&box->urgent, true, memory_order_relaxed);
    }
    weft__spinlock_unlock(&box->lock);
    tell_room(box);
    return remains_release(&left);
}

bool weft__mailbox_pause(weft__mailbox *box, bool paused)
{
    weft__spinlock_lock(&box->lock);
    box->paused = paused;
    bool schedule = schedule_locked(box);
    weft__spinlock_unlock(&box->lock);
    return schedule;
}
