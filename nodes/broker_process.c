/* nodes/broker_process.c: writes a configuration, forks, and waits for the port to open.
 *
 * Between fork and exec the child makes only async-signal-safe calls: the parent may have threads. A free port is found
 * by binding and letting go; when somebody takes it in between, the next one is tried. */
#include "nodes/broker_process.h"

#include "nodes/deadline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 10000, STOP_MS = 5000, PORT_TRIES = 5, LOG_TAIL_BYTES = 512 };

struct broker_process {
    char program[PATH_MAX];
    char directory[PATH_MAX - 64];
    bool own_directory;
    bool own_port;
    uint16_t port;
    char url[48];
    pid_t pid; /* 0: not running */
};

static const char *const file_names[] = {"mosquitto.conf", "mosquitto.log", "mosquitto.db", "mosquitto.db.new"};

static void file_path(const broker_process *b, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", b->directory, name);
}

/* ---- the program, the port, the configuration ---- */

static bool try_program(broker_process *b, const char *directory, size_t length)
{
    int written = snprintf(b->program, sizeof b->program, "%.*s/mosquitto", (int)length, directory);
    return length > 0 && (size_t)written < sizeof b->program && access(b->program, X_OK) == 0;
}

/* Debian installs it in /usr/sbin, which an ordinary user's PATH lacks. */
static bool program_find(broker_process *b)
{
    const char *path = getenv("PATH");
    for (const char *at = path != NULL ? path : ""; *at != '\0';) {
        size_t length = strcspn(at, ":");
        if (try_program(b, at, length))
            return true;
        at += length + (at[length] == ':');
    }
    return try_program(b, "/usr/sbin", 9) || try_program(b, "/usr/local/sbin", 15);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Binds a port and lets go of it. Returns it, 0 when it is taken. */
static uint16_t port_probe(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0)
        return 0;
    struct sockaddr_in address = loopback(port);
    socklen_t length = sizeof address;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool bound = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    (void)close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

static bool configuration_write(const broker_process *b)
{
    char path[PATH_MAX];
    file_path(b, "mosquitto.conf", path);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fprintf(file,
            "# written by weft: a private broker on the loopback interface\n"
            "per_listener_settings false\n"
            "allow_anonymous true\n"
            "max_inflight_messages 128\n"
            "max_queued_messages 100000\n"
            "max_queued_bytes 268435456\n"
            "max_packet_size 262144\n"
            "queue_qos0_messages false\n"
            "set_tcp_nodelay true\n"
            "persistence true\n"
            "persistence_location %s/\n"
            "autosave_interval 60\n"
            "persistent_client_expiration 7d\n"
            "log_dest stderr\n"
            "log_type error\nlog_type warning\nlog_type notice\n"
            "connection_messages false\n"
            "listener %u 127.0.0.1\n",
            b->directory, b->port);
    if (geteuid() == 0)
        fprintf(file, "user root\n"); /* it would become a user who cannot enter the directory */
    return fclose(file) == 0;
}

/* ---- the child ---- */

static void child_exec(const broker_process *b, const char *configuration, int log, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(1);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(1);
    (void)execl(b->program, "mosquitto", "-c", configuration, (char *)NULL);
    _exit(127);
}

static weft_status child_start(broker_process *b, char *reason, size_t reason_bytes)
{
    char configuration[PATH_MAX], log_path[PATH_MAX];
    file_path(b, "mosquitto.conf", configuration);
    file_path(b, "mosquitto.log", log_path);
    int log = -1;
    if (configuration_write(b))
        log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) {
        (void)snprintf(reason, reason_bytes, "cannot write the broker's files in %s: %s", b->directory,
                       strerror(errno));
        return WEFT_IO;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_exec(b, configuration, log, parent);
    int saved = errno;
    (void)close(log);
    if (pid < 0) {
        (void)snprintf(reason, reason_bytes, "cannot start %s: %s", b->program, strerror(saved));
        return WEFT_IO;
    }
    b->pid = pid;
    return WEFT_OK;
}

static bool accepts(const broker_process *b)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_in address = loopback(b->port);
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return connected;
}

/* The last line of the broker's log, without its newline. */
static void log_tail(const broker_process *b, char out[LOG_TAIL_BYTES])
{
    char path[PATH_MAX];
    file_path(b, "mosquitto.log", path);
    out[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    char line[LOG_TAIL_BYTES];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        memcpy(out, line, sizeof line);
    }
    (void)fclose(file);
}

static weft_status wait_accepting(broker_process *b, char *reason, size_t reason_bytes)
{
    int64_t deadline = deadline_in_ms(START_MS);
    char tail[LOG_TAIL_BYTES];
    while (broker_process_is_running(b)) {
        if (accepts(b) && broker_process_is_running(b))
            return WEFT_OK;
        if (deadline_left_ms(deadline, 1) == 0) {
            broker_process_kill(b);
            log_tail(b, tail);
            (void)snprintf(reason, reason_bytes, "%s does not accept connections on 127.0.0.1:%u; its log says: %s",
                           b->program, b->port, tail);
            return WEFT_TIMEOUT;
        }
        (void)poll(NULL, 0, 5);
    }
    log_tail(b, tail);
    (void)snprintf(reason, reason_bytes, "%s ended at once; its log says: %s", b->program, tail);
    return WEFT_IO;
}

static weft_status start_once(broker_process *b, char *reason, size_t reason_bytes)
{
    if (port_probe(b->port) != b->port) {
        (void)snprintf(reason, reason_bytes, "port %u on 127.0.0.1 is taken; choose another with --port, or none",
                       b->port);
        return WEFT_EXISTS;
    }
    (void)snprintf(b->url, sizeof b->url, "mqtt://127.0.0.1:%u", b->port);
    weft_status st = child_start(b, reason, reason_bytes);
    return st == WEFT_OK ? wait_accepting(b, reason, reason_bytes) : st;
}

static weft_status start(broker_process *b, char *reason, size_t reason_bytes)
{
    weft_status st = WEFT_EXISTS;
    for (int i = 0; i < (b->own_port ? PORT_TRIES : 1) && st != WEFT_OK; i++) {
        if (b->own_port)
            b->port = port_probe(0);
        st = start_once(b, reason, reason_bytes);
    }
    return st;
}

/* ---- public ---- */

static weft_status prepare(broker_process *b, const broker_process_opts *opts, char *reason, size_t reason_bytes)
{
    b->port = opts->port;
    b->own_port = opts->port == 0;
    if (opts->program != NULL)
        (void)snprintf(b->program, sizeof b->program, "%s", opts->program);
    else if (!program_find(b)) {
        (void)snprintf(reason, reason_bytes,
                       "there is no mosquitto in PATH; install it (Debian: apt install mosquitto)");
        return WEFT_NOT_FOUND;
    }
    const char *temporary = getenv("TMPDIR");
    if (opts->directory != NULL) {
        (void)snprintf(b->directory, sizeof b->directory, "%s", opts->directory);
        return WEFT_OK;
    }
    (void)snprintf(b->directory, sizeof b->directory, "%s/weft-broker-XXXXXX",
                   temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
    b->own_directory = mkdtemp(b->directory) != NULL;
    if (b->own_directory)
        return WEFT_OK;
    (void)snprintf(reason, reason_bytes, "cannot make the directory %s: %s", b->directory, strerror(errno));
    return WEFT_IO;
}

weft_status broker_process_start(const broker_process_opts *opts, broker_process **ret, char *reason,
                                 size_t reason_bytes)
{
    static const broker_process_opts defaults;
    broker_process *b = calloc(1, sizeof *b);
    if (b == NULL) {
        (void)snprintf(reason, reason_bytes, "out of memory");
        return WEFT_NO_MEMORY;
    }
    weft_status st = prepare(b, opts != NULL ? opts : &defaults, reason, reason_bytes);
    if (st == WEFT_OK)
        st = start(b, reason, reason_bytes);
    if (st != WEFT_OK) {
        broker_process_destroy(b);
        return st;
    }
    b->own_port = false;
    *ret = b;
    return WEFT_OK;
}

void broker_process_destroy(broker_process *b)
{
    if (b == NULL)
        return;
    broker_process_stop(b);
    for (size_t i = 0; b->own_directory && i < sizeof file_names / sizeof *file_names; i++) {
        char path[PATH_MAX];
        file_path(b, file_names[i], path);
        (void)unlink(path);
    }
    if (b->own_directory)
        (void)rmdir(b->directory);
    free(b);
}

uint16_t broker_process_port(const broker_process *b)
{
    return b->port;
}

const char *broker_process_url(const broker_process *b)
{
    return b->url;
}

bool broker_process_is_running(broker_process *b)
{
    if (b->pid != 0 && waitpid(b->pid, NULL, WNOHANG) != 0)
        b->pid = 0;
    return b->pid != 0;
}

static void reap(broker_process *b)
{
    while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    b->pid = 0;
}

void broker_process_kill(broker_process *b)
{
    if (!broker_process_is_running(b))
        return;
    (void)kill(b->pid, SIGKILL);
    reap(b);
}

void broker_process_freeze(broker_process *b)
{
    if (broker_process_is_running(b))
        (void)kill(b->pid, SIGSTOP);
}

void broker_process_stop(broker_process *b)
{
    if (!broker_process_is_running(b))
        return;
    (void)kill(b->pid, SIGTERM);
    int64_t deadline = deadline_in_ms(STOP_MS);
    while (broker_process_is_running(b) && deadline_left_ms(deadline, 1) > 0)
        (void)poll(NULL, 0, 5);
    broker_process_kill(b);
}

weft_status broker_process_restart(broker_process *b, char *reason, size_t reason_bytes)
{
    return start_once(b, reason, reason_bytes);
}

pid_t broker_process_pid(const broker_process *b)
{
    return b->pid;
}

void broker_process_wait_end(pid_t pid)
{
    siginfo_t info;
    while (pid != 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR)
        continue;
}
