/* tests/sim/history.c: the world's own lists: what was published, what became of it, and who handled it. What can be
 * judged at once is: an event that nobody made, or altered, or handled twice, or out of order. */
#include "sim/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *array_grow(void *array, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 16 : 2 * *capacity;
    array = realloc(array, *capacity * bytes);
    assert(array != NULL);
    return array;
}

/* ---- what was published ---- */

published *history_begin(world *w, host *h, const weft_event *event)
{
    w->published = array_grow(w->published, w->published_count, &w->published_capacity, sizeof *w->published);
    published *p = &w->published[w->published_count++];
    *p = (published){.host = h->index,
                     .life = h->life,
                     .topic = weft_event_topic(event),
                     .content = event_content(event),
                     .fate = FATE_TAKEN,
                     .expires = event->ttl_ms != 0,
                     .at_ms = w->now_ms};
    return p;
}

/* What this process has, or has not, handled while it was published. */
static void local_check(host *h, size_t number)
{
    const published *p = &h->world->published[number];
    for (const subscriber *s = h->subscribers; s != NULL; s = s->next) {
        bool wants = s->open && s->local_too && (s->topics & p->topic) != 0;
        if (subscriber_has_seen(s, number) != (wants && p->fate != FATE_REFUSED))
            world_violation(h->world, "I1: event %zu, %s at %s, %s by its own subscriber %u", number,
                            p->fate == FATE_REFUSED ? "refused" : "taken", h->name,
                            wants ? "was not handled" : "was handled", s->number);
    }
}

void history_taken(world *w, host *h, size_t number, weft_status st, uint64_t epoch, uint64_t seq, uint64_t receipt)
{
    published *p = &w->published[number];
    p->fate = st == WEFT_OK ? FATE_TAKEN : FATE_REFUSED;
    if (st == WEFT_OK) {
        p->epoch = epoch;
        p->seq = seq;
        p->receipt = receipt;
    }
    local_check(h, number);
}

static void void_check(world *w, size_t number)
{
    const published *p = &w->published[number];
    for (unsigned i = 0; i < w->plan.hosts; i++)
        for (const subscriber *s = w->hosts[i].subscribers; s != NULL && i != p->host; s = s->next)
            if (subscriber_has_seen(s, number))
                world_violation(
                    w, "accepted before the journal: event %zu of %s was handled by subscriber %u, but died in memory",
                    number, w->hosts[p->host].name, s->number);
}

/* Of an event that was taken in the life that has ended. */
static fate fate_at_end(const host *h, const published *p, bool stopped)
{
    if (p->receipt <= h->end_written)
        return p->receipt <= h->end_synced || (stopped && !h->disk_broken) ? FATE_SYNCED : FATE_WRITTEN;
    return h->died_appending ? FATE_APPENDED : FATE_VOID;
}

void history_life_ended(host *h, bool stopped)
{
    world *w = h->world;
    for (size_t i = 0; i < w->published_count; i++) {
        published *p = &w->published[i];
        if (p->host != h->index)
            continue;
        if (p->life == h->life && p->fate == FATE_TAKEN)
            p->fate = fate_at_end(h, p, stopped);
        if (p->life == h->life && p->fate == FATE_VOID)
            void_check(w, i);
        if (!stopped && h->died_how == SIM_DISK_POWER_CUT && (p->fate == FATE_WRITTEN || p->fate == FATE_APPENDED))
            p->fate = FATE_DOUBTFUL;
    }
}

static void line_settle(host *h, size_t number, uint64_t stored)
{
    world *w = h->world;
    published *p = &w->published[number];
    if (p->line <= stored && (p->fate == FATE_APPENDED || p->fate == FATE_DOUBTFUL))
        p->fate = FATE_WRITTEN;
    if (p->line <= stored)
        return;
    p->repeated = true;
    if (p->fate == FATE_WRITTEN || p->fate == FATE_SYNCED)
        world_violation(w, "feed %u of %s: line %llu was in the journal, the mark says %llu", p->feed, h->name,
                        (unsigned long long)p->line, (unsigned long long)stored);
    if (p->fate == FATE_APPENDED) {
        p->fate = FATE_VOID;
        void_check(w, number);
    }
}

void history_feed_read(host *h, unsigned feed, uint64_t stored)
{
    world *w = h->world;
    if (h->rotten)
        return;
    if (stored > h->lines[feed])
        world_violation(w, "feed %u of %s: the mark says line %llu, %llu were published", feed + 1, h->name,
                        (unsigned long long)stored, (unsigned long long)h->lines[feed]);
    for (size_t i = 0; i < w->published_count; i++)
        if (w->published[i].host == h->index && w->published[i].feed == feed + 1 && w->published[i].fate != FATE_VOID &&
            !w->published[i].repeated)
            line_settle(h, i, stored);
}

/* ---- what was sent ---- */

static void sent_check(host *h, const weft_event *event)
{
    world *w = h->world;
    int64_t number = event_number(event);
    if (number < 0 || (size_t)number >= w->published_count || h->bridge == NULL || h->rotten)
        return;
    const published *p = &w->published[number];
    if (p->host == h->index && p->life == h->life && p->receipt > h->bridge->written_receipt)
        world_violation(w, "%s sends event %lld before it is in the journal", h->name, (long long)number);
    if (p->host == h->index && p->repeated)
        world_violation(w, "feed %u of %s: line %llu was in the journal, but not in the mark", p->feed, h->name,
                        (unsigned long long)p->line);
}

void history_sent(host *h, const uint8_t *bytes, size_t length)
{
    weft_batch *batch;
    const char *reason = NULL;
    if (weft_batch_decode(bytes, length, &batch, &reason) != WEFT_OK) {
        world_violation(h->world, "%s sends what cannot be read: %s", h->name, reason != NULL ? reason : "");
        return;
    }
    for (size_t i = 0; i < batch->event_count; i++)
        sent_check(h, batch->events[i]);
    weft_batch_free(batch);
}

/* ---- who handled it ---- */

bool subscriber_has_seen(const subscriber *s, size_t number)
{
    return number < s->seen_capacity && s->seen[number] != 0;
}

static void seen_mark(subscriber *s, size_t number)
{
    if (number >= s->seen_capacity) {
        size_t capacity = 2 * number + 64;
        s->seen = realloc(s->seen, capacity);
        assert(s->seen != NULL);
        memset(s->seen + s->seen_capacity, 0, capacity - s->seen_capacity);
        s->seen_capacity = capacity;
    }
    s->seen[number] = 1;
}

static position *position_of(subscriber *s, const published *p, uint64_t epoch)
{
    for (size_t i = 0; i < s->position_count; i++) {
        position *at = &s->positions[i];
        if (at->host == p->host && at->epoch == epoch && at->topic == p->topic)
            return at;
    }
    s->positions = array_grow(s->positions, s->position_count, &s->position_capacity, sizeof *s->positions);
    position *at = &s->positions[s->position_count++];
    *at = (position){p->host, epoch, p->topic, 0};
    return at;
}

static void order_check(subscriber *s, const weft_event *event, const published *p)
{
    if (event->flags & WEFT_FLAG_REPLAYED)
        return;
    position *at = position_of(s, p, event->id.epoch);
    if (event->id.seq <= at->seq)
        world_violation(s->host->world, "I3: subscriber %u got seq %llu after %llu of %s %s", s->number,
                        (unsigned long long)event->id.seq, (unsigned long long)at->seq, event->id.node,
                        weft_topic_name(p->topic));
    at->seq = event->id.seq;
}

static void event_check(subscriber *s, const weft_event *event, size_t number)
{
    world *w = s->host->world;
    const published *p = &w->published[number];
    const char *wrong = NULL;
    if (!s->open)
        wrong = "I2: handled after its end";
    else if (subscriber_has_seen(s, number))
        wrong = "I2: handled twice";
    else if (event_content(event) != p->content)
        wrong = "I4: altered";
    else if (event->id.node == NULL || world_host_of(w, event->id.node) != (int)p->host)
        wrong = "I4: under another node's name";
    else if (p->epoch != 0 && (p->epoch != event->id.epoch || p->seq != event->id.seq))
        wrong = "I4: under another id";
    else if (p->host == s->host->index && !s->local_too)
        wrong = "an own event came back";
    else if ((s->topics & p->topic) == 0)
        wrong = "handled by one who does not want it";
    else if (p->fate == FATE_REFUSED || p->fate == FATE_VOID)
        wrong = "I4: invented: nobody accepted it";
    if (wrong != NULL)
        world_violation(w, "%s: event %zu (%s %llu.%llu) at subscriber %u of %s", wrong, number, w->hosts[p->host].name,
                        (unsigned long long)event->id.epoch, (unsigned long long)event->id.seq, s->number,
                        s->host->name);
    order_check(s, event, p);
}

weft_status history_handle(const weft_event *event, void *user)
{
    subscriber *s = user;
    world *w = s->host->world;
    if (event->flags & WEFT_FLAG_SYNTHETIC)
        return WEFT_OK;
    int64_t number = event_number(event);
    if (number < 0 || (size_t)number >= w->published_count) {
        world_violation(w, "I4: invented: an event that nobody published at subscriber %u", s->number);
        return WEFT_OK;
    }
    event_check(s, event, (size_t)number);
    seen_mark(s, (size_t)number);
    const published *p = &w->published[number];
    if (p->life == w->hosts[p->host].life)
        subscriber_knows(s, p->host, p->topic, true);
    s->handled++;
    w->handled++;
    world_trace(w, "%s: subscriber %u handles %lld, %s %s %llu.%llu%s", s->host->name, s->number, (long long)number,
                event->id.node, weft_topic_name(weft_event_topic(event)), (unsigned long long)event->id.epoch,
                (unsigned long long)event->id.seq, event->flags & WEFT_FLAG_REPLAYED ? ", replayed" : "");
    return WEFT_OK;
}

void history_lost(const weft_lost *lost, void *user)
{
    subscriber *s = user;
    world *w = s->host->world;
    int index = world_host_of(w, lost->node);
    world_trace(w, "%s: subscriber %u is told lost: %s %s %llu.%llu to %llu, %llu events, %s", s->host->name, s->number,
                lost->node != NULL ? lost->node : "-", weft_topic_name(lost->topic), (unsigned long long)lost->epoch,
                (unsigned long long)lost->from_seq, (unsigned long long)lost->to_seq, (unsigned long long)lost->count,
                weft_lost_reason_name(lost->reason));
    if (index < 0 || lost->from_seq > lost->to_seq) {
        world_violation(w, "I8: subscriber %u was told of a loss that names nothing", s->number);
        return;
    }
    s->reports = array_grow(s->reports, s->report_count, &s->report_capacity, sizeof *s->reports);
    s->reports[s->report_count++] = (reported){(unsigned)index, *lost};
}

/* ---- what is owed ---- */

void subscriber_knows(subscriber *s, unsigned from_host, weft_topic topic, bool heard)
{
    size_t now = s->host->world->published_count;
    if (!s->open || !s->ready)
        return;
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        if (topic != 0 && weft_topic_number(topic) != number)
            continue;
        if (s->from[from_host][number] == SIZE_MAX)
            s->from[from_host][number] = now;
        if (heard && s->heard[from_host][number] == SIZE_MAX)
            s->heard[from_host][number] = now;
    }
}

bool subscriber_is_owed(const subscriber *s, size_t number)
{
    const world *w = s->host->world;
    const published *p = &w->published[number];
    unsigned topic = weft_topic_number(p->topic);
    size_t from = w->hosts[p->host].clock_set ? s->heard[p->host][topic] : s->from[p->host][topic];
    bool accepted = p->fate == FATE_TAKEN || p->fate == FATE_WRITTEN || p->fate == FATE_SYNCED;
    return s->open && s->ready && number >= from && p->host != s->host->index && (s->topics & p->topic) != 0 &&
           accepted && !p->expires && !w->hosts[p->host].rotten;
}

bool subscriber_was_told_lost(const subscriber *s, const published *p)
{
    for (size_t i = 0; i < s->report_count; i++) {
        const weft_lost *l = &s->reports[i].lost;
        if (s->reports[i].host == p->host && l->epoch == p->epoch && l->topic == p->topic && l->from_seq <= p->seq &&
            p->seq <= l->to_seq)
            return true;
    }
    return false;
}

void subscriber_free(subscriber *s)
{
    free(s->seen);
    free(s->positions);
    free(s->reports);
    free(s);
}
