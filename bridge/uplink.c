/* bridge/uplink.c: a lane a topic.
 *
 * Row states   queued → in flight → acknowledged (freed); in flight → queued when the connection is lost.
 * Invariant    within a lane, ids rise from the oldest flight to the youngest queued row. */
#include "bridge/uplink.h"

#include "bridge/draft.h"
#include "bridge/split.h"

#include <stdlib.h>
#include <string.h>

enum { ACKNOWLEDGED_MAX = 4 * WEFT_TOPIC_MAX };

typedef struct row {
    struct row *next;
    weft__journal_row meta; /* bytes are the row's own */
    bool sent_before;
} row;

typedef struct weft__flight {
    struct weft__flight *next;
    row *rows; /* in order */
    row *last;
    uint8_t *merged; /* the message, if it is of more than one row */
    size_t length;   /* of the message */
    int token;
    bool acknowledged;
    unsigned lane;
    uint32_t event_count;
} flight;

typedef struct lane {
    row *queued;
    row *queued_last;
    flight *flights; /* oldest first */
    flight *flights_last;
    uint32_t waiting[WEFT_PRIORITY_CRITICAL + 1]; /* queued rows by priority */
    uint64_t sent_epoch, sent_seq;
    bool refused; /* the broker denies its topic: nothing is sent until the retry */
} lane;

struct weft__uplink {
    pthread_mutex_t mutex;
    lane lanes[WEFT_TOPIC_MAX]; /* [mutex], all below too */
    size_t bytes;
    size_t max_bytes;  /* const after create */
    bool spilled;      /* the journal holds unacknowledged rows that are not here */
    int64_t last_id;   /* newest row here */
    int64_t newest_id; /* newest row written */
    size_t flight_count;
    flight *composed;                              /* between next and sent or unsend: neither queued nor in flight */
    weft__position acknowledged[ACKNOWLEDGED_MAX]; /* moved since the last take; the newest of a stream stands last */
    size_t acknowledged_count;
    uint64_t sent_messages;
    weft__ledger *ledger; /* const after create */
};

weft_status weft__uplink_create(size_t max_bytes, weft__ledger *ledger, weft__uplink **ret)
{
    weft__uplink *u = calloc(1, sizeof *u);
    if (u == NULL)
        return WEFT_NO_MEMORY;
    pthread_mutex_init(&u->mutex, NULL);
    u->max_bytes = max_bytes;
    u->ledger = ledger;
    u->spilled = true;
    *ret = u;
    return WEFT_OK;
}

static void row_free(weft__uplink *u, row *r)
{
    u->bytes -= r->meta.length;
    free((void *)r->meta.bytes);
    free(r);
}

static void flight_free(weft__uplink *u, flight *f)
{
    for (row *r = f->rows, *next; r != NULL; r = next) {
        next = r->next;
        row_free(u, r);
    }
    free(f->merged);
    free(f);
}

static void row_book(weft__uplink *u, const weft__journal_row *meta, weft__ledger_column column)
{
    weft__ledger_add(u->ledger, meta->epoch, meta->topic, column, meta->event_count);
}

static void row_lose(weft__uplink *u, const weft__journal_row *meta, weft_lost_reason reason)
{
    weft__ledger_lose(u->ledger, meta->epoch, meta->topic, reason, meta->event_count);
}

void weft__uplink_destroy(weft__uplink *u)
{
    if (u == NULL)
        return;
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        lane *l = &u->lanes[i];
        for (flight *f = l->flights, *next; f != NULL; f = next) {
            next = f->next;
            flight_free(u, f);
        }
        for (row *r = l->queued, *next; r != NULL; r = next) {
            next = r->next;
            row_free(u, r);
        }
    }
    if (u->composed != NULL)
        flight_free(u, u->composed);
    pthread_mutex_destroy(&u->mutex);
    free(u);
}

static void lane_append_locked(weft__uplink *u, row *r)
{
    lane *l = &u->lanes[weft_topic_number(r->meta.topic)];
    r->next = NULL;
    if (l->queued == NULL)
        l->queued = r;
    else
        l->queued_last->next = r;
    l->queued_last = r;
    l->waiting[r->meta.priority]++;
    u->bytes += r->meta.length;
    u->last_id = r->meta.id;
}

static bool row_fits_locked(const weft__uplink *u, size_t length)
{
    return u->bytes == 0 || u->bytes + length <= u->max_bytes;
}

/* What was dropped on the way to the journal is booked with the row that tells of it. */
static void row_book_written(weft__uplink *u, const weft__journal_row *meta)
{
    weft__ledger_written(u->ledger, meta->epoch, meta->topic, meta->last_seq, meta->event_count + meta->lost_before);
    if (meta->lost_before > 0) {
        weft__ledger_lose(u->ledger, meta->epoch, meta->topic, WEFT_LOST_OVERFLOW, meta->lost_before);
        weft__ledger_add(u->ledger, meta->epoch, meta->topic, WEFT__LEDGER_DROPPED, meta->lost_before);
    }
}

void weft__uplink_push(weft__uplink *u, weft__journal_row *rows, size_t count)
{
    pthread_mutex_lock(&u->mutex);
    for (size_t i = 0; i < count; i++) {
        u->newest_id = rows[i].id;
        row_book_written(u, &rows[i]);
        row *r = u->spilled || !row_fits_locked(u, rows[i].length) ? NULL : calloc(1, sizeof *r);
        if (r == NULL) {
            u->spilled = true;
            continue;
        }
        r->meta = rows[i];
        rows[i].bytes = NULL;
        lane_append_locked(u, r);
    }
    pthread_mutex_unlock(&u->mutex);
}

bool weft__uplink_wants_refill(weft__uplink *u, int64_t *ret_after_id)
{
    pthread_mutex_lock(&u->mutex);
    bool wants = u->spilled && u->bytes <= u->max_bytes / 2;
    *ret_after_id = u->last_id;
    pthread_mutex_unlock(&u->mutex);
    return wants;
}

bool weft__uplink_is_spilled(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    bool spilled = u->spilled;
    pthread_mutex_unlock(&u->mutex);
    return spilled;
}

weft_status weft__uplink_refill(weft__uplink *u, const weft__journal_row *source, bool again)
{
    weft_status st = WEFT_OK;
    pthread_mutex_lock(&u->mutex);
    if (source->bytes == NULL) {
        row_lose(u, source, WEFT_LOST_CORRUPT);
        u->last_id = source->id;
    } else if (!row_fits_locked(u, source->length)) {
        st = WEFT_FULL;
    } else {
        row *r = calloc(1, sizeof *r);
        uint8_t *bytes = malloc(source->length);
        if (r == NULL || bytes == NULL) {
            free(r);
            free(bytes);
            st = WEFT_FULL;
        } else {
            memcpy(bytes, source->bytes, source->length);
            r->meta = *source;
            r->meta.bytes = bytes;
            r->sent_before = again;
            lane_append_locked(u, r);
        }
    }
    pthread_mutex_unlock(&u->mutex);
    return st;
}

void weft__uplink_refilled(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    u->spilled = false;
    pthread_mutex_unlock(&u->mutex);
}

/* A row that was split stands there once for each of its events. Returns how many events that were. */
static uint32_t lane_forget_locked(weft__uplink *u, lane *l, int64_t row_id)
{
    uint32_t events = 0;
    row *before = NULL, *next;
    for (row *r = l->queued; r != NULL && r->meta.id <= row_id; r = next) {
        next = r->next;
        if (r->meta.id != row_id) {
            before = r;
            continue;
        }
        *(before == NULL ? &l->queued : &before->next) = next;
        if (l->queued_last == r)
            l->queued_last = before;
        l->waiting[r->meta.priority]--;
        events += r->meta.event_count;
        row_free(u, r);
    }
    return events;
}

uint32_t weft__uplink_forget(weft__uplink *u, const weft__journal_row *gone)
{
    pthread_mutex_lock(&u->mutex);
    lane *l = &u->lanes[weft_topic_number(gone->topic)];
    bool in_journal_alone = gone->id > u->last_id;
    uint32_t events = in_journal_alone ? gone->event_count : lane_forget_locked(u, l, gone->id);
    weft__ledger_lose(u->ledger, gone->epoch, gone->topic, WEFT_LOST_OVERFLOW, events);
    pthread_mutex_unlock(&u->mutex);
    return events;
}

static unsigned lane_urgency(const lane *l)
{
    for (unsigned priority = WEFT_PRIORITY_CRITICAL; priority > 0; priority--)
        if (l->waiting[priority] > 0)
            return priority;
    return 0;
}

static lane *lane_choose_locked(weft__uplink *u)
{
    lane *best = NULL;
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        lane *l = &u->lanes[i];
        if (l->queued == NULL || l->refused)
            continue;
        if (best == NULL || lane_urgency(l) > lane_urgency(best) ||
            (lane_urgency(l) == lane_urgency(best) && l->queued->meta.id < best->queued->meta.id))
            best = l;
    }
    return best;
}

static row *lane_pop_locked(lane *l)
{
    row *r = l->queued;
    l->queued = r->next;
    r->next = NULL;
    l->waiting[r->meta.priority]--;
    return r;
}

static bool rows_join(const row *before, const row *after)
{
    return after->meta.epoch == before->meta.epoch && after->meta.prev_seq == before->meta.last_seq;
}

static void flight_add(flight *f, row *r)
{
    if (f->rows == NULL)
        f->rows = r;
    else
        f->last->next = r;
    f->last = r;
    f->event_count += r->meta.event_count;
}

/* Moves the head row, and what joins it within the target size, into a flight. */
static size_t flight_gather_locked(lane *l, flight *f, size_t max_bytes, weft__bytes *parts, size_t max_parts)
{
    size_t target = max_bytes < WEFT__BATCH_TARGET_BYTES ? max_bytes : WEFT__BATCH_TARGET_BYTES;
    size_t length = 0, count = 0;
    while (l->queued != NULL && count < max_parts) {
        const row *head = l->queued;
        if (count > 0 && (!rows_join(f->last, head) || length + head->meta.length > target ||
                          f->event_count + head->meta.event_count > WEFT__BATCH_MAX_EVENTS))
            break;
        length += head->meta.length;
        parts[count++] = (weft__bytes){head->meta.bytes, head->meta.length};
        flight_add(f, lane_pop_locked(l));
    }
    return count;
}

/* Puts rows first..last back to the front of their lane. */
static void rows_requeue_locked(lane *l, row *first, row *last)
{
    for (row *r = first; r != NULL; r = r->next)
        l->waiting[r->meta.priority]++;
    last->next = l->queued;
    if (l->queued == NULL)
        l->queued_last = last;
    l->queued = first;
}

static void flight_requeue_locked(weft__uplink *u, lane *l, flight *f)
{
    rows_requeue_locked(l, f->rows, f->last);
    f->rows = NULL;
    flight_free(u, f);
}

/* Leaves only the first row in a flight: what could not be merged goes one by one. */
static void flight_shrink_locked(lane *l, flight *f)
{
    row *rest = f->rows->next;
    f->rows->next = NULL;
    rows_requeue_locked(l, rest, f->last);
    f->last = f->rows;
    f->event_count = f->rows->meta.event_count;
}

static void flight_compose_locked(lane *l, flight *f, size_t max_bytes, weft__outgoing *ret)
{
    enum { PARTS_MAX = 256 };
    weft__bytes parts[PARTS_MAX];
    size_t count = flight_gather_locked(l, f, max_bytes, parts, PARTS_MAX);
    size_t length;
    if (count > 1 && weft__batch_merge(parts, count, &f->merged, &length) == WEFT_OK) {
        ret->bytes = f->merged;
        ret->length = length;
        return;
    }
    if (count > 1)
        flight_shrink_locked(l, f);
    ret->bytes = parts[0].data;
    ret->length = parts[0].length;
}

/* Returns false when the list is full. */
static bool acknowledged_note_locked(weft__uplink *u, const weft__journal_row *newest)
{
    for (size_t i = 0; i < u->acknowledged_count; i++)
        if (u->acknowledged[i].topic == newest->topic && u->acknowledged[i].epoch == newest->epoch) {
            u->acknowledged[i].last_seq = newest->last_seq;
            return true;
        }
    if (u->acknowledged_count == ACKNOWLEDGED_MAX)
        return false;
    u->acknowledged[u->acknowledged_count++] = (weft__position){newest->epoch, newest->topic, newest->last_seq, 0};
    return true;
}

static void row_give_up_locked(weft__uplink *u, lane *l, row *r)
{
    row_lose(u, &r->meta, WEFT_LOST_TOO_LARGE);
    l->sent_epoch = r->meta.epoch; /* so that the beat tells of it, and whoever asks is told it is lost */
    l->sent_seq = r->meta.last_seq;
    if (l->flights == NULL)
        (void)acknowledged_note_locked(u, &r->meta); /* left out, it is tried and given up again by the next life */
    row_free(u, r);
}

/* Puts the events of a row that is too large back into its lane one by one. */
static bool row_split_locked(weft__uplink *u, lane *l, row *r)
{
    weft__journal_row *parts;
    size_t count;
    if (r->meta.event_count < 2 || weft__row_split(&r->meta, &parts, &count) != WEFT_OK)
        return false;
    row *first = NULL, *last = NULL;
    for (size_t i = count; i > 0; i--) {
        row *part = calloc(1, sizeof *part);
        if (part == NULL)
            break;
        part->meta = parts[i - 1];
        part->sent_before = r->sent_before;
        part->next = first;
        parts[i - 1].bytes = NULL;
        first = part;
        last = last != NULL ? last : part;
        u->bytes += part->meta.length;
    }
    weft__rows_free(parts, count);
    if (first == NULL)
        return false;
    rows_requeue_locked(l, first, last);
    row_free(u, r);
    return true;
}

bool weft__uplink_next(weft__uplink *u, size_t max_bytes, weft__outgoing *ret)
{
    pthread_mutex_lock(&u->mutex);
    lane *l = NULL;
    flight *f = NULL;
    while ((l = lane_choose_locked(u)) != NULL && l->queued->meta.length > max_bytes) {
        row *r = lane_pop_locked(l);
        if (!row_split_locked(u, l, r))
            row_give_up_locked(u, l, r);
    }
    if (l != NULL)
        f = calloc(1, sizeof *f);
    if (f != NULL) {
        flight_compose_locked(l, f, max_bytes, ret);
        f->lane = (unsigned)(l - u->lanes);
        ret->topic = f->rows->meta.topic;
        ret->event_count = f->event_count;
        ret->again = f->rows->sent_before;
        ret->flight = u->composed = f;
    }
    pthread_mutex_unlock(&u->mutex);
    return f != NULL;
}

void weft__uplink_sent(weft__uplink *u, weft__outgoing *message, int token)
{
    pthread_mutex_lock(&u->mutex);
    flight *f = message->flight;
    lane *l = &u->lanes[f->lane];
    f->token = token;
    f->length = message->length;
    u->composed = NULL;
    if (l->flights == NULL)
        l->flights = f;
    else
        l->flights_last->next = f;
    l->flights_last = f;
    u->flight_count++;
    u->sent_messages++;
    for (row *r = f->rows; r != NULL; r = r->next) {
        row_book(u, &r->meta, r->sent_before ? WEFT__LEDGER_RESENT : WEFT__LEDGER_SENT);
        r->sent_before = true;
        l->sent_epoch = r->meta.epoch;
        l->sent_seq = r->meta.last_seq;
    }
    pthread_mutex_unlock(&u->mutex);
}

void weft__uplink_unsend(weft__uplink *u, weft__outgoing *message)
{
    pthread_mutex_lock(&u->mutex);
    u->composed = NULL;
    flight_requeue_locked(u, &u->lanes[message->flight->lane], message->flight);
    pthread_mutex_unlock(&u->mutex);
}

static void flight_book_acked(weft__uplink *u, const flight *f)
{
    const weft__journal_row *meta = &f->rows->meta; /* all are of one stream */
    weft__ledger_add(u->ledger, meta->epoch, meta->topic, WEFT__LEDGER_ACKED, f->event_count);
}

/* What cannot be noted stays in flight until the list is taken: what is not in the journal as acknowledged would be
 * sent again by every later life. */
static void lane_settle_locked(weft__uplink *u, lane *l)
{
    while (l->flights != NULL && l->flights->acknowledged && acknowledged_note_locked(u, &l->flights->last->meta)) {
        flight *f = l->flights;
        l->flights = f->next;
        u->flight_count--;
        flight_book_acked(u, f);
        flight_free(u, f);
    }
}

/* The message that waits for a token, and its lane. */
static flight *flight_find_locked(weft__uplink *u, int token, lane **ret_lane)
{
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        for (flight *f = u->lanes[i].flights; f != NULL; f = f->next)
            if (f->token == token && !f->acknowledged) {
                *ret_lane = &u->lanes[i];
                return f;
            }
    return NULL;
}

bool weft__uplink_acked(weft__uplink *u, int token)
{
    lane *l;
    pthread_mutex_lock(&u->mutex);
    flight *f = flight_find_locked(u, token, &l);
    if (f != NULL) {
        f->acknowledged = true;
        lane_settle_locked(u, l);
    }
    pthread_mutex_unlock(&u->mutex);
    return f != NULL;
}

weft_topic weft__uplink_topic(weft__uplink *u, int token)
{
    lane *l;
    pthread_mutex_lock(&u->mutex);
    const flight *f = flight_find_locked(u, token, &l);
    weft_topic topic = f != NULL ? f->rows->meta.topic : 0;
    pthread_mutex_unlock(&u->mutex);
    return topic;
}

static void lane_requeue_locked(weft__uplink *u, lane *l)
{
    flight *reversed = NULL; /* youngest first, so that each goes before the one after it */
    for (flight *f = l->flights, *next; f != NULL; f = next) {
        next = f->next;
        f->next = reversed;
        reversed = f;
    }
    l->flights = NULL;
    for (flight *f = reversed, *next; f != NULL; f = next) {
        next = f->next;
        u->flight_count--;
        flight_requeue_locked(u, l, f);
    }
}

bool weft__uplink_refused(weft__uplink *u, int token)
{
    lane *l;
    pthread_mutex_lock(&u->mutex);
    bool found = flight_find_locked(u, token, &l) != NULL;
    if (found) {
        l->refused = true;
        lane_requeue_locked(u, l);
    }
    pthread_mutex_unlock(&u->mutex);
    return found;
}

bool weft__uplink_too_large(weft__uplink *u, int token, size_t *ret_bytes)
{
    lane *l;
    pthread_mutex_lock(&u->mutex);
    const flight *f = flight_find_locked(u, token, &l);
    if (f != NULL) {
        *ret_bytes = f->length;
        lane_requeue_locked(u, l);
    }
    pthread_mutex_unlock(&u->mutex);
    return f != NULL;
}

void weft__uplink_retry_refused(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        u->lanes[i].refused = false;
    pthread_mutex_unlock(&u->mutex);
}

void weft__uplink_reset(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        u->lanes[i].refused = false;
        lane_requeue_locked(u, &u->lanes[i]);
    }
    pthread_mutex_unlock(&u->mutex);
}

size_t weft__uplink_in_flight(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    size_t count = u->flight_count;
    pthread_mutex_unlock(&u->mutex);
    return count;
}

int64_t weft__uplink_oldest(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    int64_t oldest = u->spilled ? u->last_id + 1 : INT64_MAX;
    if (u->composed != NULL && u->composed->rows->meta.id < oldest)
        oldest = u->composed->rows->meta.id;
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++) {
        const lane *l = &u->lanes[i];
        const row *first = l->flights != NULL ? l->flights->rows : l->queued;
        if (first != NULL && first->meta.id < oldest)
            oldest = first->meta.id;
    }
    pthread_mutex_unlock(&u->mutex);
    return oldest;
}

size_t weft__uplink_take_acknowledged(weft__uplink *u, weft__position *positions, size_t max)
{
    pthread_mutex_lock(&u->mutex);
    size_t count = u->acknowledged_count < max ? u->acknowledged_count : max;
    memcpy(positions, u->acknowledged, count * sizeof *positions);
    u->acknowledged_count -= count;
    memmove(u->acknowledged, u->acknowledged + count, u->acknowledged_count * sizeof *positions);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        lane_settle_locked(u, &u->lanes[i]);
    pthread_mutex_unlock(&u->mutex);
    return count;
}

/* A lane without anything queued has nothing to send any more, whatever became of it: its end is its position. */
static bool lane_position_locked(weft__uplink *u, unsigned number, uint64_t epoch, weft__position *ret)
{
    const lane *l = &u->lanes[number];
    weft_topic topic = weft_topic_from_number(number);
    bool waits = u->spilled || u->composed != NULL || l->queued != NULL;
    if (!waits && weft__ledger_end(u->ledger, epoch, topic, ret))
        return true;
    if (l->sent_epoch != epoch || l->sent_seq == 0)
        return false;
    *ret = (weft__position){epoch, topic, l->sent_seq, 0};
    return true;
}

size_t weft__uplink_sent_positions(weft__uplink *u, uint64_t epoch, weft__position *positions)
{
    size_t count = 0;
    pthread_mutex_lock(&u->mutex);
    for (unsigned i = 0; i < WEFT_TOPIC_MAX; i++)
        count += lane_position_locked(u, i, epoch, &positions[count]);
    pthread_mutex_unlock(&u->mutex);
    return count;
}

uint64_t weft__uplink_sent_messages(weft__uplink *u)
{
    pthread_mutex_lock(&u->mutex);
    uint64_t messages = u->sent_messages;
    pthread_mutex_unlock(&u->mutex);
    return messages;
}
