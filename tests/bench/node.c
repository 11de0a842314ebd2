/* tests/bench/node.c: what the program `weft node` takes: time to start, memory.
 *
 * Threads    the main one; the link's own tells when a birth was heard. */
#include "bench/bench.h"
#include "bench/daemon.h"
#include "bench/server.h"
#include "bridge/link.h"

#include <errno.h>
#include <math.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { SESSIONS_BEFORE = 10000, SESSIONS_MORE = 50000, SESSIONS_FEW = 20, BIRTH_WAIT_S = 30 };

typedef struct node_rig {
    bench_server broker;
    weft__link *link; /* hears of births */
    sem_t born;
    atomic_llong born_ns;
    char birth_topic[96]; /* of the daemon that is awaited; const while one is */
    double connected_ms;
    double after_mb, after_again_mb;
} node_rig;

static void on_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    node_rig *rig = user;
    (void)payload, (void)length, (void)retained;
    if (strcmp(topic, rig->birth_topic) != 0 || atomic_exchange(&rig->born_ns, bench_now_ns()) != 0)
        return;
    sem_post(&rig->born);
}

static void on_acked(void *user, int token, weft_status status)
{
    (void)user, (void)token, (void)status;
}

static void on_down(void *user)
{
    (void)user;
    bench_die("the connection to the broker was lost");
}

static weft__link *link_open(node_rig *rig)
{
    weft__link_callbacks callbacks = {.on_message = on_message, .on_acked = on_acked, .on_down = on_down, .user = rig};
    weft__link_opts opts = {.url = rig->broker.address,
                            .client_id = "weft:bench:births",
                            .keep_alive_s = 60,
                            .connect_timeout_s = 5,
                            .receive_only = true};
    weft__link *link;
    weft__link_limits limits;
    if (weft__mqtt_link.create(&opts, &callbacks, &link) != WEFT_OK ||
        weft__mqtt_link.connect(link, true, &limits, NULL) != WEFT_OK)
        bench_die("no link to the broker");
    return link;
}

static void link_close(weft__link *link)
{
    weft__mqtt_link.disconnect(link);
    weft__mqtt_link.destroy(link);
}

static void daemon_start(node_rig *rig, bench_daemon *daemon)
{
    bench_daemon_start(daemon, rig->broker.address);
    snprintf(rig->birth_topic, sizeof rig->birth_topic, "weft/v1/bench/live/%s", daemon->name);
    atomic_store(&rig->born_ns, 0);
}

static void birth_await(node_rig *rig)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += BIRTH_WAIT_S;
    while (sem_timedwait(&rig->born, &deadline) != 0)
        if (errno != EINTR)
            bench_die("weft node does not connect");
}

static double ms_since(const bench_daemon *daemon, int64_t ns)
{
    return (double)(ns - daemon->began_ns) / 1e6;
}

static double start_measure(void *user, uint64_t events)
{
    node_rig *rig = user;
    bench_daemon daemon;
    bench_load load;
    (void)events;
    bench_load_init(&load, 0, SESSIONS_FEW, 0);
    daemon_start(rig, &daemon);
    bench_daemon_publish(&daemon, &load, 0, 1);
    double accepted_ms = ms_since(&daemon, bench_now_ns());
    birth_await(rig);
    rig->connected_ms = ms_since(&daemon, atomic_load(&rig->born_ns));
    bench_daemon_end(&daemon);
    bench_load_fini(&load);
    return accepted_ms;
}

static double connected_read(void *user)
{
    return ((const node_rig *)user)->connected_ms;
}

static double megabytes(size_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

/* What is in its memory after the first two events of so many sessions. */
static double sessions_measure(node_rig *rig, unsigned sessions)
{
    bench_daemon daemon;
    bench_load load;
    bench_load_init(&load, 0, sessions, WEFT_TOPIC_SESSION);
    daemon_start(rig, &daemon);
    birth_await(rig);
    bench_daemon_publish(&daemon, &load, 0, UINT64_C(2) * sessions);
    double bytes = (double)bench_rss_anonymous_bytes(daemon.pid);
    bench_daemon_end(&daemon);
    bench_load_fini(&load);
    return bytes;
}

/* The first ones find room that passing events have left, and would look too small. */
static double session_measure(void *user, uint64_t events)
{
    node_rig *rig = user;
    unsigned more = events < SESSIONS_MORE ? (unsigned)events : SESSIONS_MORE;
    double bytes = sessions_measure(rig, SESSIONS_BEFORE + more) - sessions_measure(rig, SESSIONS_BEFORE);
    return bytes > 0 ? bytes / more : NAN;
}

static double memory_measure(void *user, uint64_t events)
{
    node_rig *rig = user;
    bench_daemon daemon;
    bench_load load;
    bench_load_init(&load, 0, SESSIONS_FEW, 0);
    daemon_start(rig, &daemon);
    birth_await(rig);
    double idle_mb = megabytes(bench_rss_bytes(daemon.pid));
    bench_daemon_publish(&daemon, &load, 0, events);
    rig->after_mb = megabytes(bench_rss_bytes(daemon.pid));
    bench_daemon_publish(&daemon, &load, events, events);
    rig->after_again_mb = megabytes(bench_rss_bytes(daemon.pid));
    bench_daemon_end(&daemon);
    bench_load_fini(&load);
    return idle_mb;
}

static double after_read(void *user)
{
    return ((const node_rig *)user)->after_mb;
}

static double after_again_read(void *user)
{
    return ((const node_rig *)user)->after_again_mb;
}

void bench_node(bench_report *report)
{
    static const bench_figure start_others[] = {{"until the others know of it", "ms", connected_read}, {0}};
    static const bench_figure memory_others[] = {
        {"after the events of a round", "MB", after_read}, {"after as many events again", "MB", after_again_read}, {0}};
    static node_rig rig;
    bench_fn start = bench_daemon_present() ? start_measure : NULL;
    bench_fn memory = bench_daemon_present() ? memory_measure : NULL;
    bench_fn session = bench_daemon_present() ? session_measure : NULL;
    bench_mosquitto.start(&rig.broker);
    if (sem_init(&rig.born, 0, 0) != 0)
        bench_die("no semaphore");
    rig.link = link_open(&rig);
    if (weft__mqtt_link.subscribe(rig.link, "weft/v1/bench/live/+", 1) != WEFT_OK)
        bench_die("the broker refuses a subscription");
    bench_run(report, &(bench_case){.group = "scale",
                                    .figure = "until a publish is answered",
                                    .unit = "ms",
                                    .entries = {{"start of weft node", start, &rig}},
                                    .also = start_others});
    bench_run(report, &(bench_case){.group = "scale",
                                    .figure = "idle",
                                    .unit = "MB",
                                    .events = 1000000,
                                    .rounds = 3,
                                    .entries = {{"memory of weft node", memory, &rig}},
                                    .also = memory_others});
    bench_run(report, &(bench_case){.group = "scale",
                                    .unit = "bytes",
                                    .events = SESSIONS_MORE,
                                    .rounds = 5,
                                    .entries = {{"a live session in weft node, beyond 10,000", session, &rig}}});
    link_close(rig.link);
    sem_destroy(&rig.born);
    bench_mosquitto.stop(&rig.broker);
}
