/* What the options of a subscription promise: once, concurrency; and in which order priorities come. */
#include "support/core/bus.h"

enum { PUBLISHERS = 4, ROUNDS = 200, RACES = 6000, LATE_MAX = 600 };

static const weft_filter sessions = {.topics = WEFT_TOPIC_SESSION};
static const weft_subscribe_opts queued = {.queued = true};
static const weft_dispatcher_opts one_worker = {.workers = 1};

static bool is_listed(weft_dispatcher *bus, weft_subscription sub)
{
    weft_subscription found = {0};
    return weft_subscription_list(bus, (weft_subscription){sub.id - 1}, &found, 1) == 1 && found.id == sub.id;
}

/* ---- once ---- */

static void once_ends_with_its_first_event(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription sub = bus_subscribe(bus, &sessions, &(weft_subscribe_opts){.once = true}, take, &t);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT(is_listed(bus, sub));
    bus_publish_each(bus, 1, 3);
    taker_check(&t, NUMBERS(1));
    CU_ASSERT_FALSE(is_listed(bus, sub));
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, 0);
    CU_ASSERT_EQUAL(bus_stats(bus).unmatched, 3);
    weft_subscription_stats stats;
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(bus);
}

typedef struct nested {
    weft_dispatcher *bus;
    taker taker;
} nested;

static weft_status publish_inside(const weft_event *event, void *user)
{
    nested *n = user;
    bus_publish(n->bus, event->session_mutation.seq + 1);
    return take(event, &n->taker);
}

static void once_is_not_called_for_what_it_publishes(void)
{
    nested n = {.bus = bus_create(NULL)};
    bus_subscribe(n.bus, NULL, &(weft_subscribe_opts){.once = true}, publish_inside, &n);
    bus_publish(n.bus, 1);
    taker_check(&n.taker, NUMBERS(1));
    weft_dispatcher_destroy(n.bus);
}

/* What waits behind the event that it takes is dropped, and counted. */
static void once_takes_one_event_of_its_mailbox(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.held = &held};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.once = true, .queued = true}, take, &t);
    bus_publish_each(bus, 1, 2);
    CU_ASSERT(gate_await(&held, 1));
    bus_publish(bus, 3);
    gate_open(&held);
    bus_settle(bus);
    taker_check(&t, NUMBERS(1));
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).dropped_unsubscribed, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, 0);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(bus);
}

typedef struct race {
    weft_dispatcher *bus;
    pthread_barrier_t *line;
    int rounds;
} race;

static void *publish_at_each_line(void *user)
{
    const race *r = user;
    for (int i = 0; i < r->rounds; i++) {
        (void)pthread_barrier_wait(r->line);
        bus_publish(r->bus, 1);
        (void)pthread_barrier_wait(r->line);
    }
    return NULL;
}

static void once_takes_one_event_of_many_publishers(void)
{
    pthread_barrier_t line;
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&line, NULL, PUBLISHERS + 1), 0);
    race r = {.bus = bus_create(NULL), .line = &line, .rounds = ROUNDS};
    pthread_t threads[PUBLISHERS];
    for (int i = 0; i < PUBLISHERS; i++)
        threads[i] = thread_start(publish_at_each_line, &r);
    for (int i = 0; i < ROUNDS; i++) {
        taker inline_ = {0}, late = {0};
        bus_subscribe(r.bus, NULL, &(weft_subscribe_opts){.once = true}, take, &inline_);
        bus_subscribe(r.bus, NULL, &(weft_subscribe_opts){.once = true, .queued = true, .concurrency = 2}, take, &late);
        (void)pthread_barrier_wait(&line);
        (void)pthread_barrier_wait(&line);
        bus_settle(r.bus);
        CU_ASSERT_EQUAL(inline_.count, 1);
        CU_ASSERT_EQUAL(late.count, 1);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(bus_stats(r.bus).subscriptions, 0);
    pthread_barrier_destroy(&line);
    weft_dispatcher_destroy(r.bus);
}

typedef struct meeting {
    atomic_bool off;
    unsigned late; /* turns of a loop that the event comes after the unsubscribe has begun */
} meeting;

static bool come_late(const weft_event *event, void *user)
{
    meeting *m = user;
    (void)event;
    while (!atomic_load(&m->off))
        continue;
    for (unsigned i = 0; i < m->late; i++)
        (void)atomic_load(&m->off);
    return true;
}

/* Whoever comes first ends it; the other one hears so, and it is taken off the list once. */
static void once_ends_by_its_event_or_by_unsubscribing(void)
{
    pthread_barrier_t line;
    CU_ASSERT_EQUAL_FATAL(pthread_barrier_init(&line, NULL, 2), 0);
    race r = {.bus = bus_create(NULL), .line = &line, .rounds = RACES};
    pthread_t publisher = thread_start(publish_at_each_line, &r);
    unsigned broken = 0;
    for (unsigned i = 0; i < RACES; i++) {
        taker t = {0};
        meeting m = {.late = i % LATE_MAX};
        weft_filter filter = {.predicate = come_late, .predicate_user = &m};
        weft_subscription sub = bus_subscribe(r.bus, &filter, &(weft_subscribe_opts){.once = true}, take, &t);
        (void)pthread_barrier_wait(&line);
        atomic_store(&m.off, true);
        bool unsubscribed = weft_unsubscribe(r.bus, sub) == WEFT_OK;
        broken += t.count != (unsubscribed ? 0 : 1);
        (void)pthread_barrier_wait(&line);
        broken += bus_stats(r.bus).subscriptions != 0;
    }
    pthread_join(publisher, NULL);
    CU_ASSERT_EQUAL(broken, 0);
    pthread_barrier_destroy(&line);
    weft_dispatcher_destroy(r.bus);
}

static void *publish_one(void *bus)
{
    bus_publish(bus, 1);
    return NULL;
}

typedef struct unsubscriber {
    weft_dispatcher *bus;
    weft_subscription sub;
    taker *taker;
    weft_status status;
    unsigned inside; /* handlers that still ran when unsubscribe returned */
} unsubscriber;

static void *unsubscribe(void *user)
{
    unsubscriber *u = user;
    u->status = weft_unsubscribe(u->bus, u->sub);
    u->inside = atomic_load(&u->taker->inside);
    return NULL;
}

static void unsubscribing_a_used_one_waits_for_its_handler(void)
{
    gate held = GATE_CLOSED;
    taker t = {.held = &held};
    unsubscriber u = {.bus = bus_create(NULL), .taker = &t};
    u.sub = bus_subscribe(u.bus, NULL, &(weft_subscribe_opts){.once = true}, take, &t);
    pthread_t publisher = thread_start(publish_one, u.bus);
    CU_ASSERT(gate_await(&held, 1));
    CU_ASSERT_FALSE(is_listed(u.bus, u.sub));
    pthread_t thread = thread_start(unsubscribe, &u);
    CU_ASSERT(bus_await_waiter(u.bus));
    gate_open(&held);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(u.status, WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(u.inside, 0);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(u.bus);
}

/* ---- concurrency ---- */

/* That another subscription's event is handled meanwhile shows that there was a worker to be had for a fourth. */
static void so_many_handlers_run_at_once_and_no_more(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.workers = 4});
    taker t = {.held = &held}, other = {0};
    weft_subscription sub =
        bus_subscribe(bus, &sessions, &(weft_subscribe_opts){.queued = true, .concurrency = 3}, take, &t);
    bus_subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_AGENT}, &queued, take, &other);
    bus_publish_each(bus, 1, 8);
    CU_ASSERT(gate_await(&held, 3));
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT(taker_await(&other, 1));
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).running, 3);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).queue_depth, 5);
    gate_open(&held);
    bus_settle(bus);
    CU_ASSERT_EQUAL(t.count, 8);
    CU_ASSERT_EQUAL(t.most_inside, 3);
    weft_dispatcher_destroy(bus);
}

static void unsubscribe_waits_for_all_of_them(void)
{
    gate held = GATE_CLOSED;
    taker t = {.held = &held};
    unsubscriber u = {.bus = bus_create(&(weft_dispatcher_opts){.workers = 3}), .taker = &t};
    u.sub = bus_subscribe(u.bus, NULL, &(weft_subscribe_opts){.queued = true, .concurrency = 3}, take, &t);
    bus_publish_each(u.bus, 1, 5);
    CU_ASSERT(gate_await(&held, 3));
    pthread_t thread = thread_start(unsubscribe, &u);
    CU_ASSERT(bus_await_waiter(u.bus));
    gate_open(&held);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(u.status, WEFT_OK);
    CU_ASSERT_EQUAL(u.inside, 0);
    CU_ASSERT_EQUAL(t.count, 3);
    CU_ASSERT_EQUAL(bus_stats(u.bus).dropped_unsubscribed, 2);
    weft_dispatcher_destroy(u.bus);
}

/* ---- priorities ---- */

static void publish_urgent(weft_dispatcher *bus, uint64_t number, weft_priority priority)
{
    weft_event event = numbered(number);
    event.priority = priority;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
}

static void higher_priorities_come_first_and_equal_ones_in_order(void)
{
    gate busy = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&one_worker);
    taker blocker = {.held = &busy}, t = {0};
    bus_subscribe(bus, &sessions, &queued, take, &t);
    bus_hold_worker(bus, &blocker);
    static const weft_priority priorities[] = {
        WEFT_PRIORITY_LOW,   WEFT_PRIORITY_NORMAL,   WEFT_PRIORITY_CRITICAL, WEFT_PRIORITY_HIGH, WEFT_PRIORITY_LOW,
        WEFT_PRIORITY_UNSET, WEFT_PRIORITY_CRITICAL, WEFT_PRIORITY_NORMAL,   WEFT_PRIORITY_HIGH, WEFT_PRIORITY_UNSET,
    };
    for (uint64_t i = 0; i < sizeof priorities / sizeof *priorities; i++)
        publish_urgent(bus, i + 1, priorities[i]);
    gate_open(&busy);
    bus_settle(bus);
    taker_check(&t, NUMBERS(3, 7, 4, 9, 2, 6, 8, 10, 1, 5));
    weft_dispatcher_destroy(bus);
}

static void an_urgent_event_overtakes_what_a_worker_has_in_hand(void)
{
    gate busy = GATE_CLOSED, held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&one_worker);
    taker blocker = {.held = &busy}, t = {.held = &held};
    bus_subscribe(bus, &sessions, &queued, take, &t);
    bus_hold_worker(bus, &blocker);
    bus_publish_each(bus, 1, 4);
    gate_open(&busy);
    CU_ASSERT(gate_await(&held, 1));
    publish_urgent(bus, 5, WEFT_PRIORITY_LOW);
    publish_urgent(bus, 6, WEFT_PRIORITY_CRITICAL);
    publish_urgent(bus, 7, WEFT_PRIORITY_HIGH);
    bus_publish(bus, 8);
    gate_open(&held);
    bus_settle(bus);
    taker_check(&t, NUMBERS(1, 6, 7, 2, 3, 4, 8, 5));
    weft_dispatcher_destroy(bus);
}

SUITE(core_subscribe_options, CASE(once_ends_with_its_first_event), CASE(once_is_not_called_for_what_it_publishes),
      CASE(once_takes_one_event_of_its_mailbox), CASE(once_takes_one_event_of_many_publishers),
      CASE(once_ends_by_its_event_or_by_unsubscribing), CASE(unsubscribing_a_used_one_waits_for_its_handler),
      CASE(so_many_handlers_run_at_once_and_no_more), CASE(unsubscribe_waits_for_all_of_them),
      CASE(higher_priorities_come_first_and_equal_ones_in_order),
      CASE(an_urgent_event_overtakes_what_a_worker_has_in_hand))
