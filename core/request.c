/* core/request.c: waiting for events: any that passes a filter, or the replies to a request.
 *
 * A wait is an inline subscription whose handler keeps the event and puts it into an inbox on the waiting thread's
 * stack; the waiting thread takes it out, and calls on_reply itself. So no code of the user runs in that handler, it
 * never waits for anything but the inbox's lock, and unsubscribing always outlasts it: nothing touches the stack after
 * the call. Calling on_reply where the reply is published was rejected, as two threads that ask and unsubscribe one
 * another's handlers could then not both be waited for.
 *
 * Invariant  an event put into the inbox is handed out or released; none is put into a closed one.
 * Locks      the inbox's is a leaf. */
#include "weft/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/deadline.h"
#include "core/dispatcher_private.h"

enum {
    TIMEOUT_DEFAULT_MS = 5000,
    INBOX_MAX = 1024, /* replies that wait for on_reply */
    RANDOM_BYTES = 16,
};

static bool absent(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* ---- the inbox ---- */

typedef struct letter {
    const weft_event *event; /* a reference */
    struct letter *next;
} letter;

typedef struct inbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived;      /* [lock] */
    letter *first;               /* [lock] */
    letter **end;                /* [lock] */
    uint32_t waiting;            /* [lock] letters in the list */
    uint32_t wanted;             /* [lock] letters it takes until it closes */
    bool closed;                 /* [lock] set once */
    weft_status failed;          /* [lock] why it was closed early */
    weft__ended_requests *ended; /* const after init; told when the inbox closes. NULL: nobody */
    const char *correlation_id;  /* const after init */
} inbox;

static weft_status inbox_init(inbox *b, uint32_t wanted)
{
    *b = (inbox){.wanted = wanted};
    b->end = &b->first;
    if (pthread_mutex_init(&b->lock, NULL) != 0)
        return WEFT_NO_MEMORY;
    if (weft__cond_init(&b->arrived) == 0)
        return WEFT_OK;
    pthread_mutex_destroy(&b->lock);
    return WEFT_NO_MEMORY;
}

static const weft_event *inbox_pop_locked(inbox *b)
{
    letter *l = b->first;
    if (l == NULL)
        return NULL;
    const weft_event *event = l->event;
    b->first = l->next;
    if (b->first == NULL)
        b->end = &b->first;
    b->waiting--;
    free(l);
    return event;
}

static void inbox_fini(inbox *b)
{
    const weft_event *event;
    while ((event = inbox_pop_locked(b)) != NULL)
        weft_event_release(event);
    pthread_cond_destroy(&b->arrived);
    pthread_mutex_destroy(&b->lock);
}

static void inbox_close_locked(inbox *b)
{
    if (!b->closed && b->ended != NULL)
        weft__ended_requests_add(b->ended, b->correlation_id);
    b->closed = true;
}

static weft_status inbox_fail_locked(inbox *b, weft_status status)
{
    b->failed = status;
    inbox_close_locked(b);
    pthread_cond_signal(&b->arrived);
    return status;
}

static weft_status inbox_put_locked(inbox *b, const weft_event *event)
{
    if (b->closed)
        return WEFT_OK;
    if (b->waiting == INBOX_MAX)
        return WEFT_FULL;
    letter *l = malloc(sizeof *l);
    const weft_event *kept = l != NULL ? weft_event_keep(event) : NULL;
    if (kept == NULL) {
        free(l);
        return inbox_fail_locked(b, WEFT_NO_MEMORY);
    }
    *l = (letter){.event = kept};
    *b->end = l;
    b->end = &l->next;
    b->waiting++;
    if (--b->wanted == 0)
        inbox_close_locked(b);
    pthread_cond_signal(&b->arrived);
    return WEFT_OK;
}

/* The subscription's handler. */
static weft_status inbox_put(const weft_event *event, void *user)
{
    inbox *b = user;
    pthread_mutex_lock(&b->lock);
    weft_status status = inbox_put_locked(b, event);
    pthread_mutex_unlock(&b->lock);
    return status;
}

/* Waits for the next event. Returns NULL once the inbox is closed, by the deadline too, and empty. */
static const weft_event *inbox_next(inbox *b, const struct timespec *deadline)
{
    pthread_mutex_lock(&b->lock);
    if (weft__deadline_passed(deadline))
        inbox_close_locked(b);
    while (b->first == NULL && !b->closed)
        if (!weft__cond_wait(&b->arrived, &b->lock, deadline))
            inbox_close_locked(b);
    const weft_event *event = inbox_pop_locked(b);
    pthread_mutex_unlock(&b->lock);
    return event;
}

/* Why inbox_next returned NULL. */
static weft_status inbox_verdict(const inbox *b)
{
    return b->failed != WEFT_OK ? b->failed : WEFT_TIMEOUT;
}

static void inbox_close(inbox *b)
{
    pthread_mutex_lock(&b->lock);
    inbox_close_locked(b);
    pthread_mutex_unlock(&b->lock);
}

/* ---- waiting ---- */

weft_status weft_wait_for(weft_dispatcher *d, const weft_filter *filter, uint32_t timeout_ms, const weft_event **ret)
{
    if (ret == NULL)
        return WEFT_INVALID;
    if (atomic_load(&d->state) != WEFT__RUNNING)
        return WEFT_STOPPED;
    inbox b;
    weft_subscription subscription;
    struct timespec deadline = weft__deadline_after(timeout_ms);
    weft_status status = inbox_init(&b, 1);
    if (status != WEFT_OK)
        return status;
    status = weft_subscribe_with(d, filter, &(weft_subscribe_opts){.name = "wait"}, inbox_put, &b, &subscription);
    if (status == WEFT_OK) {
        const weft_event *event = inbox_next(&b, &deadline);
        (void)weft_unsubscribe(d, subscription);
        if (event != NULL)
            *ret = event;
        else
            status = inbox_verdict(&b);
    }
    inbox_fini(&b);
    return status;
}

/* ---- requests ---- */

static weft_status random_id(char id[2 * RANDOM_BYTES + 1])
{
    unsigned char bytes[RANDOM_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return WEFT_IO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    return WEFT_OK;
}

typedef struct inquiry {
    weft_dispatcher *d;
    const weft_event *event; /* has a correlation_id */
    uint32_t topics;
    uint32_t replies_max;
    struct timespec deadline;
    weft_handler_fn on_reply;
    void *user;
    uint32_t replies; /* handed to on_reply so far */
} inquiry;

static weft_status replies_hand_out(inquiry *q, inbox *b)
{
    const weft_event *reply;
    while ((reply = inbox_next(b, &q->deadline)) != NULL) {
        weft_status verdict = q->on_reply(reply, q->user);
        weft_event_release(reply);
        if (++q->replies == q->replies_max || verdict != WEFT_OK)
            return WEFT_OK;
    }
    return inbox_verdict(b);
}

static weft_status inquiry_run(inquiry *q, inbox *b)
{
    weft_subscription subscription;
    weft_filter filter = {.topics = q->topics, .correlation_id = q->event->correlation_id};
    weft_status status =
        weft_subscribe_with(q->d, &filter, &(weft_subscribe_opts){.name = "request"}, inbox_put, b, &subscription);
    if (status != WEFT_OK)
        return status;
    weft__ended_requests_remove(&q->d->ended_requests, q->event->correlation_id);
    status = weft__publish_except(q->d, q->event, subscription, NULL);
    if (status == WEFT_OK) {
        status = replies_hand_out(q, b);
        inbox_close(b);
    }
    (void)weft_unsubscribe(q->d, subscription);
    return status;
}

static weft_status inquiry_ask(inquiry *q)
{
    inbox b;
    weft_status status = inbox_init(&b, q->replies_max);
    if (status != WEFT_OK)
        return status;
    b.ended = &q->d->ended_requests;
    b.correlation_id = q->event->correlation_id;
    status = inquiry_run(q, &b);
    inbox_fini(&b);
    return status;
}

weft_status weft_request_each(weft_dispatcher *d, const weft_event *request, const weft_request_opts *opts,
                              weft_handler_fn on_reply, void *user, uint32_t *ret_replies)
{
    static const weft_request_opts defaults = {0};
    if (opts == NULL)
        opts = &defaults;
    if (request == NULL || on_reply == NULL)
        return WEFT_INVALID;
    char id[2 * RANDOM_BYTES + 1];
    weft_event asked = *request;
    weft_status status = absent(request->correlation_id) ? random_id(id) : WEFT_OK;
    if (status != WEFT_OK)
        return status;
    if (absent(request->correlation_id))
        asked.correlation_id = id;
    inquiry q = {.d = d,
                 .event = &asked,
                 .topics = opts->topics != 0 ? opts->topics : (uint32_t)weft_event_topic(request),
                 .replies_max = opts->replies_max != 0 ? opts->replies_max : 1,
                 .deadline = weft__deadline_after(opts->timeout_ms != 0 ? opts->timeout_ms : TIMEOUT_DEFAULT_MS),
                 .on_reply = on_reply,
                 .user = user};
    status = inquiry_ask(&q);
    if (ret_replies != NULL)
        *ret_replies = q.replies;
    return status;
}

static weft_status reply_keep(const weft_event *reply, void *user)
{
    const weft_event **ret = user;
    *ret = weft_event_keep(reply);
    return WEFT_OK;
}

weft_status weft_request(weft_dispatcher *d, const weft_event *request, uint32_t timeout_ms, const weft_event **ret)
{
    if (ret == NULL)
        return WEFT_INVALID;
    return weft_request_each(d, request, &(weft_request_opts){.timeout_ms = timeout_ms}, reply_keep, ret, NULL);
}

/* ---- replies ---- */

/* "node/epoch/seq"; false if there is no id, or none that fits. */
static bool id_print(char *to, size_t bytes, const weft_event_id *id)
{
    if (absent(id->node))
        return false;
    int length = snprintf(to, bytes, "%s/%" PRIu64 "/%" PRIu64, id->node, id->epoch, id->seq);
    return length > 0 && (size_t)length < bytes;
}

weft_status weft_reply(weft_dispatcher *d, const weft_event *request, const weft_event *reply)
{
    if (request == NULL || reply == NULL || absent(request->correlation_id))
        return WEFT_INVALID;
    char cause[WEFT_ID_MAX_BYTES + 1];
    weft_event answer = *reply;
    answer.correlation_id = request->correlation_id;
    if (absent(answer.session_id))
        answer.session_id = request->session_id;
    if (absent(answer.execution_id))
        answer.execution_id = request->execution_id;
    if (id_print(cause, sizeof cause, &request->id))
        answer.causation_id = cause;
    return weft_publish(d, &answer);
}
