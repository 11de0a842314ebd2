/* tests/bench/memory.c: bytes that a subscription, and an event in the history, take from the heap.
 *
 * Every figure is taken in a process of its own, so that none finds what another one left in an allocator's caches. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct memory_rig {
    const bench_peer *peer; /* of a figure about subscriptions */
    bench_work work;
} memory_rig;

typedef double (*bytes_fn)(const memory_rig *rig, unsigned count);

/* There in a sanitizer's build only, whose allocator glibc knows nothing of. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t bytes_allocated(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static double in_child(bytes_fn bytes, const memory_rig *rig, unsigned count)
{
    int ends[2], status;
    double value;
    if (pipe(ends) != 0)
        bench_die("no pipe");
    pid_t child = fork();
    if (child < 0)
        bench_die("no process");
    if (child == 0) {
        value = bytes(rig, count);
        _exit(write(ends[1], &value, sizeof value) == (ssize_t)sizeof value ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &value, sizeof value) != (ssize_t)sizeof value || waitpid(child, &status, 0) != child ||
        status != 0)
        bench_die("a measuring process failed");
    close(ends[0]);
    return value;
}

/* ---- a subscription: each to a session of its own, where to sessions ---- */

static bench_work work_of(const bench_work *like, unsigned count)
{
    bench_work work = *like;
    work.subscribers = count;
    work.handler = bench_on_event;
    work.guards = aligned_alloc(_Alignof(bench_guard), count * sizeof *work.guards);
    work.sessions = calloc(count, sizeof *work.sessions);
    if (work.guards == NULL || work.sessions == NULL)
        bench_die("out of memory");
    for (unsigned i = 0; i < count; i++)
        snprintf(work.sessions[i], sizeof work.sessions[i], "8c1f2f0e-5a54-4d0c-9a5e-0d2b%08x", i);
    return work;
}

static double subscription_bytes(const memory_rig *rig, unsigned count)
{
    bench_work work = work_of(&rig->work, count);
    size_t before = bytes_allocated();
    (void)rig->peer->create(&work);
    return (double)(bytes_allocated() - before) / count;
}

static double subscription_measure(void *user, uint64_t events)
{
    return in_child(subscription_bytes, user, (unsigned)events);
}

static bench_entry subscription_entry(const char *name, memory_rig *rig)
{
    return (bench_entry){name, rig->peer->create != NULL ? subscription_measure : NULL, rig};
}

static void subscription_run(bench_report *report, const char *name, bench_work work)
{
    memory_rig weft = {&bench_weft, work}, table = {&bench_table, work}, signal = {&bench_gsignal, work};
    bench_run(report, &(bench_case){.group = "dispatch",
                                    .unit = "bytes",
                                    .events = 10000,
                                    .entries = {subscription_entry(name, &weft),
                                                subscription_entry("a table of filters", &table),
                                                subscription_entry("GLib GSignal", &signal)}});
}

/* ---- an event in the history ---- */

static size_t dispatcher_bytes(uint32_t history_max, unsigned events)
{
    size_t before = bytes_allocated();
    weft_dispatcher *bus;
    if (weft_dispatcher_create(&(weft_dispatcher_opts){.history_max = history_max}, &bus) != WEFT_OK)
        bench_die("no dispatcher");
    for (unsigned i = 0; i < events; i++)
        if (weft_publish(bus, &bench_sample) != WEFT_OK)
            bench_die("weft_publish failed");
    return bytes_allocated() - before;
}

static double history_bytes(const memory_rig *rig, unsigned count)
{
    (void)rig;
    size_t without = dispatcher_bytes(0, count);
    return (double)(dispatcher_bytes(count, count) - without) / count;
}

static double copies_bytes(const memory_rig *rig, unsigned count)
{
    (void)rig;
    weft_event **copies = calloc(count, sizeof(weft_event *));
    size_t before = bytes_allocated() - count * sizeof(weft_event *);
    for (unsigned i = 0; copies != NULL && i < count; i++) {
        weft_event *copy = copies[i] = malloc(sizeof *copy);
        if (copy == NULL)
            bench_die("out of memory");
        *copy = bench_sample;
        copy->source = strdup(copy->source);
        copy->session_id = strdup(copy->session_id);
        copy->agent_id = strdup(copy->agent_id);
        copy->token_usage.model = strdup(copy->token_usage.model);
    }
    return (double)(bytes_allocated() - before) / count;
}

static double history_measure(void *user, uint64_t events)
{
    return in_child(history_bytes, user, (unsigned)events);
}

static double copies_measure(void *user, uint64_t events)
{
    return in_child(copies_bytes, user, (unsigned)events);
}

void bench_memory(bench_report *report)
{
    subscription_run(report, "a subscription, type", (bench_work){0});
    subscription_run(report, "a subscription, type+session", (bench_work){.by_session = true});
    bench_run(report, &(bench_case){.group = "dispatch",
                                    .unit = "bytes",
                                    .events = 1000,
                                    .entries = {{"an event in the history", history_measure, NULL},
                                                {"structs of strings", copies_measure, NULL}}});
}
