#include "bench/bench.h"
#include "bench/ledger.h"
#include "bench/load.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the bench gives: here a clock that stands, and an end. */
static int64_t now_ns;

int64_t bench_now_ns(void)
{
    return now_ns;
}

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

enum { TOOL = 1, COST = 5 };

static bench_ledger *ledger_of(unsigned senders, uint64_t from, uint64_t count)
{
    bench_ledger *ledger = bench_ledger_create(senders);
    bench_ledger_begin(ledger, &(bench_round){.from = from, .count = count});
    return ledger;
}

static void takes_streams_side_by_side(void)
{
    bench_ledger *ledger = ledger_of(2, 100, 4);
    bench_ledger_take(ledger, 0, TOOL, 102, false);
    bench_ledger_take(ledger, 0, COST, 100, false);
    bench_ledger_take(ledger, 1, TOOL, 100, false);
    bench_ledger_take(ledger, 0, TOOL, 103, false);
    CU_ASSERT_EQUAL(bench_ledger_taken(ledger), 4);
    CU_ASSERT_PTR_NULL(bench_ledger_wrong(ledger));
    bench_ledger_destroy(ledger);
}

static void wrong_after(const uint64_t *numbers, unsigned count, bool healed, const char *wrong)
{
    bench_ledger *ledger = ledger_of(1, 100, 80);
    for (unsigned i = 0; i < count; i++)
        bench_ledger_take(ledger, 0, TOOL, numbers[i], healed && i + 1 == count);
    const char *found = bench_ledger_wrong(ledger);
    CU_ASSERT_TRUE(wrong == found || (wrong != NULL && found != NULL && strcmp(wrong, found) == 0));
    bench_ledger_destroy(ledger);
}

static void notices_a_repeated_event(void)
{
    wrong_after((uint64_t[]){100, 179, 179}, 3, false, "an event came twice");
    wrong_after((uint64_t[]){100, 179, 179}, 3, true, "an event came twice");
}

static void notices_order_but_of_healed_events(void)
{
    wrong_after((uint64_t[]){100, 102, 101}, 3, false, "an event came out of order");
    wrong_after((uint64_t[]){100, 102, 101}, 3, true, NULL);
}

static void notices_what_nobody_sent(void)
{
    wrong_after((uint64_t[]){180}, 1, false, "an event came that nobody sent in this round");
    wrong_after((uint64_t[]){99}, 1, false, "an event came that nobody sent in this round");
}

static void notices_a_repeat_from_an_earlier_round(void)
{
    bench_ledger *ledger = ledger_of(1, 0, 10);
    bench_ledger_take(ledger, 0, TOOL, 9, false);
    bench_ledger_begin(ledger, &(bench_round){.from = 10, .count = 10});
    CU_ASSERT_EQUAL(bench_ledger_taken(ledger), 0);
    CU_ASSERT_PTR_NULL(bench_ledger_wrong(ledger));
    bench_ledger_take(ledger, 0, TOOL, 9, false);
    CU_ASSERT_PTR_NOT_NULL(bench_ledger_wrong(ledger));
    bench_ledger_destroy(ledger);
}

static void times_from_when_an_event_was_due(void)
{
    bench_ledger *ledger = bench_ledger_create(1);
    bench_ledger_begin(ledger, &(bench_round){.from = 7, .count = 100, .rate = 1000, .start_ns = 5000000});
    now_ns = 5000000 + 3000000 + 250000;
    bench_ledger_take(ledger, 0, TOOL, 10, false);
    CU_ASSERT_EQUAL(bench_histogram_at(bench_ledger_latency(ledger), 0.5), 250000);
    bench_ledger_destroy(ledger);
}

static void tells_percentiles_to_one_part_in_64(void)
{
    static bench_histogram latency;
    for (uint64_t us = 1; us <= 10000; us++)
        bench_histogram_add(&latency, us * 1000);
    uint64_t median = bench_histogram_at(&latency, 0.5), p99 = bench_histogram_at(&latency, 0.99);
    CU_ASSERT_TRUE(median >= 5000000 && median <= 5000000 + 5000000 / 64);
    CU_ASSERT_TRUE(p99 >= 9900000 && p99 <= 9900000 + 9900000 / 64);
    CU_ASSERT_EQUAL(bench_histogram_at(&latency, 1), 10000000);
}

static bool best_effort(weft_event_type type)
{
    return (weft_event_topic(&(weft_event){.type = type}) & WEFT_TOPICS_BEST_EFFORT) != 0;
}

static void loads_every_durable_variant_fit_to_publish(void)
{
    bench_load load;
    bench_load_text text;
    bool seen[WEFT_EVENT_TYPE_COUNT] = {false};
    bench_load_init(&load, 3, 20, 0);
    for (uint64_t i = 0; i < UINT64_C(20) * BENCH_SCRIPT_MAX; i++) {
        weft_event event;
        bench_load_event(&load, i, &text, &event);
        CU_ASSERT_EQUAL(weft_event_validate(&event, NULL), WEFT_OK);
        CU_ASSERT_EQUAL(bench_load_number(&event), i);
        seen[event.type] = true;
    }
    for (weft_event_type type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        CU_ASSERT_EQUAL(seen[type], !best_effort(type));
    bench_load_fini(&load);
}

static void ends_a_call_under_the_id_it_began_with(void)
{
    enum { SESSIONS = 3 };
    bench_load load;
    bench_load_init(&load, 0, SESSIONS, 0);
    for (uint64_t i = 0; i + SESSIONS < UINT64_C(4) * SESSIONS * BENCH_SCRIPT_MAX; i++) {
        bench_load_text began, ended;
        weft_event begin, end;
        bench_load_event(&load, i, &began, &begin);
        bench_load_event(&load, i + SESSIONS, &ended, &end);
        if (begin.type == WEFT_TOOL_CALL_START)
            CU_ASSERT_STRING_EQUAL(begin.tool_call_start.call_id, end.tool_call_end.call_id);
        if (begin.type == WEFT_LLM_REQUEST_START)
            CU_ASSERT_STRING_EQUAL(begin.llm_request_start.request_id, end.llm_response_end.request_id);
    }
    bench_load_fini(&load);
}

SUITE(bench_ledger, CASE(takes_streams_side_by_side), CASE(notices_a_repeated_event),
      CASE(notices_order_but_of_healed_events), CASE(notices_what_nobody_sent),
      CASE(notices_a_repeat_from_an_earlier_round), CASE(times_from_when_an_event_was_due),
      CASE(tells_percentiles_to_one_part_in_64), CASE(loads_every_durable_variant_fit_to_publish),
      CASE(ends_a_call_under_the_id_it_began_with))
