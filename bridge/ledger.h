/* bridge/ledger.h: what has become of this node's own events, stream by stream.
 *
 * One entry a stream (epoch, topic) of this life, and of earlier ones that the journal still speaks of. The entries are
 * bounded; the oldest leaves first, but stays in the totals.
 *
 * Invariant  of a stream, pending = left by earlier lives + written - acknowledged - lost.
 * Threads    any; one mutex inside, innermost, taken once a row or message, never once an event. */
#ifndef WEFT_BRIDGE_LEDGER_H
#define WEFT_BRIDGE_LEDGER_H

#include "bridge/control.h"

#include <pthread.h>

enum { WEFT__LEDGER_MAX = 128 };

/* Columns of events. */
typedef enum weft__ledger_column {
    WEFT__LEDGER_LEFT,    /* pending when this life began */
    WEFT__LEDGER_WRITTEN, /* in the journal, by this life */
    WEFT__LEDGER_SENT,    /* for the first time */
    WEFT__LEDGER_RESENT,  /* again, or by a later life than wrote them */
    WEFT__LEDGER_ACKED,
    WEFT__LEDGER_REPLAYED,
    WEFT__LEDGER_UNWRITTEN, /* published, but the journal failed until the stop */
    WEFT__LEDGER_DROPPED,   /* of those lost: dropped before they were written */
    WEFT__LEDGER_LOST,      /* given up before they were sent, for the reason that is 0; the other reasons follow */
    WEFT__LEDGER_COLUMNS = WEFT__LEDGER_LOST + WEFT_LOST_UNREACHABLE + 1,
} weft__ledger_column;

typedef struct weft__ledger_entry {
    uint64_t epoch;
    weft_topic topic;
    uint64_t last_seq; /* written */
    uint64_t events;   /* the stream holds, by all lives; 0 if that is not known */
    uint64_t counts[WEFT__LEDGER_COLUMNS];
} weft__ledger_entry;

typedef struct weft__ledger {
    pthread_mutex_t mutex;
    weft__ledger_entry entries[WEFT__LEDGER_MAX]; /* [mutex], all below too */
    size_t count;
    uint64_t totals[WEFT__LEDGER_COLUMNS];
} weft__ledger;

void weft__ledger_init(weft__ledger *l);
void weft__ledger_fini(weft__ledger *l);

/* Takes up a stream of an earlier life, of which so many events are not acknowledged. */
void weft__ledger_carry(weft__ledger *l, const weft__position *position, uint64_t pending);
/* Events up to last_seq have been written. */
void weft__ledger_written(weft__ledger *l, uint64_t epoch, weft_topic topic, uint64_t last_seq, uint64_t events);
void weft__ledger_add(weft__ledger *l, uint64_t epoch, weft_topic topic, weft__ledger_column column, uint64_t events);
static inline void weft__ledger_lose(weft__ledger *l, uint64_t epoch, weft_topic topic, weft_lost_reason reason,
                                     uint64_t events)
{
    weft__ledger_add(l, epoch, topic, (weft__ledger_column)(WEFT__LEDGER_LOST + (int)reason), events);
}

/* Where a stream ends, and with how many events. False if it is not known here. */
bool weft__ledger_end(weft__ledger *l, uint64_t epoch, weft_topic topic, weft__position *ret);
/* Where the newest streams of earlier epochs end of which nothing is pending. Returns how many, at most max. */
size_t weft__ledger_earlier(weft__ledger *l, uint64_t epoch, weft__position *positions, size_t max);
/* All entries at one moment, the newest epoch last. Returns how many. */
size_t weft__ledger_list(weft__ledger *l, weft__ledger_entry entries[WEFT__LEDGER_MAX]);
void weft__ledger_totals(weft__ledger *l, uint64_t totals[WEFT__LEDGER_COLUMNS]);

uint64_t weft__ledger_lost(const uint64_t counts[WEFT__LEDGER_COLUMNS]);
uint64_t weft__ledger_pending(const uint64_t counts[WEFT__LEDGER_COLUMNS]);

#endif
