/* bridge/intake.c: bounded by bytes; the copy of an event is made before the lock is taken, its seq is written into
 * that copy under the lock, before anybody else can see it. */
#include "bridge/intake.h"

#include <stdlib.h>
#include <string.h>

void weft__intake_init(weft__intake *intake, const char *node, uint64_t epoch, size_t max_bytes, weft__signal *signal)
{
    *intake = (weft__intake){.node = node, .epoch = epoch, .max_bytes = max_bytes, .signal = signal};
    intake->tail = &intake->head;
    pthread_mutex_init(&intake->mutex, NULL);
}

void weft__intake_fini(weft__intake *intake)
{
    for (weft__group *group = intake->head, *next; group != NULL; group = next) {
        next = group->next;
        weft__group_free(intake, group);
    }
    pthread_mutex_destroy(&intake->mutex);
}

static size_t group_bytes(const weft__group *group)
{
    size_t bytes = sizeof *group;
    for (size_t i = 0; i < group->count; i++)
        bytes += weft_event_kept_bytes(group->events[i]);
    return bytes;
}

static void group_release(weft__group *group)
{
    for (size_t i = 0; i < group->count; i++)
        weft_event_release(group->events[i]);
    free(group);
}

static char *text_place(char **at, const char *text, size_t length)
{
    char *start = *at;
    memcpy(start, text, length);
    start[length] = '\0';
    *at += length + 1;
    return start;
}

static weft__group *group_create(size_t count, const weft_feed_mark *mark)
{
    size_t array = count > 1 ? count * sizeof(weft_event *) : 0;
    size_t feed = mark != NULL ? strlen(mark->feed) : 0;
    size_t state = mark != NULL && mark->state != NULL ? mark->state_bytes : 0;
    weft__group *group = calloc(1, sizeof *group + array + feed + state + 2);
    if (group == NULL)
        return NULL;
    char *at = (char *)(group + 1);
    group->events = count > 1 ? (const weft_event **)(void *)at : &group->single;
    at += array;
    if (mark != NULL) {
        group->has_mark = true;
        group->mark.line = mark->line;
        group->mark.feed = text_place(&at, mark->feed, feed);
        if (mark->state != NULL) {
            group->mark.state = text_place(&at, mark->state, state);
            group->mark.state_bytes = state;
        }
    }
    return group;
}

/* An encoded event is at most an eighth larger than its strings, which the kept copy holds too. */
static bool event_too_large(const weft_event *kept)
{
    size_t kept_bytes = weft_event_kept_bytes(kept);
    return kept_bytes + kept_bytes / 8 > WEFT_EVENT_MAX_BYTES && weft_event_encoded_bytes(kept) > WEFT_EVENT_MAX_BYTES;
}

static weft_status group_fill(weft__group *group, const weft__intake *intake, weft_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        events[i]->id = (weft_event_id){.node = intake->node, .epoch = 1, .seq = 1};
        const weft_event *kept = weft_event_keep(events[i]);
        if (kept == NULL)
            return WEFT_NO_MEMORY;
        group->events[group->count++] = kept;
        if (event_too_large(kept))
            return WEFT_TOO_LARGE;
    }
    return WEFT_OK;
}

static void group_stamp_locked(weft__intake *intake, weft__group *group, weft_event *const *events)
{
    for (size_t i = 0; i < group->count; i++) {
        weft_event *own = (weft_event *)group->events[i];
        own->id.epoch = events[i]->id.epoch = intake->epoch;
        own->id.seq = events[i]->id.seq = ++intake->seq;
        intake->events[weft_topic_number(weft_event_topic(own))]++;
    }
    group->receipt = ++intake->receipt;
    *intake->tail = group;
    intake->tail = &group->next;
}

weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt)
{
    weft__group *group = group_create(count, mark);
    if (group == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = group_fill(group, intake, events, count);
    if (st != WEFT_OK) {
        group_release(group);
        return st;
    }
    size_t bytes = group_bytes(group);
    pthread_mutex_lock(&intake->mutex);
    if (intake->closed != WEFT_OK || intake->failing != WEFT_OK)
        st = intake->closed != WEFT_OK ? intake->closed : intake->failing;
    else if (intake->bytes > 0 && intake->bytes + bytes > intake->max_bytes)
        st = WEFT_FULL;
    if (st == WEFT_OK) {
        intake->bytes += bytes;
        group_stamp_locked(intake, group, events);
        if (ret_receipt != NULL)
            *ret_receipt = group->receipt;
    } else {
        intake->refused += count;
    }
    pthread_mutex_unlock(&intake->mutex);
    if (st == WEFT_OK)
        weft__signal_raise(intake->signal);
    else
        group_release(group);
    return st;
}

weft__group *weft__intake_take(weft__intake *intake, size_t max_events)
{
    pthread_mutex_lock(&intake->mutex);
    weft__group *first = intake->head;
    weft__group **end = &intake->head;
    size_t events = 0;
    while (*end != NULL && (events == 0 || events + (*end)->count <= max_events)) {
        events += (*end)->count;
        end = &(*end)->next;
    }
    weft__group *rest = *end;
    *end = NULL;
    intake->head = rest;
    if (rest == NULL)
        intake->tail = &intake->head;
    pthread_mutex_unlock(&intake->mutex);
    return first;
}

void weft__group_free(weft__intake *intake, weft__group *group)
{
    size_t bytes = group_bytes(group);
    pthread_mutex_lock(&intake->mutex);
    intake->bytes -= bytes;
    pthread_mutex_unlock(&intake->mutex);
    group_release(group);
}

void weft__intake_fail(weft__intake *intake, weft_status status)
{
    pthread_mutex_lock(&intake->mutex);
    intake->failing = status;
    pthread_mutex_unlock(&intake->mutex);
}

void weft__intake_close(weft__intake *intake, weft_status status)
{
    pthread_mutex_lock(&intake->mutex);
    if (intake->closed == WEFT_OK)
        intake->closed = status;
    pthread_mutex_unlock(&intake->mutex);
}

void weft__intake_begin_epoch(weft__intake *intake, uint64_t epoch)
{
    pthread_mutex_lock(&intake->mutex);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        intake->events_before += intake->events[i];
        intake->events[i] = 0;
    }
    intake->epoch = epoch;
    intake->seq = 0;
    pthread_mutex_unlock(&intake->mutex);
}

uint64_t weft__intake_receipt(weft__intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    uint64_t receipt = intake->receipt;
    pthread_mutex_unlock(&intake->mutex);
    return receipt;
}

void weft__intake_published(weft__intake *intake, weft__published *ret)
{
    pthread_mutex_lock(&intake->mutex);
    *ret = (weft__published){.epoch = intake->epoch, .all = intake->events_before, .refused = intake->refused};
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        ret->all += ret->events[i] = intake->events[i];
    pthread_mutex_unlock(&intake->mutex);
}
