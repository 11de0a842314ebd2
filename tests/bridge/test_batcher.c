/* Events become rows: full ones, in order, each described as it is. */
#include "bridge/batcher.h"
#include "support/event_maker.h"
#include "support/memory_out.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS = 1500, TEXT_MAX_BYTES = 150 * 1024, KEPT_BYTES = 64 * 1024 };

typedef struct rig {
    event_maker dice;
    weft__batcher batcher;
    weft__group group;
    weft_event events[EVENTS];
    const weft_event *pointers[EVENTS];
    weft__stream_link links[EVENTS];
    weft__stream_link last[WEFT_TOPIC_MAX]; /* prev_seq: the last one's own seq */
    uint64_t seq;
    weft__journal_row *rows;
    size_t count;
} rig;

static char text[TEXT_MAX_BYTES + 1];

static rig *rig_create(uint64_t seed)
{
    rig *r = calloc(1, sizeof *r);
    r->dice.state = seed;
    memset(text, 'x', TEXT_MAX_BYTES);
    r->group = (weft__group){.events = r->pointers, .links = r->links};
    return r;
}

static void rig_destroy(rig *r)
{
    weft__batcher_fini(&r->batcher);
    free(r);
}

static void event_put(rig *r, weft_event_type type, size_t text_bytes)
{
    size_t i = r->group.count++;
    unsigned number = weft_topic_number(weft_schema_of(type)->topic);
    r->events[i] = (weft_event){.type = type,
                                .priority = (weft_priority)(event_maker_next(&r->dice) % 5),
                                .accepted_ms = (int64_t)(event_maker_next(&r->dice) % 100000),
                                .id = {.node = "a", .epoch = 7, .seq = ++r->seq},
                                .source = text + TEXT_MAX_BYTES - text_bytes};
    r->pointers[i] = &r->events[i];
    r->links[i] = (weft__stream_link){r->last[number].prev_seq, ++r->last[number].nth};
    r->last[number].prev_seq = r->seq;
}

static size_t random_bytes(rig *r)
{
    uint64_t side = event_maker_next(&r->dice) % 1000;
    if (side == 0)
        return event_maker_next(&r->dice) % TEXT_MAX_BYTES;
    return event_maker_next(&r->dice) % (side < 30 ? 16000 : 400);
}

static void build(rig *r)
{
    CU_ASSERT_EQUAL_FATAL(weft__batcher_build(&r->batcher, &r->group, &r->rows, &r->count), WEFT_OK);
}

static size_t batch_bytes(const weft_batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->event_count; i++)
        bytes += weft_event_encoded_bytes(batch->events[i]);
    return bytes;
}

/* The next event of the row's stream after it, NULL if there is none. */
static const weft_event *event_behind(const rig *r, const weft__journal_row *row)
{
    for (size_t i = 0; i < r->group.count; i++)
        if (r->events[i].id.seq > row->last_seq && weft_event_topic(&r->events[i]) == row->topic)
            return &r->events[i];
    return NULL;
}

static void check_row(const rig *r, const weft__journal_row *row)
{
    weft_batch *batch;
    weft_priority priority = WEFT_PRIORITY_UNSET;
    int64_t accepted_ms = 0;
    CU_ASSERT_EQUAL_FATAL(weft_batch_decode(row->bytes, row->length, &batch, NULL), WEFT_OK);
    CU_ASSERT_TRUE(batch->checked);
    CU_ASSERT_EQUAL(batch->event_count, row->event_count);
    CU_ASSERT_EQUAL(batch->topic, row->topic);
    for (size_t i = 0; i < batch->event_count; i++) {
        const weft_event *event = batch->events[i];
        CU_ASSERT_PTR_NULL(event_difference(event, &r->events[event->id.seq - r->events[0].id.seq]));
        priority = weft_event_priority(event) > priority ? weft_event_priority(event) : priority;
        accepted_ms = event->accepted_ms > accepted_ms ? event->accepted_ms : accepted_ms;
    }
    CU_ASSERT_EQUAL(row->priority, priority);
    CU_ASSERT_EQUAL(row->accepted_ms, accepted_ms);
    CU_ASSERT_EQUAL(row->first_seq, batch->events[0]->id.seq);
    CU_ASSERT_EQUAL(row->last_seq, batch->events[batch->event_count - 1]->id.seq);
    size_t bytes = batch_bytes(batch);
    const weft_event *behind = event_behind(r, row);
    CU_ASSERT_TRUE(bytes <= WEFT__BATCH_TARGET_BYTES || row->event_count == 1);
    CU_ASSERT_TRUE(behind == NULL || row->event_count == WEFT__BATCH_MAX_EVENTS ||
                   bytes + weft_event_encoded_bytes(behind) > WEFT__BATCH_TARGET_BYTES);
    weft_batch_free(batch);
}

/* Looks at the rows of a build, frees them and empties the group; how many events they hold. */
static size_t check_rows(rig *r, uint64_t last[WEFT_TOPIC_MAX])
{
    size_t events = 0;
    for (size_t i = 0; i < r->count; i++) {
        unsigned number = weft_topic_number(r->rows[i].topic);
        CU_ASSERT_EQUAL(r->rows[i].prev_seq, last[number]);
        CU_ASSERT_TRUE(i == 0 || r->rows[i].first_seq > r->rows[i - 1].first_seq);
        check_row(r, &r->rows[i]);
        last[number] = r->rows[i].last_seq;
        events += r->rows[i].event_count;
    }
    weft__rows_free(r->rows, r->count);
    r->group.count = 0;
    return events;
}

static void rows_are_filled_up_to_the_target(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(20260105);
    for (int round = 0; round < 4; round++) {
        while (r->group.count < EVENTS)
            event_put(r, event_maker_next(&r->dice) % 3 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_END, random_bytes(r));
        build(r);
        CU_ASSERT_EQUAL(check_rows(r, last), EVENTS);
    }
    rig_destroy(r);
}

static void rows_hold_no_more_than_so_many_events(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    while (r->group.count < EVENTS)
        event_put(r, WEFT_CONFIG_RELOADED, 0);
    build(r);
    CU_ASSERT_EQUAL(r->count, (EVENTS + WEFT__BATCH_MAX_EVENTS - 1) / WEFT__BATCH_MAX_EVENTS);
    CU_ASSERT_EQUAL(check_rows(r, last), EVENTS);
    rig_destroy(r);
}

static void no_large_buffer_stays(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    event_put(r, WEFT_AGENT_START, TEXT_MAX_BYTES);
    event_put(r, WEFT_TOKEN_USAGE, 100);
    build(r);
    CU_ASSERT_EQUAL(check_rows(r, last), 2);
    for (size_t i = 0; i < WEFT_TOPIC_MAX; i++)
        CU_ASSERT_TRUE(r->batcher.writers[i].capacity <= KEPT_BYTES);
    rig_destroy(r);
}

static void a_build_without_memory_can_be_repeated(void)
{
#if WEFT_TESTS_MEMORY_OUT
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    event_put(r, WEFT_TOKEN_USAGE, 100);
    build(r);
    CU_ASSERT_EQUAL(check_rows(r, last), 1);
    while (r->group.count < 300)
        event_put(r, r->group.count % 2 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_END, 300);
    memory_out = true;
    weft_status st = weft__batcher_build(&r->batcher, &r->group, &r->rows, &r->count);
    memory_out = false;
    CU_ASSERT_EQUAL(st, WEFT_NO_MEMORY);
    build(r);
    CU_ASSERT_EQUAL(check_rows(r, last), 300);
    rig_destroy(r);
#else
    suite_skip("a sanitizer stands in for malloc");
#endif
}

SUITE(bridge_batcher, CASE(rows_are_filled_up_to_the_target), CASE(rows_hold_no_more_than_so_many_events),
      CASE(no_large_buffer_stays), CASE(a_build_without_memory_can_be_repeated))
