/* A downlink that wants the past: what it asks for, in which order it hands on, and how it goes on after a restart. */
#include "bridge/downlink_rig.h"

enum { SINCE = 1000000, LATER = SINCE + 500000, EPOCH = SINCE + 5 };

static rig *past_rig(void)
{
    accepted_ms = LATER;
    return rig_create_from(WEFT_TOPIC_COST, SINCE);
}

/* With the question about all of the present life under way. */
static rig *asking_rig(void)
{
    rig *r = past_rig();
    birth(r, EPOCH, true);
    pass(r, 500);
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 1);
    return r;
}

static void part(rig *r, uint32_t index, uint64_t prev, uint64_t last)
{
    answer_send(r, (weft__reply){.index = index}, r->ask.request, prev, last);
}

static void end(rig *r, uint32_t index, uint64_t covered, uint64_t last_seq)
{
    weft__reply m = {.index = index, .last = true, .covered_to_seq = covered, .last_seq = last_seq};
    answer_send(r, m, r->ask.request, 0, 0);
}

/* ---- what is asked for ---- */

static void all_of_a_present_life_is_asked_for(void)
{
    rig *r = asking_rig();
    CU_ASSERT_TRUE(r->ask.epoch == EPOCH && r->ask.topic == WEFT_TOPIC_COST && r->ask.since_ms == SINCE);
    CU_ASSERT_TRUE(r->ask.from == 1 && r->ask.to == UINT64_MAX);
    part(r, 0, 0, 3);
    end(r, 1, 3, 9); /* not all of it in one answer */
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 2);
    CU_ASSERT_TRUE(r->ask.from == 4 && r->ask.to == 9);
    part(r, 0, 3, 9);
    end(r, 1, 9, 9);
    pass(r, 1000);
    CU_ASSERT_TRUE(got_range(r, 1, 9));
    CU_ASSERT_EQUAL(r->ask_count, 2);
    rig_destroy(r);
}

static void a_topic_without_events_is_asked_for_once(void)
{
    rig *r = asking_rig();
    end(r, 0, 0, 0);
    pass(r, 60000);
    CU_ASSERT_EQUAL(r->ask_count, 1);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    batch(r, EPOCH, 0, 2);
    CU_ASSERT_TRUE(got_range(r, 1, 2));
    rig_destroy(r);
}

static void a_question_that_nobody_answers_is_asked_again(void)
{
    rig *r = asking_rig();
    pass_until_asked(r);
    pass_until_asked(r);
    CU_ASSERT_EQUAL(r->ask.to, UINT64_MAX);
    part(r, 0, 0, 2);
    end(r, 1, 2, 2);
    CU_ASSERT_TRUE(got_range(r, 1, 2));
    rig_destroy(r);
}

static void an_older_version_that_covers_everything_is_not_believed(void)
{
    rig *r = asking_rig();
    part(r, 0, 0, 3);
    end(r, 1, UINT64_MAX, 0);
    batch(r, EPOCH, 3, 4);
    CU_ASSERT_TRUE(got_range(r, 1, 4));
    rig_destroy(r);
}

static void earlier_lives_are_asked_for_unless_they_ended_before(void)
{
    rig *r = past_rig();
    weft__position previous[] = {{SINCE + 100, WEFT_TOPIC_COST, 7, 0},
                                 {SINCE - 300000, WEFT_TOPIC_COST, 8, 0}, /* went on until the next one began */
                                 {SINCE - 400000, WEFT_TOPIC_COST, 9, 0}};
    weft__live m = {.node = "a", .epoch = SINCE + 200, .status = WEFT__LIVE_BIRTH, .previous = previous};
    m.previous_count = sizeof previous / sizeof *previous;
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, true, r->now);
    free(bytes);
    pass(r, 500);
    CU_ASSERT_EQUAL(r->ask_count, 3);
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 2);
    rig_destroy(r);
}

/* ---- what is handed on ---- */

static void what_was_accepted_before_is_settled_without_a_word(void)
{
    rig *r = asking_rig();
    answer_send(r, (weft__reply){.skipped_seq = 400}, r->ask.request, 400, 403);
    CU_ASSERT_TRUE(got_range(r, 401, 403)); /* at once: nothing is missing before */
    end(r, 1, 403, 403);
    CU_ASSERT_EQUAL(r->lost_count, 0);
    CU_ASSERT_EQUAL(stats_of(r).streams.gaps, 0);
    accepted_ms = SINCE - 10000; /* a straggler by its clock */
    batch(r, EPOCH, 403, 404);
    accepted_ms = LATER;
    batch(r, EPOCH, 404, 405);
    CU_ASSERT_EQUAL(r->seq[r->count - 1], 405);
    CU_ASSERT_EQUAL(r->count, 4);
    CU_ASSERT_EQUAL(stats_of(r).before_since, 1);
    rig_destroy(r);
}

static void the_past_comes_before_the_present_however_long_it_takes(void)
{
    rig *r = asking_rig();
    batch(r, EPOCH, 10, 12);
    for (uint32_t i = 0; i < 10; i++) {
        pass(r, HOLD_MS - 100);
        part(r, i, i, i + 1);
    }
    end(r, 10, 10, 12);
    CU_ASSERT_TRUE(got_range(r, 1, 12));
    rig_destroy(r);
}

static void without_an_answer_the_present_does_not_wait(void)
{
    rig *r = asking_rig();
    batch(r, EPOCH, 10, 12);
    pass(r, HOLD_MS + 100);
    CU_ASSERT_TRUE(got_range(r, 11, 12));
    rig_destroy(r);
}

static void what_cannot_be_held_is_asked_for_later(void)
{
    enum { ALL = 10 + 2 * WEFT__HELD_MAX };
    rig *r = asking_rig();
    for (uint64_t seq = 10; seq < ALL; seq += 50)
        batch(r, EPOCH, seq, seq + 50);
    part(r, 0, 0, 10);
    end(r, 1, 10, ALL);
    CU_ASSERT_TRUE(got_range(r, 1, 10 + WEFT__HELD_MAX));
    CU_ASSERT_EQUAL_FATAL(r->ask_count, 2);
    CU_ASSERT_TRUE(r->ask.from == 11 + WEFT__HELD_MAX && r->ask.to == ALL);
    for (uint64_t seq = 10 + WEFT__HELD_MAX, index = 0; seq < ALL; seq += 100, index++)
        part(r, (uint32_t)index, seq, seq + 100);
    end(r, WEFT__HELD_MAX / 100, ALL, ALL);
    CU_ASSERT_TRUE(got_range(r, 1, ALL));
    CU_ASSERT_EQUAL(stats_of(r).open_gaps, 0);
    rig_destroy(r);
}

/* ---- going on after a restart ---- */

typedef struct position {
    uint64_t high;
    weft__seq_range holes[8];
    size_t hole_count;
    unsigned shown;
} position;

static void on_changed(void *user, const weft__stream *stream)
{
    position *p = user;
    weft__stream_settled(stream, &p->high, &p->hole_count);
    memcpy(p->holes, stream->holes.items, p->hole_count * sizeof *p->holes);
    p->shown++;
}

static position position_of(rig *r)
{
    position p = {0};
    weft__downlink_each_changed(r->downlink, on_changed, &p);
    weft__downlink_changes_done(r->downlink);
    return p;
}

static weft_status restore(rig *r, const position *p)
{
    return weft__downlink_restore(r->downlink, "a", EPOCH, WEFT_TOPIC_COST, p->high, p->holes, p->hole_count, r->now);
}

static void held_events_are_not_settled_and_nothing_comes_twice_or_never(void)
{
    rig *r = asking_rig();
    part(r, 0, 0, 3);
    end(r, 1, 3, 3);
    batch(r, EPOCH, 5, 6);
    pass(r, HOLD_MS + 100); /* 6 goes out, 4 and 5 are missing */
    batch(r, EPOCH, 8, 9);  /* 9 is held */
    CU_ASSERT_EQUAL(r->count, 4);
    position p = position_of(r);
    CU_ASSERT_EQUAL(p.shown, 1);
    CU_ASSERT_EQUAL(p.high, 6);
    CU_ASSERT_TRUE_FATAL(p.hole_count == 1 && p.holes[0].from == 4 && p.holes[0].to == 5);
    CU_ASSERT_EQUAL(position_of(r).shown, 0);
    rig_destroy(r);

    r = past_rig();
    CU_ASSERT_EQUAL(restore(r, &p), WEFT_OK);
    CU_ASSERT_EQUAL(restore(r, &p), WEFT_INVALID);
    birth(r, EPOCH, true);
    pass(r, 500);
    CU_ASSERT_TRUE_FATAL(r->ask_count == 1 && r->ask.from == 4 && r->ask.to == 5);
    part(r, 0, 0, 6);
    end(r, 1, 5, 9);
    CU_ASSERT_TRUE(GOT(r, 4, 5));
    beat(r, EPOCH, 9);
    pass(r, 1000);
    CU_ASSERT_TRUE(r->ask.from == 7 && r->ask.to == 9);
    rig_destroy(r);
}

static void a_position_that_cannot_be_is_refused(void)
{
    rig *r = past_rig();
    CU_ASSERT_EQUAL(restore(r, &(position){.high = 5, .holes = {{4, 6}}, .hole_count = 1}), WEFT_INVALID);
    rig_destroy(r);
    r = past_rig();
    CU_ASSERT_EQUAL(restore(r, &(position){.high = 9, .holes = {{4, 6}, {6, 7}}, .hole_count = 2}), WEFT_INVALID);
    rig_destroy(r);
}

SUITE(bridge_downlink_past, CASE(all_of_a_present_life_is_asked_for), CASE(a_topic_without_events_is_asked_for_once),
      CASE(a_question_that_nobody_answers_is_asked_again),
      CASE(an_older_version_that_covers_everything_is_not_believed),
      CASE(earlier_lives_are_asked_for_unless_they_ended_before),
      CASE(what_was_accepted_before_is_settled_without_a_word),
      CASE(the_past_comes_before_the_present_however_long_it_takes), CASE(without_an_answer_the_present_does_not_wait),
      CASE(what_cannot_be_held_is_asked_for_later), CASE(held_events_are_not_settled_and_nothing_comes_twice_or_never),
      CASE(a_position_that_cannot_be_is_refused))
