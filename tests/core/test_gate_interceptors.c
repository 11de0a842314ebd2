/* Interceptors in the way of weft_publish: what takers see, what publish answers, and what is counted. */
#include <stdio.h>
#include <string.h>

#include "support/core/bus.h"
#include "support/fake_clock.h"
#include "weft/intercept.h"

enum { NOW_MS = 1000000 };

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

static weft_interceptor_stats stats_of(weft_dispatcher *bus, weft_interceptor interceptor)
{
    weft_interceptor_stats stats = {0};
    CU_ASSERT_EQUAL(weft_interceptor_get_stats(bus, interceptor, &stats), WEFT_OK);
    return stats;
}

/* Takes the event like a handler, and answers with the taker's verdict. */
static weft_status watch(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    return take(event, user);
}

/* Everybody that an event can come to. */
typedef struct everybody {
    weft_dispatcher *bus;
    taker inline_, queued, tap;
} everybody;

static void everybody_takes(everybody *e)
{
    e->bus = bus_create(&(weft_dispatcher_opts){.history_max = 16});
    bus_subscribe(e->bus, NULL, NULL, take, &e->inline_);
    bus_subscribe(e->bus, NULL, &(weft_subscribe_opts){.queued = true}, take, &e->queued);
    CU_ASSERT_EQUAL(weft_tap_attach(e->bus, &taker_tap, &e->tap), WEFT_OK);
}

static void everybody_check(everybody *e, const uint64_t *numbers)
{
    const weft_event *kept[16];
    bus_settle(e->bus);
    taker_check(&e->inline_, numbers);
    taker_check(&e->queued, numbers);
    taker_check(&e->tap, numbers);
    for (size_t i = weft_history_find(e->bus, NULL, kept, 16); i > 0; i--) {
        CU_ASSERT_EQUAL(kept[i - 1]->session_mutation.seq, *numbers);
        numbers += *numbers != 0;
        weft_event_release(kept[i - 1]);
    }
    CU_ASSERT_EQUAL(*numbers, 0);
    weft_dispatcher_destroy(e->bus);
}

/* ---- changing ---- */

static weft_status append_digit(weft_event *event, uint64_t digit)
{
    event->session_mutation.seq = event->session_mutation.seq * 10 + digit;
    return WEFT_OK;
}

static weft_status append_1(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    (void)user;
    return append_digit(event, 1);
}

static weft_status append_2(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    (void)user;
    return append_digit(event, 2);
}

static weft_status append_3(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    (void)user;
    return append_digit(event, 3);
}

static void all_see_what_interceptors_made_of_it_in_their_order(void)
{
    everybody e = {0};
    everybody_takes(&e);
    attach(e.bus, 5, append_2, NULL);
    attach(e.bus, 5, append_3, NULL);
    attach(e.bus, -5, append_1, NULL);
    CU_ASSERT_EQUAL(publish(e.bus, 7), WEFT_OK);
    everybody_check(&e, NUMBERS(7123));
}

static weft_status redact(weft_event *event, weft_stage *stage, void *user)
{
    char text[16];
    (void)user;
    (void)snprintf(text, sizeof text, "no%s", "thing");
    event->session_mutation.mutation = weft_stage_copy(stage, text);
    memset(text, 0, sizeof text);
    event->flags |= WEFT_FLAG_REDACTED;
    return WEFT_OK;
}

static weft_status check_redacted(const weft_event *event, void *user)
{
    CU_ASSERT_STRING_EQUAL(event->session_mutation.mutation, "nothing");
    CU_ASSERT_EQUAL(event->flags, WEFT_FLAG_REDACTED);
    return take(event, user);
}

static weft_status accept_redacted(void *user, weft_event *event)
{
    return check_redacted(event, user);
}

static void what_is_redacted_reaches_nobody(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.history_max = 1});
    weft_tap_ops ops = taker_tap;
    taker inline_ = {0}, queued = {0}, tap = {0};
    const weft_event *kept = NULL;
    ops.accept = accept_redacted;
    bus_subscribe(bus, NULL, NULL, check_redacted, &inline_);
    bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true}, check_redacted, &queued);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, &tap), WEFT_OK);
    attach(bus, 0, redact, NULL);
    CU_ASSERT_EQUAL(publish(bus, 1), WEFT_OK);
    bus_settle(bus);
    CU_ASSERT_EQUAL(inline_.count + queued.count + tap.count, 3);
    CU_ASSERT_EQUAL_FATAL(weft_history_find(bus, NULL, &kept, 1), 1);
    CU_ASSERT_STRING_EQUAL(kept->session_mutation.mutation, "nothing");
    weft_event_release(kept);
    weft_dispatcher_destroy(bus);
}

static weft_status copy_and_overwrite(weft_event *event, weft_stage *stage, void *user)
{
    weft_event part = numbered(3);
    part.timestamp_ms = 0;
    if (event->session_mutation.seq == 1)
        CU_ASSERT_EQUAL(weft_stage_split(stage, &part), WEFT_OK);
    *(weft_event *)user = *event;
    *event = part;
    return WEFT_OK;
}

static weft_status overwrite(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    (void)user;
    *event = (weft_event){.type = WEFT_AGENT_START, .agent_id = "a"};
    return WEFT_OK;
}

static weft_status check_times(const weft_event *event, void *user)
{
    CU_ASSERT_EQUAL(event->accepted_ms, NOW_MS);
    CU_ASSERT_EQUAL(event->timestamp_ms, NOW_MS);
    return take(event, user);
}

static void times_are_set_before_and_hold_afterwards(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    weft_event intercepted = {0};
    taker t = {0};
    bus_subscribe(bus, NULL, NULL, check_times, &t);
    attach(bus, 0, copy_and_overwrite, &intercepted);
    attach(bus, 1, overwrite, NULL);
    weft_event event = numbered(1);
    event.timestamp_ms = 0;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(intercepted.accepted_ms, NOW_MS);
    CU_ASSERT_EQUAL(intercepted.timestamp_ms, NOW_MS);
    CU_ASSERT_EQUAL(t.count, 2);
    weft_dispatcher_destroy(bus);
}

/* ---- dropping, refusing ---- */

static void a_dropped_event_is_published_to_nobody(void)
{
    everybody e = {0};
    taker dropper = {.verdict = WEFT_DROPPED}, later = {0};
    everybody_takes(&e);
    weft_interceptor first = attach(e.bus, 1, watch, &dropper);
    weft_interceptor second = attach(e.bus, 2, watch, &later);
    CU_ASSERT_EQUAL(publish(e.bus, 1), WEFT_OK);
    atomic_store(&dropper.verdict, WEFT_OK);
    CU_ASSERT_EQUAL(publish(e.bus, 2), WEFT_OK);
    taker_check(&later, NUMBERS(2));
    CU_ASSERT_EQUAL(bus_stats(e.bus).dropped_interceptor, 1);
    CU_ASSERT_EQUAL(bus_stats(e.bus).published, 1);
    CU_ASSERT_EQUAL(stats_of(e.bus, first).seen, 2);
    CU_ASSERT_EQUAL(stats_of(e.bus, first).dropped, 1);
    CU_ASSERT_EQUAL(stats_of(e.bus, second).passed, 1);
    everybody_check(&e, NUMBERS(2));
}

static void a_refusal_is_the_answer_of_publish(void)
{
    everybody e = {0};
    taker refuser = {.verdict = WEFT_REFUSED};
    const char *field = "";
    everybody_takes(&e);
    weft_interceptor interceptor = attach(e.bus, 0, watch, &refuser);
    weft_event event = numbered(1);
    CU_ASSERT_EQUAL(weft_publish_checked(e.bus, &event, &field), WEFT_REFUSED);
    CU_ASSERT_PTR_NULL(field);
    CU_ASSERT_EQUAL(bus_stats(e.bus).refused_interceptor, 1);
    CU_ASSERT_EQUAL(bus_stats(e.bus).published, 0);
    CU_ASSERT_EQUAL(stats_of(e.bus, interceptor).refused, 1);
    everybody_check(&e, NUMBERS(0));
}

/* Nobody but an inline handler would take it, and he would take it as it is. */
static void interceptors_see_no_event_that_is_none(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker handler = {0}, interceptor = {0};
    const char *field = NULL;
    bus_subscribe(bus, NULL, NULL, take, &handler);
    weft_interceptor attached = attach(bus, 0, watch, &interceptor);
    weft_event event = numbered(1);
    event.agent_id = "\xC3";
    CU_ASSERT_EQUAL(weft_publish_checked(bus, &event, &field), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(field, "agent_id");
    CU_ASSERT_EQUAL(interceptor.begun + handler.begun, 0);
    CU_ASSERT_EQUAL(weft_interceptor_remove(bus, attached), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish_checked(bus, &event, &field), WEFT_OK);
    CU_ASSERT_EQUAL(handler.count, 1);
    weft_dispatcher_destroy(bus);
}

static weft_status spoil(weft_event *event, weft_stage *stage, void *user)
{
    (void)stage;
    (void)user;
    event->session_mutation.mutation = "\xFE";
    return WEFT_OK;
}

static void an_event_that_an_interceptor_spoils_is_refused(void)
{
    everybody e = {0};
    const char *field = NULL;
    everybody_takes(&e);
    attach(e.bus, 0, spoil, NULL);
    weft_event event = numbered(1);
    CU_ASSERT_EQUAL(weft_publish_checked(e.bus, &event, &field), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(field, "mutation");
    CU_ASSERT_EQUAL(bus_stats(e.bus).refused_invalid, 1);
    CU_ASSERT_EQUAL(bus_stats(e.bus).refused_interceptor, 0);
    everybody_check(&e, NUMBERS(0));
}

static void only_what_is_published_here_is_intercepted(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker handler = {0}, interceptor = {0};
    bus_subscribe(bus, NULL, NULL, take, &handler);
    attach(bus, 0, watch, &interceptor);
    weft_event event = numbered(1);
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(weft_tap_publish_taken(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(handler.count, 2);
    CU_ASSERT_EQUAL(interceptor.begun, 0);
    weft_dispatcher_destroy(bus);
}

/* ---- splitting ---- */

typedef struct splitter {
    weft_status verdict;
    uint64_t splits; /* numbered 10 times the event's, and up */
} splitter;

static weft_status split(weft_event *event, weft_stage *stage, void *user)
{
    const splitter *s = user;
    for (uint64_t i = 1; i <= s->splits; i++) {
        weft_event part = numbered(event->session_mutation.seq * 10 + i);
        CU_ASSERT_EQUAL(weft_stage_split(stage, &part), WEFT_OK);
    }
    return s->verdict;
}

static void what_is_split_off_follows_the_event_everywhere(void)
{
    everybody e = {0};
    splitter s = {.splits = 2};
    everybody_takes(&e);
    weft_interceptor interceptor = attach(e.bus, 0, split, &s);
    CU_ASSERT_EQUAL(publish(e.bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(publish(e.bus, 2), WEFT_OK);
    CU_ASSERT_EQUAL(bus_stats(e.bus).split, 4);
    CU_ASSERT_EQUAL(bus_stats(e.bus).published, 6);
    CU_ASSERT_EQUAL(stats_of(e.bus, interceptor).seen, 2);
    CU_ASSERT_EQUAL(stats_of(e.bus, interceptor).split, 4);
    everybody_check(&e, NUMBERS(1, 11, 12, 2, 21, 22));
}

static void what_is_split_off_a_dropped_event_goes_out_alone(void)
{
    everybody e = {0};
    splitter s = {.splits = 1, .verdict = WEFT_DROPPED};
    everybody_takes(&e);
    attach(e.bus, 0, split, &s);
    attach(e.bus, 1, append_1, NULL);
    CU_ASSERT_EQUAL(publish(e.bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(bus_stats(e.bus).dropped_interceptor, 1);
    CU_ASSERT_EQUAL(bus_stats(e.bus).split, 1);
    CU_ASSERT_EQUAL(bus_stats(e.bus).published, 1);
    everybody_check(&e, NUMBERS(111));
}

static void what_is_split_off_a_refused_event_goes_with_it(void)
{
    everybody e = {0};
    splitter s = {.splits = 1, .verdict = WEFT_REFUSED};
    everybody_takes(&e);
    attach(e.bus, 0, split, &s);
    CU_ASSERT_EQUAL(publish(e.bus, 1), WEFT_REFUSED);
    CU_ASSERT_EQUAL(bus_stats(e.bus).split, 0);
    CU_ASSERT_EQUAL(bus_stats(e.bus).refused_interceptor, 1);
    everybody_check(&e, NUMBERS(0));
}

typedef struct echo {
    weft_dispatcher *bus;
    taker taker;
} echo;

static weft_status echo_11(const weft_event *event, void *user)
{
    echo *e = user;
    if (event->session_mutation.seq == 11)
        CU_ASSERT_EQUAL(publish(e->bus, 3), WEFT_OK);
    return take(event, &e->taker);
}

/* An inline handler's publish inside the handling of a split event passes the interceptors like any other. */
static void a_handler_of_a_split_event_may_publish(void)
{
    echo e = {.bus = bus_create(NULL)};
    splitter s = {.splits = 2};
    bus_subscribe(e.bus, NULL, NULL, echo_11, &e);
    attach(e.bus, 0, split, &s);
    CU_ASSERT_EQUAL(publish(e.bus, 1), WEFT_OK);
    taker_check(&e.taker, NUMBERS(1, 3, 31, 32, 11, 12));
    CU_ASSERT_EQUAL(bus_stats(e.bus).split, 4);
    weft_dispatcher_destroy(e.bus);
}

SUITE(core_gate_interceptors, CASE(all_see_what_interceptors_made_of_it_in_their_order),
      CASE(what_is_redacted_reaches_nobody), CASE(times_are_set_before_and_hold_afterwards),
      CASE(a_dropped_event_is_published_to_nobody), CASE(a_refusal_is_the_answer_of_publish),
      CASE(interceptors_see_no_event_that_is_none), CASE(an_event_that_an_interceptor_spoils_is_refused),
      CASE(only_what_is_published_here_is_intercepted), CASE(what_is_split_off_follows_the_event_everywhere),
      CASE(what_is_split_off_a_dropped_event_goes_out_alone), CASE(what_is_split_off_a_refused_event_goes_with_it),
      CASE(a_handler_of_a_split_event_may_publish))
