/* From publishers to the journal thread: who gets a seq, in which order, and who is refused. */
#include "bridge/intake.h"
#include "support/memory_out.h"
#include "support/suite.h"
#include "weft/wire.h"

#include <stdlib.h>
#include <string.h>

typedef struct rig {
    weft__signal signal;
    weft__intake intake;
    weft__stream_end ends[WEFT_TOPIC_MAX];
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

static weft__commit *take(rig *r)
{
    weft__commit *commit = weft__intake_take(&r->intake);
    if (commit != NULL)
        CU_ASSERT_EQUAL_FATAL(weft__commit_finish(commit, "a", r->ends), WEFT_OK);
    return commit;
}

static int seq_order(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* The events' seqs of a row; how many. */
static size_t row_seqs(const weft__journal_row *row, uint64_t *seqs)
{
    weft_batch *batch;
    CU_ASSERT_EQUAL_FATAL(weft_batch_decode(row->bytes, row->length, &batch, NULL), WEFT_OK);
    size_t count = batch->event_count;
    for (size_t i = 0; i < count; i++)
        seqs[i] = batch->events[i]->id.seq;
    weft_batch_free(batch);
    return count;
}

/* Seqs of what is left, in order; how many. */
static size_t take_all(rig *r, uint64_t *seqs)
{
    size_t count = 0;
    for (weft__commit *commit; (commit = take(r)) != NULL; weft__commit_free(&r->intake, commit))
        for (size_t i = 0; i < commit->row_count; i++)
            count += row_seqs(&commit->rows[i], seqs + count);
    qsort(seqs, count, sizeof *seqs, seq_order);
    return count;
}

static void a_refused_publish_takes_no_seq(void)
{
    rig *r = rig_create(1 << 20);
    weft__intake_fail(&r->intake, WEFT_NO_SPACE, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 3), WEFT_NO_SPACE);
    weft__intake_fail(&r->intake, WEFT_OK, 0);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
    uint64_t seqs[10];
    CU_ASSERT_EQUAL_FATAL(take_all(r, seqs), 2);
    CU_ASSERT_EQUAL(seqs[0], 1);
    CU_ASSERT_EQUAL(seqs[1], 2);
    CU_ASSERT_EQUAL(r->intake.refused, 3);
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

static void a_full_intake_refuses_until_commits_are_freed(void)
{
    rig *r = rig_create(200);
    size_t accepted = 0;
    while (put(r, WEFT_TOKEN_USAGE, 1) == WEFT_OK && accepted < 100)
        accepted++;
    CU_ASSERT_TRUE(accepted > 1 && accepted < 100);
    weft__commit *first = weft__intake_take(&r->intake);
    CU_ASSERT_EQUAL(first->events, accepted);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_FULL);
    weft__commit_free(&r->intake, first);
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_OK);
    rig_destroy(r);
}

/* The rows of a commit hold all events of a group, however many commits there are. */
static void groups_are_in_one_commit(void)
{
    enum { GROUPS = 3000, IN_GROUP = 16 };
    rig *r = rig_create(64 << 20);
    static uint64_t seqs[GROUPS * IN_GROUP];
    for (size_t i = 0; i < GROUPS; i++)
        CU_ASSERT_EQUAL(put(r, i % 2 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_START, IN_GROUP), WEFT_OK);
    uint64_t all = 0, commits = 0, receipt = 0;
    for (weft__commit *commit; (commit = take(r)) != NULL; commits++) {
        size_t count = 0;
        for (size_t i = 0; i < commit->row_count; i++)
            count += row_seqs(&commit->rows[i], seqs + count);
        qsort(seqs, count, sizeof *seqs, seq_order);
        CU_ASSERT_EQUAL(count, commit->events);
        CU_ASSERT_EQUAL(count % IN_GROUP, 0);
        CU_ASSERT_EQUAL((commit->receipt - receipt) * IN_GROUP, count);
        for (size_t i = 0; i < count; i++)
            CU_ASSERT_EQUAL(seqs[i], ++all);
        receipt = commit->receipt;
        weft__commit_free(&r->intake, commit);
    }
    CU_ASSERT_EQUAL(all, (uint64_t)GROUPS * IN_GROUP);
    CU_ASSERT_TRUE(commits > 1);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    rig_destroy(r);
}

/* One event of a group that cannot be taken takes the others back with it. */
static void a_group_is_taken_whole_or_not_at_all(void)
{
    enum { HUGE_BYTES = 200 * 1024 };
    rig *r = rig_create(1 << 20);
    char *huge = calloc(1, HUGE_BYTES);
    memset(huge, 'x', HUGE_BYTES - 1);
    weft_event small = {.type = WEFT_TOKEN_USAGE, .timestamp_ms = 1, .accepted_ms = 1};
    weft_event tool = {.type = WEFT_TOOL_CALL_START, .timestamp_ms = 1, .accepted_ms = 1};
    weft_event large = {.type = WEFT_AGENT_START, .timestamp_ms = 1, .accepted_ms = 1, .agent_start = {.task = huge}};
    weft_event *group[] = {&small, &tool, &small, &large};
    weft_feed_mark mark = {.feed = "f", .line = 7};
    uint64_t seqs[10], receipt = 99;
    CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_OK);
    size_t bytes = r->intake.bytes;
    CU_ASSERT_EQUAL(weft__intake_put(&r->intake, group, 4, &mark, &receipt), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(receipt, 99);
    CU_ASSERT_EQUAL(r->intake.bytes, bytes);
    CU_ASSERT_EQUAL(r->intake.seq, 1);
    CU_ASSERT_EQUAL(weft__intake_put(&r->intake, group, 3, &mark, &receipt), WEFT_OK);
    CU_ASSERT_EQUAL(receipt, 2);
    CU_ASSERT_EQUAL_FATAL(take_all(r, seqs), 4);
    for (uint64_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(seqs[i], i + 1);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    free(huge);
    rig_destroy(r);
}

static void the_newest_mark_of_a_feed_counts(void)
{
    rig *r = rig_create(1 << 20);
    weft_feed_mark marks[] = {{.feed = "a", .line = 1, .state = "one", .state_bytes = 3},
                              {.feed = "b", .line = 5},
                              {.feed = "a", .line = 2, .state = "two", .state_bytes = 3},
                              {.feed = "a", .line = 3}};
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(weft__intake_put(&r->intake, NULL, 0, &marks[i], NULL), WEFT_OK);
    weft__commit *commit = take(r);
    CU_ASSERT_EQUAL_FATAL(commit->mark_count, 2);
    CU_ASSERT_STRING_EQUAL(commit->marks[0].feed, "a");
    CU_ASSERT_EQUAL(commit->marks[0].line, 3);
    CU_ASSERT_STRING_EQUAL(commit->marks[0].state, "two");
    CU_ASSERT_STRING_EQUAL(commit->marks[1].feed, "b");
    CU_ASSERT_PTR_NULL(commit->marks[1].state);
    CU_ASSERT_EQUAL(commit->receipt, 4);
    weft__commit_free(&r->intake, commit);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    rig_destroy(r);
}

static void a_put_without_memory_changes_nothing(void)
{
#if WEFT_TESTS_MEMORY_OUT
    rig *r = rig_create(1 << 20);
    uint64_t seqs[600];
    size_t accepted = 0, refused = 0;
    for (int i = 0; i < 300; i++) {
        memory_out = i % 3 != 0;
        weft_status st = put(r, i % 7 ? WEFT_TOKEN_USAGE : WEFT_TOOL_CALL_START, 2);
        memory_out = false;
        CU_ASSERT_TRUE(st == WEFT_OK || st == WEFT_NO_MEMORY);
        accepted += st == WEFT_OK ? 2 : 0;
        refused += st != WEFT_OK;
    }
    CU_ASSERT_TRUE(refused > 0);
    CU_ASSERT_EQUAL_FATAL(take_all(r, seqs), accepted);
    for (size_t i = 0; i < accepted; i++)
        CU_ASSERT_EQUAL(seqs[i], i + 1);
    CU_ASSERT_EQUAL(r->intake.bytes, 0);
    rig_destroy(r);
#else
    suite_skip("a sanitizer stands in for malloc");
#endif
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
    weft__commit *commit = weft__intake_take(&r->intake);
    CU_ASSERT_EQUAL(put_event(r, WEFT_TOOL_CALL_START, WEFT_PRIORITY_CRITICAL), WEFT_FULL); /* taken: being written */
    weft__commit_free(&r->intake, commit);
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

/* Of events that do not pass here: from the one counter, chained in their own stream. */
static void numbers_what_does_not_pass_from_the_same_counter(void)
{
    rig *r = rig_create(1 << 20);
    weft__numbers n;
    CU_ASSERT_EQUAL(put(r, WEFT_CONFIG_RELOADED, 1), WEFT_OK);
    weft__intake_number(&r->intake, WEFT_TOPIC_DELTA, 3, &n);
    CU_ASSERT_TRUE(n.epoch == 5 && n.prev_seq == 0 && n.first_seq == 2);
    CU_ASSERT_EQUAL(put(r, WEFT_CONFIG_RELOADED, 1), WEFT_OK);
    weft__commit *commit = take(r);
    uint64_t seqs[4];
    CU_ASSERT_EQUAL_FATAL(row_seqs(&commit->rows[0], seqs), 2);
    CU_ASSERT_TRUE(seqs[0] == 1 && seqs[1] == 5);
    weft__commit_free(&r->intake, commit);
    weft__intake_number(&r->intake, WEFT_TOPIC_DELTA, 1, &n);
    CU_ASSERT_TRUE(n.prev_seq == 4 && n.first_seq == 6);
    weft__intake_begin_epoch(&r->intake, 8);
    weft__intake_number(&r->intake, WEFT_TOPIC_DELTA, 1, &n);
    CU_ASSERT_TRUE(n.epoch == 8 && n.prev_seq == 0 && n.first_seq == 1);
    weft__published published;
    weft__intake_published(&r->intake, &published);
    CU_ASSERT_EQUAL(published.all, 2);
    rig_destroy(r);
}

static void a_publish_waits_for_room(void)
{
    rig *r = rig_create(4000);
    waiter w;
    wait_begin(&w, r, 60000);
    uint64_t seqs[1000];
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

/* ---- the rows ---- */

static void rows_chain_within_a_stream_and_begin_anew_with_an_epoch(void)
{
    rig *r = rig_create(1 << 20);
    uint64_t last[WEFT_TOPIC_MAX] = {0}, epoch = 5, seqs = 0;
    for (int round = 0; round < 6; round++) {
        CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
        CU_ASSERT_EQUAL(put(r, WEFT_TOOL_CALL_START, 1), WEFT_OK);
        CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 1), WEFT_OK);
        if (round == 3) { /* in the middle of what is taken at once */
            weft__intake_begin_epoch(&r->intake, 9);
            CU_ASSERT_EQUAL(put(r, WEFT_TOKEN_USAGE, 2), WEFT_OK);
        }
        weft__commit *commit = take(r);
        const weft__journal_row *rows = commit->rows;
        size_t count = commit->row_count;
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
        weft__commit_free(&r->intake, commit);
    }
    CU_ASSERT_EQUAL(seqs, 6 * 4 + 2);
    CU_ASSERT_EQUAL(epoch, 9);
    rig_destroy(r);
}

/* Drops tools here and there, and holds what the rows tell of it against what was dropped. */
static void rows_tell_of_what_was_dropped_before_them(void)
{
    rig *r = rig_create(8000);
    uint64_t told = 0, events = 0, last[WEFT_TOPIC_MAX] = {0};
    weft__intake_set_policies(&r->intake, drop_tools, 2, false);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 150; i++) {
            (void)put_event(r, i % 3 == 0 ? WEFT_AGENT_START : WEFT_TOOL_CALL_START,
                            i % 5 == round % 5 ? WEFT_PRIORITY_HIGH : WEFT_PRIORITY_NORMAL);
            if (i % 40 == 0)
                CU_ASSERT_NOT_EQUAL(put_event(r, WEFT_TOKEN_USAGE, WEFT_PRIORITY_LOW), WEFT_NO_MEMORY);
        }
        weft__commit *commit = take(r);
        const weft__journal_row *rows = commit->rows;
        size_t count = commit->row_count;
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
        weft__commit_free(&r->intake, commit);
    }
    CU_ASSERT_TRUE(told > 100);
    CU_ASSERT_EQUAL(events + weft__intake_dropped(&r->intake), r->intake.seq);
    CU_ASSERT_EQUAL(told, weft__intake_dropped(&r->intake)); /* of each stream something newer was kept */
    rig_destroy(r);
}

SUITE(bridge_intake, CASE(numbers_what_does_not_pass_from_the_same_counter), CASE(a_refused_publish_takes_no_seq),
      CASE(a_closed_intake_stays_closed), CASE(a_full_intake_refuses_until_commits_are_freed),
      CASE(groups_are_in_one_commit), CASE(a_group_is_taken_whole_or_not_at_all),
      CASE(the_newest_mark_of_a_feed_counts), CASE(a_put_without_memory_changes_nothing), CASE(the_oldest_makes_room),
      CASE(the_lowest_priority_goes_first_and_none_above_the_newcomers), CASE(only_what_its_policy_names_is_dropped),
      CASE(nothing_is_dropped_in_vain), CASE(a_publish_waits_for_room),
      CASE(a_publish_waits_no_longer_than_its_deadline), CASE(a_publish_stops_waiting_when_there_is_no_hope),
      CASE(spared_topics_are_taken_while_others_are_refused),
      CASE(rows_chain_within_a_stream_and_begin_anew_with_an_epoch), CASE(rows_tell_of_what_was_dropped_before_them))
