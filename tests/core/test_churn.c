/* Subscriptions that come and go by the hundred thousand while threads publish; stopping and destroying under load. */
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/core/bus.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
enum { COMING = 10000, ROUNDS = 10 };
#else
enum { COMING = 100000, BOUND = 65536, ROUNDS = 50 };
#endif

enum { PUBLISHERS = 4, BURST = 64, CROWD = 2000, SESSIONS = 64, MEMORY_SLACK_BYTES = 2 * 1024 * 1024 };
enum { NOT_YET, ALIVE, USED, ENDED };

/* ---- publishers ---- */

typedef struct publishers {
    weft_dispatcher *bus;
    pthread_t threads[PUBLISHERS];
    sem_t bursts; /* that may be published; the last ones with done */
    atomic_bool done;
    _Atomic uint64_t published;
    atomic_uint refused;
} publishers;

static const char *session_name(unsigned number, char name[16])
{
    (void)snprintf(name, 16, "s%u", number % SESSIONS);
    return name;
}

static weft_status publish_one(publishers *p, unsigned number)
{
    char name[16];
    weft_event event = numbered(number);
    event.session_id = session_name(number, name);
    weft_status status = weft_publish(p->bus, &event);
    atomic_fetch_add(&p->published, status == WEFT_OK);
    atomic_fetch_add(&p->refused, status != WEFT_OK);
    return status;
}

static void *publish_bursts(void *user)
{
    publishers *p = user;
    for (unsigned i = 0; sem_wait(&p->bursts) == 0 && !p->done;)
        for (unsigned end = i + BURST; i < end; i++)
            (void)publish_one(p, i);
    return NULL;
}

static void *publish_until_stopped(void *user)
{
    publishers *p = user;
    for (unsigned i = 0; publish_one(p, i) != WEFT_STOPPED; i++)
        continue;
    return NULL;
}

static void publishers_start(publishers *p, weft_dispatcher *bus, void *(*run)(void *))
{
    *p = (publishers){.bus = bus};
    CU_ASSERT_EQUAL_FATAL(sem_init(&p->bursts, 0, 0), 0);
    for (int i = 0; i < PUBLISHERS; i++)
        p->threads[i] = thread_start(run, p);
}

/* As many bursts as there are publishers, whoever takes them. */
static void publishers_go(publishers *p)
{
    for (int i = 0; i < PUBLISHERS; i++)
        (void)sem_post(&p->bursts);
}

static void publishers_join(publishers *p)
{
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(p->threads[i], NULL);
    sem_destroy(&p->bursts);
}

static bool are_out_of_bursts(void *user)
{
    int left = 1;
    return sem_getvalue(&((publishers *)user)->bursts, &left) == 0 && left == 0;
}

static void publishers_end(publishers *p)
{
    CU_ASSERT(suite_wait(are_out_of_bursts, p, PATIENCE_MS));
    p->done = true;
    publishers_go(p);
    publishers_join(p);
    CU_ASSERT_EQUAL(p->refused, 0);
}

static bool many_are_published(void *user)
{
    return atomic_load(&((publishers *)user)->published) >= 1000;
}

/* ---- a crowd ---- */

typedef struct member {
    weft_subscription sub;
    atomic_int state;
    bool once;
} member;

static member members[COMING];
static _Atomic uint64_t calls;
static atomic_uint broken; /* calls before or after a member's life, or a second one of a one-shot */

/* Now and then it gives way to whoever ends it. */
static weft_status member_call(const weft_event *event, void *user)
{
    member *m = user;
    (void)event;
    int state = ALIVE;
    bool alive = m->once ? atomic_compare_exchange_strong(&m->state, &state, USED) : atomic_load(&m->state) == ALIVE;
    if (atomic_fetch_add(&calls, 1) % BURST == 0)
        (void)sched_yield();
    atomic_fetch_add(&broken, !alive || atomic_load(&m->state) == ENDED);
    return WEFT_OK;
}

/* Half of them want a session that comes, the others what never comes, and each something else. */
static void member_come(weft_dispatcher *bus, unsigned number)
{
    member *m = &members[number];
    char session[16], agent[16];
    weft_filter filter = {.session_id = session_name(number / 2, session)};
    if (number % 2 != 0) {
        (void)snprintf(agent, sizeof agent, "a%u", number);
        filter.agent_id = agent;
    }
    weft_subscribe_opts opts = {.queued = number % 16 == 0, .queue_max = 4, .once = number % 16 == 2};
    m->once = opts.once;
    atomic_store(&m->state, ALIVE);
    m->sub = bus_subscribe(bus, &filter, &opts, member_call, m);
}

static void member_go(weft_dispatcher *bus, unsigned number)
{
    member *m = &members[number];
    weft_status status = weft_unsubscribe(bus, m->sub);
    CU_ASSERT(status == WEFT_OK || (m->once && status == WEFT_NOT_FOUND));
    atomic_store(&m->state, ENDED);
}

static void crowd_come_and_go(publishers *p, unsigned count)
{
    weft_dispatcher *bus = p->bus;
    for (unsigned i = 0; i < count; i++) {
        if (i % BURST == 0)
            publishers_go(p);
        member_come(bus, i);
        if (i >= CROWD)
            member_go(bus, i - CROWD);
    }
    for (unsigned i = count > CROWD ? count - CROWD : 0; i < count; i++)
        member_go(bus, i);
}

static size_t memory_used(void)
{
#ifdef SANITIZED
    return 0;
#else
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

/* What a thread, or a dispatcher at its largest, needs for good is there after the first time, but for blocks of events
 * that threads hold ready. */
static void hundred_thousand_come_and_go(void)
{
    publishers p;
    taker witness = {0};
    weft_dispatcher *bus = bus_create(NULL);
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &witness);
    size_t used = 0, used_now = 0;
    uint64_t published = 0;
    for (unsigned count = CROWD; count <= COMING; count += COMING - CROWD) {
        used = used_now;
        publishers_start(&p, bus, publish_bursts);
        crowd_come_and_go(&p, count);
        publishers_end(&p);
        bus_settle(bus);
        published += p.published;
        used_now = memory_used();
        CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, 1);
    }
    CU_ASSERT_EQUAL(broken, 0);
    CU_ASSERT(calls > 0);
    CU_ASSERT(used_now <= used + MEMORY_SLACK_BYTES);
    CU_ASSERT_EQUAL(witness.count, published);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).handled, published);
    CU_ASSERT_EQUAL(bus_stats(bus).published, published);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, published + calls);
    CU_ASSERT_EQUAL(bus_stats(bus).handler_errors + bus_stats(bus).unmatched, 0);
    weft_dispatcher_destroy(bus);
}

/* ---- the bound ---- */

#ifdef SANITIZED
static void at_the_bound_no_more_may_come_until_one_goes(void)
{
    suite_skip("it takes a minute with a sanitizer");
}
#else
typedef struct replacer {
    weft_dispatcher *bus;
    weft_subscription *subs;
    unsigned count, failed;
} replacer;

static weft_status do_nothing(const weft_event *event, void *user)
{
    (void)event;
    (void)user;
    return WEFT_OK;
}

/* What this very publish still reads does not stand in the way of new ones. */
static weft_status replace_some(const weft_event *event, void *user)
{
    replacer *r = user;
    (void)event;
    for (unsigned i = 0; i < r->count; i++) {
        r->failed += weft_unsubscribe(r->bus, r->subs[i]) != WEFT_OK;
        r->failed += weft_subscribe(r->bus, NULL, do_nothing, NULL, &r->subs[i]) != WEFT_OK;
    }
    return WEFT_OK;
}

static void at_the_bound_no_more_may_come_until_one_goes(void)
{
    static weft_subscription subs[BOUND];
    publishers p;
    weft_dispatcher *bus = bus_create(NULL);
    weft_filter costs = {.topics = WEFT_TOPIC_COST}, agents = {.topics = WEFT_TOPIC_AGENT};
    replacer r = {.bus = bus, .subs = subs, .count = 100};
    bus_subscribe(bus, &agents, NULL, replace_some, &r);
    publishers_start(&p, bus, publish_bursts);
    for (unsigned i = 0; i + 1 < BOUND; i++) {
        if (i % BURST == 0)
            publishers_go(&p);
        subs[i] = bus_subscribe(bus, &costs, NULL, do_nothing, NULL);
    }
    publishers_end(&p);
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, do_nothing, NULL, NULL), WEFT_FULL);
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, BOUND);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT_EQUAL(r.failed, 0);
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, do_nothing, NULL, NULL), WEFT_FULL);
    for (unsigned i = 0; i < BOUND / 16; i++)
        CU_ASSERT_EQUAL(weft_unsubscribe(bus, subs[i * 16]), WEFT_OK);
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, BOUND - BOUND / 16);
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, do_nothing, NULL, NULL), WEFT_OK);
    weft_dispatcher_destroy(bus);
}
#endif

static void one_event_ends_thousands_of_one_shots(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    for (int i = 0; i < CROWD; i++)
        bus_subscribe(bus, NULL, &(weft_subscribe_opts){.once = true}, take, &t);
    bus_publish_each(bus, 1, 2);
    CU_ASSERT_EQUAL(t.count, CROWD);
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, 0);
    CU_ASSERT_EQUAL(bus_stats(bus).unmatched, 1);
    weft_dispatcher_destroy(bus);
}

/* ---- stopping, destroying ---- */

static void stop_and_check(publishers *p, taker *inline_, taker *queued)
{
    CU_ASSERT(suite_wait(many_are_published, p, PATIENCE_MS));
    CU_ASSERT_EQUAL(weft_dispatcher_stop(p->bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(inline_->inside + queued->inside, 0);
    unsigned handled = inline_->count, handled_later = queued->count;
    publishers_join(p);
    CU_ASSERT_EQUAL(p->refused, PUBLISHERS);
    CU_ASSERT_EQUAL(p->published, handled);
    CU_ASSERT_EQUAL(inline_->count, handled);
    CU_ASSERT_EQUAL(queued->count, handled_later);
    CU_ASSERT_EQUAL(queued->count + queued->lost, handled);
    CU_ASSERT_EQUAL(bus_stats(p->bus).published, handled);
    CU_ASSERT_EQUAL(bus_stats(p->bus).refused_stopped, PUBLISHERS);
    CU_ASSERT_EQUAL(bus_stats(p->bus).handled, handled + handled_later);
}

static void when_stop_returns_no_handler_runs_and_all_is_accounted_for(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        publishers p;
        taker inline_ = {0}, queued = {0};
        weft_dispatcher *bus = bus_create(NULL);
        weft_subscribe_opts opts = {.queued = true, .queue_max = 8, .on_lost = take_lost};
        bus_subscribe(bus, NULL, NULL, take, &inline_);
        bus_subscribe(bus, NULL, &opts, take, &queued);
        publishers_start(&p, bus, publish_until_stopped);
        stop_and_check(&p, &inline_, &queued);
        CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
        bus_publish(bus, 1);
        weft_dispatcher_destroy(bus);
    }
}

static void destroying_ends_what_runs_and_drops_what_waits(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        publishers p;
        taker takers[8] = {0};
        weft_dispatcher *bus = bus_create(NULL);
        for (int i = 0; i < 8; i++)
            bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true}, take, &takers[i]);
        publishers_start(&p, bus, publish_bursts);
        for (int i = 0; i < 8; i++)
            publishers_go(&p);
        publishers_end(&p);
        weft_dispatcher_destroy(bus);
        for (int i = 0; i < 8; i++)
            CU_ASSERT_EQUAL(takers[i].inside, 0);
    }
}

static void *publish_and_end(void *bus)
{
    bus_publish_each(bus, 1, 20);
    return NULL;
}

static void *make_and_break(void *user)
{
    (void)user;
    for (int i = 0; i < ROUNDS; i++) {
        taker t = {0};
        weft_dispatcher *bus = bus_create(NULL);
        bus_subscribe(bus, NULL, NULL, take, &t);
        pthread_t thread = thread_start(publish_and_end, bus);
        bus_publish(bus, 1);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(t.count, 21);
        weft_dispatcher_destroy(bus);
    }
    return NULL;
}

static void dispatchers_and_threads_come_and_go(void)
{
    pthread_t threads[PUBLISHERS];
    for (int i = 0; i < PUBLISHERS; i++)
        threads[i] = thread_start(make_and_break, NULL);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(threads[i], NULL);
}

SUITE(core_churn, CASE(hundred_thousand_come_and_go), CASE(at_the_bound_no_more_may_come_until_one_goes),
      CASE(one_event_ends_thousands_of_one_shots), CASE(when_stop_returns_no_handler_runs_and_all_is_accounted_for),
      CASE(destroying_ends_what_runs_and_drops_what_waits), CASE(dispatchers_and_threads_come_and_go))
