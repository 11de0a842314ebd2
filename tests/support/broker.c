/* tests/support/broker.c: mosquitto as a child process. */
#include "support/broker.h"

#include "support/server_program.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_WAIT_MS = 15000, STOP_WAIT_MS = 15000 };

struct broker {
    pid_t pid; /* 0: not running */
    uint16_t port;
    char url[64];
    char dir[64];
    char config[128];
    char log[128];
};

bool broker_available(void)
{
    char path[PATH_MAX];
    return server_program_find("mosquitto", path);
}

void broker_configure(broker *b, const char *lines)
{
    FILE *file = fopen(b->config, "a");
    if (file == NULL)
        return;
    (void)fprintf(file, "%s\n", lines);
    (void)fclose(file);
}

static void defaults_write(broker *b)
{
    char lines[1024];
    (void)snprintf(lines, sizeof lines,
                   "per_listener_settings false\n"
                   "allow_anonymous true\n"
                   "max_inflight_messages 128\n"
                   "max_queued_messages 100000\n"
                   "max_queued_bytes 268435456\n"
                   "max_packet_size 262144\n"
                   "queue_qos0_messages false\n"
                   "persistence true\n"
                   "persistence_location %s/\n"
                   "autosave_interval 60\n"
                   "set_tcp_nodelay true\n"
                   "sys_interval 0\n"
                   "log_dest stderr\n"
                   "log_type all\n"
                   "%s"
                   "listener %u 127.0.0.1",
                   b->dir, geteuid() == 0 ? "user root\n" : "", b->port);
    broker_configure(b, lines);
}

broker *broker_create(void)
{
    broker *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/weft-broker-XXXXXX");
    b->port = server_free_port();
    if (b->port == 0 || mkdtemp(b->dir) == NULL) {
        free(b);
        return NULL;
    }
    (void)snprintf(b->url, sizeof b->url, "mqtt://localhost:%u", b->port);
    (void)snprintf(b->config, sizeof b->config, "%s/mosquitto.conf", b->dir);
    (void)snprintf(b->log, sizeof b->log, "%s/log", b->dir);
    defaults_write(b);
    return b;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between fork and exec only what is safe there: the test program has threads. */
static void child_run(const char *program, char *config, int log)
{
    char *arguments[] = {"mosquitto", "-c", config, NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(program, arguments);
    _exit(127);
}

bool broker_start(broker *b)
{
    char program[PATH_MAX];
    if (b->pid != 0)
        return true;
    int log =
        server_program_find("mosquitto", program) ? open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (log < 0)
        return false;
    b->pid = fork();
    if (b->pid == 0)
        child_run(program, b->config, log);
    close(log);
    for (int64_t end = now_ms() + START_WAIT_MS; b->pid > 0 && now_ms() < end; (void)poll(NULL, 0, 2)) {
        if (waitpid(b->pid, NULL, WNOHANG) != 0)
            break;
        if (server_accepts(b->port))
            return true;
    }
    broker_kill(b);
    return false;
}

void broker_kill(broker *b)
{
    if (b->pid <= 0) {
        b->pid = 0;
        return;
    }
    kill(b->pid, SIGKILL);
    while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    b->pid = 0;
}

void broker_stop(broker *b)
{
    if (b->pid <= 0)
        return;
    kill(b->pid, SIGTERM);
    kill(b->pid, SIGCONT);
    for (int64_t end = now_ms() + STOP_WAIT_MS; now_ms() < end; (void)poll(NULL, 0, 2))
        if (waitpid(b->pid, NULL, WNOHANG) != 0) {
            b->pid = 0;
            return;
        }
    broker_kill(b);
}

void broker_freeze(broker *b)
{
    if (b->pid > 0)
        kill(b->pid, SIGSTOP);
}

void broker_thaw(broker *b)
{
    if (b->pid > 0)
        kill(b->pid, SIGCONT);
}

static int entry_remove(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info, (void)flag, (void)walk;
    return remove(path);
}

void broker_destroy(broker *b)
{
    if (b == NULL)
        return;
    broker_kill(b);
    (void)nftw(b->dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
}

uint16_t broker_port(const broker *b)
{
    return b->port;
}

const char *broker_url(const broker *b)
{
    return b->url;
}

const char *broker_dir(const broker *b)
{
    return b->dir;
}
