/* What a receiver does with one stream: order, holes, hold, duplicates. */
#include "bridge/stream.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 2000, SEQS_MAX = 16384 };

typedef struct record {
    uint64_t seq[SEQS_MAX];
    bool late[SEQS_MAX];
    size_t count;
    weft_lost lost[16];
    size_t lost_count;
    weft__stream *stream;
    weft__stream_ops ops;
} record;

static bool on_deliver(void *user, const weft_event *event, bool late)
{
    record *r = user;
    r->seq[r->count] = event->id.seq;
    r->late[r->count++] = late;
    return true;
}

static void on_lost(void *user, const weft_lost *lost)
{
    record *r = user;
    r->lost[r->lost_count++] = *lost;
}

static record *record_create(uint64_t baseline)
{
    record *r = calloc(1, sizeof *r);
    r->stream = weft__stream_create("a", 5, WEFT_TOPIC_COST, false);
    r->ops = (weft__stream_ops){.deliver = on_deliver, .lost = on_lost, .user = r};
    weft__stream_base(r->stream, baseline);
    return r;
}

static void record_destroy(record *r)
{
    weft__stream_destroy(r->stream);
    free(r);
}

/* A message with events of every `step`-th seq in (prev, last]. */
static void take(record *r, uint64_t prev, uint64_t last, uint64_t step, int64_t now)
{
    static const weft_event *events[SEQS_MAX];
    size_t count = 0;
    for (uint64_t seq = prev + step; seq <= last; seq += step) {
        weft_event event = {.type = WEFT_CONFIG_RELOADED, .id = {.node = "a", .epoch = 5, .seq = seq}};
        events[count++] = weft_event_keep(&event);
    }
    weft__stream_take(r->stream, prev, events, count, now, HOLD_MS, &r->ops);
    for (size_t i = 0; i < count; i++)
        weft_event_release(events[i]);
}

static bool got(const record *r, size_t count, const uint64_t *seqs)
{
    return r->count == count && memcmp(r->seq, seqs, count * sizeof *seqs) == 0;
}
#define GOT(r, ...) got(r, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[]){__VA_ARGS__})

static void delivers_in_order_and_drops_repeats(void)
{
    record *r = record_create(0);
    take(r, 0, 3, 1, 0);
    take(r, 0, 3, 1, 0);
    take(r, 2, 5, 1, 0);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 4, 5));
    CU_ASSERT_EQUAL(r->stream->counts.duplicates, 4);
    CU_ASSERT_EQUAL(r->stream->counts.gaps, 0);
    record_destroy(r);
}

static void holds_back_until_the_hole_is_healed(void)
{
    record *r = record_create(0);
    take(r, 0, 2, 1, 0);
    take(r, 6, 8, 1, 10);
    CU_ASSERT_TRUE(GOT(r, 1, 2));
    CU_ASSERT_EQUAL(r->stream->counts.gaps, 1);
    take(r, 2, 6, 2, 20);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 4, 6, 7, 8));
    CU_ASSERT_EQUAL(r->stream->holes.count, 0);
    CU_ASSERT_FALSE(r->late[2]);
    CU_ASSERT_EQUAL(r->stream->counts.healed, 2);
    record_destroy(r);
}

static void lets_go_after_the_hold_and_marks_what_comes_late(void)
{
    record *r = record_create(0);
    take(r, 2, 4, 1, 0);
    weft__stream_tick(r->stream, HOLD_MS - 1, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->count, 0);
    weft__stream_tick(r->stream, HOLD_MS, HOLD_MS, &r->ops);
    CU_ASSERT_TRUE(GOT(r, 3, 4));
    take(r, 0, 2, 1, HOLD_MS + 1);
    CU_ASSERT_TRUE(GOT(r, 3, 4, 1, 2));
    CU_ASSERT_TRUE(r->late[2] && r->late[3]);
    take(r, 0, 4, 1, HOLD_MS + 2);
    CU_ASSERT_EQUAL(r->count, 4);
    record_destroy(r);
}

static void a_late_hole_does_not_hold_a_later_one_open(void)
{
    record *r = record_create(0);
    take(r, 2, 4, 1, 0);
    weft__stream_tick(r->stream, HOLD_MS, HOLD_MS, &r->ops);
    take(r, 6, 8, 1, HOLD_MS + 10);
    CU_ASSERT_TRUE(GOT(r, 3, 4));
    take(r, 0, 2, 1, HOLD_MS + 20);
    CU_ASSERT_TRUE(GOT(r, 3, 4, 1, 2));
    CU_ASSERT_TRUE(r->late[2] && r->late[3]);
    take(r, 4, 6, 1, HOLD_MS + 30);
    CU_ASSERT_TRUE(GOT(r, 3, 4, 1, 2, 5, 6, 7, 8));
    CU_ASSERT_FALSE(r->late[4] || r->late[6]);
    record_destroy(r);
}

static void a_settled_range_that_does_not_exist_releases_what_waits(void)
{
    record *r = record_create(0);
    take(r, 6, 8, 1, 0);
    weft__stream_settle(r->stream, 1, 6, &r->ops);
    CU_ASSERT_TRUE(GOT(r, 7, 8));
    CU_ASSERT_EQUAL(r->lost_count, 0);
    record_destroy(r);
}

static void reports_what_is_lost_with_its_reason(void)
{
    record *r = record_create(0);
    take(r, 6, 8, 1, 0);
    weft_lost lost = {.from_seq = 1, .to_seq = 6, .count = 4, .reason = WEFT_LOST_RETENTION};
    weft__stream_lose(r->stream, &lost, &r->ops);
    CU_ASSERT_EQUAL(r->lost_count, 1);
    CU_ASSERT_EQUAL(r->lost[0].from_seq, 1);
    CU_ASSERT_EQUAL(r->lost[0].to_seq, 6);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_RETENTION);
    CU_ASSERT_EQUAL(r->lost[0].count, 4);
    CU_ASSERT_TRUE(GOT(r, 7, 8));
    record_destroy(r);
}

static void only_what_is_missing_is_reported_lost_and_once(void)
{
    record *r = record_create(0);
    take(r, 0, 3, 1, 0);
    take(r, 5, 7, 1, 0);
    weft_lost lost = {.from_seq = 2, .to_seq = 6, .count = 5, .reason = WEFT_LOST_UNSPECIFIED};
    weft__stream_lose(r->stream, &lost, &r->ops);
    weft__stream_lose(r->stream, &lost, &r->ops);
    CU_ASSERT_EQUAL(r->lost_count, 1);
    CU_ASSERT_EQUAL(r->lost[0].from_seq, 4);
    CU_ASSERT_EQUAL(r->lost[0].to_seq, 5);
    CU_ASSERT_EQUAL(r->lost[0].count, 0);
    CU_ASSERT_NOT_EQUAL(r->lost[0].reason, WEFT_LOST_UNSPECIFIED);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 6, 7));
    record_destroy(r);
}

static void what_heals_into_an_overfull_hold_is_marked_late(void)
{
    record *r = record_create(0);
    take(r, 2, 2 + WEFT__HELD_MAX, 1, 0);
    take(r, 0, 2, 1, 0);
    CU_ASSERT_EQUAL(r->count, WEFT__HELD_MAX + 2);
    uint64_t last = 0;
    for (size_t i = 0; i < r->count; i++) {
        CU_ASSERT_TRUE_FATAL(r->late[i] || r->seq[i] > last);
        last = r->late[i] ? last : r->seq[i];
    }
    record_destroy(r);
}

/* Under UBSan: nothing has ever been held, and nothing may be moved. */
static void a_hold_without_events_ends_quietly(void)
{
    record *r = record_create(0);
    weft__stream_suspect(r->stream, 4, 0, 0);
    weft__stream_tick(r->stream, 0, HOLD_MS, &r->ops);
    weft__stream_tick(r->stream, HOLD_MS, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->count, 0);
    CU_ASSERT_EQUAL(r->stream->holes.count, 1);
    record_destroy(r);
}

static void a_suspicion_becomes_a_gap_only_when_its_time_is_up(void)
{
    record *r = record_create(0);
    take(r, 0, 2, 1, 0);
    weft__stream_suspect(r->stream, 4, 0, 500);
    weft__stream_tick(r->stream, 499, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->holes.count, 0);
    weft__stream_tick(r->stream, 500, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->holes.count, 1);
    take(r, 2, 4, 1, 600);
    CU_ASSERT_TRUE(GOT(r, 1, 2, 3, 4));
    weft__stream_suspect(r->stream, 6, 700, 500);
    take(r, 4, 6, 1, 800);
    weft__stream_tick(r->stream, 1300, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->holes.count, 0);
    record_destroy(r);
}

/* A birth tells only once where an earlier life ended. */
static void what_is_told_during_a_suspicion_is_suspected_after_it(void)
{
    record *r = record_create(0);
    take(r, 0, 2, 1, 0);
    weft__stream_suspect(r->stream, 3, 0, 500);
    weft__stream_suspect(r->stream, 5, 100, 1500);
    weft__stream_tick(r->stream, 500, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->high, 3);
    weft__stream_tick(r->stream, 1599, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->high, 3);
    weft__stream_tick(r->stream, 1600, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->high, 5);
    weft__stream_tick(r->stream, 5000, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL(r->stream->suspected, 0);
    record_destroy(r);
}

static void more_holes_than_the_bound_give_up_the_oldest(void)
{
    record *r = record_create(0);
    for (uint64_t i = 0; i <= WEFT__SEQ_RANGES_MAX; i++)
        take(r, 4 * i + 2, 4 * i + 4, 1, 0);
    CU_ASSERT_EQUAL(r->stream->holes.count, WEFT__SEQ_RANGES_MAX);
    CU_ASSERT_EQUAL(r->lost_count, 1);
    CU_ASSERT_EQUAL(r->lost[0].from_seq, 1);
    CU_ASSERT_EQUAL(r->lost[0].reason, WEFT_LOST_OVERFLOW);
    record_destroy(r);
}

static void an_overfull_hold_lets_everything_go(void)
{
    record *r = record_create(0);
    take(r, 1, 1 + WEFT__HELD_MAX, 1, 0);
    CU_ASSERT_EQUAL(r->count, 0);
    take(r, 1 + WEFT__HELD_MAX, 2 + WEFT__HELD_MAX, 1, 0);
    CU_ASSERT_EQUAL(r->count, WEFT__HELD_MAX + 1);
    CU_ASSERT_EQUAL(r->seq[0], 2);
    CU_ASSERT_EQUAL(r->seq[WEFT__HELD_MAX], 2 + WEFT__HELD_MAX);
    CU_ASSERT_EQUAL(r->stream->holes.count, 1);
    record_destroy(r);
}

/* Messages lost, repeated and out of order, then everything once more: each seq exactly once. */
static void every_event_once_whatever_the_order(void)
{
    enum { BATCHES = 60, ROUNDS = 200 };
    srand(11);
    for (int round = 0; round < ROUNDS; round++) {
        record *r = record_create(0);
        uint64_t ends[BATCHES + 1] = {0};
        for (int i = 1; i <= BATCHES; i++)
            ends[i] = ends[i - 1] + 1 + (uint64_t)rand() % 5;
        for (int i = 0; i < 2 * BATCHES; i++) {
            int at = rand() % BATCHES;
            take(r, ends[at], ends[at + 1], 1, i * 40);
            weft__stream_tick(r->stream, i * 40, HOLD_MS, &r->ops);
        }
        for (int at = 0; at < BATCHES; at++)
            take(r, ends[at], ends[at + 1], 1, 100000);
        weft__stream_tick(r->stream, 200000, HOLD_MS, &r->ops);
        unsigned char seen[SEQS_MAX] = {0};
        for (size_t i = 0; i < r->count; i++)
            seen[r->seq[i]]++;
        bool once = r->count == ends[BATCHES];
        for (uint64_t seq = 1; seq <= ends[BATCHES]; seq++)
            once = once && seen[seq] == 1;
        uint64_t last = 0;
        bool ordered = true;
        for (size_t i = 0; i < r->count; i++)
            if (!r->late[i]) {
                ordered = ordered && r->seq[i] > last;
                last = r->seq[i];
            }
        CU_ASSERT_TRUE_FATAL(once);
        CU_ASSERT_TRUE_FATAL(ordered);
        CU_ASSERT_EQUAL_FATAL(r->stream->holes.count, 0);
        record_destroy(r);
    }
}

/* ---- the account ---- */

static void the_account_is_held_against_what_the_publisher_tells(void)
{
    record *r = record_create(0);
    take(r, 0, 4, 1, 0);
    weft__stream_tell(r->stream, 4, 4);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    weft__stream_show(r->stream);
    CU_ASSERT_EQUAL(r->stream->shown.published, 4);
    CU_ASSERT_EQUAL(r->stream->shown.delivered, 4);
    weft__stream_tell(r->stream, 4, 6);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 2);
    weft__stream_tell(r->stream, 4, 3);
    CU_ASSERT_EQUAL(r->stream->unaccounted, -1);
    weft__stream_tell(r->stream, 4, 0); /* says nothing */
    CU_ASSERT_EQUAL(r->stream->unaccounted, -1);
    weft__stream_tell(r->stream, 4, 4);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    record_destroy(r);
}

static void the_account_waits_for_a_quiet_moment(void)
{
    record *r = record_create(0);
    weft__stream_tell(r->stream, 8, 9); /* one more than will come */
    take(r, 0, 2, 1, 0);
    take(r, 4, 8, 1, 0);
    weft__stream_account_check(r->stream);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0); /* a hole is open */
    take(r, 2, 4, 1, 2);
    weft__stream_account_check(r->stream);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 1);
    take(r, 8, 9, 1, 4);
    weft__stream_account_check(r->stream); /* the stream has gone on: nothing is known of this moment */
    CU_ASSERT_EQUAL(r->stream->unaccounted, 1);
    weft__stream_tell(r->stream, 9, 9);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    record_destroy(r);
}

static void what_was_published_before_is_fixed_at_the_first_quiet_moment(void)
{
    record *r = record_create(10);
    take(r, 10, 13, 1, 0);
    CU_ASSERT_FALSE(r->stream->before_known);
    weft__stream_tell(r->stream, 13, 9);
    CU_ASSERT_TRUE(r->stream->before_known);
    CU_ASSERT_EQUAL(r->stream->before, 6);
    take(r, 13, 15, 1, 1);
    weft__stream_tell(r->stream, 15, 11);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    weft__stream_tell(r->stream, 15, 12);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 1);
    record_destroy(r);
}

static void the_number_of_events_in_a_lost_range_is_known_at_the_next_quiet_moment(void)
{
    record *r = record_create(0);
    take(r, 0, 2, 1, 0);
    take(r, 6, 8, 1, 0);
    weft__stream_lose(r->stream, &(weft_lost){.from_seq = 3, .to_seq = 6, .reason = WEFT_LOST_RETENTION}, &r->ops);
    CU_ASSERT_EQUAL(r->stream->counts.lost_ranges[WEFT_LOST_RETENTION], 1);
    weft__stream_tell(r->stream, 8, 7);
    CU_ASSERT_EQUAL(r->stream->counts.lost_ranges[WEFT_LOST_RETENTION], 0);
    CU_ASSERT_EQUAL(r->stream->counts.lost[WEFT_LOST_RETENTION], 3);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    take(r, 10, 12, 1, 1);
    weft_lost exact = {.from_seq = 9, .to_seq = 10, .count = 2, .reason = WEFT_LOST_OVERFLOW};
    weft__stream_lose(r->stream, &exact, &r->ops);
    weft__stream_tell(r->stream, 12, 11);
    CU_ASSERT_EQUAL(r->stream->counts.lost[WEFT_LOST_OVERFLOW], 2);
    CU_ASSERT_EQUAL(r->stream->unaccounted, 0);
    record_destroy(r);
}

static void it_lacks_what_may_still_come_late(void)
{
    record *r = record_create(0);
    take(r, 0, 3, 1, 0);
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, 3));
    weft__stream_suspect(r->stream, 5, 0, 100);
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, 4));
    CU_ASSERT_TRUE(weft__stream_lacks(r->stream, UINT64_MAX));
    take(r, 3, 5, 1, 0);
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, UINT64_MAX));
    take(r, 6, 8, 1, 0); /* 6 is missing, 7 and 8 wait */
    CU_ASSERT_TRUE(weft__stream_lacks(r->stream, 8));
    weft__stream_tick(r->stream, HOLD_MS, HOLD_MS, &r->ops);
    CU_ASSERT_EQUAL_FATAL(r->count, 7);
    CU_ASSERT_TRUE(weft__stream_lacks(r->stream, 7));
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, 6));
    take(r, 5, 6, 1, 0);
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, 9));
    record_destroy(r);
}

static void a_guessed_baseline_may_lack_everything(void)
{
    record *r = record_create(0);
    weft__stream_destroy(r->stream);
    r->stream = weft__stream_create("a", 5, WEFT_TOPIC_COST, false);
    weft__stream_cap(r->stream, 10);
    weft__stream_reach(r->stream, 12, 0, HOLD_MS, &r->ops);
    CU_ASSERT_TRUE(weft__stream_lacks(r->stream, 1));
    weft__stream_begin(r->stream, 10, 0);
    CU_ASSERT_FALSE(weft__stream_lacks(r->stream, 11));
    record_destroy(r);
}

SUITE(bridge_stream, CASE(delivers_in_order_and_drops_repeats), CASE(holds_back_until_the_hole_is_healed),
      CASE(lets_go_after_the_hold_and_marks_what_comes_late), CASE(a_late_hole_does_not_hold_a_later_one_open),
      CASE(a_settled_range_that_does_not_exist_releases_what_waits), CASE(reports_what_is_lost_with_its_reason),
      CASE(a_hold_without_events_ends_quietly), CASE(only_what_is_missing_is_reported_lost_and_once),
      CASE(what_heals_into_an_overfull_hold_is_marked_late), CASE(a_suspicion_becomes_a_gap_only_when_its_time_is_up),
      CASE(what_is_told_during_a_suspicion_is_suspected_after_it), CASE(more_holes_than_the_bound_give_up_the_oldest),
      CASE(an_overfull_hold_lets_everything_go), CASE(every_event_once_whatever_the_order),
      CASE(the_account_is_held_against_what_the_publisher_tells), CASE(the_account_waits_for_a_quiet_moment),
      CASE(what_was_published_before_is_fixed_at_the_first_quiet_moment),
      CASE(the_number_of_events_in_a_lost_range_is_known_at_the_next_quiet_moment),
      CASE(it_lacks_what_may_still_come_late), CASE(a_guessed_baseline_may_lack_everything))
