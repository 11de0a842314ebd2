/* core/rate_limit.c: which rules cover an event, and a token of all of them or of none.
 *
 * Threads    any. The lock is a leaf; it is taken only for events under an each_source rule, and then for all of the
 *            decision. Buckets that sources share are atomic.
 * Invariant  of the events a rule covers, each is admitted, refused for want of this rule's token, or refused for
 *            another's; the first two are counted.
 *
 * All rules are asked first, and tokens taken only if each has one. Between the two another thread may take the last
 * token of a shared bucket; what was taken from others by then is given back, and until then they may refuse an event
 * that they could have admitted.
 *
 * Simplification: rules are walked in a list; with more than a few dozen an index by topic pays off. */
#include "core/rate_limit.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/counters.h"
#include "core/glob.h"
#include "core/slots.h"
#include "core/source_buckets.h"

enum { TOPICS_ALL = (int)WEFT_TOPICS_DURABLE | (int)WEFT_TOPICS_BEST_EFFORT };

typedef struct rule {
    uint32_t topics;               /* const after create */
    char *source;                  /* const after create; NULL: all */
    weft__source_buckets *sources; /* [lock] NULL: one bucket for all */
    int rate_count;                /* const after create */
    weft__gcra rates[WEFT__RATES_MAX];
    _Alignas(WEFT__CACHE_LINE) weft__bucket shared;
    _Atomic uint64_t admitted;
    _Atomic uint64_t refused;
} rule;

struct weft__limiter {
    atomic_uint refs;
    size_t count;         /* const after create */
    pthread_mutex_t lock; /* leaf */
    rule rules[];
};

/* A rule that covers the event at hand, and the bucket it takes from. */
typedef struct claim {
    rule *rule;
    weft__bucket *bucket;
} claim;

typedef struct claims {
    size_t count;
    bool locked; /* some are on buckets of a source */
    claim of[WEFT_RATE_LIMITS_MAX];
} claims;

/* ---- making ---- */

static bool rate_valid(double rate)
{
    return isfinite(rate) && rate >= 0;
}

static bool limit_valid(const weft_rate_limit *limit)
{
    return (limit->topics & ~(uint32_t)TOPICS_ALL) == 0 && rate_valid(limit->per_second) &&
           rate_valid(limit->per_minute) && (limit->per_second > 0 || limit->per_minute > 0);
}

static bool limits_valid(const weft_rate_limit *limits, size_t count)
{
    if (count > WEFT_RATE_LIMITS_MAX || (count > 0 && limits == NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!limit_valid(&limits[i]))
            return false;
    return true;
}

static void rule_add_rate(rule *r, double events, double period_ns, uint32_t burst)
{
    double at_once = burst != 0 ? burst : fmax(floor(events), 1);
    if (events > 0)
        weft__gcra_init(&r->rates[r->rate_count++], events, period_ns, at_once);
}

static weft_status rule_init(rule *r, const weft_rate_limit *limit)
{
    bool any_source = limit->source == NULL || *limit->source == '\0';
    *r = (rule){.topics = limit->topics != 0 ? limit->topics : TOPICS_ALL};
    weft__bucket_init(&r->shared);
    rule_add_rate(r, limit->per_second, 1e9, limit->burst);
    rule_add_rate(r, limit->per_minute, 60e9, 0);
    if (!any_source && (r->source = strdup(limit->source)) == NULL)
        return WEFT_NO_MEMORY;
    if (limit->each_source && (r->sources = weft__source_buckets_create()) == NULL)
        return WEFT_NO_MEMORY;
    return WEFT_OK;
}

static void rule_fini(rule *r)
{
    free(r->source);
    weft__source_buckets_destroy(r->sources);
}

weft_status weft__limiter_create(const weft_rate_limit *limits, size_t count, weft__limiter **ret)
{
    if (!limits_valid(limits, count))
        return WEFT_INVALID;
    weft__limiter *limiter = aligned_alloc(WEFT__CACHE_LINE, sizeof *limiter + count * sizeof *limiter->rules);
    if (limiter == NULL)
        return WEFT_NO_MEMORY;
    atomic_init(&limiter->refs, 1);
    limiter->count = 0;
    if (pthread_mutex_init(&limiter->lock, NULL) != 0) {
        free(limiter);
        return WEFT_NO_MEMORY;
    }
    weft_status status = WEFT_OK;
    while (status == WEFT_OK && limiter->count < count) {
        status = rule_init(&limiter->rules[limiter->count], &limits[limiter->count]);
        limiter->count++;
    }
    if (status != WEFT_OK) {
        weft__limiter_unref(limiter);
        return status;
    }
    *ret = limiter;
    return WEFT_OK;
}

void weft__limiter_ref(weft__limiter *limiter)
{
    if (limiter != NULL)
        atomic_fetch_add_explicit(&limiter->refs, 1, memory_order_relaxed);
}

void weft__limiter_unref(weft__limiter *limiter)
{
    if (limiter == NULL || atomic_fetch_sub_explicit(&limiter->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < limiter->count; i++)
        rule_fini(&limiter->rules[i]);
    pthread_mutex_destroy(&limiter->lock);
    free(limiter);
}

/* ---- admitting ---- */

static bool rule_covers(const rule *r, uint32_t topic, const char *source)
{
    return (r->topics & topic) != 0 && (r->source == NULL || weft__glob_matches(r->source, source));
}

static void claims_make(claims *c, weft__limiter *limiter, const weft_event *event, const char *source)
{
    uint32_t topic = (uint32_t)weft_event_topic(event);
    c->count = 0;
    c->locked = false;
    for (rule *r = limiter->rules; r < limiter->rules + limiter->count; r++) {
        if (!rule_covers(r, topic, source))
            continue;
        c->of[c->count++] = (claim){.rule = r, .bucket = &r->shared};
        c->locked = c->locked || r->sources != NULL;
    }
}

static void claims_find_source(claims *c, const char *source)
{
    uint64_t hash = weft__source_hash(source);
    for (claim *one = c->of; one < c->of + c->count; one++)
        if (one->rule->sources != NULL)
            one->bucket = weft__source_buckets_use(one->rule->sources, hash);
}

static bool claim_conforms(const claim *one, int64_t now_ns)
{
    for (int i = 0; i < one->rule->rate_count; i++)
        if (!weft__gcra_conforms(&one->rule->rates[i], &one->bucket->arrivals[i], now_ns))
            return false;
    return true;
}

static void claim_give_back(const claim *one, int rates)
{
    for (int i = 0; i < rates; i++)
        weft__gcra_give_back(&one->rule->rates[i], &one->bucket->arrivals[i]);
}

static bool claim_take(const claim *one, int64_t now_ns)
{
    for (int i = 0; i < one->rule->rate_count; i++) {
        if (!weft__gcra_take(&one->rule->rates[i], &one->bucket->arrivals[i], now_ns)) {
            claim_give_back(one, i);
            return false;
        }
    }
    return true;
}

/* Asks all of them, so that each that refuses is counted. */
static bool claims_conform(const claims *c, int64_t now_ns)
{
    bool all = true;
    for (const claim *one = c->of; one < c->of + c->count; one++) {
        if (claim_conforms(one, now_ns))
            continue;
        weft__count_shared(&one->rule->refused, 1);
        all = false;
    }
    return all;
}

static bool claims_take(const claims *c, int64_t now_ns)
{
    size_t taken = 0;
    while (taken < c->count && claim_take(&c->of[taken], now_ns))
        taken++;
    if (taken == c->count)
        return true;
    weft__count_shared(&c->of[taken].rule->refused, 1);
    while (taken-- > 0)
        claim_give_back(&c->of[taken], c->of[taken].rule->rate_count);
    return false;
}

static void claims_count(const claims *c)
{
    for (const claim *one = c->of; one < c->of + c->count; one++)
        weft__count_shared(&one->rule->admitted, 1);
}

bool weft__limiter_admit(weft__limiter *limiter, const weft_event *event, int64_t now_ns)
{
    const char *source = event->source != NULL ? event->source : "";
    claims c;
    claims_make(&c, limiter, event, source);
    if (c.locked) {
        pthread_mutex_lock(&limiter->lock);
        claims_find_source(&c, source);
    }
    bool admitted = claims_conform(&c, now_ns) && claims_take(&c, now_ns);
    if (c.locked)
        pthread_mutex_unlock(&limiter->lock);
    if (admitted)
        claims_count(&c);
    return admitted;
}

weft_status weft__limiter_get_stats(weft__limiter *limiter, size_t index, weft_rate_limit_stats *ret)
{
    if (index >= limiter->count)
        return WEFT_NOT_FOUND;
    rule *r = &limiter->rules[index];
    *ret =
        (weft_rate_limit_stats){.admitted = weft__count_read(&r->admitted), .refused = weft__count_read(&r->refused)};
    if (r->sources == NULL)
        return WEFT_OK;
    pthread_mutex_lock(&limiter->lock);
    ret->sources = weft__source_buckets_count(r->sources);
    pthread_mutex_unlock(&limiter->lock);
    return WEFT_OK;
}
