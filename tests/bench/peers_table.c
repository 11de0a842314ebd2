/* tests/bench/peers_table.c: a direct call, and the tables of handlers that one would write for one process. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct table_row {
    uint32_t types; /* a bit each */
    char *session_id;
    const char *source; /* a prefix */
    size_t source_length;
    weft_handler_fn handler;
    void *user;
} table_row;

typedef struct table {
    unsigned count;
    table_row rows[];
} table;

typedef struct table_rig {
    _Atomic(table *) table;
    atomic_ulong epoch;
    _Alignas(64) atomic_ulong reader; /* the epoch that the publisher reads in; 0: none */
} table_rig;

static weft_handler_fn volatile direct_handler;

static void *direct_create(const bench_work *work)
{
    bench_work *copy = malloc(sizeof *copy);
    if (copy == NULL)
        bench_die("out of memory");
    *copy = *work;
    return copy;
}

/* Through a volatile pointer, so that it stays a call. */
static void direct_publish(void *rig, const weft_event *event, uint64_t times)
{
    const bench_work *work = rig;
    direct_handler = work->handler;
    for (uint64_t i = 0; i < times; i++)
        for (unsigned j = 0; j < work->subscribers; j++)
            if (direct_handler(event, &work->guards[j]) != WEFT_OK)
                bench_die("the handler failed");
}

const bench_peer bench_direct = {.create = direct_create, .destroy = free, .publish = direct_publish};

static table_row row_of(const bench_work *work, unsigned i)
{
    table_row row = {.types = 1u << bench_work_type(work, i),
                     .source = work->by_source ? "agent" : NULL,
                     .source_length = strlen("agent"),
                     .handler = work->handler,
                     .user = &work->guards[i]};
    if (work->by_session && (row.session_id = strdup(bench_work_session(work, i))) == NULL)
        bench_die("out of memory");
    return row;
}

static void *table_create(const bench_work *work)
{
    table_rig *rig = aligned_alloc(_Alignof(table_rig), sizeof *rig);
    table *t = malloc(sizeof *t + work->subscribers * sizeof *t->rows);
    if (rig == NULL || t == NULL)
        bench_die("out of memory");
    t->count = work->subscribers;
    for (unsigned i = 0; i < t->count; i++)
        t->rows[i] = row_of(work, i);
    atomic_init(&rig->table, t);
    atomic_init(&rig->epoch, 1);
    atomic_init(&rig->reader, 0);
    return rig;
}

static void table_destroy(void *user)
{
    table_rig *rig = user;
    table *t = atomic_load(&rig->table);
    for (unsigned i = 0; i < t->count; i++)
        free(t->rows[i].session_id);
    free(t);
    free(rig);
}

static bool row_matches(const table_row *row, const weft_event *event)
{
    return (row->types & 1u << event->type) != 0 &&
           (row->session_id == NULL || strcmp(row->session_id, event->session_id) == 0) &&
           (row->source == NULL || strncmp(row->source, event->source, row->source_length) == 0);
}

static __attribute__((noinline)) void table_dispatch(const table *t, const weft_event *event)
{
    for (unsigned i = 0; i < t->count; i++)
        if (row_matches(&t->rows[i], event) && t->rows[i].handler(event, t->rows[i].user) != WEFT_OK)
            bench_die("the handler failed");
}

static void table_publish(void *user, const weft_event *event, uint64_t times)
{
    table_rig *rig = user;
    for (uint64_t i = 0; i < times; i++)
        table_dispatch(atomic_load_explicit(&rig->table, memory_order_acquire), event);
}

static void guarded_publish(void *user, const weft_event *event, uint64_t times)
{
    table_rig *rig = user;
    for (uint64_t i = 0; i < times; i++) {
        atomic_store(&rig->reader, atomic_load(&rig->epoch));
        table_dispatch(atomic_load(&rig->table), event);
        atomic_store_explicit(&rig->reader, 0, memory_order_release);
    }
}

const bench_peer bench_table = {.create = table_create, .destroy = table_destroy, .publish = table_publish};
const bench_peer bench_guarded_table = {.create = table_create, .destroy = table_destroy, .publish = guarded_publish};
