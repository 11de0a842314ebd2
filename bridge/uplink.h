/* bridge/uplink.h: rows of the journal on their way to the broker.
 *
 * A row is queued, then in flight as part of one message, then acknowledged; a lost connection puts what is in flight
 * back to the front of its queue. Rows of one topic leave in the order they were written. Rows beyond the memory bound
 * stay in the journal alone and are loaded again when there is room ("spilled").
 *
 * Threads    any; one mutex inside. push, refill and forget: the journal thread. next, sent, acked, refused, too_large,
 * reset: the link thread. */
#ifndef WEFT_BRIDGE_UPLINK_H
#define WEFT_BRIDGE_UPLINK_H

#include "bridge/journal.h"
#include "bridge/ledger.h"

#include <pthread.h>

typedef struct weft__uplink weft__uplink;

/* Books what becomes of the rows in the ledger, which must outlive the uplink. */
weft_status weft__uplink_create(size_t max_bytes, weft__ledger *ledger, weft__uplink **ret);
void weft__uplink_destroy(weft__uplink *u);

/* Takes over the bytes of newly written rows (sets them NULL). While the uplink is spilled they are only counted. */
void weft__uplink_push(weft__uplink *u, weft__journal_row *rows, size_t count);
/* Whether rows wait in the journal and there is room for them; those with an id above *ret_after_id come next. */
bool weft__uplink_wants_refill(weft__uplink *u, int64_t *ret_after_id);
/* Whether the journal holds rows that are to be sent and are not here. */
bool weft__uplink_is_spilled(weft__uplink *u);
/* Adds a row read back from the journal (bytes are copied); `again`: it may have been sent before, by an earlier life.
 * Returns OK, or FULL (not added: the bound is reached). */
weft_status weft__uplink_refill(weft__uplink *u, const weft__journal_row *row, bool again);
/* Nothing more is in the journal than what the uplink holds. */
void weft__uplink_refilled(weft__uplink *u);
/* Drops what is queued of a row that the journal had to give up. Returns how many events will never be sent: none of
 * those in flight. */
uint32_t weft__uplink_forget(weft__uplink *u, const weft__journal_row *gone);

/* One message to send. */
typedef struct weft__outgoing {
    weft_topic topic;
    const uint8_t *bytes; /* valid until sent, unsend or reset */
    size_t length;
    uint32_t event_count;
    bool again; /* has been sent before */
    struct weft__flight *flight;
} weft__outgoing;

/* Chooses the next message: the stream with the highest priority waiting, then the oldest row; rows that have gathered
 * behind it in the same stream are merged up to the target size. Messages over max_bytes are skipped and counted.
 * Returns false if nothing waits. */
bool weft__uplink_next(weft__uplink *u, size_t max_bytes, weft__outgoing *ret);
void weft__uplink_sent(weft__uplink *u, weft__outgoing *message, int token);
/* Puts it back: it was not sent. */
void weft__uplink_unsend(weft__uplink *u, weft__outgoing *message);
/* An acknowledgement. Returns false if no message has that token. */
bool weft__uplink_acked(weft__uplink *u, int token);
/* The broker denies the topic of this message: what is in flight there is queued again, and waits for retry_refused or
 * reset. Returns false if no message has that token. */
bool weft__uplink_refused(weft__uplink *u, int token);
/* The broker did not take this message because of its size, *ret_bytes: what is in flight in its topic is queued again,
 * to be split or given up by a next with a smaller max_bytes. Returns false if no message has that token. */
bool weft__uplink_too_large(weft__uplink *u, int token, size_t *ret_bytes);
/* The topic of a message in flight; 0 if no message has that token. */
weft_topic weft__uplink_topic(weft__uplink *u, int token);
void weft__uplink_retry_refused(weft__uplink *u);
/* The connection is gone: everything in flight is queued again. */
void weft__uplink_reset(weft__uplink *u);

size_t weft__uplink_in_flight(weft__uplink *u);
/* Smallest id of a row that is not acknowledged; INT64_MAX if all are. */
int64_t weft__uplink_oldest(weft__uplink *u);
/* Positions whose acknowledgement has moved since the last call; at most max. */
size_t weft__uplink_take_acknowledged(weft__uplink *u, weft__position *positions, size_t max);
/* What has been handed to the broker in an epoch, stream by stream; at most WEFT_TOPIC_MAX. Of a stream of which
 * nothing waits, the position is its end, and says how many events it holds. */
size_t weft__uplink_sent_positions(weft__uplink *u, uint64_t epoch, weft__position *positions);

/* Messages sent, repeats included. */
uint64_t weft__uplink_sent_messages(weft__uplink *u);

#endif
