/* tests/bench/worker_main.c: a worker process: opens its end of a carrier and does as it is told. */
#include "bench/bench.h"
#include "bench/parcel.h"
#include "bench/worker.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    TICK_NS = 100000,  /* a burst each, where events are due oftener */
    LOOK_NS = 500000,  /* how often a receiver looks whether all has come */
    LOST_AFTER_S = 20, /* without a single event */
    LATE_NS = 1000000000,
    SECOND_NS = 1000000000,
};

typedef struct worker {
    const bench_carrier *carrier;
    const char *address;
    const char *dir;
    unsigned index, senders, sessions, parcel_bytes, soon;
    uint32_t topics;
    bench_round round;
    void *sender;
    bench_parcel *parcel; /* of a sender, where the carrier takes parcels */
} worker;

static void sleep_until(int64_t ns)
{
    struct timespec at = {.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {
    }
}

static bool round_read(worker *w, const char *line, const char *verb)
{
    size_t length = strlen(verb);
    return strncmp(line, verb, length) == 0 &&
           sscanf(line + length, " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64, &w->round.from, &w->round.count,
                  &w->round.rate, &w->round.start_ns) == 4;
}

/* ---- sender ---- */

static void parcel_send(const worker *w)
{
    size_t bytes;
    unsigned topic;
    const uint8_t *parcel = bench_parcel_take(w->parcel, &bytes, &topic);
    if (parcel != NULL)
        w->carrier->send_parcel(w->sender, parcel, bytes, topic);
}

static void event_send(const worker *w, uint64_t number)
{
    if (w->parcel == NULL)
        w->carrier->send(w->sender, number);
    else if (bench_parcel_add(w->parcel, number))
        parcel_send(w);
}

/* Nothing stays gathered here, or at the carrier's. */
static void events_push(const worker *w)
{
    if (w->parcel != NULL)
        parcel_send(w);
    if (w->carrier->push != NULL)
        w->carrier->push(w->sender);
}

static uint64_t send_flat_out(const worker *w)
{
    for (uint64_t i = 0; i < w->round.count; i++)
        event_send(w, w->round.from + i);
    return w->round.count;
}

/* Each event when it is due, or as soon after as possible. */
static uint64_t send_in_time(const worker *w)
{
    const bench_round *round = &w->round;
    uint64_t sent = 0;
    while (sent < round->count) {
        int64_t now = bench_now_ns(), due = bench_round_due_ns(round, round->from + sent);
        if (now - due > LATE_NS)
            break;
        if (now >= due) {
            event_send(w, round->from + sent++);
            continue;
        }
        events_push(w);
        int64_t tick = now - (now - round->start_ns) % TICK_NS + TICK_NS;
        sleep_until(now < round->start_ns || due > tick ? due : tick);
    }
    return sent;
}

static void sender_serve(worker *w, bench_load *load)
{
    char line[256];
    bench_load_init(load, w->index, w->sessions, w->topics);
    if (w->carrier->send_parcel != NULL)
        w->parcel = bench_parcel_create(load, w->index, w->parcel_bytes);
    w->sender = w->carrier->sender_open(&(bench_sender_opts){.address = w->address,
                                                             .dir = w->dir,
                                                             .index = w->index,
                                                             .load = load,
                                                             .soon = w->soon != 0,
                                                             .parcel_bytes = w->parcel_bytes});
    /* Woken when it asks, not 50 us later; this thread alone: the carrier's are as users have them. */
    (void)prctl(PR_SET_TIMERSLACK, 1);
    printf("ready\n");
    while (fflush(stdout), fgets(line, sizeof line, stdin) != NULL) {
        if (!round_read(w, line, "send"))
            bench_die("a sender does not know this order");
        uint64_t sent = w->round.rate == 0 ? send_flat_out(w) : send_in_time(w);
        if (w->parcel != NULL)
            parcel_send(w);
        w->carrier->finish(w->sender);
        printf("result %" PRIu64 " %" PRId64 "\n", sent, bench_now_ns());
    }
    w->carrier->sender_close(w->sender);
    bench_parcel_destroy(w->parcel);
}

/* ---- receiver ---- */

static void events_await(const bench_ledger *ledger, uint64_t events)
{
    uint64_t before = 0;
    int64_t progress_ns = bench_now_ns();
    for (uint64_t taken; (taken = bench_ledger_taken(ledger)) < events;) {
        int64_t now = bench_now_ns();
        if (taken != before)
            progress_ns = now;
        if (now - progress_ns > (int64_t)LOST_AFTER_S * SECOND_NS)
            return;
        before = taken;
        sleep_until(now + LOOK_NS);
    }
}

static void wrong_check(const bench_ledger *ledger)
{
    if (bench_ledger_wrong(ledger) != NULL)
        bench_die(bench_ledger_wrong(ledger));
}

static void result_print(const bench_ledger *ledger)
{
    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 1};
    printf("result %" PRIu64 " %" PRId64, bench_ledger_taken(ledger), bench_now_ns());
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf(" %" PRIu64, bench_histogram_at(bench_ledger_latency(ledger), parts[i]));
    printf("\n");
}

static void receiver_serve(worker *w, bench_ledger *ledger)
{
    char line[256];
    void *receiver =
        w->carrier->receiver_open(&(bench_receiver_opts){.address = w->address, .index = w->index, .ledger = ledger});
    printf("ready\n");
    while (fflush(stdout), fgets(line, sizeof line, stdin) != NULL) {
        uint64_t events;
        if (sscanf(line, "receive %" SCNu64, &events) == 1) {
            events_await(ledger, events);
            wrong_check(ledger);
            result_print(ledger);
        } else if (round_read(w, line, "expect")) {
            bench_ledger_begin(ledger, &w->round);
            printf("ready\n");
        } else {
            bench_die("a receiver does not know this order");
        }
    }
    w->carrier->receiver_close(receiver);
    wrong_check(ledger);
}

int bench_worker_main(int count, char **arguments)
{
    worker w = {0};
    if (count != 5 || (w.carrier = bench_carrier_find(arguments[1])) == NULL ||
        sscanf(arguments[4], "%u %u %u %" SCNu32 " %u %u", &w.index, &w.senders, &w.sessions, &w.topics,
               &w.parcel_bytes, &w.soon) != 6)
        bench_die("no such worker");
    w.address = arguments[2];
    w.dir = arguments[3];
    /* Not left behind by a bench that gave up. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strcmp(arguments[0], "sender") == 0) {
        bench_load load;
        sender_serve(&w, &load);
        bench_load_fini(&load);
    } else {
        bench_ledger *ledger = bench_ledger_create(w.senders);
        receiver_serve(&w, ledger);
        bench_ledger_destroy(ledger);
    }
    return 0;
}
