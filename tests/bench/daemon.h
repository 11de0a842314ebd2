/* tests/bench/daemon.h: the program `weft node` as users run it: a process, fed with lines through its socket. */
#ifndef WEFT_TESTS_BENCH_DAEMON_H
#define WEFT_TESTS_BENCH_DAEMON_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench/load.h"

typedef struct bench_daemon {
    pid_t pid;
    int64_t began_ns; /* just before it was executed */
    char name[32];
    char dir[160]; /* journal and socket */
    int socket;
    FILE *answers;
} bench_daemon;

/* Whether this build has the program. */
bool bench_daemon_present(void);

/* Executes it, under a name and with a journal that have never been used. Returns at once. */
void bench_daemon_start(bench_daemon *daemon, const char *broker_url);
/* Publishes the events from..from+count-1 of a load: each is in the journal when this returns. */
void bench_daemon_publish(bench_daemon *daemon, const bench_load *load, uint64_t from, uint64_t count);
/* Kills it, and removes its directory. */
void bench_daemon_end(bench_daemon *daemon);

/* Memory of a process that is in RAM: all of it, or without files. */
size_t bench_rss_bytes(pid_t pid);
size_t bench_rss_anonymous_bytes(pid_t pid);

#endif
