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
} bench_server;

typedef struct bench_server_kind {
    const char *program;
    void (*start)(bench_server *server);
    void (*stop)(bench_server *server);
} bench_server_kind;

/* With the settings that weft ships. */
extern const bench_server_kind bench_mosquitto;

/* For kinds that are a program with options: makes server->dir, or starts the program and waits until it takes
 * connections at the port of 127.0.0.1; ends it and removes the directory. argv[0] is the program; what it prints is in
 * "log" in the directory. */
void bench_server_prepare(bench_server *server, uint16_t *ret_port);
void bench_server_spawn(bench_server *server, char *const argv[], uint16_t port);
void bench_server_end(bench_server *server);

/* A new directory on a disk: under $TMPDIR, or /var/tmp; removed with all that is in it. */
void bench_dir_make(char dir[160]);
void bench_dir_remove(const char *dir);
/* "ext4"; of the file system on which such directories are made. */
const char *bench_dir_file_system(void);
/* Whether a program is in PATH or where Debian keeps servers. */
bool bench_program_present(const char *program);

#endif
