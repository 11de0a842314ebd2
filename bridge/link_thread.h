/* bridge/link_thread.h: what the files of the link agent share; nobody else includes it.
 *
 *   link_thread.c      the turn, and what is sent while connected
 *   link_deltas.c      best-effort events
 *   link_connect.c     connecting, the claim on the node's name, birth, and the loss of a connection
 *   link_subscribe.c   what is subscribed at the broker, and what it denies
 *
 * Threads: the link thread. */
#ifndef WEFT_BRIDGE_LINK_THREAD_H
#define WEFT_BRIDGE_LINK_THREAD_H

#include "bridge/bridge_private.h"

enum { WEFT__BEAT_MS = 5000 };

/* ---- link_thread.c ---- */

/* A message beside the events is in flight. They are sent while there is room for them, but for goodbye, whose
 * acknowledgement may then be missed. */
void weft__link_control_note(weft_bridge *b, int token, const char *topic);
/* The largest payload that the broker takes. */
size_t weft__link_payload_limit(const weft_bridge *b);
/* Tells it those who make messages. */
void weft__link_payload_limit_tell(weft_bridge *b);

/* Whether one more message may be in flight. */
bool weft__link_window_open(const weft_bridge *b);
/* Events have been sent: a beat shall tell of them. */
void weft__link_beat_soon(weft_bridge *b);

/* ---- link_deltas.c ---- */

/* Sends what is due, as long as there is room. Returns after how many ms there may be more to do. */
int64_t weft__link_deltas_send(weft_bridge *b);
/* An acknowledgement. Returns false if it is of none of these. */
bool weft__link_deltas_acked(weft_bridge *b, int token, weft_status status);
/* Whether they wait for one. */
bool weft__link_deltas_wait(const weft_bridge *b);
/* There is a fresh connection. */
void weft__link_deltas_reset(weft_bridge *b);

/* ---- link_connect.c ---- */

/* One attempt; tells, and plans the next, if it fails. */
void weft__link_connect(weft_bridge *b);
/* The connection is gone: what was in flight is queued again. */
void weft__link_lost(weft_bridge *b, const char *why);
/* What those who wait for the connection see. */
void weft__link_connected_set(weft_bridge *b, bool connected, uint32_t topics, weft_status status);
weft_status weft__link_birth_publish(weft_bridge *b);

/* ---- link_subscribe.c ---- */

/* The trees beside the events; `missing` holds those that are not subscribed. */
weft_status weft__link_subscribe_fixed(weft_bridge *b, uint32_t missing);
/* Subscribes the events that are wanted; the downlink hears of topics before they are, and that those which were denied
 * are none of its business. */
weft_status weft__link_topics_follow(weft_bridge *b, uint32_t wanted);
/* The topics that the downlink is to expect. It may look much later: what is born meanwhile is younger than the wish.
 */
void weft__link_downlink_expect(weft_bridge *b, uint32_t wanted);
/* Follows what local subscriptions and cursors want now. */
void weft__link_interest_follow(weft_bridge *b);

#endif
