/* bridge/topic_map.h: events and names ↔ topics. The only place that knows the tree.
 *
 *   weft/v1/{fabric}/evt/{topic}/{node}
 *   weft/v1/{fabric}/json/{topic}/{type}/{node}/{session}
 *   weft/v1/{fabric}/live|state|beat/{node}
 *   weft/v1/{fabric}/cmd/{to}/{verb}/{from}
 *   weft/v1/{fabric}/reply/{to}/{from}/{request}        weft/v1/{fabric}/rpc/{name}/{from}
 *
 * Threads: any. No allocation. */
#ifndef WEFT_BRIDGE_TOPIC_MAP_H
#define WEFT_BRIDGE_TOPIC_MAP_H

#include "weft/wire.h"

#include <string.h>

enum { WEFT__TOPIC_MAX_BYTES = 1024 };

typedef enum weft__tree {
    WEFT__TREE_NONE,
    WEFT__TREE_EVT,
    WEFT__TREE_JSON,
    WEFT__TREE_LIVE,
    WEFT__TREE_STATE,
    WEFT__TREE_BEAT,
    WEFT__TREE_CMD,
    WEFT__TREE_RPC,
    WEFT__TREE_REPLY,
} weft__tree;

/* A topic taken apart. `sender` is the level that the broker pins to its user. */
typedef struct weft__topic_parts {
    weft__tree tree;
    char fabric[WEFT_NAME_MAX_BYTES + 1];
    char sender[WEFT_NAME_MAX_BYTES + 1];
    char to[WEFT_NAME_MAX_BYTES + 1];        /* cmd and reply; "-" for all */
    char word[WEFT_NAME_MAX_BYTES + 1];      /* verb, request or rpc name */
    weft_topic topic;                        /* evt and json */
    weft_event_type type;                    /* json */
    char session[3 * WEFT_ID_MAX_BYTES + 1]; /* json: still escaped */
} weft__topic_parts;

/* Each writes into out[WEFT__TOPIC_MAX_BYTES]; names must be valid, or "+" where a subscription wants any.
 * Return OK or INVALID. */
weft_status weft__topic_evt(char *out, const char *fabric, weft_topic topic, const char *node);
weft_status weft__topic_json(char *out, const char *fabric, const weft_event *event, const char *node);
weft_status weft__topic_node(char *out, const char *fabric, weft__tree live_state_or_beat, const char *node);
weft_status weft__topic_cmd(char *out, const char *fabric, const char *to, const char *verb, const char *from);
weft_status weft__topic_reply(char *out, const char *fabric, const char *to, const char *from, const char *request);

/* A filter over a tree: NULL levels, and all that have no argument here, are "+". Names are taken as they are.
 * Returns OK or INVALID (too long, or no tree). */
weft_status weft__topic_filter(char *out, const char *fabric, weft__tree tree, const char *to, const char *word,
                               const char *sender);

/* Takes a topic apart. Returns OK or INVALID (not of the tree, or with a bad name in it). */
weft_status weft__topic_parse(const char *topic, weft__topic_parts *ret);

/* Escapes an id for a topic level: bytes outside [A-Za-z0-9_.:-] as %XX, NULL and "" as "-", "-" as "%2D".
 * out must hold 3 * strlen(id) + 3 bytes. unescape returns false for a bad escape. */
void weft__topic_escape(char *out, const char *id);
bool weft__topic_unescape(char *out, size_t out_bytes, const char *level);

/* Copies a name, cut to what a name may have, into out[WEFT_NAME_MAX_BYTES + 1]. */
static inline void weft__name_copy(char *out, const char *name)
{
    size_t length = strnlen(name, WEFT_NAME_MAX_BYTES);
    memcpy(out, name, length);
    out[length] = '\0';
}

#endif
