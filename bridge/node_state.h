/* bridge/node_state.h: what a node tells of itself under state/{node}: tokens and cost per model since its epoch began,
 * and its newest live sessions. Threads: any; one mutex inside. */
#ifndef WEFT_BRIDGE_NODE_STATE_H
#define WEFT_BRIDGE_NODE_STATE_H

#include "bridge/control.h"

typedef struct weft__node_state weft__node_state;

weft_status weft__node_state_create(weft__node_state **ret);
void weft__node_state_destroy(weft__node_state *state);
/* Counts one accepted event of this node, unless somebody made it up (WEFT_FLAG_SYNTHETIC). It stays counted if it is
 * dropped later to make room. */
void weft__node_state_add(weft__node_state *state, const weft_event *event);
/* Whether something was counted since the state was encoded last. */
bool weft__node_state_has_news(weft__node_state *state);
/* Begins a new epoch: totals start from zero, live sessions stay. */
void weft__node_state_begin_epoch(weft__node_state *state);
/* Encodes the State message, at most 64 KiB: the newest sessions that fit, at most 500. Ownership: *ret is malloc'ed.
 */
weft_status weft__node_state_encode(weft__node_state *state, const char *node, uint64_t epoch, int64_t timestamp_ms,
                                    uint8_t **ret, size_t *ret_bytes);

#endif
