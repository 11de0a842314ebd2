/* nodes/filter_options.h: options that choose events: topics, and moments in the past. */
#ifndef WEFT_NODES_FILTER_OPTIONS_H
#define WEFT_NODES_FILTER_OPTIONS_H

#include "nodes/options.h"

#define MOMENT_HELP "as 90s, 10m, 2h, 7d ago, or 2026-01-05T12:17:31Z"

/* All values of the option as a mask; 0 if it is not given. On a word that is no topic they say so on stderr and return
 * false: return EXIT_USAGE then. So does the next one. */
bool topics_option_read(const args *a, const char *name, uint32_t *ret);

/* A moment as MOMENT_HELP says, in ms since the epoch; 0 if the option is not given. */
bool moment_option_read(const args *a, const char *name, int64_t now_ms, int64_t *ret_ms);

/* "10m", "1.5h" before now, or an RFC 3339 time. Returns false for anything else. */
bool moment_parse(const char *text, int64_t now_ms, int64_t *ret_ms);

#endif
