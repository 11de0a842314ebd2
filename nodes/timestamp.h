/* nodes/timestamp.h: RFC 3339 times as ms since the epoch, and back. Pure functions. */
#ifndef WEFT_NODES_TIMESTAMP_H
#define WEFT_NODES_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMESTAMP_BYTES = 25 };

/* "2026-01-05T12:17:31.459Z", also with an offset instead of Z; digits beyond the ms are cut. From 1970 on. */
bool timestamp_parse(const char *text, int64_t *ret_ms);
/* Always in UTC with three decimals; years 1970 to 9999. */
void timestamp_format(int64_t ms, char ret[TIMESTAMP_BYTES]);

#endif
