/* tests/sim/schedule.c: the steps of a schedule, and the healing after it. */
#include "sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEEP_ALIVE_MS = 15000, /* one and a half keep-alives: a silent connection is broken */
    QUIET_MS = 12000,      /* after all is settled: nothing more may come */
    TURNS_AT_ONCE_MAX = 20000,
    SKEW_MS = 1000, /* with that between clocks (host_init), less than the 5 s that are allowed */
};

typedef void (*action_fn)(world *w, host *h);

static host *host_draw(world *w)
{
    return &w->hosts[draw_below(&w->draw, w->plan.hosts)];
}

/* ---- time and turns ---- */

static void clock_move(world *w, int64_t ms)
{
    w->now_ms += ms;
    for (unsigned i = 0; i < w->plan.hosts; i++) {
        host *h = &w->hosts[i];
        bool parted = h->parted != FAKE_JOINED && w->now_ms - h->parted_ms > KEEP_ALIVE_MS;
        bool frozen = w->frozen_ms != 0 && w->now_ms - w->frozen_ms > KEEP_ALIVE_MS;
        if ((parted || frozen) && fake_broker_cut(w->broker, h->name) > 0)
            world_trace(w, "%s: its connection is broken by silence", h->name);
    }
}

static void act_turn(world *w, host *h)
{
    if (h->bridge == NULL)
        return;
    weft__agent_id due[WEFT__AGENT_COUNT];
    unsigned count = 0;
    for (unsigned id = 0; id < WEFT__AGENT_COUNT; id++)
        if (host_is_due(h, (weft__agent_id)id))
            due[count++] = (weft__agent_id)id;
    weft__agent_id id =
        count > 0 ? due[draw_below(&w->draw, count)] : (weft__agent_id)draw_below(&w->draw, WEFT__AGENT_COUNT);
    world_trace(w, "%s: turn of agent %d", h->name, (int)id);
    host_turn(h, id);
}

static void act_deliver(world *w, host *h)
{
    size_t done = fake_broker_pump_client(w->broker, h->name, 1 + draw_below(&w->draw, 8));
    if (done > 0)
        world_trace(w, "%s: %zu callbacks", h->name, done);
}

static void act_wait(world *w, host *h)
{
    (void)h;
    clock_move(w, 1 + draw_below(&w->draw, 120));
}

static void act_wait_long(world *w, host *h)
{
    (void)h;
    clock_move(w, 500 + draw_below(&w->draw, 12000));
}

/* ---- traffic ---- */

static void act_publish(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        traffic_publish(h);
}

static void act_feed(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        traffic_feed(h);
}

static void act_subscribe(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        traffic_subscribe(h);
}

static void act_unsubscribe(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        traffic_unsubscribe(h);
}

/* ---- lives ---- */

static void act_boot(world *w, host *h)
{
    if (h->bridge != NULL || !host_boot(h))
        return;
    for (unsigned left = draw_below(&w->draw, 3); left > 0; left--)
        traffic_subscribe(h);
}

static void act_stop(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        host_stop(h);
}

static void act_kill(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        host_end(h, SIM_DISK_KILL);
}

static void act_power_cut(world *w, host *h)
{
    (void)w;
    if (h->bridge != NULL)
        host_end(h, SIM_DISK_POWER_CUT);
}

static void kill_arm(world *w, host *h, sim_disk_end how)
{
    if (h->bridge == NULL || h->kill_armed)
        return;
    h->kill_armed = true;
    h->kill_how = how;
    h->kill_step = (weft__step)draw_below(&w->draw, WEFT__STEP_COUNT);
    h->kill_left = 1 + draw_below(&w->draw, 4);
    world_trace(w, "%s: to end at %s, passage %u", h->name, weft__step_name(h->kill_step), h->kill_left);
}

static void act_kill_at(world *w, host *h)
{
    kill_arm(w, h, SIM_DISK_KILL);
}

static void act_power_cut_at(world *w, host *h)
{
    kill_arm(w, h, SIM_DISK_POWER_CUT);
}

/* ---- the broker and the wires ---- */

static void act_cut(world *w, host *h)
{
    world_trace(w, "%s: cut, %u", h->name, fake_broker_cut(w->broker, h->name));
}

static void act_broker_end(world *w, host *h)
{
    (void)h;
    world_trace(w, "broker: end");
    fake_broker_stop(w->broker);
    w->broker_down = true;
    w->frozen_ms = 0;
}

static void act_broker_forget(world *w, host *h)
{
    act_broker_end(w, h);
    world_trace(w, "broker: forgets");
    fake_broker_forget(w->broker);
}

static void act_broker_freeze(world *w, host *h)
{
    (void)h;
    if (w->broker_down || w->frozen_ms != 0)
        return;
    world_trace(w, "broker: frozen");
    fake_broker_freeze(w->broker);
    w->frozen_ms = w->now_ms;
}

static void act_broker_back(world *w, host *h)
{
    (void)h;
    if (!w->broker_down && w->frozen_ms == 0)
        return;
    world_trace(w, "broker: back");
    fake_broker_start(w->broker);
    fake_broker_thaw(w->broker);
    w->broker_down = false;
    w->frozen_ms = 0;
}

static void act_chaos(world *w, host *h)
{
    (void)h;
    fake_chaos chaos = plan_chaos(&w->draw);
    world_trace(w, "broker: chaos: cut %u, drop %u, duplicate %u, swap %u", chaos.cut_permille, chaos.drop_permille,
                chaos.duplicate_permille, chaos.swap_permille);
    fake_broker_set_chaos(w->broker, &chaos);
}

static void act_part(world *w, host *h)
{
    if (h->parted != FAKE_JOINED)
        return;
    h->parted = (fake_ways)draw_between(&w->draw, FAKE_NO_OUT, FAKE_APART);
    h->parted_ms = w->now_ms;
    world_trace(w, "%s: parted, ways %d", h->name, (int)h->parted);
    fake_broker_part(w->broker, h->name, h->parted);
}

static void act_join(world *w, host *h)
{
    if (h->parted == FAKE_JOINED)
        return;
    world_trace(w, "%s: joined", h->name);
    h->parted = FAKE_JOINED;
    fake_broker_part(w->broker, h->name, FAKE_JOINED);
}

static void act_acks_hold(world *w, host *h)
{
    (void)h;
    world_trace(w, "broker: holds acknowledgements");
    fake_broker_hold_acks(w->broker, true);
}

static void act_acks_release(world *w, host *h)
{
    (void)h;
    fake_broker_hold_acks(w->broker, false);
    size_t released = fake_broker_release_acks(w->broker, SIZE_MAX);
    if (released > 0)
        world_trace(w, "broker: releases %zu acknowledgements", released);
}

/* ---- disks and clocks ---- */

static void act_disk_fail(world *w, host *h)
{
    static const unsigned kinds[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_NAME, SIM_DISK_CHANGE};
    sim_disk_fault fault = {.ops = kinds[draw_below(&w->draw, 4)],
                            .skip = draw_below(&w->draw, 30),
                            .count = draw_below(&w->draw, 2) ? 1 : 1 + draw_below(&w->draw, 40),
                            .error = EIO};
    world_trace(w, "%s: disk fails: ops %u, skip %u, count %u", h->name, fault.ops, (unsigned)fault.skip,
                (unsigned)fault.count);
    sim_disk_fail(h->disk, &fault);
    h->disk_broken = true;
}

static void act_disk_full(world *w, host *h)
{
    uint64_t room = draw_below(&w->draw, 3) == 0 ? 0 : draw_below(&w->draw, 60000);
    world_trace(w, "%s: disk has room for %u more", h->name, (unsigned)room);
    sim_disk_set_capacity(h->disk, sim_disk_used(h->disk) + room + 1);
    h->disk_broken = true;
}

static void act_disk_read_only(world *w, host *h)
{
    world_trace(w, "%s: disk is read-only", h->name);
    sim_disk_set_read_only(h->disk, true);
    h->disk_broken = true;
}

static void act_disk_mend(world *w, host *h)
{
    if (!h->disk_broken)
        return;
    world_trace(w, "%s: disk works", h->name);
    sim_disk_fail(h->disk, NULL);
    sim_disk_set_capacity(h->disk, 0);
    sim_disk_set_read_only(h->disk, false);
    h->disk_broken = false;
}

static void act_disk_rot(world *w, host *h)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/journal/%s.db", h->name);
    bool any = sim_disk_flip(h->disk, path, draw_below(&w->draw, 2) ? "" : "-wal");
    world_trace(w, "%s: disk rots: %d", h->name, any);
    h->rotten = h->rotten || any;
}

static void act_clock_jump(world *w, host *h)
{
    static const int64_t sizes_ms[] = {2000, 60000, 3600000};
    int64_t size = sizes_ms[draw_below(&w->draw, 3)];
    int64_t jump = (int64_t)draw_below(&w->draw, (unsigned)(2 * size)) - size;
    h->wall_ms += jump;
    h->clock_set = h->clock_set || llabs(jump) > SKEW_MS;
    world_trace(w, "%s: clock jumps by %lld ms", h->name, (long long)jump);
}

static const action_fn actions[ACTION_COUNT] = {
    [ACTION_TURN] = act_turn,
    [ACTION_DELIVER] = act_deliver,
    [ACTION_WAIT] = act_wait,
    [ACTION_WAIT_LONG] = act_wait_long,
    [ACTION_PUBLISH] = act_publish,
    [ACTION_FEED] = act_feed,
    [ACTION_SUBSCRIBE] = act_subscribe,
    [ACTION_UNSUBSCRIBE] = act_unsubscribe,
    [ACTION_BOOT] = act_boot,
    [ACTION_STOP] = act_stop,
    [ACTION_KILL] = act_kill,
    [ACTION_KILL_AT] = act_kill_at,
    [ACTION_POWER_CUT] = act_power_cut,
    [ACTION_POWER_CUT_AT] = act_power_cut_at,
    [ACTION_CUT] = act_cut,
    [ACTION_BROKER_END] = act_broker_end,
    [ACTION_BROKER_FORGET] = act_broker_forget,
    [ACTION_BROKER_BACK] = act_broker_back,
    [ACTION_BROKER_FREEZE] = act_broker_freeze,
    [ACTION_CHAOS] = act_chaos,
    [ACTION_PART] = act_part,
    [ACTION_JOIN] = act_join,
    [ACTION_ACKS_HOLD] = act_acks_hold,
    [ACTION_ACKS_RELEASE] = act_acks_release,
    [ACTION_DISK_FAIL] = act_disk_fail,
    [ACTION_DISK_FULL] = act_disk_full,
    [ACTION_DISK_READ_ONLY] = act_disk_read_only,
    [ACTION_DISK_MEND] = act_disk_mend,
    [ACTION_DISK_ROT] = act_disk_rot,
    [ACTION_CLOCK_JUMP] = act_clock_jump,
};

/* ---- healing ---- */

static void all_heal(world *w)
{
    act_broker_back(w, NULL);
    fake_broker_set_chaos(w->broker, NULL);
    (void)fake_broker_release_held(w->broker);
    act_acks_release(w, NULL);
    for (unsigned i = 0; i < w->plan.hosts; i++) {
        host *h = &w->hosts[i];
        act_join(w, h);
        act_disk_mend(w, h);
        h->kill_armed = false;
        if (h->bridge == NULL)
            (void)host_boot(h);
    }
}

/* Whatever is due now runs, until nothing is. Returns false if that never comes. */
static bool moment_run(world *w)
{
    unsigned turns = 0;
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned i = 0; i < w->plan.hosts; i++)
            for (unsigned id = 0; id < WEFT__AGENT_COUNT; id++)
                if (host_is_due(&w->hosts[i], (weft__agent_id)id)) {
                    host_turn(&w->hosts[i], (weft__agent_id)id);
                    host_look(&w->hosts[i]);
                    busy = true;
                    turns++;
                }
        busy = fake_broker_pump(w->broker) > 0 || busy;
        if (turns > TURNS_AT_ONCE_MAX)
            return false;
    }
    return true;
}

static int64_t next_due_ms(const world *w)
{
    int64_t next = w->now_ms + 1000;
    for (unsigned i = 0; i < w->plan.hosts; i++)
        for (unsigned id = 0; w->hosts[i].bridge != NULL && id < WEFT__AGENT_COUNT; id++)
            if (w->hosts[i].due_ms[id] < next)
                next = w->hosts[i].due_ms[id];
    return next > w->now_ms ? next : w->now_ms + 1;
}

/* Lets time pass until the deadline, or all is settled if that is enough. */
static bool time_pass(world *w, int64_t until_ms, bool settled_is_enough)
{
    while (w->now_ms < until_ms) {
        if (!moment_run(w)) {
            world_violation(w, "I6: the agents spin");
            return false;
        }
        if (settled_is_enough && checks_are_settled(w))
            return true;
        clock_move(w, next_due_ms(w) - w->now_ms);
    }
    return !settled_is_enough;
}

void schedule_run(world *w)
{
    for (w->step = 1; w->step <= w->plan.steps && w->violations == 0; w->step++) {
        sim_action action = plan_action(&w->plan, &w->draw);
        host *h = host_draw(w);
        actions[action](w, h);
        host_look(h);
    }
    if (w->violations > 0)
        return;
    world_trace(w, "everything is healed");
    int64_t healed_ms = w->now_ms;
    all_heal(w);
    bool settled = time_pass(w, healed_ms + LATE_MS, true);
    world_trace(w, settled ? "settled" : "not settled");
    if (settled)
        (void)time_pass(w, w->now_ms + QUIET_MS, false);
    if (w->violations == 0)
        checks_run(w);
}
