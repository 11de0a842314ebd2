/* bridge/intake.c: bounded by bytes; the copy of an event is made before the lock is taken, its seq is written into
 * that copy under the lock, before anybody else can see it.
 *
 * Only single events without a mark, of topics whose policy says so, can be dropped: the writers of groups are told
 * "written" by receipt, and must be able to believe it. Those that can stand in one list a priority beside the queue,
 * so that choosing one costs nothing. */
#include "bridge/intake.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_MS = 1000 };

void weft__intake_init(weft__intake *intake, const char *node, uint64_t epoch, size_t max_bytes, weft__signal *signal)
{
    *intake = (weft__intake){.node = node, .epoch = epoch, .max_bytes = max_bytes, .signal = signal};
    pthread_mutex_init(&intake->mutex, NULL);
    weft__cond_init(&intake->room);
}

void weft__intake_set_policies(weft__intake *intake, const weft_backpressure *policies, size_t count, bool patient)
{
    intake->patient = patient;
    for (size_t i = count; i > 0; i--) /* the first that names a topic counts */
        for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
            if (policies[i - 1].topics == 0 || (policies[i - 1].topics & (uint32_t)weft_topic_from_number(number)) != 0)
                intake->policies[number] = policies[i - 1];
}

void weft__intake_fini(weft__intake *intake)
{
    for (weft__group *group = intake->head, *next; group != NULL; group = next) {
        next = group->next;
        weft__group_free(intake, group);
    }
    pthread_cond_destroy(&intake->room);
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
    size_t links = count > 1 ? count * sizeof(weft__stream_link) : 0;
    size_t array = count > 1 ? count * sizeof(weft_event *) : 0;
    size_t feed = mark != NULL ? strlen(mark->feed) : 0;
    size_t state = mark != NULL && mark->state != NULL ? mark->state_bytes : 0;
    weft__group *group = calloc(1, sizeof *group + links + array + feed + state + 2);
    if (group == NULL)
        return NULL;
    char *at = (char *)(group + 1);
    group->links = count > 1 ? (weft__stream_link *)(void *)at : &group->single_link;
    at += links;
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

/* ---- the queue ---- */

static void group_queue_locked(weft__intake *intake, weft__group *group)
{
    group->prev = intake->tail;
    *(intake->tail != NULL ? &intake->tail->next : &intake->head) = group;
    intake->tail = group;
    if (!group->droppable)
        return;
    weft_priority priority = weft_event_priority(group->single);
    group->drop_prev = intake->droppable[priority].newest;
    *(group->drop_prev != NULL ? &group->drop_prev->drop_next : &intake->droppable[priority].oldest) = group;
    intake->droppable[priority].newest = group;
    intake->droppable[priority].bytes += group_bytes(group);
}

/* Takes a group out of the list of those that can be dropped. */
static void group_settle_locked(weft__intake *intake, weft__group *group)
{
    if (!group->droppable)
        return;
    weft_priority priority = weft_event_priority(group->single);
    *(group->drop_prev != NULL ? &group->drop_prev->drop_next : &intake->droppable[priority].oldest) = group->drop_next;
    *(group->drop_next != NULL ? &group->drop_next->drop_prev : &intake->droppable[priority].newest) = group->drop_prev;
    intake->droppable[priority].bytes -= group_bytes(group);
    group->droppable = false;
}

static void group_unqueue_locked(weft__intake *intake, weft__group *group)
{
    group_settle_locked(intake, group);
    *(group->prev != NULL ? &group->prev->next : &intake->head) = group->next;
    *(group->next != NULL ? &group->next->prev : &intake->tail) = group->prev;
}

weft__group *weft__intake_take(weft__intake *intake, size_t max_events)
{
    pthread_mutex_lock(&intake->mutex);
    weft__group *first = intake->head, *last = NULL, *rest = first;
    size_t events = 0;
    while (rest != NULL && (events == 0 || events + rest->count <= max_events)) {
        events += rest->count;
        group_settle_locked(intake, rest);
        last = rest;
        rest = rest->next;
    }
    if (last != NULL)
        last->next = NULL;
    intake->head = rest;
    if (rest == NULL)
        intake->tail = NULL;
    else
        rest->prev = NULL;
    pthread_mutex_unlock(&intake->mutex);
    return first;
}

/* ---- the bound ---- */

static weft_status refusal_locked(const weft__intake *intake, weft_event *const *events, size_t count)
{
    if (intake->closed != WEFT_OK)
        return intake->closed;
    for (size_t i = 0; i < count && intake->failing != WEFT_OK; i++)
        if ((intake->spared & (uint32_t)weft_event_topic(events[i])) == 0)
            return intake->failing;
    return count == 0 && intake->spared == 0 ? intake->failing : WEFT_OK; /* a mark alone */
}

static bool has_room_locked(const weft__intake *intake, size_t bytes)
{
    return intake->bytes == 0 || intake->bytes + bytes <= intake->max_bytes;
}

/* Moves the oldest of the lowest priority, up to that of the newcomer, from the queue to *dropped, until there is room.
 * Nothing, if all of them would not do. */
static void room_make_locked(weft__intake *intake, weft_priority up_to, size_t bytes, weft__group **dropped)
{
    size_t at_hand = 0;
    for (int p = WEFT_PRIORITY_LOW; p <= (int)up_to; p++)
        at_hand += intake->droppable[p].bytes;
    if (intake->bytes - at_hand + bytes > intake->max_bytes)
        return;
    for (int p = WEFT_PRIORITY_LOW; p <= (int)up_to && !has_room_locked(intake, bytes); p++)
        while (intake->droppable[p].oldest != NULL && !has_room_locked(intake, bytes)) {
            weft__group *victim = intake->droppable[p].oldest;
            group_unqueue_locked(intake, victim);
            intake->bytes -= group_bytes(victim);
            intake->dropped += victim->count;
            if (victim->single->id.epoch == intake->epoch)
                intake->drops[weft_topic_number(weft_event_topic(victim->single))]++;
            victim->next = *dropped;
            *dropped = victim;
        }
}

static void room_await_locked(weft__intake *intake, uint32_t block_ms, size_t bytes)
{
    int64_t deadline = weft__mono_ns() + (int64_t)(block_ms != 0 ? block_ms : BLOCK_MS) * 1000000;
    bool in_time = true;
    intake->waiting++;
    while (in_time && intake->patient && intake->closed == WEFT_OK && intake->failing == WEFT_OK &&
           !has_room_locked(intake, bytes))
        in_time = weft__cond_wait_until(&intake->room, &intake->mutex, deadline);
    intake->waiting--;
}

/* ---- put ---- */

static void group_stamp_locked(weft__intake *intake, weft__group *group, weft_event *const *events)
{
    for (size_t i = 0; i < group->count; i++) {
        weft_event *own = (weft_event *)group->events[i];
        unsigned number = weft_topic_number(weft_event_topic(own));
        group->links[i] = (weft__stream_link){intake->last_seqs[number], ++intake->events[number]};
        own->id.epoch = events[i]->id.epoch = intake->epoch;
        own->id.seq = events[i]->id.seq = intake->last_seqs[number] = ++intake->seq;
    }
    group->receipt = ++intake->receipt;
    group_queue_locked(intake, group);
}

static weft_status group_make(const weft__intake *intake, weft_event *const *events, size_t count,
                              const weft_feed_mark *mark, weft__group **ret)
{
    weft__group *group = group_create(count, mark);
    if (group == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = group_fill(group, intake, events, count);
    if (st == WEFT_OK)
        *ret = group;
    else
        group_release(group);
    return st;
}

/* The rest of a put once there is room, or none to be had. */
static weft_status group_put_locked(weft__intake *intake, weft__group *group, weft_event *const *events, size_t bytes)
{
    weft_status st = refusal_locked(intake, events, group->count);
    if (st == WEFT_OK && !has_room_locked(intake, bytes))
        st = WEFT_FULL;
    if (st != WEFT_OK) {
        intake->refused += group->count;
        return st;
    }
    intake->bytes += bytes;
    group_stamp_locked(intake, group, events);
    return WEFT_OK;
}

weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt)
{
    weft__group *group;
    weft_status st = group_make(intake, events, count, mark, &group);
    if (st != WEFT_OK)
        return st;
    size_t bytes = group_bytes(group);
    pthread_mutex_lock(&intake->mutex);
    st = group_put_locked(intake, group, events, bytes);
    if (st == WEFT_OK && ret_receipt != NULL)
        *ret_receipt = group->receipt;
    pthread_mutex_unlock(&intake->mutex);
    if (st == WEFT_OK)
        weft__signal_raise(intake->signal);
    else
        group_release(group);
    return st;
}

static void groups_release(weft__group *groups)
{
    for (weft__group *next; groups != NULL; groups = next) {
        next = groups->next;
        group_release(groups);
    }
}

weft_status weft__intake_put_event(weft__intake *intake, weft_event *event)
{
    weft__group *group, *dropped = NULL;
    const weft_backpressure *policy = &intake->policies[weft_topic_number(weft_event_topic(event))];
    weft_status st = group_make(intake, &event, 1, NULL, &group);
    if (st != WEFT_OK)
        return st;
    group->droppable = policy->when_full == WEFT_WHEN_FULL_DROP_OLDEST;
    size_t bytes = group_bytes(group);
    pthread_mutex_lock(&intake->mutex);
    if (refusal_locked(intake, &event, 1) == WEFT_OK && !has_room_locked(intake, bytes)) {
        if (group->droppable)
            room_make_locked(intake, weft_event_priority(group->single), bytes, &dropped);
        else if (policy->when_full == WEFT_WHEN_FULL_BLOCK)
            room_await_locked(intake, policy->block_ms, bytes);
    }
    st = group_put_locked(intake, group, &event, bytes);
    pthread_mutex_unlock(&intake->mutex);
    groups_release(dropped);
    if (st == WEFT_OK)
        weft__signal_raise(intake->signal);
    else
        group_release(group);
    return st;
}

void weft__intake_hurry(weft__intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    intake->patient = false;
    pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
}

void weft__group_free(weft__intake *intake, weft__group *group)
{
    size_t bytes = group_bytes(group);
    pthread_mutex_lock(&intake->mutex);
    intake->bytes -= bytes;
    if (intake->waiting > 0)
        pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
    group_release(group);
}

void weft__intake_fail(weft__intake *intake, weft_status status, uint32_t spared)
{
    pthread_mutex_lock(&intake->mutex);
    intake->failing = status;
    intake->spared = spared;
    pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
}

void weft__intake_close(weft__intake *intake, weft_status status)
{
    pthread_mutex_lock(&intake->mutex);
    if (intake->closed == WEFT_OK)
        intake->closed = status;
    pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
}

void weft__intake_begin_epoch(weft__intake *intake, uint64_t epoch)
{
    pthread_mutex_lock(&intake->mutex);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        intake->events_before += intake->events[i];
        intake->events[i] = intake->drops[i] = 0;
    }
    intake->epoch = epoch;
    intake->seq = 0;
    memset(intake->last_seqs, 0, sizeof intake->last_seqs);
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
    *ret = (weft__published){
        .epoch = intake->epoch, .all = intake->events_before, .refused = intake->refused, .dropped = intake->dropped};
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        ret->all += ret->events[i] = intake->events[i];
    memcpy(ret->drops, intake->drops, sizeof ret->drops);
    pthread_mutex_unlock(&intake->mutex);
}

uint64_t weft__intake_dropped(weft__intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    uint64_t dropped = intake->dropped;
    pthread_mutex_unlock(&intake->mutex);
    return dropped;
}
