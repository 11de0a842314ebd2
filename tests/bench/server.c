/* tests/bench/server.c: directories on a disk, programs as servers, and Mosquitto. */
#include "bench/server.h"

#include "bench/bench.h"
#include "support/server_program.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_WAIT_NS INT64_C(15000000000)

static const char *dir_root(void)
{
    const char *root = getenv("TMPDIR");
    return root != NULL && *root != '\0' ? root : "/var/tmp";
}

void bench_dir_make(char dir[160])
{
    if (snprintf(dir, 160, "%s/weft-bench-XXXXXX", dir_root()) >= 160 || mkdtemp(dir) == NULL)
        bench_die("no directory can be made in $TMPDIR (/var/tmp)");
}

static int entry_remove(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info, (void)flag, (void)walk;
    return remove(path);
}

void bench_dir_remove(const char *dir)
{
    (void)nftw(dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}

const char *bench_dir_file_system(void)
{
    static const struct {
        unsigned long magic; /* statfs(2) */
        const char *name;
    } names[] = {{0xef53, "ext4"},        {0x01021994, "tmpfs: no disk at all"},
                 {0x58465342, "xfs"},     {0x9123683e, "btrfs"},
                 {0x794c7630, "overlay"}, {0x2fc12fc1, "zfs"}};
    struct statfs info;
    if (statfs(dir_root(), &info) != 0)
        return "unknown";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].magic == (unsigned long)info.f_type)
            return names[i].name;
    return "unknown";
}

bool bench_program_present(const char *program)
{
    char path[PATH_MAX];
    return server_program_find(program, path);
}

/* ---- a program with options ---- */

void bench_server_prepare(bench_server *server, uint16_t *ret_port)
{
    bench_dir_make(server->dir);
    if ((*ret_port = server_free_port()) == 0)
        bench_die("no free port");
}

void bench_server_spawn(bench_server *server, char *const argv[], uint16_t port)
{
    char path[PATH_MAX], log_path[PATH_MAX];
    snprintf(log_path, sizeof log_path, "%s/log", server->dir);
    int log = server_program_find(argv[0], path) ? open(log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (log < 0 || (server->pid = fork()) < 0)
        bench_die("a server cannot be started");
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execv(path, argv);
        _exit(127);
    }
    close(log);
    for (int64_t end = bench_now_ns() + START_WAIT_NS; !server_accepts(port); (void)poll(NULL, 0, 2))
        if (waitpid(server->pid, NULL, WNOHANG) != 0 || bench_now_ns() > end)
            bench_die("a server does not start");
}

void bench_server_end(bench_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    bench_dir_remove(server->dir);
}

/* ---- Mosquitto ---- */

static void configuration_write(const bench_server *server, const char *path, uint16_t port)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        bench_die("a configuration cannot be written");
    fprintf(file,
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
            "listener %u 127.0.0.1\n"
            "%s",
            server->dir, port, geteuid() == 0 ? "user root\n" : "");
    if (fclose(file) != 0)
        bench_die("a configuration cannot be written");
}

static void mosquitto_start(bench_server *server)
{
    uint16_t port;
    char path[192];
    bench_server_prepare(server, &port);
    snprintf(path, sizeof path, "%s/mosquitto.conf", server->dir);
    configuration_write(server, path, port);
    snprintf(server->address, sizeof server->address, "mqtt://localhost:%u", port);
    bench_server_spawn(server, (char *[]){"mosquitto", "-c", path, NULL}, port);
}

const bench_server_kind bench_mosquitto = {.program = "mosquitto", .start = mosquitto_start, .stop = bench_server_end};
