/* tests/sim/host.c: the lives of a host.
 *
 *   down --boot--> up --stop--> down
 *   up --kill or power cut, between two turns--> down
 *   up --kill or power cut, at a step inside a turn--> dying --the turn has returned--> down
 *
 * At the moment of death the disk and the broker hear no more of the old life; what the rest of its turn does, and its
 * destruction, changes nothing. */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t clock_wall_ms(void *user)
{
    const host *h = user;
    return INT64_C(1767225600000) + h->world->now_ms + h->wall_ms;
}

static int64_t clock_mono_ns(void *user)
{
    const host *h = user;
    return (h->world->now_ms + 7777 * (int64_t)h->index) * 1000000;
}

void host_init(world *w, unsigned index)
{
    host *h = &w->hosts[index];
    *h = (host){.world = w, .index = index, .clock = {clock_wall_ms, clock_mono_ns, h}};
    (void)snprintf(h->name, sizeof h->name, "host-%c", 'a' + (int)index);
    h->disk = sim_disk_create(draw_next(&w->draw));
    h->wall_ms = (int64_t)draw_below(&w->draw, 4000) - 2000;
    h->lossy = w->plan.journal_max_bytes != 0 || w->plan.max_packet_bytes != UINT32_MAX;
}

/* ---- what the bridge tells ---- */

static void on_notice(const weft_notice *n, void *user)
{
    host *h = user;
    world *w = h->world;
    if (h->dying)
        return;
    world_trace(w, "%s: notice %s %s %llu %s", h->name, weft_notice_name(n->kind), weft_status_name(n->status),
                (unsigned long long)n->count, n->text != NULL ? n->text : "");
    if (n->kind == WEFT_NOTICE_FENCED)
        world_violation(w, "%s says that a newer process holds its name", h->name);
    if (n->kind == WEFT_NOTICE_JOURNAL_DAMAGED && !h->rotten)
        world_violation(w, "%s says that its journal is damaged", h->name);
    if (n->kind == WEFT_NOTICE_MESSAGE_DROPPED && !h->rotten)
        world_violation(w, "%s drops a message: %s", h->name, n->text != NULL ? n->text : "");
    if (n->kind == WEFT_NOTICE_LOST && !h->lossy && !h->rotten)
        world_violation(w, "%s gives up %llu events: %s", h->name, (unsigned long long)n->count,
                        n->text != NULL ? n->text : "");
}

static void die(host *h, sim_disk_end how)
{
    h->end_written = h->bridge->written_receipt;
    h->end_synced = h->bridge->synced_receipt;
    h->died_how = how;
    h->dying = true;
    sim_disk_crash(h->disk, how);
    (void)fake_broker_cut(h->world->broker, h->name);
    world_trace(h->world, "%s: %s; written %llu, synced %llu", h->name, how == SIM_DISK_KILL ? "killed" : "power cut",
                (unsigned long long)h->end_written, (unsigned long long)h->end_synced);
}

static void on_step(void *user, weft__step step)
{
    host *h = user;
    if (h->dying)
        return;
    world_trace(h->world, "%s: %s", h->name, weft__step_name(step));
    if (!h->kill_armed || step != h->kill_step || --h->kill_left > 0)
        return;
    h->kill_armed = false;
    h->died_appending = step == WEFT__STEP_APPENDED;
    die(h, h->kill_how);
}

/* ---- boot ---- */

static void feeds_read(host *h)
{
    for (unsigned feed = 0; feed < FEEDS; feed++) {
        char name[8];
        (void)snprintf(name, sizeof name, "feed-%u", feed + 1);
        uint64_t line = 0;
        size_t bytes = 0;
        char *state = NULL;
        weft_status st = weft_bridge_feed(h->bridge, name, &line, &state, &bytes);
        if (st != WEFT_OK && st != WEFT_NOT_FOUND) {
            world_trace(h->world, "%s: feed %u cannot be read: %s", h->name, feed + 1, weft_status_name(st));
            h->feed_unread[feed] = true;
            continue;
        }
        if (line > 0 && (state == NULL || (uint64_t)strtoull(state, NULL, 10) != line) && !h->rotten)
            world_violation(h->world, "feed %u of %s: line %llu with the state of another", feed + 1, h->name,
                            (unsigned long long)line);
        free(state);
        h->feed_unread[feed] = false;
        history_feed_read(h, feed, line);
        h->lines[feed] = line;
    }
}

static weft_status bridge_make(host *h, const char **ret_reason)
{
    world *w = h->world;
    char path[32];
    (void)snprintf(path, sizeof path, "/journal/%s.db", h->name);
    weft_bridge_opts opts = {.url = fake_broker_url(w->broker),
                             .fabric = "sim",
                             .node = h->name,
                             .journal_path = path,
                             .journal_max_bytes = w->plan.journal_max_bytes,
                             .on_notice = on_notice,
                             .user = h};
    weft__bridge_env env = {.link_ops = &fake_link,
                            .disk = sim_disk_ops(h->disk),
                            .random_seed = draw_next(&w->draw) | 1,
                            .driven = true,
                            .on_step = on_step,
                            .user = h};
    return weft__bridge_create_in(h->bus, &opts, &env, &h->bridge, ret_reason);
}

bool host_boot(host *h)
{
    world *w = h->world;
    const char *reason = NULL;
    weft_dispatcher_opts opts = {.clock = &h->clock};
    weft_status st = weft_dispatcher_create(&opts, &h->bus);
    h->life++;
    h->kill_armed = h->dying = h->died_appending = false;
    if (st == WEFT_OK)
        st = bridge_make(h, &reason);
    world_trace(w, "%s: boot %u: %s %s, epoch %llu", h->name, h->life, weft_status_name(st),
                reason != NULL ? reason : "",
                h->bridge != NULL ? (unsigned long long)atomic_load(&h->bridge->epoch) : 0);
    if (st != WEFT_OK) {
        if (!h->disk_broken)
            world_violation(w, "%s cannot start: %s %s", h->name, weft_status_name(st), reason != NULL ? reason : "");
        weft_dispatcher_destroy(h->bus);
        h->bus = NULL;
        h->bridge = NULL;
        return false;
    }
    for (unsigned i = 0; i < WEFT__AGENT_COUNT; i++)
        h->due_ms[i] = w->now_ms;
    for (unsigned i = 0; i < w->plan.hosts; i++) /* whoever is ready before a life begins misses nothing of it */
        for (subscriber *s = w->hosts[i].subscribers; s != NULL; s = s->next)
            subscriber_knows(s, h->index, (weft_topic)0, false);
    feeds_read(h);
    return true;
}

/* ---- end ---- */

static void subscribers_end(host *h)
{
    for (subscriber *s = h->subscribers; s != NULL; s = s->next)
        s->open = false;
}

static void process_free(host *h)
{
    subscribers_end(h);
    weft_bridge_destroy(h->bridge);
    weft_dispatcher_destroy(h->bus);
    h->bridge = NULL;
    h->bus = NULL;
    h->kill_armed = false;
}

static void bury(host *h, bool stopped)
{
    process_free(h);
    history_life_ended(h, stopped);
    h->dying = false;
}

void host_end(host *h, sim_disk_end how)
{
    die(h, how);
    bury(h, false);
}

void host_stop(host *h)
{
    (void)weft_bridge_stop(h->bridge, 1);
    if (h->dying) {
        bury(h, false);
        return;
    }
    h->end_written = h->bridge->written_receipt;
    h->end_synced = h->bridge->synced_receipt;
    world_trace(h->world, "%s: stopped; written %llu", h->name, (unsigned long long)h->end_written);
    bury(h, true);
}

void host_fini(host *h)
{
    h->dying = true; /* whatever it does now is no part of the schedule */
    process_free(h);
    for (subscriber *s = h->subscribers, *next; s != NULL; s = next) {
        next = s->next;
        subscriber_free(s);
    }
    sim_disk_destroy(h->disk);
}

/* ---- turns ---- */

bool host_is_due(const host *h, weft__agent_id id)
{
    return h->bridge != NULL && (h->due_ms[id] <= h->world->now_ms || h->bridge->agents[id].signal->raised);
}

void host_turn(host *h, weft__agent_id id)
{
    weft__agent *agent = &h->bridge->agents[id];
    agent->signal->raised = false;
    int64_t sleep = agent->turn(h->bridge);
    h->due_ms[id] = h->world->now_ms + (sleep > 0 ? sleep : 0);
    if (h->dying)
        bury(h, false);
    else if (sleep < 0)
        world_violation(h->world, "%s: an agent has ended by itself", h->name);
}

void host_look(host *h)
{
    world *w = h->world;
    for (subscriber *s = h->subscribers; s != NULL; s = s->next) {
        if (!s->open || s->ready || h->bridge == NULL || !h->bridge->connected ||
            (h->bridge->ready_topics & s->topics) != s->topics)
            continue;
        s->ready = true;
        world_trace(w, "%s: subscriber %u is ready, at event %zu", h->name, s->number, w->published_count);
    }
}

/* A beat says how far the streams of its node go. */
void host_delivered(host *h, const char *topic)
{
    static const char beat[] = "weft/v1/sim/beat/";
    if (strncmp(topic, beat, sizeof beat - 1) != 0)
        return;
    int from = world_host_of(h->world, topic + sizeof beat - 1);
    for (subscriber *s = h->subscribers; s != NULL && from >= 0; s = s->next)
        subscriber_knows(s, (unsigned)from, (weft_topic)0, true);
}
