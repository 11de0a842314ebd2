/* tests/sim/traffic.c: what the agents of a host do: publish, feed, subscribe, unsubscribe. */
#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP_MAX = 4 };

static uint32_t topics_draw(draw *d)
{
    uint32_t all = 0, some = 0;
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        uint32_t topic = (uint32_t)weft_topic_from_number(number) & (uint32_t)WEFT_TOPICS_DURABLE;
        if (topic == 0)
            continue;
        all |= topic;
        some |= draw_below(d, 3) == 0 ? topic : 0;
    }
    return some != 0 ? some : all;
}

void traffic_subscribe(host *h)
{
    world *w = h->world;
    unsigned open = 0;
    for (const subscriber *s = h->subscribers; s != NULL; s = s->next)
        open += s->open;
    if (open == SUBSCRIBERS_MAX)
        return;
    subscriber *s = calloc(1, sizeof *s);
    assert(s != NULL);
    *s = (subscriber){.next = h->subscribers,
                      .host = h,
                      .number = ++w->subscriber_count,
                      .life = h->life,
                      .topics = topics_draw(&w->draw),
                      .local_too = draw_below(&w->draw, 2) == 0,
                      .open = true};
    for (unsigned i = 0; i < HOSTS_MAX; i++)
        for (unsigned number = 0; number < WEFT_TOPIC_MAX; number++)
            s->from[i][number] = s->heard[i][number] = SIZE_MAX;
    h->subscribers = s;
    weft_filter filter = {.topics = s->topics, .origin = s->local_too ? WEFT_ORIGIN_ANY : WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts opts = {.name = "sim", .on_lost = history_lost};
    weft_status st = weft_subscribe_with(h->bus, &filter, &opts, history_handle, s, &s->handle);
    assert(st == WEFT_OK);
    (void)st;
    world_trace(w, "%s: subscriber %u to topics %x%s", h->name, s->number, s->topics, s->local_too ? ", own too" : "");
}

void traffic_unsubscribe(host *h)
{
    unsigned open = 0;
    for (const subscriber *s = h->subscribers; s != NULL; s = s->next)
        open += s->open;
    if (open < 2)
        return;
    unsigned at = draw_below(&h->world->draw, open);
    for (subscriber *s = h->subscribers; s != NULL; s = s->next)
        if (s->open && at-- == 0) {
            world_trace(h->world, "%s: subscriber %u ends", h->name, s->number);
            s->open = false;
            (void)weft_unsubscribe(h->bus, s->handle);
            return;
        }
}

/* ---- publishing ---- */

/* Cost and size of a burst: mostly a few. */
static unsigned burst_draw(draw *d)
{
    return draw_permille(d, 30) ? draw_between(d, 10, 40) : draw_between(d, 1, 4);
}

static void publish_one(host *h)
{
    world *w = h->world;
    size_t number = w->published_count;
    const weft_event *event = event_make(w, h, number);
    (void)history_begin(w, h, event);
    weft_status st = weft_publish(h->bus, event);
    history_taken(w, h, number, st, h->bridge->intake.epoch, h->bridge->intake.seq, h->bridge->intake.receipt);
    world_trace(w, "%s: publish %zu %s, %s %llu.%llu: %s", h->name, number, weft_event_type_name(event->type),
                weft_topic_name(weft_event_topic(event)), (unsigned long long)w->published[number].epoch,
                (unsigned long long)w->published[number].seq, weft_status_name(st));
    if (st != WEFT_OK && !h->disk_broken && h->bridge->journal_status == WEFT_OK)
        world_violation(w, "%s refuses an event: %s", h->name, weft_status_name(st));
}

void traffic_publish(host *h)
{
    for (unsigned left = burst_draw(&h->world->draw); left > 0; left--)
        publish_one(h);
}

/* Kept for the call: made events live in one place. */
static const weft_event *event_copy(const weft_event *event)
{
    const weft_event *kept = weft_event_keep(event);
    assert(kept != NULL);
    return kept;
}

void traffic_feed(host *h)
{
    world *w = h->world;
    unsigned feed = draw_below(&w->draw, FEEDS), count = draw_between(&w->draw, 0, GROUP_MAX);
    if (h->feed_unread[feed])
        return;
    const weft_event *events[GROUP_MAX + 1];
    size_t first = w->published_count;
    char name[8], state[24];
    uint64_t line = h->lines[feed] + 1, receipt = 0;
    (void)snprintf(name, sizeof name, "feed-%u", feed + 1);
    int bytes = snprintf(state, sizeof state, "%llu", (unsigned long long)line);
    for (unsigned i = 0; i < count; i++) {
        events[i] = event_copy(event_make(w, h, first + i));
        published *p = history_begin(w, h, events[i]);
        p->feed = feed + 1;
        p->line = line;
    }
    weft_feed_mark mark = {.feed = name, .line = line, .state = state, .state_bytes = (size_t)bytes};
    weft_status st = weft_bridge_publish_group(h->bridge, events, count, &mark, &receipt, NULL);
    world_trace(w, "%s: feed %u line %llu, events %zu to %zu: %s, receipt %llu", h->name, feed + 1,
                (unsigned long long)line, first, first + count, weft_status_name(st), (unsigned long long)receipt);
    uint64_t seq = h->bridge->intake.seq - count;
    for (unsigned i = 0; i < count; i++) {
        history_taken(w, h, first + i, st, h->bridge->intake.epoch, ++seq, receipt);
        weft_event_release(events[i]);
    }
    if (st == WEFT_OK)
        h->lines[feed] = line;
    else if (!h->disk_broken && h->bridge->journal_status == WEFT_OK)
        world_violation(w, "%s refuses a group: %s", h->name, weft_status_name(st));
}
