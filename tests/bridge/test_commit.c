/* Events become rows: full ones, in order, each described as it is. */
#include "bridge/intake.h"
#include "support/event_maker.h"
#include "support/memory_out.h"
#include "support/suite.h"
#include "weft/wire.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS = 1500, TEXT_MAX_BYTES = 150 * 1024 };

typedef struct rig {
    event_maker dice;
    weft__signal signal;
    weft__intake intake;
    weft__stream_end ends[WEFT_TOPIC_MAX];
    weft_event events[EVENTS];
    size_t count; /* of events */
    weft__commit *commit;
} rig;

static char text[TEXT_MAX_BYTES + 1];

static rig *rig_create(uint64_t seed)
{
    rig *r = calloc(1, sizeof *r);
    r->dice.state = seed;
    memset(text, 'x', TEXT_MAX_BYTES);
    weft__signal_init(&r->signal);
    weft__intake_init(&r->intake, "a", 7, SIZE_MAX, &r->signal);
    return r;
}

static void rig_destroy(rig *r)
{
    weft__intake_fini(&r->intake);
    weft__signal_fini(&r->signal);
    free(r);
}

static void event_put(rig *r, weft_event_type type, size_t text_bytes)
{
    weft_event *event = &r->events[r->count++];
    *event = (weft_event){.type = type,
                          .priority = (weft_priority)(event_maker_next(&r->dice) % 5),
                          .accepted_ms = (int64_t)(event_maker_next(&r->dice) % 100000),
                          .source = text + TEXT_MAX_BYTES - text_bytes};
    CU_ASSERT_EQUAL_FATAL(weft__intake_put_event(&r->intake, event), WEFT_OK);
}

static size_t random_bytes(rig *r)
{
    uint64_t side = event_maker_next(&r->dice) % 1000;
    if (side == 0)
        return event_maker_next(&r->dice) % TEXT_MAX_BYTES;
    return event_maker_next(&r->dice) % (side < 30 ? 16000 : 400);
}

static size_t batch_bytes(const weft_batch *batch)
{
    size_t bytes = 0;
    for (size_t i = 0; i < batch->event_count; i++)
        bytes += weft_event_encoded_bytes(batch->events[i]);
    return bytes;
}

/* The first event of the commit's next row of the same stream, NULL if there is none. */
static const weft_event *event_behind(const rig *r, const weft__commit *commit, const weft__journal_row *row)
{
    for (size_t i = 0; i < commit->row_count; i++)
        if (commit->rows[i].topic == row->topic && commit->rows[i].first_seq > row->last_seq)
            return &r->events[commit->rows[i].first_seq - r->events[0].id.seq];
    return NULL;
}

static void check_row(const rig *r, const weft__commit *commit, const weft__journal_row *row)
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
    const weft_event *behind = event_behind(r, commit, row);
    CU_ASSERT_TRUE(bytes <= r->intake.batch_bytes || row->event_count == 1);
    CU_ASSERT_TRUE(behind == NULL || row->event_count == WEFT__BATCH_MAX_EVENTS ||
                   bytes + weft_event_encoded_bytes(behind) > r->intake.batch_bytes);
    weft_batch_free(batch);
}

/* Looks at the rows of a commit and frees it; how many events they hold. */
static size_t check_commit(rig *r, weft__commit *commit, uint64_t last[WEFT_TOPIC_MAX])
{
    size_t events = 0;
    CU_ASSERT_EQUAL_FATAL(weft__commit_finish(commit, "a", r->ends), WEFT_OK);
    for (size_t i = 0; i < commit->row_count; i++) {
        const weft__journal_row *row = &commit->rows[i];
        unsigned number = weft_topic_number(row->topic);
        CU_ASSERT_EQUAL(row->prev_seq, last[number]);
        CU_ASSERT_TRUE(i == 0 || row->first_seq > commit->rows[i - 1].first_seq);
        check_row(r, commit, row);
        last[number] = row->last_seq;
        events += row->event_count;
    }
    weft__commit_free(&r->intake, commit);
    return events;
}

/* The same for all that waits; forgets what was put. */
static size_t check_all(rig *r, uint64_t last[WEFT_TOPIC_MAX])
{
    size_t events = 0;
    for (weft__commit *commit; (commit = weft__intake_take(&r->intake)) != NULL;)
        events += check_commit(r, commit, last);
    r->count = 0;
    return events;
}

static void rows_are_filled_up_to_the_target(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(20260105);
    for (int round = 0; round < 4; round++) {
        while (r->count < EVENTS)
            event_put(r, event_maker_next(&r->dice) % 3 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_END, random_bytes(r));
        CU_ASSERT_EQUAL(check_all(r, last), EVENTS);
    }
    rig_destroy(r);
}

static void rows_hold_no_more_than_so_many_events(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    while (r->count < EVENTS)
        event_put(r, WEFT_CONFIG_RELOADED, 0);
    weft__commit *commit = weft__intake_take(&r->intake);
    CU_ASSERT_EQUAL(check_commit(r, commit, last), EVENTS);
    CU_ASSERT_EQUAL(r->ends[weft_topic_number(WEFT_TOPIC_SYSTEM)].nth, EVENTS);
    rig_destroy(r);
}

static void rows_fit_into_what_the_broker_takes(void)
{
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    weft__intake_limit_messages(&r->intake, 5000);
    CU_ASSERT_TRUE(r->intake.batch_bytes < 5000);
    while (r->count < EVENTS)
        event_put(r, WEFT_TOKEN_USAGE, 200);
    CU_ASSERT_EQUAL(check_all(r, last), EVENTS);
    rig_destroy(r);
}

static void finishing_without_memory_can_be_repeated(void)
{
#if WEFT_TESTS_MEMORY_OUT
    uint64_t last[WEFT_TOPIC_MAX] = {0};
    rig *r = rig_create(1);
    event_put(r, WEFT_TOKEN_USAGE, 100);
    CU_ASSERT_EQUAL(check_all(r, last), 1);
    while (r->count < 300)
        event_put(r, r->count % 2 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_END, 300);
    weft__commit *commit = weft__intake_take(&r->intake);
    memory_out = true;
    weft_status st = weft__commit_finish(commit, "a", r->ends);
    memory_out = false;
    CU_ASSERT_EQUAL(st, WEFT_NO_MEMORY);
    CU_ASSERT_EQUAL(check_commit(r, commit, last), 300);
    rig_destroy(r);
#else
    suite_skip("a sanitizer stands in for malloc");
#endif
}

SUITE(bridge_commit, CASE(rows_are_filled_up_to_the_target), CASE(rows_hold_no_more_than_so_many_events),
      CASE(rows_fit_into_what_the_broker_takes), CASE(finishing_without_memory_can_be_repeated))
