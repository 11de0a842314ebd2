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
    weft__intake_fail(&r->intake, WEFT_NO_SPACE);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 3), WEFT_NO_SPACE);
    weft__intake_fail(&r->intake, WEFT_OK);
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
    weft__intake_fail(&r->intake, WEFT_IO);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_FENCED);
    weft__intake_fail(&r->intake, WEFT_OK);
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
    rig_destroy(r);
}

SUITE(bridge_intake, CASE(a_refused_publish_takes_no_seq), CASE(a_closed_intake_stays_closed),
      CASE(a_full_intake_refuses_until_groups_are_freed), CASE(groups_are_taken_whole_and_in_order),
      CASE(rows_chain_within_a_stream_and_begin_anew_with_an_epoch))
