/* bridge/record_store.h: the tables of recorded events, in the database of the recorder's cursor.
 *
 * Threads: the cursor's. */
#ifndef WEFT_BRIDGE_RECORD_STORE_H
#define WEFT_BRIDGE_RECORD_STORE_H

#include "bridge/cursor_store.h"
#include "weft/dispatcher.h"
#include "weft/json.h"

typedef struct weft__record_store weft__record_store;

/* See weft__cursor_store_opts. */
extern const char weft__record_tables[];

weft_status weft__record_store_open(weft__cursor_store *cursor, weft__record_store **ret);
void weft__record_store_close(weft__record_store *store);

/* Inside a transaction of the cursor store. An event that is there already is not added again. Return OK, or what the
 * database says. */
weft_status weft__record_store_add(weft__record_store *store, const weft_event *event);
weft_status weft__record_store_add_lost(weft__record_store *store, const weft_lost *lost, int64_t noticed_ms);

/* Outside of one: deletes some of the oldest rows that were accepted before keep_from_ms, or while more than max_bytes
 * are in use (0: any number). *ret_removed is 0 when there are none. */
weft_status weft__record_store_trim(weft__record_store *store, int64_t keep_from_ms, uint64_t max_bytes,
                                    uint64_t *ret_removed);
uint64_t weft__record_store_rows(const weft__record_store *store);
uint64_t weft__record_store_bytes(weft__record_store *store);

#endif
