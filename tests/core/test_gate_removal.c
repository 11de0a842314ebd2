/* Interceptors that come and go while others publish. */
#include "support/core/bus.h"
#include "weft/intercept.h"

static weft_status publish(weft_dispatcher *bus, uint64_t number)
{
    weft_event event = numbered(number);
    return weft_publish(bus, &event);
}

static weft_interceptor attach(weft_dispatcher *bus, int32_t order, weft_intercept_fn intercept, void *user)
{
    weft_interceptor interceptor = {0};
    weft_interceptor_opts opts = {.order = order};
    CU_ASSERT_EQUAL_FATAL(weft_intercept(bus, &opts, intercept, user, &interceptor), WEFT_OK);
    return interceptor;
}

/* Takes the event like a handler, and answers with the taker's verdict. */
static weft_status watch(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    return take(event, user);
}

static void *publish_one(void *bus)
{
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    return NULL;
}

typedef struct remover {
    weft_dispatcher *bus;
    weft_interceptor interceptor;
    taker *taker;
    weft_status status;
    unsigned inside; /* calls that still ran when the removal returned */
} remover;

static void *remove_interceptor(void *user)
{
    remover *r = user;
    r->status = weft_interceptor_remove(r->bus, r->interceptor);
    r->inside = atomic_load(&r->taker->inside);
    return NULL;
}

static void removing_waits_for_a_running_call(void)
{
    gate held = GATE_CLOSED;
    taker t = {.held = &held};
    remover r = {.bus = bus_create(NULL), .taker = &t};
    r.interceptor = attach(r.bus, 0, watch, &t);
    pthread_t publisher = thread_start(publish_one, r.bus);
    CU_ASSERT(gate_await(&held, 1));
    pthread_t thread = thread_start(remove_interceptor, &r);
    CU_ASSERT(bus_await_waiter(r.bus));
    CU_ASSERT_EQUAL(publish(r.bus, 2), WEFT_OK);
    gate_open(&held);
    pthread_join(thread, NULL);
    pthread_join(publisher, NULL);
    CU_ASSERT_EQUAL(r.status, WEFT_OK);
    CU_ASSERT_EQUAL(r.inside, 0);
    taker_check(&t, NUMBERS(1));
    weft_interceptor_stats stats;
    CU_ASSERT_EQUAL(weft_interceptor_get_stats(r.bus, r.interceptor, &stats), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_interceptor_remove(r.bus, r.interceptor), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_interceptor_remove(r.bus, (weft_interceptor){0}), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(r.bus);
}

static weft_status remove_itself(weft_event *event, weft_stage *stage, void *user)
{
    remover *r = user;
    CU_ASSERT_EQUAL(weft_interceptor_remove(r->bus, r->interceptor), WEFT_OK);
    weft_event part = numbered(11);
    CU_ASSERT_EQUAL(weft_stage_split(stage, &part), WEFT_OK);
    return take(event, r->taker);
}

static void may_remove_itself_and_go_on(void)
{
    taker t = {0}, handler = {0};
    remover r = {.bus = bus_create(NULL), .taker = &t};
    bus_subscribe(r.bus, NULL, NULL, take, &handler);
    r.interceptor = attach(r.bus, 0, remove_itself, &r);
    CU_ASSERT_EQUAL(publish(r.bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(publish(r.bus, 2), WEFT_OK);
    taker_check(&t, NUMBERS(1));
    taker_check(&handler, NUMBERS(1, 11, 2));
    weft_dispatcher_destroy(r.bus);
}

static weft_status remove_other(weft_event *event, weft_stage *stage, void *user)
{
    remover *r = user;
    (void)event;
    (void)stage;
    r->status = weft_interceptor_remove(r->bus, r->interceptor);
    return WEFT_OK;
}

static void one_removed_by_another_is_not_called_any_more(void)
{
    taker t = {0};
    remover r = {.bus = bus_create(NULL)};
    attach(r.bus, 0, remove_other, &r);
    r.interceptor = attach(r.bus, 1, watch, &t);
    CU_ASSERT_EQUAL(publish(r.bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(r.status, WEFT_OK);
    CU_ASSERT_EQUAL(t.begun, 0);
    weft_dispatcher_destroy(r.bus);
}

static weft_status pass(weft_event *event, weft_stage *stage, void *user)
{
    (void)event;
    (void)stage;
    (void)user;
    return WEFT_OK;
}

static void there_is_room_for_so_many(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    weft_interceptor first = attach(bus, 0, pass, NULL);
    for (int i = 1; i < WEFT_INTERCEPTORS_MAX; i++)
        attach(bus, i, pass, NULL);
    CU_ASSERT_EQUAL(weft_intercept(bus, NULL, pass, NULL, NULL), WEFT_FULL);
    CU_ASSERT_EQUAL(weft_interceptor_remove(bus, first), WEFT_OK);
    CU_ASSERT_EQUAL(weft_intercept(bus, NULL, pass, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_intercept(bus, NULL, NULL, NULL, NULL), WEFT_INVALID);
    weft_dispatcher_destroy(bus);
}

SUITE(core_gate_removal, CASE(removing_waits_for_a_running_call), CASE(may_remove_itself_and_go_on),
      CASE(one_removed_by_another_is_not_called_any_more), CASE(there_is_room_for_so_many))
