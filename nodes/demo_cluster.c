/* nodes/demo_cluster.c: the nodes are this very program, run as `weft node`; their stdout is a pipe to us: a line when
 * they are ready, and their statistics when they have stopped. Their log goes to {directory}/{name}.log. */
#include "nodes/demo_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nodes/broker_process.h"
#include "nodes/deadline.h"
#include "nodes/places.h"

enum { READY_MS = 20000, OUTPUT_BYTES = 8192 };

typedef struct node_process {
    char *name;
    char *socket;
    pid_t pid; /* 0: does not run */
    int output;
    char text[OUTPUT_BYTES]; /* what it has printed */
    size_t length;
} node_process;

struct demo_cluster {
    char *directory;
    broker_process *broker;
    node_process *nodes;
    size_t count;
};

weft_status demo_cluster_start(const char *directory, uint16_t port, demo_cluster **ret, char *reason,
                               size_t reason_bytes)
{
    demo_cluster *c = calloc(1, sizeof *c);
    char broker_directory[PATH_MAX];
    if (c == NULL || (c->directory = strdup(directory)) == NULL) {
        free(c);
        return WEFT_NO_MEMORY;
    }
    snprintf(broker_directory, sizeof broker_directory, "%s/broker", directory);
    if (!directory_make_all(broker_directory)) {
        snprintf(reason, reason_bytes, "cannot make %s: %s", broker_directory, strerror(errno));
        demo_cluster_destroy(c);
        return WEFT_IO;
    }
    broker_process_opts opts = {.port = port, .directory = broker_directory};
    weft_status st = broker_process_start(&opts, &c->broker, reason, reason_bytes);
    if (st != WEFT_OK) {
        demo_cluster_destroy(c);
        return st;
    }
    *ret = c;
    return WEFT_OK;
}

static void node_reap(node_process *n, int signal)
{
    if (n->pid == 0)
        return;
    kill(n->pid, signal);
    waitpid(n->pid, NULL, 0);
    close(n->output);
    n->pid = 0;
}

void demo_cluster_destroy(demo_cluster *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++) {
        node_reap(&c->nodes[i], SIGKILL);
        free(c->nodes[i].name);
        free(c->nodes[i].socket);
    }
    broker_process_destroy(c->broker);
    free(c->nodes);
    free(c->directory);
    free(c);
}

const char *demo_cluster_url(const demo_cluster *c)
{
    return broker_process_url(c->broker);
}

const char *demo_cluster_socket(const demo_cluster *c, size_t node)
{
    return c->nodes[node].socket;
}

/* ---- one node ---- */

static void node_exec(const demo_cluster *c, const node_process *n, int output, pid_t parent)
{
    char log[PATH_MAX];
    snprintf(log, sizeof log, "%s/%s.log", c->directory, n->name);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log_fd < 0 || null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(output, 1) < 0 || dup2(log_fd, 2) < 0)
        _exit(127);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    setsid();
    execl("/proc/self/exe", "weft", "node", "--broker", broker_process_url(c->broker), "--fabric", DEMO_FABRIC,
          "--node", n->name, "--state-dir", c->directory, "--socket", n->socket, "--stats", (char *)NULL);
    _exit(127);
}

/* Takes more of what the node prints; false at its end or at the deadline. */
static bool node_read(node_process *n, int64_t deadline)
{
    struct pollfd fd = {.fd = n->output, .events = POLLIN};
    int left = deadline_left_ms(deadline, INT_MAX);
    if (left == 0 || n->length == sizeof n->text - 1 || poll(&fd, 1, left) <= 0)
        return false;
    ssize_t got = read(n->output, n->text + n->length, sizeof n->text - 1 - n->length);
    if (got <= 0)
        return false;
    n->length += (size_t)got;
    n->text[n->length] = '\0';
    return true;
}

static weft_status node_start(demo_cluster *c, node_process *n, char *reason, size_t reason_bytes)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(reason, reason_bytes, "no pipe for node %s: %s", n->name, strerror(errno));
        return WEFT_IO;
    }
    pid_t parent = getpid();
    n->pid = fork();
    if (n->pid == 0)
        node_exec(c, n, ends[1], parent);
    close(ends[1]);
    n->output = ends[0];
    n->length = 0;
    n->text[0] = '\0';
    if (n->pid < 0) {
        n->pid = 0;
        close(ends[0]);
        snprintf(reason, reason_bytes, "cannot start node %s: %s", n->name, strerror(errno));
        return WEFT_IO;
    }
    int64_t deadline = deadline_in_ms(READY_MS);
    while (strchr(n->text, '\n') == NULL && node_read(n, deadline))
        ;
    if (strncmp(n->text, "ready", 5) == 0)
        return WEFT_OK;
    node_reap(n, SIGKILL);
    snprintf(reason, reason_bytes, "node %s did not start: see %s/%s.log", n->name, c->directory, n->name);
    return WEFT_FAILED;
}

weft_status demo_cluster_add_node(demo_cluster *c, const char *name, char *reason, size_t reason_bytes)
{
    node_process *nodes = realloc(c->nodes, (c->count + 1) * sizeof *nodes);
    if (nodes == NULL)
        return WEFT_NO_MEMORY;
    c->nodes = nodes;
    node_process *n = &nodes[c->count];
    *n = (node_process){.name = strdup(name)};
    /* A socket's path has little room, a node's name may be long: the number stands for it. */
    if (n->name == NULL || asprintf(&n->socket, "%s/%zu.sock", c->directory, c->count) < 0) {
        free(n->name);
        return WEFT_NO_MEMORY;
    }
    c->count++;
    return node_start(c, n, reason, reason_bytes);
}

/* ---- trouble ---- */

void demo_cluster_freeze_broker(demo_cluster *c)
{
    broker_process_freeze(c->broker);
}

void demo_cluster_kill_broker(demo_cluster *c)
{
    broker_process_kill(c->broker);
}

weft_status demo_cluster_restart_broker(demo_cluster *c, char *reason, size_t reason_bytes)
{
    return broker_process_restart(c->broker, reason, reason_bytes);
}

void demo_cluster_kill_node(demo_cluster *c, size_t node)
{
    node_reap(&c->nodes[node], SIGKILL);
}

weft_status demo_cluster_restart_node(demo_cluster *c, size_t node, char *reason, size_t reason_bytes)
{
    return node_start(c, &c->nodes[node], reason, reason_bytes);
}

/* ---- the end ---- */

/* The last line of a stopped node: {"resent_events": N, …}. */
static uint64_t node_resent(const node_process *n)
{
    const char *line = strrchr(n->text, '{');
    json_t *stats = line != NULL ? json_loads(line, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    json_int_t resent = json_integer_value(json_object_get(stats, "resent_events"));
    json_decref(stats);
    return resent > 0 ? (uint64_t)resent : 0;
}

weft_status demo_cluster_stop_nodes(demo_cluster *c, uint64_t *ret_resent, char *reason, size_t reason_bytes)
{
    weft_status st = WEFT_OK;
    *ret_resent = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->nodes[i].pid != 0)
            kill(c->nodes[i].pid, SIGTERM);
    for (size_t i = 0; i < c->count; i++) {
        node_process *n = &c->nodes[i];
        int status = 0;
        if (n->pid == 0)
            continue;
        int64_t deadline = deadline_in_ms(READY_MS);
        while (node_read(n, deadline))
            ;
        if (deadline_left_ms(deadline, 1) == 0)
            kill(n->pid, SIGKILL);
        waitpid(n->pid, &status, 0);
        close(n->output);
        n->pid = 0;
        *ret_resent += node_resent(n);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            snprintf(reason, reason_bytes, "node %s did not stop cleanly: see %s/%s.log", n->name, c->directory,
                     n->name);
            st = WEFT_FAILED;
        }
    }
    return st;
}
