/* nodes/bench.c: see the header. Notices come on threads of the bridge and only set flags and write lines. */
#include "nodes/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nodes/deadline.h"
#include "nodes/interrupt.h"
#include "nodes/notice_log.h"
#include "nodes/places.h"
#include "nodes/scratch.h"
#include "weft/peers.h"

enum { WAIT_STEP_MS = 100, CLEAR_WAIT_MS = 2000 };

/* ---- options, words ---- */

int bench_broker_read(const args *a, broker_options *ret)
{
    int status = broker_options_read(a, ret);
    if (status == EXIT_DONE && args_text(a, "fabric", NULL) == NULL)
        ret->fabric = BENCH_FABRIC;
    return status;
}

void bench_say(const args *a, const char *format, ...)
{
    va_list list;
    if (args_flag(a, "quiet"))
        return;
    va_start(list, format);
    fprintf(stderr, "weft %s: ", a->command->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

FILE *bench_progress_out(const args *a)
{
    return args_flag(a, "quiet") ? NULL : stderr;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

double bench_cpu_s(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/* ---- scratch ---- */

static bool directory_make(const args *a, char out[PATH_MAX])
{
    char reason[PATH_MAX + 128];
    const char *parent = args_text(a, "journal-dir", NULL);
    if (parent == NULL) {
        if (scratch_make("weft-bench", out, PATH_MAX, reason, sizeof reason))
            return true;
        fprintf(stderr, "weft %s: %s.\n", a->command->name, reason);
        return false;
    }
    (void)snprintf(out, PATH_MAX, "%.*s/weft-bench.XXXXXX", PATH_MAX - 64, parent);
    if (mkdtemp(out) != NULL)
        return true;
    args_usage(a, "--journal-dir: cannot make a directory in %s: %s.", parent, strerror(errno));
    return false;
}

bool bench_scratch(const args *a, char out[PATH_MAX], int *ret_status)
{
    *ret_status = EXIT_USAGE;
    out[0] = '\0';
    if (args_flag(a, "no-journal")) {
        if (args_text(a, "journal-dir", NULL) == NULL)
            return true;
        args_usage(a, "--no-journal and --journal-dir go against each other.");
        return false;
    }
    return directory_make(a, out) && scratch_guard(out, false, ret_status);
}

/* ---- bridges ---- */

static void on_notice(const weft_notice *notice, void *user)
{
    bench_bridge *b = user;
    switch (notice->kind) {
    case WEFT_NOTICE_PEER_UP:
    case WEFT_NOTICE_PEER_DOWN:
    case WEFT_NOTICE_CLOCK_SKEW:
        return;
    case WEFT_NOTICE_CONNECTED:
        if (!atomic_exchange(&b->connected, true))
            return;
        break;
    case WEFT_NOTICE_CONNECT_FAILED:
        if (notice->status != WEFT_REFUSED || atomic_load(&b->connected))
            break;
        if (!atomic_exchange(&b->refused, true))
            notice_say_refused(b->args->command->name, notice, b->broker->url);
        return;
    case WEFT_NOTICE_PUBLISH_REFUSED:
    case WEFT_NOTICE_SUBSCRIBE_REFUSED:
        atomic_store(&b->denied, true);
        break;
    case WEFT_NOTICE_FENCED:
        atomic_store(&b->fenced, true);
        break;
    default:
        break;
    }
    notice_log(notice, b->broker->url);
}

int bench_bridge_create(bench_bridge *b)
{
    weft_status st = weft_dispatcher_create(NULL, &b->dispatcher);
    if (st == WEFT_OK)
        return EXIT_DONE;
    fprintf(stderr, "weft %s: %s.\n", b->args->command->name, weft_status_text(st));
    return EXIT_JOB_FAILED;
}

int bench_bridge_open(bench_bridge *b, const weft_bridge_opts *more)
{
    weft_bridge_opts opts = *more;
    const char *reason = NULL;
    opts.node = b->node[0] != '\0' ? b->node : NULL;
    opts.listen_only = opts.node == NULL;
    opts.on_notice = on_notice;
    opts.user = b;
    broker_options_apply(b->broker, &opts);
    weft_status st = weft_bridge_create(b->dispatcher, &opts, &b->bridge, &reason);
    if (st == WEFT_OK)
        return EXIT_DONE;
    fprintf(stderr, "weft %s: %s: %s.\n", b->args->command->name, b->broker->url,
            reason != NULL ? reason : weft_status_text(st));
    return EXIT_USAGE;
}

int bench_bridge_wait(bench_bridge *b, int64_t timeout_ms)
{
    int64_t deadline = deadline_in_ms(timeout_ms);
    for (;;) {
        int wait_ms = deadline_left_ms(deadline, WAIT_STEP_MS);
        weft_status st = weft_bridge_wait_ready(b->bridge, (uint32_t)wait_ms);
        if (st == WEFT_OK || interrupt_seen())
            return EXIT_DONE;
        if (st == WEFT_FENCED)
            return EXIT_FENCED;
        if (st == WEFT_REFUSED && atomic_load(&b->denied))
            fprintf(stderr, "weft %s: the broker at %s does not let us hear the fabric %s; look at its ACL.\n",
                    b->args->command->name, b->broker->url, b->broker->fabric);
        if (st == WEFT_REFUSED)
            return EXIT_NO_PEER;
        if (wait_ms == 0)
            break;
    }
    fprintf(stderr, "weft %s: cannot reach the broker at %s; is it running? (--broker names another)\n",
            b->args->command->name, b->broker->url);
    return EXIT_NO_PEER;
}

void bench_bridge_close(bench_bridge *b)
{
    if (b->bridge != NULL)
        (void)weft_bridge_stop(b->bridge, 0);
    weft_bridge_destroy(b->bridge);
    weft_dispatcher_destroy(b->dispatcher);
    b->bridge = NULL;
    b->dispatcher = NULL;
}

void bench_say_denied(const broker_options *broker, const args *a, const char *node)
{
    fprintf(stderr,
            "weft %s: the broker at %s does not let this user publish as %s; look at its ACL.\n"
            "Rules of weft acl gen let a user publish as the node of its own name only.\n",
            a->command->name, broker->url, node);
}

/* ---- afterwards ---- */

/* Under a name of its own: nobody can forget himself. */
static void cleaner_name(char out[WEFT_NAME_MAX_BYTES + 1])
{
    places_process_name(NULL, "clear", out);
}

void bench_retained_clear(const args *a, const broker_options *broker, const char *const *nodes, size_t count)
{
    char name[WEFT_NAME_MAX_BYTES + 1];
    weft_dispatcher *dispatcher = NULL;
    weft_bridge *bridge = NULL;
    weft_bridge_opts opts = {.node = name, .listen_only = true};
    cleaner_name(name);
    broker_options_apply(broker, &opts);
    weft_status st = weft_dispatcher_create(NULL, &dispatcher);
    if (st == WEFT_OK)
        st = weft_bridge_create(dispatcher, &opts, &bridge, NULL);
    if (st == WEFT_OK)
        (void)weft_bridge_wait_ready(bridge, CLEAR_WAIT_MS);
    for (size_t i = 0; st == WEFT_OK && i < count; i++)
        st = weft_bridge_forget(bridge, nodes[i], CLEAR_WAIT_MS);
    if (st != WEFT_OK)
        bench_say(a, "could not clear what the broker retains of %s: %s; weft node forget does.", nodes[0],
                  weft_status_text(st));
    weft_bridge_destroy(bridge);
    weft_dispatcher_destroy(dispatcher);
}
