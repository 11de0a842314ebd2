/* Dead letters that are delivered again, forgotten and drained. */
#include "support/core/bus.h"
#include "support/fake_clock.h"

enum { NOW_MS = 1000000, THREADS = 4 };

static void fail_with(taker *t, weft_status verdict)
{
    atomic_store(&t->verdict, (int)verdict);
}

/* ---- delivering again ---- */

static void a_letter_is_delivered_again(bool queued)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED}, other = {0};
    bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = queued}, take, &t);
    bus_subscribe(bus, NULL, NULL, take, &other);
    bus_publish(bus, 1);
    bus_settle(bus);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 1), WEFT_OK);
    bus_settle(bus);
    bus_check_letters(bus, NUMBERS(1));
    CU_ASSERT_EQUAL(bus_letter(bus, 2).reason, WEFT_DEAD_FAILED);
    fail_with(&t, WEFT_OK);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_OK);
    bus_settle(bus);
    bus_check_letters(bus, NUMBERS(0));
    taker_check(&t, NUMBERS(1, 1, 1));
    CU_ASSERT_EQUAL(other.count, 1);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).dead_letters, 2);
    weft_dispatcher_destroy(bus);
}

static void a_letter_is_delivered_again_inline(void)
{
    a_letter_is_delivered_again(false);
}

static void a_letter_is_delivered_again_queued(void)
{
    a_letter_is_delivered_again(true);
}

static void delivering_again_resumes_a_suspended_one(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED};
    weft_subscription sub = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.failures_max = 1}, take, &t);
    bus_publish_each(bus, 1, 2);
    CU_ASSERT(bus_stats_of(bus, sub).suspended);
    fail_with(&t, WEFT_OK);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_OK);
    CU_ASSERT_FALSE(bus_stats_of(bus, sub).suspended);
    taker_check(&t, NUMBERS(1, 2));
    bus_check_letters(bus, NUMBERS(1));
    weft_dispatcher_destroy(bus);
}

static void a_letter_that_cannot_be_delivered_stays(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED};
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    bus_publish(bus, 1);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 0), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 1), WEFT_STOPPED);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 1), WEFT_NOT_FOUND);
    bus_check_letters(bus, NUMBERS(1));
    CU_ASSERT_EQUAL(t.count, 1);
    weft_dispatcher_destroy(bus);
}

/* An event of another host that has grown old meanwhile, with the allowance for its clock. */
static void a_letter_past_its_time_expires(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    taker t = {.verdict = WEFT_FAILED};
    bus_subscribe(bus, NULL, NULL, take, &t);
    weft_event event = numbered(1);
    event.accepted_ms = NOW_MS;
    event.ttl_ms = 100;
    CU_ASSERT_EQUAL(weft_tap_deliver(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(bus_letter(bus, 1).origin, WEFT_ORIGIN_REMOTE);
    fake_clock_advance(&clock, 5100);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 1), WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 2);
    CU_ASSERT_EQUAL(bus_letter(bus, 2).origin, WEFT_ORIGIN_REMOTE);
    fake_clock_advance(&clock, 1);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).expired, 1);
    bus_check_letters(bus, NUMBERS(0));
    weft_dispatcher_destroy(bus);
}

typedef struct redeliverer {
    weft_dispatcher *bus;
    atomic_uint delivered;
} redeliverer;

static void *redeliver_all(void *user)
{
    redeliverer *r = user;
    for (uint64_t id = 1; id <= 500; id++)
        atomic_fetch_add(&r->delivered, weft_dead_letter_redeliver(r->bus, id) == WEFT_OK);
    return NULL;
}

static void of_several_that_deliver_a_letter_again_one_does(void)
{
    redeliverer r = {.bus = bus_create(NULL)};
    taker t = {.verdict = WEFT_FAILED};
    pthread_t threads[THREADS];
    bus_subscribe(r.bus, NULL, NULL, take, &t);
    bus_publish_each(r.bus, 1, 500);
    fail_with(&t, WEFT_OK);
    for (int i = 0; i < THREADS; i++)
        threads[i] = thread_start(redeliver_all, &r);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(r.delivered, 500);
    CU_ASSERT_EQUAL(t.count, 1000);
    weft_dispatcher_destroy(r.bus);
}

/* ---- forgetting ---- */

static void a_letter_is_forgotten(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.verdict = WEFT_FAILED};
    bus_subscribe(bus, NULL, NULL, take, &t);
    bus_publish_each(bus, 1, 3);
    CU_ASSERT_EQUAL(weft_dead_letter_forget(bus, 2), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dead_letter_forget(bus, 2), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_dead_letter_redeliver(bus, 2), WEFT_NOT_FOUND);
    bus_check_letters(bus, NUMBERS(1, 3));
    weft_dispatcher_destroy(bus);
}

typedef struct visitor {
    weft_dispatcher *bus;
    uint64_t digits;
} visitor;

/* May call anything, and does: the letter that this makes is not among those that there were at the call. */
static void publish_and_note(const weft_dead_letter *letter, void *user)
{
    visitor *v = user;
    v->digits = v->digits * 10 + letter->event->session_mutation.seq;
    bus_publish(v->bus, 9);
}

static void draining_shows_what_there_was_oldest_first(void)
{
    visitor v = {.bus = bus_create(NULL)};
    taker t = {.verdict = WEFT_FAILED};
    bus_subscribe(v.bus, NULL, NULL, take, &t);
    bus_publish_each(v.bus, 1, 3);
    CU_ASSERT_EQUAL(weft_dead_letters_drain(v.bus, publish_and_note, &v), 3);
    CU_ASSERT_EQUAL(v.digits, 123);
    bus_check_letters(v.bus, NUMBERS(9, 9, 9));
    CU_ASSERT_EQUAL(bus_letter(v.bus, 4).id, 4);
    weft_dispatcher_destroy(v.bus);
}

SUITE(core_redeliver, CASE(a_letter_is_delivered_again_inline), CASE(a_letter_is_delivered_again_queued),
      CASE(delivering_again_resumes_a_suspended_one), CASE(a_letter_that_cannot_be_delivered_stays),
      CASE(a_letter_past_its_time_expires), CASE(of_several_that_deliver_a_letter_again_one_does),
      CASE(a_letter_is_forgotten), CASE(draining_shows_what_there_was_oldest_first))
