/* nodes/broker_process.h: a private mosquitto on a loopback port, as a child process.
 *
 * It ends with the thread that started it (Linux: parent death signal), and lives in a session of its own, so that a
 * Ctrl-C at the terminal reaches only us and the node can still say goodbye through it.
 * Threads: one makes all calls on a broker. */
#ifndef WEFT_NODES_BROKER_PROCESS_H
#define WEFT_NODES_BROKER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "weft/status.h"

typedef struct broker_process broker_process;

typedef struct broker_process_opts {
    uint16_t port;         /* 0: a free one */
    const char *directory; /* for configuration, log and database; NULL: a new one under $TMPDIR, removed at the end */
    const char *program;   /* NULL: mosquitto from PATH, /usr/sbin or /usr/local/sbin */
} broker_process_opts;

/* Starts it and waits until it accepts connections. opts may be NULL. reason[reason_bytes] says what is wrong and what
 * to do. Blocks: up to 10 s. Returns OK, NOT_FOUND (no mosquitto), EXISTS (the port is taken), IO, TIMEOUT (the log's
 * last line is in the reason) or NO_MEMORY. */
weft_status broker_process_start(const broker_process_opts *opts, broker_process **ret, char *reason,
                                 size_t reason_bytes);
/* Ends it if it runs, removes the directory it made, frees. NULL is fine. Blocks until the child is gone. */
void broker_process_destroy(broker_process *b);

uint16_t broker_process_port(const broker_process *b);
/* "mqtt://127.0.0.1:PORT". Ownership: the broker's. */
const char *broker_process_url(const broker_process *b);

/* SIGKILL: it writes nothing and closes nothing. Blocks until the child is gone. */
void broker_process_kill(broker_process *b);
/* SIGSTOP: its sockets stay open and silent, until kill. */
void broker_process_freeze(broker_process *b);
/* Asks it to end, and insists after 5 s. */
void broker_process_stop(broker_process *b);
/* After kill or stop: starts it again on the same port with the same files. As start. */
weft_status broker_process_restart(broker_process *b, char *reason, size_t reason_bytes);
/* Whether the child runs. */
bool broker_process_is_running(broker_process *b);
/* The child's id, 0 when it does not run. */
pid_t broker_process_pid(const broker_process *b);
/* Blocks until that child has ended, by itself or by another thread's call; leaves it to be reaped. Threads: any. */
void broker_process_wait_end(pid_t pid);

#endif
