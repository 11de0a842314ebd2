/* tests/sim/checks.c: what must hold when everything has been healed and time has passed. */
#include "sim/world.h"

static bool host_is_quiet(host *h)
{
    weft_bridge_stats stats;
    weft_bridge_get_stats(h->bridge, &stats);
    return stats.connected && stats.pending_events == 0 && stats.open_gaps == 0;
}

static bool is_missing(const subscriber *s, size_t number)
{
    if (!subscriber_is_owed(s, number) || subscriber_has_seen(s, number))
        return false;
    const published *p = &s->host->world->published[number];
    return !s->host->world->hosts[p->host].lossy || !subscriber_was_told_lost(s, p);
}

static bool subscriber_is_settled(const subscriber *s)
{
    for (size_t i = 0; s->open && i < s->host->world->published_count; i++)
        if (is_missing(s, i))
            return false;
    return true;
}

bool checks_are_settled(world *w)
{
    for (unsigned i = 0; i < w->plan.hosts; i++)
        if (w->hosts[i].bridge == NULL || !host_is_quiet(&w->hosts[i]))
            return false;
    for (unsigned i = 0; i < w->plan.hosts; i++)
        for (const subscriber *s = w->hosts[i].subscribers; s != NULL; s = s->next)
            if (!subscriber_is_settled(s))
                return false;
    return true;
}

/* ---- I1 ---- */

static void missing_check(const subscriber *s)
{
    world *w = s->host->world;
    for (size_t i = 0; s->open && i < w->published_count; i++)
        if (is_missing(s, i)) {
            const published *p = &w->published[i];
            world_violation(w,
                            "I1: event %zu of %s (%s %llu.%llu, published at %.3f) never reached subscriber %u of %s%s",
                            i, w->hosts[p->host].name, weft_topic_name(p->topic), (unsigned long long)p->epoch,
                            (unsigned long long)p->seq, (double)(p->at_ms - 1000000) / 1000, s->number, s->host->name,
                            subscriber_was_told_lost(s, p) ? ", who was told it is lost" : "");
            return;
        }
}

/* ---- I8: reports of losses name what was not handled, and how much ---- */

static void report_check(const subscriber *s, const reported *r)
{
    world *w = s->host->world;
    uint64_t count = 0;
    for (size_t i = 0; i < w->published_count; i++) {
        const published *p = &w->published[i];
        if (p->host != r->host || p->epoch != r->lost.epoch || p->topic != r->lost.topic || p->seq < r->lost.from_seq ||
            p->seq > r->lost.to_seq)
            continue;
        count++;
        if (subscriber_has_seen(s, i))
            world_violation(w, "I8: subscriber %u was told that event %zu is lost, and handled it", s->number, i);
    }
    if (r->lost.count != 0 && r->lost.count != count && !w->hosts[r->host].rotten)
        world_violation(w, "I8: subscriber %u was told of %llu lost events, there were %llu", s->number,
                        (unsigned long long)r->lost.count, (unsigned long long)count);
}

/* ---- feeds: each line once ---- */

static void line_check(const subscriber *s, size_t number)
{
    world *w = s->host->world;
    const published *p = &w->published[number];
    if (p->feed == 0 || !subscriber_has_seen(s, number) || p->fate == FATE_DOUBTFUL)
        return;
    for (size_t i = 0; i < number; i++) {
        const published *q = &w->published[i];
        if (q->host == p->host && q->feed == p->feed && q->line == p->line && q->receipt != p->receipt &&
            q->fate != FATE_DOUBTFUL && subscriber_has_seen(s, i))
            world_violation(w, "feed %u of %s: line %llu reached subscriber %u twice, as events %zu and %zu", p->feed,
                            w->hosts[p->host].name, (unsigned long long)p->line, s->number, i, number);
    }
}

/* ---- I5, I6 ---- */

static void host_check(host *h)
{
    world *w = h->world;
    weft_bridge_stats stats;
    weft_bridge_get_stats(h->bridge, &stats);
    if (!stats.connected)
        world_violation(w, "I6: %s is not connected", h->name);
    if (stats.pending_events != 0)
        world_violation(w, "I6: %s has %llu events pending", h->name, (unsigned long long)stats.pending_events);
    if (stats.open_gaps != 0)
        world_violation(w, "I6: %s has %u open gaps", h->name, stats.open_gaps);
    size_t waiting = weft__queue_count(&h->bridge->inbound) + weft__queue_count(&h->bridge->deliveries) +
                     weft__queue_count(&h->bridge->control);
    if (waiting != 0)
        world_violation(w, "I6: %s has %zu messages waiting", h->name, waiting);
    if (stats.dropped_malformed + stats.dropped_foreign + stats.dropped_overflow > 0 && !h->rotten)
        world_violation(w, "%s has dropped messages", h->name);
}

void checks_run(world *w)
{
    for (unsigned i = 0; i < w->plan.hosts; i++)
        for (const subscriber *s = w->hosts[i].subscribers; s != NULL; s = s->next) {
            missing_check(s);
            for (size_t r = 0; r < s->report_count; r++)
                report_check(s, &s->reports[r]);
            for (size_t number = 0; number < w->published_count && !w->hosts[i].rotten; number++)
                line_check(s, number);
        }
    for (unsigned i = 0; i < w->plan.hosts; i++)
        host_check(&w->hosts[i]);
}
