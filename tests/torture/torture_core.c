/* The dispatcher and what belongs to it, when memory or threads run out: refused or delivered, never half, and all of
 * it works again afterwards. */
#include "support/torture/torture.h"
#include "weft/dead_letter.h"
#include "weft/dispatcher.h"
#include "weft/intercept.h"
#include "weft/json.h"
#include "weft/rate_limit.h"
#include "weft/request.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 6, STOP_MS = 20000 };

static const weft_event usage = {.type = WEFT_TOKEN_USAGE,
                                 .session_id = "s1",
                                 .source = "agent",
                                 .token_usage = {.model = "m", .input_tokens = 9, .cost_usd = 0.01}};

static weft_status count_up(const weft_event *event, void *user)
{
    (void)event;
    atomic_fetch_add((atomic_uint *)user, 1);
    return WEFT_OK;
}

static weft_status fail_always(const weft_event *event, void *user)
{
    (void)event;
    atomic_fetch_add((atomic_uint *)user, 1);
    return WEFT_FAILED;
}

static bool ok_or_out(weft_status st)
{
    bool good = st == WEFT_OK || (torture_failed() && (st == WEFT_NO_MEMORY || st == WEFT_FULL));
    CU_ASSERT_TRUE(good);
    if (!good)
        (void)printf("      status: %s\n", weft_status_text(st));
    return st == WEFT_OK;
}

/* A dispatcher, or NULL when there is no memory for one. */
static weft_dispatcher *bus_create(void)
{
    weft_dispatcher *bus = NULL;
    weft_dispatcher_opts opts = {.history_max = 4, .dead_letters_max = 4, .workers = 2};
    weft_status st = weft_dispatcher_create(&opts, &bus);
    CU_ASSERT_EQUAL(st == WEFT_OK, bus != NULL);
    (void)ok_or_out(st);
    return bus;
}

static unsigned publish_some(weft_dispatcher *bus)
{
    unsigned accepted = 0;
    for (unsigned i = 0; i < EVENTS; i++)
        accepted += ok_or_out(weft_publish(bus, &usage));
    return accepted;
}

/* Every refusal is counted, and what was accepted has been seen by who subscribed. */
static void books_check(weft_dispatcher *bus, unsigned accepted, unsigned attempts)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    CU_ASSERT_EQUAL(stats.published, accepted);
    CU_ASSERT_EQUAL(stats.published + stats.refused_memory, attempts);
}

static void dispatcher_scenario(void)
{
    atomic_uint inline_seen = 0, queued_seen = 0;
    weft_subscription s1 = {0}, s2 = {0};
    weft_dispatcher *bus = bus_create();
    if (bus == NULL)
        return;
    weft_filter filter = {.topics = WEFT_TOPIC_COST, .session_id = "s1", .source = "ag*"};
    weft_subscribe_opts queued = {.name = "queued", .queued = true};
    bool has_inline = ok_or_out(weft_subscribe(bus, &filter, count_up, &inline_seen, &s1));
    bool has_queued = ok_or_out(weft_subscribe_with(bus, &filter, &queued, count_up, &queued_seen, &s2));
    unsigned accepted = publish_some(bus);
    torture_relent();
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    accepted++;
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, STOP_MS, NULL), WEFT_OK);
    books_check(bus, accepted, EVENTS + 1);
    weft_subscription_stats stats = {0};
    if (has_queued)
        CU_ASSERT_EQUAL(weft_subscription_get_stats(bus, s2, &stats), WEFT_OK);
    CU_ASSERT_EQUAL(inline_seen, has_inline ? accepted : 0);
    CU_ASSERT_EQUAL(queued_seen + stats.dropped_overflow + stats.dead_letters, has_queued ? accepted : 0);
    const weft_event *found[EVENTS];
    size_t kept = weft_history_find(bus, NULL, found, EVENTS);
    CU_ASSERT_TRUE(kept >= 1);
    for (size_t i = 0; i < kept; i++)
        weft_event_release(found[i]);
    if (has_inline)
        CU_ASSERT_EQUAL(weft_unsubscribe(bus, s1), WEFT_OK);
    weft_dispatcher_destroy(bus);
}

static void dead_letters_scenario(void)
{
    atomic_uint seen = 0, calls = 0;
    weft_subscription bad = {0};
    weft_dead_letter letters[8];
    weft_dispatcher *bus = bus_create();
    if (bus == NULL)
        return;
    weft_subscribe_opts opts = {.name = "bad", .attempts = 2, .failures_max = 3};
    bool has_bad = ok_or_out(weft_subscribe_with(bus, NULL, &opts, fail_always, &calls, &bad));
    bool has_good = ok_or_out(weft_subscribe(bus, NULL, count_up, &seen, NULL));
    unsigned accepted = publish_some(bus);
    size_t count = weft_dead_letters_list(bus, 0, letters, 8);
    for (size_t i = 0; i < count; i++) {
        weft_status st = weft_dead_letter_redeliver(bus, letters[i].id);
        CU_ASSERT_TRUE(st != WEFT_OK || has_bad);
        weft_event_release(letters[i].event);
    }
    torture_relent();
    CU_ASSERT_EQUAL(seen, has_good ? accepted : 0);
    if (has_bad)
        CU_ASSERT_EQUAL(weft_subscription_resume(bus, bad), WEFT_OK);
    unsigned before = atomic_load(&calls);
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    CU_ASSERT_EQUAL(calls - before, has_bad ? 2 : 0);
    count = weft_dead_letters_list(bus, 0, letters, 8);
    CU_ASSERT_EQUAL(count > 0, has_bad);
    for (size_t i = 0; i < count; i++)
        weft_event_release(letters[i].event);
    weft_dispatcher_destroy(bus);
}

static weft_status on_stage(weft_event *event, weft_stage *stage, void *user)
{
    (void)user;
    const char *copy = weft_stage_copy(stage, "redacted");
    if (copy == NULL)
        return WEFT_NO_MEMORY;
    event->source = copy;
    weft_event more = {.type = WEFT_CONFIG_RELOADED};
    return weft_stage_split(stage, &more);
}

static void gates_scenario(void)
{
    atomic_uint seen = 0;
    weft_interceptor interceptor = {0};
    weft_dispatcher *bus = bus_create();
    if (bus == NULL)
        return;
    weft_rate_limit limit = {.topics = WEFT_TOPIC_COST, .source = "agent*", .each_source = true, .per_second = 1000};
    weft_interceptor_opts opts = {.name = "split", .topics = WEFT_TOPIC_COST};
    bool has_limit = ok_or_out(weft_rate_limits_set(bus, &limit, 1));
    bool has_interceptor = ok_or_out(weft_intercept(bus, &opts, on_stage, NULL, &interceptor));
    bool has_taker = ok_or_out(weft_subscribe(bus, NULL, count_up, &seen, NULL));
    unsigned accepted = publish_some(bus);
    torture_relent();
    CU_ASSERT_EQUAL(weft_publish(bus, &usage), WEFT_OK);
    accepted++;
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    CU_ASSERT_EQUAL(seen, has_taker ? stats.published : 0);
    CU_ASSERT_TRUE(stats.published >= accepted);
    if (has_interceptor)
        CU_ASSERT_EQUAL(weft_interceptor_remove(bus, interceptor), WEFT_OK);
    weft_rate_limit_stats limited = {0};
    if (has_limit)
        CU_ASSERT_EQUAL(weft_rate_limit_get_stats(bus, 0, &limited), WEFT_OK);
    CU_ASSERT_EQUAL(limited.refused, 0);
    weft_dispatcher_destroy(bus);
}

static weft_dispatcher *answering;

static weft_status on_question(const weft_event *event, void *user)
{
    (void)user;
    weft_event answer = {.type = WEFT_CUSTOM, .custom = {.event_type = "answer", .source = "test", .data_json = "1"}};
    return event->type == WEFT_CUSTOM && strcmp(event->custom.event_type, "question") == 0
               ? weft_reply(answering, event, &answer)
               : WEFT_OK;
}

static void requests_scenario(void)
{
    weft_dispatcher *bus = answering = bus_create();
    if (bus == NULL)
        return;
    weft_event question = {.type = WEFT_CUSTOM,
                           .custom = {.event_type = "question", .source = "test", .data_json = "1"}};
    const weft_event *reply = NULL;
    bool answers = ok_or_out(weft_subscribe(bus, NULL, on_question, NULL, NULL));
    weft_status st = weft_request(bus, &question, 20, &reply);
    CU_ASSERT_TRUE(st == WEFT_OK || st == WEFT_NO_MEMORY || st == WEFT_TIMEOUT || st == WEFT_FULL);
    CU_ASSERT_EQUAL(st == WEFT_OK, reply != NULL);
    if (reply != NULL)
        weft_event_release(reply);
    torture_relent();
    st = weft_request(bus, &question, answers ? STOP_MS : 1, &reply);
    CU_ASSERT_EQUAL(st, answers ? WEFT_OK : WEFT_TIMEOUT);
    if (st == WEFT_OK)
        weft_event_release(reply);
    weft_dispatcher_destroy(bus);
}

static void events_scenario(void)
{
    const char *const tags[] = {"x", "y"};
    const weft_attribute attributes[] = {{"k", "v"}};
    weft_event event = usage;
    event.tags = tags;
    event.tag_count = 2;
    event.attributes = attributes;
    event.attribute_count = 1;
    weft_text text = {0};
    const weft_event *kept = weft_event_keep(&event), *read = NULL;
    CU_ASSERT_TRUE(kept != NULL || torture_failed());
    if (kept != NULL)
        weft_event_release(kept);
    if (ok_or_out(weft_event_to_json(&event, &text)) &&
        ok_or_out(weft_event_from_json(text.data, text.length, &read, NULL)))
        weft_event_release(read);
    torture_relent();
    weft_text_clear(&text);
    CU_ASSERT_EQUAL(weft_event_to_json(&event, &text), WEFT_OK);
    CU_ASSERT_EQUAL(weft_event_from_json(text.data, text.length, &read, NULL), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(read->session_id, "s1");
    weft_event_release(read);
    weft_text_fini(&text);
}

static void a_dispatcher_accepts_or_refuses(void)
{
    torture_each(dispatcher_scenario);
}

static void dead_letters_are_made_or_counted(void)
{
    torture_each(dead_letters_scenario);
}

static void gates_let_through_whole_events(void)
{
    torture_each(gates_scenario);
}

static void requests_end(void)
{
    torture_each(requests_scenario);
}

static void events_are_copied_or_not(void)
{
    torture_each(events_scenario);
}

SUITE(torture_core, CASE(events_are_copied_or_not), CASE(a_dispatcher_accepts_or_refuses),
      CASE(dead_letters_are_made_or_counted), CASE(gates_let_through_whole_events), CASE(requests_end))
