/* nodes/simulate.h: writes transcripts that nobody's agents left, in the form of the real ones and with their shapes:
 * arrival of sessions, tokens by kind, tool mix, errors, retries, subagents, answers split over lines that repeat the
 * usage, calls that never end, a few results before their calls and sessions that change hands.
 *
 * The same options give the same bytes on every machine. Threads: one a call. */
#ifndef WEFT_NODES_SIMULATE_H
#define WEFT_NODES_SIMULATE_H

#include "nodes/totals.h"

enum { SIMULATE_OPERATORS_MAX = 1000, SIMULATE_SESSIONS_MAX = 100000, SIMULATE_DAYS_MAX = 3650 };

typedef struct simulate_opts {
    uint64_t seed;
    uint32_t operators; /* 0: 5 */
    uint32_t sessions;  /* 0: 120, about 40,000 records */
    uint32_t days;      /* 0: 27 */
    const char *dir;    /* made if it is missing */
} simulate_opts;

/* Writes one file an operator, DIR/op1.jsonl and so on, each sorted by time. ret (zeroed by the caller) gets the
 * totals, counted while generating; ret_records, if not NULL, the number of lines. on_file, if not NULL, gets the path
 * of each file. On failure error says why. Returns OK, INVALID (an option), IO or NO_MEMORY. */
weft_status simulate_write(const simulate_opts *opts, prices *p, totals *ret, uint64_t *ret_records,
                           void (*on_file)(const char *path, void *user), void *user, char *error, size_t error_size);

#endif
