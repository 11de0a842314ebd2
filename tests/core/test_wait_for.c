/* Waiting for an event. */
#include "request_rig.h"

#include <pthread.h>

typedef struct waiting {
    weft_dispatcher *bus;
    weft_filter filter;
    weft_status status;
    const weft_event *event;
} waiting;

static void *wait_on_thread(void *arg)
{
    waiting *w = arg;
    w->status = weft_wait_for(w->bus, &w->filter, PATIENCE_MS, &w->event);
    return NULL;
}

static bool somebody_subscribed(void *user)
{
    return stats_of(user).subscriptions > 0;
}

static void waits_for_the_next_event_that_passes(void)
{
    weft_dispatcher *bus = bus_create();
    waiting w = {.bus = bus, .filter = {.session_id = "s2"}};
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_on_thread, &w), 0);
    CU_ASSERT(suite_wait(somebody_subscribed, bus, PATIENCE_MS));
    CU_ASSERT_EQUAL(weft_publish(bus, &question), WEFT_OK);
    weft_event wanted = question;
    wanted.session_id = "s2";
    CU_ASSERT_EQUAL(weft_publish(bus, &wanted), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &question), WEFT_OK);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(w.status, WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.event);
    CU_ASSERT_STRING_EQUAL(w.event->session_id, "s2");
    CU_ASSERT(w.event->accepted_ms > 0);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    weft_event_release(w.event);
    weft_dispatcher_destroy(bus);
}

static void a_wait_in_vain_times_out(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *event = &question;
    CU_ASSERT_EQUAL(weft_wait_for(bus, NULL, 0, &event), WEFT_TIMEOUT);
    CU_ASSERT_EQUAL(weft_wait_for(bus, NULL, SHORT_MS, &event), WEFT_TIMEOUT);
    CU_ASSERT_PTR_EQUAL(event, &question);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    weft_dispatcher_destroy(bus);
}

static void nobody_waits_on_a_stopped_dispatcher(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *event = NULL;
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 0, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_wait_for(bus, NULL, PATIENCE_MS, &event), WEFT_STOPPED);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    CU_ASSERT_EQUAL(weft_wait_for(bus, NULL, 0, &event), WEFT_TIMEOUT);
    weft_dispatcher_destroy(bus);
}

static void a_wait_for_what_cannot_be_is_refused(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *event = NULL;
    CU_ASSERT_EQUAL(weft_wait_for(bus, &(weft_filter){.topics = 1}, PATIENCE_MS, &event), WEFT_INVALID);
    weft_dispatcher_destroy(bus);
}

SUITE(core_wait_for, CASE(waits_for_the_next_event_that_passes), CASE(a_wait_in_vain_times_out),
      CASE(nobody_waits_on_a_stopped_dispatcher), CASE(a_wait_for_what_cannot_be_is_refused))
