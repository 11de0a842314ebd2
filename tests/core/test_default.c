/* The dispatcher that a process shares. There is one for the whole program, so the order of the cases matters. */
#include <pthread.h>

#include "support/gate.h"
#include "support/memory_out.h"
#include "support/suite.h"
#include "weft/dispatcher.h"

enum { CALLERS = 8 };

#if WEFT_TESTS_MEMORY_OUT
static void is_null_when_memory_is_out(void)
{
    memory_out = true;
    weft_dispatcher *none = weft_dispatcher_default();
    memory_out = false;
    CU_ASSERT_PTR_NULL(none);
}
#else
static void is_null_when_memory_is_out(void)
{
    suite_skip("a sanitizer stands in for malloc");
}
#endif

typedef struct caller {
    gate *start;
    weft_dispatcher *found;
} caller;

static void *call(void *arg)
{
    caller *c = arg;
    CU_ASSERT(gate_pass(c->start));
    c->found = weft_dispatcher_default();
    return NULL;
}

static void is_made_at_the_next_call_one_for_all_threads(void)
{
    gate start = GATE_CLOSED;
    pthread_t threads[CALLERS];
    caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.start = &start};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    CU_ASSERT(gate_await(&start, CALLERS));
    gate_open(&start);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_PTR_NOT_NULL(callers[0].found);
    for (int i = 1; i < CALLERS; i++)
        CU_ASSERT_PTR_EQUAL(callers[i].found, callers[0].found);
    CU_ASSERT_PTR_EQUAL(weft_dispatcher_default(), callers[0].found);
}

static weft_status count(const weft_event *event, void *user)
{
    (void)event;
    ++*(int *)user;
    return WEFT_OK;
}

static void carries_events_without_being_created(void)
{
    int calls = 0;
    weft_subscription sub = {0};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(weft_dispatcher_default(), NULL, count, &calls, &sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(weft_dispatcher_default(), &(weft_event){.type = WEFT_CONFIG_RELOADED}), WEFT_OK);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT_EQUAL(weft_unsubscribe(weft_dispatcher_default(), sub), WEFT_OK);
}

SUITE(core_default, CASE(is_null_when_memory_is_out), CASE(is_made_at_the_next_call_one_for_all_threads),
      CASE(carries_events_without_being_created))
