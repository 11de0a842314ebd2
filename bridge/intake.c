/* bridge/intake.c: bounded by bytes. An event is encoded under the lock, straight into the open draft of its stream:
 * its seq is known there, and nobody has to copy it, hand it to another thread and free it there again.
 *
 * How many bytes an event takes shows when it is written; what turns out to be too much is cut off again. So is what a
 * group had brought when one of its events is refused.
 *
 * Only single events without a mark, of topics whose policy says so, can be dropped: the writers of groups are told
 * "written" by receipt, and must be able to believe it. Those that can stand in one queue a priority as well, so that
 * choosing one costs nothing. */
#include "bridge/intake.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MS = 1000,
    COMMIT_BYTES = 512 * 1024,
    MESSAGE_EXTRA_BYTES = 256, /* of a message beside its events: node, epoch, what was lost, checksum */
    DROPPABLE_BYTES = 96,      /* what it takes to know where an event stands that may be dropped */
};

struct weft__victim {
    weft__commit *commit;
    weft__draft *draft;
    uint64_t seq;
    size_t bytes;
};

void weft__intake_init(weft__intake *intake, const char *node, uint64_t epoch, size_t max_bytes, weft__signal *signal)
{
    *intake = (weft__intake){.node = node,
                             .epoch = epoch,
                             .max_bytes = max_bytes,
                             .batch_bytes = WEFT__BATCH_TARGET_BYTES,
                             .signal = signal};
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

void weft__intake_limit_messages(weft__intake *intake, size_t max_bytes)
{
    size_t room = max_bytes > MESSAGE_EXTRA_BYTES ? max_bytes - MESSAGE_EXTRA_BYTES : 1;
    pthread_mutex_lock(&intake->mutex);
    intake->batch_bytes = room < WEFT__BATCH_TARGET_BYTES ? room : WEFT__BATCH_TARGET_BYTES;
    pthread_mutex_unlock(&intake->mutex);
}

void weft__intake_fini(weft__intake *intake)
{
    for (weft__commit *commit = intake->oldest, *next; commit != NULL; commit = next) {
        next = commit->next;
        weft__commit_destroy(commit);
    }
    for (size_t i = 0; i < WEFT__PRIORITIES; i++)
        free(intake->victims[i].ring);
    pthread_cond_destroy(&intake->room);
    pthread_mutex_destroy(&intake->mutex);
}

static bool drops_oldest(const weft__intake *intake, unsigned number)
{
    return intake->policies[number].when_full == WEFT_WHEN_FULL_DROP_OLDEST;
}

static void bytes_add_locked(weft__intake *intake, weft__commit *commit, size_t bytes)
{
    intake->bytes += bytes;
    commit->bytes += bytes;
}

/* ---- what may be dropped ---- */

static bool victims_room(weft__victims *v)
{
    if (v->count < v->capacity)
        return true;
    size_t capacity = v->capacity == 0 ? 64 : 2 * v->capacity;
    weft__victim *ring = malloc(capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < v->count; i++)
        ring[i] = v->ring[(v->first + i) % v->capacity];
    free(v->ring);
    v->ring = ring;
    v->first = 0;
    v->capacity = capacity;
    return true;
}

static void victims_push(weft__victims *v, const weft__victim *victim)
{
    v->ring[(v->first + v->count++) % v->capacity] = *victim;
    v->bytes += victim->bytes;
}

static weft__victim victims_pop(weft__victims *v)
{
    weft__victim victim = v->ring[v->first];
    v->first = (v->first + 1) % v->capacity;
    v->count--;
    v->bytes -= victim.bytes;
    return victim;
}

/* What is in a commit that is taken stays. */
static void victims_forget_locked(weft__intake *intake, const weft__commit *commit)
{
    for (size_t i = 0; i < WEFT__PRIORITIES; i++) {
        weft__victims *v = &intake->victims[i];
        while (v->count > 0 && v->ring[v->first].commit == commit)
            (void)victims_pop(v);
    }
}

/* ---- commits ---- */

/* The commit that the next event goes into. */
static weft__commit *commit_need_locked(weft__intake *intake)
{
    if (intake->newest != NULL && intake->newest->bytes < COMMIT_BYTES)
        return intake->newest;
    weft__commit *commit = weft__commit_create();
    if (commit == NULL)
        return NULL;
    *(intake->newest != NULL ? &intake->newest->next : &intake->oldest) = commit;
    intake->newest = commit;
    memset(intake->open, 0, sizeof intake->open);
    return commit;
}

/* Not if all it held was dropped: somebody may wait for its receipt. */
static bool is_unused(const weft__commit *commit)
{
    return commit->receipt == 0;
}

weft__commit *weft__intake_take(weft__intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    weft__commit *commit = intake->oldest;
    if (commit != NULL && is_unused(commit)) {
        commit = NULL;
    } else if (commit != NULL) {
        victims_forget_locked(intake, commit);
        intake->oldest = commit->next;
        commit->next = NULL;
    }
    if (intake->oldest == NULL) {
        intake->newest = NULL;
        memset(intake->open, 0, sizeof intake->open);
    }
    pthread_mutex_unlock(&intake->mutex);
    return commit;
}

void weft__commit_free(weft__intake *intake, weft__commit *commit)
{
    pthread_mutex_lock(&intake->mutex);
    intake->bytes -= commit->bytes;
    if (intake->waiting > 0)
        pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
    weft__commit_destroy(commit);
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

static void victim_drop_locked(weft__intake *intake, const weft__victim *victim)
{
    weft__draft *draft = victim->draft;
    unsigned number = weft_topic_number(draft->row.topic);
    if (weft__draft_drop(draft, victim->seq) == 0)
        return;
    if (draft->row.epoch == intake->epoch)
        intake->drops[number]++;
    victim->commit->events--;
    victim->commit->bytes -= victim->bytes;
    intake->bytes -= victim->bytes;
    intake->dropped++;
    if (draft->row.event_count > 0)
        return;
    if (intake->open[number] == draft)
        intake->open[number] = NULL;
    weft__commit_remove(victim->commit, draft);
}

/* Drops the oldest of the lowest priority, up to that of the newcomer, until there is room. Nothing, if all of them
 * would not do. */
static void room_make_locked(weft__intake *intake, weft_priority up_to, size_t bytes)
{
    size_t at_hand = 0;
    for (int p = WEFT_PRIORITY_LOW; p <= (int)up_to; p++)
        at_hand += intake->victims[p].bytes;
    if (intake->bytes - at_hand + bytes > intake->max_bytes)
        return;
    for (int p = WEFT_PRIORITY_LOW; p <= (int)up_to; p++)
        while (intake->victims[p].count > 0 && !has_room_locked(intake, bytes)) {
            weft__victim victim = victims_pop(&intake->victims[p]);
            victim_drop_locked(intake, &victim);
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

/* ---- taking events back ---- */

/* A stream as it was before the group. */
typedef struct lane_state {
    weft__draft *open;
    weft__draft_state draft; /* of open */
    uint64_t last_seq, events;
} lane_state;

typedef struct undo {
    weft__commit *commit;
    weft__draft *last; /* of the commit */
    size_t events, bytes;
    uint64_t seq;
    uint32_t touched; /* streams, a bit by number */
    lane_state lanes[WEFT_TOPIC_MAX];
} undo;

static void undo_begin_locked(undo *u, const weft__intake *intake, weft__commit *commit)
{
    u->commit = commit;
    u->last = commit->last;
    u->events = commit->events;
    u->bytes = commit->bytes;
    u->seq = intake->seq;
    u->touched = 0;
}

static void undo_note_locked(undo *u, const weft__intake *intake, unsigned number)
{
    if ((u->touched & 1u << number) != 0)
        return;
    lane_state *lane = &u->lanes[number];
    u->touched |= 1u << number;
    lane->open = intake->open[number];
    lane->last_seq = intake->last_seqs[number];
    lane->events = intake->events[number];
    if (lane->open != NULL)
        weft__draft_save(lane->open, &lane->draft);
}

static void undo_run_locked(undo *u, weft__intake *intake)
{
    for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++) {
        if ((u->touched & 1u << number) == 0)
            continue;
        const lane_state *lane = &u->lanes[number];
        intake->open[number] = lane->open;
        intake->last_seqs[number] = lane->last_seq;
        intake->events[number] = lane->events;
        if (lane->open != NULL)
            weft__draft_cut(lane->open, &lane->draft);
    }
    while (u->commit->last != u->last)
        weft__commit_remove(u->commit, u->commit->last);
    intake->seq = u->seq;
    intake->bytes -= u->commit->bytes - u->bytes;
    u->commit->bytes = u->bytes;
    u->commit->events = u->events;
}

/* ---- put ---- */

/* Encodes an event into the draft of its stream, or the next one of it. */
static weft_status event_write_locked(weft__intake *intake, weft__commit *commit, weft_event *event, unsigned number,
                                      size_t *ret_bytes)
{
    weft__stream_link link = {intake->last_seqs[number], intake->events[number] + 1};
    event->id = (weft_event_id){.node = intake->node, .epoch = intake->epoch, .seq = intake->seq + 1};
    weft_status st = WEFT_FULL;
    if (intake->open[number] != NULL)
        st = weft__draft_add(intake->open[number], event, &link, ret_bytes);
    if (st != WEFT_FULL)
        return st;
    weft__draft *draft = weft__commit_draft(commit, intake->batch_bytes, drops_oldest(intake, number));
    if (draft == NULL)
        return WEFT_NO_MEMORY;
    intake->open[number] = draft;
    return weft__draft_add(draft, event, &link, ret_bytes);
}

static weft_status event_put_locked(weft__intake *intake, weft__commit *commit, weft_event *event, size_t *ret_bytes)
{
    unsigned number = weft_topic_number(weft_event_topic(event));
    weft_status st = event_write_locked(intake, commit, event, number, ret_bytes);
    if (st != WEFT_OK)
        return st;
    *ret_bytes += drops_oldest(intake, number) ? DROPPABLE_BYTES : 0;
    intake->last_seqs[number] = ++intake->seq;
    intake->events[number]++;
    bytes_add_locked(intake, commit, *ret_bytes);
    commit->events++;
    return WEFT_OK;
}

typedef struct offer {
    weft_event *const *events;
    size_t count;
    const weft_feed_mark *mark;
    size_t bytes;   /* how many it takes, once tried */
    bool droppable; /* the one event */
    bool wakes;     /* it is the first of its commit */
} offer;

static weft_status events_put_locked(weft__intake *intake, weft__commit *commit, offer *o, undo *u)
{
    weft_status st = WEFT_OK;
    o->bytes = 0;
    for (size_t i = 0, bytes = 0; st == WEFT_OK && i < o->count; i++, o->bytes += bytes) {
        undo_note_locked(u, intake, weft_topic_number(weft_event_topic(o->events[i])));
        st = event_put_locked(intake, commit, o->events[i], &bytes);
    }
    if (st == WEFT_OK && o->mark != NULL && o->mark->state != NULL)
        bytes_add_locked(intake, commit, o->mark->state_bytes);
    return st;
}

static void droppable_note_locked(weft__intake *intake, weft__commit *commit, const offer *o)
{
    const weft_event *event = o->events[0];
    weft__victim victim = {commit, intake->open[weft_topic_number(weft_event_topic(event))], event->id.seq, o->bytes};
    victims_push(&intake->victims[weft_event_priority(event)], &victim);
}

/* Takes the offer as a whole, or not at all. FULL: there is no room for o->bytes. */
static weft_status offer_take_locked(weft__intake *intake, offer *o)
{
    undo u;
    size_t before = intake->bytes;
    weft_status st = refusal_locked(intake, o->events, o->count);
    weft__commit *commit = st == WEFT_OK ? commit_need_locked(intake) : NULL;
    if (st == WEFT_OK && commit == NULL)
        st = WEFT_NO_MEMORY;
    if (st == WEFT_OK && o->droppable && !victims_room(&intake->victims[weft_event_priority(o->events[0])]))
        st = WEFT_NO_MEMORY;
    if (st != WEFT_OK)
        return st;
    undo_begin_locked(&u, intake, commit);
    st = events_put_locked(intake, commit, o, &u);
    if (st == WEFT_OK && before > 0 && intake->bytes > intake->max_bytes)
        st = WEFT_FULL;
    if (st == WEFT_OK && o->mark != NULL)
        st = weft__commit_mark(commit, o->mark);
    if (st != WEFT_OK) {
        undo_run_locked(&u, intake);
        return st;
    }
    if (o->droppable)
        droppable_note_locked(intake, commit, o);
    o->wakes = is_unused(commit);
    commit->receipt = ++intake->receipt;
    return WEFT_OK;
}

static void offer_end_locked(weft__intake *intake, const offer *o, weft_status st)
{
    bool at_fault = st == WEFT_TOO_LARGE || st == WEFT_INVALID || st == WEFT_NO_MEMORY;
    if (st != WEFT_OK && !at_fault)
        intake->refused += o->count;
    pthread_mutex_unlock(&intake->mutex);
    if (st == WEFT_OK && o->wakes)
        weft__signal_raise(intake->signal);
}

weft_status weft__intake_put(weft__intake *intake, weft_event *const *events, size_t count, const weft_feed_mark *mark,
                             uint64_t *ret_receipt)
{
    offer o = {.events = events, .count = count, .mark = mark};
    pthread_mutex_lock(&intake->mutex);
    weft_status st = offer_take_locked(intake, &o);
    if (st == WEFT_OK && ret_receipt != NULL)
        *ret_receipt = intake->receipt;
    offer_end_locked(intake, &o, st);
    return st;
}

/* Tries again once there is room, or none to be had. */
static weft_status full_handle_locked(weft__intake *intake, offer *o)
{
    const weft_event *event = o->events[0];
    const weft_backpressure *policy = &intake->policies[weft_topic_number(weft_event_topic(event))];
    if (policy->when_full == WEFT_WHEN_FULL_REFUSE)
        return WEFT_FULL;
    if (o->droppable)
        room_make_locked(intake, weft_event_priority(event), o->bytes);
    else
        room_await_locked(intake, policy->block_ms, o->bytes);
    return offer_take_locked(intake, o);
}

weft_status weft__intake_put_event(weft__intake *intake, weft_event *event)
{
    unsigned number = weft_topic_number(weft_event_topic(event));
    offer o = {.events = &event, .count = 1, .droppable = drops_oldest(intake, number)};
    pthread_mutex_lock(&intake->mutex);
    weft_status st = offer_take_locked(intake, &o);
    if (st == WEFT_FULL)
        st = full_handle_locked(intake, &o);
    offer_end_locked(intake, &o, st);
    return st;
}

void weft__intake_hurry(weft__intake *intake)
{
    pthread_mutex_lock(&intake->mutex);
    intake->patient = false;
    pthread_cond_broadcast(&intake->room);
    pthread_mutex_unlock(&intake->mutex);
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

void weft__intake_number(weft__intake *intake, weft_topic topic, uint64_t count, weft__numbers *ret)
{
    unsigned number = weft_topic_number(topic);
    pthread_mutex_lock(&intake->mutex);
    *ret = (weft__numbers){.epoch = intake->epoch, .prev_seq = intake->last_seqs[number], .first_seq = intake->seq + 1};
    intake->last_seqs[number] = intake->seq += count;
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
