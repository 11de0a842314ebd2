/* bridge/replay.h: an answer from the journal to somebody who missed something, given part by part, so that answers to
 * others, and new events, come in between. Threads: the journal thread. */
#ifndef WEFT_BRIDGE_REPLAY_H
#define WEFT_BRIDGE_REPLAY_H

#include "bridge/journal.h"

enum { WEFT__REPLAY_MAX_MESSAGES = 32 }; /* an answer stays far below what a stock broker queues for one client */

typedef struct weft__replay_request {
    char to[WEFT_NAME_MAX_BYTES + 1];
    char request_id[WEFT_NAME_MAX_BYTES + 1];
    uint32_t taker;
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq;
    uint64_t to_seq;       /* UINT64_MAX: as far as there is */
    uint32_t max_messages; /* 0: WEFT__REPLAY_MAX_MESSAGES */
    int64_t since_ms;      /* leaves out what was accepted more than WEFT__SKEW_MS before; 0: nothing */
} weft__replay_request;

typedef struct weft__replay_answer weft__replay_answer;

/* Takes one part of the answer, which holds so many events; owns the malloc'ed bytes. */
typedef void (*weft__replay_send_fn)(void *user, const weft__replay_request *request, uint8_t *bytes, size_t length,
                                     uint64_t events);

/* NULL: out of memory. node outlives it. */
weft__replay_answer *weft__replay_begin(const char *node, const weft__replay_request *request);
void weft__replay_end(weft__replay_answer *a);
const weft__replay_request *weft__replay_request_of(const weft__replay_answer *a);
/* Looks at some rows and sends at most a few parts, usually one; batches over max_bytes are reported lost. *ret_done:
 * the last part has been sent. Returns OK or what the journal says: the answer is over then, and the asker asks again.
 */
weft_status weft__replay_go_on(weft__replay_answer *a, weft__journal *j, size_t max_bytes, weft__replay_send_fn send,
                               void *user, bool *ret_done);

#endif
