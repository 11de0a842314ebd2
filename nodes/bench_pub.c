/* nodes/bench_pub.c: `weft bench pub`: how fast this host can publish through a broker.
 *
 * Each node has a bridge and a thread of its own (bench_source.h). The main thread shows progress, waits until all is
 * written and acknowledged, and stays while subscribers still ask for what they have missed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/bench.h"
#include "nodes/bench_report.h"
#include "nodes/bench_source.h"
#include "nodes/deadline.h"
#include "nodes/interrupt.h"
#include "nodes/journal_options.h"
#include "nodes/places.h"
#include "nodes/progress.h"

enum {
    NODES_MAX = 64,
    STEP_MS = 50,
    INTERRUPTED_MS = 2000, /* after Ctrl-C, or a denial, for what is under way */
    ASKED_QUIET_MS = 1000, /* nobody has asked for repeats for so long; a beat comes 200 ms after a burst */
    ASKED_BEAT_MS = 7000,  /* the same when subscribers may have been away for that one: the next comes after 5 s */
    ASKED_MAX_MS = 30000,
};
#define COUNT_DEFAULT 1000000

static const option_row rows[] = {
    BENCH_BROKER_ROWS,
    {"node", 'n', "NAME", "publish under this name; NAME.1, NAME.2 … with --nodes (HOST.bench.PID)"},
    {"count", 'c', "N", "events to publish (1000000, or no end with --duration)"},
    {"duration", 'd', "S", "publish for S seconds"},
    {"rate", 'r', "R", "events a second, due at even distances; 0: as fast as they are taken (0)"},
    {"kinds", 'k', "KIND",
     "mixed, or a topic: tool, llm, agent, session, cost, system or custom\n"
     "(mixed; may be repeated)"},
    {"sessions", 0, "N", "sessions of each node (20)"},
    {"size", 0, "BYTES", "pad events to so many bytes, encoded; 0: as they are, about 140 (0)"},
    {"nodes", 0, "N", "nodes in this process, a bridge each; they share the rate and the count (1)"},
    BENCH_DISK_ROWS,
    JOURNAL_OPTION_ROWS,
    {"timeout", 0, "S", "seconds to wait for the broker: to connect, and to acknowledge (10)"},
    BENCH_OUTPUT_ROWS,
    {0},
};

typedef struct figures {
    uint64_t accepted, written, acked, pending, messages, resent, replayed, lost, connects;
} figures;

typedef struct job {
    const args *args;
    broker_options broker;
    weft_bridge_opts bridge; /* the journal's options */
    bench_maker_opts maker;
    char base[WEFT_NAME_MAX_BYTES + 1];
    uint64_t count;
    double rate;
    int64_t duration_ms; /* -1: none */
    int64_t timeout_ms;
    size_t node_count;
    bench_source *nodes;
    atomic_bool stop;
    int64_t start_ns, accepted_ns, written_ns, acked_ns;
    double cpu_s;
    progress progress;
} job;

/* ---- the command line ---- */

static bool kinds_read(const args *a, uint32_t *ret)
{
    bool mixed = false;
    *ret = 0;
    for (size_t i = 0; i < args_count(a, "kinds"); i++) {
        const char *kind = args_nth(a, "kinds", i);
        weft_topic topic = weft_topic_from_name(kind);
        mixed = mixed || strcmp(kind, "mixed") == 0;
        if (topic == 0 && strcmp(kind, "mixed") != 0) {
            args_usage(a, "--kinds: '%s' is none of: mixed tool llm agent session cost system custom.", kind);
            return false;
        }
        *ret |= (uint32_t)topic;
    }
    if (mixed)
        *ret = 0;
    if ((*ret & WEFT_TOPICS_BEST_EFFORT) == 0)
        return true;
    args_usage(a, "--kinds: best-effort events may be dropped under pressure; only durable ones can be counted.");
    return false;
}

static bool numbers_read(job *j)
{
    const args *a = j->args;
    int64_t count, rate, sessions, size, nodes;
    bool timed = args_text(a, "duration", NULL) != NULL;
    if (!args_number(a, "count", 1, INT64_C(1000000000000), timed ? INT64_MAX : COUNT_DEFAULT, &count) ||
        !args_seconds(a, "duration", -1, &j->duration_ms) || !args_number(a, "rate", 0, 100000000, 0, &rate) ||
        !args_number(a, "sessions", 1, BENCH_SESSIONS_MAX, 20, &sessions) ||
        !args_number(a, "size", 0, BENCH_SIZE_MAX, 0, &size) || !args_number(a, "nodes", 1, NODES_MAX, 1, &nodes) ||
        !args_seconds(a, "timeout", 10000, &j->timeout_ms))
        return false;
    j->count = (uint64_t)count;
    j->rate = (double)rate;
    j->maker.sessions = (uint32_t)sessions;
    j->maker.size = (uint32_t)size;
    j->node_count = (size_t)nodes;
    return true;
}

static bool name_read(job *j)
{
    char own[WEFT_NAME_MAX_BYTES + 1];
    places_process_name(j->broker.user, "bench", own);
    const char *given = node_option_read(j->args, own);
    if (given == NULL)
        return false;
    if (j->node_count > 1 && strlen(given) + 3 > WEFT_NAME_MAX_BYTES) {
        args_usage(j->args, "--node: with --nodes, '%s' is too long to be numbered.", given);
        return false;
    }
    memcpy(j->base, given, strlen(given) + 1);
    return true;
}

static int options_read(job *j)
{
    const args *a = j->args;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    if (bench_broker_read(a, &j->broker) != EXIT_DONE || !numbers_read(j) || !kinds_read(a, &j->maker.topics) ||
        !journal_options_read(a, &j->bridge) || !name_read(j))
        return EXIT_USAGE;
    /* In a fabric where others count, what nobody spent must not count. */
    j->maker.flags = strcmp(j->broker.fabric, BENCH_FABRIC) == 0 ? 0 : WEFT_FLAG_SYNTHETIC;
    return EXIT_DONE;
}

/* ---- up ---- */

/* Part i of n of a whole. */
static uint64_t share_of(uint64_t whole, size_t i, size_t n)
{
    return whole / n + (i < whole % n);
}

static int node_open(job *j, size_t i, const char *directory)
{
    bench_source *s = &j->nodes[i];
    weft_bridge_opts opts = j->bridge;
    char journal[PATH_MAX], prefix[48];
    s->side.args = j->args;
    s->side.broker = &j->broker;
    (void)snprintf(s->side.node, sizeof s->side.node, j->node_count > 1 ? "%.61s.%zu" : "%s", j->base, i + 1);
    (void)snprintf(journal, sizeof journal, "%.*s/%zu.db", PATH_MAX - 32, directory, i + 1);
    (void)snprintf(prefix, sizeof prefix, "bench-%zu-%" PRIx64, i + 1, (uint64_t)bench_now_ns() & 0xffffffff);
    opts.journal_path = directory[0] != '\0' ? journal : NULL;
    bench_maker_opts maker = j->maker;
    maker.prefix = prefix;
    if (bench_maker_create(&maker, &s->maker) != WEFT_OK) {
        fprintf(stderr, "weft bench pub: out of memory.\n");
        return EXIT_JOB_FAILED;
    }
    int status = bench_bridge_create(&s->side);
    return status == EXIT_DONE ? bench_bridge_open(&s->side, &opts) : status;
}

static int nodes_open(job *j, const char *directory)
{
    int status = EXIT_DONE;
    j->nodes = calloc(j->node_count, sizeof *j->nodes);
    if (j->nodes == NULL)
        return EXIT_JOB_FAILED;
    for (size_t i = 0; status == EXIT_DONE && i < j->node_count; i++)
        status = node_open(j, i, directory);
    for (size_t i = 0; status == EXIT_DONE && i < j->node_count; i++)
        status = bench_bridge_wait(&j->nodes[i].side, j->timeout_ms);
    return status;
}

static void intro_say(const job *j)
{
    char what[64], grouped[32];
    if (j->count != INT64_MAX)
        (void)snprintf(what, sizeof what, "%s events", number_grouped(j->count, grouped));
    else
        (void)snprintf(what, sizeof what, "events for %.6g s", (double)j->duration_ms / 1000);
    bench_say(j->args,
              "publishes %s to the fabric %s at %s as %s%s; what the broker retains of it is cleared at the end.", what,
              j->broker.fabric, j->broker.url, j->base, j->node_count > 1 ? ".1 and so on" : "");
    if (j->maker.flags != 0)
        bench_say(j->args,
                  "whoever listens there gets them; they carry the flag synthetic, so that totals leave them out.");
}

static bool nodes_start(job *j)
{
    j->start_ns = bench_now_ns();
    int64_t end_ns = j->duration_ms >= 0 ? j->start_ns + j->duration_ms * 1000000 : INT64_MAX;
    for (size_t i = 0; i < j->node_count; i++) {
        bench_source *s = &j->nodes[i];
        double rate = j->rate / (double)j->node_count;
        /* Their turns lie between each other's. */
        int64_t turn_ns = rate > 0 ? (int64_t)(1e9 / j->rate * (double)i) : 0;
        s->schedule = (bench_schedule){.start_ns = j->start_ns + turn_ns, .per_second = rate};
        s->wanted = share_of(j->count, i, j->node_count);
        s->end_ns = end_ns;
        s->stop = &j->stop;
        if (!bench_source_start(s)) {
            fprintf(stderr, "weft bench pub: no thread to be had.\n");
            return false;
        }
    }
    return true;
}

/* ---- on the way ---- */

static figures figures_of(const job *j)
{
    figures f = {0};
    for (size_t i = 0; i < j->node_count; i++) {
        weft_bridge_stats stats;
        weft_bridge_get_stats(j->nodes[i].side.bridge, &stats);
        f.accepted += atomic_load(&j->nodes[i].accepted);
        f.written += stats.written;
        f.acked += stats.acked_events;
        f.pending += stats.pending_events;
        f.messages += stats.sent_messages;
        f.resent += stats.resent_events;
        f.replayed += stats.replayed_events;
        f.lost += stats.lost_events;
        f.connects += stats.connects;
    }
    return f;
}

static uint64_t accepted_by_all(const job *j)
{
    uint64_t accepted = 0;
    for (size_t i = 0; i < j->node_count; i++)
        accepted += atomic_load_explicit(&j->nodes[i].accepted, memory_order_relaxed);
    return accepted;
}

static bool all_done(const job *j)
{
    for (size_t i = 0; i < j->node_count; i++)
        if (!atomic_load(&j->nodes[i].done))
            return false;
    return true;
}

/* The name of a node that the broker's rules keep from publishing; NULL if there is none. */
static const char *denied_node(const job *j)
{
    for (size_t i = 0; i < j->node_count; i++)
        if (atomic_load(&j->nodes[i].side.denied))
            return j->nodes[i].side.node;
    return NULL;
}

static bool is_hopeless(const job *j)
{
    for (size_t i = 0; i < j->node_count; i++)
        if (atomic_load(&j->nodes[i].side.fenced))
            return true;
    return denied_node(j) != NULL;
}

/* Of the count or of the time, whichever is nearer to its end. */
static double share_done(const job *j, uint64_t accepted)
{
    double by_count = (double)accepted / (double)j->count;
    if (j->duration_ms <= 0)
        return by_count;
    double by_time = (double)(bench_now_ns() - j->start_ns) / ((double)j->duration_ms * 1e6);
    return by_time > by_count ? by_time : by_count;
}

static void publish_until_done(job *j)
{
    while (!all_done(j)) {
        if (interrupt_wait(STEP_MS) || is_hopeless(j))
            break;
        uint64_t accepted = accepted_by_all(j);
        progress_show(&j->progress, accepted, "events", share_done(j, accepted), deadline_now_ms());
    }
    atomic_store(&j->stop, true);
    for (size_t i = 0; i < j->node_count; i++) {
        bench_source_join(&j->nodes[i]);
        if (j->nodes[i].ended_ns > j->accepted_ns)
            j->accepted_ns = j->nodes[i].ended_ns;
    }
}

/* ---- afterwards ---- */

/* Waits for one node, in steps; time begins anew while the broker acknowledges something. */
static weft_status node_drain(job *j, bench_source *s, int64_t patience_ms)
{
    int64_t deadline = deadline_in_ms(patience_ms);
    uint64_t acked = 0;
    for (;;) {
        int wait_ms = deadline_left_ms(deadline, STEP_MS);
        weft_status st = weft_bridge_drain(s->side.bridge, (uint32_t)wait_ms);
        if (st != WEFT_TIMEOUT || wait_ms == 0)
            return st;
        figures f = figures_of(j);
        progress_show(&j->progress, f.acked, "acknowledged", (double)f.acked / (double)f.accepted, deadline_now_ms());
        bool hurry = interrupt_seen() || is_hopeless(j);
        if (hurry && patience_ms > INTERRUPTED_MS)
            return node_drain(j, s, INTERRUPTED_MS);
        if (f.acked > acked && !hurry)
            deadline = deadline_in_ms(patience_ms);
        acked = f.acked;
    }
}

static bool settle(job *j)
{
    bool all = true;
    for (size_t i = 0; i < j->node_count; i++)
        (void)weft_bridge_flush(j->nodes[i].side.bridge, (uint32_t)j->timeout_ms);
    j->written_ns = bench_now_ns();
    for (size_t i = 0; i < j->node_count; i++)
        all = node_drain(j, &j->nodes[i], j->timeout_ms) == WEFT_OK && all;
    j->acked_ns = bench_now_ns();
    return all;
}

/* Who has missed something can be healed from our journals only, and those go with us. */
static void stay_while_asked(const job *j)
{
    figures f = figures_of(j);
    uint64_t replayed = f.replayed;
    int64_t quiet_ms = f.connects > j->node_count ? ASKED_BEAT_MS : ASKED_QUIET_MS;
    int64_t end = deadline_in_ms(ASKED_MAX_MS), quiet = deadline_in_ms(quiet_ms);
    while (!is_hopeless(j) && deadline_left_ms(quiet, 1) > 0 && deadline_left_ms(end, 1) > 0 &&
           !interrupt_wait(STEP_MS)) {
        uint64_t now = figures_of(j).replayed;
        if (now != replayed)
            quiet = deadline_in_ms(quiet_ms);
        replayed = now;
    }
}

static void nodes_close(job *j)
{
    const char *names[NODES_MAX];
    size_t named = 0;
    bool connected = false;
    for (size_t i = 0; j->nodes != NULL && i < j->node_count; i++) {
        bench_source *s = &j->nodes[i];
        bench_bridge_close(&s->side);
        bench_maker_destroy(s->maker);
        connected = connected || atomic_load(&s->side.connected);
        if (!atomic_load(&s->side.fenced))
            names[named++] = s->side.node;
    }
    if (connected && named > 0)
        bench_retained_clear(j->args, &j->broker, names, named);
    free(j->nodes);
    j->nodes = NULL;
}

/* ---- the result ---- */

static double per_second(uint64_t count, int64_t from_ns, int64_t to_ns)
{
    return to_ns > from_ns ? (double)count * 1e9 / (double)(to_ns - from_ns) : 0;
}

static void pace_report(const job *j, bench_report *r, const figures *f)
{
    static histogram late;
    uint64_t held_back = 0;
    int64_t held_back_ns = 0;
    late = (histogram){0};
    for (size_t i = 0; i < j->node_count; i++) {
        histogram_merge(&late, &j->nodes[i].late_ns);
        held_back += j->nodes[i].held_back;
        held_back_ns += j->nodes[i].held_back_ns;
    }
    bench_report_number(r, "accepted_per_s", "  accepted", per_second(f->accepted, j->start_ns, j->accepted_ns),
                        "events/s");
    bench_report_number(r, "written_per_s", "  written", per_second(f->accepted, j->start_ns, j->written_ns),
                        "events/s");
    bench_report_number(r, "acknowledged_per_s", "  acknowledged", per_second(f->acked, j->start_ns, j->acked_ns),
                        "events/s");
    bench_report_count(r, "held_back", "held back by backpressure", held_back);
    bench_report_number(r, "held_back_s", "  for", (double)held_back_ns / 1e9, "s");
    if (j->rate > 0)
        bench_report_latency(r, "behind_schedule", "behind schedule", &late);
}

static bool report(const job *j, const figures *f)
{
    bench_report r;
    double seconds = (double)(j->acked_ns - j->start_ns) / 1e9;
    bench_report_begin(&r, args_flag(j->args, "json"), "pub");
    bench_report_text(&r, "node", "node", j->base);
    bench_report_count(&r, "nodes", "nodes", j->node_count);
    bench_report_text(&r, "durability", "durability",
                      args_flag(j->args, "no-journal") ? "none" : args_text(j->args, "durability", "power"));
    bench_report_count(&r, "events", "events accepted", f->accepted);
    bench_report_count(&r, "acknowledged", "  acknowledged", f->acked);
    bench_report_count(&r, "messages", "messages", f->messages);
    bench_report_number(&r, "events_per_message", "  events each",
                        f->messages > 0 ? (double)(f->acked + f->resent) / (double)f->messages : 0, "");
    bench_report_number(&r, "seconds", "time", seconds, "s");
    pace_report(j, &r, f);
    bench_report_count(&r, "resent", "sent again", f->resent);
    bench_report_count(&r, "replayed", "repeated for subscribers", f->replayed);
    bench_report_count(&r, "lost", "given up unsent", f->lost);
    bench_report_number(&r, "cpu_s", "CPU of this process", j->cpu_s, "s");
    bench_report_number(&r, "cpu_us_per_event", "  an event",
                        f->accepted > 0 ? j->cpu_s * 1e6 / (double)f->accepted : 0, "µs");
    bench_report_flag(&r, "interrupted", interrupt_seen());
    return bench_report_end(&r);
}

static int verdict(const job *j, const figures *f, bool all_acked)
{
    for (size_t i = 0; i < j->node_count; i++) {
        const bench_source *s = &j->nodes[i];
        if (atomic_load(&s->side.fenced))
            return EXIT_FENCED;
        if (s->failed == WEFT_OK)
            continue;
        fprintf(stderr, "weft bench pub: an event was refused: %s.\n", weft_status_text(s->failed));
        return EXIT_JOB_FAILED;
    }
    if (all_acked)
        return EXIT_DONE;
    if (denied_node(j) != NULL)
        bench_say_denied(&j->broker, j->args, denied_node(j));
    else
        fprintf(stderr, "weft bench pub: the broker at %s did not acknowledge %" PRIu64 " event(s).\n", j->broker.url,
                f->pending);
    return EXIT_JOB_FAILED;
}

static int publish_and_tell(job *j)
{
    intro_say(j);
    double cpu_s = bench_cpu_s();
    progress_begin(&j->progress, bench_progress_out(j->args), deadline_now_ms());
    if (!nodes_start(j)) {
        atomic_store(&j->stop, true);
        for (size_t i = 0; i < j->node_count; i++)
            bench_source_join(&j->nodes[i]);
        return EXIT_JOB_FAILED;
    }
    publish_until_done(j);
    bool all_acked = settle(j);
    j->cpu_s = bench_cpu_s() - cpu_s;
    progress_end(&j->progress);
    stay_while_asked(j);
    figures f = figures_of(j);
    int status = verdict(j, &f, all_acked);
    return report(j, &f) || status != EXIT_DONE ? status : EXIT_JOB_FAILED;
}

static int run(const args *a)
{
    static job j;
    char directory[PATH_MAX];
    j = (job){.args = a};
    int status = options_read(&j);
    if (status != EXIT_DONE || !bench_scratch(a, directory, &status))
        return status;
    if (!interrupt_handle())
        return EXIT_JOB_FAILED;
    status = nodes_open(&j, directory);
    if (status == EXIT_DONE)
        status = interrupt_seen() ? EXIT_JOB_FAILED : publish_and_tell(&j);
    nodes_close(&j);
    return status;
}

const command bench_pub = {
    .name = "bench pub",
    .synopsis = "[OPTION]…",
    .summary = "Publishes made up events as fast as they are taken, or at a rate, and says how fast that went.",
    .details =
        "  weft bench sub --expect 1000000 &\n"
        "  weft bench pub --count 1000000\n\n"
        "The events go through a bridge with a journal, as those of a node do; journal and node are made for the\n"
        "bench and go with it. It ends when the broker has acknowledged all of them and no subscriber has asked for\n"
        "repeats for a second (seven, if the connection was lost on the way). In other fabrics than " BENCH_FABRIC "\n"
        "the events carry the flag synthetic, and totals leave them out.\n"
        "  accepted         weft_publish returned: as fast as agents can go on\n"
        "  written          the journal has them, safe as --durability says\n"
        "  acknowledged     the broker has them; whether subscribers do, weft bench sub says\n"
        "  held back        refused at first, because the disk or the broker was slower; tried again until taken\n"
        "  behind schedule  with --rate: how long after its time an event was published; its latency counts from\n"
        "                   that time\n"
        "Without --rate events stand in line, and weft bench sub tells of latency how long that line is.\n"
        "Exit status: 0 all acknowledged, also after Ctrl-C; 1 some are not; 2 usage; 3 no broker; 4 the name is in "
        "use.",
    .options = rows,
    .run = run,
};
