/* nodes/interrupt.h: Ctrl-C as something to wait for, so that a command that is told to end can still say what it has.
 *
 * One per process. The third signal ends the process at once: under a guard (nodes/scratch.h) a Ctrl-C comes twice,
 * from the terminal and from the guard. */
#ifndef WEFT_NODES_INTERRUPT_H
#define WEFT_NODES_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* Takes over SIGINT and SIGTERM, and ignores SIGPIPE. Returns false, with errno, when there are no descriptors left. */
bool interrupt_handle(void);
/* Threads: any. */
bool interrupt_seen(void);
/* Ends the wait under way, or the next one. Threads: any. */
void interrupt_wake(void);
/* Waits until a signal has come, somebody wakes, or the time is over. Returns interrupt_seen(). Threads: one. */
bool interrupt_wait(int64_t timeout_ms);

#endif
