/* tests/bench/dispatch.c: what one event costs from publish to its inline handlers. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <string.h>

enum { SUBSCRIBERS_MAX = 64 };

typedef struct dispatch_rig {
    const bench_peer *peer;
    void *rig;
    bench_work work;
    bench_guard guards[SUBSCRIBERS_MAX];
} dispatch_rig;

typedef struct dispatch_row {
    const char *name;
    bench_work work;
    unsigned direct; /* handler calls that the direct reference makes */
} dispatch_row;

static const dispatch_row rows[] = {
    {"1 handler, type+session", {.subscribers = 1, .by_session = true}, 1},
    {"8 handlers, type", {.subscribers = 8}, 8},
    {"8 handlers, type+session+source", {.subscribers = 8, .by_session = true, .by_source = true}, 8},
    {"64 handlers, 1 in 8 by type", {.subscribers = 64, .types = 8}, 1},
};

static double per_event(void *user, uint64_t events)
{
    dispatch_rig *rig = user;
    memset(rig->guards, 0, sizeof rig->guards);
    int64_t began = bench_now_ns();
    rig->peer->publish(rig->rig, &bench_sample, events);
    int64_t ended = bench_now_ns();
    bench_work_check(&rig->work, events);
    return (double)(ended - began) / (double)events;
}

static bench_entry entry_open(dispatch_rig *rig, const char *name, const bench_peer *peer, const bench_work *work)
{
    rig->peer = peer;
    rig->work = *work;
    rig->work.handler = bench_on_event;
    rig->work.guards = rig->guards;
    if (peer->create == NULL)
        return (bench_entry){.name = name};
    rig->rig = peer->create(&rig->work);
    return (bench_entry){name, per_event, rig};
}

static void row_run(bench_report *report, const dispatch_row *row)
{
    static dispatch_rig rigs[6];
    const bench_work direct = {.subscribers = row->direct};
    bench_case c = {
        .group = "dispatch",
        .unit = "ns/event",
        .events = 100000,
        .entries = {entry_open(&rigs[0], row->name, &bench_weft, &row->work),
                    entry_open(&rigs[1], row->direct == 1 ? "a direct call" : "direct calls", &bench_direct, &direct),
                    entry_open(&rigs[2], "a table of filters", &bench_table, &row->work),
                    entry_open(&rigs[3], "a guarded table", &bench_guarded_table, &row->work),
                    entry_open(&rigs[4], "GLib GSignal", &bench_gsignal, &row->work),
                    entry_open(&rigs[5], "GSignal, generic", &bench_gsignal_generic, &row->work)}};
    bench_run(report, &c);
    for (unsigned i = 0; i < 6; i++)
        if (rigs[i].peer->destroy != NULL)
            rigs[i].peer->destroy(rigs[i].rig);
}

void bench_dispatch(bench_report *report)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        row_run(report, &rows[i]);
    bench_memory(report);
}
