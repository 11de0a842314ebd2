/* tests/bench/daemon.c: starts `weft node`, and speaks to it as docs/socket.md has it. */
#include "bench/daemon.h"

#include "bench/bench.h"
#include "bench/server.h"
#include "weft/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINES_AT_ONCE = 500, LOOK_NS = 100000 };

#define START_WAIT_NS INT64_C(30000000000)

bool bench_daemon_present(void)
{
    return access(BENCH_WEFT, X_OK) == 0;
}

static void program_run(bench_daemon *daemon, const char *broker_url, const char *socket_path)
{
    int null = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execl(BENCH_WEFT, "weft", "node", "--broker", broker_url, "--fabric", "bench", "--node", daemon->name,
          "--state-dir", daemon->dir, "--socket", socket_path, (char *)NULL);
    _exit(127);
}

void bench_daemon_start(bench_daemon *daemon, const char *broker_url)
{
    static unsigned count;
    char path[192];
    *daemon = (bench_daemon){.socket = -1};
    snprintf(daemon->name, sizeof daemon->name, "daemon-%u", count++);
    bench_dir_make(daemon->dir);
    snprintf(path, sizeof path, "%s/socket", daemon->dir);
    daemon->began_ns = bench_now_ns();
    daemon->pid = fork();
    if (daemon->pid == 0)
        program_run(daemon, broker_url, path);
    if (daemon->pid < 0)
        bench_die("no process");
}

void bench_daemon_end(bench_daemon *daemon)
{
    kill(daemon->pid, SIGKILL);
    waitpid(daemon->pid, NULL, 0);
    if (daemon->answers != NULL)
        fclose(daemon->answers);
    bench_dir_remove(daemon->dir);
}

/* ---- its socket ---- */

static void socket_open(bench_daemon *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", daemon->dir) >= (int)sizeof address.sun_path)
        bench_die("$TMPDIR is too long for the path of a socket");
    daemon->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(daemon->socket, (struct sockaddr *)&address, sizeof address) != 0) {
        if (waitpid(daemon->pid, NULL, WNOHANG) != 0 || bench_now_ns() > daemon->began_ns + START_WAIT_NS)
            bench_die("weft node does not take lines");
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
    daemon->answers = fdopen(daemon->socket, "r");
    if (daemon->answers == NULL)
        bench_die("out of memory");
}

static void lines_write(const bench_daemon *daemon, const weft_text *lines)
{
    for (size_t at = 0; at < lines->length;) {
        ssize_t n = send(daemon->socket, lines->data + at, lines->length - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            bench_die("weft node does not take a line");
        at += n > 0 ? (size_t)n : 0;
    }
}

static void answers_read(bench_daemon *daemon, uint64_t count)
{
    for (char line[256]; count > 0; count--)
        if (fgets(line, sizeof line, daemon->answers) == NULL || strncmp(line, "{\"ok\"", 5) != 0)
            bench_die("weft node refuses an event");
}

void bench_daemon_publish(bench_daemon *daemon, const bench_load *load, uint64_t from, uint64_t count)
{
    weft_text lines = {0};
    if (daemon->socket < 0)
        socket_open(daemon);
    for (uint64_t done = 0, n; done < count; done += n) {
        n = count - done < LINES_AT_ONCE ? count - done : LINES_AT_ONCE;
        weft_text_clear(&lines);
        for (uint64_t i = 0; i < n; i++) {
            bench_load_text text;
            weft_event event;
            bench_load_event(load, from + done + i, &text, &event);
            if (weft_event_to_json(&event, &lines) != WEFT_OK)
                bench_die("out of memory");
            weft_text_append(&lines, "\n", 1);
        }
        lines_write(daemon, &lines);
        answers_read(daemon, n);
    }
    weft_text_fini(&lines);
}

/* ---- its memory ---- */

/* A line of proc_pid_status(5). */
static size_t status_bytes(pid_t pid, const char *name)
{
    char path[32], line[256];
    unsigned long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        bench_die("a process's memory cannot be read");
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    return kilobytes * 1024;
}

size_t bench_rss_bytes(pid_t pid)
{
    return status_bytes(pid, "VmRSS:");
}

size_t bench_rss_anonymous_bytes(pid_t pid)
{
    return status_bytes(pid, "RssAnon:");
}
