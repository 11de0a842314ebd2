/* core/mailbox.c: a ring under a lock.
 *
 * Threads    put: any. take, rest: the one worker that has the mailbox. set_state: any.
 * Invariant  every mail put is taken, or dropped and accounted for by the return values; `untold` covers what the
 *            subscriber has not been told yet. */
#include "core/mailbox.h"

#include <stdlib.h>

#include "core/deadline.h"
#include "core/lost.h"

weft_status weft__mailbox_init(weft__mailbox *box, uint32_t max, weft_overflow overflow, uint32_t block_ms)
{
    *box = (weft__mailbox){.max = max, .overflow = overflow, .block_ms = block_ms};
    box->ring = calloc(max, sizeof *box->ring);
    if (box->ring == NULL)
        return WEFT_NO_MEMORY;
    if (pthread_mutex_init(&box->lock, NULL) != 0)
        goto err_ring;
    if (weft__cond_init(&box->room) != 0)
        goto err_lock;
    return WEFT_OK;
err_lock:
    pthread_mutex_destroy(&box->lock);
err_ring:
    free(box->ring);
    return WEFT_NO_MEMORY;
}

void weft__mail_release(weft__mail *mail)
{
    weft_event_release(mail->event);
    free(mail->lost);
}

static weft__mail pop_locked(weft__mailbox *box)
{
    weft__mail mail = box->ring[box->head];
    box->head = (box->head + 1) % box->max;
    box->depth--;
    return mail;
}

static void push_locked(weft__mailbox *box, weft__mail mail)
{
    box->ring[((uint64_t)box->head + box->depth) % box->max] = mail;
    box->depth++;
}

static uint64_t empty_locked(weft__mailbox *box)
{
    uint64_t events = 0;
    while (box->depth > 0) {
        weft__mail mail = pop_locked(box);
        events += mail.event != NULL;
        weft__mail_release(&mail);
    }
    box->untold = 0;
    return events;
}

void weft__mailbox_fini(weft__mailbox *box)
{
    (void)empty_locked(box);
    pthread_cond_destroy(&box->room);
    pthread_mutex_destroy(&box->lock);
    free(box->ring);
}

static void await_room_locked(weft__mailbox *box)
{
    struct timespec deadline = weft__deadline_after(box->block_ms);
    box->blocked++;
    while (box->depth == box->max && box->state == WEFT__MAILBOX_OPEN)
        if (!weft__cond_wait(&box->room, &box->lock, &deadline))
            break;
    box->blocked--;
}

static bool schedule_locked(weft__mailbox *box)
{
    bool first = !box->scheduled;
    box->scheduled = true;
    return first;
}

static void miss_locked(weft__mailbox *box, const weft__mail *mail)
{
    box->untold += mail->lost != NULL ? weft__lost_count(mail->lost) : 1;
}

/* Leaves in *mail what is to be dropped, if anything. */
static weft__put_result put_locked(weft__mailbox *box, weft__mail *mail, weft__put_mode mode)
{
    if (mode == WEFT__PUT_WAIT && box->overflow == WEFT_OVERFLOW_BLOCK)
        await_room_locked(box);
    if (box->state != WEFT__MAILBOX_OPEN)
        return box->state == WEFT__MAILBOX_CLOSED ? WEFT__PUT_CLOSED : WEFT__PUT_STOPPED;
    weft__put_result result = WEFT__PUT_STORED;
    weft__mail dropped = {0};
    if (box->depth == box->max) {
        if (mode == WEFT__PUT_TRY && box->overflow == WEFT_OVERFLOW_BLOCK) {
            *mail = dropped;
            return WEFT__PUT_FULL;
        }
        if (box->overflow != WEFT_OVERFLOW_DROP_OLDEST) {
            miss_locked(box, mail);
            return WEFT__PUT_DROPPED;
        }
        dropped = pop_locked(box);
        miss_locked(box, &dropped);
        result = WEFT__PUT_DISPLACED;
    }
    push_locked(box, *mail);
    *mail = dropped;
    return result;
}

weft__put_result weft__mailbox_put(weft__mailbox *box, weft__mail mail, weft__put_mode mode,
                                   uint64_t *ret_dropped_events, bool *ret_schedule)
{
    pthread_mutex_lock(&box->lock);
    weft__put_result result = put_locked(box, &mail, mode);
    *ret_schedule = result <= WEFT__PUT_DISPLACED && schedule_locked(box);
    pthread_mutex_unlock(&box->lock);
    *ret_dropped_events = mail.event != NULL;
    weft__mail_release(&mail);
    return result;
}

bool weft__mailbox_miss(weft__mailbox *box, uint64_t n)
{
    pthread_mutex_lock(&box->lock);
    bool schedule = false;
    if (box->state == WEFT__MAILBOX_OPEN) {
        box->untold += n;
        schedule = schedule_locked(box);
    }
    pthread_mutex_unlock(&box->lock);
    return schedule;
}

bool weft__mailbox_take(weft__mailbox *box, weft__mail *ret_mail, uint64_t *ret_untold)
{
    pthread_mutex_lock(&box->lock);
    bool any = box->depth > 0 || box->untold > 0;
    if (any) {
        *ret_mail = box->depth > 0 ? pop_locked(box) : (weft__mail){0};
        *ret_untold = box->untold;
        box->untold = 0;
        if (box->blocked > 0)
            pthread_cond_signal(&box->room);
    }
    pthread_mutex_unlock(&box->lock);
    return any;
}

bool weft__mailbox_rest(weft__mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->scheduled = box->depth > 0 || box->untold > 0;
    bool more = box->scheduled;
    pthread_mutex_unlock(&box->lock);
    return more;
}

uint64_t weft__mailbox_set_state(weft__mailbox *box, weft__mailbox_state state)
{
    uint64_t dropped = 0;
    pthread_mutex_lock(&box->lock);
    if (box->state != WEFT__MAILBOX_CLOSED)
        box->state = state;
    if (box->state != WEFT__MAILBOX_OPEN) {
        dropped = empty_locked(box);
        pthread_cond_broadcast(&box->room);
    }
    pthread_mutex_unlock(&box->lock);
    return dropped;
}

uint32_t weft__mailbox_depth(weft__mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    uint32_t depth = box->depth;
    pthread_mutex_unlock(&box->lock);
    return depth;
}
