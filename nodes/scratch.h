/* nodes/scratch.h: a temporary directory that does not outlive the program, however that ends. */
#ifndef WEFT_NODES_SCRATCH_H
#define WEFT_NODES_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Makes a new directory NAME.XXXXXX in $TMPDIR, or in /tmp where that is unset or so long that no socket's path would
 * fit below it. Returns false, with a text in reason. */
bool scratch_make(const char *name, char *ret, size_t ret_bytes, char *reason, size_t reason_bytes);

/* Leaves the caller's work to a new process, in which it returns true. In the calling process it waits for the end of
 * that one, hands SIGINT, SIGTERM and SIGHUP on to it, removes the directory (unless keep), and returns false with the
 * exit status; if a signal ended the work, the same signal ends this process. The work must not leave processes behind
 * that write into the directory for long.
 * Threads: there must be no other yet. Blocks. */
bool scratch_guard(const char *directory, bool keep, int *ret_status);

#endif
