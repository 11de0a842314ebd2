/* Subscriptions that pause: inline ones pass events over, queued ones keep them. */
#include "support/core/bus.h"

static const weft_filter sessions = {.topics = WEFT_TOPIC_SESSION};
static const weft_subscribe_opts queued = {.queued = true};
static const weft_dispatcher_opts one_worker = {.workers = 1};

/* ---- inline ---- */

static void paused_inline_passes_events_over(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0}, other = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.paused = true}, take, &t);
    bus_subscribe(bus, NULL, NULL, take, &other);
    CU_ASSERT(bus_stats_of(bus, sub).paused);
    bus_publish_each(bus, 1, 2);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).paused);
    bus_publish(bus, 3);
    CU_ASSERT_EQUAL(weft_subscription_pause(bus, sub), WEFT_OK);
    CU_ASSERT(bus_stats_of(bus, sub).paused);
    bus_publish(bus, 4);
    taker_check(&t, NUMBERS(3));
    CU_ASSERT_EQUAL(other.count, 4);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).skipped_paused, 3);
    CU_ASSERT_EQUAL(bus_stats(bus).skipped_paused, 3);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 5);
    weft_dispatcher_destroy(bus);
}

static void paused_once_waits_for_an_event_after_resuming(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.once = true, .paused = true}, take, &t);
    bus_publish(bus, 1);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_publish_each(bus, 2, 3);
    taker_check(&t, NUMBERS(2));
    weft_dispatcher_destroy(bus);
}

static void pausing_what_has_ended_is_not_found(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_subscription_pause(bus, sub), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_subscription_pause(bus, (weft_subscription){0}), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(bus);
}

/* ---- queued ---- */

typedef struct watched {
    weft_dispatcher *bus;
    weft_subscription sub;
    unsigned count; /* events to wait for */
} watched;

static bool so_many_wait(void *user)
{
    watched *w = user;
    return bus_stats_of(w->bus, w->sub).queue_depth == w->count && bus_stats_of(w->bus, w->sub).running == 0;
}

static void await_waiting(weft_dispatcher *bus, weft_subscription sub, unsigned count)
{
    CU_ASSERT(suite_wait(so_many_wait, &(watched){bus, sub, count}, PATIENCE_MS));
}

static void paused_queued_keeps_what_its_mailbox_holds(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0}, other = {0};
    weft_subscribe_opts opts = {.queued = true, .paused = true, .queue_max = 4, .on_lost = take_lost};
    weft_subscription sub = bus_subscribe(bus, NULL, &opts, take, &t);
    bus_subscribe(bus, NULL, &queued, take, &other);
    bus_publish_each(bus, 1, 6);
    CU_ASSERT(taker_await(&other, 6));
    CU_ASSERT_EQUAL(t.begun, 0);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).queue_depth, 4);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dropped_overflow, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).skipped_paused, 0);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_publish(bus, 7);
    bus_settle(bus);
    CU_ASSERT_EQUAL(t.begun + t.lost, 7);
    CU_ASSERT_EQUAL(t.lost, bus_stats_of(bus, sub).dropped_overflow);
    weft_dispatcher_destroy(bus);
}

static void pausing_puts_back_what_a_worker_has_in_hand(void)
{
    gate busy = GATE_CLOSED, held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&one_worker);
    taker blocker = {.held = &busy}, t = {.held = &held};
    weft_subscription sub = bus_subscribe(bus, &sessions, &queued, take, &t);
    bus_hold_worker(bus, &blocker);
    bus_publish_each(bus, 1, 5);
    gate_open(&busy);
    CU_ASSERT(gate_await(&held, 1));
    CU_ASSERT_EQUAL(weft_subscription_pause(bus, sub), WEFT_OK);
    gate_open(&held);
    await_waiting(bus, sub, 4);
    CU_ASSERT_EQUAL(t.begun, 1);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_settle(bus);
    taker_check(&t, NUMBERS(1, 2, 3, 4, 5));
    weft_dispatcher_destroy(bus);
}

/* The mailbox has filled up behind what the worker has taken out of it. */
static void pausing_puts_back_into_a_full_mailbox(void)
{
    gate busy = GATE_CLOSED, held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&one_worker);
    taker blocker = {.held = &busy}, t = {.held = &held};
    weft_subscribe_opts opts = {.queued = true, .queue_max = 16};
    weft_subscription sub = bus_subscribe(bus, &sessions, &opts, take, &t);
    bus_hold_worker(bus, &blocker);
    bus_publish_each(bus, 1, 16);
    gate_open(&busy);
    CU_ASSERT(gate_await(&held, 1));
    bus_publish_each(bus, 17, 32);
    CU_ASSERT_EQUAL(weft_subscription_pause(bus, sub), WEFT_OK);
    gate_open(&held);
    await_waiting(bus, sub, 31);
    CU_ASSERT_EQUAL(t.begun, 1);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_settle(bus);
    CU_ASSERT_EQUAL(t.count, 32);
    for (unsigned i = 0; i < 32; i++)
        CU_ASSERT_EQUAL(t.taken[i], i + 1);
    weft_dispatcher_destroy(bus);
}

typedef struct pauser {
    weft_dispatcher *bus;
    weft_subscription sub;
    taker taker;
} pauser;

static weft_status pause_itself_at_10(const weft_event *event, void *user)
{
    pauser *p = user;
    if (event->session_mutation.seq == 10)
        CU_ASSERT_EQUAL(weft_subscription_pause(p->bus, p->sub), WEFT_OK);
    return take(event, &p->taker);
}

/* The worker does not stay with a mailbox that it may not take from. */
static void a_busy_mailbox_that_is_paused_leaves_the_worker_to_others(void)
{
    gate busy = GATE_CLOSED;
    taker blocker = {.held = &busy}, other = {0};
    pauser p = {.bus = bus_create(&one_worker)};
    p.sub = bus_subscribe(p.bus, &sessions, &queued, pause_itself_at_10, &p);
    bus_hold_worker(p.bus, &blocker);
    bus_publish_each(p.bus, 1, 20);
    gate_open(&busy);
    await_waiting(p.bus, p.sub, 10);
    bus_subscribe(p.bus, &(weft_filter){.topics = WEFT_TOPIC_AGENT}, &queued, take, &other);
    CU_ASSERT_EQUAL(weft_publish(p.bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT(taker_await(&other, 1));
    CU_ASSERT_EQUAL(p.taker.count, 10);
    CU_ASSERT_EQUAL(weft_subscription_resume(p.bus, p.sub), WEFT_OK);
    CU_ASSERT(taker_await(&p.taker, 20));
    weft_dispatcher_destroy(p.bus);
}

static void stop_does_not_wait_for_what_is_paused(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true, .paused = true}, take, &t);
    uint64_t undelivered = 0;
    bus_publish_each(bus, 1, 3);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, &undelivered), WEFT_TIMEOUT);
    CU_ASSERT_EQUAL(undelivered, 3);
    CU_ASSERT_EQUAL(bus_stats(bus).dropped_stopped, 3);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    bus_publish(bus, 4);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_settle(bus);
    taker_check(&t, NUMBERS(4));
    weft_dispatcher_destroy(bus);
}

SUITE(core_pause, CASE(paused_inline_passes_events_over), CASE(paused_once_waits_for_an_event_after_resuming),
      CASE(pausing_what_has_ended_is_not_found), CASE(paused_queued_keeps_what_its_mailbox_holds),
      CASE(pausing_puts_back_what_a_worker_has_in_hand), CASE(pausing_puts_back_into_a_full_mailbox),
      CASE(a_busy_mailbox_that_is_paused_leaves_the_worker_to_others), CASE(stop_does_not_wait_for_what_is_paused))
