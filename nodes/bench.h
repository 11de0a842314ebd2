/* nodes/bench.h: what the verbs of `weft bench` share: their options, and the bridges that they open. */
#ifndef WEFT_NODES_BENCH_H
#define WEFT_NODES_BENCH_H

#include <limits.h>
#include <stdatomic.h>

#include "nodes/broker_options.h"
#include "nodes/options.h"

#define BENCH_FABRIC "bench"

extern const command bench_pub, bench_sub, bench_rtt, bench_local; /* bench_NAME.c */

/* Rows of option tables. */
#define BENCH_BROKER_ROWS                                                                                              \
    {"broker", 'b', "URL", "the broker: mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (" BROKER_URL_DEFAULT ")"},          \
        {"fabric", 'f', "NAME", "the fabric to use (" BENCH_FABRIC ")"}, BROKER_LOGIN_ROWS
#define BENCH_DISK_ROWS                                                                                                \
    {"no-journal", 0, NULL, "keep what is published in memory, not in a journal"},                                     \
    {                                                                                                                  \
        "journal-dir", 0, "DIR",                                                                                       \
            "put the journal in a directory that is made in this one ($TMPDIR, /tmp),\n"                               \
            "on the disk that a node would use"                                                                        \
    }
#define BENCH_OUTPUT_ROWS                                                                                              \
    {"json", 'j', NULL, "print the result as one JSON object"},                                                        \
    {                                                                                                                  \
        "quiet", 'q', NULL, "show no progress and say nothing else on the way"                                         \
    }

/* As broker_options_read, with the fabric of benches where none is named. */
int bench_broker_read(const args *a, broker_options *ret);
/* Words on standard error, unless --quiet: "weft bench pub: …". */
void bench_say(const args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Where progress goes: standard error, or NULL with --quiet. */
FILE *bench_progress_out(const args *a);
/* CPU seconds of this process so far, user and system. */
double bench_cpu_s(void);

/* Makes a directory for journals, which goes when the process ends: see scratch_guard. *out is empty with --no-journal.
 * Returns true where the work is to be done; else that is over, or cannot be, and *ret_status says how it went. */
bool bench_scratch(const args *a, char out[PATH_MAX], int *ret_status);

/* ---- bridges ---- */

typedef struct bench_bridge {
    const args *args;
    const broker_options *broker;
    char node[WEFT_NAME_MAX_BYTES + 1]; /* empty: only listens */
    weft_dispatcher *dispatcher;
    weft_bridge *bridge;
    atomic_bool connected; /* ever */
    atomic_bool refused;   /* by the broker; that has been said */
    atomic_bool denied;    /* by its access rules: some topic */
    atomic_bool fenced;    /* somebody else holds the name */
} bench_bridge;

/* Makes the dispatcher, to be subscribed at. args, broker and node must be set in *b, all else zero. Returns the exit
 * status. Ownership: close it, whatever the result. */
int bench_bridge_create(bench_bridge *b);
/* Opens the bridge; opts holds what it is to have beside url, fabric, node and login. Says what is wrong. Returns the
 * exit status. */
int bench_bridge_open(bench_bridge *b, const weft_bridge_opts *opts);
/* Waits until it is connected and subscribed, a signal comes (then EXIT_DONE too), or the time is over. Says what is
 * wrong. Returns the exit status. */
int bench_bridge_wait(bench_bridge *b, int64_t timeout_ms);
void bench_bridge_close(bench_bridge *b);
/* Says that the broker's access rules keep a node from publishing. */
void bench_say_denied(const broker_options *broker, const args *a, const char *node);

/* Removes what ended nodes have left retained at the broker, as far as it lets us. */
void bench_retained_clear(const args *a, const broker_options *broker, const char *const *nodes, size_t count);

#endif
