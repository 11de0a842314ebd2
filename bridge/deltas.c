/* bridge/deltas.c: a list in the order of the entries' first pieces, and a hash table that finds the newest of a call.
 *
 * Everything is done under one lock: a piece that joins costs a comparison and a copy of its text. */
#include "bridge/deltas.h"

#include "bridge/delta_call.h"
#include "weft/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    BYTES_MAX = 4 << 20,
    ENTRIES_MAX = 16384,
    TEXT_FIRST_BYTES = 256,
    HEADER_BYTES = 256, /* of a message, without its events */
};

void weft__deltas_init(weft__deltas *d, const char *node, size_t max_bytes, size_t max_entries)
{
    *d = (weft__deltas){.node = node,
                        .max_bytes = max_bytes != 0 ? max_bytes : BYTES_MAX,
                        .max_entries = max_entries != 0 ? max_entries : ENTRIES_MAX,
                        .joined_max = WEFT__DELTA_JOINED_BYTES};
    d->tail = &d->oldest;
    pthread_mutex_init(&d->mutex, NULL);
}

void weft__delta_free(weft__delta *delta)
{
    weft_event_release(delta->first);
    free(delta->text);
    free(delta);
}

void weft__deltas_fini(weft__deltas *d)
{
    for (weft__delta *next, *delta = d->oldest; delta != NULL; delta = next) {
        next = delta->next;
        weft__delta_free(delta);
    }
    pthread_mutex_destroy(&d->mutex);
}

/* ---- entries ---- */

static weft__delta **bucket_of(weft__deltas *d, uint64_t call)
{
    return &d->buckets[(call ^ (call >> 32)) % WEFT__DELTA_BUCKETS];
}

static weft__delta *newest_find_locked(weft__deltas *d, uint64_t call)
{
    weft__delta *delta = *bucket_of(d, call);
    while (delta != NULL && delta->call != call)
        delta = delta->next_alike;
    return delta;
}

static void newest_remove_locked(weft__deltas *d, weft__delta *delta)
{
    weft__delta **at = bucket_of(d, delta->call);
    while (delta->newest && *at != delta)
        at = &(*at)->next_alike;
    if (delta->newest)
        *at = delta->next_alike;
    delta->newest = false;
}

static void entry_append_locked(weft__deltas *d, weft__delta *delta)
{
    weft__delta *before = newest_find_locked(d, delta->call);
    if (before != NULL)
        newest_remove_locked(d, before);
    weft__delta **bucket = bucket_of(d, delta->call);
    delta->newest = true;
    delta->next_alike = *bucket;
    *bucket = delta;
    *d->tail = delta;
    d->tail = &delta->next;
    d->entries++;
    d->bytes += delta->bytes;
}

static weft__delta *oldest_remove_locked(weft__deltas *d)
{
    weft__delta *delta = d->oldest;
    newest_remove_locked(d, delta);
    d->oldest = delta->next;
    if (d->oldest == NULL)
        d->tail = &d->oldest;
    delta->next = NULL;
    d->entries--;
    d->bytes -= delta->bytes;
    d->round_left -= d->round_left > 0;
    return delta;
}

static weft__delta *entry_create(const weft_event *event, uint64_t call)
{
    weft__delta *delta = calloc(1, sizeof *delta);
    const weft_event *kept = delta != NULL ? weft_event_keep(event) : NULL;
    if (kept == NULL) {
        free(delta);
        return NULL;
    }
    delta->call = call;
    delta->first = kept;
    delta->pieces = 1;
    delta->bytes = sizeof *delta + weft_event_kept_bytes(event);
    return delta;
}

static bool text_reserve(weft__delta *delta, size_t length)
{
    size_t capacity = delta->capacity != 0 ? delta->capacity : TEXT_FIRST_BYTES;
    while (capacity < length + 1)
        capacity *= 2;
    if (capacity == delta->capacity)
        return true;
    char *text = realloc(delta->text, capacity);
    if (text == NULL)
        return false;
    delta->text = text;
    delta->bytes += capacity - delta->capacity;
    delta->capacity = capacity;
    return true;
}

static bool piece_join_locked(weft__deltas *d, weft__delta *to, const weft_event *event, const weft_schema *schema)
{
    if (to == NULL || schema->joined == NULL || !weft__delta_agrees(to->first, event, schema))
        return false;
    const char *own = weft__delta_text(to->first, schema), *more = weft__delta_text(event, schema);
    size_t had = to->text != NULL ? to->length : strlen(own), bytes = to->bytes, adds = strlen(more);
    if (had + adds > d->joined_max)
        return false;
    bool fresh = to->text == NULL;
    if (!text_reserve(to, had + adds))
        return false;
    if (fresh)
        memcpy(to->text, own, had);
    memcpy(to->text + had, more, adds + 1);
    to->length = had + adds;
    to->pieces++;
    d->bytes += to->bytes - bytes;
    return true;
}

/* ---- put ---- */

static void arrival_note_locked(weft__deltas *d, int64_t now_ms)
{
    int64_t slice = now_ms / WEFT__DELTA_ROUND_MS;
    if (slice != d->slice) {
        d->in_before = slice == d->slice + 1 ? d->in_slice : 0;
        d->in_slice = 0;
        d->slice = slice;
    }
    d->in_slice++;
}

/* So many events are settled, of so many pieces that had waited. */
static void settle_locked(weft__deltas *d, uint64_t *count, uint64_t events, uint64_t pieces)
{
    *count += events;
    d->counts.joined += pieces - events;
    d->counts.waiting -= pieces;
}

static void pieces_lose_locked(weft__deltas *d, uint64_t pieces, weft_lost_reason reason)
{
    settle_locked(d, &d->counts.lost[reason], pieces, pieces);
}

static void bound_keep_locked(weft__deltas *d)
{
    while (d->entries > 1 && (d->bytes > d->max_bytes || d->entries > d->max_entries)) {
        weft__delta *delta = oldest_remove_locked(d);
        pieces_lose_locked(d, delta->pieces, WEFT_LOST_OVERFLOW);
        d->lost += delta->pieces;
        weft__delta_free(delta);
    }
}

static void piece_put_locked(weft__deltas *d, const weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    uint64_t call = weft__delta_call_of(event, schema);
    d->counts.published++;
    d->counts.waiting++;
    if (!piece_join_locked(d, newest_find_locked(d, call), event, schema)) {
        weft__delta *delta = entry_create(event, call);
        if (delta == NULL) {
            pieces_lose_locked(d, 1, WEFT_LOST_OVERFLOW);
            d->lost++;
            return;
        }
        entry_append_locked(d, delta);
    }
    bound_keep_locked(d);
}

/* An encoded event is at most an eighth larger than its strings, which the kept copy holds too. */
weft_status weft__delta_check(const weft_event *event)
{
    size_t kept_bytes = weft_event_kept_bytes(event);
    bool large = kept_bytes + kept_bytes / 8 > WEFT_EVENT_MAX_BYTES;
    return large && weft_event_encoded_bytes(event) > WEFT_EVENT_MAX_BYTES ? WEFT_TOO_LARGE : WEFT_OK;
}

weft_status weft__deltas_put(weft__deltas *d, weft_event *event, int64_t now_ms, bool *ret_first)
{
    event->id = (weft_event_id){.node = d->node};
    weft_status st = weft__delta_check(event);
    if (st != WEFT_OK)
        return st;
    pthread_mutex_lock(&d->mutex);
    st = d->closed;
    *ret_first = st == WEFT_OK && d->entries == 0;
    d->counts.refused += st != WEFT_OK;
    if (st == WEFT_OK) {
        arrival_note_locked(d, now_ms);
        piece_put_locked(d, event);
    }
    pthread_mutex_unlock(&d->mutex);
    return st;
}

void weft__deltas_close(weft__deltas *d, weft_status status)
{
    pthread_mutex_lock(&d->mutex);
    if (d->closed == WEFT_OK)
        d->closed = status;
    pthread_mutex_unlock(&d->mutex);
}

/* ---- take ---- */

static bool many_come_locked(const weft__deltas *d, int64_t now_ms)
{
    int64_t slice = now_ms / WEFT__DELTA_ROUND_MS;
    unsigned now = slice == d->slice ? d->in_slice : 0;
    unsigned before = slice == d->slice ? d->in_before : slice == d->slice + 1 ? d->in_slice : 0;
    return now > WEFT__DELTA_ROUND_PIECES || before > WEFT__DELTA_ROUND_PIECES;
}

int64_t weft__deltas_due_ms(weft__deltas *d, int64_t now_ms)
{
    int64_t due_ms = -1;
    pthread_mutex_lock(&d->mutex);
    if (d->round_left > 0) {
        due_ms = 0;
    } else if (d->entries > 0) {
        int64_t left = d->round_ms + WEFT__DELTA_ROUND_MS - now_ms;
        due_ms = left > 0 && many_come_locked(d, now_ms) ? left : 0;
    }
    if (due_ms == 0 && d->round_left == 0) {
        d->round_left = d->entries;
        d->round_ms = now_ms;
    }
    pthread_mutex_unlock(&d->mutex);
    return due_ms;
}

static size_t encoded_at_most(const weft__delta *delta)
{
    size_t bytes = weft_event_kept_bytes(delta->first) + delta->length;
    return bytes + bytes / 8;
}

weft__delta *weft__deltas_take(weft__deltas *d, size_t max_bytes, uint64_t *ret_lost)
{
    weft__delta *first = NULL, **tail = &first;
    size_t bytes = HEADER_BYTES;
    pthread_mutex_lock(&d->mutex);
    while (d->round_left > 0 && d->oldest != NULL &&
           (first == NULL || bytes + encoded_at_most(d->oldest) <= max_bytes)) {
        bytes += encoded_at_most(d->oldest);
        *tail = oldest_remove_locked(d);
        tail = &(*tail)->next;
    }
    *ret_lost = first != NULL ? d->lost : 0;
    d->lost -= *ret_lost;
    pthread_mutex_unlock(&d->mutex);
    return first;
}

void weft__delta_event(const weft__delta *delta, uint64_t epoch, uint64_t seq, weft_event *ret)
{
    *ret = *delta->first;
    ret->keeper = NULL;
    ret->id.epoch = epoch;
    ret->id.seq = seq;
    if (delta->text != NULL)
        weft__delta_text_set(ret, weft_schema_of(ret->type), delta->text);
}

void weft__deltas_numbered(weft__deltas *d, uint64_t epoch, uint64_t last_seq, uint64_t events)
{
    pthread_mutex_lock(&d->mutex);
    if (d->end.epoch != epoch)
        d->end = (weft__position){.epoch = epoch, .topic = (weft_topic)WEFT__DELTA_TOPIC};
    d->end.last_seq = last_seq;
    d->end.events += events;
    pthread_mutex_unlock(&d->mutex);
}

void weft__deltas_sent(weft__deltas *d, uint64_t events, uint64_t pieces)
{
    pthread_mutex_lock(&d->mutex);
    settle_locked(d, &d->counts.sent, events, pieces);
    pthread_mutex_unlock(&d->mutex);
}

void weft__deltas_lose(weft__deltas *d, uint64_t events, uint64_t pieces, weft_lost_reason reason)
{
    pthread_mutex_lock(&d->mutex);
    settle_locked(d, &d->counts.lost[reason], events, pieces);
    pthread_mutex_unlock(&d->mutex);
}

void weft__deltas_fit(weft__deltas *d, size_t max_message_bytes)
{
    size_t half = max_message_bytes / 2;
    pthread_mutex_lock(&d->mutex);
    d->joined_max = half < WEFT__DELTA_JOINED_BYTES ? half : WEFT__DELTA_JOINED_BYTES;
    pthread_mutex_unlock(&d->mutex);
}

void weft__deltas_give_up(weft__deltas *d)
{
    pthread_mutex_lock(&d->mutex);
    while (d->oldest != NULL) {
        weft__delta *delta = oldest_remove_locked(d);
        pieces_lose_locked(d, delta->pieces, WEFT_LOST_UNREACHABLE);
        weft__delta_free(delta);
    }
    pthread_mutex_unlock(&d->mutex);
}

/* ---- what others see ---- */

bool weft__deltas_position(weft__deltas *d, uint64_t epoch, weft__position *ret)
{
    pthread_mutex_lock(&d->mutex);
    bool known = d->end.epoch == epoch && d->end.last_seq > 0;
    if (known)
        *ret = d->end;
    pthread_mutex_unlock(&d->mutex);
    return known;
}

void weft__deltas_get_counts(weft__deltas *d, weft__deltas_counts *ret)
{
    pthread_mutex_lock(&d->mutex);
    *ret = d->counts;
    pthread_mutex_unlock(&d->mutex);
}

uint64_t weft__deltas_published(weft__deltas *d)
{
    weft__deltas_counts counts;
    weft__deltas_get_counts(d, &counts);
    return counts.published;
}

uint64_t weft__deltas_settled(weft__deltas *d)
{
    weft__deltas_counts counts;
    weft__deltas_get_counts(d, &counts);
    return counts.published - counts.waiting;
}
