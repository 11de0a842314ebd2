/* tests/sim/main.c: runs schedules, over all processors, and says which seed broke what.
 *
 *   weft_sim [--seeds N] [--first S] [--jobs J]     N schedules (1,000) from seed S (1) on
 *   weft_sim --seed S [--trace]                     one of them, step by step
 *   weft_sim --twice S                              one of them twice: both must go the same way
 *   weft_sim … --until-broken                       no more schedules once one has failed
 *
 * WEFT_SIM_SEEDS and WEFT_SIM_FIRST stand for --seeds and --first. The exit status is 0 if no schedule failed. */
#include "sim/world.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, SEED_SECONDS = 60 };

typedef struct options {
    uint64_t seeds, first, seed, twice;
    unsigned jobs;
    bool trace;
    bool until_broken;
} options;

/* What the processes tell their parent, in memory that they share. */
typedef struct tally {
    _Atomic bool broken;
    uint64_t running[JOBS_MAX];
    uint64_t done[JOBS_MAX], failed[JOBS_MAX], published[JOBS_MAX], handled[JOBS_MAX];
} tally;

typedef struct result {
    unsigned violations;
    uint64_t trace_hash;
    size_t published;
    size_t handled;
    char violation[512];
} result;

static result seed_run(uint64_t seed, bool tracing)
{
    static world w;
    world_init(&w, seed, tracing);
    schedule_run(&w);
    result r = {
        .violations = w.violations, .trace_hash = w.trace_hash, .published = w.published_count, .handled = w.handled};
    (void)memcpy(r.violation, w.violation, sizeof r.violation);
    world_fini(&w);
    return r;
}

static void job_run(const options *o, unsigned job, tally *t)
{
    for (uint64_t seed = o->first + job; seed < o->first + o->seeds && !(o->until_broken && t->broken);
         seed += o->jobs) {
        t->running[job] = seed;
        (void)alarm(SEED_SECONDS);
        result r = seed_run(seed, false);
        (void)alarm(0);
        t->done[job]++;
        t->failed[job] += r.violations > 0;
        t->published[job] += r.published;
        t->handled[job] += r.handled;
        if (r.violations > 0) {
            printf("seed %llu: %s (%u in all)\n", (unsigned long long)seed, r.violation, r.violations);
            (void)fflush(stdout);
            t->broken = true;
        }
    }
}

/* A schedule that ends its process has failed; the rest of that process's share is lost. */
static uint64_t jobs_wait(const options *o, const pid_t *jobs, const tally *t)
{
    uint64_t died = 0;
    for (unsigned job = 0; job < o->jobs; job++) {
        int status = 0;
        (void)waitpid(jobs[job], &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            continue;
        printf("seed %llu: its process ended with %s %d\n", (unsigned long long)t->running[job],
               WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        died++;
    }
    return died;
}

static int all_run(const options *o)
{
    pid_t jobs[JOBS_MAX];
    tally *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == MAP_FAILED)
        return 2;
    for (unsigned job = 0; job < o->jobs; job++) {
        (void)fflush(stdout);
        jobs[job] = fork();
        if (jobs[job] == 0) {
            job_run(o, job, t);
            exit(0);
        }
    }
    uint64_t failed = jobs_wait(o, jobs, t), done = failed, events = 0, calls = 0;
    for (unsigned job = 0; job < o->jobs; job++) {
        done += t->done[job];
        failed += t->failed[job];
        events += t->published[job];
        calls += t->handled[job];
    }
    printf("%llu schedules, %llu failed; %llu events published, handled %llu times\n", (unsigned long long)done,
           (unsigned long long)failed, (unsigned long long)events, (unsigned long long)calls);
    return failed == 0 && done == o->seeds ? 0 : 1;
}

static int one_run(const options *o)
{
    result r = seed_run(o->seed, o->trace);
    printf("seed %llu: %zu events published, handled %zu times, trace %016llx: %s\n", (unsigned long long)o->seed,
           r.published, r.handled, (unsigned long long)r.trace_hash, r.violations > 0 ? r.violation : "nothing broken");
    return r.violations == 0 ? 0 : 1;
}

static int twice_run(const options *o)
{
    result first = seed_run(o->twice, false), second = seed_run(o->twice, false);
    bool same = first.trace_hash == second.trace_hash;
    printf("seed %llu: traces %016llx and %016llx\n", (unsigned long long)o->twice,
           (unsigned long long)first.trace_hash, (unsigned long long)second.trace_hash);
    return same ? 0 : 1;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static bool options_read(options *o, int argc, char **argv)
{
    enum { SEEDS = 256, FIRST, SEED, TWICE, JOBS, TRACE, UNTIL_BROKEN };
    static const struct option table[] = {
        {"seeds", required_argument, NULL, SEEDS},         {"first", required_argument, NULL, FIRST},
        {"seed", required_argument, NULL, SEED},           {"twice", required_argument, NULL, TWICE},
        {"jobs", required_argument, NULL, JOBS},           {"trace", no_argument, NULL, TRACE},
        {"until-broken", no_argument, NULL, UNTIL_BROKEN}, {NULL, 0, NULL, 0}};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *o = (options){.seeds = number_from("WEFT_SIM_SEEDS", 1000),
                   .first = number_from("WEFT_SIM_FIRST", 1),
                   .jobs = processors > 0 ? (unsigned)processors : 1};
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        uint64_t value = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        switch (option) {
        case SEEDS:
            o->seeds = value;
            break;
        case FIRST:
            o->first = value;
            break;
        case SEED:
            o->seed = value;
            break;
        case TWICE:
            o->twice = value;
            break;
        case JOBS:
            o->jobs = (unsigned)value;
            break;
        case TRACE:
            o->trace = true;
            break;
        case UNTIL_BROKEN:
            o->until_broken = true;
            break;
        default:
            return false;
        }
    }
    if (o->jobs == 0 || o->jobs > JOBS_MAX)
        o->jobs = o->jobs == 0 ? 1 : JOBS_MAX;
    return optind == argc;
}

int main(int argc, char **argv)
{
    options o;
    if (!options_read(&o, argc, argv)) {
        fprintf(stderr, "usage: weft_sim [--seeds N] [--first S] [--jobs J] | --seed S [--trace] | --twice S\n");
        return 2;
    }
    if (o.seed != 0)
        return one_run(&o);
    return o.twice != 0 ? twice_run(&o) : all_run(&o);
}
