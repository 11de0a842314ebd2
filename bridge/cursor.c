/* bridge/cursor.c: a cursor's turn: messages in, events handled, place stored.
 *
 *   gather (until ROUND_EVENTS) --> handle, one by one or in a transaction --> store the place --> gather
 *   handle --failed--> waits, longer each time, and goes on where it was; after the last attempt the event is dead
 *   store  --failed--> waits and stores again; effects inside are undone and done again
 *
 * What a round holds has left the streams of the downlink: so the place may be stored only when all of it is handled,
 * and then is exactly what the streams say. */
#include "bridge/cursor_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 50,
    IDLE_MS = 1000,
    RETRY_MS = 250,
    BACKOFF_MS = 200,
    BACKOFF_MAX_MS = 60000,
    ATTEMPTS = 5,
    ROUND_EVENTS = 4096, /* of an effect inside */
    ROUND_HANDLED = 256, /* of a handler: what comes again after a crash */
    QUEUE_MAX = 16384,
    QUEUE_MAX_BYTES = 32 << 20,
};

/* ---- what the downlink says ---- */

static weft__round_item *round_add(weft_cursor *c)
{
    weft__round *r = &c->round;
    if (r->count == r->capacity) {
        size_t capacity = r->capacity == 0 ? 256 : 2 * r->capacity;
        weft__round_item *items = realloc(r->items, capacity * sizeof *items);
        if (items == NULL) {
            r->short_of_memory = true;
            return NULL;
        }
        r->items = items;
        r->capacity = capacity;
    }
    r->items[r->count] = (weft__round_item){0};
    return &r->items[r->count++];
}

static void on_deliver(void *user, const weft_event *event)
{
    weft_cursor *c = user;
    weft__round_item *item = round_add(c);
    if (item == NULL)
        return;
    item->event = weft_event_keep(event);
    if (item->event == NULL) {
        c->round.count--;
        c->round.short_of_memory = true;
    }
}

static void on_lost(void *user, const weft_lost *lost)
{
    weft_cursor *c = user;
    weft__round_item *item = round_add(c);
    if (item == NULL)
        return;
    item->lost = *lost;
    item->lost_node = strdup(lost->node);
    item->lost.node = item->lost_node;
    c->round.short_of_memory = c->round.short_of_memory || item->lost_node == NULL;
}

static void on_ask(void *user, const weft__question *question)
{
    weft__bridge_ask(((weft_cursor *)user)->bridge, question);
}

static void on_forgot(void *user, const weft__stream *stream)
{
    weft_cursor *c = user;
    weft__forgotten *f = calloc(1, sizeof *f);
    if (f == NULL) /* its place stays: it is too low at worst */
        return;
    weft__name_copy(f->node, stream->node);
    f->epoch = stream->epoch;
    f->topic = stream->topic;
    f->next = c->forgotten;
    c->forgotten = f;
}

/* The bridge's own downlink tells of these. */
static void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    (void)user, (void)node, (void)epoch, (void)up, (void)why;
}

static void on_skewed(void *user, const char *node, uint64_t epoch, int64_t skew_ms)
{
    (void)user, (void)node, (void)epoch, (void)skew_ms;
}

static void on_dropped(void *user, const char *node, const char *reason)
{
    (void)user, (void)node, (void)reason;
}

static void on_unaccounted(void *user, const char *node, uint64_t epoch, weft_topic topic, int64_t events)
{
    (void)user, (void)node, (void)epoch, (void)topic, (void)events;
}

/* ---- the place ---- */

typedef struct placing {
    weft_cursor *cursor;
    weft_status status;
} placing;

/* Whether events of the stream wait in the round: its place would pass them over. */
static bool is_undone(const weft_cursor *c, const weft__stream *s)
{
    for (size_t i = c->round.done; i < c->round.count; i++) {
        const weft__round_item *item = &c->round.items[i];
        const char *node = item->event != NULL ? item->event->id.node : item->lost.node;
        uint64_t epoch = item->event != NULL ? item->event->id.epoch : item->lost.epoch;
        weft_topic topic = item->event != NULL ? weft_event_topic(item->event) : item->lost.topic;
        if (epoch == s->epoch && topic == s->topic && node != NULL && strcmp(node, s->node) == 0)
            return true;
    }
    return false;
}

static void stream_place(void *user, const weft__stream *s)
{
    placing *p = user;
    if (p->status != WEFT_OK || !s->based || is_undone(p->cursor, s))
        return;
    weft__place place = {.node = s->node, .epoch = s->epoch, .topic = s->topic, .holes = s->holes.items};
    weft__stream_settled(s, &place.high, &place.hole_count);
    p->status = weft__cursor_store_put(p->cursor->store, &place);
}

static weft_status places_put(weft_cursor *c)
{
    placing p = {.cursor = c};
    for (const weft__forgotten *f = c->forgotten; f != NULL && p.status == WEFT_OK; f = f->next)
        p.status = weft__cursor_store_remove(c->store, f->node, f->epoch, f->topic);
    weft__downlink_each_changed(c->downlink, stream_place, &p);
    return p.status;
}

static void forgotten_clear(weft_cursor *c)
{
    for (weft__forgotten *next; c->forgotten != NULL; c->forgotten = next) {
        next = c->forgotten->next;
        free(c->forgotten);
    }
}

static weft_status place_store(weft_cursor *c, weft_status st)
{
    if (st == WEFT_OK)
        st = places_put(c);
    if (st == WEFT_OK)
        weft__bridge_step(c->bridge, WEFT__STEP_HANDLED);
    st = weft__cursor_store_end(c->store, st);
    c->live.store_status = st;
    if (st != WEFT_OK)
        return st;
    weft__downlink_changes_done(c->downlink);
    forgotten_clear(c);
    c->live.stored++;
    return WEFT_OK;
}

/* ---- the round ---- */

static void round_clear(weft__round *r)
{
    for (size_t i = 0; i < r->count; i++) {
        weft_event_release(r->items[i].event);
        free(r->items[i].lost_node);
    }
    r->count = r->done = 0;
    r->failures = 0;
    r->retry_ms = 0;
}

static void count_handled(weft_cursor *c)
{
    for (size_t i = 0; i < c->round.count; i++)
        *(c->round.items[i].event != NULL ? &c->live.handled : &c->live.lost_ranges) += 1;
}

/* All of it in the store's transaction, or nothing. */
static weft_status round_store(weft_cursor *c)
{
    weft_status st = weft__cursor_store_begin(c->store);
    if (st != WEFT_OK) {
        c->live.store_status = st;
        return st;
    }
    for (size_t i = 0; st == WEFT_OK && i < c->round.count; i++) {
        const weft__round_item *item = &c->round.items[i];
        st = item->event != NULL ? c->effect.event(c->effect.user, item->event)
                                 : c->effect.lost(c->effect.user, &item->lost);
    }
    c->round.done = c->round.count;
    st = place_store(c, st);
    if (st == WEFT_OK)
        count_handled(c);
    else
        c->round.done = 0;
    return st;
}

static bool is_expired(const weft_cursor *c, const weft_event *event)
{
    return event->ttl_ms != 0 && event->accepted_ms > 0 && event->ttl_ms < INT64_MAX / 2 &&
           event->accepted_ms + (int64_t)event->ttl_ms + WEFT__SKEW_MS < weft_clock_wall_ms(c->bridge->clock);
}

static void item_failed(weft_cursor *c, const weft_event *event, weft_status st, int64_t now_ms)
{
    uint32_t attempts = c->opts.attempts != 0 ? c->opts.attempts : ATTEMPTS;
    int64_t backoff = c->opts.backoff_ms != 0 ? c->opts.backoff_ms : BACKOFF_MS;
    c->live.failures++;
    if (++c->round.failures < attempts) {
        for (uint32_t i = 1; i < c->round.failures && backoff < BACKOFF_MAX_MS; i++)
            backoff *= 2;
        c->round.retry_ms = now_ms + (backoff < BACKOFF_MAX_MS ? backoff : BACKOFF_MAX_MS);
        return;
    }
    c->live.dead++;
    c->round.failures = 0;
    c->round.done++;
    if (c->opts.on_dead != NULL)
        c->opts.on_dead(event, st, c->opts.user);
}

static void item_handle(weft_cursor *c, const weft__round_item *item, int64_t now_ms)
{
    weft_status st = WEFT_OK;
    if (item->event == NULL) {
        c->live.lost_ranges++;
        st = c->effect.lost(c->effect.user, &item->lost);
    } else if (is_expired(c, item->event)) {
        c->live.expired++;
    } else {
        st = c->effect.event(c->effect.user, item->event);
        c->live.handled += st == WEFT_OK;
    }
    if (item->event != NULL && st != WEFT_OK) {
        item_failed(c, item->event, st, now_ms);
        return;
    }
    c->round.failures = 0;
    c->round.done++;
}

/* Handlers, one by one, until one fails; then the place. */
static weft_status round_handle(weft_cursor *c, int64_t now_ms)
{
    while (c->round.done < c->round.count) {
        item_handle(c, &c->round.items[c->round.done], now_ms);
        if (c->round.retry_ms > now_ms)
            return WEFT_FAILED;
        if (atomic_load(&c->stopping))
            break;
    }
    weft_status st = weft__cursor_store_begin(c->store);
    if (st != WEFT_OK) {
        c->live.store_status = st;
        return st;
    }
    return place_store(c, WEFT_OK);
}

static bool round_is_due(const weft_cursor *c)
{
    return c->round.count > 0 || c->forgotten != NULL || weft__downlink_changed(c->downlink);
}

/* Returns whether the round is over. */
static bool round_run(weft_cursor *c, int64_t now_ms)
{
    if (!round_is_due(c))
        return true;
    if (now_ms < c->round.retry_ms || c->round.short_of_memory)
        return false;
    c->round.retry_ms = 0;
    weft_status st = c->effect.inside ? round_store(c) : round_handle(c, now_ms);
    if (st != WEFT_OK) {
        if (c->round.retry_ms <= now_ms)
            c->round.retry_ms = now_ms + RETRY_MS;
        return false;
    }
    round_clear(&c->round);
    return true;
}

/* ---- the turn ---- */

static void fed_take(weft_cursor *c, const weft__fed *fed, int64_t now_ms)
{
    switch (fed->tree) {
    case WEFT__TREE_EVT:
        /* What there is no memory for is missing, and asked for. */
        (void)weft__downlink_batch(c->downlink, fed->sender, fed->topic, fed->payload, fed->length, now_ms);
        break;
    case WEFT__TREE_REPLY:
        weft__downlink_reply(c->downlink, fed->sender, fed->payload, fed->length, now_ms);
        break;
    case WEFT__TREE_LIVE:
        if (weft__downlink_live(c->downlink, fed->sender, fed->payload, fed->length, fed->origin, now_ms) != WEFT_OK)
            atomic_store(&c->lives_missed, true);
        break;
    default:
        weft__downlink_beat(c->downlink, fed->sender, fed->payload, fed->length, now_ms);
        break;
    }
}

/* Returns whether there may be more. */
static bool messages_take(weft_cursor *c, int64_t now_ms)
{
    size_t enough = c->effect.inside ? ROUND_EVENTS : ROUND_HANDLED;
    while (c->round.count < enough) {
        weft__node *node = weft__queue_take(&c->queue, 1);
        if (node == NULL)
            return false;
        fed_take(c, (const weft__fed *)node, now_ms);
        free(node);
    }
    return true;
}

/* What was dropped and nobody would say again soon is asked for, once there is room for the answer. */
static void missed_want(weft_cursor *c)
{
    if (weft__queue_count(&c->queue) > QUEUE_MAX / 2)
        return;
    if (atomic_exchange(&c->lives_missed, false))
        atomic_store(&c->bridge->cursors.lives_wanted, true);
    if (atomic_exchange(&c->own_missed, false))
        atomic_store(&c->bridge->cursors.own_wanted, true);
}

static void stats_show(weft_cursor *c)
{
    weft__downlink_stats down;
    weft__downlink_get_stats(c->downlink, &down);
    c->live.duplicates = down.streams.duplicates;
    c->live.healed = down.streams.healed;
    c->live.open_gaps = down.open_gaps;
    c->live.dropped = atomic_load(&c->dropped);
    pthread_mutex_lock(&c->mutex);
    c->shown = c->live;
    pthread_mutex_unlock(&c->mutex);
}

static bool tick(weft_cursor *c, int64_t now_ms)
{
    bool more = false;
    if (now_ms - c->ticked_ms < TICK_MS)
        return false;
    c->ticked_ms = now_ms;
    if (atomic_exchange(&c->cut, false))
        weft__downlink_cut(c->downlink);
    if (atomic_exchange(&c->connected, false))
        weft__downlink_connected(c->downlink, now_ms);
    weft__downlink_tick(c->downlink, now_ms);
    missed_want(c);
    if (c->effect.idle != NULL && now_ms - c->idled_ms >= IDLE_MS) {
        more = c->effect.idle(c->effect.user, weft_clock_wall_ms(c->bridge->clock));
        c->idled_ms = more ? c->idled_ms : now_ms;
    }
    return more;
}

static int64_t wait_ms(const weft_cursor *c, int64_t now_ms)
{
    int64_t wait = c->round.retry_ms - now_ms;
    return wait < 0 ? 0 : wait < IDLE_MS ? wait : IDLE_MS;
}

/* ---- a handler ---- */

static weft_status handler_event(void *user, const weft_event *event)
{
    weft_cursor *c = user;
    return c->opts.on_event(event, c->opts.user);
}

static weft_status handler_lost(void *user, const weft_lost *lost)
{
    weft_cursor *c = user;
    if (c->opts.on_lost != NULL)
        c->opts.on_lost(lost, c->opts.user);
    return WEFT_OK;
}

/* ---- open and close ---- */

static weft_status place_restore(void *user, const weft__place *place)
{
    weft_cursor *c = user;
    if (!(c->topics & (uint32_t)place->topic))
        return WEFT_OK;
    weft_status st = weft__downlink_restore(c->downlink, place->node, place->epoch, place->topic, place->high,
                                            place->holes, place->hole_count, weft__bridge_mono_ms(c->bridge));
    return st == WEFT_INVALID ? WEFT_CORRUPT : st;
}

static weft_status downlink_make(weft_cursor *c)
{
    weft_bridge *b = c->bridge;
    int64_t now_ms = weft__bridge_mono_ms(b);
    weft__downlink_opts opts = {.node = b->node,
                                .hold_ms = b->opts.hold_ms,
                                .silent_ms = b->opts.keep_alive_s * 1500 + 2000,
                                .clock = b->clock,
                                .first_request = (uint64_t)weft_clock_wall_ms(b->clock) << 14,
                                .taker = c->taker,
                                .since_ms = weft__cursor_store_since_ms(c->store)};
    weft__downlink_ops ops = {.deliver = on_deliver,
                              .lost = on_lost,
                              .ask = on_ask,
                              .peer = on_peer,
                              .skewed = on_skewed,
                              .dropped = on_dropped,
                              .forgot = on_forgot,
                              .unaccounted = on_unaccounted,
                              .user = c};
    weft_status st = weft__downlink_create(&opts, &ops, &c->downlink);
    if (st != WEFT_OK)
        return st;
    weft__downlink_interest(c->downlink, c->topics, now_ms);
    st = weft__cursor_store_each(c->store, place_restore, c);
    weft__downlink_changes_done(c->downlink);
    return st;
}

/* Something that left the streams is not in the round: only the stored place is still right. */
static weft_status cursor_restart(weft_cursor *c)
{
    round_clear(&c->round);
    forgotten_clear(c);
    weft__downlink_destroy(c->downlink);
    c->downlink = NULL;
    weft_status st = downlink_make(c);
    if (st != WEFT_OK)
        return st;
    c->round.short_of_memory = false;
    atomic_store(&c->lives_missed, true);
    atomic_store(&c->own_missed, true);
    return WEFT_OK;
}

int64_t weft__cursor_turn(weft_cursor *c)
{
    if (c->round.short_of_memory && cursor_restart(c) != WEFT_OK)
        return RETRY_MS;
    int64_t now_ms = weft__bridge_mono_ms(c->bridge);
    bool over = c->round.count == 0 || round_run(c, now_ms);
    bool more = over && messages_take(c, now_ms);
    if (over)
        more = tick(c, now_ms) || more;
    if (over)
        over = round_run(c, now_ms);
    stats_show(c);
    return !over ? wait_ms(c, now_ms) : more ? 0 : TICK_MS;
}

static void *cursor_thread(void *cursor)
{
    weft_cursor *c = cursor;
    while (!atomic_load(&c->stopping))
        weft__signal_wait(&c->signal, weft__cursor_turn(c));
    return NULL;
}

static weft_status store_make(weft_cursor *c, const weft_cursor_opts *opts, const char **reason)
{
    int64_t now = weft_clock_wall_ms(c->bridge->clock);
    weft__cursor_store_opts store = {.path = opts->path,
                                     .name = opts->name,
                                     .since_ms = opts->since_ms != 0 ? opts->since_ms : now,
                                     .synced = !c->effect.inside,
                                     .tables = c->effect.tables,
                                     .disk = c->bridge->env.disk};
    weft_status st = weft__cursor_store_open(&store, &c->store, reason);
    if (st == WEFT_OK && c->effect.open != NULL)
        st = c->effect.open(c->effect.user, c->store);
    if (st == WEFT_OK)
        c->live.since_ms = weft__cursor_store_since_ms(c->store);
    return st;
}

static void fed_release(weft__node *node)
{
    free(node);
}

void weft__cursor_free(weft_cursor *c)
{
    forgotten_clear(c);
    round_clear(&c->round);
    free(c->round.items);
    weft__downlink_destroy(c->downlink);
    if (c->effect.close != NULL && c->store != NULL)
        c->effect.close(c->effect.user);
    weft__cursor_store_close(c->store);
    weft__queue_fini(&c->queue, fed_release);
    weft__signal_fini(&c->signal);
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

static weft_status opts_check(const weft_cursor_opts *opts, const char **reason)
{
    if (opts->name == NULL || !weft_name_valid(opts->name)) {
        *reason = "name: a name is 1 to 64 of a-z 0-9 _ . - and not \"-\"";
        return WEFT_INVALID;
    }
    if (opts->since_ms < 0 || (opts->topics & ~(uint32_t)WEFT_TOPICS_DURABLE) != 0) {
        *reason = opts->since_ms < 0 ? "since_ms: before 1970"
                                     : "topics: not a durable topic; best-effort ones are in no journal";
        return WEFT_INVALID;
    }
    return WEFT_OK;
}

static weft_status cursor_start(weft_cursor *c)
{
    c->shown = c->live;
    weft__cursors_add(&c->bridge->cursors, c);
    weft__signal_raise(&c->bridge->link_signal);
    weft__signal_raise(&c->bridge->journal_signal);
    c->threaded = !c->bridge->env.driven;
    if (c->threaded && pthread_create(&c->thread, NULL, cursor_thread, c) != 0) {
        c->threaded = false;
        weft__cursors_remove(&c->bridge->cursors, c);
        return WEFT_NO_MEMORY;
    }
    return WEFT_OK;
}

weft_status weft__cursor_open_with(weft_bridge *b, const weft_cursor_opts *opts, const weft__cursor_effect *effect,
                                   weft_cursor **ret, const char **reason)
{
    const char *ignored;
    reason = reason != NULL ? reason : &ignored;
    *reason = NULL;
    weft_status st = opts_check(opts, reason);
    weft_cursor *c = st == WEFT_OK ? calloc(1, sizeof *c) : NULL;
    if (c == NULL)
        return st == WEFT_OK ? WEFT_NO_MEMORY : st;
    static const weft__cursor_effect handler = {.event = handler_event, .lost = handler_lost};
    *c = (weft_cursor){.bridge = b, .opts = *opts, .effect = effect != NULL ? *effect : handler};
    if (effect == NULL)
        c->effect.user = c;
    c->opts.name = c->opts.path = NULL;
    c->topics = opts->topics != 0 ? opts->topics : (uint32_t)WEFT_TOPICS_DURABLE;
    pthread_mutex_init(&c->mutex, NULL);
    weft__signal_init(&c->signal);
    weft__queue_init(&c->queue, QUEUE_MAX, QUEUE_MAX_BYTES, &c->signal);
    if ((st = weft__cursors_reserve(&b->cursors, &c->taker)) != WEFT_OK)
        *reason = "this bridge has as many cursors as it can";
    bool reserved = st == WEFT_OK;
    if (st == WEFT_OK)
        st = store_make(c, opts, reason);
    if (st == WEFT_OK)
        st = downlink_make(c);
    if (st == WEFT_OK)
        st = cursor_start(c);
    if (st != WEFT_OK) {
        if (reserved)
            weft__cursors_remove(&b->cursors, c);
        weft__cursor_free(c);
        return st;
    }
    *ret = c;
    return WEFT_OK;
}

weft_status weft_cursor_open(weft_bridge *b, const weft_cursor_opts *opts, weft_cursor **ret, const char **reason)
{
    if (opts->on_event == NULL) {
        if (reason != NULL)
            *reason = "on_event: missing";
        return WEFT_INVALID;
    }
    return weft__cursor_open_with(b, opts, NULL, ret, reason);
}

/* What was handled and can be stored is. */
static void cursor_finish(weft_cursor *c)
{
    if (c->downlink == NULL || c->round.short_of_memory || !round_is_due(c))
        return;
    if (c->effect.inside)
        (void)round_store(c);
    else if (weft__cursor_store_begin(c->store) == WEFT_OK)
        (void)place_store(c, WEFT_OK);
}

void weft__cursor_end(weft_cursor *c)
{
    weft__cursors_remove(&c->bridge->cursors, c);
    atomic_store(&c->stopping, true);
    weft__signal_raise(&c->signal);
    if (c->threaded)
        pthread_join(c->thread, NULL);
    cursor_finish(c);
    if (c->downlink != NULL)
        stats_show(c);
    if (c->effect.close != NULL)
        c->effect.close(c->effect.user);
    c->effect.close = NULL;
    weft__signal_raise(&c->bridge->link_signal); /* its topics may be wanted by nobody now */
}

void weft_cursor_close(weft_cursor *c)
{
    if (c == NULL)
        return;
    weft__cursor_end(c);
    weft__cursor_free(c);
}

void weft_cursor_get_stats(weft_cursor *c, weft_cursor_stats *ret)
{
    pthread_mutex_lock(&c->mutex);
    *ret = c->shown;
    pthread_mutex_unlock(&c->mutex);
}
