/* The journal's promises while disk and process behave: order, atomicity, acknowledgement, retention, ownership. */
#include "bridge/journal_rig.h"

#include <sqlite3.h>
#include <sys/wait.h>

static void gives_back_what_was_appended_in_order(void)
{
    rig r;
    rig_init(&r);
    weft__journal_row rows[] = {row_of(WEFT_TOPIC_COST, 1), row_of(WEFT_TOPIC_TOOL, 2), row_of(WEFT_TOPIC_COST, 3)};
    uint8_t bytes[3][200];
    for (size_t i = 0; i < 3; i++)
        rows[i].bytes = memcpy(bytes[i], message(i + 1, 200), rows[i].length = 200);
    rows[2].prev_seq = 1;
    rows[2].last_seq = 9;
    rows[2].bytes = memcpy(bytes[2], message(9, 200), 200);
    rows[2].event_count = 4;
    rows[2].priority = WEFT_PRIORITY_HIGH;
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, rows, 3, NULL, 0), WEFT_OK);
    CU_ASSERT(rows[0].id > 0 && rows[1].id > rows[0].id && rows[2].id > rows[1].id);
    for (int again = 0; again < 2; again++) {
        const collected *c = pending(&r);
        CU_ASSERT_EQUAL_FATAL(c->count, 3);
        CU_ASSERT_EQUAL(c->damaged, 0);
        const weft__journal_row *last = &c->rows[2];
        CU_ASSERT_EQUAL(last->id, rows[2].id);
        CU_ASSERT_EQUAL(last->epoch, RIG_EPOCH);
        CU_ASSERT_EQUAL(last->topic, WEFT_TOPIC_COST);
        CU_ASSERT_EQUAL(last->prev_seq, 1);
        CU_ASSERT_EQUAL(last->first_seq, 3);
        CU_ASSERT_EQUAL(last->last_seq, 9);
        CU_ASSERT_EQUAL(last->event_count, 4);
        CU_ASSERT_EQUAL(last->priority, WEFT_PRIORITY_HIGH);
        CU_ASSERT_EQUAL(last->accepted_ms, 3000);
        CU_ASSERT_EQUAL(last->length, 200);
        CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
        CU_ASSERT_FALSE(r.damaged);
    }
    rig_fini(&r);
}

static void ids_rise_across_lives_without_rows(void)
{
    rig r;
    rig_init(&r);
    weft__journal_row row = row_of(WEFT_TOPIC_COST, 7);
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    int64_t before = row.id;
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 7), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, INT64_MAX, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    row = row_of(WEFT_TOPIC_TOOL, 8);
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    CU_ASSERT(row.id > before);
    rig_fini(&r);
}

static void refuses_rows_that_do_not_follow(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 5);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 5), WEFT_INVALID);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 4), WEFT_INVALID);
    weft__journal_row row = row_of(WEFT_TOPIC_COST, 6);
    row.bytes = NULL;
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_INVALID);
    row = row_of((weft_topic)(WEFT_TOPIC_COST | WEFT_TOPIC_TOOL), 6);
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_INVALID);
    row = row_of(WEFT_TOPIC_COST, 6);
    row.last_seq = UINT64_MAX;
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_INVALID);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 6), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 6);
    rig_fini(&r);
}

static void assert_feed(rig *r, const char *feed, uint64_t line, const char *state, size_t state_bytes)
{
    uint64_t found_line = 0;
    char *found = NULL;
    size_t found_bytes = 0;
    CU_ASSERT_EQUAL_FATAL(weft__journal_feed(r->journal, feed, &found_line, &found, &found_bytes), WEFT_OK);
    CU_ASSERT_EQUAL(found_line, line);
    CU_ASSERT_EQUAL(found_bytes, state_bytes);
    CU_ASSERT_EQUAL(found == NULL, state == NULL);
    if (found != NULL && state != NULL)
        CU_ASSERT_EQUAL(memcmp(found, state, state_bytes), 0);
    free(found);
}

static void commits_marks_with_their_rows(void)
{
    rig r;
    rig_init(&r);
    uint64_t line;
    char *state;
    size_t bytes;
    CU_ASSERT_EQUAL(weft__journal_feed(r.journal, "feed", &line, &state, &bytes), WEFT_NOT_FOUND);
    weft__journal_row row = row_of(WEFT_TOPIC_COST, 1);
    weft__feed_mark marks[] = {{"feed", 10, "a\0b", 3, 0}, {"other", 4, NULL, 0, 0}};
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, marks, 2), WEFT_OK);
    assert_feed(&r, "feed", 10, "a\0b", 3);
    assert_feed(&r, "other", 4, NULL, 0);
    weft__feed_mark ahead = {"feed", 20, NULL, 0, 0}; /* a mark alone, keeping the state */
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, NULL, 0, &ahead, 1), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    assert_feed(&r, "feed", 20, "a\0b", 3);
    weft__feed_mark emptied = {"feed", 21, "", 0, 0};
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, NULL, 0, &emptied, 1), WEFT_OK);
    assert_feed(&r, "feed", 21, "", 0);
    rig_fini(&r);
}

static void stores_nothing_of_a_failed_append(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 1);
    /* The second is found to be at fault after the first was written. */
    weft__journal_row rows[] = {row_of(WEFT_TOPIC_COST, 2), row_of(WEFT_TOPIC_TOOL, 3), row_of(WEFT_TOPIC_COST, 1)};
    weft__feed_mark mark = {"feed", 9, "state", 5, 0};
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, rows, 3, &mark, 1), WEFT_INVALID);
    uint64_t line;
    char *state;
    size_t bytes;
    CU_ASSERT_EQUAL(weft__journal_feed(r.journal, "feed", &line, &state, &bytes), WEFT_NOT_FOUND);
    for (int again = 0; again < 2; again++) {
        weft__journal_stats stats;
        weft__position positions[4];
        weft__journal_get_stats(r.journal, &stats);
        CU_ASSERT_EQUAL(stats.rows, 1);
        CU_ASSERT_EQUAL(stats.row_bytes, 100);
        CU_ASSERT_EQUAL(pending(&r)->count, 1);
        CU_ASSERT_EQUAL(weft__journal_positions(r.journal, positions, 4), 1);
        CU_ASSERT_EQUAL(positions[0].last_seq, 1);
        CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    }
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 2), WEFT_OK);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_TOOL, 3), WEFT_OK);
    rig_fini(&r);
}

static void acknowledged_rows_are_not_pending(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 4);
    weft__journal_row wide = row_of(WEFT_TOPIC_COST, 10);
    wide.prev_seq = 4;
    wide.first_seq = 5;
    wide.event_count = 6;
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &wide, 1, NULL, 0), WEFT_OK);
    append_range(&r, WEFT_TOPIC_TOOL, 11, 12);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 7), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 2), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_AGENT, 2), WEFT_NOT_FOUND);
    for (int again = 0; again < 2; again++) { /* the second time stored by close */
        const collected *c = pending(&r);
        CU_ASSERT_EQUAL_FATAL(c->count, 3); /* the wide row only counts whole */
        CU_ASSERT_EQUAL(c->rows[0].last_seq, 10);
        CU_ASSERT_EQUAL(c->rows[1].last_seq, 11);
        weft__journal_stats stats;
        weft__journal_get_stats(r.journal, &stats);
        CU_ASSERT_EQUAL(stats.rows, 7);
        CU_ASSERT_EQUAL(stats.pending_rows, 3);
        CU_ASSERT_EQUAL(stats.pending_events, 8);
        CU_ASSERT_EQUAL(weft__journal_acknowledged(r.journal, RIG_EPOCH, WEFT_TOPIC_COST), 7);
        CU_ASSERT_EQUAL(weft__journal_acknowledged(r.journal, RIG_EPOCH, WEFT_TOPIC_TOOL), 0);
        CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    }
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, UINT64_MAX), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledged(r.journal, RIG_EPOCH, WEFT_TOPIC_COST), 10);
    CU_ASSERT_EQUAL(pending(&r)->count, 2);
    rig_fini(&r);
}

typedef struct countdown {
    int left;
    int64_t last_id;
} countdown;

static weft_status stop_after(const weft__journal_row *row, void *user)
{
    countdown *c = user;
    c->last_id = row->id;
    return --c->left > 0 ? WEFT_OK : WEFT_STOPPED;
}

static weft_status last_id_note(const weft__journal_row *row, void *user)
{
    *(int64_t *)user = row->id;
    return WEFT_OK;
}

static void pages_through_pending_rows(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t seq = 1; seq <= 60; seq++)
        CU_ASSERT_EQUAL(append_one(&r, seq % 3 == 0 ? WEFT_TOPIC_TOOL : WEFT_TOPIC_COST, seq), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 29), WEFT_OK);
    static collected all, page;
    all.count = 0;
    int64_t after = 0;
    do {
        page.count = 0;
        CU_ASSERT_EQUAL(weft__journal_each_pending(r.journal, after, 7, collect, &page), WEFT_OK);
        CU_ASSERT(page.count <= 7);
        for (size_t i = 0; i < page.count; i++)
            after = (all.rows[all.count++] = page.rows[i]).id;
    } while (page.count > 0);
    CU_ASSERT_EQUAL(all.count, 20 + 20); /* every third, and the COST rows after 29 */
    for (size_t i = 1; i < all.count; i++)
        CU_ASSERT(all.rows[i].last_seq > all.rows[i - 1].last_seq);
    /* Walking ahead forgets nothing: a walk from the start gives all again. */
    CU_ASSERT_EQUAL(pending(&r)->count, 40);
    countdown c = {.left = 3};
    CU_ASSERT_EQUAL(weft__journal_each_pending(r.journal, 0, 100, stop_after, &c), WEFT_STOPPED);
    CU_ASSERT_EQUAL(c.left, 0);
    CU_ASSERT_EQUAL(c.last_id, all.rows[2].id);
    int64_t last_id = 0;
    CU_ASSERT_EQUAL(weft__journal_each_pending(r.journal, c.last_id, 1, last_id_note, &last_id), WEFT_OK);
    CU_ASSERT_EQUAL(last_id, all.rows[3].id);
    rig_fini(&r);
}

static size_t range_count(rig *r, uint64_t from, uint64_t to, size_t max, uint64_t *ret_first, uint64_t *ret_kept)
{
    static collected c;
    c.count = c.damaged = c.altered = c.unsorted = 0;
    CU_ASSERT_EQUAL(
        weft__journal_each_in_range(r->journal, RIG_EPOCH, WEFT_TOPIC_COST, from, to, max, collect, &c, ret_kept),
        WEFT_OK);
    CU_ASSERT_EQUAL(c.altered + c.unsorted, 0);
    *ret_first = c.count > 0 ? c.rows[0].first_seq : 0;
    return c.count;
}

static void finds_the_rows_of_a_range(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t last = 10; last <= 100; last += 10) { /* 6…10, 16…20, … */
        weft__journal_row row = row_of(WEFT_TOPIC_COST, last);
        row.prev_seq = last - 10;
        row.first_seq = last - 4;
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    }
    append_range(&r, WEFT_TOPIC_TOOL, 101, 102);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 50), WEFT_OK);
    uint64_t first, kept;
    CU_ASSERT_EQUAL(range_count(&r, 20, 36, 100, &first, &kept), 3);
    CU_ASSERT_EQUAL(first, 16);
    CU_ASSERT_EQUAL(kept, 6);
    CU_ASSERT_EQUAL(range_count(&r, 0, UINT64_MAX, 100, &first, &kept), 10);
    CU_ASSERT_EQUAL(range_count(&r, 11, 15, 100, &first, &kept), 0); /* between two rows */
    CU_ASSERT_EQUAL(range_count(&r, 21, 100, 2, &first, &kept), 2);
    CU_ASSERT_EQUAL(first, 26);
    CU_ASSERT_EQUAL(range_count(&r, 101, 200, 2, &first, &kept), 0);
    CU_ASSERT_EQUAL(kept, 6);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 25000 + (int64_t)7 * 24 * 3600 * 1000, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(range_count(&r, 1, 100, 100, &first, &kept), 8);
    CU_ASSERT_EQUAL(kept, 26);
    countdown c = {.left = 1};
    CU_ASSERT_EQUAL(
        weft__journal_each_in_range(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 1, 100, 9, stop_after, &c, &kept),
        WEFT_STOPPED);
    CU_ASSERT_EQUAL(
        weft__journal_each_in_range(r.journal, RIG_EPOCH + 1, WEFT_TOPIC_COST, 1, 100, 9, stop_after, &c, &kept),
        WEFT_OK);
    CU_ASSERT_EQUAL(kept, 0);
    rig_fini(&r);
}

typedef struct lost_list {
    size_t count;
    uint64_t seqs[64];
} lost_list;

static void on_lost(const weft__journal_row *row, void *user)
{
    lost_list *l = user;
    CU_ASSERT_EQUAL(row->length, 100);
    if (l->count < 64)
        l->seqs[l->count++] = row->last_seq;
}

static void age_takes_acknowledged_rows_only(void)
{
    rig r;
    rig_prepare(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, 0, 10000), WEFT_OK);
    append_range(&r, WEFT_TOPIC_COST, 1, 20); /* accepted at 1, 2 … 20 s */
    append_range(&r, WEFT_TOPIC_TOOL, 21, 22);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 8), WEFT_OK);
    lost_list lost = {0};
    weft__journal_stats stats;
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 15000, on_lost, &lost), WEFT_OK);
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.rows, 22 - 4); /* older than 5 s */
    CU_ASSERT_EQUAL(stats.row_bytes, 1800);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 3600000, on_lost, &lost), WEFT_OK);
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.rows, 22 - 8);
    CU_ASSERT_EQUAL(stats.pending_rows, 14);
    CU_ASSERT_EQUAL(lost.count, 0);
    CU_ASSERT_EQUAL(pending(&r)->count, 14);
    rig_fini(&r);
}

static void size_takes_acknowledged_then_the_lowest_priority(void)
{
    rig r;
    rig_prepare(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, 600, 0), WEFT_OK); /* six rows */
    const weft_priority priorities[] = {WEFT_PRIORITY_NORMAL, WEFT_PRIORITY_NORMAL,   WEFT_PRIORITY_HIGH,
                                        WEFT_PRIORITY_UNSET,  WEFT_PRIORITY_CRITICAL, WEFT_PRIORITY_LOW,
                                        WEFT_PRIORITY_NORMAL, WEFT_PRIORITY_LOW,      WEFT_PRIORITY_HIGH};
    for (uint64_t seq = 1; seq <= 9; seq++) {
        weft__journal_row row = row_of(seq == 2 ? WEFT_TOPIC_TOOL : WEFT_TOPIC_COST, seq);
        row.priority = priorities[seq - 1];
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    }
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_TOOL, 2), WEFT_OK);
    lost_list lost = {0};
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 10000, on_lost, &lost), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(lost.count, 2); /* 2 was acknowledged: nobody loses it */
    CU_ASSERT_EQUAL(lost.seqs[0], 6);
    CU_ASSERT_EQUAL(lost.seqs[1], 8);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 10000, on_lost, &lost), WEFT_OK);
    CU_ASSERT_EQUAL(lost.count, 2);
    rig_close(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, 200, 0), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 10000, on_lost, &lost), WEFT_OK);
    const uint64_t expected[] = {6, 8, 1, 4, 7, 3};
    CU_ASSERT_EQUAL_FATAL(lost.count, 6);
    CU_ASSERT_EQUAL(memcmp(lost.seqs, expected, sizeof expected), 0);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.row_bytes, 200);
    CU_ASSERT_EQUAL(stats.pending_events, 2);
    rig_close(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, 1, 0), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 10000, on_lost, &lost), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(lost.count, 8);
    CU_ASSERT_EQUAL(lost.seqs[6], 9);
    CU_ASSERT_EQUAL(lost.seqs[7], 5); /* the critical one last */
    rig_fini(&r);
}

static void trims_thousands_of_rows(void)
{
    rig r;
    rig_prepare(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open_with(&r, 1000, 0), WEFT_OK);
    weft__journal_row rows[100];
    for (uint64_t seq = 1; seq <= 3000; seq++) {
        rows[(seq - 1) % 100] = row_of(seq % 4 == 0 ? WEFT_TOPIC_COST : WEFT_TOPIC_TOOL, seq);
        if (seq % 100 == 0)
            CU_ASSERT_EQUAL(weft__journal_append(r.journal, rows, 100, NULL, 0), WEFT_OK);
    }
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 3000), WEFT_OK);
    lost_list lost = {0};
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, on_lost, &lost), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.row_bytes, 1000);
    CU_ASSERT_EQUAL(stats.pending_rows, 10);
    CU_ASSERT_EQUAL(lost.count, 64); /* all that the list holds */
    CU_ASSERT_EQUAL(lost.seqs[0], 1);
    CU_ASSERT_EQUAL(lost.seqs[1], 2);
    CU_ASSERT_EQUAL(lost.seqs[2], 3);
    CU_ASSERT_EQUAL(lost.seqs[3], 5);
    rig_fini(&r);
}

static void positions_survive_retention(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, 10 * epoch);
        row.epoch = epoch;
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, epoch, WEFT_TOPIC_COST, 10 * epoch), WEFT_OK);
    }
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, INT64_MAX, NULL, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.rows, 0);
    weft__position positions[8];
    CU_ASSERT_EQUAL_FATAL(weft__journal_positions(r.journal, positions, 8), 3);
    CU_ASSERT_EQUAL(positions[0].epoch, 3);
    CU_ASSERT_EQUAL(positions[0].last_seq, 30);
    CU_ASSERT_EQUAL(positions[2].epoch, 1);
    CU_ASSERT_EQUAL(weft__journal_positions(r.journal, positions, 2), 2);
    CU_ASSERT_EQUAL(weft__journal_acknowledged(r.journal, 2, WEFT_TOPIC_COST), 20);
    rig_fini(&r);
}

static void forgets_the_oldest_of_many_streams(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t epoch = 1; epoch <= 1100; epoch++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, 5);
        row.epoch = epoch;
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
        if (epoch != 7) /* the seventh keeps its row */
            CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, epoch, WEFT_TOPIC_COST, 5), WEFT_OK);
    }
    for (int again = 0; again < 5; again++)
        CU_ASSERT_EQUAL(weft__journal_trim(r.journal, INT64_MAX, NULL, NULL), WEFT_OK);
    for (int again = 0; again < 2; again++) {
        static weft__position positions[2000];
        CU_ASSERT_EQUAL_FATAL(weft__journal_positions(r.journal, positions, 2000), 1024);
        CU_ASSERT_EQUAL(positions[0].epoch, 1100);
        CU_ASSERT_EQUAL(positions[1023].epoch, 7);
        CU_ASSERT_EQUAL(pending(&r)->count, 1);
        CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    }
    rig_fini(&r);
}

static void epochs_only_rise(void)
{
    rig r;
    rig_init(&r);
    uint64_t epoch = 1;
    CU_ASSERT_EQUAL(weft__journal_last_epoch(r.journal, &epoch), WEFT_OK);
    CU_ASSERT_EQUAL(epoch, 0);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r.journal, 70), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r.journal, 70), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r.journal, UINT64_MAX), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r.journal, 80), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_last_epoch(r.journal, &epoch), WEFT_OK);
    CU_ASSERT_EQUAL(epoch, 80);
    append_range(&r, WEFT_TOPIC_COST, 1, 1); /* of epoch 1000 */
    CU_ASSERT_EQUAL(weft__journal_last_epoch(r.journal, &epoch), WEFT_OK);
    CU_ASSERT_EQUAL(epoch, RIG_EPOCH);
    rig_fini(&r);
}

static void memory_journal_keeps_its_promises_but_durability(void)
{
    rig r = {0};
    weft__journal_opts opts = {.max_bytes = 300};
    CU_ASSERT_EQUAL_FATAL(weft__journal_open(&opts, &r.journal, &r.damaged, NULL), WEFT_OK);
    append_range(&r, WEFT_TOPIC_COST, 1, 5);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 5), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_sync(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_checkpoint(r.journal), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r.journal, RIG_EPOCH + 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 1), WEFT_OK);
    lost_list lost = {0};
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, 0, on_lost, &lost), WEFT_OK);
    CU_ASSERT_EQUAL(lost.count, 1);
    CU_ASSERT_EQUAL(pending(&r)->count, 3);
    rig_close(&r);
}

static void refuses_a_second_opener(void)
{
    rig r;
    rig_init(&r);
    weft__journal *second = NULL;
    weft__journal_opts opts = {.path = r.path};
    const char *reason = NULL;
    CU_ASSERT_EQUAL(weft__journal_open(&opts, &second, NULL, &reason), WEFT_EXISTS);
    CU_ASSERT_PTR_NOT_NULL(reason);
    pid_t child = fork();
    if (child == 0)
        _exit(weft__journal_open(&opts, &second, NULL, NULL) == WEFT_EXISTS ? 0 : 1);
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK); /* the first is not disturbed */
    CU_ASSERT_EQUAL(rig_reopen(&r), WEFT_OK);
    rig_fini(&r);
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat info;
    CU_ASSERT_EQUAL_FATAL(stat(path, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 07777, mode);
}

static void keeps_others_out_whatever_the_umask(void)
{
    const mode_t umasks[] = {0, 0777};
    for (size_t i = 0; i < 2; i++) {
        rig r;
        rig_prepare(&r);
        char directory[128];
        (void)snprintf(directory, sizeof directory, "%s/a", r.directory);
        (void)snprintf(r.path, sizeof r.path, "%s/a/b/journal.db", r.directory);
        mode_t before = umask(umasks[i]);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        append_range(&r, WEFT_TOPIC_COST, 1, 1);
        (void)umask(before);
        assert_mode(directory, 0700);
        (void)strcat(directory, "/b");
        assert_mode(directory, 0700);
        assert_mode(r.path, 0600);
        assert_mode(rig_name(&r, "-wal"), 0600);
        assert_mode(rig_name(&r, "-shm"), 0600);
        assert_mode(rig_name(&r, ".lock"), 0600);
        rig_fini(&r);
    }
}

static void refuses_paths_that_are_not_a_journal(void)
{
    rig r;
    rig_init(&r);
    rig_close(&r);
    weft__journal *j = NULL;
    const char *reason = NULL;
    char directory[80];
    (void)snprintf(directory, sizeof directory, "%s/a", r.directory); /* what is made beside it goes with the rig */
    CU_ASSERT_EQUAL_FATAL(mkdir(directory, 0700), 0);
    CU_ASSERT_EQUAL(weft__journal_open(&(weft__journal_opts){.path = ""}, &j, NULL, &reason), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_open(&(weft__journal_opts){.path = directory}, &j, NULL, &reason), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_open(&(weft__journal_opts){.path = "/proc/none/journal"}, &j, NULL, &reason),
                    WEFT_IO);
    CU_ASSERT_PTR_NOT_NULL(reason);
    /* The header of a SQLite file: user_version at 60, application id at 68, both big-endian. */
    file_patch(r.path, 60, "\0\0\0\x63", 4);
    CU_ASSERT_EQUAL(rig_open(&r), WEFT_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.reason, "newer"));
    file_patch(r.path, 60, "\0\0\0\x4", 4);
    CU_ASSERT_EQUAL(rig_reopen(&r), WEFT_OK);
    rig_close(&r);
    file_patch(r.path, 68, "abcd", 4);
    CU_ASSERT_EQUAL(rig_open(&r), WEFT_INVALID);
    CU_ASSERT_FALSE(rig_exists(&r, ".damaged-1"));
    rig_fini(&r);
}

/* ---- how many events a stream has had ---- */

static uint64_t events_of(rig *r, weft_topic topic)
{
    weft__position positions[8];
    size_t count = weft__journal_positions(r->journal, positions, 8);
    for (size_t i = 0; i < count; i++)
        if (positions[i].topic == topic)
            return positions[i].events;
    return 0;
}

static void counts_the_events_of_a_stream_for_ever(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 4);
    weft__journal_row wide = row_of(WEFT_TOPIC_COST, 10);
    wide.prev_seq = 4;
    wide.first_seq = 5;
    wide.event_count = 6;
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &wide, 1, NULL, 0), WEFT_OK);
    append_range(&r, WEFT_TOPIC_TOOL, 11, 12);
    CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_TOOL, 12), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 10), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r.journal, INT64_MAX, NULL, NULL), WEFT_OK);
    for (int again = 0; again < 2; again++) {
        CU_ASSERT_EQUAL(events_of(&r, WEFT_TOPIC_COST), 10);
        CU_ASSERT_EQUAL(events_of(&r, WEFT_TOPIC_TOOL), 2);
        CU_ASSERT_EQUAL(weft__journal_pending(r.journal, RIG_EPOCH, WEFT_TOPIC_COST), 0);
        CU_ASSERT_EQUAL(weft__journal_pending(r.journal, RIG_EPOCH, WEFT_TOPIC_TOOL), 2);
        CU_ASSERT_EQUAL(weft__journal_pending(r.journal, RIG_EPOCH, WEFT_TOPIC_AGENT), 0);
        CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    }
    rig_fini(&r);
}

/* Makes the file one of version 2. */
static void uncounted_make(const char *path)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(
        sqlite3_exec(
            db,
            "ALTER TABLE streams DROP COLUMN events; ALTER TABLE streams DROP COLUMN gone_ms; PRAGMA user_version = 2",
            NULL, NULL, NULL),
        SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_close(db), SQLITE_OK);
}

static void goes_on_with_a_file_that_did_not_count_events(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 4);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 1), WEFT_OK);
    rig_close(&r);
    uncounted_make(r.path);
    for (int again = 0; again < 2; again++) {
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        CU_ASSERT_FALSE(r.damaged);
        CU_ASSERT_EQUAL(pending(&r)->count, 3);
        CU_ASSERT_EQUAL(events_of(&r, WEFT_TOPIC_COST), 0); /* not known */
        rig_close(&r);
    }
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    append_range(&r, WEFT_TOPIC_TOOL, 5, 6);
    CU_ASSERT_EQUAL(events_of(&r, WEFT_TOPIC_TOOL), 2);
    rig_fini(&r);
}

SUITE(bridge_journal, CASE(gives_back_what_was_appended_in_order), CASE(ids_rise_across_lives_without_rows),
      CASE(refuses_rows_that_do_not_follow), CASE(commits_marks_with_their_rows),
      CASE(stores_nothing_of_a_failed_append), CASE(acknowledged_rows_are_not_pending),
      CASE(pages_through_pending_rows), CASE(finds_the_rows_of_a_range), CASE(age_takes_acknowledged_rows_only),
      CASE(size_takes_acknowledged_then_the_lowest_priority), CASE(trims_thousands_of_rows),
      CASE(positions_survive_retention), CASE(forgets_the_oldest_of_many_streams), CASE(epochs_only_rise),
      CASE(memory_journal_keeps_its_promises_but_durability), CASE(refuses_a_second_opener),
      CASE(keeps_others_out_whatever_the_umask), CASE(refuses_paths_that_are_not_a_journal),
      CASE(counts_the_events_of_a_stream_for_ever), CASE(goes_on_with_a_file_that_did_not_count_events))
