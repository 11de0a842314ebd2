/* nodes/ownership.h: which node of a fabric a session belongs to, when transcripts of several people lie together.
 *
 * A session belongs to the operator of its first record that has one, over all files in the given order, and all its
 * records go to that node. Without any operator it belongs to the directory of the file of its first record (a project
 * of the agent; "stdin" for standard input). Names are made valid node names. Records without a session go to the node
 * of the first session; only where there is no session at all they have a node of their own. Threads: one. */
#ifndef WEFT_NODES_OWNERSHIP_H
#define WEFT_NODES_OWNERSHIP_H

#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"
#include "weft/wire.h"

enum { NODE_NAME_BYTES = WEFT_NAME_MAX_BYTES + 1 };

typedef struct ownership ownership;

/* Ownership: destroy it. Returns OK or NO_MEMORY. */
weft_status ownership_create(ownership **ret);
void ownership_destroy(ownership *o);

/* Looks at one line of a file; lines that are no records are passed over. Returns OK or NO_MEMORY. */
weft_status ownership_scan_line(ownership *o, const char *path, const char *text, size_t length);
/* Looks at all lines of a file and adds their number to *lines. On failure error says why, with the file's name.
 * Returns OK, IO or NO_MEMORY. */
weft_status ownership_scan_file(ownership *o, const char *path, uint64_t *lines, char *error, size_t error_size);

/* The node of a session, given by the id of the transcript or of the events; NULL or "": of records without a session.
 * NULL if nothing like it was scanned. Ownership: the table's, until the next scan. */
const char *ownership_node_of(const ownership *o, const char *session);

/* The nodes that own sessions, sorted. Ownership: the table's, until the next scan; the array is freed with it.
 * Returns their number, 0 also when memory is out. */
size_t ownership_nodes(ownership *o, const char *const **ret);

/* Makes a valid node name ([a-z0-9_.-]{1,64}, not "-"). One that is none gets its letters in lower case, '-' for other
 * bytes, cut if need be, and "-" and eight hexadecimal digits of its hash: two that differ in case only stay two. */
void node_name_from(char ret[NODE_NAME_BYTES], const char *name);

#endif
