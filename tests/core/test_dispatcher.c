#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/dispatcher_private.h"
#include "support/fake_clock.h"
#include "support/gate.h"
#include "support/suite.h"
#include "weft/dispatcher.h"

enum { NOW_MS = 1000000, PATIENCE_MS = 20000 };

static const weft_event usage = {.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m"}};
static const weft_event tool_start = {.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "t"}};

static weft_dispatcher *bus_create(void)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    return bus;
}

static weft_dispatcher_stats stats_of(weft_dispatcher *bus)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    return stats;
}

static weft_status count_call(const weft_event *event, void *user)
{
    (void)event;
    atomic_fetch_add((atomic_int *)user, 1);
    return WEFT_OK;
}

static weft_status fail(const weft_event *event, void *user)
{
    (void)event;
    (void)user;
    return WEFT_FAILED;
}

static weft_subscription subscribe(weft_dispatcher *bus, const weft_filter *filter, weft_handler_fn handler, void *user)
{
    weft_subscription sub = {0};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, filter, handler, user, &sub), WEFT_OK);
    return sub;
}

/* ---- delivering ---- */

static void delivers_to_those_who_want_it(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int cost = 0, tool = 0, all = 0;
    subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_COST}, count_call, &cost);
    subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_TOOL}, count_call, &tool);
    subscribe(bus, NULL, count_call, &all);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &tool_start), WEFT_OK);
    CU_ASSERT_EQUAL(cost, 2);
    CU_ASSERT_EQUAL(tool, 1);
    CU_ASSERT_EQUAL(all, 3);
    weft_dispatcher_destroy(bus);
}

static weft_status copy_event(const weft_event *event, void *user)
{
    *(weft_event *)user = *event;
    return WEFT_OK;
}

static void stamps_the_time_of_acceptance(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&(weft_dispatcher_opts){.clock = &clock.clock}, &bus), WEFT_OK);
    weft_event seen = {0}, event = usage;
    subscribe(bus, NULL, copy_event, &seen);
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(seen.accepted_ms, NOW_MS);
    CU_ASSERT_EQUAL(seen.timestamp_ms, NOW_MS);
    event.timestamp_ms = 17;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(seen.timestamp_ms, 17);
    CU_ASSERT_EQUAL(event.accepted_ms, 0);
    weft_dispatcher_destroy(bus);
}

static void refuses_what_is_no_event(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){0}), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_publish(bus, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(calls, 0);
    CU_ASSERT_EQUAL(stats_of(bus).refused_invalid, 2);
    CU_ASSERT_EQUAL(stats_of(bus).published, 0);
    weft_dispatcher_destroy(bus);
}

static void refuses_bad_subscriptions(void)
{
    weft_dispatcher *bus = bus_create();
    weft_subscription sub = {77};
    atomic_int calls = 0;
    CU_ASSERT_EQUAL(weft_subscribe(bus, NULL, NULL, NULL, &sub), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_subscribe(bus, &(weft_filter){.topics = 1}, count_call, &calls, &sub), WEFT_INVALID);
    weft_subscribe_opts opts = {.overflow = (weft_overflow)9};
    CU_ASSERT_EQUAL(weft_subscribe_with(bus, NULL, &opts, count_call, &calls, &sub), WEFT_INVALID);
    CU_ASSERT_EQUAL(sub.id, 77);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    weft_dispatcher_destroy(bus);
}

static void a_failing_handler_touches_nobody_else(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    weft_subscription failing = subscribe(bus, NULL, fail, NULL);
    subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(calls, 1);
    weft_subscription_stats stats;
    CU_ASSERT_EQUAL_FATAL(weft_subscription_get_stats(bus, failing, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(stats.errors, 1);
    CU_ASSERT_EQUAL(stats.handled, 0);
    CU_ASSERT_EQUAL(stats_of(bus).handler_errors, 1);
    CU_ASSERT_EQUAL(stats_of(bus).handled, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct nesting {
    weft_dispatcher *bus;
    int depth;
    int calls;
} nesting;

static weft_status publish_deeper(const weft_event *event, void *user)
{
    nesting *n = user;
    n->calls++;
    if (n->depth-- > 0)
        CU_ASSERT_EQUAL(weft_publish(n->bus, event), WEFT_OK);
    return WEFT_OK;
}

/* Deep enough to need more slots than there are at first. */
static void handlers_may_publish_inside_one_another(void)
{
    nesting n = {.bus = bus_create(), .depth = WEFT_PUBLISH_DEPTH_MAX - 1};
    subscribe(n.bus, NULL, publish_deeper, &n);
    CU_ASSERT_EQUAL(weft_publish(n.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(n.calls, WEFT_PUBLISH_DEPTH_MAX);
    CU_ASSERT_EQUAL(stats_of(n.bus).published, WEFT_PUBLISH_DEPTH_MAX);
    CU_ASSERT_EQUAL(stats_of(n.bus).by_type[WEFT_TOKEN_USAGE], WEFT_PUBLISH_DEPTH_MAX);
    weft_dispatcher_destroy(n.bus);
}

static weft_status publish_for_ever(const weft_event *event, void *user)
{
    nesting *n = user;
    n->calls++;
    return weft_publish(n->bus, event);
}

static void publishing_without_end_inside_oneself_is_refused(void)
{
    nesting n = {.bus = bus_create()};
    subscribe(n.bus, NULL, publish_for_ever, &n);
    CU_ASSERT_EQUAL(weft_publish(n.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(n.calls, WEFT_PUBLISH_DEPTH_MAX);
    CU_ASSERT_EQUAL(stats_of(n.bus).refused_nested, 1);
    CU_ASSERT_EQUAL(stats_of(n.bus).handler_errors, 1);
    CU_ASSERT_EQUAL(weft_publish(n.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(n.calls, 2 * WEFT_PUBLISH_DEPTH_MAX);
    weft_dispatcher_destroy(n.bus);
}

static weft_status subscribe_one_more(const weft_event *event, void *user)
{
    (void)event;
    nesting *n = user;
    n->calls++;
    return weft_subscribe(n->bus, NULL, subscribe_one_more, user, NULL);
}

static void a_subscription_made_in_a_handler_begins_with_the_next_event(void)
{
    nesting n = {.bus = bus_create()};
    subscribe(n.bus, NULL, subscribe_one_more, &n);
    CU_ASSERT_EQUAL(weft_publish(n.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(n.calls, 1);
    CU_ASSERT_EQUAL(weft_publish(n.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(n.calls, 3);
    weft_dispatcher_destroy(n.bus);
}

/* ---- unsubscribing ---- */

static void a_stale_id_is_harmless(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    weft_subscription first = subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, first), WEFT_OK);
    weft_subscription second = subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_NOT_EQUAL(first.id, second.id);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, first), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, (weft_subscription){0}), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(calls, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct partner {
    weft_dispatcher *bus;
    weft_subscription self, other;
    gate *entered;
    atomic_int calls;
    atomic_bool finished;
    weft_status status;
} partner;

static weft_status unsubscribe_self(const weft_event *event, void *user)
{
    partner *p = user;
    p->calls++;
    CU_ASSERT_EQUAL(weft_unsubscribe(p->bus, p->self), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(p->bus, event), WEFT_OK);
    return WEFT_OK;
}

static void may_unsubscribe_itself(void)
{
    partner p = {.bus = bus_create()};
    p.self = subscribe(p.bus, NULL, unsubscribe_self, &p);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(p.calls, 1);
    CU_ASSERT_EQUAL(stats_of(p.bus).unmatched, 2);
    CU_ASSERT_EQUAL(stats_of(p.bus).subscriptions, 0);
    weft_dispatcher_destroy(p.bus);
}

static weft_status unsubscribe_other(const weft_event *event, void *user)
{
    (void)event;
    partner *p = user;
    return weft_unsubscribe(p->bus, p->other);
}

static void ends_a_later_handler_of_the_same_event(void)
{
    partner p = {.bus = bus_create()};
    atomic_int calls = 0;
    subscribe(p.bus, NULL, unsubscribe_other, &p);
    p.other = subscribe(p.bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(calls, 0);
    CU_ASSERT_EQUAL(stats_of(p.bus).dropped_unsubscribed, 1);
    weft_dispatcher_destroy(p.bus);
}

static void *publish_usage(void *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    return NULL;
}

static void *publish_tool(void *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &tool_start), WEFT_OK);
    return NULL;
}

static pthread_t start(void *(*run)(void *), void *user)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, user), 0);
    return thread;
}

static weft_status wait_in_handler(const weft_event *event, void *user)
{
    (void)event;
    partner *p = user;
    CU_ASSERT(gate_pass(p->entered));
    p->finished = true;
    return WEFT_OK;
}

static bool is_unlisted(void *bus)
{
    return stats_of(bus).subscriptions == 0;
}

/* Lets the handler go once the subscription has vanished: by then unsubscribe is on its way. */
static void *open_when_unlisted(void *user)
{
    partner *p = user;
    CU_ASSERT(suite_wait(is_unlisted, p->bus, PATIENCE_MS));
    CU_ASSERT(!p->finished);
    gate_open(p->entered);
    return NULL;
}

static void unsubscribe_waits_for_the_running_handler(void)
{
    gate entered = GATE_CLOSED;
    partner p = {.bus = bus_create(), .entered = &entered};
    p.self = subscribe(p.bus, NULL, wait_in_handler, &p);
    pthread_t publisher = start(publish_usage, p.bus);
    CU_ASSERT(gate_await(&entered, 1));
    pthread_t opener = start(open_when_unlisted, &p);
    CU_ASSERT_EQUAL(weft_unsubscribe(p.bus, p.self), WEFT_OK);
    CU_ASSERT(p.finished);
    pthread_join(opener, NULL);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(p.bus);
}

static bool somebody_waits(void *bus)
{
    return atomic_load(&((weft_dispatcher *)bus)->slots.waiters) != 0;
}

static weft_status unsubscribe_self_and_wait(const weft_event *event, void *user)
{
    partner *p = user;
    CU_ASSERT_EQUAL(weft_unsubscribe(p->bus, p->self), WEFT_OK);
    return wait_in_handler(event, user);
}

static void *unsubscribe_again(void *user)
{
    partner *p = user;
    p->status = weft_unsubscribe(p->bus, p->self);
    CU_ASSERT(p->finished);
    return NULL;
}

static void unsubscribe_of_an_ended_id_waits_too(void)
{
    gate entered = GATE_CLOSED;
    partner p = {.bus = bus_create(), .entered = &entered};
    p.self = subscribe(p.bus, NULL, unsubscribe_self_and_wait, &p);
    pthread_t publisher = start(publish_usage, p.bus);
    CU_ASSERT(gate_await(&entered, 1));
    pthread_t again = start(unsubscribe_again, &p);
    CU_ASSERT(suite_wait(somebody_waits, p.bus, PATIENCE_MS));
    gate_open(&entered);
    pthread_join(again, NULL);
    CU_ASSERT_EQUAL(p.status, WEFT_NOT_FOUND);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(p.bus);
}

static weft_status meet_and_unsubscribe_other(const weft_event *event, void *user)
{
    (void)event;
    partner *p = user;
    p->calls++;
    CU_ASSERT(gate_pass(p->entered));
    p->status = weft_unsubscribe(p->bus, p->other);
    return WEFT_OK;
}

static void *publish_agent(void *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    return NULL;
}

enum { RING_MAX = 3 };

/* Each thread is inside a handler that ends the next one's subscription: somebody must not wait. */
static void unsubscribe_in_a_ring(int members)
{
    static const uint32_t topics[RING_MAX] = {WEFT_TOPIC_COST, WEFT_TOPIC_TOOL, WEFT_TOPIC_AGENT};
    static void *(*const publishers[RING_MAX])(void *) = {publish_usage, publish_tool, publish_agent};
    gate met = GATE_CLOSED;
    weft_dispatcher *bus = bus_create();
    partner ring[RING_MAX];
    pthread_t threads[RING_MAX];
    for (int i = 0; i < members; i++) {
        ring[i] = (partner){.bus = bus, .entered = &met};
        ring[i].self = subscribe(bus, &(weft_filter){.topics = topics[i]}, meet_and_unsubscribe_other, &ring[i]);
    }
    for (int i = 0; i < members; i++)
        ring[i].other = ring[(i + 1) % members].self;
    for (int i = 0; i < members; i++)
        threads[i] = start(publishers[i], bus);
    CU_ASSERT(gate_await(&met, (unsigned)members));
    gate_open(&met);
    for (int i = 0; i < members; i++) {
        pthread_join(threads[i], NULL);
        publishers[i](bus);
    }
    for (int i = 0; i < members; i++) {
        CU_ASSERT_EQUAL(ring[i].status, WEFT_OK);
        CU_ASSERT_EQUAL(ring[i].calls, 1);
    }
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    weft_dispatcher_destroy(bus);
}

static void handlers_that_unsubscribe_each_other_all_end(void)
{
    for (int round = 0; round < 20; round++) {
        unsubscribe_in_a_ring(2);
        unsubscribe_in_a_ring(3);
    }
}

/* A handler of B ends A while another thread is inside A: the call waits, for that one and not for itself. */
static void a_handler_waits_for_the_other_thread_it_unsubscribes(void)
{
    gate entered = GATE_CLOSED;
    weft_dispatcher *bus = bus_create();
    partner a = {.bus = bus, .entered = &entered};
    partner b = {.bus = bus};
    b.other = subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_COST}, wait_in_handler, &a);
    subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_TOOL}, unsubscribe_other, &b);
    pthread_t publisher = start(publish_usage, bus);
    CU_ASSERT(gate_await(&entered, 1));
    pthread_t unsubscriber = start(publish_tool, bus);
    CU_ASSERT(suite_wait(somebody_waits, bus, PATIENCE_MS));
    gate_open(&entered);
    pthread_join(unsubscriber, NULL);
    CU_ASSERT(a.finished);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(bus);
}

/* ---- stopping ---- */

static void refuses_publish_after_stop(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    uint64_t undelivered = 77;
    subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 1000, &undelivered), WEFT_OK);
    CU_ASSERT_EQUAL(undelivered, 0);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_STOPPED);
    CU_ASSERT_EQUAL(calls, 0);
    CU_ASSERT_EQUAL(stats_of(bus).refused_stopped, 1);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 1000, NULL), WEFT_OK);
    weft_dispatcher_destroy(bus);
}

static void start_accepts_again(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    subscribe(bus, NULL, count_call, &calls);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 1000, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(calls, 1);
    weft_dispatcher_destroy(bus);
}

static weft_status stop_in_handler(const weft_event *event, void *user)
{
    (void)event;
    partner *p = user;
    p->status = weft_dispatcher_stop(p->bus, 0, NULL);
    return WEFT_OK;
}

static void a_handler_cannot_stop_the_dispatcher(void)
{
    partner p = {.bus = bus_create()};
    subscribe(p.bus, NULL, stop_in_handler, &p);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(p.status, WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &usage), WEFT_OK);
    weft_dispatcher_destroy(p.bus);
}

static bool is_refusing(void *bus)
{
    return weft_publish(bus, &tool_start) == WEFT_STOPPED;
}

static void *open_when_refusing(void *user)
{
    partner *p = user;
    CU_ASSERT(suite_wait(is_refusing, p->bus, PATIENCE_MS));
    CU_ASSERT_EQUAL(weft_dispatcher_start(p->bus), WEFT_STOPPED);
    gate_open(p->entered);
    return NULL;
}

static void stop_waits_for_running_inline_handlers(void)
{
    gate entered = GATE_CLOSED;
    partner p = {.bus = bus_create(), .entered = &entered};
    subscribe(p.bus, &(weft_filter){.topics = WEFT_TOPIC_COST}, wait_in_handler, &p);
    pthread_t publisher = start(publish_usage, p.bus);
    CU_ASSERT(gate_await(&entered, 1));
    pthread_t opener = start(open_when_refusing, &p);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(p.bus, 0, NULL), WEFT_OK);
    CU_ASSERT(p.finished);
    pthread_join(opener, NULL);
    pthread_join(publisher, NULL);
    weft_dispatcher_destroy(p.bus);
}

/* ---- statistics ---- */

static void counts_by_type_and_what_nobody_wanted(void)
{
    weft_dispatcher *bus = bus_create();
    atomic_int calls = 0;
    subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_COST}, count_call, &calls);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &tool_start), WEFT_OK);
    weft_dispatcher_stats stats = stats_of(bus);
    CU_ASSERT_EQUAL(stats.published, 4);
    CU_ASSERT_EQUAL(stats.handled, 3);
    CU_ASSERT_EQUAL(stats.unmatched, 1);
    CU_ASSERT_EQUAL(stats.by_type[WEFT_TOKEN_USAGE], 3);
    CU_ASSERT_EQUAL(stats.by_type[WEFT_TOOL_CALL_START], 1);
    CU_ASSERT_EQUAL(stats.subscriptions, 1);
    weft_dispatcher_destroy(bus);
}

static weft_status take_2_ms(const weft_event *event, void *user)
{
    (void)event;
    fake_clock_advance(user, 2);
    return WEFT_OK;
}

static void knows_each_subscription(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&(weft_dispatcher_opts){.clock = &clock.clock}, &bus), WEFT_OK);
    weft_subscription sub;
    weft_subscription_stats stats;
    weft_subscribe_opts opts = {.name = "cost guard"};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, NULL, &opts, take_2_ms, &clock, &sub), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(stats.last_event_ms, 0);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &tool_start), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(stats.name, "cost guard");
    CU_ASSERT_FALSE(stats.queued);
    CU_ASSERT_EQUAL(stats.handled, 2);
    CU_ASSERT_EQUAL(stats.last_type, WEFT_TOOL_CALL_START);
    CU_ASSERT_EQUAL(stats.last_event_ms, NOW_MS + 2);
    CU_ASSERT_EQUAL(stats.handler_timed, 2);
    CU_ASSERT_EQUAL(stats.handler_ns, 4000000);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(bus);
}

static void a_long_name_is_cut_between_characters(void)
{
    weft_dispatcher *bus = bus_create();
    weft_subscription sub;
    weft_subscription_stats stats;
    char name[80];
    memset(name, 'a', sizeof name);
    memcpy(name + 62, "\xC3\xA9z", 4);
    weft_subscribe_opts opts = {.name = name};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, NULL, &opts, fail, NULL, &sub), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(strlen(stats.name), 62);
    weft_dispatcher_destroy(bus);
}

static void refuses_absurd_options(void)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL(weft_dispatcher_create(&(weft_dispatcher_opts){.workers = 1000}, &bus), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(bus);
    weft_dispatcher_destroy(NULL);
}

SUITE(core_dispatcher, CASE(delivers_to_those_who_want_it), CASE(stamps_the_time_of_acceptance),
      CASE(refuses_what_is_no_event), CASE(refuses_bad_subscriptions), CASE(a_failing_handler_touches_nobody_else),
      CASE(handlers_may_publish_inside_one_another), CASE(publishing_without_end_inside_oneself_is_refused),
      CASE(a_subscription_made_in_a_handler_begins_with_the_next_event), CASE(a_stale_id_is_harmless),
      CASE(may_unsubscribe_itself), CASE(ends_a_later_handler_of_the_same_event),
      CASE(unsubscribe_waits_for_the_running_handler), CASE(unsubscribe_of_an_ended_id_waits_too),
      CASE(handlers_that_unsubscribe_each_other_all_end), CASE(a_handler_waits_for_the_other_thread_it_unsubscribes),
      CASE(refuses_publish_after_stop), CASE(start_accepts_again), CASE(a_handler_cannot_stop_the_dispatcher),
      CASE(stop_waits_for_running_inline_handlers), CASE(counts_by_type_and_what_nobody_wanted),
      CASE(knows_each_subscription), CASE(a_long_name_is_cut_between_characters), CASE(refuses_absurd_options))
