/* weft/filter.h: which events a subscription wants. A zeroed filter wants all of them. */
#ifndef WEFT_FILTER_H
#define WEFT_FILTER_H

#include "weft/event.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weft_origin {
    WEFT_ORIGIN_ANY,
    WEFT_ORIGIN_LOCAL,  /* published in this process */
    WEFT_ORIGIN_REMOTE, /* brought by a bridge */
} weft_origin;

/* Runs on the publishing or delivering thread, before any copy; must be fast and must not call weft. */
typedef bool (*weft_predicate_fn)(const weft_event *event, void *user);

/* All conditions must hold. Every pointer is copied at subscribe, but predicate_user. */
typedef struct weft_filter {
    uint32_t topics; /* mask of WEFT_TOPIC_*; 0: all */
    const weft_event_type *types;
    size_t type_count; /* 0: all */
    const char *session_id;
    const char *agent_id;
    const char *execution_id;
    const char *correlation_id;
    const char *node;   /* id.node */
    const char *source; /* glob over the envelope's source: '*' any run, '?' one byte */
    const char *const *tags_required;
    size_t tags_required_count;
    const char *const *tags_excluded;
    size_t tags_excluded_count;
    weft_priority min_priority;
    weft_origin origin;
    weft_predicate_fn predicate;
    void *predicate_user;
} weft_filter;

/* Whether an event of the given origin passes. Threads: any. */
bool weft_filter_matches(const weft_filter *filter, const weft_event *event, weft_origin origin);

/* The topics a filter can match, from both its mask and its types. */
uint32_t weft_filter_topics(const weft_filter *filter);

#ifdef __cplusplus
}
#endif
#endif
