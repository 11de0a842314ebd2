#include "support/core/reference.h"

#include "weft/schema.h"

#include <stdlib.h>
#include <string.h>

/* ---- traces ---- */

void trace_add(trace *t, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    if (t->count < TRACE_MAX)
        t->steps[t->count++] = (step){what, a, b, c};
}

static bool step_equal(const step *a, const step *b)
{
    return strcmp(a->what, b->what) == 0 && a->a == b->a && a->b == b->b && a->c == b->c;
}

int trace_difference(const trace *a, const trace *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (!step_equal(&a->steps[i], &b->steps[i]))
            return (int)i;
    return a->count == b->count ? -1 : (int)(a->count < b->count ? a->count : b->count);
}

/* ---- lists ---- */

static void list_push(waiting_list *list, const facts *f, unsigned place)
{
    if (list->count == list->room) {
        list->room = list->room != 0 ? list->room * 2 : 16;
        list->items = realloc(list->items, list->room * sizeof *list->items);
        if (list->items == NULL)
            abort();
    }
    list->items[list->count++] = (waiting){*f, place};
}

static waiting list_shift(waiting_list *list)
{
    waiting first = list->items[0];
    list->count--;
    memmove(list->items, list->items + 1, list->count * sizeof *list->items);
    return first;
}

size_t member_depth(const member *m)
{
    size_t depth = 0;
    for (int i = 0; i < LANES; i++)
        depth += m->lanes[i].count;
    return depth;
}

static size_t member_empty(member *m)
{
    size_t depth = member_depth(m);
    for (int i = 0; i < LANES; i++)
        m->lanes[i].count = 0;
    m->untold = 0;
    return depth;
}

static waiting_list *lane_of(member *m, const facts *f)
{
    return &m->lanes[(f->priority == WEFT_PRIORITY_UNSET ? WEFT_PRIORITY_NORMAL : f->priority) - WEFT_PRIORITY_LOW];
}

/* ---- life ---- */

reference *reference_create(uint64_t seed, size_t letters_max)
{
    reference *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    r->seed = seed;
    r->letters_max = letters_max;
    for (int i = 0; i < SLOTS; i++)
        r->slots[i] = -1;
    return r;
}

void reference_destroy(reference *r)
{
    for (unsigned i = 0; i < r->instances; i++) {
        for (int lane = 0; lane < LANES; lane++)
            free(r->members[i]->lanes[lane].items);
        free(r->members[i]->calls.items);
        free(r->members[i]);
    }
    free(r);
}

bool numbers_left(unsigned used)
{
    return used < NUMBERS_MAX - NUMBERS_SPARE / 2;
}

unsigned act_slot(uint64_t seed, unsigned instance, unsigned number, unsigned call)
{
    return chance(seed, "slot", instance << 16 | number, call, SLOTS);
}

/* ---- dead letters ---- */

static void bury(reference *r, unsigned instance, const facts *f, weft_dead_reason reason, weft_status status,
                 uint32_t attempts)
{
    r->stats.dead_letters++;
    r->members[instance]->dead_letters++;
    if (r->letter_count == r->letters_max) {
        r->stats.dead_letters_displaced++;
        r->letters_unsure = true;
        reference_forget(r, 0);
    }
    r->letters[r->letter_count++] = (letter){instance, *f, reason, status, attempts};
}

void reference_forget(reference *r, size_t place)
{
    r->letter_count--;
    memmove(&r->letters[place], &r->letters[place + 1], (r->letter_count - place) * sizeof *r->letters);
}

/* ---- handlers ---- */

static void act_on(reference *r, int target, act what)
{
    if (target < 0 || !r->members[target]->listed)
        return;
    flavour of = r->members[target]->plan.flavour;
    if (what == ACT_PAUSE && of == FLAVOUR_INLINE)
        reference_pause(r, target);
    else if (what == ACT_RESUME && of == FLAVOUR_INLINE)
        reference_resume(r, target);
    else if (what == ACT_UNSUBSCRIBE && of != FLAVOUR_OPEN)
        reference_unsubscribe(r, target);
}

static void handler_act(reference *r, unsigned instance, unsigned number, unsigned call, unsigned depth)
{
    member *m = r->members[instance];
    act what = plan_act(&m->plan, r->seed, instance, number, call);
    unsigned slot = act_slot(r->seed, instance, number, call);
    if (what == ACT_PUBLISH && depth < NESTING_MAX && numbers_left(r->numbers))
        reference_publish(r, depth + 1);
    else if (what == ACT_UNSUBSCRIBE_SELF && m->plan.once)
        m->unsubscribed = true;
    else if (what == ACT_UNSUBSCRIBE_SELF && m->listed)
        reference_unsubscribe(r, (int)instance);
    else if (what == ACT_SUBSCRIBE)
        reference_subscribe(r, slot);
    else
        act_on(r, r->slots[slot], what);
}

static weft_status handler_call(reference *r, unsigned instance, const facts *f, unsigned depth)
{
    member *m = r->members[instance];
    unsigned call = m->made[f->number]++;
    if (m->plan.flavour == FLAVOUR_INLINE) {
        trace_add(&r->trace, "call", instance, facts_shown(f), call);
        handler_act(r, instance, f->number, call, depth);
    } else {
        list_push(&m->calls, f, call);
    }
    return plan_result(&m->plan, r->seed, instance, f->number, call);
}

static void gave_up(reference *r, unsigned instance, const facts *f, weft_status status, uint32_t attempts)
{
    member *m = r->members[instance];
    bury(r, instance, f, WEFT_DEAD_FAILED, status, attempts);
    if (m->plan.failures_max != 0 && ++m->failures >= m->plan.failures_max)
        m->suspended = true;
}

static void attempts(reference *r, unsigned instance, const facts *f, unsigned depth)
{
    member *m = r->members[instance];
    uint32_t made = 0;
    weft_status status;
    do {
        made++;
        status = handler_call(r, instance, f, depth);
        if (status == WEFT_OK) {
            m->handled++;
            m->failures = 0;
            r->stats.handled++;
            return;
        }
        m->errors++;
        r->stats.handler_errors++;
    } while (made < m->plan.attempts && !m->unsubscribed);
    gave_up(r, instance, f, status, made);
}

static void handle(reference *r, unsigned instance, const facts *f, unsigned depth)
{
    member *m = r->members[instance];
    if (!m->listed) {
        r->stats.dropped_unsubscribed++;
    } else if (m->suspended) {
        bury(r, instance, f, WEFT_DEAD_SUSPENDED, WEFT_OK, 0);
    } else if (m->paused) {
        m->skipped_paused++;
        r->stats.skipped_paused++;
    } else {
        m->listed = !m->plan.once;
        m->leaving = m->plan.once;
        attempts(r, instance, f, depth);
        m->leaving = false;
        if (m->plan.once)
            r->stats.dropped_unsubscribed += member_empty(m);
    }
}

static bool expired(const reference *r, const facts *f)
{
    int64_t granted_ms = f->origin == WEFT_ORIGIN_REMOTE ? 5000 : 0;
    return f->ttl_ms != 0 && r->now_ms - f->accepted_ms > (int64_t)f->ttl_ms + granted_ms;
}

static void handle_waiting(reference *r, unsigned instance, const facts *f)
{
    if (expired(r, f)) {
        r->members[instance]->expired++;
        r->stats.expired++;
    } else {
        handle(r, instance, f, 0);
    }
}

/* ---- mailboxes ---- */

static void overflow_count(reference *r, member *m)
{
    m->dropped_overflow++;
    m->untold++;
    r->stats.dropped_overflow++;
}

static void displace(reference *r, member *m, const facts *f)
{
    waiting_list *lowest = m->lanes;
    while (lowest->count == 0)
        lowest++;
    overflow_count(r, m);
    if (lane_of(m, f) < lowest)
        return;
    (void)list_shift(lowest);
    list_push(lane_of(m, f), f, m->put++);
}

static void put(reference *r, unsigned instance, const facts *f)
{
    member *m = r->members[instance];
    if (member_depth(m) < m->plan.queue_max)
        list_push(lane_of(m, f), f, m->put++);
    else if (m->plan.overflow == WEFT_OVERFLOW_DEAD_LETTER)
        bury(r, instance, f, WEFT_DEAD_OVERFLOW, WEFT_OK, 0);
    else if (m->plan.overflow == WEFT_OVERFLOW_DROP_OLDEST)
        displace(r, m, f);
    else
        overflow_count(r, m);
}

void reference_work(reference *r, int instance)
{
    member *m = r->members[instance];
    m->told += m->untold;
    m->untold = 0;
    for (int lane = LANES - 1; lane >= 0; lane--)
        while (m->lanes[lane].count > 0) {
            facts f = list_shift(&m->lanes[lane]).facts;
            handle_waiting(r, (unsigned)instance, &f);
        }
}

static bool is_next(const member *m, int lane)
{
    for (int higher = lane + 1; higher < LANES; higher++)
        if (m->lanes[higher].count > 0 && m->lanes[higher].items[0].place < m->lanes[lane].items[0].place)
            return false;
    return true;
}

/* Several workers at once take in order, but are seen in any. */
static int find_any(const member *m, uint64_t seen, size_t *ret)
{
    for (int lane = 0; lane < LANES; lane++)
        for (*ret = 0; *ret < m->lanes[lane].count; ++*ret)
            if (facts_shown(&m->lanes[lane].items[*ret].facts) == seen)
                return lane;
    return -1;
}

void reference_work_expired(reference *r, int instance)
{
    for (int lane = 0; lane < LANES; lane++) {
        waiting_list *list = &r->members[instance]->lanes[lane];
        size_t kept = 0, count = list->count;
        for (size_t i = 0; i < count; i++) {
            if (expired(r, &list->items[i].facts))
                handle_waiting(r, (unsigned)instance, &list->items[i].facts);
            else
                list->items[kept++] = list->items[i];
        }
        list->count = kept;
    }
}

bool reference_work_one(reference *r, int instance, uint64_t seen)
{
    member *m = r->members[instance];
    size_t at;
    int lane = find_any(m, seen, &at);
    if (lane < 0 || (m->plan.concurrency <= 1 && (at > 0 || !is_next(m, lane))))
        return false;
    waiting_list *list = &m->lanes[lane];
    facts f = list->items[at].facts;
    list->count--;
    memmove(&list->items[at], &list->items[at + 1], (list->count - at) * sizeof *list->items);
    handle_waiting(r, (unsigned)instance, &f);
    return true;
}

/* ---- rate limits ---- */

static unsigned source_place(const char *source)
{
    return source == NULL ? 0 : strcmp(source, "a1") == 0 ? 1 : strcmp(source, "b1") == 0 ? 2 : 3;
}

static bool rule_covers(const rule_state *rule, const facts *f)
{
    uint32_t topic = (uint32_t)weft_event_topic(&(weft_event){.type = f->type});
    return (rule->limit.topics == 0 || (rule->limit.topics & topic) != 0) &&
           (rule->limit.source == NULL || (f->source != NULL && f->source[0] == 'a'));
}

static unsigned rule_bucket(const rule_state *rule, const facts *f)
{
    return rule->limit.each_source ? source_place(f->source) : 0;
}

static bool rule_has_token(const rule_state *rule, unsigned bucket)
{
    return (rule->limit.per_second <= 0 || rule->tokens[0][bucket] >= 1000) &&
           (rule->limit.per_minute <= 0 || rule->tokens[1][bucket] >= 1000);
}

static bool rules_allow(reference *r, const facts *f)
{
    bool allowed = true;
    for (size_t i = 0; i < r->rule_count; i++) {
        rule_state *rule = &r->rules[i];
        if (!rule_covers(rule, f))
            continue;
        rule->sources |= 1u << rule_bucket(rule, f);
        if (rule_has_token(rule, rule_bucket(rule, f)))
            continue;
        rule->refused++;
        allowed = false;
    }
    return allowed;
}

static void rules_take(reference *r, const facts *f)
{
    for (size_t i = 0; i < r->rule_count; i++) {
        rule_state *rule = &r->rules[i];
        if (!rule_covers(rule, f))
            continue;
        rule->admitted++;
        rule->tokens[0][rule_bucket(rule, f)] -= 1000;
        rule->tokens[1][rule_bucket(rule, f)] -= 1000;
    }
}

static int64_t rule_room(const weft_rate_limit *limit, int rate)
{
    if (rate == 1)
        return (int64_t)limit->per_minute * 1000;
    return (limit->burst != 0 ? (int64_t)limit->burst : (int64_t)limit->per_second) * 1000;
}

static void rule_refill(rule_state *rule, int64_t ms)
{
    for (int rate = 0; rate < 2; rate++) {
        int64_t more = (int64_t)(rate == 0 ? rule->limit.per_second : rule->limit.per_minute / 60) * ms;
        for (int bucket = 0; bucket < 4; bucket++) {
            int64_t tokens = rule->tokens[rate][bucket] + more, room = rule_room(&rule->limit, rate);
            rule->tokens[rate][bucket] = tokens < room ? tokens : room;
        }
    }
}

void reference_rules_set(reference *r)
{
    weft_rate_limit limits[RULES_MAX];
    r->rule_count = rules_of(r->seed, r->rule_sets++, limits);
    for (size_t i = 0; i < r->rule_count; i++) {
        r->rules[i] = (rule_state){.limit = limits[i]};
        rule_refill(&r->rules[i], INT32_MAX);
    }
}

void reference_advance(reference *r, int64_t ms)
{
    r->now_ms += ms;
    for (size_t i = 0; i < r->rule_count; i++)
        rule_refill(&r->rules[i], ms);
}

/* ---- interceptors ---- */

enum { PARTY_MAX = 1 << SIEVES_MAX }; /* each interceptor splits one event off one */

/* Events on their way, the published one first. */
typedef struct party {
    size_t count;
    struct {
        facts facts;
        size_t next; /* place in the line */
        bool dropped;
    } of[PARTY_MAX];
} party;

static facts facts_next(reference *r, weft_origin origin)
{
    facts f = facts_of(r->seed, ++r->numbers, origin);
    f.accepted_ms = r->now_ms;
    return f;
}

static void sieve_split(reference *r, sieve_state *s, party *p, size_t place)
{
    if (!numbers_left(r->numbers))
        return;
    p->of[p->count].facts = facts_next(r, WEFT_ORIGIN_LOCAL);
    p->of[p->count].next = place + 1;
    p->of[p->count].dropped = false;
    p->count++;
    s->stats.split++;
}

static weft_status sieve_pass(reference *r, size_t place, party *p, facts *f)
{
    sieve_state *s = &r->line[place];
    bool touched = sieve_touches(r->seed, s->instance, f->number);
    s->stats.seen++;
    if (touched && s->sieve.twist == TWIST_DROP) {
        s->stats.dropped++;
        return WEFT_DROPPED;
    }
    if (touched && s->sieve.twist == TWIST_REFUSE) {
        s->stats.refused++;
        return WEFT_REFUSED;
    }
    if (touched && s->sieve.twist == TWIST_SPLIT)
        sieve_split(r, s, p, place);
    if (s->sieve.twist == TWIST_RAISE)
        f->priority = WEFT_PRIORITY_CRITICAL;
    if (s->sieve.twist == TWIST_MOVE)
        f->session = "s2";
    s->stats.passed++;
    return WEFT_OK;
}

static weft_status line_pass(reference *r, party *p, size_t which)
{
    for (size_t i = p->of[which].next; i < r->line_count; i++) {
        facts *f = &p->of[which].facts;
        uint32_t topic = (uint32_t)weft_event_topic(&(weft_event){.type = f->type});
        if (r->line[i].sieve.topics != 0 && (r->line[i].sieve.topics & topic) == 0)
            continue;
        weft_status status = sieve_pass(r, i, p, f);
        if (status != WEFT_OK)
            return status;
    }
    return WEFT_OK;
}

/* Returns OK or the status that refuses all of them. */
static weft_status party_sift(reference *r, party *p)
{
    for (size_t i = 0; i < p->count; i++) {
        weft_status status = line_pass(r, p, i);
        p->of[i].dropped = status == WEFT_DROPPED;
        r->stats.dropped_interceptor += status == WEFT_DROPPED;
        if (status != WEFT_OK && status != WEFT_DROPPED) {
            r->stats.refused_interceptor++;
            return status;
        }
    }
    return WEFT_OK;
}

void reference_intercept(reference *r)
{
    unsigned instance = r->sieves++;
    sieve s = sieve_of(r->seed, instance);
    size_t place = r->line_count++;
    for (; place > 0 && r->line[place - 1].sieve.order > s.order; place--)
        r->line[place] = r->line[place - 1];
    r->line[place] = (sieve_state){.sieve = s, .instance = instance, .stats.order = s.order};
}

void reference_interceptor_remove(reference *r, size_t place)
{
    r->line_count--;
    memmove(&r->line[place], &r->line[place + 1], (r->line_count - place) * sizeof *r->line);
}

/* ---- publish ---- */

/* Who was or may have been listed when the call began, in the order of subscribing. */
typedef struct audience {
    size_t count;
    unsigned of[INSTANCES_MAX];
} audience;

static void audience_now(const reference *r, audience *a)
{
    a->count = 0;
    for (unsigned i = 0; i < r->instances; i++)
        if (r->members[i]->listed || r->members[i]->leaving)
            a->of[a->count++] = i;
}

/* Of one that has ended since the call began, a predicate may have been asked before; and a one-shot may be listed
 * until its handler has returned. */
static bool wants(reference *r, const member *m, const facts *f)
{
    if (!plan_wants(&m->plan, f))
        return false;
    bool unsure = !m->listed && (m->plan.once || m->plan.divisor != 0);
    r->unsure += unsure;
    return !unsure;
}

static void deliver(reference *r, const facts *f, const audience *a, unsigned depth)
{
    bool matched = false;
    r->stats.by_type[f->type]++;
    if ((uint32_t)weft_schema_of(f->type)->topic & (uint32_t)WEFT_TOPICS_DURABLE)
        r->history[r->history_count++] = f->number;
    for (size_t i = 0; i < a->count; i++) {
        const member *m = r->members[a->of[i]];
        if (m->plan.flavour == FLAVOUR_INLINE || !wants(r, m, f))
            continue;
        matched = true;
        if (m->listed)
            put(r, a->of[i], f);
        else
            r->stats.dropped_unsubscribed++;
    }
    for (size_t i = 0; i < a->count; i++) {
        const member *m = r->members[a->of[i]];
        if (m->plan.flavour != FLAVOUR_INLINE || !wants(r, m, f))
            continue;
        matched = true;
        handle(r, a->of[i], f, depth);
    }
    r->stats.unmatched += !matched;
}

static void party_deliver(reference *r, const party *p, const audience *a, unsigned depth)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->of[i].dropped)
            continue;
        r->stats.published++;
        r->stats.split += i > 0;
        deliver(r, &p->of[i].facts, a, depth);
    }
}

static weft_status publish(reference *r, unsigned depth)
{
    party *p = malloc(sizeof *p);
    audience a;
    if (p == NULL)
        abort();
    p->count = 1;
    p->of[0].facts = facts_next(r, WEFT_ORIGIN_LOCAL);
    p->of[0].next = 0;
    trace_add(&r->trace, "publish", p->of[0].facts.number, 0, 0);
    audience_now(r, &a);
    weft_status status = WEFT_OK;
    if (r->stopped) {
        r->stats.refused_stopped++;
        status = WEFT_STOPPED;
    } else if (!rules_allow(r, &p->of[0].facts)) {
        r->stats.refused_rate++;
        status = WEFT_RATE_LIMITED;
    } else {
        rules_take(r, &p->of[0].facts);
        status = party_sift(r, p);
        if (status == WEFT_OK)
            party_deliver(r, p, &a, depth);
    }
    free(p);
    return status;
}

void reference_publish(reference *r, unsigned depth)
{
    weft_status status = publish(r, depth);
    trace_add(&r->trace, "published", (uint64_t)status, 0, 0);
}

void reference_deliver(reference *r)
{
    audience a;
    facts f = facts_next(r, WEFT_ORIGIN_REMOTE);
    trace_add(&r->trace, "deliver", f.number, 0, 0);
    audience_now(r, &a);
    if (!r->stopped) {
        r->stats.delivered_remote++;
        deliver(r, &f, &a, 0);
    } else {
        r->stats.refused_stopped++;
    }
    trace_add(&r->trace, "delivered", r->stopped ? WEFT_STOPPED : WEFT_OK, 0, 0);
}

/* ---- subscriptions ---- */

void reference_subscribe(reference *r, unsigned slot)
{
    bool taken = r->slots[slot] >= 0 && r->members[r->slots[slot]]->listed;
    if (taken || r->instances == INSTANCES_MAX)
        return;
    member *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    m->plan = plan_of(r->seed, r->instances);
    m->listed = true;
    m->paused = m->plan.paused;
    trace_add(&r->trace, "subscribe", slot, r->instances, 0);
    r->slots[slot] = (int)r->instances;
    r->members[r->instances++] = m;
}

void reference_unsubscribe(reference *r, int instance)
{
    member *m = r->members[instance];
    trace_add(&r->trace, "unsubscribe", (uint64_t)instance, WEFT_OK, 0);
    m->listed = false;
    m->unsubscribed = true;
    r->stats.dropped_unsubscribed += member_empty(m);
}

void reference_pause(reference *r, int instance)
{
    trace_add(&r->trace, "pause", (uint64_t)instance, WEFT_OK, 0);
    r->members[instance]->paused = true;
}

/* What waits will go by priority alone. */
static void lanes_align(member *m)
{
    for (int lane = LANES - 1; lane >= 0; lane--)
        for (size_t i = 0; i < m->lanes[lane].count; i++)
            m->lanes[lane].items[i].place = m->put++;
}

static void resume(member *m)
{
    if (m->paused)
        lanes_align(m);
    m->paused = false;
    m->suspended = false;
    m->failures = 0;
}

void reference_resume(reference *r, int instance)
{
    trace_add(&r->trace, "resume", (uint64_t)instance, WEFT_OK, 0);
    resume(r->members[instance]);
}

/* ---- the rest ---- */

static void redeliver(reference *r, size_t place)
{
    letter one = r->letters[place];
    member *m = r->members[one.instance];
    reference_forget(r, place);
    if (m->suspended)
        resume(m);
    if (m->plan.flavour != FLAVOUR_INLINE)
        put(r, one.instance, &one.facts);
    else if (expired(r, &one.facts))
        r->stats.expired++;
    else
        handle(r, one.instance, &one.facts, 0);
}

void reference_redeliver(reference *r, size_t place)
{
    weft_status status = WEFT_OK;
    if (r->stopped)
        status = WEFT_STOPPED;
    else if (!r->members[r->letters[place].instance]->listed)
        status = WEFT_NOT_FOUND;
    else
        redeliver(r, place);
    trace_add(&r->trace, "redelivered", (uint64_t)status, 0, 0);
}

static size_t member_stop(member *m)
{
    m->told_unsure = m->told_unsure || m->untold > 0;
    return member_empty(m);
}

uint64_t reference_stop(reference *r)
{
    uint64_t dropped = 0;
    for (unsigned i = 0; i < r->instances; i++)
        dropped += member_stop(r->members[i]);
    r->stopped = true;
    r->stats.dropped_stopped += dropped;
    return dropped;
}

void reference_reset(reference *r)
{
    r->stats = (weft_dispatcher_stats){0};
    r->unsure = 0;
    r->history_count = 0;
    r->letter_count = 0;
    for (unsigned i = 0; i < r->instances; i++) {
        member *m = r->members[i];
        m->handled = m->errors = m->dropped_overflow = m->skipped_paused = m->dead_letters = m->expired = 0;
    }
}
