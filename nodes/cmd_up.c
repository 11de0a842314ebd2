/* nodes/cmd_up.c: `weft up`: a private broker and a node in one command, for the laptop.
 *
 * The broker is a child that ends with us, also when we are killed. A thread waits for its death: a node without its
 * private broker has nobody to talk to, so that ends everything. */
#include "nodes/broker_process.h"
#include "nodes/commands.h"
#include "nodes/log.h"
#include "nodes/node.h"
#include "nodes/places.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static const option_row rows[] = {
    {"port", 'P', "N", "the broker's port on the loopback interface (a free one)"},
    {"fabric", 'f', "NAME", "the fabric that events belong to (" BROKER_FABRIC_DEFAULT ")"},
    {"node", 'n', "NAME", "the node's name (the host's)"},
    {"state-dir", 0, "DIR", "keep the journal under this directory ($XDG_STATE_HOME/weft, ~/.local/state/weft)"},
    {"socket", 's', "PATH", "take lines at this socket ($XDG_RUNTIME_DIR/weft/NODE.sock, /tmp/weft-UID/NODE.sock)"},
    {"print", 'p', NULL, "print every event that passes"},
    {0},
};

/* Written before the thread starts, but died. */
typedef struct watch {
    const char *url;
    pid_t broker;
    pthread_t thread;
    atomic_bool ending; /* we take the broker down ourselves */
    atomic_bool died;
} watch;

static void *watch_run(void *user)
{
    watch *w = user;
    broker_process_wait_end(w->broker);
    if (atomic_load(&w->ending))
        return NULL;
    atomic_store(&w->died, true);
    log_say(LOG_BROKER_DIED, "the broker at %s ended by itself", w->url);
    node_stop();
    return NULL;
}

static void on_ready(const node_opts *opts)
{
    const char *url = opts->broker.url, *colon = strrchr(url, ':');
    printf("ready %s\n\n"
           "  broker  %s\n"
           "  socket  %s\n"
           "  fabric  %s\n\n"
           "Try, in other terminals:\n\n"
           "  weft sub --broker %s --fabric %s\n"
           "  weft pub --socket %s token_usage session_id=s1 model=claude-opus-4-5 output_tokens=41 cost_usd=0.02\n"
           "  mosquitto_sub -p %s -t 'weft/v1/#' -F '%%t %%x' | weft decode\n\n"
           "Ctrl-C ends both.\n",
           opts->socket_path, url, opts->socket_path, opts->broker.fabric, url, opts->broker.fabric, opts->socket_path,
           colon + 1);
    (void)fflush(stdout);
}

static int run_node(const node_opts *opts, broker_process *broker)
{
    watch w = {.url = broker_process_url(broker), .broker = broker_process_pid(broker)};
    if (pthread_create(&w.thread, NULL, watch_run, &w) != 0) {
        fprintf(stderr, "weft up: cannot start a thread.\n");
        return EXIT_JOB_FAILED;
    }
    int status = node_run(opts);
    atomic_store(&w.ending, true);
    broker_process_stop(broker);
    (void)pthread_join(w.thread, NULL);
    return atomic_load(&w.died) ? EXIT_NO_PEER : status;
}

/* Fills in the node's name and places. Returns EXIT_DONE or EXIT_USAGE. */
static int read_places(const args *a, const char *host, char journal[PATH_MAX], char socket_path[PATH_MAX],
                       node_opts *opts)
{
    const char *reason;
    opts->node = node_option_read(a, host);
    if (opts->node == NULL || broker_options_read(a, &opts->broker) != EXIT_DONE)
        return EXIT_USAGE;
    opts->journal_path = journal;
    opts->socket_path = args_text(a, "socket", socket_path);
    if (!places_journal(args_text(a, "state-dir", NULL), opts->broker.fabric, opts->node, journal, &reason) ||
        (opts->socket_path == socket_path && !places_socket(opts->node, socket_path, &reason)))
        return args_usage(a, "%s.", reason);
    return EXIT_DONE;
}

static int run(const args *a)
{
    char host[WEFT_NAME_MAX_BYTES + 1], journal[PATH_MAX], socket_path[PATH_MAX], reason[1024] = "";
    node_opts opts = {.print = args_flag(a, "print"), .drain_ms = 10000, .on_ready = on_ready};
    int64_t port;
    if (a->rest_count > 0)
        return args_usage(a, "'%s' is too much; it takes options only.", a->rest[0]);
    places_node_name(host);
    if (read_places(a, host, journal, socket_path, &opts) != EXIT_DONE || !args_number(a, "port", 1, 65535, 0, &port))
        return EXIT_USAGE;
    broker_process *broker = NULL;
    weft_status st =
        broker_process_start(&(broker_process_opts){.port = (uint16_t)port}, &broker, reason, sizeof reason);
    if (st != WEFT_OK) {
        fprintf(stderr, "weft up: %s.\n", reason);
        return st == WEFT_NOT_FOUND ? EXIT_NO_PEER : EXIT_JOB_FAILED;
    }
    opts.broker.url = broker_process_url(broker);
    log_say(LOG_BROKER_STARTED, "a private broker listens at %s", opts.broker.url);
    int status = run_node(&opts, broker);
    broker_process_destroy(broker);
    return status;
}

const command cmd_up = {
    .name = "up",
    .synopsis = "[OPTION]…",
    .summary = "Starts a private broker and a node, for trying things on one machine.",
    .details = "The broker is a mosquitto on the loopback interface, without passwords; Ctrl-C ends it and the node.",
    .options = rows,
    .run = run,
};
