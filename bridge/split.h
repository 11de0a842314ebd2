/* bridge/split.h: a batch taken apart, for a broker that takes only smaller messages. Threads: any. */
#ifndef WEFT_BRIDGE_SPLIT_H
#define WEFT_BRIDGE_SPLIT_H

#include "bridge/journal.h"

/* Encodes each event of a row as a row of its own; ids stay the row's, prev_seq chains them. Ownership: *ret_rows is
 * malloc'ed, and the bytes of each; see weft__rows_free. Returns OK, or what decoding and encoding say. */
weft_status weft__row_split(const weft__journal_row *row, weft__journal_row **ret_rows, size_t *ret_count);

#endif
