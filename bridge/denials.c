/* bridge/denials.c: two masks and a count. */
#include "bridge/denials.h"

#include <stddef.h>

uint32_t weft__subject_of(const char *topic)
{
    weft__topic_parts parts;
    if (weft__topic_parse(topic, &parts) != WEFT_OK)
        return 0;
    return parts.tree == WEFT__TREE_EVT ? (uint32_t)parts.topic : weft__subject_of_tree(parts.tree);
}

static bool mask_change(_Atomic uint32_t *mask, uint32_t subject, bool set)
{
    if (set)
        return (atomic_fetch_or(mask, subject) & subject) == 0;
    if (atomic_load(mask) & subject) /* each acknowledgement passes here */
        atomic_fetch_and(mask, ~subject);
    return false;
}

bool weft__denials_note_publish(weft__denials *d, uint32_t subject, bool denied)
{
    if (denied)
        atomic_fetch_add(
            &d->publishes[subject & WEFT__SUBJECT_TOPICS_MASK ? weft_topic_number((weft_topic)subject) : 0], 1);
    return mask_change(&d->publishing, subject, denied);
}

bool weft__denials_note_subscribe(weft__denials *d, uint32_t subject, bool denied)
{
    return mask_change(&d->subscribing, subject, denied);
}

weft_status weft__subject_name(char *out, const char *fabric, uint32_t subject, const char *sender)
{
    if (subject & WEFT__SUBJECT_TOPICS_MASK)
        return weft__topic_evt(out, fabric, (weft_topic)subject, sender);
    for (int tree = WEFT__TREE_EVT; tree <= WEFT__TREE_REPLY; tree++)
        if (subject == weft__subject_of_tree((weft__tree)tree))
            return weft__topic_filter(out, fabric, (weft__tree)tree, NULL, NULL, sender);
    return WEFT_INVALID;
}
