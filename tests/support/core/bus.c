#include "support/core/bus.h"

#include "core/dispatcher_private.h"

weft_dispatcher *bus_create(const weft_dispatcher_opts *opts)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(opts, &bus), WEFT_OK);
    return bus;
}

weft_dispatcher_stats bus_stats(weft_dispatcher *bus)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    return stats;
}

weft_subscription_stats bus_stats_of(weft_dispatcher *bus, weft_subscription sub)
{
    weft_subscription_stats stats = {0};
    CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, sub, &stats), WEFT_OK);
    return stats;
}

weft_subscription bus_subscribe(weft_dispatcher *bus, const weft_filter *filter, const weft_subscribe_opts *opts,
                                weft_handler_fn handler, void *user)
{
    weft_subscription sub = {0};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, filter, opts, handler, user, &sub), WEFT_OK);
    return sub;
}

weft_event numbered(uint64_t number)
{
    return (weft_event){.type = WEFT_SESSION_MUTATION,
                        .timestamp_ms = 1,
                        .session_id = "s",
                        .session_mutation = {.mutation = "m", .seq = number}};
}

void bus_publish(weft_dispatcher *bus, uint64_t number)
{
    weft_event event = numbered(number);
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
}

void bus_publish_each(weft_dispatcher *bus, uint64_t from, uint64_t to)
{
    for (uint64_t number = from; number <= to; number++)
        bus_publish(bus, number);
}

void bus_settle(weft_dispatcher *bus)
{
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, PATIENCE_MS, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_start(bus), WEFT_OK);
}

pthread_t thread_start(void *(*run)(void *), void *user)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run, user), 0);
    return thread;
}

static bool somebody_waits(void *bus)
{
    return atomic_load(&((weft_dispatcher *)bus)->slots.waiters) != 0;
}

bool bus_await_waiter(weft_dispatcher *bus)
{
    return suite_wait(somebody_waits, bus, PATIENCE_MS);
}

/* ---- takers ---- */

static void note_most(taker *t, unsigned inside)
{
    unsigned most = atomic_load(&t->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&t->most_inside, &most, inside))
        continue;
}

weft_status take(const weft_event *event, void *user)
{
    taker *t = user;
    unsigned call = atomic_fetch_add(&t->begun, 1);
    note_most(t, atomic_fetch_add(&t->inside, 1) + 1);
    if (call < TAKEN_MAX)
        t->taken[call] = event->session_mutation.seq;
    if (t->held != NULL)
        CU_ASSERT(gate_pass(t->held));
    atomic_fetch_sub(&t->inside, 1);
    weft_status verdict = (weft_status)atomic_load(&t->verdict);
    atomic_fetch_add(&t->count, 1);
    return verdict;
}

static weft_status tap_accept(void *user, weft_event *event)
{
    event->id = (weft_event_id){.node = "host-a", .epoch = 1, .seq = atomic_load(&((taker *)user)->begun) + 1};
    return take(event, user);
}

static void tap_interest_changed(void *user, uint32_t topics)
{
    (void)user;
    (void)topics;
}

const weft_tap_ops taker_tap = {.accept = tap_accept, .interest_changed = tap_interest_changed};

void take_lost(const weft_lost *lost, void *user)
{
    atomic_fetch_add(&((taker *)user)->lost, (unsigned)lost->count);
}

typedef struct awaited {
    taker *taker;
    unsigned count;
} awaited;

static bool has_taken(void *user)
{
    awaited *a = user;
    return atomic_load(&a->taker->count) >= a->count;
}

bool taker_await(taker *t, unsigned count)
{
    return suite_wait(has_taken, &(awaited){t, count}, PATIENCE_MS);
}

void taker_check(const taker *t, const uint64_t *numbers)
{
    unsigned count = 0;
    for (; numbers[count] != 0; count++)
        CU_ASSERT_EQUAL(t->taken[count], numbers[count]);
    CU_ASSERT_EQUAL(t->begun, count);
}

weft_subscription bus_hold_worker(weft_dispatcher *bus, taker *t)
{
    weft_filter tools = {.topics = WEFT_TOPIC_TOOL};
    weft_subscription sub = bus_subscribe(bus, &tools, &(weft_subscribe_opts){.queued = true}, take, t);
    CU_ASSERT_EQUAL(
        weft_publish(bus, &(weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "t"}}), WEFT_OK);
    CU_ASSERT(gate_await(t->held, 1));
    return sub;
}

/* ---- dead letters ---- */

weft_dead_letter bus_letter(weft_dispatcher *bus, uint64_t id)
{
    weft_dead_letter letter = {0};
    CU_ASSERT_EQUAL(weft_dead_letters_list(bus, id - 1, &letter, 1), 1);
    CU_ASSERT_EQUAL(letter.id, id);
    weft_event_release(letter.event);
    letter.event = NULL;
    return letter;
}

void bus_check_letters(weft_dispatcher *bus, const uint64_t *numbers)
{
    weft_dead_letter letters[LETTERS_MAX];
    size_t count = weft_dead_letters_list(bus, 0, letters, LETTERS_MAX);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(letters[i].event->session_mutation.seq, *numbers);
        numbers += *numbers != 0;
        weft_event_release(letters[i].event);
    }
    CU_ASSERT_EQUAL(*numbers, 0);
}
