/* The publishers of weft/publish.h, one for each variant: loops made from WEFT_EVENT_MAP try them all. */
#include "weft/publish.h"

#include <stdio.h>
#include <string.h>

#include "support/event_maker.h"
#include "support/suite.h"

typedef struct taken {
    int calls;
    char difference[64]; /* from `expected`; empty: none */
    weft_event expected;
} taken;

static weft_status take(const weft_event *event, void *user)
{
    taken *t = user;
    t->expected.accepted_ms = event->accepted_ms; /* the dispatcher's */
    const char *difference = event_difference(event, &t->expected);
    t->calls++;
    (void)snprintf(t->difference, sizeof t->difference, "%s", difference != NULL ? difference : "");
    return WEFT_OK;
}

static weft_dispatcher *bus_create(taken *t)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, take, t, NULL), WEFT_OK);
    return bus;
}

/* Publishes the payload of an event with the publisher of its variant. */
static weft_status publish_payload(weft_dispatcher *bus, const weft_event *context, const weft_event *event)
{
    switch (event->type) {
#define X(name, member, topic, number)                                                                                 \
    case WEFT_##name:                                                                                                  \
        return weft_publish_##member(bus, context, event->member);
        WEFT_EVENT_MAP(X)
#undef X
    default:
        return WEFT_INVALID;
    }
}

static void expect(taken *t, const weft_event *event)
{
    CU_ASSERT_STRING_EQUAL(t->difference, "");
    CU_ASSERT_EQUAL(t->calls, 1);
    if (t->difference[0] != '\0')
        printf("%s: %s differs\n", weft_event_type_name(event->type), t->difference);
    t->calls = 0;
}

static void every_variant_arrives_with_its_type_and_payload(void)
{
    taken t = {0};
    weft_dispatcher *bus = bus_create(&t);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        event_maker maker = {.state = (uint64_t)type};
        weft_event event = event_maker_full(&maker, (weft_event_type)type);
        weft_event context = {.timestamp_ms = 5};
        weft_event_init(&t.expected, &context, (weft_event_type)type);
        memcpy(&t.expected.custom, &event.custom, offsetof(weft_event, keeper) - offsetof(weft_event, custom));
        CU_ASSERT_EQUAL(publish_payload(bus, &context, &event), WEFT_OK);
        expect(&t, &event);
    }
    weft_dispatcher_destroy(bus);
}

static void every_variant_takes_its_envelope_from_the_context(void)
{
    taken t = {0};
    weft_dispatcher *bus = bus_create(&t);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        event_maker maker = {.state = (uint64_t)type};
        /* Of another type, with a payload: neither matters. */
        weft_event context = event_maker_full(&maker, WEFT_SESSION_MUTATION);
        weft_event_init(&t.expected, &context, (weft_event_type)type);
        CU_ASSERT_EQUAL(publish_payload(bus, &context, &(weft_event){.type = (weft_event_type)type}), WEFT_OK);
        expect(&t, &t.expected);
    }
    weft_dispatcher_destroy(bus);
}

static weft_status take_bare(const weft_event *event, void *user)
{
    taken *t = user;
    t->calls++;
    CU_ASSERT_PTR_NULL(event->session_id);
    CU_ASSERT_PTR_NULL(event->id.node);
    CU_ASSERT(event->timestamp_ms > 0);
    return WEFT_OK;
}

static void no_context_is_an_empty_envelope(void)
{
    taken t = {0};
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, take_bare, &t, NULL), WEFT_OK);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        CU_ASSERT_EQUAL(publish_payload(bus, NULL, &(weft_event){.type = (weft_event_type)type}), WEFT_OK);
    CU_ASSERT_EQUAL(t.calls, WEFT_EVENT_TYPE_COUNT - 1);
    weft_dispatcher_destroy(bus);
}

static void the_id_of_the_context_stays_behind(void)
{
    taken t = {0};
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(bus, NULL, take_bare, &t, NULL), WEFT_OK);
    weft_event context = {.id = {.node = "host-a", .epoch = 1, .seq = 2}};
    CU_ASSERT_EQUAL(weft_publish_agent_start(bus, &context, (struct weft_agent_start){.task = "t"}), WEFT_OK);
    CU_ASSERT_EQUAL(t.calls, 1);
    weft_dispatcher_destroy(bus);
}

static void a_refusal_comes_back(void)
{
    taken t = {0};
    weft_dispatcher *bus = bus_create(&t);
    CU_ASSERT_EQUAL(weft_dispatcher_stop(bus, 0, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_publish_agent_end(bus, NULL, (struct weft_agent_end){.success = true}), WEFT_STOPPED);
    CU_ASSERT_EQUAL(t.calls, 0);
    weft_dispatcher_destroy(bus);
}

SUITE(core_publish, CASE(every_variant_arrives_with_its_type_and_payload),
      CASE(every_variant_takes_its_envelope_from_the_context), CASE(no_context_is_an_empty_envelope),
      CASE(the_id_of_the_context_stays_behind), CASE(a_refusal_comes_back))
