/* From publishers to the journal thread: who gets a seq, in which order, and who is refused. */
#include "bridge/batcher.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

typedef struct rig {
    weft__signal signal;
    weft__intake intake;
} rig;

static rig *rig_create(size_t max_bytes)
{
    rig *r = calloc(1, sizeof *r);
    weft__signal_init(&r->signal);
    weft__intake_init(&r->intake, "a", 5, max_bytes, &r->signal);
    return r;
}

static void rig_destroy(rig *r)
{
    weft__intake_fini(&r->intake);
    weft__signal_fini(&r->signal);
    free(r);
}

static weft_status put(rig *r, weft_event_type type, size_t count)
{
    weft_event events[16];
    weft_event *shadows[16];
    for (size_t i = 0; i < count; i++) {
        events[i] = (weft_event){.type = type, .timestamp_ms = 1, .accepted_ms = 1};
        shadows[i] = &events[i];
    }
    return weft__intake_put(&r->intake, shadows, count, NULL, NULL);
}

static void a_refused_publish_takes_no_seq(void)
{
    rig *r = rig_create(1 << 20);
    weft__intake_fail(&r->intake, WEFT_NO_SPACE, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 3), WEFT_NO_SPACE);
    weft__intake_fail(&r->intake, WEFT_OK, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
    weft__group *group = weft__intake_take(&r->intake, 100);
    CU_ASSERT_EQUAL(group->events[0]->id.seq, 1);
    CU_ASSERT_EQUAL(group->events[1]->id.seq, 2);
    CU_ASSERT_EQUAL(r->intake.refused, 3);
    weft__group_free(&r->intake, group);
    rig_destroy(r);
}

/* A fenced node whose disk recovers must not accept again. */
static void a_closed_intake_stays_closed(void)
{
    rig *r = rig_create(1 << 20);
    weft__intake_close(&r->intake, WEFT_FENCED);
    weft__intake_close(&r->intake, WEFT_STOPPED);
    weft__intake_fail(&r->intake, WEFT_IO, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_FENCED);
    weft__intake_fail(&r->intake, WEFT_OK, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_FENCED);
    rig_destroy(r);
}

static void a_full_intake_refuses_until_groups_are_freed(void)
{
    rig *r = rig_create(2000);
    size_t accepted = 0;
    while (put(r, WEFT_TOKEN_USAGE, 1) == WEFT_OK && accepted < 100)
        accepted++;
    CU_ASSERT_TRUE(accepted > 1 && accepted < 100);
    weft__group *first = weft__intake_take(&r->intake, 1);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_FULL);
    weft__group_free(&r->intake, first);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_OK);
    rig_destroy(r);
}

static void groups_are_taken_whole_and_in_order(void)
{
    rig *r = rig_create(1 << 20);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 3), WEFT_OK);
    uint64_t seq = 0;
    size_t takes = 0;
    for (weft__group *g, *next; (g = weft__intake_take(&r->intake, 7)) != NULL; takes++)
        for (; g != NULL; g = next) {
            next = g->next;
            for (size_t i = 0; i < g->count; i++)
                CU_ASSERT_EQUAL(g->events[i]->id.seq, ++seq);
            weft__group_free(&r->intake, g);
        }
    CU_ASSERT_EQUAL(seq, 12);
    CU_ASSERT_EQUAL(takes, 2);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    rig_destroy(r);
}

/* ---- policies at the bound ---- */

static weft_status put_event(rig *r, weft_event_type type, weft_priority priority)
{
    weft_event event = {.type = type, .priority = priority, .timestamp_ms = 1, .accepted_ms = 1};
    return weft__intake_put_event(&r->intake, &event);
}

/* Fills it with events of that kind; how many there was room for. */
static size_t fill(rig *r, weft_event_type type, weft_priority priority)
{
    size_t count = 0;
    while (r->intake.bytes + 400 < r->intake.max_bytes && put_event(r, type, priority) == WEFT_OK)
        count++;
    while (count < 1000 && r->intake.dropped == 0 && put_event(r, type, priority) == WEFT_OK)
        count++;
    return count;
}

static const weft_backpressure drop_tools[] = {{.topics = WEFT_TOPIC_TOOL, .when_full = WEFT_WHEN_FULL_DROP_OLDEST},
                                               {.topics = WEFT_TOPIC_AGENT, .when_full = WEFT_WHEN_FULL_DROP_OLDEST}};

/* Seqs of what is left, by topic and in order; how many. */
static size_t take_all(rig *r, uint64_t *seqs)
{
    size_t count = 0;
    weft__group *next;
    for (weft__group *g = weft__intake_take(&r->intake, SIZE_MAX); g != NULL; g = next) {
        next = g->next;
        for (size_t i = 0; i < g->count; i++)
            seqs[count++] = g->events[i]->id.seq;
        weft__group_free(&r->intake, g);
    }
    return count;
}

static void the_oldest_makes_room(void)
{
    rig *r = rig_create(8000);
    uint64_t seqs[1000];
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    size_t filled = fill(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_NORMAL);
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_NORMAL), WEFT_OK);
    CU_ASSERT_TRUE(r->intake.bytes <= 8000);
    uint64_t dropped = weft__intake_dropped(&r->intake);
    size_t left = take_all(r, seqs);
    CU_ASSERT_TRUE(dropped >= 10);
    CU_ASSERT_EQUAL(left + dropped, r->intake.seq);
    CU_ASSERT_TRUE(r->intake.seq >= filled + 10);
    for (size_t i = 0; i < left; i++)
        CU_ASSERT_EQUAL(seqs[i], dropped + 1 + i);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    CU_ASSERT_EQUAL(r->intake.refused, 0);
    rig_destroy(r);
}

static void the_lowest_priority_goes_first_and_none_above_the_newcomers(void)
{
    rig *r = rig_create(8000);
    uint64_t seqs[1000];
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_HIGH), WEFT_OK);   /* 1 */
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_NORMAL), WEFT_OK); /* 2 */
    CU_ASSERT_EQUAL(put_event(r, WEFT_AGENT_START, WEFT_PRIORITY_LOW), WEFT_OK);        /* 3 */
    (void)fill(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL);
    while (weft__intake_dropped(&r->intake) < 3)
        CU_ASSERT_EQUAL_FATAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_OK);
    size_t left = take_all(r, seqs);
    CU_ASSERT_EQUAL(seqs[0], 4); /* low, normal, high: in that order, before any critical one */
    CU_ASSERT_EQUAL(left, r->intake.seq - 3);
    while (r->intake.bytes + 2 * 400 < r->intake.max_bytes)
        CU_ASSERT_EQUAL_FATAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_OK);
    uint64_t critical_last = r->intake.seq, critical_first = seqs[left - 1] + 1;
    for (int i = 0; i < 100; i++)
        (void)put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_HIGH); /* push each other out only */
    CU_ASSERT_TRUE(weft__intake_dropped(&r->intake) > 3);
    left = take_all(r, seqs);
    for (uint64_t i = 0; i <= critical_last - critical_first; i++)
        CU_ASSERT_EQUAL(seqs[i], critical_first + i);
    rig_destroy(r);
}

static void only_what_its_policy_names_is_dropped(void)
{
    rig *r = rig_create(8000);
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    (void)fill(r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_LOW); /* refuse */
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_FULL);
    weft__group *groups = weft__intake_take(&r->intake, SIZE_MAX), *next;
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_FULL); /* taken: being written */
    for (; groups != NULL; groups = next) {
        next = groups->next;
        weft__group_free(&r->intake, groups);
    }
    while (put(r, WEFT_TOOL_CALL_START, 1) == WEFT_OK) /* groups: their writer is told by receipt */
        ;
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_FULL);
    CU_ASSERT_EQUAL(weft__intake_dropped(&r->intake), 0);
    rig_destroy(r);
}

/* Dropping all that may go would not do: then none does. */
static void nothing_is_dropped_in_vain(void)
{
    rig *r = rig_create(4000);
    char long_name[8000];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    (void)fill(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_NORMAL);
    uint64_t dropped = weft__intake_dropped(&r->intake);
    weft_event huge = {
        .type = WEFT_TOOL_CALL_START, .priority = WEFT_PRIORITY_CRITICAL, .tool_call_start = {.tool_name = long_name}};
    CU_ASSERT_EQUAL(weft__intake_put_event(&r->intake, &huge), WEFT_FULL);
    CU_ASSERT_EQUAL(weft__intake_dropped(&r->intake), dropped);
    rig_destroy(r);
}

typedef struct waiter {
    rig *r;
    pthread_t thread;
    weft_status status;
} waiter;

static void *waiter_run(void *user)
{
    waiter *w = user;
    w->status = put_event(w->r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_NORMAL);
    return NULL;
}

static bool somebody_waits(void *user)
{
    rig *r = user;
    pthread_mutex_lock(&r->intake.mutex);
    bool waits = r->intake.waiting > 0;
    pthread_mutex_unlock(&r->intake.mutex);
    return waits;
}

/* A full intake at which a publish waits. */
static void wait_begin(waiter *w, rig *r, uint32_t block_ms)
{
    const weft_backpressure block = {.when_full = WEFT_WHEN_FULL_BLOCK, .block_ms = block_ms};
    weft__intake_set_policies(&r->intake, &block, 1, true);
    while (put(r, WEFT_TOKEN_USAGE, 1) == WEFT_OK)
        ;
    *w = (waiter){.r = r};
    CU_ASSERT_EQUAL_FATAL(pthread_create(&w->thread, NULL, waiter_run, w), 0);
    if (block_ms > 1000) /* else it may be over before anybody looks */
        CU_ASSERT_TRUE(suite_wait(somebody_waits, r, 20000));
}

static void a_publish_waits_for_room(void)
{
    rig *r = rig_create(4000);
    waiter w;
    wait_begin(&w, r, 60000);
    uint64_t seqs[100];
    (void)take_all(r, seqs);
    pthread_join(w.thread, NULL);
    CU_ASSERT_EQUAL(w.status, WEFT_OK);
    rig_destroy(r);
}

static void a_publish_waits_no_longer_than_its_deadline(void)
{
    rig *r = rig_create(4000);
    waiter w;
    wait_begin(&w, r, 1);
    pthread_join(w.thread, NULL);
    CU_ASSERT_EQUAL(w.status, WEFT_FULL);
    rig_destroy(r);
}

static void a_publish_stops_waiting_when_there_is_no_hope(void)
{
    for (int how = 0; how < 3; how++) {
        rig *r = rig_create(4000);
        waiter w;
        wait_begin(&w, r, 600000);
        if (how == 0)
            weft__intake_close(&r->intake, WEFT_FENCED);
        else if (how == 1)
            weft__intake_fail(&r->intake, WEFT_NO_SPACE, 0);
        else
            weft__intake_hurry(&r->intake);
        pthread_join(w.thread, NULL);
        CU_ASSERT_EQUAL(w.status, how == 0 ? WEFT_FENCED : how == 1 ? WEFT_NO_SPACE : WEFT_FULL);
        CU_ASSERT_EQUAL(put_event(r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_NORMAL), w.status); /* nor does it begin to */
        rig_destroy(r);
    }
}

static void spared_topics_are_taken_while_others_are_refused(void)
{
    rig *r = rig_create(1 << 20);
    weft__intake_fail(&r->intake, WEFT_NO_SPACE, WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_NORMAL), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 3), WEFT_OK);
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(put(r, WEFT_TOOL_CALL_START, 1), WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(r->intake.refused, 2);
    weft__intake_fail(&r->intake, WEFT_OK, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOOL_CALL_START, 1), WEFT_OK);
    rig_destroy(r);
}

/* ---- the batcher behind it ---- */

static void rows_chain_within_a_stream_and_begin_anew_with_an_epoch(void)
{
    rig *r = rig_create(1 << 20);
    weft__batcher batcher = {0};
    uint64_t last[WEFT_TOPIC_MAX] = {0}, epoch = 5, seqs = 0;
    for (int round = 0; round < 6; round++) {
        CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
        CU_ASSERT_EQUAL(put(r, WEFT_TOOL_CALL_START, 1), WEFT_OK);
        CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_OK);
        if (round == 3) { /* in the middle of what is taken at once */
            weft__intake_begin_epoch(&r->intake, 9);
            CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
        }
        weft__group *groups = weft__intake_take(&r->intake, 1000), *next;
        weft__journal_row *rows;
        size_t count;
        CU_ASSERT_EQUAL_FATAL(weft__batcher_build(&batcher, groups, &rows, &count), WEFT_OK);
        for (size_t i = 0; i < count; i++) {
            unsigned number = weft_topic_number(rows[i].topic);
            CU_ASSERT_TRUE(rows[i].epoch >= epoch);
            if (rows[i].epoch != epoch)
                memset(last, 0, sizeof last);
            epoch = rows[i].epoch;
            CU_ASSERT_EQUAL(rows[i].prev_seq, last[number]);
            CU_ASSERT_TRUE(rows[i].first_seq > rows[i].prev_seq);
            last[number] = rows[i].last_seq;
            seqs += rows[i].event_count;
        }
        weft__rows_free(rows, count);
        for (; groups != NULL; groups = next) {
            next = groups->next;
            weft__group_free(&r->intake, groups);
        }
    }
    CU_ASSERT_EQUAL(seqs, 6 * 4 + 2);
    CU_ASSERT_EQUAL(epoch, 9);
    weft__batcher_fini(&batcher);
    rig_destroy(r);
}

/* Drops tools here and there, and holds what the rows tell of it against what was dropped. */
static void rows_tell_of_what_was_dropped_before_them(void)
{
    rig *r = rig_create(20000);
    weft__batcher batcher = {0};
    uint64_t told = 0, events = 0, last[WEFT_TOPIC_MAX] = {0};
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 150; i++) {
            (void)put_event(r, i % 3 == 0 ? WEFT_AGENT_START : WEFT_TOOL_CALL_START,
                            i % 5 == round % 5 ? WEFT_PRIORITY_HIGH : WEFT_PRIORITY_NORMAL);
            if (i % 40 == 0)
                CU_ASSERT_NOT_EQUAL(put_event(r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_LOW), WEFT_NO_MEMORY);
        }
        weft__group *groups = weft__intake_take(&r->intake, SIZE_MAX), *next;
        weft__journal_row *rows;
        size_t count;
        CU_ASSERT_EQUAL_FATAL(weft__batcher_build(&batcher, groups, &rows, &count), WEFT_OK);
        for (size_t i = 0; i < count; i++) {
            unsigned number = weft_topic_number(rows[i].topic);
            weft_batch *batch;
            CU_ASSERT_EQUAL(rows[i].prev_seq > last[number], rows[i].lost_before > 0);
            CU_ASSERT_EQUAL_FATAL(weft_batch_decode(rows[i].bytes, rows[i].length, &batch, NULL), WEFT_OK);
            CU_ASSERT_EQUAL(batch->prev_seq, rows[i].prev_seq);
            CU_ASSERT_EQUAL(batch->lost_count, rows[i].lost_before > 0);
            if (batch->lost_count > 0) {
                CU_ASSERT_EQUAL(batch->lost[0].from_seq, last[number] + 1);
                CU_ASSERT_EQUAL(batch->lost[0].to_seq, rows[i].prev_seq);
                CU_ASSERT_EQUAL(batch->lost[0].count, rows[i].lost_before);
                CU_ASSERT_EQUAL(batch->lost[0].reason, WEFT_LOST_OVERFLOW);
            }
            weft_batch_free(batch);
            last[number] = rows[i].last_seq;
            told += rows[i].lost_before;
            events += rows[i].event_count;
        }
        weft__rows_free(rows, count);
        for (; groups != NULL; groups = next) {
            next = groups->next;
            weft__group_free(&r->intake, groups);
        }
    }
    CU_ASSERT_TRUE(told > 100);
    weft__batcher_fini(&batcher);
    CU_ASSERT_EQUAL(events + weft__intake_dropped(&r->intake), r->intake.seq);
    CU_ASSERT_EQUAL(told, weft__intake_dropped(&r->intake)); /* of each stream something newer was kept */
    rig_destroy(r);
}

SUITE(bridge_intake, CASE(a_refused_publish_takes_no_seq), CASE(a_closed_intake_stays_closed),
      CASE(a_full_intake_refuses_until_groups_are_freed), CASE(groups_are_taken_whole_and_in_order),
      CASE(the_oldest_makes_room), CASE(the_lowest_priority_goes_first_and_none_above_the_newcomers),
      CASE(only_what_its_policy_names_is_dropped), CASE(nothing_is_dropped_in_vain), CASE(a_publish_waits_for_room),
      CASE(a_publish_waits_no_longer_than_its_deadline), CASE(a_publish_stops_waiting_when_there_is_no_hope),
      CASE(spared_topics_are_taken_while_others_are_refused),
      CASE(rows_chain_within_a_stream_and_begin_anew_with_an_epoch), CASE(rows_tell_of_what_was_dropped_before_them))
