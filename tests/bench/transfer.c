/* tests/bench/transfer.c: gives the workers of a carrier their orders, and adds up what they say. */
#include "bench/transfer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Until the first event of an open loop is due: by then every worker has its orders. */
enum { LEAD_NS = 20000000 };
/* An open loop whose median is later has fallen behind. */
enum { LATE_US = 1000000 };

static bench_worker_opts worker_opts(const bench_transfer *t, const char *role)
{
    return (bench_worker_opts){.role = role,
                               .carrier = t->opts.carrier,
                               .address = t->server.address,
                               .dir = t->dir,
                               .senders = t->opts.senders,
                               .sessions = t->opts.sessions,
                               .topics = t->opts.topics,
                               .parcel_bytes = t->opts.parcel_bytes,
                               .soon = t->opts.rate != 0};
}

static void workers_start(const bench_transfer *t, const char *role, bench_worker *workers, unsigned count)
{
    bench_worker_opts opts = worker_opts(t, role);
    for (; opts.index < count; opts.index++)
        bench_worker_start(&workers[opts.index], &opts);
}

static void workers_await(const bench_worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bench_worker_await(&workers[i]);
}

static unsigned or_else(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

/* NULL if the carrier is not present here. The receivers are under way when this returns. */
static bench_transfer *transfer_open(const bench_transfer_opts *opts)
{
    if (!bench_carrier_present(opts->carrier))
        return NULL;
    bench_transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        bench_die("out of memory");
    t->opts = *opts;
    t->opts.senders = or_else(opts->senders, 1);
    t->opts.receivers = or_else(opts->receivers, 1);
    t->opts.sessions = or_else(opts->sessions, BENCH_SESSIONS);
    t->opts.slower = or_else(opts->slower, 1);
    bench_dir_make(t->dir);
    t->opts.carrier->server->start(&t->server);
    workers_start(t, "receiver", t->receivers, t->opts.receivers);
    return t;
}

/* Connecting takes a while, of which most is waiting: so all do it side by side. */
static void transfers_open(bench_transfer **transfers, const bench_transfer_opts *opts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        transfers[i] = transfer_open(&opts[i]);
    for (unsigned i = 0; i < count; i++)
        if (transfers[i] != NULL) {
            workers_await(transfers[i]->receivers, transfers[i]->opts.receivers);
            workers_start(transfers[i], "sender", transfers[i]->senders, transfers[i]->opts.senders);
        }
    for (unsigned i = 0; i < count; i++)
        if (transfers[i] != NULL)
            workers_await(transfers[i]->senders, transfers[i]->opts.senders);
}

static void workers_stop(bench_transfer *t)
{
    for (unsigned i = 0; i < t->opts.senders; i++)
        bench_worker_stop(&t->senders[i], t->given_up);
    for (unsigned i = 0; i < t->opts.receivers; i++)
        bench_worker_stop(&t->receivers[i], t->given_up);
}

static void transfer_close(bench_transfer *t)
{
    for (unsigned i = 0; i < t->opts.senders; i++)
        bench_worker_join(&t->senders[i], t->given_up);
    for (unsigned i = 0; i < t->opts.receivers; i++)
        bench_worker_join(&t->receivers[i], t->given_up);
    t->opts.carrier->server->stop(&t->server);
    bench_dir_remove(t->dir);
    free(t);
}

static void transfers_close(bench_transfer **transfers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (transfers[i] != NULL)
            workers_stop(transfers[i]);
    for (unsigned i = 0; i < count; i++)
        if (transfers[i] != NULL)
            transfer_close(transfers[i]);
}

static double cpu_of(const bench_worker *workers, unsigned count)
{
    double seconds = 0;
    for (unsigned i = 0; i < count; i++)
        seconds += bench_cpu_s(workers[i].pid);
    return seconds;
}

/* Adds what the processes have used so far, times sign. */
static void cpu_add(bench_transfer *t, double sign)
{
    t->sender_cpu_s += sign * cpu_of(t->senders, t->opts.senders);
    t->receiver_cpu_s += sign * cpu_of(t->receivers, t->opts.receivers);
    t->server_cpu_s += sign * bench_cpu_s(t->server.pid);
}

static void result_add(bench_transfer *t, const bench_worker_result *result, int64_t began_ns)
{
    double elapsed_s = (double)(result->end_ns - began_ns) / 1e9;
    if (elapsed_s > t->elapsed_s)
        t->elapsed_s = elapsed_s;
    for (unsigned i = 0; i < 5; i++)
        if ((double)result->latency_ns[i] / 1e3 > t->latency_us[i])
            t->latency_us[i] = (double)result->latency_ns[i] / 1e3;
}

/* Returns how many events were sent. */
static uint64_t senders_run(bench_transfer *t, const bench_round *round)
{
    uint64_t sent = 0;
    for (unsigned i = 0; i < t->opts.senders; i++)
        bench_worker_send(&t->senders[i], round);
    for (unsigned i = 0; i < t->opts.senders; i++) {
        bench_worker_result result = bench_worker_result_take(&t->senders[i]);
        result_add(t, &result, round->start_ns);
        sent += result.events;
    }
    return sent;
}

/* Whether each receiver got all. */
static bool receivers_await(bench_transfer *t, const bench_round *round, uint64_t events)
{
    bool complete = true;
    for (unsigned i = 0; i < t->opts.receivers; i++)
        bench_worker_receive(&t->receivers[i], events);
    for (unsigned i = 0; i < t->opts.receivers; i++) {
        bench_worker_result result = bench_worker_result_take(&t->receivers[i]);
        result_add(t, &result, round->start_ns);
        complete = complete && result.events == events;
    }
    return complete;
}

static bench_round round_next(bench_transfer *t, uint64_t events)
{
    uint64_t each = events / t->opts.slower / t->opts.senders;
    bench_round round = {.from = t->next, .count = each != 0 ? each : 1};
    if (t->opts.rate != 0)
        round.rate = t->opts.rate / t->opts.senders;
    t->next += round.count;
    return round;
}

static void figures_clear(bench_transfer *t)
{
    t->elapsed_s = t->sender_cpu_s = t->server_cpu_s = t->receiver_cpu_s = 0;
    for (unsigned i = 0; i < 5; i++)
        t->latency_us[i] = 0;
}

static void round_run(bench_transfer *t, uint64_t events)
{
    bench_round round = round_next(t, events);
    figures_clear(t);
    round.start_ns = bench_now_ns() + (round.rate != 0 ? LEAD_NS * (1 + (int64_t)t->opts.receivers / 4) : 0);
    for (unsigned i = 0; i < t->opts.receivers; i++)
        bench_worker_expect(&t->receivers[i], &round);
    cpu_add(t, -1);
    if (round.rate == 0)
        round.start_ns = bench_now_ns();
    uint64_t sent = senders_run(t, &round);
    bool complete = receivers_await(t, &round, sent);
    cpu_add(t, 1);
    t->events = (double)sent;
    if (!complete && t->opts.carrier == &bench_carry_weft)
        bench_die("events were published that never came");
    t->given_up = !complete || sent < round.count * t->opts.senders || t->latency_us[0] > LATE_US;
}

/* Whether a round could be done. */
static bool round_tried(bench_transfer *t, uint64_t events)
{
    if (!t->given_up)
        round_run(t, events);
    return !t->given_up;
}

double bench_transfer_rate(void *transfer, uint64_t events)
{
    bench_transfer *t = transfer;
    return round_tried(t, events) ? t->events / t->elapsed_s : NAN;
}

double bench_transfer_p50(void *transfer, uint64_t events)
{
    bench_transfer *t = transfer;
    return round_tried(t, events) ? t->latency_us[0] : NAN;
}

double bench_transfer_server_share(void *transfer, uint64_t events)
{
    bench_transfer *t = transfer;
    return round_tried(t, events) ? t->server_cpu_s / t->elapsed_s : NAN;
}

double bench_transfer_latency_p50(void *transfer)
{
    return ((const bench_transfer *)transfer)->latency_us[0];
}

double bench_transfer_p90(void *transfer)
{
    return ((const bench_transfer *)transfer)->latency_us[1];
}

double bench_transfer_p99(void *transfer)
{
    return ((const bench_transfer *)transfer)->latency_us[2];
}

double bench_transfer_p999(void *transfer)
{
    return ((const bench_transfer *)transfer)->latency_us[3];
}

double bench_transfer_max(void *transfer)
{
    return ((const bench_transfer *)transfer)->latency_us[4];
}

double bench_transfer_sender_cpu(void *transfer)
{
    const bench_transfer *t = transfer;
    return t->sender_cpu_s * 1e6 / t->events;
}

double bench_transfer_server_cpu(void *transfer)
{
    const bench_transfer *t = transfer;
    return t->server_cpu_s * 1e6 / t->events;
}

double bench_transfer_receiver_cpu(void *transfer)
{
    const bench_transfer *t = transfer;
    return t->receiver_cpu_s * 1e6 / t->events;
}

double bench_transfer_cpu(void *transfer)
{
    return bench_transfer_sender_cpu(transfer) + bench_transfer_server_cpu(transfer) +
           bench_transfer_receiver_cpu(transfer);
}

static void file_system_say(void)
{
    static bool said;
    if (!said)
        fprintf(stderr, "bench: journals and servers' files are on %s\n", bench_dir_file_system());
    said = true;
}

void bench_transfer_run(bench_report *report, bench_case c, bench_fn fn, const bench_transfer_row *rows, unsigned count,
                        const bench_transfer_opts *with)
{
    bench_transfer *transfers[BENCH_ENTRIES_MAX];
    bench_transfer_opts opts[BENCH_ENTRIES_MAX];
    if (!bench_wanted(report, rows[0].name))
        return;
    file_system_say();
    for (unsigned i = 0; i < count; i++) {
        opts[i] = rows[i].opts;
        opts[i].rate = with->rate;
        opts[i].senders = or_else(opts[i].senders, with->senders);
        opts[i].receivers = or_else(opts[i].receivers, with->receivers);
    }
    transfers_open(transfers, opts, count);
    for (unsigned i = 0; i < count; i++)
        c.entries[i] = (bench_entry){rows[i].name, transfers[i] != NULL ? fn : NULL, transfers[i]};
    bench_run(report, &c);
    transfers_close(transfers, count);
}
