/* bridge/replay.h: answers from the journal to those who missed something. Threads: the journal thread. */
#ifndef WEFT_BRIDGE_REPLAY_H
#define WEFT_BRIDGE_REPLAY_H

#include "bridge/journal.h"

enum { WEFT__REPLAY_MAX_MESSAGES = 32 }; /* an answer stays far below what a stock broker queues for one client */

typedef struct weft__replay_request {
    const char *request_id;
    uint64_t epoch;
    weft_topic topic;
    uint64_t from_seq;
    uint64_t to_seq;
    uint32_t max_messages; /* 0: WEFT__REPLAY_MAX_MESSAGES */
} weft__replay_request;

/* Takes one part of the answer; owns the malloc'ed bytes. */
typedef void (*weft__replay_send_fn)(void *user, uint8_t *bytes, size_t length);

/* Answers as far as max_messages go; batches over max_bytes are reported lost. *ret_events counts the events sent.
 * Returns OK or what the journal says. */
weft_status weft__replay_answer(weft__journal *j, const char *node, const weft__replay_request *request,
                                size_t max_bytes, weft__replay_send_fn send, void *user, uint64_t *ret_events);

#endif
