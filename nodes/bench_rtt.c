/* nodes/bench_rtt.c: `weft bench rtt`: how long a question takes to another node and its answer back.
 *
 * Threads: the main one asks; answers are given on the delivering thread of the answering bridge. A standing
 * subscription of the asking side keeps the broker's subscription from coming and going with each question. */
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>

#include "nodes/bench.h"
#include "nodes/bench_event.h"
#include "nodes/bench_report.h"
#include "nodes/bench_schedule.h"
#include "nodes/deadline.h"
#include "nodes/interrupt.h"
#include "nodes/journal_options.h"
#include "nodes/places.h"
#include "nodes/progress.h"
#include "weft/request.h"

enum { RESPOND_STEP_MS = 1000 };

#define ATTRIBUTE_TO "bench.to"
#define SOURCE_ASK   "bench-ask"
#define SOURCE_REPLY "bench-reply"

static const option_row rows[] = {
    BENCH_BROKER_ROWS,
    {"node", 'n', "NAME", "ask under this name (HOST.ask.PID), or answer under it (HOST.reply.PID)"},
    {"respond", 0, NULL, "answer what others ask, until Ctrl-C"},
    {"to", 't', "NODE",
     "ask the node of that name, which runs weft bench rtt --respond; without it this\n"
     "process answers itself, over the broker"},
    {"count", 'c', "N", "questions (1000, or no end with --duration)"},
    {"duration", 'd', "S", "ask for S seconds"},
    {"rate", 'r', "R", "questions a second, due at even distances; 0: each when the one before is answered (0)"},
    {"size", 0, "BYTES", "bytes that question and answer carry (0)"},
    BENCH_DISK_ROWS,
    JOURNAL_OPTION_ROWS,
    {"timeout", 0, "S", "seconds to wait for the broker, and for an answer (5)"},
    BENCH_OUTPUT_ROWS,
    {0},
};

typedef struct job {
    const args *args;
    broker_options broker;
    weft_bridge_opts bridge; /* the journal's options */
    const char *to;          /* NULL: our own */
    uint64_t count;
    double rate;
    int64_t duration_ms; /* -1: none */
    int64_t timeout_ms;
    bench_bridge asker, responder;
    char pad[BENCH_SIZE_MAX + 1];
    atomic_uint_fast64_t answered; /* by the responder */
    uint64_t asked, unanswered;
    histogram rtt_ns;
    double cpu_s;
} job;

/* ---- answering ---- */

static const char *attribute_of(const weft_event *event, const char *key)
{
    for (size_t i = 0; i < event->attribute_count; i++)
        if (strcmp(event->attributes[i].key, key) == 0)
            return event->attributes[i].value;
    return NULL;
}

static weft_status on_question(const weft_event *event, void *user)
{
    job *j = user;
    const char *to = attribute_of(event, ATTRIBUTE_TO), *pad = attribute_of(event, BENCH_PAD_ATTRIBUTE);
    if (to == NULL || strcmp(to, j->responder.node) != 0)
        return WEFT_OK;
    weft_attribute attribute = {BENCH_PAD_ATTRIBUTE, pad};
    weft_event reply = {.type = WEFT_CUSTOM,
                        .flags = event->flags,
                        .source = SOURCE_REPLY,
                        .attributes = &attribute,
                        .attribute_count = pad != NULL,
                        .custom = {.event_type = "bench_reply", .source = "bench"}};
    weft_status st = weft_reply(j->responder.dispatcher, event, &reply);
    if (st == WEFT_OK)
        atomic_fetch_add(&j->answered, 1);
    return st;
}

static weft_status on_reply(const weft_event *event, void *user)
{
    (void)event;
    (void)user;
    return WEFT_OK;
}

static int side_open(job *j, bench_bridge *side, const char *directory, const char *source, weft_handler_fn handler)
{
    char journal[PATH_MAX];
    weft_bridge_opts opts = j->bridge;
    weft_event_type type = WEFT_CUSTOM;
    weft_filter filter = {.types = &type, .type_count = 1, .source = source, .origin = WEFT_ORIGIN_REMOTE};
    side->args = j->args;
    side->broker = &j->broker;
    (void)snprintf(journal, sizeof journal, "%.*s/%s.db", PATH_MAX - 128, directory, side->node);
    opts.journal_path = directory[0] != '\0' ? journal : NULL;
    int status = bench_bridge_create(side);
    if (status == EXIT_DONE && weft_subscribe(side->dispatcher, &filter, handler, j, NULL) != WEFT_OK)
        status = EXIT_JOB_FAILED;
    return status == EXIT_DONE ? bench_bridge_open(side, &opts) : status;
}

static int respond(job *j)
{
    bench_say(j->args, "answers in the fabric %s at %s; ask with: weft bench rtt --to %s", j->broker.fabric,
              j->broker.url, j->responder.node);
    while (!interrupt_wait(RESPOND_STEP_MS))
        ;
    bench_report r;
    bench_report_begin(&r, args_flag(j->args, "json"), "rtt");
    bench_report_text(&r, "node", "node", j->responder.node);
    bench_report_count(&r, "answered", "answered", atomic_load(&j->answered));
    return bench_report_end(&r) ? EXIT_DONE : EXIT_JOB_FAILED;
}

/* ---- asking ---- */

/* Returns EXIT_DONE to go on. */
static int ask(job *j, const weft_event *question, int64_t due_ns)
{
    const weft_event *reply = NULL;
    weft_status st = weft_request(j->asker.dispatcher, question, (uint32_t)j->timeout_ms, &reply);
    j->asked++;
    if (st == WEFT_OK)
        histogram_add(&j->rtt_ns, (uint64_t)(bench_now_ns() - due_ns));
    else if (!interrupt_seen())
        j->unanswered++;
    weft_event_release(reply);
    if (st == WEFT_OK || st == WEFT_TIMEOUT)
        return EXIT_DONE;
    fprintf(stderr, "weft bench rtt: a question was refused: %s.\n", weft_status_text(st));
    return EXIT_JOB_FAILED;
}

static double share_done(const job *j, int64_t start_ns)
{
    double by_count = (double)j->asked / (double)j->count;
    double by_time = j->duration_ms > 0 ? (double)(bench_now_ns() - start_ns) / ((double)j->duration_ms * 1e6) : 0;
    return by_time > by_count ? by_time : by_count;
}

/* Waits for the time of question i; returns it, or -1 at the end. */
static int64_t due_await(const job *j, const bench_schedule *s, int64_t end_ns)
{
    int64_t now = bench_now_ns(), due = j->rate > 0 ? bench_schedule_due_ns(s, j->asked) : now;
    while (now < due && due < end_ns && !interrupt_seen())
        now = bench_nap_until_ns(due, now);
    return due < end_ns && !interrupt_seen() ? due : -1;
}

/* The broker's rules deny something: no question will be answered. */
static bool is_hopeless(const job *j)
{
    return j->unanswered > 0 && (atomic_load(&j->asker.denied) || atomic_load(&j->responder.denied));
}

static int ask_all(job *j)
{
    progress bar;
    const char *to = j->to != NULL ? j->to : j->responder.node;
    weft_attribute attributes[2] = {{ATTRIBUTE_TO, to}, {BENCH_PAD_ATTRIBUTE, j->pad}};
    weft_event question = {.type = WEFT_CUSTOM,
                           .flags = strcmp(j->broker.fabric, BENCH_FABRIC) == 0 ? 0 : WEFT_FLAG_SYNTHETIC,
                           .source = SOURCE_ASK,
                           .session_id = "bench",
                           .attributes = attributes,
                           .attribute_count = j->pad[0] != '\0' ? 2 : 1,
                           .custom = {.event_type = "bench_ask", .source = "bench"}};
    bench_say(j->args, "asks %s in the fabric %s at %s as %s; what the broker retains of it is cleared at the end.", to,
              j->broker.fabric, j->broker.url, j->asker.node);
    bench_schedule schedule = {.start_ns = bench_now_ns(), .per_second = j->rate};
    int64_t due, end_ns = j->duration_ms >= 0 ? schedule.start_ns + j->duration_ms * 1000000 : INT64_MAX;
    int status = EXIT_DONE;
    double cpu_s = bench_cpu_s();
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    progress_begin(&bar, bench_progress_out(j->args), deadline_now_ms());
    while (status == EXIT_DONE && !is_hopeless(j) && j->asked < j->count &&
           (due = due_await(j, &schedule, end_ns)) >= 0) {
        status = ask(j, &question, due);
        progress_show(&bar, j->asked, "questions", share_done(j, schedule.start_ns), deadline_now_ms());
    }
    progress_end(&bar);
    j->cpu_s = bench_cpu_s() - cpu_s;
    return status;
}

static int verdict(const job *j)
{
    const bench_bridge *sides[] = {&j->asker, &j->responder};
    if (j->unanswered == 0)
        return EXIT_DONE;
    for (size_t i = 0; i < 2; i++)
        if (atomic_load(&sides[i]->denied)) {
            bench_say_denied(&j->broker, j->args, sides[i]->node);
            return EXIT_JOB_FAILED;
        }
    fprintf(stderr, "weft bench rtt: %" PRIu64 " of %" PRIu64 " questions were not answered in time%s\n", j->unanswered,
            j->asked, j->to != NULL ? "; does weft bench rtt --respond run there, in this fabric?" : ".");
    return EXIT_JOB_FAILED;
}

static int report(const job *j)
{
    bench_report r;
    bench_report_begin(&r, args_flag(j->args, "json"), "rtt");
    bench_report_text(&r, "node", "node", j->asker.node);
    bench_report_text(&r, "to", "asked", j->to != NULL ? j->to : j->responder.node);
    bench_report_count(&r, "asked", "questions", j->asked);
    bench_report_count(&r, "answered", "  answered", j->rtt_ns.count);
    bench_report_count(&r, "unanswered", "  not answered in time", j->unanswered);
    bench_report_latency(&r, "rtt", "there and back", &j->rtt_ns);
    bench_report_number(&r, "cpu_us_per_request", "CPU of this process, each",
                        j->asked > 0 ? j->cpu_s * 1e6 / (double)j->asked : 0, "µs");
    bench_report_flag(&r, "interrupted", interrupt_seen());
    return bench_report_end(&r) ? verdict(j) : EXIT_JOB_FAILED;
}

/* ---- frame ---- */

static int sides_open(job *j, const char *directory)
{
    bool asks = !args_flag(j->args, "respond"), answers = j->to == NULL;
    int status = EXIT_DONE;
    if (answers)
        status = side_open(j, &j->responder, directory, SOURCE_ASK, on_question);
    if (status == EXIT_DONE && asks)
        status = side_open(j, &j->asker, directory, SOURCE_REPLY, on_reply);
    if (status == EXIT_DONE && answers)
        status = bench_bridge_wait(&j->responder, j->timeout_ms);
    if (status == EXIT_DONE && asks)
        status = bench_bridge_wait(&j->asker, j->timeout_ms);
    return status;
}

static void sides_close(job *j)
{
    const char *names[2];
    size_t count = 0;
    bench_bridge *sides[] = {&j->asker, &j->responder};
    for (size_t i = 0; i < 2; i++) {
        bench_bridge_close(sides[i]);
        if (atomic_load(&sides[i]->connected) && !atomic_load(&sides[i]->fenced))
            names[count++] = sides[i]->node;
    }
    if (count > 0)
        bench_retained_clear(j->args, &j->broker, names, count);
}

static int names_choose(job *j)
{
    bool responds = args_flag(j->args, "respond");
    bench_bridge *named = responds ? &j->responder : &j->asker;
    char own[WEFT_NAME_MAX_BYTES + 1];
    places_process_name(j->broker.user, responds ? "reply" : "ask", own);
    const char *name = node_option_read(j->args, own);
    if (name == NULL)
        return EXIT_USAGE;
    memcpy(named->node, name, strlen(name) + 1);
    if (!responds && j->to == NULL)
        places_process_name(NULL, "reply", j->responder.node);
    return EXIT_DONE;
}

static int options_read(job *j)
{
    const args *a = j->args;
    int64_t count, rate, size;
    bool timed = args_text(a, "duration", NULL) != NULL;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    j->to = args_text(a, "to", NULL);
    if (j->to != NULL && args_flag(a, "respond"))
        return args_usage(a, "--respond answers, --to asks; they go against each other.");
    if (j->to != NULL && !weft_name_valid(j->to))
        return args_usage(a, "--to: '%s' is no node's name.", j->to);
    if (bench_broker_read(a, &j->broker) != EXIT_DONE || !journal_options_read(a, &j->bridge) ||
        !args_number(a, "count", 1, INT64_C(1000000000), timed ? INT64_MAX : 1000, &count) ||
        !args_seconds(a, "duration", -1, &j->duration_ms) || !args_number(a, "rate", 0, 1000000, 0, &rate) ||
        !args_number(a, "size", 0, BENCH_SIZE_MAX, 0, &size) || !args_seconds(a, "timeout", 5000, &j->timeout_ms))
        return EXIT_USAGE;
    j->count = (uint64_t)count;
    j->rate = (double)rate;
    memset(j->pad, 'x', (size_t)size);
    return names_choose(j);
}

static int run(const args *a)
{
    static job j;
    char directory[PATH_MAX];
    j.args = a;
    int status = options_read(&j);
    if (status != EXIT_DONE || !bench_scratch(a, directory, &status))
        return status;
    if (!interrupt_handle())
        return EXIT_JOB_FAILED;
    status = sides_open(&j, directory);
    if (status == EXIT_DONE && interrupt_seen())
        status = EXIT_JOB_FAILED;
    else if (status == EXIT_DONE && args_flag(a, "respond"))
        status = respond(&j);
    else if (status == EXIT_DONE && (status = ask_all(&j)) == EXIT_DONE)
        status = report(&j);
    sides_close(&j);
    return status;
}

const command bench_rtt = {
    .name = "bench rtt",
    .synopsis = "[OPTION]…",
    .summary = "Asks questions over the broker and says how long the answers take.",
    .details =
        "A question is an event that a handler on another node answers with one: weft_request and weft_reply, both\n"
        "journaled. Without --to two bridges of this process ask and answer; between hosts:\n"
        "  there  weft bench rtt --respond --node host-b\n"
        "  here   weft bench rtt --to host-b\n"
        "Where the broker's rules pin a user to the node of its name, only that works. Exit status: 0 all answered,\n"
        "also after Ctrl-C; 1 some were not; 2 usage; 3 no broker; 4 the name is in use.",
    .options = rows,
    .run = run,
};
