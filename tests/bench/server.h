/* tests/bench/server.h: the process between senders and receivers, on a free loopback port, in a directory of its own.
 *
 * It dies with the process that started it. */
#ifndef WEFT_TESTS_BENCH_SERVER_H
#define WEFT_TESTS_BENCH_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct bench_server {
    pid_t pid;
    char address[64];
    char dir[160];
    void *own; /* what its kind needs to stop it */
} bench_server;

typedef struct bench_server_kind {
    const char *program;
    void (*start)(bench_server *server);
    void (*stop)(bench_server *server);
} bench_server_kind;

/* With the settings that weft ships. */
extern const bench_server_kind bench_mosquitto;

/* A new directory on a disk: under $TMPDIR, or /var/tmp; removed with all that is in it. */
void bench_dir_make(char dir[160]);
void bench_dir_remove(const char *dir);
/* "ext4"; of the file system on which such directories are made. */
const char *bench_dir_file_system(void);
/* Whether a program is in PATH or where Debian keeps servers. */
bool bench_program_present(const char *program);

#endif
