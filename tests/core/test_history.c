#include "support/fake_clock.h"
#include "support/suite.h"
#include "weft/tap.h"

enum { NOW_MS = 1000, HISTORY_MAX = 100 };

typedef struct fixture {
    fake_clock clock;
    weft_dispatcher *bus;
} fixture;

static void setup(fixture *f, uint32_t history_max)
{
    fake_clock_init(&f->clock, NOW_MS);
    weft_dispatcher_opts opts = {.clock = &f->clock.clock, .history_max = history_max};
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(&opts, &f->bus), WEFT_OK);
}

/* One event a millisecond: number n is accepted at NOW_MS + n. */
static void publish_numbers(fixture *f, uint64_t first, uint64_t last)
{
    for (uint64_t n = first; n <= last; n++) {
        weft_event event = {.type = WEFT_SESSION_MUTATION,
                            .session_id = n % 2 == 0 ? "even" : "odd",
                            .session_mutation = {.mutation = "m", .seq = n}};
        atomic_store(&f->clock.wall_ms, NOW_MS + (int64_t)n);
        CU_ASSERT_EQUAL(weft_publish(f->bus, &event), WEFT_OK);
    }
}

/* Finds, releases, and fills in the numbers found. */
static size_t find(fixture *f, const weft_history_query *query, uint64_t *numbers, size_t max)
{
    const weft_event *events[HISTORY_MAX];
    size_t count = weft_history_find(f->bus, query, events, max);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = events[i]->session_mutation.seq;
        weft_event_release(events[i]);
    }
    return count;
}

static void finds_the_newest_first(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 70);
    CU_ASSERT_EQUAL_FATAL(find(&f, NULL, numbers, HISTORY_MAX), 70);
    for (uint64_t i = 0; i < 70; i++)
        CU_ASSERT_EQUAL(numbers[i], 70 - i);
    weft_dispatcher_destroy(f.bus);
}

static void keeps_no_more_than_it_may(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, 3);
    publish_numbers(&f, 1, 8);
    CU_ASSERT_EQUAL_FATAL(find(&f, NULL, numbers, HISTORY_MAX), 3);
    CU_ASSERT_EQUAL(numbers[0], 8);
    CU_ASSERT_EQUAL(numbers[2], 6);
    weft_dispatcher_destroy(f.bus);
}

static void keeps_nothing_unless_asked(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, 0);
    publish_numbers(&f, 1, 3);
    CU_ASSERT_EQUAL(find(&f, NULL, numbers, HISTORY_MAX), 0);
    weft_history_clear(f.bus);
    weft_dispatcher_destroy(f.bus);
}

static void stops_at_the_limit(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 50);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.limit = 40}, numbers, HISTORY_MAX), 40);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.limit = 40}, numbers, 7), 7);
    CU_ASSERT_EQUAL(numbers[6], 44);
    CU_ASSERT_EQUAL(find(&f, NULL, numbers, 0), 0);
    weft_dispatcher_destroy(f.bus);
}

static void finds_what_the_filter_wants(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 10);
    weft_event remote = {
        .type = WEFT_SESSION_MUTATION, .session_id = "s", .session_mutation = {.mutation = "m", .seq = 99}};
    CU_ASSERT_EQUAL(weft_tap_deliver(f.bus, &remote), WEFT_OK);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.filter.session_id = "even"}, numbers, HISTORY_MAX), 5);
    CU_ASSERT_EQUAL(numbers[0], 10);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.filter.topics = WEFT_TOPIC_COST}, numbers, HISTORY_MAX), 0);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.filter.origin = WEFT_ORIGIN_REMOTE}, numbers, HISTORY_MAX), 1);
    CU_ASSERT_EQUAL(numbers[0], 99);
    weft_dispatcher_destroy(f.bus);
}

static bool is_a_tenth(const weft_event *event, void *user)
{
    ++*(int *)user;
    return event->session_mutation.seq % 10 == 0;
}

static void asks_the_predicate(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    int asked = 0;
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 100);
    weft_history_query query = {.filter = {.session_id = "even", .predicate = is_a_tenth, .predicate_user = &asked},
                                .limit = 6};
    CU_ASSERT_EQUAL_FATAL(find(&f, &query, numbers, HISTORY_MAX), 6);
    for (uint64_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(numbers[i], 100 - 10 * i);
    CU_ASSERT(asked >= 26 && asked <= 50);
    weft_dispatcher_destroy(f.bus);
}

static void finds_what_came_since(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 10);
    CU_ASSERT_EQUAL(find(&f, &(weft_history_query){.since_ms = NOW_MS + 8}, numbers, HISTORY_MAX), 3);
    CU_ASSERT_EQUAL(numbers[2], 8);
    weft_dispatcher_destroy(f.bus);
}

static void forgets_when_cleared(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    const weft_event *held = NULL;
    setup(&f, 5);
    publish_numbers(&f, 1, 7);
    CU_ASSERT_EQUAL_FATAL(weft_history_find(f.bus, NULL, &held, 1), 1);
    weft_history_clear(f.bus);
    CU_ASSERT_EQUAL(find(&f, NULL, numbers, HISTORY_MAX), 0);
    CU_ASSERT_EQUAL(held->session_mutation.seq, 7);
    publish_numbers(&f, 8, 9);
    CU_ASSERT_EQUAL(find(&f, NULL, numbers, HISTORY_MAX), 2);
    CU_ASSERT_EQUAL(numbers[0], 9);
    weft_dispatcher_destroy(f.bus);
    CU_ASSERT_STRING_EQUAL(held->session_id, "odd");
    weft_event_release(held);
}

static void leaves_out_what_comes_in_pieces(void)
{
    fixture f;
    uint64_t numbers[HISTORY_MAX];
    setup(&f, HISTORY_MAX);
    publish_numbers(&f, 1, 1);
    weft_event piece = {.type = WEFT_LLM_TEXT_DELTA, .llm_text_delta = {.request_id = "r1", .text = "pie"}};
    CU_ASSERT_EQUAL(weft_publish(f.bus, &piece), WEFT_OK);
    CU_ASSERT_EQUAL(find(&f, NULL, numbers, HISTORY_MAX), 1);
    CU_ASSERT_EQUAL(numbers[0], 1);
    weft_dispatcher_destroy(f.bus);
}

SUITE(core_history, CASE(finds_the_newest_first), CASE(keeps_no_more_than_it_may), CASE(keeps_nothing_unless_asked),
      CASE(stops_at_the_limit), CASE(finds_what_the_filter_wants), CASE(asks_the_predicate),
      CASE(finds_what_came_since), CASE(forgets_when_cleared), CASE(leaves_out_what_comes_in_pieces))
