/* bridge/replay_desk.h: who waits for an answer from the journal, and whose turn it is.
 *
 * Askers take turns, one part of an answer each, so that one who missed a million events does not keep others waiting;
 * an asker's own questions take turns, too. All together get at most BYTES_A_SECOND and MESSAGES_A_SECOND, whoever
 * asks. A taker's later question about a stream takes the place of its earlier one, which it has given up.
 *
 * Threads: the journal thread. */
#ifndef WEFT_BRIDGE_REPLAY_DESK_H
#define WEFT_BRIDGE_REPLAY_DESK_H

#include "bridge/replay.h"

enum {
    WEFT__REPLAY_BYTES_A_SECOND = 32 << 20, /* some 200,000 small events */
    WEFT__REPLAY_MESSAGES_A_SECOND = 4096,
    WEFT__REPLAY_QUESTIONS_MAX = 4096, /* that wait; more are dropped, counted, and asked again */
};

typedef struct weft__replay_desk weft__replay_desk;

/* node outlives it. */
weft_status weft__replay_desk_create(const char *node, weft__replay_desk **ret);
void weft__replay_desk_destroy(weft__replay_desk *desk);

/* Returns OK, FULL or NO_MEMORY. */
weft_status weft__replay_desk_put(weft__replay_desk *desk, const weft__replay_request *request);
/* Gives the next asker a part of what it waits for. *ret_wait_ms: when to come again; INT64_MAX: nobody waits.
 * Returns OK or what the journal says; that answer is over then. */
weft_status weft__replay_desk_turn(weft__replay_desk *desk, weft__journal *j, int64_t now_ms, size_t max_bytes,
                                   weft__replay_send_fn send, void *user, int64_t *ret_wait_ms);
size_t weft__replay_desk_waiting(const weft__replay_desk *desk);

#endif
