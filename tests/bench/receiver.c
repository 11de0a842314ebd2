/* tests/bench/receiver.c: starts the receiving process, and is that process.
 *
 * Threads    handlers count on threads of the bridge or the link; the main thread reads goals and waits for the count.
 */
#include "bench/receiver.h"

#include "bench/bench.h"
#include "bridge/link.h"
#include "weft/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- the side that starts it ---- */

static pid_t receiver_spawn(char *const argv[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("a process cannot be started");
    return pid;
}

static void receiver_await(const bench_receiver *receiver, const char *word)
{
    char line[16];
    if (fgets(line, sizeof line, receiver->from) == NULL || strcmp(line, word) != 0)
        bench_die("the receiving process failed");
}

void bench_receiver_start(bench_receiver *receiver, const char *kind, const char *url)
{
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        bench_die("no pipe");
    char *argv[] = {"/proc/self/exe", "--receiver", (char *)(uintptr_t)kind, (char *)(uintptr_t)url, NULL};
    receiver->pid = receiver_spawn(argv, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    receiver->to = fdopen(to[1], "w");
    receiver->from = fdopen(from[0], "r");
    if (receiver->to == NULL || receiver->from == NULL)
        bench_die("out of memory");
    receiver_await(receiver, "ready\n");
}

void bench_receiver_expect(const bench_receiver *receiver, uint64_t events)
{
    fprintf(receiver->to, "%llu\n", (unsigned long long)events);
    fflush(receiver->to);
    receiver_await(receiver, "go\n");
}

void bench_receiver_wait(const bench_receiver *receiver)
{
    receiver_await(receiver, "done\n");
}

void bench_receiver_stop(bench_receiver *receiver)
{
    fclose(receiver->to);
    fclose(receiver->from);
    waitpid(receiver->pid, NULL, 0);
}

/* ---- the process itself ---- */

typedef struct receiver_count {
    atomic_ulong got;
    atomic_ulong goal;
    sem_t reached;
} receiver_count;

static weft_status on_event(const weft_event *event, void *user)
{
    receiver_count *count = user;
    (void)event;
    if (atomic_fetch_add(&count->got, 1) + 1 == atomic_load(&count->goal))
        sem_post(&count->reached);
    return WEFT_OK;
}

static void on_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    (void)topic, (void)payload, (void)length, (void)retained;
    (void)on_event(NULL, user);
}

static void on_acked(void *user, int token, weft_status status)
{
    (void)user, (void)token, (void)status;
}

static void on_down(void *user)
{
    (void)user;
    bench_die("the receiving connection was lost");
}

static int receiver_serve(receiver_count *count)
{
    char line[32];
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        atomic_store(&count->goal, atomic_load(&count->got) + strtoul(line, NULL, 10));
        printf("go\n");
        fflush(stdout);
        while (sem_wait(&count->reached) != 0)
            if (errno != EINTR)
                return 1;
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}

static int receiver_weft(receiver_count *count, const char *url)
{
    weft_dispatcher *bus;
    weft_bridge *bridge;
    weft_subscription subscription;
    weft_filter filter = {.origin = WEFT_ORIGIN_REMOTE};
    if (weft_dispatcher_create(NULL, &bus) != WEFT_OK ||
        weft_subscribe(bus, &filter, on_event, count, &subscription) != WEFT_OK ||
        weft_bridge_create(bus, &(weft_bridge_opts){.url = url, .fabric = "bench", .node = "receiver"}, &bridge,
                           NULL) != WEFT_OK ||
        weft_bridge_wait_ready(bridge, 10000) != WEFT_OK)
        bench_die("no receiving bridge");
    int status = receiver_serve(count);
    weft_bridge_destroy(bridge);
    weft_dispatcher_destroy(bus);
    return status;
}

static int receiver_link(receiver_count *count, const char *url)
{
    const weft__link_ops *ops = &weft__mqtt_link;
    weft__link_callbacks callbacks = {
        .on_message = on_message, .on_acked = on_acked, .on_down = on_down, .user = count};
    weft__link_opts opts = {.url = url,
                            .client_id = "weft:bench:bare-receiver",
                            .keep_alive_s = 10,
                            .connect_timeout_s = 5,
                            .receive_only = true};
    weft__link *link;
    weft__link_limits limits;
    if (ops->create(&opts, &callbacks, &link) != WEFT_OK || ops->connect(link, true, &limits, NULL) != WEFT_OK ||
        ops->subscribe(link, "bare/#", 1) != WEFT_OK)
        bench_die("no receiving link");
    int status = receiver_serve(count);
    ops->disconnect(link);
    ops->destroy(link);
    return status;
}

int bench_receiver_main(const char *kind, const char *url)
{
    static receiver_count count;
    /* Not left behind by a bench that gave up. */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (sem_init(&count.reached, 0, 0) != 0)
        return 1;
    return strcmp(kind, "weft") == 0 ? receiver_weft(&count, url) : receiver_link(&count, url);
}
