/* tests/bench/worker.c: starts workers and gives them orders.
 *
 *   order                              answer
 *                                      ready
 *   expect FROM COUNT RATE START_NS    ready
 *   send FROM COUNT RATE START_NS      result EVENTS END_NS
 *   receive EVENTS                     result EVENTS END_NS P50 P90 P99 P999 MAX
 */
#include "bench/worker.h"

#include "bench/bench.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static pid_t spawn(char *const argv[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        bench_die("a process cannot be started");
    return pid;
}

static char *borrowed(const char *text)
{
    return (char *)(uintptr_t)text;
}

void bench_worker_start(bench_worker *worker, const bench_worker_opts *opts)
{
    int to[2], from[2];
    char numbers[96];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        bench_die("no pipe");
    snprintf(numbers, sizeof numbers, "%u %u %u %" PRIu32 " %u %u", opts->index, opts->senders, opts->sessions,
             opts->topics, opts->parcel_bytes, opts->soon);
    char *argv[] = {"weft_bench",
                    "--worker",
                    borrowed(opts->role),
                    borrowed(opts->carrier->name),
                    borrowed(opts->address),
                    borrowed(opts->dir),
                    numbers,
                    NULL};
    worker->pid = spawn(argv, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    worker->to = fdopen(to[1], "w");
    worker->from = fdopen(from[0], "r");
    if (worker->to == NULL || worker->from == NULL)
        bench_die("out of memory");
}

static void answer_read(const bench_worker *worker, char line[256])
{
    if (fgets(line, 256, worker->from) == NULL)
        bench_die("a worker failed");
}

void bench_worker_await(const bench_worker *worker)
{
    char line[256];
    answer_read(worker, line);
    if (strcmp(line, "ready\n") != 0)
        bench_die("a worker is not ready");
}

static void round_order(const bench_worker *worker, const char *verb, const bench_round *round)
{
    fprintf(worker->to, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", verb, round->from, round->count,
            round->rate, round->start_ns);
    fflush(worker->to);
}

void bench_worker_expect(const bench_worker *worker, const bench_round *round)
{
    round_order(worker, "expect", round);
    bench_worker_await(worker);
}

void bench_worker_send(const bench_worker *worker, const bench_round *round)
{
    round_order(worker, "send", round);
}

void bench_worker_receive(const bench_worker *worker, uint64_t events)
{
    fprintf(worker->to, "receive %" PRIu64 "\n", events);
    fflush(worker->to);
}

bench_worker_result bench_worker_result_take(const bench_worker *worker)
{
    bench_worker_result r = {0};
    char line[256];
    answer_read(worker, line);
    if (sscanf(line, "result %" SCNu64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &r.events, &r.end_ns, &r.latency_ns[0], &r.latency_ns[1], &r.latency_ns[2], &r.latency_ns[3],
               &r.latency_ns[4]) < 2)
        bench_die("a worker answers something else");
    return r;
}

void bench_worker_stop(bench_worker *worker, bool given_up)
{
    fclose(worker->to);
    if (given_up)
        kill(worker->pid, SIGKILL);
}

void bench_worker_join(bench_worker *worker, bool given_up)
{
    int status;
    if (waitpid(worker->pid, &status, 0) != worker->pid || (status != 0 && !given_up))
        bench_die("a worker did not end well");
    fclose(worker->from);
}

double bench_cpu_s(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        bench_die("a process's CPU time cannot be read");
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
