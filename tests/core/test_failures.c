/* What becomes of events that handlers fail at: attempts, suspension, dead letters. */
#include "support/core/bus.h"
#include "support/fake_clock.h"

enum { NOW_MS = 1000000 };

static const weft_filter sessions = {.topics = WEFT_TOPIC_SESSION};
static const weft_dispatcher_opts one_worker = {.workers = 1};

static void fail_with(taker *t, weft_status verdict)
{
    atomic_store(&t->verdict, (int)verdict);
}

/* ---- attempts ---- */

static void a_failure_makes_a_dead_letter(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    taker t = {.verdict = WEFT_IO};
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    weft_event event = numbered(7);
    event.timestamp_ms = 5;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    weft_dead_letter letter = {0};
    CU_ASSERT_EQUAL_FATAL(weft_dead_letters_list(bus, 0, &letter, 1), 1);
    CU_ASSERT_EQUAL(letter.id, 1);
    CU_ASSERT_EQUAL(letter.event->session_mutation.seq, 7);
    CU_ASSERT_EQUAL(letter.event->timestamp_ms, 5);
    CU_ASSERT_EQUAL(letter.event->accepted_ms, NOW_MS);
    CU_ASSERT_EQUAL(letter.origin, WEFT_ORIGIN_LOCAL);
    CU_ASSERT_EQUAL(letter.subscription.id, sub.id);
    CU_ASSERT_EQUAL(letter.reason, WEFT_DEAD_FAILED);
    CU_ASSERT_EQUAL(letter.status, WEFT_IO);
    CU_ASSERT_EQUAL(letter.attempts, 1);
    CU_ASSERT_EQUAL(letter.died_ms, NOW_MS);
    weft_event_release(letter.event);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dead_letters, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).dead_letters, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct flaky {
    taker taker;
    unsigned fails; /* calls that fail before one does not */
    weft_dispatcher *bus;
    weft_subscription sub; /* ended in the first call, if it is set */
} flaky;

static weft_status fail_at_first(const weft_event *event, void *user)
{
    flaky *f = user;
    (void)take(event, &f->taker);
    if (f->sub.id != 0)
        CU_ASSERT_EQUAL(weft_unsubscribe(f->bus, f->sub), WEFT_OK);
    if (f->fails == 0)
        return WEFT_OK;
    f->fails--;
    return WEFT_TIMEOUT;
}

static void an_event_gets_its_attempts_before_the_next(bool queued)
{
    weft_dispatcher *bus = bus_create(NULL);
    flaky f = {.fails = 5};
    weft_subscription sub =
        bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = queued, .attempts = 3}, fail_at_first, &f);
    bus_publish_each(bus, 1, 3);
    bus_settle(bus);
    taker_check(&f.taker, NUMBERS(1, 1, 1, 2, 2, 2, 3));
    bus_check_letters(bus, NUMBERS(1));
    CU_ASSERT_EQUAL(bus_letter(bus, 1).attempts, 3);
    CU_ASSERT_EQUAL(bus_letter(bus, 1).status, WEFT_TIMEOUT);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).errors, 5);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).handled, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).handler_errors, 5);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 2);
    weft_dispatcher_destroy(bus);
}

static void an_event_gets_its_attempts_inline(void)
{
    an_event_gets_its_attempts_before_the_next(false);
}

static void an_event_gets_its_attempts_queued(void)
{
    an_event_gets_its_attempts_before_the_next(true);
}

static void attempts_end_with_the_subscription(void)
{
    flaky f = {.bus = bus_create(NULL), .fails = 9};
    f.sub = bus_subscribe(f.bus, NULL, &(weft_subscribe_opts){.attempts = 5}, fail_at_first, &f);
    bus_publish(f.bus, 1);
    taker_check(&f.taker, NUMBERS(1));
    CU_ASSERT_EQUAL(bus_letter(f.bus, 1).attempts, 1);
    weft_dispatcher_destroy(f.bus);
}

/* A one-shot has ended with its event, and tries as often as it may all the same. */
static void once_gets_its_attempts_too(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED};
    bus_subscribe(bus, NULL, &(weft_subscribe_opts){.once = true, .attempts = 3}, take, &t);
    bus_publish_each(bus, 1, 2);
    taker_check(&t, NUMBERS(1, 1, 1));
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 1), WEFT_NOT_FOUND);
    bus_check_letters(bus, NUMBERS(1));
    weft_dispatcher_destroy(bus);
}

/* ---- suspension ---- */

static void failures_in_a_row_suspend(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED}, other = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.failures_max = 2}, take, &t);
    bus_subscribe(bus, NULL, NULL, take, &other);
    bus_publish(bus, 1);
    fail_with(&t, WEFT_OK);
    bus_publish(bus, 2);
    fail_with(&t, WEFT_FAILED);
    bus_publish(bus, 3);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).suspended);
    bus_publish(bus, 4);
    CU_ASSERT(bus_stats_of(bus, sub).suspended);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).paused);
    bus_publish(bus, 5);
    taker_check(&t, NUMBERS(1, 2, 3, 4));
    bus_check_letters(bus, NUMBERS(1, 3, 4, 5));
    CU_ASSERT_EQUAL(bus_letter(bus, 4).reason, WEFT_DEAD_SUSPENDED);
    CU_ASSERT_EQUAL(bus_letter(bus, 4).status, WEFT_OK);
    CU_ASSERT_EQUAL(bus_letter(bus, 4).attempts, 0);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dead_letters, 4);
    CU_ASSERT_EQUAL(other.count, 5);
    weft_dispatcher_destroy(bus);
}

static void resuming_lifts_a_suspension_and_counts_anew(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.failures_max = 2}, take, &t);
    bus_publish_each(bus, 1, 3);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).suspended);
    bus_publish(bus, 4);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).suspended);
    bus_publish(bus, 5);
    CU_ASSERT(bus_stats_of(bus, sub).suspended);
    taker_check(&t, NUMBERS(1, 2, 4, 5));
    weft_dispatcher_destroy(bus);
}

static void what_waits_for_a_suspended_one_becomes_dead_letters(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.held = &held, .verdict = WEFT_FAILED};
    weft_subscribe_opts opts = {.queued = true, .failures_max = 1};
    weft_subscription sub = bus_subscribe(bus, NULL, &opts, take, &t);
    bus_publish_each(bus, 1, 3);
    CU_ASSERT(gate_await(&held, 1));
    gate_open(&held);
    bus_settle(bus);
    taker_check(&t, NUMBERS(1));
    bus_check_letters(bus, NUMBERS(1, 2, 3));
    CU_ASSERT_EQUAL(bus_letter(bus, 1).reason, WEFT_DEAD_FAILED);
    CU_ASSERT_EQUAL(bus_letter(bus, 2).reason, WEFT_DEAD_SUSPENDED);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dead_letters, 3);
    weft_dispatcher_destroy(bus);
}

/* ---- overflow ---- */

static void what_a_full_mailbox_does_not_take_may_become_a_dead_letter(void)
{
    gate busy = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&one_worker);
    taker blocker = {.held = &busy}, t = {0};
    weft_subscribe_opts opts = {
        .queued = true, .queue_max = 2, .overflow = WEFT_OVERFLOW_DEAD_LETTER, .on_lost = take_lost};
    weft_subscription sub = bus_subscribe(bus, &sessions, &opts, take, &t);
    bus_hold_worker(bus, &blocker);
    bus_publish_each(bus, 1, 4);
    bus_check_letters(bus, NUMBERS(3, 4));
    CU_ASSERT_EQUAL(bus_letter(bus, 1).reason, WEFT_DEAD_OVERFLOW);
    CU_ASSERT_EQUAL(bus_letter(bus, 1).attempts, 0);
    gate_open(&busy);
    bus_settle(bus);
    taker_check(&t, NUMBERS(1, 2));
    CU_ASSERT_EQUAL(t.lost, 0);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dropped_overflow, 0);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).dead_letters, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).dropped_overflow, 0);
    weft_dispatcher_destroy(bus);
}

static void letters_beyond_the_bound_displace_the_oldest(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.dead_letters_max = 3});
    taker t = {.verdict = WEFT_FAILED};
    bus_subscribe(bus, NULL, NULL, take, &t);
    bus_publish_each(bus, 1, 5);
    bus_check_letters(bus, NUMBERS(3, 4, 5));
    CU_ASSERT_EQUAL(bus_stats(bus).dead_letters, 5);
    CU_ASSERT_EQUAL(bus_stats(bus).dead_letters_displaced, 2);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_NOT_FOUND);
    weft_dispatcher_destroy(bus);
}

SUITE(core_failures, CASE(a_failure_makes_a_dead_letter), CASE(an_event_gets_its_attempts_inline),
      CASE(an_event_gets_its_attempts_queued), CASE(attempts_end_with_the_subscription),
      CASE(once_gets_its_attempts_too), CASE(failures_in_a_row_suspend),
      CASE(resuming_lifts_a_suspension_and_counts_anew), CASE(what_waits_for_a_suspended_one_becomes_dead_letters),
      CASE(what_a_full_mailbox_does_not_take_may_become_a_dead_letter),
      CASE(letters_beyond_the_bound_displace_the_oldest))
