/* Bytes that change in the journal's file: what is damaged is told, the rest is carried over. */
#include "bridge/journal_rig.h"

enum { PAGE = 4096 };

/* ---- changed bytes inside rows ---- */

/* Changes one byte where the closed file holds `bytes`. */
static void change_at(const rig *r, const void *bytes, size_t length, off_t offset)
{
    off_t at = file_find(r->path, bytes, length);
    CU_ASSERT_FATAL(at >= 0);
    file_patch(r->path, at + offset, "#", 1);
}

static void assert_only_damaged(rig *r, size_t which)
{
    CU_ASSERT_EQUAL_FATAL(rig_open(r), WEFT_OK);
    const collected *c = pending(r);
    CU_ASSERT_EQUAL_FATAL(c->count, 20);
    CU_ASSERT_EQUAL(c->damaged, 1);
    CU_ASSERT_PTR_NULL(c->rows[which - 1].bytes);
    CU_ASSERT_EQUAL(c->rows[which - 1].first_seq, which);
    CU_ASSERT_EQUAL(c->rows[which - 1].last_seq, which);
    CU_ASSERT_EQUAL(c->rows[which - 1].topic, WEFT_TOPIC_COST);
}

static void a_changed_message_is_given_without_bytes(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 20);
    rig_close(&r);
    change_at(&r, "message 7.", 10, 3);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void a_changed_checksum_tag_does_not_make_a_message_unchecked(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 20);
    rig_close(&r);
    change_at(&r, message(7, 100), 100, 100 - 8);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void changed_numbers_of_a_row_are_noticed(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
        row.accepted_ms = seq == 7 ? INT64_C(0x1122334455667788) : 1;
        CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    }
    rig_close(&r);
    change_at(&r, "\x11\x22\x33\x44\x55\x66\x77\x88", 8, 4);
    assert_only_damaged(&r, 7);
    rig_fini(&r);
}

static void rows_without_a_checksum_are_given_unchecked(void)
{
    rig r;
    rig_init(&r);
    weft__journal_row row = row_of(WEFT_TOPIC_COST, 1);
    row.length = 50; /* the checksum cut off */
    CU_ASSERT_EQUAL(weft__journal_append(r.journal, &row, 1, NULL, 0), WEFT_OK);
    static collected c;
    c = (collected){0};
    CU_ASSERT_EQUAL(weft__journal_each_pending(r.journal, 0, 9, collect, &c), WEFT_OK);
    CU_ASSERT_EQUAL(c.count, 1);
    CU_ASSERT_EQUAL(c.damaged, 0);
    rig_fini(&r);
}

/* ---- damaged structure ---- */

/* 600 rows of 600 bytes (100 pages), half acknowledged, a mark and an epoch; closed. */
static void leave_closed(rig *r)
{
    rig_init(r);
    for (uint64_t seq = 1; seq <= 600; seq++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
        row.bytes = message(seq, 600);
        row.length = 600;
        CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    }
    weft__feed_mark mark = {"feed", 12, "state", 5, 0};
    CU_ASSERT_EQUAL(weft__journal_append(r->journal, NULL, 0, &mark, 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r->journal, RIG_EPOCH + 7), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, RIG_EPOCH, WEFT_TOPIC_COST, 300), WEFT_OK);
    rig_close(r);
}

/* Overwrites the page that holds a message. */
static void page_destroy(const rig *r, uint64_t seq)
{
    static const uint8_t nothing[PAGE];
    off_t at = file_find(r->path, message(seq, 600), 600);
    CU_ASSERT_FATAL(at >= 0);
    file_patch(r->path, at / PAGE * PAGE, nothing, PAGE);
}

/* What a process that was killed leaves beside the file, if a checkpoint had just emptied it. */
static void mark_unclosed(const rig *r)
{
    FILE *wal = fopen(rig_name(r, "-wal"), "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(wal);
    (void)fclose(wal);
}

static void assert_salvaged(rig *r, size_t least)
{
    CU_ASSERT_TRUE(r->damaged);
    CU_ASSERT_PTR_NOT_NULL_FATAL(weft__journal_damaged_path(r->journal));
    CU_ASSERT_EQUAL(access(weft__journal_damaged_path(r->journal), F_OK), 0);
    const collected *c = pending(r);
    CU_ASSERT(c->count >= least && c->count < 300);
    CU_ASSERT_EQUAL(c->damaged, 0);
    CU_ASSERT_EQUAL(weft__journal_acknowledged(r->journal, RIG_EPOCH, WEFT_TOPIC_COST), 300);
    weft__position position = {0};
    CU_ASSERT_EQUAL(weft__journal_positions(r->journal, &position, 1), 1);
    CU_ASSERT_EQUAL(position.last_seq, 600);
    uint64_t line = 0, epoch = 0;
    char *state = NULL;
    size_t bytes = 0;
    CU_ASSERT_EQUAL(weft__journal_feed(r->journal, "feed", &line, &state, &bytes), WEFT_OK);
    CU_ASSERT_EQUAL(line, 12);
    CU_ASSERT_EQUAL(bytes, 5);
    free(state);
    CU_ASSERT_EQUAL(weft__journal_last_epoch(r->journal, &epoch), WEFT_OK);
    CU_ASSERT_EQUAL(epoch, RIG_EPOCH + 7);
    CU_ASSERT_EQUAL(append_one(r, WEFT_TOPIC_COST, 601), WEFT_OK);
    weft__journal_stats stats;
    weft__journal_get_stats(r->journal, &stats);
    CU_ASSERT_EQUAL(stats.pending_rows, c->count + 1);
}

static void carries_what_is_readable_over_after_damage(void)
{
    rig r;
    leave_closed(&r);
    page_destroy(&r, 350);
    page_destroy(&r, 450);
    page_destroy(&r, 451); /* often the same page */
    page_destroy(&r, 600); /* the last one */
    mark_unclosed(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    assert_salvaged(&r, 300 - 4 * 7); /* at most seven rows to a page */
    CU_ASSERT(rig_exists(&r, ".damaged-1"));
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    rig_fini(&r);
}

static void damage_met_while_reading_is_salvaged_by_the_next_open(void)
{
    rig r;
    leave_closed(&r);
    page_destroy(&r, 450);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    const collected *c = pending(&r);
    CU_ASSERT_EQUAL(c->count, 300); /* the index knows of all */
    CU_ASSERT(c->damaged > 0 && c->damaged <= 7);
    for (size_t i = 0; i < c->count; i++) {
        CU_ASSERT_EQUAL(c->rows[i].first_seq, 301 + i);
        CU_ASSERT_EQUAL(c->rows[i].last_seq, 301 + i);
    }
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    assert_salvaged(&r, 300 - 7);
    rig_fini(&r);
}

static void a_file_of_noise_is_moved_aside(void)
{
    rig r;
    rig_prepare(&r);
    for (int n = 1; n <= 11; n++) {
        FILE *file = fopen(r.path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        for (int i = 0; i < 3000; i++)
            (void)fputs("noise", file);
        (void)fclose(file);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        CU_ASSERT_TRUE(r.damaged);
        CU_ASSERT_EQUAL(pending(&r)->count, 0);
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 1), WEFT_OK);
        rig_close(&r);
    }
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-1"), 15000);
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-9"), 15000);
    CU_ASSERT_FALSE(rig_exists(&r, ".damaged-10"));
    rig_fini(&r);
}

static void finishes_a_salvage_that_was_interrupted(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 5);
    rig_close(&r);
    char salvaged[192];
    (void)snprintf(salvaged, sizeof salvaged, "%s.salvaged", r.path);
    CU_ASSERT_EQUAL(rename(r.path, salvaged), 0); /* complete, not yet in place … */
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 5);
    rig_close(&r);
    CU_ASSERT_EQUAL(rename(r.path, salvaged), 0); /* … and with the damaged file still there */
    FILE *file = fopen(r.path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fputs("noise", file);
    (void)fclose(file);
    mark_unclosed(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_TRUE(r.damaged);
    CU_ASSERT_EQUAL(pending(&r)->count, 5);
    CU_ASSERT_EQUAL(rig_size(&r, ".damaged-1"), 5);
    CU_ASSERT(rig_exists(&r, ".damaged-1-wal"));
    CU_ASSERT_FALSE(rig_exists(&r, ".salvaged"));
    rig_fini(&r);
}

static void cut_files_never_lose_the_way(void)
{
    for (off_t pages = 0; pages < 40; pages += 3) {
        rig r;
        leave_closed(&r);
        CU_ASSERT_EQUAL(truncate(r.path, pages * PAGE + 100), 0);
        CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
        CU_ASSERT_TRUE(r.damaged);
        (void)pending(&r);
        CU_ASSERT_EQUAL(append_one(&r, WEFT_TOPIC_COST, 601), WEFT_OK);
        rig_fini(&r);
    }
}

static void changed_bytes_anywhere_never_crash_or_lie(void)
{
    rig r;
    leave_closed(&r);
    off_t size = rig_size(&r, "");
    rig_fini(&r);
    uint32_t x = 12345;
    for (int round = 0; round < 60; round++) {
        leave_closed(&r);
        for (int i = 0; i < 8; i++) {
            x = x * 1664525 + 1013904223;
            uint8_t byte = (uint8_t)(x >> 16);
            file_patch(r.path, (off_t)(x % (uint32_t)(size - 100)) + 100, &byte, 1);
        }
        mark_unclosed(&r);
        weft_status st = rig_open(&r);
        CU_ASSERT(st == WEFT_OK);
        static collected c;
        c.count = c.damaged = c.altered = c.unsorted = 0;
        if (st == WEFT_OK) {
            st = weft__journal_each_pending(r.journal, 0, RIG_ROWS_MAX, collect, &c);
            CU_ASSERT(st == WEFT_OK || st == WEFT_CORRUPT);
        }
        CU_ASSERT_EQUAL(c.altered, 0);
        rig_fini(&r);
    }
}

SUITE(bridge_journal_damage, CASE(a_changed_message_is_given_without_bytes),
      CASE(a_changed_checksum_tag_does_not_make_a_message_unchecked), CASE(changed_numbers_of_a_row_are_noticed),
      CASE(rows_without_a_checksum_are_given_unchecked), CASE(carries_what_is_readable_over_after_damage),
      CASE(damage_met_while_reading_is_salvaged_by_the_next_open), CASE(a_file_of_noise_is_moved_aside),
      CASE(finishes_a_salvage_that_was_interrupted), CASE(cut_files_never_lose_the_way),
      CASE(changed_bytes_anywhere_never_crash_or_lie))
