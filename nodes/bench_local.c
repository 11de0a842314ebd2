/* nodes/bench_local.c: `weft bench local`: what the parts of weft cost on this host, without a broker.
 *
 * Each case is run in chunks until its time is over. Its figures are the mean of all and the fastest one, which other
 * work of the host disturbs least. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/bench.h"
#include "nodes/bench_event.h"
#include "nodes/bench_report.h"
#include "nodes/bench_schedule.h"
#include "nodes/deadline.h"
#include "nodes/interrupt.h"
#include "nodes/progress.h"
#include "weft/wire.h"

enum { CHUNK_EVENTS = 6400, BATCH_EVENTS = 64, HANDLERS_MAX = 8, QUEUE_MAX = 8192, NODE_EPOCH = 1 };

static const option_row rows[] = {
    {"duration", 'd', "S", "seconds for each case (1)"},
    {"size", 0, "BYTES", "pad events to so many bytes, encoded; 0: as they are (0)"},
    BENCH_OUTPUT_ROWS,
    {0},
};

typedef struct batch_bytes {
    weft_batch batch;
    const weft_event *events[BATCH_EVENTS];
    uint8_t *bytes;
    size_t length;
} batch_bytes;

typedef struct job {
    const args *args;
    int64_t duration_ms;
    uint32_t size;
    weft_dispatcher *dispatcher; /* of the present case */
    atomic_uint_fast64_t handled;
    bench_maker *maker;
    const weft_event *event;             /* what is published */
    batch_bytes batches[WEFT_TOPIC_MAX]; /* one of each durable topic */
    size_t batch_count;
    weft_text json;
} job;

/* ---- the work: each does it for so many events ---- */

static weft_status on_event(const weft_event *event, void *user)
{
    (void)event;
    job *j = user;
    uint64_t handled = atomic_load_explicit(&j->handled, memory_order_relaxed); /* one thread at a time */
    atomic_store_explicit(&j->handled, handled + 1, memory_order_relaxed);
    return WEFT_OK;
}

static weft_status publish(job *j, uint64_t events)
{
    weft_status st = WEFT_OK;
    for (uint64_t i = 0; st == WEFT_OK && i < events; i++)
        st = weft_publish(j->dispatcher, j->event);
    return st;
}

static weft_status publish_and_await(job *j, uint64_t events)
{
    uint64_t goal = atomic_load(&j->handled) + events;
    weft_status st = publish(j, events);
    while (st == WEFT_OK && atomic_load(&j->handled) < goal)
        (void)sched_yield();
    return st;
}

static weft_status encode(job *j, uint64_t events)
{
    weft_status st = WEFT_OK;
    for (uint64_t i = 0; st == WEFT_OK && i < events / BATCH_EVENTS; i++) {
        uint8_t *bytes;
        size_t length;
        st = weft_batch_encode(&j->batches[i % j->batch_count].batch, &bytes, &length);
        if (st == WEFT_OK)
            free(bytes);
    }
    return st;
}

static weft_status decode(job *j, uint64_t events)
{
    weft_status st = WEFT_OK;
    for (uint64_t i = 0; st == WEFT_OK && i < events / BATCH_EVENTS; i++) {
        const batch_bytes *b = &j->batches[i % j->batch_count];
        weft_batch *batch;
        st = weft_batch_decode(b->bytes, b->length, &batch, NULL);
        if (st == WEFT_OK)
            weft_batch_free(batch);
    }
    return st;
}

static weft_status write_json(job *j, uint64_t events)
{
    weft_status st = WEFT_OK;
    for (uint64_t i = 0; st == WEFT_OK && i < events; i++) {
        weft_text_clear(&j->json);
        st = weft_event_to_json(j->batches[i % j->batch_count].events[i % BATCH_EVENTS], &j->json);
    }
    return st;
}

typedef struct bench_case {
    const char *member;
    const char *words;
    weft_status (*work)(job *j, uint64_t events);
    unsigned handlers;
    bool queued;
} bench_case;

static const bench_case cases[] = {
    {"unheard", "publish, nobody listens", publish, 0, false},
    {"inline", "publish, a handler", publish, 1, false},
    {"inline_8", "publish, eight handlers", publish, HANDLERS_MAX, false},
    {"queued", "publish, a mailbox", publish_and_await, 1, true},
    {"encode", "encode, batches of 64", encode, 0, false},
    {"decode", "decode, batches of 64", decode, 0, false},
    {"json", "write as JSON", write_json, 0, false},
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

/* ---- setting up ---- */

static weft_status batch_fill(job *j, weft_topic topic)
{
    batch_bytes *b = &j->batches[j->batch_count++];
    bench_maker_opts opts = {.topics = (uint32_t)topic,
                             .sessions = 20,
                             .size = j->size < WEFT_BATCH_MAX_BYTES / 2 / BATCH_EVENTS ? j->size : 0,
                             .prefix = "bench"};
    bench_maker *maker = NULL;
    weft_status st = bench_maker_create(&opts, &maker);
    for (uint64_t i = 0; st == WEFT_OK && i < BATCH_EVENTS; i++) {
        weft_event event = *bench_maker_next(maker, bench_now_ns());
        event.timestamp_ms = event.accepted_ms = weft_clock_wall_ms(weft_clock_system());
        event.id = (weft_event_id){.node = "bench", .epoch = NODE_EPOCH, .seq = i + 1};
        b->events[i] = weft_event_keep(&event);
        bench_maker_taken(maker);
        st = b->events[i] != NULL ? WEFT_OK : WEFT_NO_MEMORY;
    }
    bench_maker_destroy(maker);
    b->batch = (weft_batch){
        .node = "bench", .epoch = NODE_EPOCH, .topic = topic, .events = b->events, .event_count = BATCH_EVENTS};
    return st == WEFT_OK ? weft_batch_encode(&b->batch, &b->bytes, &b->length) : st;
}

static weft_status prepare(job *j)
{
    bench_maker_opts opts = {.topics = WEFT_TOPIC_COST, .sessions = 1, .size = j->size, .prefix = "bench"};
    weft_status st = bench_maker_create(&opts, &j->maker);
    if (st == WEFT_OK)
        j->event = bench_maker_next(j->maker, bench_now_ns());
    for (unsigned number = 1; st == WEFT_OK && number < WEFT_TOPIC_MAX; number++)
        if ((WEFT_TOPICS_DURABLE & (uint32_t)weft_topic_from_number(number)) != 0)
            st = batch_fill(j, weft_topic_from_number(number));
    return st;
}

static void job_fini(job *j)
{
    for (size_t batch = 0; batch < j->batch_count; batch++) {
        free(j->batches[batch].bytes);
        for (size_t i = 0; i < BATCH_EVENTS; i++)
            weft_event_release(j->batches[batch].events[i]);
    }
    bench_maker_destroy(j->maker);
    weft_text_fini(&j->json);
}

static weft_status dispatcher_set_up(job *j, const bench_case *c)
{
    weft_subscribe_opts how = {
        .name = "bench", .queued = c->queued, .queue_max = QUEUE_MAX, .overflow = WEFT_OVERFLOW_BLOCK};
    weft_status st = weft_dispatcher_create(NULL, &j->dispatcher);
    for (unsigned i = 0; st == WEFT_OK && i < c->handlers; i++)
        st = weft_subscribe_with(j->dispatcher, NULL, &how, on_event, j, NULL);
    return st;
}

/* ---- running ---- */

typedef struct outcome {
    uint64_t events;
    int64_t ns;
    int64_t best_ns; /* of the chunks */
} outcome;

static weft_status chunk_run(job *j, const bench_case *c, outcome *o)
{
    int64_t began = bench_now_ns();
    weft_status st = c->work(j, CHUNK_EVENTS);
    int64_t ns = bench_now_ns() - began;
    o->events += CHUNK_EVENTS;
    o->ns += ns;
    if (o->best_ns == 0 || ns < o->best_ns)
        o->best_ns = ns;
    return st;
}

static weft_status case_run(job *j, size_t at, progress *bar, outcome *ret)
{
    const bench_case *c = &cases[at];
    int64_t wanted_ns = j->duration_ms * 1000000;
    weft_status st = dispatcher_set_up(j, c);
    if (st == WEFT_OK)
        st = c->work(j, CHUNK_EVENTS); /* warm */
    *ret = (outcome){0};
    do {
        if (st == WEFT_OK)
            st = chunk_run(j, c, ret);
        double share = (double)ret->ns / (double)(wanted_ns + 1);
        progress_show(bar, (uint64_t)at + 1, "cases", ((double)at + share) / CASE_COUNT, deadline_now_ms());
    } while (st == WEFT_OK && ret->ns < wanted_ns && !interrupt_seen());
    weft_dispatcher_destroy(j->dispatcher);
    j->dispatcher = NULL;
    return st;
}

static void case_report(bench_report *r, const bench_case *c, const outcome *o)
{
    char member[64];
    (void)snprintf(member, sizeof member, "%s_per_s", c->member);
    bench_report_number(r, member, c->words, (double)o->events * 1e9 / (double)o->ns, "events/s");
    (void)snprintf(member, sizeof member, "%s_ns", c->member);
    bench_report_number(r, member, "  each", (double)o->ns / (double)o->events, "ns");
    (void)snprintf(member, sizeof member, "%s_best_ns", c->member);
    bench_report_number(r, member, "  at best", (double)o->best_ns / CHUNK_EVENTS, "ns");
}

static int measure(job *j)
{
    outcome outcomes[CASE_COUNT];
    size_t count = 0;
    progress bar;
    weft_status st = prepare(j);
    progress_begin(&bar, bench_progress_out(j->args), deadline_now_ms());
    for (; st == WEFT_OK && count < CASE_COUNT && !interrupt_seen(); count++)
        st = case_run(j, count, &bar, &outcomes[count]);
    progress_end(&bar);
    if (st != WEFT_OK) {
        fprintf(stderr, "weft bench local: %s.\n", weft_status_text(st));
        return EXIT_JOB_FAILED;
    }
    bench_report r;
    bench_report_begin(&r, args_flag(j->args, "json"), "local");
    for (size_t i = 0; i < count; i++)
        case_report(&r, &cases[i], &outcomes[i]);
    bench_report_flag(&r, "interrupted", interrupt_seen());
    return bench_report_end(&r) ? EXIT_DONE : EXIT_JOB_FAILED;
}

static int run(const args *a)
{
    static job j;
    int64_t size;
    j.args = a;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    if (!args_seconds(a, "duration", 1000, &j.duration_ms) || !args_number(a, "size", 0, BENCH_SIZE_MAX, 0, &size))
        return EXIT_USAGE;
    j.size = (uint32_t)size;
    if (!interrupt_handle())
        return EXIT_JOB_FAILED;
    int status = measure(&j);
    job_fini(&j);
    return status;
}

const command bench_local = {
    .name = "bench local",
    .synopsis = "[OPTION]…",
    .summary = "Measures dispatcher and codec in this process, without a broker.",
    .details =
        "An event of tokens used is published by one thread: to nobody, to inline handlers, to a mailbox that a\n"
        "worker empties. Events of every topic are encoded and decoded in batches of 64, and written as JSON.\n"
        "Exit status: 0, also after Ctrl-C; 1 failed; 2 usage.",
    .options = rows,
    .run = run,
};
