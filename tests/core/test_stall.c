/* Handlers that run for too long: who is told of which, and when not. */
#include <string.h>
#include <time.h>

#include "support/core/bus.h"

enum { STALL_MS = 10 };

static const weft_filter sessions = {.topics = WEFT_TOPIC_SESSION};
static const weft_filter agents = {.topics = WEFT_TOPIC_AGENT};

/* What on_stalled was told. */
typedef struct watcher {
    weft_dispatcher *bus;
    gate *_Atomic opened; /* by the call number `opened_by`; NULL: none */
    atomic_uint opened_by;
    bool unsubscribes; /* the stalled one, after opening */
    weft_status status;
    atomic_uint count;
    _Atomic uint64_t ids[8];
    char names[8][64];
} watcher;

static void on_stalled(weft_subscription sub, const char *name, void *user)
{
    watcher *w = user;
    unsigned call = atomic_load(&w->count);
    if (call < 8) {
        w->ids[call] = sub.id;
        (void)strncpy(w->names[call], name, sizeof w->names[call] - 1);
    }
    atomic_store(&w->count, call + 1);
    if (w->opened == NULL || call + 1 != w->opened_by)
        return;
    gate_open(w->opened);
    if (w->unsubscribes)
        w->status = weft_unsubscribe(w->bus, sub);
}

static weft_dispatcher *bus_watched_by(watcher *w)
{
    return bus_create(&(weft_dispatcher_opts){.stall_ms = STALL_MS, .on_stalled = on_stalled, .stalled_user = w});
}

static void *publish_session(void *bus)
{
    bus_publish(bus, 1);
    return NULL;
}

static void *publish_agent(void *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .timestamp_ms = 1, .agent_id = "a"}),
                    WEFT_OK);
    return NULL;
}

static bool was_told_once(void *user)
{
    return atomic_load(&((watcher *)user)->count) == 1;
}

/* The second one is begun when the first has been told of: until that stalls too, the first is looked at many times. */
static void a_stalled_call_is_told_of_once(void)
{
    gate held = GATE_CLOSED;
    watcher w = {.opened = &held, .opened_by = 2};
    weft_dispatcher *bus = bus_watched_by(&w);
    taker first = {.held = &held}, second = {.held = &held};
    weft_subscription a = bus_subscribe(bus, &sessions, &(weft_subscribe_opts){.name = "first"}, take, &first);
    weft_subscribe_opts queued = {.name = "second", .queued = true};
    weft_subscription b = bus_subscribe(bus, &agents, &queued, take, &second);
    pthread_t thread = thread_start(publish_session, bus);
    CU_ASSERT(suite_wait(was_told_once, &w, PATIENCE_MS));
    CU_ASSERT_EQUAL(bus_stats_of(bus, a).running, 1);
    CU_ASSERT_EQUAL(bus_stats_of(bus, b).running, 0);
    publish_agent(bus);
    CU_ASSERT(gate_pass(&held));
    pthread_join(thread, NULL);
    bus_settle(bus);
    CU_ASSERT_EQUAL(w.count, 2);
    CU_ASSERT_EQUAL(w.ids[0], a.id);
    CU_ASSERT_EQUAL(w.ids[1], b.id);
    CU_ASSERT_STRING_EQUAL(w.names[0], "first");
    CU_ASSERT_STRING_EQUAL(w.names[1], "second");
    CU_ASSERT_EQUAL(bus_stats_of(bus, a).stalls, 1);
    CU_ASSERT_EQUAL(bus_stats_of(bus, b).stalls, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).handler_stalls, 2);
    weft_dispatcher_destroy(bus);
}

typedef struct two_calls {
    watcher *watcher;
    gate held[2];
    unsigned calls;
} two_calls;

static weft_status wait_to_be_told_of(const weft_event *event, void *user)
{
    two_calls *t = user;
    (void)event;
    t->watcher->opened = &t->held[t->calls++];
    t->watcher->opened_by = t->calls;
    return gate_pass(&t->held[t->calls - 1]) ? WEFT_OK : WEFT_TIMEOUT;
}

static void the_next_call_may_stall_again(void)
{
    watcher w = {0};
    weft_dispatcher *bus = bus_watched_by(&w);
    two_calls t = {.watcher = &w, .held = {GATE_CLOSED, GATE_CLOSED}};
    weft_subscription sub =
        bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true, .paused = true}, wait_to_be_told_of, &t);
    bus_publish_each(bus, 1, 2);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    bus_settle(bus);
    CU_ASSERT_EQUAL(w.count, 2);
    CU_ASSERT_STRING_EQUAL(w.names[0], "");
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).stalls, 2);
    CU_ASSERT_EQUAL(bus_stats_of(bus, sub).handled, 2);
    weft_dispatcher_destroy(bus);
}

static void a_stalled_one_may_be_unsubscribed_when_told(void)
{
    gate held = GATE_CLOSED;
    watcher w = {.opened = &held, .opened_by = 1, .unsubscribes = true, .status = WEFT_FAILED};
    w.bus = bus_watched_by(&w);
    taker t = {.held = &held};
    bus_subscribe(w.bus, NULL, NULL, take, &t);
    bus_publish(w.bus, 1);
    weft_dispatcher_destroy(w.bus);
    CU_ASSERT_EQUAL(w.status, WEFT_OK);
    CU_ASSERT_EQUAL(t.count, 1);
}

static bool has_stalled(void *bus)
{
    return bus_stats(bus).handler_stalls > 0;
}

static void stalls_are_counted_if_nobody_is_told(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.stall_ms = STALL_MS});
    taker t = {.held = &held};
    bus_subscribe(bus, NULL, NULL, take, &t);
    pthread_t thread = thread_start(publish_session, bus);
    CU_ASSERT(suite_wait(has_stalled, bus, PATIENCE_MS));
    gate_open(&held);
    pthread_join(thread, NULL);
    weft_dispatcher_destroy(bus);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static weft_status be_busy_for_a_moment(const weft_event *event, void *user)
{
    int64_t begin_ns = now_ns();
    unsigned *long_calls = user;
    (void)event;
    while (now_ns() - begin_ns < 100000)
        continue;
    *long_calls += now_ns() - begin_ns >= STALL_MS * 1000000;
    return WEFT_OK;
}

/* It is busy until the other one has stalled, so each look finds it. That a call took long after all, because the
 * thread had to wait for a processor, excuses one. */
static void many_short_calls_are_no_stall(void)
{
    gate held = GATE_CLOSED;
    watcher w = {0};
    weft_dispatcher *bus = bus_watched_by(&w);
    taker t = {.held = &held};
    unsigned long_calls = 0;
    weft_subscription busy = bus_subscribe(bus, &sessions, NULL, be_busy_for_a_moment, &long_calls);
    weft_subscription slow = bus_subscribe(bus, &agents, NULL, take, &t);
    pthread_t thread = thread_start(publish_agent, bus);
    while (bus_stats_of(bus, slow).stalls == 0)
        bus_publish(bus, 1);
    gate_open(&held);
    pthread_join(thread, NULL);
    CU_ASSERT(bus_stats_of(bus, busy).stalls <= long_calls);
    weft_dispatcher_destroy(bus);
}

SUITE(core_stall, CASE(a_stalled_call_is_told_of_once), CASE(the_next_call_may_stall_again),
      CASE(a_stalled_one_may_be_unsubscribed_when_told), CASE(stalls_are_counted_if_nobody_is_told),
      CASE(many_short_calls_are_no_stall))
