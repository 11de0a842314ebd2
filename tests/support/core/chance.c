#include "support/core/chance.h"

#include <string.h>

#include "support/event_maker.h"

unsigned chance(uint64_t seed, const char *what, unsigned number, unsigned more, unsigned sides)
{
    uint64_t z = seed;
    for (; *what != '\0'; what++)
        z = (z ^ (unsigned char)*what) * 0x9e3779b97f4a7c15u;
    z ^= (uint64_t)number << 32 | more;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ z >> 31) % sides);
}

/* ---- events ---- */

static const char *const sessions[] = {NULL, "s1", "s2"};
static const char *const sources[] = {NULL, "a1", "b1", "ab"};

static const char *session_of(uint64_t seed, unsigned number, weft_event_type type)
{
    weft_event least = event_least(type);
    const char *session = sessions[chance(seed, "session", number, 0, 3)];
    return session == NULL && least.session_id != NULL ? "s1" : session;
}

facts facts_of(uint64_t seed, unsigned number, weft_origin origin)
{
    weft_event_type type = (weft_event_type)(1 + chance(seed, "type", number, 0, WEFT_EVENT_TYPE_COUNT - 1));
    return (facts){
        .number = number,
        .type = type,
        .priority = (weft_priority)chance(seed, "priority", number, 0, WEFT_PRIORITY_CRITICAL + 1),
        .session = session_of(seed, number, type),
        .source = sources[chance(seed, "source", number, 0, 4)],
        .tags = chance(seed, "tags", number, 0, 4),
        .ttl_ms = chance(seed, "ttl", number, 0, 8) == 0 ? 1 + chance(seed, "ms", number, 0, 200) : 0,
        .origin = origin,
    };
}

static size_t tags_of(unsigned bits, const char *tags[2])
{
    size_t count = 0;
    if ((bits & 1) != 0)
        tags[count++] = "x";
    if ((bits & 2) != 0)
        tags[count++] = "y";
    return count;
}

weft_event facts_event(const facts *f, const char *tags[2])
{
    weft_event event = event_least(f->type);
    event.priority = f->priority;
    event.timestamp_ms = f->number;
    event.accepted_ms = f->accepted_ms;
    event.ttl_ms = f->ttl_ms;
    event.source = f->source;
    event.session_id = f->session;
    event.tags = tags;
    event.tag_count = tags_of(f->tags, tags);
    return event;
}

static uint64_t seen(uint64_t number, weft_priority priority, const char *session)
{
    uint64_t place = session == NULL || *session == '\0' ? 0 : (uint64_t)(session[1] - '0');
    return number << 8 | (uint64_t)priority << 4 | place;
}

uint64_t facts_seen(const weft_event *event)
{
    return seen((uint64_t)event->timestamp_ms, event->priority, event->session_id);
}

uint64_t facts_shown(const facts *f)
{
    return seen(f->number, f->priority, f->session);
}

/* ---- subscriptions ---- */

static const char *const globs[] = {"a*", "?1", "*b"};

static bool once_in(uint64_t seed, const char *what, unsigned instance, unsigned times)
{
    return chance(seed, what, instance, 0, times) == 0;
}

static weft_event_type wanted_type(uint64_t seed, unsigned instance, unsigned place)
{
    return (weft_event_type)(1 + chance(seed, "wanted type", instance, place, WEFT_EVENT_TYPE_COUNT - 1));
}

static void plan_conditions(plan *p, uint64_t seed, unsigned n)
{
    if (once_in(seed, "wants topics", n, 3))
        p->topics = (WEFT_TOPIC_COST | WEFT_TOPIC_SESSION) << chance(seed, "topics", n, 0, 3) & 0xFE;
    p->type_count = once_in(seed, "wants types", n, 4) ? 2 : 0;
    for (unsigned i = 0; i < 2; i++)
        p->types[i] = wanted_type(seed, n, i);
    if (once_in(seed, "wants a session", n, 6))
        p->session = sessions[1 + chance(seed, "wanted session", n, 0, 2)];
    if (once_in(seed, "wants a source", n, 6))
        p->source = globs[chance(seed, "wanted source", n, 0, 3)];
    if (once_in(seed, "wants tags", n, 6))
        p->tags_required = chance(seed, "wanted tags", n, 0, 4);
    if (once_in(seed, "shuns tags", n, 6))
        p->tags_excluded = chance(seed, "shunned tags", n, 0, 4);
    if (once_in(seed, "wants a priority", n, 6))
        p->min_priority = (weft_priority)chance(seed, "wanted priority", n, 0, WEFT_PRIORITY_CRITICAL + 1);
    if (once_in(seed, "wants an origin", n, 6))
        p->origin = (weft_origin)chance(seed, "wanted origin", n, 0, WEFT_ORIGIN_REMOTE + 1);
    if (once_in(seed, "has a predicate", n, 6))
        p->divisor = 2 + chance(seed, "divisor", n, 0, 3);
}

/* Blocking seldom: it costs a millisecond each time. */
static weft_overflow overflow_of(unsigned dice)
{
    if (dice == 0)
        return WEFT_OVERFLOW_BLOCK;
    return dice % 3 == 0   ? WEFT_OVERFLOW_DROP_OLDEST
           : dice % 3 == 1 ? WEFT_OVERFLOW_DROP_NEWEST
                           : WEFT_OVERFLOW_DEAD_LETTER;
}

plan plan_of(uint64_t seed, unsigned n)
{
    static const flavour flavours[] = {FLAVOUR_INLINE, FLAVOUR_INLINE, FLAVOUR_INLINE, FLAVOUR_OPEN, FLAVOUR_SMALL};
    plan p = {
        .flavour = flavours[chance(seed, "flavour", n, 0, 5)],
        .acts = once_in(seed, "acts", n, 3),
        .failing = once_in(seed, "fails", n, 3) ? 10 + chance(seed, "failing", n, 0, 70) : 0,
        .attempts = once_in(seed, "tries again", n, 2) ? chance(seed, "attempts", n, 0, 4) : 0,
    };
    plan_conditions(&p, seed, n);
    if (p.flavour == FLAVOUR_OPEN) {
        p.queue_max = 1u << 14;
        p.concurrency = chance(seed, "concurrency", n, 0, 4);
        p.attempts = p.concurrency > 1 ? 0 : p.attempts;
        return p;
    }
    p.once = once_in(seed, "once", n, 6);
    p.paused = p.flavour == FLAVOUR_SMALL || once_in(seed, "paused", n, 8);
    p.failures_max = once_in(seed, "suspended", n, 2) ? chance(seed, "failures", n, 0, 4) : 0;
    p.queue_max = 1 + chance(seed, "room", n, 0, 6);
    p.overflow = overflow_of(chance(seed, "overflow", n, 0, 16));
    return p;
}

static bool predicate(const weft_event *event, void *user)
{
    const plan *p = user;
    return event->timestamp_ms % p->divisor != 0;
}

weft_filter plan_filter(const plan *p, plan_lists *lists)
{
    return (weft_filter){
        .topics = p->topics,
        .types = p->types,
        .type_count = p->type_count,
        .session_id = p->session,
        .source = p->source,
        .tags_required = lists->required,
        .tags_required_count = tags_of(p->tags_required, lists->required),
        .tags_excluded = lists->excluded,
        .tags_excluded_count = tags_of(p->tags_excluded, lists->excluded),
        .min_priority = p->min_priority,
        .origin = p->origin,
        .predicate = p->divisor != 0 ? predicate : NULL,
        .predicate_user = (void *)(uintptr_t)p,
    };
}

weft_subscribe_opts plan_opts(const plan *p)
{
    return (weft_subscribe_opts){
        .queued = p->flavour != FLAVOUR_INLINE,
        .once = p->once,
        .paused = p->paused,
        .concurrency = p->concurrency,
        .attempts = p->attempts,
        .failures_max = p->failures_max,
        .queue_max = p->queue_max,
        .overflow = p->overflow,
        .block_ms = 1,
    };
}

static bool type_wanted(const plan *p, weft_event_type type)
{
    uint32_t topic = (uint32_t)weft_event_topic(&(weft_event){.type = type});
    if (p->topics != 0 && (p->topics & topic) == 0)
        return false;
    return p->type_count == 0 || p->types[0] == type || p->types[1] == type;
}

static bool source_wanted(const char *glob, const char *source)
{
    if (glob == NULL)
        return true;
    if (source == NULL)
        return false;
    return strcmp(glob, "a*") == 0 ? source[0] == 'a' : source[1] == (glob[0] == '?' ? '1' : 'b');
}

bool plan_wants(const plan *p, const facts *f)
{
    weft_priority priority = f->priority == WEFT_PRIORITY_UNSET ? WEFT_PRIORITY_NORMAL : f->priority;
    return type_wanted(p, f->type) && source_wanted(p->source, f->source) &&
           (p->session == NULL || (f->session != NULL && strcmp(p->session, f->session) == 0)) &&
           (p->tags_required & ~f->tags) == 0 && (p->tags_excluded & f->tags) == 0 && priority >= p->min_priority &&
           (p->origin == WEFT_ORIGIN_ANY || p->origin == f->origin) && (p->divisor == 0 || f->number % p->divisor != 0);
}

weft_status plan_result(const plan *p, uint64_t seed, unsigned instance, unsigned number, unsigned call)
{
    static const weft_status failures[] = {WEFT_FAILED, WEFT_IO, WEFT_TIMEOUT};
    if (chance(seed, "result", instance << 16 | number, call, 100) >= p->failing)
        return WEFT_OK;
    return failures[chance(seed, "failure", instance << 16 | number, call, 3)];
}

act plan_act(const plan *p, uint64_t seed, unsigned instance, unsigned number, unsigned call)
{
    static const act acts[] = {ACT_PUBLISH, ACT_PUBLISH,     ACT_PUBLISH,          ACT_PAUSE,
                               ACT_RESUME,  ACT_UNSUBSCRIBE, ACT_UNSUBSCRIBE_SELF, ACT_SUBSCRIBE};
    unsigned dice = chance(seed, "act", instance << 16 | number, call, 30);
    return p->acts && p->flavour == FLAVOUR_INLINE && dice < sizeof acts / sizeof *acts ? acts[dice] : ACT_NOTHING;
}

/* ---- interceptors ---- */

sieve sieve_of(uint64_t seed, unsigned instance)
{
    return (sieve){
        .twist = (twist)chance(seed, "twist", instance, 0, TWIST_COUNT),
        .order = (int32_t)chance(seed, "order", instance, 0, 5) - 2,
        .topics = once_in(seed, "sieves topics", instance, 2) ? WEFT_TOPIC_COST | WEFT_TOPIC_AGENT : 0,
    };
}

bool sieve_touches(uint64_t seed, unsigned instance, unsigned number)
{
    return chance(seed, "touches", instance << 16 | number, 0, 4) == 0;
}

/* ---- rate limits ---- */

size_t rules_of(uint64_t seed, unsigned number, weft_rate_limit rules[RULES_MAX])
{
    static const double rates[] = {1, 5, 20, 100};
    size_t count = chance(seed, "rules", number, 0, RULES_MAX + 1);
    for (unsigned i = 0; i < count; i++) {
        unsigned kind = chance(seed, "rates", number, i, 3);
        rules[i] = (weft_rate_limit){
            .topics = chance(seed, "rule topics", number, i, 2) == 0 ? WEFT_TOPIC_LLM | WEFT_TOPIC_SESSION : 0,
            .source = chance(seed, "rule source", number, i, 3) == 0 ? "a*" : NULL,
            .each_source = chance(seed, "each source", number, i, 3) == 0,
            .per_second = kind != 1 ? rates[chance(seed, "per second", number, i, 4)] : 0,
            .per_minute = kind != 0 ? 60 * rates[chance(seed, "per minute", number, i, 4)] : 0,
            .burst = chance(seed, "burst", number, i, 30),
        };
    }
    return count;
}
