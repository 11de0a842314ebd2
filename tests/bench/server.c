/* tests/bench/server.c: directories on a disk, and Mosquitto. */
#include "bench/server.h"

#include "bench/bench.h"
#include "support/broker.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

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
    char places[4096], path[PATH_MAX];
    const char *list = getenv("PATH");
    snprintf(places, sizeof places, "%s:/usr/sbin:/usr/local/sbin", list != NULL ? list : "");
    char *rest = places;
    for (char *place = strsep(&rest, ":"); place != NULL; place = strsep(&rest, ":"))
        if (snprintf(path, sizeof path, "%s/%s", place, program) < PATH_MAX && access(path, X_OK) == 0)
            return true;
    return false;
}

/* ---- Mosquitto ---- */

static void mosquitto_start(bench_server *server)
{
    broker *b = broker_create();
    if (b == NULL)
        bench_die("no broker");
    broker_configure(b, "log_type none\nlog_type error\nlog_type warning\nlog_type notice\nconnection_messages false");
    if (!broker_start(b))
        bench_die("mosquitto does not start");
    server->own = b;
    server->pid = broker_pid(b);
    snprintf(server->address, sizeof server->address, "%s", broker_url(b));
}

static void mosquitto_stop(bench_server *server)
{
    broker_destroy(server->own);
}

const bench_server_kind bench_mosquitto = {.program = "mosquitto", .start = mosquitto_start, .stop = mosquitto_stop};
