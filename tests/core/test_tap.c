#include "weft/tap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "core/dispatcher_private.h"
#include "support/fake_clock.h"
#include "support/gate.h"
#include "support/suite.h"

enum { NOW_MS = 1000000, PATIENCE_MS = 20000 };

static const weft_event usage = {.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m"}};

typedef struct tap {
    weft_status verdict;
    gate *held; /* NULL: accepts at once */
    atomic_int accepted;
    atomic_int told;
    atomic_bool finished;
    _Atomic uint32_t topics;
    gate *telling_held; /* NULL: takes note at once */
    atomic_int telling; /* calls of interest_changed that run */
    atomic_int most_telling;
} tap;

static weft_status tap_accept(void *user, weft_event *event)
{
    tap *t = user;
    if (t->held != NULL)
        CU_ASSERT(gate_pass(t->held));
    event->id = (weft_event_id){.node = "host-a", .epoch = 5, .seq = (uint64_t)++t->accepted};
    t->finished = true;
    return t->verdict;
}

static void tap_interest_changed(void *user, uint32_t topics)
{
    tap *t = user;
    int telling = atomic_fetch_add(&t->telling, 1) + 1;
    if (telling > t->most_telling)
        t->most_telling = telling;
    if (t->telling_held != NULL)
        CU_ASSERT(gate_pass(t->telling_held));
    sched_yield();
    t->topics = topics;
    t->told++;
    t->telling--;
}

static const weft_tap_ops ops = {.accept = tap_accept, .interest_changed = tap_interest_changed};

typedef struct taker {
    atomic_int calls;
    weft_event_id id;
    weft_lost lost;
    int lost_calls;
    int calls_before_lost;
} taker;

static weft_status take(const weft_event *event, void *user)
{
    taker *t = user;
    t->id = event->id;
    t->calls++;
    return WEFT_OK;
}

static void take_lost(const weft_lost *lost, void *user)
{
    taker *t = user;
    t->lost = *lost;
    t->calls_before_lost = t->calls;
    t->lost_calls++;
}

static weft_dispatcher *bus_create(const weft_dispatcher_opts *opts)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(opts, &bus), WEFT_OK);
    return bus;
}

static weft_subscription subscribe(weft_dispatcher *bus, weft_filter filter, taker *t, bool queued)
{
    weft_subscription sub = {0};
    weft_subscribe_opts opts = {.queued = queued, .on_lost = take_lost};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, &filter, &opts, take, t, &sub), WEFT_OK);
    return sub;
}

static weft_dispatcher_stats stats_of(weft_dispatcher *bus)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    return stats;
}

/* ---- outgoing ---- */

static void takes_an_event_before_anybody_sees_it(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.history_max = 4});
    tap t = {0};
    taker inline_ = {0}, queued = {0};
    subscribe(bus, (weft_filter){0}, &inline_, false);
    subscribe(bus, (weft_filter){0}, &queued, true);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(t.accepted, 1);
    CU_ASSERT_EQUAL(inline_.id.seq, 1);
    CU_ASSERT_EQUAL(queued.id.seq, 1);
    CU_ASSERT_STRING_EQUAL(queued.id.node, "host-a");
    const weft_event *kept = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_history_find(bus, NULL, &kept, 1), 1);
    CU_ASSERT_EQUAL(kept->id.epoch, 5);
    weft_event_release(kept);
    CU_ASSERT_EQUAL(usage.id.seq, 0);
    weft_dispatcher_destroy(bus);
}

static void what_it_refuses_nobody_sees(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.history_max = 4});
    tap t = {.verdict = WEFT_NO_SPACE};
    taker taker_ = {0};
    const weft_event *kept = NULL;
    subscribe(bus, (weft_filter){0}, &taker_, false);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(taker_.calls, 0);
    CU_ASSERT_EQUAL(weft_history_find(bus, NULL, &kept, 1), 0);
    CU_ASSERT_EQUAL(stats_of(bus).refused_bridge, 1);
    CU_ASSERT_EQUAL(stats_of(bus).published, 0);
    t.verdict = WEFT_OK;
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 1);
    weft_dispatcher_destroy(bus);
}

static void is_not_offered_what_is_no_event(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {0};
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){0}), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 0, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_STOPPED);
    CU_ASSERT_EQUAL(weft_tap_publish_taken(bus, &usage), WEFT_STOPPED);
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &usage), WEFT_STOPPED);
    CU_ASSERT_EQUAL(t.accepted, 0);
    CU_ASSERT_EQUAL(stats_of(bus).refused_stopped, 3);
    weft_dispatcher_destroy(bus);
}

static void taken_events_are_local_and_not_offered_again(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {0};
    taker local = {0}, remote = {0};
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_LOCAL}, &local, false);
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_REMOTE}, &remote, false);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    weft_event event = usage;
    event.id = (weft_event_id){.node = "host-a", .epoch = 5, .seq = 9};
    CU_ASSERT_EQUAL(weft_tap_publish_taken(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(t.accepted, 0);
    CU_ASSERT_EQUAL(local.id.seq, 9);
    CU_ASSERT_EQUAL(remote.calls, 0);
    CU_ASSERT_EQUAL(stats_of(bus).published, 1);
    weft_dispatcher_destroy(bus);
}

static void only_one_attaches(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap first = {0}, second = {0};
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &first), WEFT_OK);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &second), WEFT_EXISTS);
    weft_tap_detach(bus);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &second), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(first.accepted, 0);
    CU_ASSERT_EQUAL(second.accepted, 1);
    weft_tap_detach(bus);
    weft_tap_detach(bus);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(second.accepted, 1);
    weft_dispatcher_destroy(bus);
}

static void *publish_usage(void *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    return NULL;
}

static bool somebody_waits(void *bus)
{
    return atomic_load(&((weft_dispatcher *)bus)->slots.waiters) != 0;
}

static void *detach(void *bus)
{
    weft_tap_detach(bus);
    return NULL;
}

static void detach_waits_for_the_running_call(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {.held = &held};
    pthread_t publisher, detacher;
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&publisher, NULL, publish_usage, bus), 0);
    CU_ASSERT(gate_await(&held, 1));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&detacher, NULL, detach, bus), 0);
    CU_ASSERT(suite_wait(somebody_waits, bus, PATIENCE_MS));
    gate_open(&held);
    pthread_join(detacher, NULL);
    CU_ASSERT(t.finished);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(bus);
}

/* ---- interest ---- */

static void hears_what_is_wanted_from_other_hosts(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {0};
    taker taker_ = {0};
    weft_event_type start[] = {WEFT_AGENT_START};
    subscribe(bus, (weft_filter){.topics = WEFT_TOPIC_COST}, &taker_, false);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL(t.told, 1);
    CU_ASSERT_EQUAL(t.topics, WEFT_TOPIC_COST);
    subscribe(bus, (weft_filter){.topics = WEFT_TOPIC_LLM, .origin = WEFT_ORIGIN_LOCAL}, &taker_, false);
    weft_subscription again = subscribe(bus, (weft_filter){.topics = WEFT_TOPIC_COST}, &taker_, true);
    CU_ASSERT_EQUAL(t.told, 1);
    weft_filter by_type = {.types = start, .type_count = 1, .origin = WEFT_ORIGIN_REMOTE};
    weft_subscription agents = subscribe(bus, by_type, &taker_, false);
    CU_ASSERT_EQUAL(t.told, 2);
    CU_ASSERT_EQUAL(t.topics, WEFT_TOPIC_COST | WEFT_TOPIC_AGENT);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, agents), WEFT_OK);
    CU_ASSERT_EQUAL(t.told, 3);
    CU_ASSERT_EQUAL(t.topics, WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, again), WEFT_OK);
    CU_ASSERT_EQUAL(t.told, 3);
    weft_dispatcher_destroy(bus);
}

static void hears_on_attach_that_nothing_is_wanted(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {.topics = 77};
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    CU_ASSERT_EQUAL(t.told, 1);
    CU_ASSERT_EQUAL(t.topics, 0);
    weft_tap_detach(bus);
    taker taker_ = {0};
    subscribe(bus, (weft_filter){0}, &taker_, false);
    CU_ASSERT_EQUAL(t.told, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct churn {
    weft_dispatcher *bus;
    tap *tap;
    uint32_t topic;
} churn;

/* Whatever the others do meanwhile: when subscribe has returned the tap knows of it. */
static void *subscribe_and_check(void *user)
{
    churn *c = user;
    taker taker_ = {0};
    for (int i = 0; i < 300; i++) {
        weft_subscription sub = subscribe(c->bus, (weft_filter){.topics = c->topic}, &taker_, false);
        CU_ASSERT((c->tap->topics & c->topic) != 0);
        CU_ASSERT_EQUAL(weft_unsubscribe(c->bus, sub), WEFT_OK);
        CU_ASSERT((c->tap->topics & c->topic) == 0);
    }
    return NULL;
}

static void knows_before_subscribe_returns(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {0};
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    churn churns[] = {{bus, &t, WEFT_TOPIC_COST}, {bus, &t, WEFT_TOPIC_LLM}, {bus, &t, WEFT_TOPIC_TOOL}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, subscribe_and_check, &churns[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(t.topics, 0);
    CU_ASSERT_EQUAL(t.most_telling, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct attaching {
    weft_dispatcher *bus;
    tap *tap;
} attaching;

static void *attach(void *user)
{
    attaching *a = user;
    CU_ASSERT_EQUAL(weft_tap_attach(a->bus, &ops, a->tap), WEFT_OK);
    return NULL;
}

static void *detach_and_check(void *user)
{
    attaching *a = user;
    weft_tap_detach(a->bus);
    CU_ASSERT_EQUAL(a->tap->telling, 0);
    return NULL;
}

static bool is_detached(void *bus)
{
    return atomic_load(&((weft_dispatcher *)bus)->tap_id) == 0;
}

static void detach_waits_for_the_note_being_taken(void)
{
    gate held = GATE_CLOSED;
    tap t = {.telling_held = &held};
    attaching a = {.bus = bus_create(NULL), .tap = &t};
    pthread_t attacher, detacher;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&attacher, NULL, attach, &a), 0);
    CU_ASSERT(gate_await(&held, 1));
    CU_ASSERT_EQUAL_FATAL(pthread_create(&detacher, NULL, detach_and_check, &a), 0);
    CU_ASSERT(suite_wait(is_detached, a.bus, PATIENCE_MS));
    gate_open(&held);
    pthread_join(detacher, NULL);
    pthread_join(attacher, NULL);
    CU_ASSERT_EQUAL(t.told, 1);
    weft_dispatcher_destroy(a.bus);
}

/* ---- incoming ---- */

static void delivers_remote_events(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    tap t = {0};
    taker local = {0}, remote = {0}, queued = {0}, other_node = {0};
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_LOCAL}, &local, false);
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_REMOTE, .node = "host-b"}, &remote, false);
    subscribe(bus, (weft_filter){0}, &queued, true);
    subscribe(bus, (weft_filter){.node = "host-c"}, &other_node, false);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &t), WEFT_OK);
    weft_event event = usage;
    event.id = (weft_event_id){.node = "host-b", .epoch = 1, .seq = 3};
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    const weft_event *kept = weft_event_keep(&event);
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, kept), WEFT_OK);
    weft_event_release(kept);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(t.accepted, 0);
    CU_ASSERT_EQUAL(local.calls, 0);
    CU_ASSERT_EQUAL(remote.calls, 2);
    CU_ASSERT_EQUAL(remote.id.seq, 3);
    CU_ASSERT_EQUAL(queued.calls, 2);
    CU_ASSERT_EQUAL(other_node.calls, 0);
    CU_ASSERT_EQUAL(stats_of(bus).delivered_remote, 2);
    CU_ASSERT_EQUAL(stats_of(bus).published, 0);
    CU_ASSERT_EQUAL(stats_of(bus).by_type[WEFT_TOKEN_USAGE], 2);
    weft_dispatcher_destroy(bus);
}

/* Events that are given out one after the other; `between` runs before each. */
typedef struct supply {
    weft_dispatcher *bus;
    const weft_event *events[4];
    size_t given;
    void (*between)(struct supply *s);
    void *user;
} supply;

static const weft_event *supply_next(void *user)
{
    supply *s = user;
    if (s->given > 0)
        weft_event_release(s->events[s->given - 1]);
    if (s->given == sizeof s->events / sizeof *s->events)
        return NULL;
    if (s->between != NULL)
        s->between(s);
    return s->events[s->given++];
}

static supply supply_of(weft_dispatcher *bus, const weft_event *event)
{
    supply s = {.bus = bus};
    for (size_t i = 0; i < sizeof s.events / sizeof *s.events; i++) {
        weft_event one = *event;
        one.id = (weft_event_id){.node = "host-b", .epoch = 1, .seq = i + 1};
        s.events[i] = weft_event_keep(&one);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s.events[i]);
    }
    return s;
}

static void delivers_one_remote_event_after_the_other(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker local = {0}, remote = {0}, queued = {0};
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_LOCAL}, &local, false);
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_REMOTE, .node = "host-b"}, &remote, false);
    subscribe(bus, (weft_filter){0}, &queued, true);
    supply s = supply_of(bus, &usage);
    CU_ASSERT_EQUAL(weft_tap_deliver_each(bus, supply_next, &s), WEFT_OK);
    CU_ASSERT_EQUAL(remote.calls, 4);
    CU_ASSERT_EQUAL(remote.id.seq, 4);
    CU_ASSERT_EQUAL(stats_of(bus).delivered_remote, 4);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(queued.calls, 4);
    CU_ASSERT_EQUAL(local.calls, 0);
    s = supply_of(bus, &usage);
    CU_ASSERT_EQUAL(weft_tap_deliver_each(bus, supply_next, &s), WEFT_STOPPED);
    CU_ASSERT_EQUAL(remote.calls, 4);
    CU_ASSERT_EQUAL(stats_of(bus).refused_stopped, 4);
    weft_dispatcher_destroy(bus);
}

typedef struct first_call {
    weft_dispatcher *bus;
    taker later;
    weft_subscription own;
    int calls;
} first_call;

static weft_status subscribe_another(const weft_event *event, void *user)
{
    first_call *f = user;
    (void)event;
    if (f->calls++ == 0)
        subscribe(f->bus, (weft_filter){0}, &f->later, false);
    else
        CU_ASSERT_EQUAL(weft_unsubscribe(f->bus, f->own), WEFT_OK);
    return WEFT_OK;
}

static void each_event_finds_the_subscriptions_of_its_moment(void)
{
    first_call f = {.bus = bus_create(NULL)};
    CU_ASSERT_EQUAL(weft_subscribe(f.bus, &(weft_filter){0}, subscribe_another, &f, &f.own), WEFT_OK);
    supply s = supply_of(f.bus, &usage);
    CU_ASSERT_EQUAL(weft_tap_deliver_each(f.bus, supply_next, &s), WEFT_OK);
    CU_ASSERT_EQUAL(f.calls, 2);
    CU_ASSERT_EQUAL(f.later.calls, 3);
    weft_dispatcher_destroy(f.bus);
}

static void clock_goes_on(supply *s)
{
    if (s->given == 2)
        fake_clock_advance(s->user, 5101);
}

static void each_event_expires_at_its_own_moment(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    taker taker_ = {0};
    subscribe(bus, (weft_filter){0}, &taker_, false);
    weft_event event = usage;
    event.ttl_ms = 100;
    event.accepted_ms = NOW_MS;
    supply s = supply_of(bus, &event);
    s.between = clock_goes_on;
    s.user = &clock;
    CU_ASSERT_EQUAL(weft_tap_deliver_each(bus, supply_next, &s), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 2);
    CU_ASSERT_EQUAL(stats_of(bus).expired, 2);
    weft_dispatcher_destroy(bus);
}

typedef struct farewell {
    weft_dispatcher *bus;
    weft_subscription sub;
    gate *held;
    atomic_bool gone;
    atomic_int calls;
} farewell;

static weft_status wait_at_first(const weft_event *event, void *user)
{
    farewell *f = user;
    (void)event;
    if (f->calls++ == 0)
        CU_ASSERT(gate_pass(f->held));
    return WEFT_OK;
}

static void *unsubscribe_meanwhile(void *user)
{
    farewell *f = user;
    CU_ASSERT(gate_await(f->held, 1));
    CU_ASSERT_EQUAL(weft_unsubscribe(f->bus, f->sub), WEFT_OK);
    f->gone = true;
    return NULL;
}

static bool is_gone(void *user)
{
    return ((farewell *)user)->gone;
}

static void await_farewell(supply *s)
{
    if (s->given == 1)
        CU_ASSERT(suite_wait(is_gone, s->user, PATIENCE_MS));
}

static void *gate_open_late(void *user)
{
    farewell *f = user;
    CU_ASSERT(suite_wait(somebody_waits, f->bus, PATIENCE_MS));
    gate_open(f->held);
    return NULL;
}

static void who_unsubscribes_waits_for_one_event_only(void)
{
    gate held = GATE_CLOSED;
    farewell f = {.bus = bus_create(NULL), .held = &held};
    CU_ASSERT_EQUAL(weft_subscribe(f.bus, &(weft_filter){0}, wait_at_first, &f, &f.sub), WEFT_OK);
    supply s = supply_of(f.bus, &usage);
    s.between = await_farewell;
    s.user = &f;
    pthread_t leaver, opener;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&opener, NULL, gate_open_late, &f), 0);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&leaver, NULL, unsubscribe_meanwhile, &f), 0);
    CU_ASSERT_EQUAL(weft_tap_deliver_each(f.bus, supply_next, &s), WEFT_OK);
    pthread_join(leaver, NULL);
    pthread_join(opener, NULL);
    CU_ASSERT_EQUAL(f.calls, 1);
    weft_dispatcher_destroy(f.bus);
}

static void remote_events_expire_with_some_allowance_for_clocks(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    CU_ASSERT_PTR_EQUAL(weft_tap_clock(bus), &clock.clock);
    taker taker_ = {0};
    subscribe(bus, (weft_filter){0}, &taker_, false);
    weft_event event = usage;
    event.ttl_ms = 100;
    event.accepted_ms = NOW_MS - 5100;
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 1);
    event.accepted_ms--;
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 1);
    event.ttl_ms = UINT64_MAX;
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 2);
    CU_ASSERT_EQUAL(stats_of(bus).expired, 1);
    CU_ASSERT_EQUAL(stats_of(bus).delivered_remote, 2);
    weft_dispatcher_destroy(bus);
}

/* ---- losses ---- */

static void losses_reach_those_who_could_have_got_the_events(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker cost = {0}, tool = {0}, local = {0}, same_node = {0}, other_node = {0};
    subscribe(bus, (weft_filter){.topics = WEFT_TOPIC_COST}, &cost, false);
    subscribe(bus, (weft_filter){.topics = WEFT_TOPIC_TOOL}, &tool, false);
    subscribe(bus, (weft_filter){.origin = WEFT_ORIGIN_LOCAL}, &local, false);
    subscribe(bus, (weft_filter){.node = "host-b"}, &same_node, false);
    subscribe(bus, (weft_filter){.node = "host-c"}, &other_node, false);
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, take, &tool, NULL), WEFT_OK);
    weft_lost lost = {"host-b", 7, WEFT_TOPIC_COST, 3, 5, 3, WEFT_LOST_RETENTION};
    CU_ASSERT_EQUAL(weft_tap_report_lost(bus, &lost), WEFT_OK);
    CU_ASSERT_EQUAL(cost.lost_calls, 1);
    CU_ASSERT_EQUAL(cost.lost.to_seq, 5);
    CU_ASSERT_EQUAL(cost.lost.reason, WEFT_LOST_RETENTION);
    CU_ASSERT_EQUAL(same_node.lost_calls, 1);
    CU_ASSERT_EQUAL(tool.lost_calls + local.lost_calls + other_node.lost_calls, 0);
    weft_dispatcher_destroy(bus);
}

static weft_status take_when_open(const weft_event *event, void *user)
{
    CU_ASSERT(gate_pass(user));
    (void)event;
    return WEFT_OK;
}

/* A subscription that blocks the only worker keeps both mails in the other's mailbox until the record's owner is gone.
 */
static void a_queued_subscription_hears_of_losses_in_order(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.workers = 1});
    taker taker_ = {0};
    weft_subscribe_opts queued = {.queued = true};
    CU_ASSERT_EQUAL(weft_subscribe_with(bus, NULL, &queued, take_when_open, &held, NULL), WEFT_OK);
    subscribe(bus, (weft_filter){0}, &taker_, true);
    char node[] = "host-b";
    weft_lost lost = {.node = node, .topic = WEFT_TOPIC_COST, .count = 2, .reason = WEFT_LOST_UNREACHABLE};
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &usage), WEFT_OK);
    CU_ASSERT(gate_await(&held, 1));
    CU_ASSERT_EQUAL(weft_tap_report_lost(bus, &lost), WEFT_OK);
    memset(node, 'x', 6);
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &usage), WEFT_OK);
    gate_open(&held);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(taker_.calls, 2);
    CU_ASSERT_EQUAL(taker_.lost_calls, 1);
    CU_ASSERT_EQUAL(taker_.calls_before_lost, 1);
    CU_ASSERT_EQUAL(taker_.lost.count, 2);
    weft_dispatcher_destroy(bus);
}

static void every_reason_has_a_name(void)
{
    CU_ASSERT_STRING_EQUAL(weft_lost_reason_name(WEFT_LOST_RETENTION), "retention");
    CU_ASSERT_STRING_EQUAL(weft_lost_reason_name(WEFT_LOST_TOO_LARGE), "too_large");
    CU_ASSERT_STRING_EQUAL(weft_lost_reason_name(WEFT_LOST_UNREACHABLE), "unreachable");
    CU_ASSERT_STRING_EQUAL(weft_lost_reason_name((weft_lost_reason)99), "unspecified");
}

SUITE(core_tap, CASE(takes_an_event_before_anybody_sees_it), CASE(what_it_refuses_nobody_sees),
      CASE(is_not_offered_what_is_no_event), CASE(taken_events_are_local_and_not_offered_again),
      CASE(only_one_attaches), CASE(detach_waits_for_the_running_call), CASE(hears_what_is_wanted_from_other_hosts),
      CASE(hears_on_attach_that_nothing_is_wanted), CASE(knows_before_subscribe_returns),
      CASE(detach_waits_for_the_note_being_taken), CASE(delivers_remote_events),
      CASE(delivers_one_remote_event_after_the_other), CASE(each_event_finds_the_subscriptions_of_its_moment),
      CASE(each_event_expires_at_its_own_moment), CASE(who_unsubscribes_waits_for_one_event_only),
      CASE(remote_events_expire_with_some_allowance_for_clocks), CASE(losses_reach_those_who_could_have_got_the_events),
      CASE(a_queued_subscription_hears_of_losses_in_order), CASE(every_reason_has_a_name))
