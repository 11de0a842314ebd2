/* tests/nodes/test_bench_event.c: what a bench publishes, and how its other end reads it. */
#include "nodes/bench_event.h"

#include <string.h>

#include "support/suite.h"
#include "weft/schema.h"
#include "weft/wire.h"

static bench_maker *maker(bench_maker_opts opts)
{
    bench_maker *m = NULL;
    opts.sessions = opts.sessions != 0 ? opts.sessions : 3;
    opts.prefix = "bench";
    CU_ASSERT_EQUAL_FATAL(bench_maker_create(&opts, &m), WEFT_OK);
    return m;
}

static void a_stamp_is_read_as_it_was_written(void)
{
    static const bench_stamp stamps[] = {
        {0, 0, 0}, {0xdeadbeef, 123456789, INT64_C(1234567890123456789)}, {UINT32_MAX, UINT64_MAX >> 16, INT64_MAX}};
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++) {
        char text[BENCH_STAMP_BYTES];
        bench_stamp back;
        bench_stamp_write(&stamps[i], text);
        weft_attribute attributes[] = {{"other", "x"}, {BENCH_ATTRIBUTE, text}};
        weft_event event = {.attributes = attributes, .attribute_count = 2};
        CU_ASSERT(bench_stamp_read(&event, &back));
        CU_ASSERT(back.host == stamps[i].host && back.number == stamps[i].number && back.due_ns == stamps[i].due_ns);
    }
}

static void what_is_no_stamp_is_refused(void)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "deadbeef",
                                      "deadbeef.000000000001.00000000000000",
                                      "deadbeef.00000000000x.0000000000000001",
                                      "deadbeef.000000000001.0000000000000001x",
                                      "DEADBEEF.000000000001.0000000000000001"};
    bench_stamp stamp;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weft_attribute attribute = {BENCH_ATTRIBUTE, bad[i]};
        weft_event event = {.attributes = &attribute, .attribute_count = 1};
        CU_ASSERT_FALSE(bench_stamp_read(&event, &stamp));
    }
    CU_ASSERT_FALSE(bench_stamp_read(&(weft_event){0}, &stamp));
}

static void every_event_is_fit_to_publish(void)
{
    bench_maker *m = maker((bench_maker_opts){.flags = WEFT_FLAG_SYNTHETIC});
    uint32_t topics = 0;
    for (int i = 0; i < 200; i++) {
        const char *field = NULL;
        const weft_event *event = bench_maker_next(m, i);
        CU_ASSERT_EQUAL(weft_event_validate(event, &field), WEFT_OK);
        CU_ASSERT_PTR_NULL(field);
        CU_ASSERT_EQUAL(event->flags, WEFT_FLAG_SYNTHETIC);
        topics |= (uint32_t)weft_event_topic(event);
        bench_maker_taken(m);
    }
    CU_ASSERT_EQUAL(topics, WEFT_TOPICS_DURABLE);
    bench_maker_destroy(m);
}

static void each_topic_is_numbered_from_one_without_holes(void)
{
    uint64_t numbers[WEFT_TOPIC_MAX] = {0};
    bench_maker *m = maker((bench_maker_opts){0});
    for (int i = 0; i < 1000; i++) {
        bench_stamp stamp;
        const weft_event *event = bench_maker_next(m, 5);
        if (i % 3 == 0)
            event = bench_maker_next(m, 6); /* refused, and tried again */
        CU_ASSERT(bench_stamp_read(event, &stamp));
        CU_ASSERT_EQUAL(stamp.number, ++numbers[weft_topic_number(weft_event_topic(event))]);
        CU_ASSERT_EQUAL(stamp.due_ns, i % 3 == 0 ? 6 : 5);
        CU_ASSERT_EQUAL(stamp.host, bench_host());
        bench_maker_taken(m);
    }
    bench_maker_destroy(m);
}

static const char *id_of(const weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].kind == WEFT_FIELD_ID && schema->fields[i].number != 0)
            return *(const char *const *)(const void *)((const char *)event + schema->fields[i].offset);
    return NULL;
}

/* Otherwise whoever follows open work would keep every call of a bench. */
static void what_begins_ends_next_with_the_same_id(void)
{
    char begun[64] = "", session[64] = "";
    bench_maker *m = maker((bench_maker_opts){.topics = WEFT_TOPIC_TOOL | WEFT_TOPIC_LLM});
    for (int i = 0; i < 60; i++) {
        const weft_event *event = bench_maker_next(m, 0);
        CU_ASSERT_FATAL(id_of(event) != NULL);
        if (i % 2 == 0) {
            CU_ASSERT_STRING_NOT_EQUAL(id_of(event), begun);
            (void)snprintf(begun, sizeof begun, "%s", id_of(event));
            (void)snprintf(session, sizeof session, "%s", event->session_id);
        } else {
            CU_ASSERT_STRING_EQUAL(id_of(event), begun);
            CU_ASSERT_STRING_EQUAL(event->session_id, session);
        }
        bench_maker_taken(m);
    }
    bench_maker_destroy(m);
}

static void takes_the_sessions_in_turn(void)
{
    bench_maker *m = maker((bench_maker_opts){.topics = WEFT_TOPIC_CUSTOM, .sessions = 2});
    static const char *const expected[] = {"bench-000001", "bench-000002", "bench-000001"};
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_STRING_EQUAL(bench_maker_next(m, 0)->session_id, expected[i]);
        bench_maker_taken(m);
    }
    bench_maker_destroy(m);
}

static void pads_to_the_size_that_is_asked_for(void)
{
    static const uint32_t sizes[] = {50, 300, 1000, 20000, BENCH_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bench_maker *m = maker((bench_maker_opts){.size = sizes[i]});
        for (int n = 0; n < 16; n++) {
            weft_event event = *bench_maker_next(m, 0);
            event.id.seq = 1000000;
            event.timestamp_ms = event.accepted_ms = 1;
            size_t bytes = weft_event_encoded_bytes(&event);
            CU_ASSERT_EQUAL(weft_event_validate(&event, NULL), WEFT_OK);
            CU_ASSERT(bytes + 20 >= sizes[i]);
            CU_ASSERT(bytes <= sizes[i] + 40 || bytes < 300);
            bench_maker_taken(m);
        }
        bench_maker_destroy(m);
    }
}

SUITE(nodes_bench_event, CASE(a_stamp_is_read_as_it_was_written), CASE(what_is_no_stamp_is_refused),
      CASE(every_event_is_fit_to_publish), CASE(each_topic_is_numbered_from_one_without_holes),
      CASE(what_begins_ends_next_with_the_same_id), CASE(takes_the_sessions_in_turn),
      CASE(pads_to_the_size_that_is_asked_for))
