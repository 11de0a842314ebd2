/* nodes/cmd_sub.c: `weft sub`: prints the events of a fabric as they come.
 *
 * It only listens: no name, no birth, no will. Events are printed on the bridge's delivering thread; the main thread
 * waits for the count, the time, or a signal. */
#include "nodes/broker_options.h"
#include "nodes/commands.h"
#include "nodes/deadline.h"
#include "nodes/event_print.h"
#include "nodes/filter_options.h"
#include "nodes/notice_log.h"
#include "weft/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TYPES_MAX = WEFT_EVENT_TYPE_COUNT };

static const option_row rows[] = {
    BROKER_OPTION_ROWS,
    {"topic", 't', "TOPIC", "only tool, llm, agent, session, cost, system or custom (may be repeated)"},
    {"type", 'T', "TYPE", "only events of this type, as token_usage (may be repeated)"},
    {"session", 0, "ID", "only events of this session"},
    {"node", 'n', "NAME", "only events of this node"},
    {"since", 's', "MOMENT", "first what was published since then: " MOMENT_HELP},
    {"json", 'j', NULL, "print one JSON object a line"},
    {"count", 'c', "N", "end after N events"},
    {"timeout", 0, "S", "end after S seconds"},
    {0},
};

typedef struct listener {
    const char *url;
    bool json;
    int64_t since_ms;
    uint64_t wanted; /* events; 0: no end */
    atomic_uint_fast64_t count;
    atomic_bool done;
    atomic_bool connected; /* ever */
    unsigned topics;       /* how many it wants; const after create */
    atomic_uint denied;    /* of them, by the broker's ACL */
    atomic_bool refused;   /* before it ever connected: waiting does not help */
    weft_text text;        /* delivering thread only */
} listener;

static int wake_fd = -1;
static volatile sig_atomic_t interrupted;

static void wake(void)
{
    static const uint64_t one = 1;
    int saved = errno;
    (void)!write(wake_fd, &one, sizeof one);
    errno = saved;
}

static void on_signal(int number)
{
    if (interrupted)
        _exit(128 + number);
    interrupted = 1;
    wake();
}

/* ---- on threads of the bridge ---- */

static weft_status on_event(const weft_event *event, void *user)
{
    listener *l = user;
    if (atomic_load(&l->done))
        return WEFT_OK;
    weft_text_clear(&l->text);
    if (l->json) {
        (void)weft_event_to_json(event, &l->text);
        weft_text_append(&l->text, "\n", 1);
    } else {
        event_print(event, &l->text);
    }
    bool written = !l->text.failed && fwrite(l->text.data, 1, l->text.length, stdout) == l->text.length;
    bool flushed = fflush(stdout) == 0;
    bool enough = atomic_fetch_add(&l->count, 1) + 1 == l->wanted;
    if (enough || !written || !flushed) {
        atomic_store(&l->done, true);
        wake();
    }
    return WEFT_OK;
}

static void on_lost(const weft_lost *lost, void *user)
{
    (void)user;
    weft_text text = {0};
    lost_print(lost, &text);
    fprintf(stderr, "weft sub: %s.\n", text.data != NULL ? text.data : "events lost");
    weft_text_fini(&text);
}

/* Peers and the first connection are no news to somebody who asked for events. */
static void on_notice(const weft_notice *notice, void *user)
{
    listener *l = user;
    if (notice->kind == WEFT_NOTICE_PEER_UP || notice->kind == WEFT_NOTICE_PEER_DOWN ||
        notice->kind == WEFT_NOTICE_CLOCK_SKEW)
        return;
    if (notice->kind == WEFT_NOTICE_CONNECT_FAILED && notice->status == WEFT_REFUSED && !atomic_load(&l->connected)) {
        notice_say_refused("sub", notice, l->url);
        atomic_store(&l->refused, true);
        wake();
        return;
    }
    if (notice->kind == WEFT_NOTICE_SUBSCRIBE_REFUSED && notice->text != NULL &&
        strstr(notice->text, "/evt/") != NULL && atomic_fetch_add(&l->denied, 1) + 1 == l->topics) {
        fprintf(stderr, "weft sub: the broker at %s lets us hear none of it; look at its ACL.\n", l->url);
        atomic_store(&l->refused, true);
        wake();
    }
    if (notice->kind == WEFT_NOTICE_CONNECTED && !atomic_exchange(&l->connected, true))
        return;
    notice_log(notice, l->url);
}

/* ---- the command line ---- */

static bool read_types(const args *a, weft_filter *filter, weft_event_type types[TYPES_MAX])
{
    filter->types = types;
    for (size_t i = 0; i < args_count(a, "type"); i++) {
        const char *name = args_nth(a, "type", i);
        const weft_schema *schema = weft_schema_by_name(name);
        if (schema == NULL || filter->type_count == TYPES_MAX) {
            const char *names[TYPES_MAX];
            size_t count = 0;
            for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++)
                names[count++] = weft_event_type_name((weft_event_type)type);
            const char *near = word_nearest(name, names, count);
            args_usage(a, "--type: there is no type '%s'%s%s%s", name, near != NULL ? "; did you mean " : ".",
                       near != NULL ? near : "", near != NULL ? "?" : "");
            return false;
        }
        types[filter->type_count++] = schema->type;
    }
    return true;
}

static unsigned topics_count(const weft_filter *filter)
{
    uint32_t wanted = filter->topics, of_types = 0;
    for (size_t i = 0; i < filter->type_count; i++)
        of_types |= (uint32_t)weft_event_topic(&(weft_event){.type = filter->types[i]});
    if (filter->type_count > 0)
        wanted = wanted != 0 ? wanted & of_types : of_types;
    unsigned count = 0;
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++)
        count += wanted == 0 || (wanted & (uint32_t)weft_topic_from_number(number)) != 0;
    return count;
}

/* ---- running ---- */

static void signals_handle(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void wait_for_the_end(listener *l, int64_t timeout_ms)
{
    int64_t deadline = deadline_in_ms(timeout_ms);
    while (!interrupted && !atomic_load(&l->done) && !atomic_load(&l->refused)) {
        struct pollfd poller = {.fd = wake_fd, .events = POLLIN};
        int wait_ms = timeout_ms < 0 ? -1 : deadline_left_ms(deadline, 60000);
        if (wait_ms == 0)
            return;
        (void)poll(&poller, 1, wait_ms);
    }
}

static int verdict(const listener *l, const char *url)
{
    uint64_t count = atomic_load(&l->count);
    if (atomic_load(&l->done) || interrupted)
        return EXIT_DONE;
    if (atomic_load(&l->denied) == l->topics)
        return EXIT_NO_PEER;
    if (!atomic_load(&l->connected)) {
        if (!atomic_load(&l->refused)) /* else that has been said */
            fprintf(stderr, "weft sub: cannot reach the broker at %s; is it running? (--broker names another)\n", url);
        return EXIT_NO_PEER;
    }
    if (l->wanted == 0)
        return EXIT_DONE;
    fprintf(stderr, "weft sub: time is up after %" PRIu64 " of %" PRIu64 " events.\n", count, l->wanted);
    return EXIT_JOB_FAILED;
}

static int listen_until_the_end(listener *l, const weft_filter *filter, const broker_options *broker,
                                int64_t timeout_ms)
{
    weft_dispatcher *dispatcher = NULL;
    weft_bridge *bridge = NULL;
    weft_subscription subscription;
    weft_subscribe_opts how = {.name = "sub", .on_lost = on_lost};
    weft_bridge_opts opts = {.listen_only = true, .since_ms = l->since_ms, .on_notice = on_notice, .user = l};
    const char *reason = NULL;
    broker_options_apply(broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &dispatcher);
    if (st == WEFT_OK)
        st = weft_subscribe_with(dispatcher, filter, &how, on_event, l, &subscription);
    if (st == WEFT_OK)
        st = weft_bridge_create(dispatcher, &opts, &bridge, &reason);
    int status = EXIT_USAGE;
    if (st == WEFT_OK) {
        wait_for_the_end(l, timeout_ms);
        status = verdict(l, broker->url);
    } else {
        fprintf(stderr, "weft sub: %s: %s.\n", broker->url, reason != NULL ? reason : weft_status_text(st));
    }
    weft_bridge_destroy(bridge);
    weft_dispatcher_destroy(dispatcher);
    return status;
}

static int run(const args *a)
{
    broker_options broker;
    weft_event_type types[TYPES_MAX];
    weft_filter filter = {.session_id = args_text(a, "session", NULL)};
    int64_t count, timeout_ms, since_ms;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    if (args_text(a, "node", NULL) != NULL && (filter.node = node_option_read(a, NULL)) == NULL)
        return EXIT_USAGE;
    if (broker_options_read(a, &broker) != EXIT_DONE || !topics_option_read(a, "topic", &filter.topics) ||
        !read_types(a, &filter, types) || !args_number(a, "count", 1, INT64_MAX, 0, &count) ||
        !args_seconds(a, "timeout", -1, &timeout_ms) ||
        !moment_option_read(a, "since", weft_clock_wall_ms(weft_clock_system()), &since_ms))
        return EXIT_USAGE;
    listener l = {.url = broker.url,
                  .json = args_flag(a, "json"),
                  .since_ms = since_ms,
                  .wanted = (uint64_t)count,
                  .topics = topics_count(&filter)};
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        fprintf(stderr, "weft sub: cannot make an eventfd: %s.\n", strerror(errno));
        return EXIT_JOB_FAILED;
    }
    signals_handle();
    int status = listen_until_the_end(&l, &filter, &broker, timeout_ms);
    weft_text_fini(&l.text);
    (void)close(wake_fd);
    return status;
}

const command cmd_sub = {
    .name = "sub",
    .synopsis = "[OPTION]…",
    .summary = "Prints the events of the fabric as they come.",
    .details =
        "Exit status: 0 when N events came, or on Ctrl-C; 1 when time was up before; 3 when the broker could not\n"
        "be reached in that time. Events that are known to be missing are reported on standard error.\n"
        "With --since the nodes that are up send what is in their journals (7 days, or 1 GiB), old before new;\n"
        "their clocks count, give or take 5 s.",
    .options = rows,
    .run = run,
};
