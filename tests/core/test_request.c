/* Requests and the replies to them, as who asks and who answers see them. */
#include "request_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/memory_out.h"
#include "weft/tap.h"

enum { ASKERS = 4, QUESTIONS = 50, INBOX_MAX = 1024 };

/* Answers each call's start with `replies` ends, whose durations count up from 1. */
typedef struct responder {
    weft_dispatcher *bus;
    uint64_t replies;
    weft_topic topic; /* of the replies: tool, or agent */
    atomic_int asked;
    char correlation_id[WEFT_ID_MAX_BYTES + 1]; /* of the last request */
} responder;

static weft_status respond(const weft_event *event, void *user)
{
    responder *r = user;
    if (event->type != WEFT_TOOL_CALL_START)
        return WEFT_OK;
    (void)snprintf(r->correlation_id, sizeof r->correlation_id, "%s", event->correlation_id);
    r->asked++;
    weft_event elsewhere = {.type = WEFT_AGENT_END, .agent_id = "a", .agent_end = {.success = true}};
    for (uint64_t i = 1; i <= r->replies; i++) {
        weft_event answer = r->topic == WEFT_TOPIC_AGENT ? elsewhere : answer_of(i);
        weft_status status = weft_reply(r->bus, event, &answer);
        CU_ASSERT(status == WEFT_OK || (status == WEFT_STOPPED && i > 1)); /* who had enough may have stopped it */
    }
    return WEFT_OK;
}

static void responder_start(responder *r, weft_dispatcher *bus, bool queued)
{
    r->bus = bus;
    weft_filter filter = {.topics = WEFT_TOPIC_TOOL};
    weft_subscribe_opts opts = {.queued = queued};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, &filter, &opts, respond, r, NULL), WEFT_OK);
}

/* What on_reply of these tests has seen. */
typedef struct listener {
    weft_dispatcher *bus;
    uint32_t calls;
    uint64_t durations; /* digits, in order */
    uint32_t end_after; /* 0: never */
    bool elsewhere;     /* some call was not on the asking thread */
    pthread_t asking;
} listener;

static weft_status listen(const weft_event *event, void *user)
{
    listener *l = user;
    l->calls++;
    l->elsewhere = l->elsewhere || !pthread_equal(l->asking, pthread_self());
    if (event->type == WEFT_TOOL_CALL_END)
        l->durations = l->durations * 10 + event->tool_call_end.duration_ms;
    return l->calls == l->end_after ? WEFT_FAILED : WEFT_OK;
}

/* ---- one reply ---- */

static void check_one_reply(bool queued)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    const weft_event *reply = NULL;
    responder_start(&r, bus, queued);
    CU_ASSERT_EQUAL(weft_request(bus, &question, PATIENCE_MS, &reply), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
    CU_ASSERT_EQUAL(reply->type, WEFT_TOOL_CALL_END);
    CU_ASSERT_EQUAL(reply->tool_call_end.duration_ms, 1);
    CU_ASSERT_STRING_EQUAL(reply->session_id, "s1");
    CU_ASSERT_EQUAL(r.asked, 1);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 1);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    weft_event_release(reply);
    weft_dispatcher_destroy(bus);
}

static void a_reply_comes_from_an_inline_handler(void)
{
    check_one_reply(false);
}

static void a_reply_comes_from_a_queued_handler(void)
{
    check_one_reply(true);
}

static weft_status bring_reply(const weft_event *event, void *user)
{
    weft_event answer = answer_of(7);
    answer.correlation_id = event->correlation_id;
    answer.id = (weft_event_id){.node = "host-b", .epoch = 3, .seq = 9};
    return event->type == WEFT_TOOL_CALL_START ? weft_tap_deliver(user, &answer) : WEFT_OK;
}

static void a_reply_comes_from_another_host(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *reply = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, bring_reply, bus, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_request(bus, &question, PATIENCE_MS, &reply), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
    CU_ASSERT_STRING_EQUAL(reply->id.node, "host-b");
    CU_ASSERT_EQUAL(reply->tool_call_end.duration_ms, 7);
    weft_event_release(reply);
    weft_dispatcher_destroy(bus);
}

static void without_a_reply_it_times_out(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *reply = &question;
    CU_ASSERT_EQUAL(weft_request(bus, &question, SHORT_MS, &reply), WEFT_TIMEOUT);
    CU_ASSERT_PTR_EQUAL(reply, &question);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    weft_dispatcher_destroy(bus);
}

/* ---- several ---- */

static void several_replies_are_handed_over_in_order_on_the_asking_thread(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 5};
    listener l = {.asking = pthread_self()};
    uint32_t replies = 0;
    responder_start(&r, bus, true);
    weft_request_opts opts = {.timeout_ms = PATIENCE_MS, .replies_max = 5};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, &replies), WEFT_OK);
    CU_ASSERT_EQUAL(replies, 5);
    CU_ASSERT_EQUAL(l.durations, 12345);
    CU_ASSERT_FALSE(l.elsewhere);
    weft_dispatcher_destroy(bus);
}

static void fewer_replies_than_wanted_time_out(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 2};
    listener l = {.asking = pthread_self()};
    uint32_t replies = 0;
    responder_start(&r, bus, false);
    weft_request_opts opts = {.timeout_ms = SHORT_MS, .replies_max = 3};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, &replies), WEFT_TIMEOUT);
    CU_ASSERT_EQUAL(replies, 2);
    CU_ASSERT_EQUAL(l.durations, 12);
    weft_dispatcher_destroy(bus);
}

static void on_reply_may_end_it(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 5};
    listener l = {.asking = pthread_self(), .end_after = 2};
    uint32_t replies = 0;
    responder_start(&r, bus, false);
    weft_request_opts opts = {.timeout_ms = PATIENCE_MS, .replies_max = 9};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, &replies), WEFT_OK);
    CU_ASSERT_EQUAL(replies, 2);
    CU_ASSERT_EQUAL(l.durations, 12);
    weft_event asked = question, answer = answer_of(6);
    asked.correlation_id = r.correlation_id;
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 1);
    weft_dispatcher_destroy(bus);
}

static void one_reply_is_the_default_and_the_others_are_late(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = INBOX_MAX + 10};
    listener l = {.asking = pthread_self()};
    uint32_t replies = 0;
    responder_start(&r, bus, false);
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, NULL, listen, &l, &replies), WEFT_OK);
    CU_ASSERT_EQUAL(replies, 1);
    CU_ASSERT_EQUAL(l.calls, 1);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, INBOX_MAX + 9);
    CU_ASSERT_EQUAL(stats_of(bus).handler_errors, 0);
    weft_dispatcher_destroy(bus);
}

static weft_status provoke(const weft_event *event, void *user)
{
    listener *l = user;
    weft_event answer = answer_of(1);
    l->calls++;
    CU_ASSERT_EQUAL(weft_reply(l->bus, event, &answer), WEFT_OK);
    return WEFT_OK;
}

static void replies_without_end_end_with_the_time(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    listener l = {.bus = bus};
    responder_start(&r, bus, false);
    weft_request_opts opts = {.timeout_ms = SHORT_MS, .replies_max = UINT32_MAX};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, provoke, &l, NULL), WEFT_TIMEOUT);
    CU_ASSERT(l.calls >= 1);
    weft_dispatcher_destroy(bus);
}

static void replies_come_on_the_topics_asked_for(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1, .topic = WEFT_TOPIC_AGENT};
    listener l = {.asking = pthread_self()};
    responder_start(&r, bus, false);
    weft_request_opts opts = {.timeout_ms = SHORT_MS};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, NULL), WEFT_TIMEOUT);
    opts = (weft_request_opts){.timeout_ms = PATIENCE_MS, .topics = WEFT_TOPIC_AGENT};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(l.calls, 1);
    weft_dispatcher_destroy(bus);
}

/* ---- late ---- */

static void replies_that_come_late_are_counted(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {0};
    const weft_event *reply = NULL;
    responder_start(&r, bus, false);
    CU_ASSERT_EQUAL(weft_request(bus, &question, SHORT_MS, &reply), WEFT_TIMEOUT);
    weft_event asked = question, answer = answer_of(1);
    asked.correlation_id = r.correlation_id;
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 1);
    asked.correlation_id = "another";
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 1);
    weft_dispatcher_destroy(bus);
}

static void asking_again_under_the_same_id_is_no_late_reply(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {0};
    weft_event asked = question;
    const weft_event *reply = NULL;
    asked.correlation_id = "mine";
    responder_start(&r, bus, false);
    CU_ASSERT_EQUAL(weft_request(bus, &asked, SHORT_MS, &reply), WEFT_TIMEOUT);
    r.replies = 1;
    CU_ASSERT_EQUAL(weft_request(bus, &asked, PATIENCE_MS, &reply), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    weft_event_release(reply);
    weft_dispatcher_destroy(bus);
}

static weft_status tap_refuse(void *user, weft_event *event)
{
    (void)user;
    (void)event;
    return WEFT_NO_SPACE;
}

static void tap_ignore(void *user, uint32_t topics)
{
    (void)user;
    (void)topics;
}

static void a_request_that_is_refused_leaves_nothing_behind(void)
{
    static const weft_tap_ops ops = {.accept = tap_refuse, .interest_changed = tap_ignore};
    weft_dispatcher *bus = bus_create();
    const weft_event *reply = NULL;
    weft_event asked = question;
    asked.correlation_id = "mine";
    CU_ASSERT_EQUAL(weft_request(bus, &(weft_event){0}, PATIENCE_MS, &reply), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_tap_attach(bus, &ops, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_request(bus, &asked, PATIENCE_MS, &reply), WEFT_NO_SPACE);
    weft_tap_detach(bus);
    CU_ASSERT_EQUAL(weft_publish(bus, &asked), WEFT_OK);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 0, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_request(bus, &asked, PATIENCE_MS, &reply), WEFT_STOPPED);
    CU_ASSERT_PTR_NULL(reply);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 0);
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    weft_dispatcher_destroy(bus);
}

static void refuses_arguments_that_cannot_be(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *reply = NULL;
    listener l = {0};
    weft_request_opts opts = {.topics = 1};
    CU_ASSERT_EQUAL(weft_request(bus, NULL, SHORT_MS, &reply), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_request(bus, &question, SHORT_MS, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, NULL, NULL, NULL, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, listen, &l, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_wait_for(bus, NULL, SHORT_MS, NULL), WEFT_INVALID);
    weft_dispatcher_destroy(bus);
}

/* ---- correlation ids ---- */

static void a_request_is_seen_by_others_but_is_not_its_own_reply(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {0};
    weft_event asked = question;
    const weft_event *reply = NULL;
    asked.correlation_id = "mine";
    responder_start(&r, bus, false);
    CU_ASSERT_EQUAL(weft_request(bus, &asked, SHORT_MS, &reply), WEFT_TIMEOUT);
    CU_ASSERT_EQUAL(r.asked, 1);
    CU_ASSERT_STRING_EQUAL(r.correlation_id, "mine");
    CU_ASSERT_EQUAL(stats_of(bus).late_replies, 0);
    weft_dispatcher_destroy(bus);
}

static void a_request_without_an_id_gets_one_of_its_own_each_time(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    char first[sizeof r.correlation_id];
    responder_start(&r, bus, false);
    const weft_event *reply = NULL;
    CU_ASSERT_EQUAL(weft_request(bus, &question, PATIENCE_MS, &reply), WEFT_OK);
    weft_event_release(reply);
    memcpy(first, r.correlation_id, sizeof first);
    CU_ASSERT_EQUAL(strlen(first), 32);
    CU_ASSERT_EQUAL(weft_request(bus, &question, PATIENCE_MS, &reply), WEFT_OK);
    weft_event_release(reply);
    CU_ASSERT_STRING_NOT_EQUAL(first, r.correlation_id);
    CU_ASSERT_PTR_NULL(question.correlation_id);
    weft_dispatcher_destroy(bus);
}

typedef struct asker {
    weft_dispatcher *bus;
    const char *session;
    int questions;
    int right; /* replies with its own session */
    int failures;
} asker;

static void *ask(void *arg)
{
    asker *a = arg;
    weft_event asked = question;
    asked.session_id = a->session;
    for (int i = 0; i < a->questions; i++) {
        const weft_event *reply = NULL;
        if (weft_request(a->bus, &asked, PATIENCE_MS, &reply) != WEFT_OK)
            a->failures++;
        else if (strcmp(reply->session_id, a->session) == 0)
            a->right++;
        weft_event_release(reply);
    }
    return NULL;
}

/* Keeps questions back until two have come, and answers the last first. */
typedef struct withholder {
    weft_dispatcher *bus;
    const weft_event *kept[2];
    int count;
} withholder;

static weft_status withhold(const weft_event *event, void *user)
{
    withholder *w = user;
    if (event->type != WEFT_TOOL_CALL_START || w->count == 2)
        return WEFT_OK;
    w->kept[w->count++] = weft_event_keep(event);
    weft_event answer = answer_of(1);
    for (int i = 1; w->count == 2 && i >= 0; i--) {
        CU_ASSERT_EQUAL(weft_reply(w->bus, w->kept[i], &answer), WEFT_OK);
        weft_event_release(w->kept[i]);
    }
    return WEFT_OK;
}

static void two_requests_at_once_do_not_mix(void)
{
    weft_dispatcher *bus = bus_create();
    withholder w = {.bus = bus};
    asker askers[2] = {{.bus = bus, .session = "s-one", .questions = 1},
                       {.bus = bus, .session = "s-two", .questions = 1}};
    pthread_t threads[2];
    weft_subscribe_opts opts = {.queued = true};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(bus, NULL, &opts, withhold, &w, NULL), WEFT_OK);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(askers[0].right, 1);
    CU_ASSERT_EQUAL(askers[1].right, 1);
    weft_dispatcher_destroy(bus);
}

static void many_requests_from_many_threads_are_all_answered(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    static const char *sessions[ASKERS] = {"s0", "s1", "s2", "s3"};
    responder_start(&r, bus, true);
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.bus = bus, .session = sessions[i], .questions = QUESTIONS};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(askers[i].failures, 0);
        CU_ASSERT_EQUAL(askers[i].right, QUESTIONS);
    }
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 1);
    weft_dispatcher_destroy(bus);
}

/* ---- requests inside ---- */

static weft_status ask_further(const weft_event *event, void *user)
{
    listener *l = user;
    const weft_event *reply = NULL;
    (void)event;
    CU_ASSERT_EQUAL(weft_request(l->bus, &question, PATIENCE_MS, &reply), WEFT_OK);
    weft_event_release(reply);
    l->calls++;
    return WEFT_OK;
}

static void on_reply_may_ask_further(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 2};
    listener l = {.bus = bus};
    responder_start(&r, bus, true);
    weft_request_opts opts = {.timeout_ms = PATIENCE_MS, .replies_max = 2};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, ask_further, &l, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(l.calls, 2);
    CU_ASSERT_EQUAL(r.asked, 3);
    CU_ASSERT_EQUAL(stats_of(bus).subscriptions, 1);
    weft_dispatcher_destroy(bus);
}

static void a_handler_may_ask(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    listener l = {.bus = bus};
    responder_start(&r, bus, false);
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, &(weft_filter){.topics = WEFT_TOPIC_AGENT}, ask_further, &l, NULL),
                          WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish(bus, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a"}), WEFT_OK);
    CU_ASSERT_EQUAL(l.calls, 1);
    weft_dispatcher_destroy(bus);
}

/* ---- bounds ---- */

static weft_status flood(const weft_event *event, void *user)
{
    listener *l = user;
    weft_event answer = answer_of(0);
    for (int i = 0; l->calls == 0 && i < INBOX_MAX + 10; i++)
        CU_ASSERT_EQUAL(weft_reply(l->bus, event, &answer), WEFT_OK);
    l->calls++;
    return l->calls == l->end_after ? WEFT_FAILED : WEFT_OK;
}

static void replies_beyond_the_bound_fail_and_are_counted(void)
{
    weft_dispatcher *bus = bus_create();
    responder r = {.replies = 1};
    listener l = {.bus = bus, .end_after = INBOX_MAX + 1};
    uint32_t replies = 0;
    responder_start(&r, bus, false);
    weft_request_opts opts = {.timeout_ms = PATIENCE_MS, .replies_max = UINT32_MAX};
    CU_ASSERT_EQUAL(weft_request_each(bus, &question, &opts, flood, &l, &replies), WEFT_OK);
    CU_ASSERT_EQUAL(replies, INBOX_MAX + 1);
    CU_ASSERT_EQUAL(stats_of(bus).handler_errors, 10);
    weft_dispatcher_destroy(bus);
}

#if WEFT_TESTS_MEMORY_OUT
static weft_status respond_without_memory(const weft_event *event, void *user)
{
    weft_event answer = answer_of(1);
    if (event->type != WEFT_TOOL_CALL_START)
        return WEFT_OK;
    memory_out = true;
    weft_status status = weft_reply(user, event, &answer);
    memory_out = false;
    return status;
}

static void a_reply_that_memory_is_out_for_ends_it(void)
{
    weft_dispatcher *bus = bus_create();
    const weft_event *reply = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, respond_without_memory, bus, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_request(bus, &question, PATIENCE_MS, &reply), WEFT_NO_MEMORY);
    CU_ASSERT_PTR_NULL(reply);
    weft_dispatcher_destroy(bus);
}
#else
static void a_reply_that_memory_is_out_for_ends_it(void)
{
    suite_skip("a sanitizer stands in for malloc");
}
#endif

SUITE(core_request, CASE(a_reply_comes_from_an_inline_handler), CASE(a_reply_comes_from_a_queued_handler),
      CASE(a_reply_comes_from_another_host), CASE(without_a_reply_it_times_out),
      CASE(several_replies_are_handed_over_in_order_on_the_asking_thread), CASE(fewer_replies_than_wanted_time_out),
      CASE(on_reply_may_end_it), CASE(one_reply_is_the_default_and_the_others_are_late),
      CASE(replies_without_end_end_with_the_time), CASE(replies_come_on_the_topics_asked_for),
      CASE(replies_that_come_late_are_counted), CASE(asking_again_under_the_same_id_is_no_late_reply),
      CASE(a_request_that_is_refused_leaves_nothing_behind), CASE(refuses_arguments_that_cannot_be),
      CASE(a_request_is_seen_by_others_but_is_not_its_own_reply),
      CASE(a_request_without_an_id_gets_one_of_its_own_each_time), CASE(two_requests_at_once_do_not_mix),
      CASE(many_requests_from_many_threads_are_all_answered), CASE(on_reply_may_ask_further), CASE(a_handler_may_ask),
      CASE(replies_beyond_the_bound_fail_and_are_counted), CASE(a_reply_that_memory_is_out_for_ends_it))
