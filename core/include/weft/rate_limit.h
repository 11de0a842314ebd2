/* weft/rate_limit.h: token buckets in front of weft_publish.
 *
 * A rule covers the events of some topics and sources. Each event it covers takes a token from its bucket, which
 * refills at a steady rate up to its burst; without a token weft_publish answers WEFT_RATE_LIMITED, nobody sees the
 * event, and it is counted. An event under several rules needs a token of each, and takes none unless all have one.
 * Events from other hosts are not limited here: their own host did it. */
#ifndef WEFT_RATE_LIMIT_H
#define WEFT_RATE_LIMIT_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    WEFT_RATE_LIMITS_MAX = 64,
    WEFT_RATE_SOURCES_MAX = 4096, /* buckets of one each_source rule; beyond, the one unused for longest is reused */
};

typedef struct weft_rate_limit {
    uint32_t topics;    /* mask of WEFT_TOPIC_*; 0: all */
    const char *source; /* glob over the envelope's source, as in weft_filter; NULL: all. Copied */
    bool each_source;   /* a bucket for each source instead of one for all that the rule covers */
    double per_second;  /* steady rate; 0: not limited by the second */
    double per_minute;  /* likewise by the minute; both set: both hold */
    uint32_t burst;     /* events that may come at once after a pause, of the per-second rate;
                         * 0: as many as come in a second, at least 1 */
} weft_rate_limit;

typedef struct weft_rate_limit_stats {
    uint64_t admitted;
    uint64_t refused;
    uint32_t sources; /* buckets in use of an each_source rule */
} weft_rate_limit_stats;

/* Replaces the rules; count 0 lifts them all. Buckets begin full. Publishes under way are finished by the rules they
 * began with. Threads: any. Returns OK, INVALID (a rate that is negative, not finite or missing, an unknown topic, too
 * many rules; the old ones stay) or NO_MEMORY. */
weft_status weft_rate_limits_set(weft_dispatcher *d, const weft_rate_limit *limits, size_t count);

/* Counts of the rule at this place in the list set last. Returns OK or NOT_FOUND. */
weft_status weft_rate_limit_get_stats(weft_dispatcher *d, size_t index, weft_rate_limit_stats *ret);

#ifdef __cplusplus
}
#endif
#endif
