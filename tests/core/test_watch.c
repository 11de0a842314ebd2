/* What a dispatcher tells about itself: its subscriptions and their counts, and forgetting them. */
#include <string.h>

#include "support/core/bus.h"

enum { LIST_MAX = 200 };

static const weft_filter sessions = {.topics = WEFT_TOPIC_SESSION};

static void publish_agent(weft_dispatcher *bus)
{
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .timestamp_ms = 1, .agent_id = "a"}),
                    WEFT_OK);
}

/* ---- listing ---- */

static void lists_in_the_order_of_subscribing(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0};
    weft_subscription subs[LIST_MAX], found[LIST_MAX + 1];
    CU_ASSERT_EQUAL(weft_subscription_list(bus, (weft_subscription){0}, found, LIST_MAX), 0);
    for (int i = 0; i < LIST_MAX; i++)
        subs[i] = bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = i % 3 == 0}, take, &t);
    CU_ASSERT_EQUAL(weft_subscription_list(bus, (weft_subscription){0}, found, LIST_MAX + 1), LIST_MAX);
    CU_ASSERT_EQUAL(memcmp(found, subs, sizeof subs), 0);
    CU_ASSERT_EQUAL(weft_subscription_list(bus, (weft_subscription){0}, found, 0), 0);
    CU_ASSERT_EQUAL(weft_subscription_list(bus, subs[LIST_MAX - 1], found, 1), 0);
    for (int i = 1; i < LIST_MAX; i += 2)
        CU_ASSERT_EQUAL(weft_unsubscribe(bus, subs[i]), WEFT_OK);
    weft_subscription after = {0};
    int at = 0;
    for (size_t count; (count = weft_subscription_list(bus, after, found, 7)) > 0; after = found[count - 1])
        for (size_t i = 0; i < count; i++, at += 2)
            CU_ASSERT_EQUAL(found[i].id, subs[at].id);
    CU_ASSERT_EQUAL(at, LIST_MAX);
    CU_ASSERT_EQUAL(weft_subscription_list(bus, subs[1], found, 1), 1);
    CU_ASSERT_EQUAL(found[0].id, subs[2].id);
    CU_ASSERT_EQUAL(bus_stats(bus).subscriptions, LIST_MAX / 2);
    weft_dispatcher_destroy(bus);
}

/* ---- counts ---- */

static void a_queued_one_tells_what_waits_and_what_runs(void)
{
    gate held = GATE_CLOSED;
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {.held = &held};
    weft_subscribe_opts opts = {.name = "journal", .queued = true, .paused = true};
    weft_subscription sub = bus_subscribe(bus, NULL, &opts, take, &t);
    weft_subscription_stats stats = bus_stats_of(bus, sub);
    CU_ASSERT_STRING_EQUAL(stats.name, "journal");
    CU_ASSERT(stats.queued);
    CU_ASSERT(stats.paused);
    CU_ASSERT_FALSE(stats.suspended);
    CU_ASSERT_EQUAL(stats.queue_max, 1024);
    CU_ASSERT_EQUAL(stats.queue_depth + stats.running, 0);
    bus_publish_each(bus, 1, 3);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, sub), WEFT_OK);
    CU_ASSERT(gate_await(&held, 1));
    bus_publish_each(bus, 4, 5);
    stats = bus_stats_of(bus, sub);
    CU_ASSERT_EQUAL(stats.running, 1);
    CU_ASSERT_EQUAL(stats.queue_depth, 4);
    CU_ASSERT_EQUAL(stats.handled, 0);
    gate_open(&held);
    bus_settle(bus);
    stats = bus_stats_of(bus, sub);
    CU_ASSERT_EQUAL(stats.running + stats.queue_depth, 0);
    CU_ASSERT_EQUAL(stats.handled, 5);
    CU_ASSERT_EQUAL(stats.last_type, WEFT_SESSION_MUTATION);
    CU_ASSERT_EQUAL(stats.last_event_ms, 1);
    weft_dispatcher_destroy(bus);
}

typedef struct reader {
    weft_dispatcher *bus;
    weft_subscription failing, paused;
    weft_subscription_stats failing_stats, paused_stats;
} reader;

static weft_status read_counts(const weft_event *event, void *user)
{
    reader *r = user;
    (void)event;
    r->failing_stats = bus_stats_of(r->bus, r->failing);
    r->paused_stats = bus_stats_of(r->bus, r->paused);
    return WEFT_OK;
}

static weft_status pause_other(const weft_event *event, void *user)
{
    reader *r = user;
    return event->session_mutation.seq == 3 ? weft_subscription_pause(r->bus, r->paused) : WEFT_OK;
}

/* Whoever looks in the middle of an event sees no more handled than there was. */
static void counts_hold_in_the_middle_of_an_event(void)
{
    reader r = {.bus = bus_create(NULL)};
    taker failing = {.verdict = WEFT_FAILED}, paused = {0};
    bus_subscribe(r.bus, NULL, NULL, pause_other, &r);
    r.failing = bus_subscribe(r.bus, NULL, NULL, take, &failing);
    r.paused = bus_subscribe(r.bus, NULL, NULL, take, &paused);
    bus_subscribe(r.bus, NULL, NULL, read_counts, &r);
    for (unsigned i = 1; i <= 3; i++) {
        weft_event event = numbered(i);
        CU_ASSERT_EQUAL(weft_publish(r.bus, &event), WEFT_OK);
        CU_ASSERT_EQUAL(r.failing_stats.handled, 0);
        CU_ASSERT_EQUAL(r.failing_stats.errors, i);
        CU_ASSERT(r.paused_stats.handled <= paused.count);
        CU_ASSERT_EQUAL(r.paused_stats.skipped_paused, i / 3);
    }
    CU_ASSERT_EQUAL(bus_stats_of(r.bus, r.paused).handled, 2);
    CU_ASSERT_EQUAL(bus_stats_of(r.bus, r.failing).handled, 0);
    weft_dispatcher_destroy(r.bus);
}

static void counts_outlast_changes_of_the_subscriptions(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker t = {0}, failing = {.verdict = WEFT_FAILED}, others = {0};
    weft_subscription sub = bus_subscribe(bus, NULL, NULL, take, &t);
    weft_subscription fails = bus_subscribe(bus, NULL, NULL, take, &failing);
    for (unsigned i = 1; i <= 300; i++) {
        weft_subscription other = bus_subscribe(bus, i % 2 == 0 ? &sessions : NULL, NULL, take, &others);
        bus_publish(bus, i);
        publish_agent(bus);
        if (i % 3 != 0)
            CU_ASSERT_EQUAL(weft_unsubscribe(bus, other), WEFT_OK);
        CU_ASSERT_EQUAL(bus_stats_of(bus, sub).handled, 2 * i);
        CU_ASSERT_EQUAL(bus_stats_of(bus, fails).handled, 0);
        CU_ASSERT_EQUAL(bus_stats_of(bus, fails).errors, 2 * i);
    }
    CU_ASSERT_EQUAL(bus_stats(bus).handled, t.count + others.count);
    weft_dispatcher_destroy(bus);
}

/* ---- reset ---- */

static bool only_subscriptions_are_counted(const weft_dispatcher_stats *stats)
{
    const weft_dispatcher_stats expected = {.subscriptions = stats->subscriptions};
    return memcmp(stats, &expected, sizeof expected) == 0;
}

static void check_nothing_is_known(weft_dispatcher *bus, const weft_subscription *subs, size_t count)
{
    const weft_event *kept;
    weft_dispatcher_stats stats = bus_stats(bus);
    CU_ASSERT(only_subscriptions_are_counted(&stats));
    CU_ASSERT_EQUAL(stats.subscriptions, count);
    for (size_t i = 0; i < count; i++) {
        weft_subscription_stats of = bus_stats_of(bus, subs[i]);
        CU_ASSERT_EQUAL(of.handled + of.errors + of.dead_letters + of.handler_timed + of.handler_ns, 0);
        CU_ASSERT_EQUAL(of.last_event_ms, 0);
    }
    CU_ASSERT_EQUAL(weft_history_find(bus, NULL, &kept, 1), 0);
    bus_check_letters(bus, NUMBERS(0));
}

static void reset_forgets_all_but_subscriptions_and_mailboxes(void)
{
    weft_dispatcher *bus = bus_create(&(weft_dispatcher_opts){.history_max = 4});
    taker fine = {0}, failing = {.verdict = WEFT_FAILED}, paused = {0};
    weft_subscription subs[] = {
        bus_subscribe(bus, NULL, NULL, take, &fine), bus_subscribe(bus, NULL, NULL, take, &failing),
        bus_subscribe(bus, NULL, &(weft_subscribe_opts){.queued = true, .paused = true}, take, &paused)};
    bus_publish_each(bus, 1, 2);
    CU_ASSERT_EQUAL(weft_publish(bus, NULL), WEFT_INVALID);
    weft_dispatcher_reset(bus);
    check_nothing_is_known(bus, subs, 3);
    bus_publish(bus, 3);
    CU_ASSERT_EQUAL(bus_stats(bus).published, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).handled, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).handler_errors, 1);
    CU_ASSERT_EQUAL(bus_stats(bus).by_type[WEFT_SESSION_MUTATION], 1);
    CU_ASSERT_EQUAL(bus_stats_of(bus, subs[1]).errors, 1);
    CU_ASSERT_EQUAL(bus_letter(bus, 3).id, 3);
    CU_ASSERT_EQUAL(bus_stats_of(bus, subs[2]).queue_depth, 3);
    CU_ASSERT_EQUAL(weft_subscription_resume(bus, subs[2]), WEFT_OK);
    bus_settle(bus);
    taker_check(&paused, NUMBERS(1, 2, 3));
    weft_dispatcher_destroy(bus);
}

/* Inline takers of which nothing is asked are counted together: what that means for one must be forgotten, too. */
static void reset_forgets_what_was_counted_together(void)
{
    weft_dispatcher *bus = bus_create(NULL);
    taker fine = {0}, failing = {.verdict = WEFT_FAILED};
    weft_subscription subs[] = {bus_subscribe(bus, NULL, NULL, take, &fine),
                                bus_subscribe(bus, NULL, NULL, take, &failing)};
    bus_publish_each(bus, 1, 5);
    weft_dispatcher_reset(bus);
    check_nothing_is_known(bus, subs, 2);
    failing.verdict = WEFT_OK;
    bus_publish_each(bus, 6, 7);
    CU_ASSERT_EQUAL(bus_stats_of(bus, subs[0]).handled, 2);
    CU_ASSERT_EQUAL(bus_stats_of(bus, subs[1]).handled, 2);
    weft_dispatcher_destroy(bus);
}

SUITE(core_watch, CASE(lists_in_the_order_of_subscribing), CASE(a_queued_one_tells_what_waits_and_what_runs),
      CASE(counts_hold_in_the_middle_of_an_event), CASE(counts_outlast_changes_of_the_subscriptions),
      CASE(reset_forgets_all_but_subscriptions_and_mailboxes), CASE(reset_forgets_what_was_counted_together))
