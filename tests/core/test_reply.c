/* What a reply says: whose answer it is, and what it takes after. */
#include "request_rig.h"

#include <stdio.h>
#include <string.h>

typedef struct reader {
    char fields[4][WEFT_ID_MAX_BYTES + 1];
} reader;

static weft_status read_fields(const weft_event *event, void *user)
{
    reader *r = user;
    const char *fields[] = {event->correlation_id, event->session_id, event->execution_id, event->causation_id};
    for (size_t i = 0; i < 4; i++)
        (void)snprintf(r->fields[i], sizeof r->fields[i], "%s", fields[i] != NULL ? fields[i] : "-");
    return WEFT_OK;
}

static void expect_fields(const reader *r, const char *correlation_id, const char *session_id, const char *execution_id,
                          const char *causation_id)
{
    CU_ASSERT_STRING_EQUAL(r->fields[0], correlation_id);
    CU_ASSERT_STRING_EQUAL(r->fields[1], session_id);
    CU_ASSERT_STRING_EQUAL(r->fields[2], execution_id);
    CU_ASSERT_STRING_EQUAL(r->fields[3], causation_id);
}

static void a_reply_takes_after_its_request(void)
{
    weft_dispatcher *bus = bus_create();
    reader r;
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, read_fields, &r, NULL), WEFT_OK);
    weft_event asked = question, answer = answer_of(1);
    asked.correlation_id = "c1";
    asked.execution_id = "x1";
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    expect_fields(&r, "c1", "s1", "x1", "-");
    asked.id = (weft_event_id){.node = "host-a", .epoch = 5, .seq = 12};
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    expect_fields(&r, "c1", "s1", "x1", "host-a/5/12");
    weft_dispatcher_destroy(bus);
}

static void a_reply_keeps_a_session_and_execution_of_its_own(void)
{
    weft_dispatcher *bus = bus_create();
    reader r;
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, read_fields, &r, NULL), WEFT_OK);
    weft_event asked = question, answer = answer_of(1);
    asked.correlation_id = "c1";
    answer.correlation_id = "c2";
    answer.session_id = "s2";
    answer.execution_id = "x2";
    answer.causation_id = "because";
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    expect_fields(&r, "c1", "s2", "x2", "because");
    weft_dispatcher_destroy(bus);
}

static void a_request_id_too_long_to_be_a_cause_is_left_out(void)
{
    weft_dispatcher *bus = bus_create();
    reader r;
    char node[WEFT_ID_MAX_BYTES];
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, read_fields, &r, NULL), WEFT_OK);
    weft_event asked = question, answer = answer_of(1);
    memset(node, 'n', sizeof node);
    node[sizeof node - 1] = '\0';
    asked.correlation_id = "c1";
    asked.id = (weft_event_id){.node = node, .epoch = 5, .seq = 12};
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_OK);
    expect_fields(&r, "c1", "s1", "-", "-");
    weft_dispatcher_destroy(bus);
}

static void what_has_no_correlation_id_cannot_be_answered(void)
{
    weft_dispatcher *bus = bus_create();
    weft_event asked = question, answer = answer_of(1);
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_INVALID);
    asked.correlation_id = "";
    CU_ASSERT_EQUAL(weft_reply(bus, &asked, &answer), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_reply(bus, NULL, &answer), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_reply(bus, &question, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(stats_of(bus).published, 0);
    weft_dispatcher_destroy(bus);
}

SUITE(core_reply, CASE(a_reply_takes_after_its_request), CASE(a_reply_keeps_a_session_and_execution_of_its_own),
      CASE(a_request_id_too_long_to_be_a_cause_is_left_out), CASE(what_has_no_correlation_id_cannot_be_answered))
