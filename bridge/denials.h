/* bridge/denials.h: what the broker's access rules deny a bridge: told once a cause, counted, tried again now and then.
 *
 * A subject is a topic of evt, or a tree beside it; its bit in a mask is the topic's own, or 1 << (16 + tree), where
 * "tree" 0 stands for commands to all.
 * Threads: the link thread changes; any thread reads. */
#ifndef WEFT_BRIDGE_DENIALS_H
#define WEFT_BRIDGE_DENIALS_H

#include "bridge/topic_map.h"

#include <stdatomic.h>

enum { WEFT__SUBJECT_TREES = 16, WEFT__SUBJECT_TOPICS_MASK = (1 << WEFT__SUBJECT_TREES) - 1 };

typedef struct weft__denials {
    _Atomic uint32_t publishing;                /* subjects denied now */
    _Atomic uint32_t subscribing;               /* and those we cannot hear */
    _Atomic uint64_t publishes[WEFT_TOPIC_MAX]; /* messages denied by topic; [0]: beside the events */
} weft__denials;

static inline uint32_t weft__subject_of_tree(weft__tree tree)
{
    return 1u << (WEFT__SUBJECT_TREES + (unsigned)tree);
}

/* The subject of a topic that this bridge publishes to; 0 if it is none of weft's. */
uint32_t weft__subject_of(const char *topic);

/* Notes an answer of the broker. Returns whether it is news: denied now, and not before. */
bool weft__denials_note_publish(weft__denials *d, uint32_t subject, bool denied);
bool weft__denials_note_subscribe(weft__denials *d, uint32_t subject, bool denied);

/* What a subject covers, for a notice: weft/v1/{fabric}/…/{sender}. Returns OK or INVALID. */
weft_status weft__subject_name(char *out, const char *fabric, uint32_t subject, const char *sender);

#endif
