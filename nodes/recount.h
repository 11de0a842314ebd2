/* nodes/recount.h: the totals of transcripts, counted straight from the files.
 *
 * A second opinion on what the engine (transcript.h) and everything behind it deliver: whole files, hash maps over all
 * of the input, no events and no streaming, and its own reading and checking of the lines. Threads: one. */
#ifndef WEFT_NODES_RECOUNT_H
#define WEFT_NODES_RECOUNT_H

#include <stddef.h>

#include "nodes/totals.h"

/* Counts the files in the given order into ret (zeroed by the caller; events_by_type stays zero). ret_skipped, if not
 * NULL, gets the number of lines that are no records. On failure error says why, with the file's name.
 * Returns OK, IO or NO_MEMORY. */
weft_status recount_files(const char *const *paths, size_t count, prices *p, totals *ret, uint64_t *ret_skipped,
                          char *error, size_t error_size);

#endif
