/* nodes/bench_sub.c: `weft bench sub`: how fast this host hears what a bench publishes, and whether it hears all of it.
 *
 * It only listens. Events are counted on the bridge's delivering thread; the main thread reads the counts for the
 * progress, and all else when the bridge has ended. */
#include <inttypes.h>
#include <string.h>

#include "nodes/bench.h"
#include "nodes/bench_event.h"
#include "nodes/bench_order.h"
#include "nodes/bench_report.h"
#include "nodes/bench_schedule.h"
#include "nodes/deadline.h"
#include "nodes/interrupt.h"
#include "nodes/progress.h"

enum { STEP_MS = 50, CONNECT_MS = 10000 };

static const option_row rows[] = {
    BENCH_BROKER_ROWS,
    {"expect", 'e', "N", "end after N events of benches, and fail if not all of them come"},
    {"timeout", 0, "S", "end after S seconds (no end)"},
    {"idle", 0, "S", "end when some have come, and none for S seconds"},
    BENCH_OUTPUT_ROWS,
    {0},
};

typedef struct job {
    const args *args;
    broker_options broker;
    uint64_t expect; /* 0: no end */
    int64_t timeout_ms;
    int64_t idle_ms;
    bench_bridge side;
    atomic_uint_fast64_t count; /* events of benches */
    atomic_uint_fast64_t lost;  /* reported; of a range of unknown size 1 */
    uint32_t host;
    int64_t first_ns; /* delivering thread, as all below */
    int64_t last_ns;
    uint64_t others;    /* events that carry no stamp */
    uint64_t elsewhere; /* stamped by the clock of another host */
    histogram latency_ns;
    bench_order order;
} job;

/* ---- on the delivering thread ---- */

static void latency_take(job *j, const bench_stamp *stamp, int64_t now_ns)
{
    if (stamp->host == 0 || stamp->host != j->host || stamp->due_ns > now_ns)
        j->elsewhere++;
    else
        histogram_add(&j->latency_ns, (uint64_t)(now_ns - stamp->due_ns));
}

static weft_status on_event(const weft_event *event, void *user)
{
    job *j = user;
    bench_stamp stamp;
    if (!bench_stamp_read(event, &stamp)) {
        j->others++;
        return WEFT_OK;
    }
    j->last_ns = bench_now_ns();
    if (j->first_ns == 0)
        j->first_ns = j->last_ns;
    latency_take(j, &stamp, j->last_ns);
    bench_order_take(&j->order, event, stamp.number);
    uint64_t count = atomic_load_explicit(&j->count, memory_order_relaxed) + 1;
    atomic_store_explicit(&j->count, count, memory_order_relaxed);
    if (count == j->expect)
        interrupt_wake();
    return WEFT_OK;
}

static void on_lost(const weft_lost *lost, void *user)
{
    job *j = user;
    atomic_fetch_add(&j->lost, lost->count > 0 ? lost->count : 1);
}

/* ---- running ---- */

static bool enough(const job *j, uint64_t count)
{
    return j->expect != 0 && count >= j->expect;
}

static void listen_until_the_end(job *j)
{
    progress bar;
    uint64_t count = 0;
    int64_t end = deadline_in_ms(j->timeout_ms >= 0 ? j->timeout_ms : INT64_MAX / 2), idle = 0;
    progress_begin(&bar, bench_progress_out(j->args), deadline_now_ms());
    while (!enough(j, count) && deadline_left_ms(end, 1) > 0 && !interrupt_wait(STEP_MS)) {
        uint64_t now = atomic_load_explicit(&j->count, memory_order_relaxed);
        if (now != count)
            idle = deadline_in_ms(j->idle_ms);
        if (j->idle_ms >= 0 && now > 0 && now == count && deadline_left_ms(idle, 1) == 0)
            break;
        count = now;
        progress_show(&bar, count, "events", j->expect != 0 ? (double)count / (double)j->expect : -1,
                      deadline_now_ms());
    }
    progress_end(&bar);
}

static int listen(job *j)
{
    weft_filter filter = {.origin = WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts how = {.name = "bench", .on_lost = on_lost};
    weft_subscription subscription;
    j->side.args = j->args;
    j->side.broker = &j->broker;
    int status = bench_bridge_create(&j->side);
    if (status == EXIT_DONE &&
        weft_subscribe_with(j->side.dispatcher, &filter, &how, on_event, j, &subscription) != WEFT_OK)
        status = EXIT_JOB_FAILED;
    if (status == EXIT_DONE)
        status = bench_bridge_open(&j->side, &(weft_bridge_opts){0});
    if (status == EXIT_DONE)
        status =
            bench_bridge_wait(&j->side, j->timeout_ms >= 0 && j->timeout_ms < CONNECT_MS ? j->timeout_ms : CONNECT_MS);
    if (status != EXIT_DONE)
        return status;
    bench_say(j->args, "hears the fabric %s at %s; Ctrl-C ends it.", j->broker.fabric, j->broker.url);
    listen_until_the_end(j);
    return EXIT_DONE;
}

/* ---- the result ---- */

/* Why there are no latencies, or not of all; NULL if nothing is to be said. */
static const char *latency_remark(const job *j)
{
    if (j->host == 0)
        return "not known: this host's clock cannot be told from others'";
    if (j->elsewhere > 0 && j->latency_ns.count == 0)
        return "not known: the events were stamped by another host's clock";
    return j->elsewhere > 0 ? "of this host's events only: the others were stamped by another clock" : NULL;
}

static void order_report(const job *j, bench_report *r)
{
    bench_report_count(r, "streams", "streams", j->order.stream_count);
    bench_report_count(r, "missing", "  missing", bench_order_missing(&j->order));
    bench_report_count(r, "duplicates", "  came twice", j->order.duplicates);
    bench_report_count(r, "disordered", "  out of order", j->order.disordered);
    bench_report_count(r, "late", "  in later, marked", j->order.healed);
    if (j->order.unchecked > 0 || r->json)
        bench_report_count(r, "unchecked", "  beyond what is checked", j->order.unchecked);
}

static bool report(const job *j, const weft_bridge_stats *stats, double cpu_s)
{
    bench_report r;
    uint64_t count = atomic_load(&j->count);
    double seconds = (double)(j->last_ns - j->first_ns) / 1e9;
    const char *remark = latency_remark(j);
    bench_report_begin(&r, args_flag(j->args, "json"), "sub");
    bench_report_count(&r, "events", "events", count);
    if (j->expect > 0)
        bench_report_count(&r, "expected", "  expected", j->expect);
    bench_report_number(&r, "seconds", "from the first to the last", seconds, "s");
    bench_report_number(&r, "per_s", "rate", seconds > 0 ? (double)(count - 1) / seconds : 0, "events/s");
    bench_report_count(&r, "messages", "messages", stats->received_messages);
    order_report(j, &r);
    bench_report_count(&r, "gaps", "gaps noticed", stats->gaps);
    bench_report_count(&r, "healed", "  events healed", stats->healed_events);
    bench_report_count(&r, "lost", "  reported lost", atomic_load(&j->lost));
    bench_report_count(&r, "others", "events of no bench", j->others);
    bench_report_latency(&r, "latency", "latency", &j->latency_ns);
    if (remark != NULL)
        bench_report_text(&r, "latency_remark", "latency", remark);
    bench_report_number(&r, "cpu_s", "CPU of this process", cpu_s, "s");
    bench_report_number(&r, "cpu_us_per_event", "  an event", count > 0 ? cpu_s * 1e6 / (double)count : 0, "µs");
    bench_report_flag(&r, "interrupted", interrupt_seen());
    return bench_report_end(&r);
}

static int verdict(const job *j)
{
    uint64_t count = atomic_load(&j->count), missing = bench_order_missing(&j->order);
    if (j->expect != 0 && count < j->expect) {
        fprintf(stderr, "weft bench sub: %" PRIu64 " of %" PRIu64 " events have come.\n", count, j->expect);
        return EXIT_JOB_FAILED;
    }
    if (missing + j->order.duplicates + j->order.disordered == 0)
        return EXIT_DONE;
    fprintf(stderr, "weft bench sub: not each event came once and in order: see missing, twice, out of order.\n");
    return EXIT_JOB_FAILED;
}

static int options_read(job *j)
{
    const args *a = j->args;
    int64_t expect;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    if (bench_broker_read(a, &j->broker) != EXIT_DONE || !args_number(a, "expect", 1, INT64_MAX, 0, &expect) ||
        !args_seconds(a, "timeout", -1, &j->timeout_ms) || !args_seconds(a, "idle", -1, &j->idle_ms))
        return EXIT_USAGE;
    j->expect = (uint64_t)expect;
    return EXIT_DONE;
}

static int run(const args *a)
{
    static job j;
    weft_bridge_stats stats = {0};
    j = (job){.args = a, .host = bench_host()};
    if (options_read(&j) != EXIT_DONE)
        return EXIT_USAGE;
    if (!interrupt_handle())
        return EXIT_JOB_FAILED;
    double cpu_s = bench_cpu_s();
    int status = listen(&j);
    cpu_s = bench_cpu_s() - cpu_s;
    if (status == EXIT_DONE) {
        (void)weft_bridge_stop(j.side.bridge, 0); /* its figures are up to date then */
        weft_bridge_get_stats(j.side.bridge, &stats);
    }
    bench_bridge_close(&j.side);
    if (status == EXIT_DONE)
        status = report(&j, &stats, cpu_s) ? verdict(&j) : EXIT_JOB_FAILED;
    bench_order_fini(&j.order);
    return status;
}

const command bench_sub = {
    .name = "bench sub",
    .synopsis = "[OPTION]…",
    .summary = "Hears what weft bench pub publishes: rate, latency, and whether each event came once and in order.",
    .details =
        "It says on standard error when it hears: start weft bench pub then. Latency is counted from the moment\n"
        "that an event was due, by a clock that all processes of a host share; of other hosts' events it is not\n"
        "known. Where weft bench pub publishes as fast as it can, it is mostly the time in line: try --rate there.\n"
        "  missing           did not come, between the first and the last of a stream\n"
        "  in later, marked  came after later ones of its stream, asked for again and marked as replayed\n"
        "  gaps noticed      by the bridge, which asks the publisher again for what it has missed\n"
        "  events healed     of those, the ones that came then, in their place or later\n"
        "  reported lost     those that the publisher no longer had\n"
        "Exit status: 0 all came, also on Ctrl-C without --expect; 1 fewer, or some twice or out of order; 2 usage;\n"
        "3 no broker.",
    .options = rows,
    .run = run,
};
