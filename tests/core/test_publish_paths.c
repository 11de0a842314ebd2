/* The ways that an event takes from weft_publish: checked or as it is, stamped, kept; and threads that come and go. */
#include <stdlib.h>
#include <string.h>

#include "core/dispatcher_private.h"
#include "support/core/bus.h"
#include "support/fake_clock.h"

enum { NOW_MS = 1000000, THREADS = 8, GENERATIONS = 20, EVENTS = 200, BUSES = 9 };

static weft_event malformed(void)
{
    weft_event event = numbered(1);
    event.timestamp_ms = NOW_MS;
    event.session_id = "\xC0";
    return event;
}

/* ---- checked, or as it is ---- */

static weft_status check_as_it_is(const weft_event *event, void *user)
{
    CU_ASSERT_STRING_EQUAL(event->session_id, "\xC0");
    CU_ASSERT_EQUAL(event->tag_count, 1000);
    return take(event, user);
}

static void what_only_inline_handlers_take_is_theirs_as_it_is(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    bus_subscribe(bus, NULL, NULL, check_as_it_is, &t);
    weft_event event = malformed();
    event.tag_count = 1000;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    event.timestamp_ms = 0;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 2);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 2);
    weft_dispatcher_destroy(bus);
}

static void of_it_only_the_type_is_checked(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    bus_subscribe(bus, NULL, NULL, take, &t);
    static const weft_event_type none[] = {WEFT_EVENT_NONE, WEFT_EVENT_TYPE_COUNT, (weft_event_type)77,
                                           (weft_event_type)-1};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const char *field = "";
        weft_event event = {.type = none[i], .timestamp_ms = NOW_MS};
        CU_ASSERT_EQUAL(weft_publish_checked(bus, &event, &field), WEFT_INVALID);
        CU_ASSERT_STRING_EQUAL(field, "type");
    }
    const char *field = "";
    CU_ASSERT_EQUAL(weft_publish_checked(bus, NULL, &field), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(field);
    CU_ASSERT_EQUAL(bus_stats(bus).refused_invalid, 5);
    CU_ASSERT_EQUAL(t.begun, 0);
    weft_dispatcher_destroy(bus);
}

/* Nobody sees an event that is malformed; afterwards the handler sees one that is not. */
static void check_that_it_is_refused(weft_dispatcher *bus)
{
    taker t = {0};
    const char *field = "";
    weft_event event = malformed();
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    CU_ASSERT_EQUAL(weft_publish_checked(bus, &event, &field), WEFT_MALFORMED);
    CU_ASSERT_STRING_EQUAL(field, "session_id");
    CU_ASSERT_EQUAL(bus_stats(bus).refused_invalid, 1);
    event.session_id = "s1";
    CU_ASSERT_EQUAL(weft_publish_checked(bus, &event, &field), WEFT_OK);
    CU_ASSERT_PTR_NULL(field);
    CU_ASSERT_EQUAL(t.count, 1);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_OK);
}

static void what_is_kept_is_checked(void)
{
    taker t = {0};
    weft_dispatcher *history = bus_create(&(weft_dispatcher_opts){.history_max = 1});
    check_that_it_is_refused(history);
    weft_dispatcher_destroy(history);

    weft_dispatcher *queued = bus_create(NULL);
    bus_subscribe(queued, NULL, &(weft_subscribe_opts){.queued = true}, take, &t);
    check_that_it_is_refused(queued);
    weft_dispatcher_destroy(queued);

    weft_dispatcher *tapped = bus_create(NULL);
    CU_ASSERT_EQUAL(weft_tap_attach(tapped, &taker_tap, &t), WEFT_OK);
    check_that_it_is_refused(tapped);
    weft_dispatcher_destroy(tapped);
}

static void always_validate_checks_all(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.always_validate = true});
    check_that_it_is_refused(bus);
    weft_dispatcher_destroy(bus);
}

static void a_mailbox_has_only_the_types_checked_that_it_takes(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    weft_filter agents = {.topics = WEFT_TOPIC_AGENT};
    taker inline_ = {0}, queued = {0};
    bus_subscribe(bus, NULL, NULL, take, &inline_);
    weft_subscription sub = bus_subscribe(bus, &agents, &(weft_subscribe_opts){.queued = true}, take, &queued);
    weft_event event = malformed();
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    weft_event agent = {.type = WEFT_AGENT_START, .timestamp_ms = NOW_MS, .session_id = "\xC0"};
    CU_ASSERT_EQUAL(weft_publish(bus, &agent), WEFT_MALFORMED);
    CU_ASSERT_EQUAL(weft_unsubscribe(bus, sub), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &agent), WEFT_OK);
    CU_ASSERT_EQUAL(inline_.count, 2);
    weft_dispatcher_destroy(bus);
}

static void each_fault_has_its_status(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.always_validate = true});
    char deep[2 * WEFT_JSON_MAX_DEPTH + 3] = {0}, id[WEFT_ID_MAX_BYTES + 2] = {0};
    memset(deep, '[', WEFT_JSON_MAX_DEPTH + 1);
    memset(deep + WEFT_JSON_MAX_DEPTH + 1, ']', WEFT_JSON_MAX_DEPTH + 1);
    memset(id, 'i', WEFT_ID_MAX_BYTES + 1);
    weft_event custom = {.type = WEFT_CUSTOM, .custom = {.event_type = "e", .data_json = deep}};
    CU_ASSERT_EQUAL(weft_publish(bus, &custom), WEFT_TOO_DEEP);
    custom.custom.data_json = "{";
    CU_ASSERT_EQUAL(weft_publish(bus, &custom), WEFT_MALFORMED);
    weft_event event = numbered(1);
    event.session_id = id;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_TOO_LARGE);
    event = numbered(1);
    event.priority = (weft_priority)9;
    CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_INVALID);
    CU_ASSERT_EQUAL(bus_stats(bus).refused_invalid, 4);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 0);
    weft_dispatcher_destroy(bus);
}

/* ---- keeping ---- */

typedef struct keeper {
    const weft_event *first, *second; /* references */
} keeper;

static weft_status keep_twice(const weft_event *event, void *user)
{
    keeper *k = user;
    weft_event_release(k->first);
    weft_event_release(k->second);
    k->first = weft_event_keep(event);
    k->second = weft_event_keep(event);
    return WEFT_OK;
}

static weft_status keep_once(const weft_event *event, void *user)
{
    keeper *k = user;
    weft_event_release(k->first);
    k->first = weft_event_keep(event);
    return WEFT_OK;
}

/* With and without a time of its own, the events take different ways. */
static void check_keeping(weft_dispatcher *bus, int64_t timestamp_ms)
{
    keeper a = {0}, b = {0};
    weft_subscription subs[] = {bus_subscribe(bus, NULL, NULL, keep_twice, &a),
                                bus_subscribe(bus, NULL, NULL, keep_once, &b)};
    char session[] = "s1";
    weft_event event = numbered(7);
    event.timestamp_ms = timestamp_ms;
    event.session_id = session;
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(weft_publish(bus, &event), WEFT_OK);
    session[0] = 'x';
    CU_ASSERT_PTR_EQUAL(a.first, a.second);
    CU_ASSERT_PTR_EQUAL(a.first, b.first);
    CU_ASSERT_PTR_NOT_EQUAL(a.first, &event);
    CU_ASSERT_STRING_EQUAL(a.first->session_id, "s1");
    CU_ASSERT_EQUAL(a.first->session_mutation.seq, 7);
    CU_ASSERT_EQUAL(a.first->accepted_ms, NOW_MS);
    CU_ASSERT_EQUAL(a.first->timestamp_ms, timestamp_ms != 0 ? timestamp_ms : NOW_MS);
    CU_ASSERT_EQUAL(event.accepted_ms, 0);
    weft_event_release(a.first);
    weft_event_release(a.second);
    weft_event_release(b.first);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(weft_unsubscribe(bus, subs[i]), WEFT_OK);
}

static void what_handlers_keep_is_one_copy_with_its_times_set(void)
{
    fake_clock clock;
    fake_clock_init(&clock, NOW_MS);
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.clock = &clock.clock});
    taker t = {0};
    check_keeping(bus, 0);
    check_keeping(bus, 5);
    bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true}, take, &t);
    check_keeping(bus, 0);
    check_keeping(bus, 5);
    weft_dispatcher_destroy(bus);
}

typedef struct nested {
    weft_dispatcher *bus;
    const weft_event *in_hand; /* of the outer handler */
    keeper outer, inner;
} nested;

static weft_status publish_inside(const weft_event *event, void *user)
{
    nested *n = user;
    if (event->session_mutation.seq == 2) {
        (void)keep_once(n->in_hand, &n->outer);
        return keep_once(event, &n->inner);
    }
    n->in_hand = event;
    weft_event inner = numbered(2);
    inner.timestamp_ms = 6;
    return weft_publish(n->bus, &inner);
}

static void of_events_inside_one_another_each_has_its_copy(void)
{
    nested n = {.bus = bus_create(NULL)};
    bus_subscribe(n.bus, NULL, NULL, publish_inside, &n);
    weft_event event = numbered(1);
    event.timestamp_ms = 5;
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(weft_publish(n.bus, &event), WEFT_OK);
    CU_ASSERT_EQUAL(n.outer.first->timestamp_ms, 5);
    CU_ASSERT_EQUAL(n.inner.first->timestamp_ms, 6);
    weft_event_release(n.outer.first);
    weft_event_release(n.inner.first);
    weft_dispatcher_destroy(n.bus);
}

/* ---- threads ---- */

static void *publish_some(void *bus)
{
    bus_publish_each(bus, 1, EVENTS);
    return NULL;
}

static void count_slot(weft__slot *slot, void *user)
{
    (void)slot;
    ++*(unsigned *)user;
}

static void threads_that_come_take_over_from_those_that_went(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    pthread_t threads[THREADS];
    for (int generation = 0; generation < GENERATIONS; generation++) {
        for (int i = 0; i < THREADS; i++)
            threads[i] = thread_start(publish_some, bus);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    CU_ASSERT_EQUAL(bus_stats(bus).published, GENERATIONS * THREADS * EVENTS);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).handled, GENERATIONS * THREADS * EVENTS);
    weft_dispatcher_destroy(bus);
}

/* Each on a stack of its own, for otherwise the address that a thread is known by would come again. */
static void a_slot_is_not_lost_with_its_thread(void)
{
    enum { STACK_BYTES = 1 << 20 };
    weft_dispatcher *bus = bus_create(NULL);
    void *stacks[THREADS];
    pthread_attr_t attr;
    CU_ASSERT_EQUAL_FATAL(pthread_attr_init(&attr), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        stacks[i] = aligned_alloc(4096, STACK_BYTES);
        CU_ASSERT_EQUAL_FATAL(pthread_attr_setstack(&attr, stacks[i], STACK_BYTES), 0);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, &attr, publish_some, bus), 0);
        pthread_join(thread, NULL);
    }
    unsigned slots = 0;
    weft__slots_each(&bus->slots, count_slot, &slots);
    CU_ASSERT_EQUAL(slots, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).published, THREADS * EVENTS);
    pthread_attr_destroy(&attr);
    for (int i = 0; i < THREADS; i++)
        free(stacks[i]);
    weft_dispatcher_destroy(bus);
}

typedef struct relay {
    weft_dispatcher *bus;
    struct relay *next; /* NULL: the last */
    uint64_t calls;
} relay;

static weft_status publish_on(const weft_event *event, void *user)
{
    relay *r = user;
    r->calls++;
    return r->next != NULL ? weft_publish(r->next->bus, event) : WEFT_OK;
}

/* More than a thread remembers at a time, inside one another and in turn. */
static void a_thread_may_publish_to_many_dispatchers(void)
{
    relay relays[BUSES] = {0};
    for (int i = 0; i < BUSES; i++) {
        relays[i].bus = bus_create(NULL);
        relays[i].next = i + 1 < BUSES ? &relays[i + 1] : NULL;
        bus_subscribe(relays[i].bus, NULL, NULL, publish_on, &relays[i]);
    }
    for (uint64_t round = 1; round <= EVENTS; round++)
        for (int i = 0; i < BUSES; i++)
            bus_publish(relays[i].bus, round);
    for (uint64_t i = 0; i < BUSES; i++) {
        CU_ASSERT_EQUAL(relays[i].calls, (i + 1) * EVENTS);
        CU_ASSERT_EQUAL(bus_stats(relays[i].bus).published, (i + 1) * EVENTS);
        CU_ASSERT_EQUAL(bus_stats(relays[i].bus).handled, (i + 1) * EVENTS);
    }
    for (int i = 0; i < BUSES; i++)
        weft_dispatcher_destroy(relays[i].bus);
}

typedef struct survivor {
    gate *published, *go_on;
    weft_dispatcher *bus; /* the next one to publish to */
} survivor;

static void *publish_to_each_of_two(void *user)
{
    survivor *s = user;
    bus_publish(s->bus, 1);
    CU_ASSERT(gate_pass(s->published));
    CU_ASSERT(gate_pass(s->go_on));
    bus_publish(s->bus, 2);
    return NULL;
}

/* The thread that outlives the first dispatcher must not take the second for it, wherever that lies. */
static void threads_outlive_dispatchers(void)
{
    for (int round = 0; round < 8; round++) {
        gate published = GATE_CLOSED, go_on = GATE_CLOSED;
        survivor s = {.published = &published, .go_on = &go_on, .bus = bus_create(NULL)};
        pthread_t thread = thread_start(publish_to_each_of_two, &s);
        CU_ASSERT(gate_await(&published, 1));
        gate_open(&published);
        CU_ASSERT(gate_await(&go_on, 1));
        weft_dispatcher_destroy(s.bus);
        s.bus = bus_create(NULL);
        gate_open(&go_on);
        pthread_join(thread, NULL);
        CU_ASSERT_EQUAL(bus_stats(s.bus).published, 1);
        weft_dispatcher_destroy(s.bus);
    }
}

static pthread_key_t last_words;

static void publish_last_words(void *bus)
{
    bus_publish(bus, 1);
}

static void *publish_and_leave(void *bus)
{
    CU_ASSERT_EQUAL(pthread_setspecific(last_words, bus), 0);
    bus_publish(bus, 1);
    return NULL;
}

static void check_owner(weft__slot *slot, void *user)
{
    (void)user;
    CU_ASSERT(slot->depth == 0 || slot->owner != NULL);
}

static weft_status check_owners(const weft_event *event, void *user)
{
    weft_dispatcher *bus = user;
    (void)event;
    weft__slots_each(&bus->slots, check_owner, NULL);
    return WEFT_OK;
}

/* It has given its slot back by then, and gets one anew. */
static void a_thread_may_publish_while_it_ends(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    bus_subscribe(bus, NULL, NULL, check_owners, bus);
    CU_ASSERT_EQUAL_FATAL(pthread_key_create(&last_words, publish_last_words), 0);
    for (int i = 0; i < GENERATIONS; i++)
        pthread_join(thread_start(publish_and_leave, bus), NULL);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 2 * GENERATIONS);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 2 * GENERATIONS);
    pthread_key_delete(last_words);
    weft_dispatcher_destroy(bus);
}

SUITE(core_publish_paths, CASE(what_only_inline_handlers_take_is_theirs_as_it_is), CASE(of_it_only_the_type_is_checked),
      CASE(what_is_kept_is_checked), CASE(always_validate_checks_all),
      CASE(a_mailbox_has_only_the_types_checked_that_it_takes), CASE(each_fault_has_its_status),
      CASE(what_handlers_keep_is_one_copy_with_its_times_set), CASE(of_events_inside_one_another_each_has_its_copy),
      CASE(threads_that_come_take_over_from_those_that_went), CASE(a_slot_is_not_lost_with_its_thread),
      CASE(a_thread_may_publish_to_many_dispatchers), CASE(threads_outlive_dispatchers),
      CASE(a_thread_may_publish_while_it_ends))
