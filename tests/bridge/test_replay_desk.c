/* Who is answered when: fairly, at a bounded rate, and not twice. */
#include "bridge/replay_desk.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EPOCH = 9, PARTS = 4096, ROWS = 400, ROW_BYTES = 12000 };

typedef struct part {
    char to;
    char request[8];
    bool last;
    uint64_t covered;
} part;

typedef struct rig {
    weft__journal *journal;
    weft__replay_desk *desk;
    int64_t now;
    part parts[PARTS];
    size_t count;
    uint64_t events;
    uint64_t bytes;
} rig;

static void on_send(void *user, const weft__replay_request *request, uint8_t *bytes, size_t length, uint64_t events)
{
    rig *r = user;
    weft__reply *reply;
    CU_ASSERT_EQUAL_FATAL(weft__reply_decode(bytes, length, &reply, NULL), WEFT_OK);
    CU_ASSERT_TRUE_FATAL(r->count < PARTS);
    part *p = &r->parts[r->count++];
    *p = (part){.to = request->to[0], .last = reply->last, .covered = reply->covered_to_seq};
    memcpy(p->request, request->request_id, strlen(request->request_id) + 1);
    r->events += events;
    r->bytes += length;
    free(reply);
    free(bytes);
}

static void append(weft__journal *j, weft_topic topic, uint64_t seq, size_t length)
{
    char *json = malloc(length + 1);
    memset(json, 'x', length);
    json[0] = json[length - 1] = '"';
    json[length] = '\0';
    weft_event event = {.type = WEFT_CUSTOM,
                        .accepted_ms = 1,
                        .id = {"a", EPOCH, seq},
                        .custom = {.event_type = "e", .data_json = json}};
    const weft_event *kept = weft_event_keep(&event);
    weft_batch batch = {.node = "a", .epoch = EPOCH, .prev_seq = seq - 1, .events = &kept, .event_count = 1};
    weft__journal_row row = {.epoch = EPOCH,
                             .topic = topic,
                             .prev_seq = seq - 1,
                             .first_seq = seq,
                             .last_seq = seq,
                             .event_count = 1,
                             .accepted_ms = 1};
    uint8_t *bytes;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &row.length), WEFT_OK);
    row.bytes = bytes;
    CU_ASSERT_EQUAL_FATAL(weft__journal_append(j, &row, 1, NULL, 0), WEFT_OK);
    weft_event_release(kept);
    free(bytes);
    free(json);
}

/* With a long stream (custom) and a short one (tool). */
static rig *rig_create(void)
{
    rig *r = calloc(1, sizeof *r);
    weft__journal_opts opts = {0};
    bool damaged;
    CU_ASSERT_EQUAL_FATAL(weft__journal_open(&opts, &r->journal, &damaged, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__journal_begin_epoch(r->journal, EPOCH), WEFT_OK);
    for (uint64_t seq = 1; seq <= ROWS; seq++)
        append(r->journal, WEFT_TOPIC_CUSTOM, seq, ROW_BYTES);
    append(r->journal, WEFT_TOPIC_TOOL, 1, 10);
    CU_ASSERT_EQUAL_FATAL(weft__replay_desk_create("a", &r->desk), WEFT_OK);
    r->now = 1000;
    return r;
}

static void rig_destroy(rig *r)
{
    weft__replay_desk_destroy(r->desk);
    weft__journal_close(r->journal);
    free(r);
}

static weft_status put(rig *r, const char *to, const char *request_id, uint32_t taker, weft_topic topic, uint64_t last)
{
    weft__replay_request request = {.taker = taker, .epoch = EPOCH, .topic = topic, .from_seq = 1, .to_seq = last};
    strcpy(request.to, to);
    strcpy(request.request_id, request_id);
    return weft__replay_desk_put(r->desk, &request);
}

static int64_t turn(rig *r)
{
    int64_t wait_ms = 0;
    CU_ASSERT_EQUAL(weft__replay_desk_turn(r->desk, r->journal, r->now, 1 << 20, on_send, r, &wait_ms), WEFT_OK);
    return wait_ms;
}

/* Turns, with time passing as they want, until nobody waits. */
static void turn_all(rig *r)
{
    for (int64_t wait_ms = 0; wait_ms != INT64_MAX; r->now += wait_ms == INT64_MAX ? 0 : wait_ms)
        wait_ms = turn(r);
}

static void nobody_waits_for_who_wants_more(void)
{
    rig *r = rig_create();
    CU_ASSERT_EQUAL(put(r, "many", "1", 0, WEFT_TOPIC_CUSTOM, ROWS), WEFT_OK);
    CU_ASSERT_EQUAL(turn(r), 0);
    CU_ASSERT_EQUAL(put(r, "few", "2", 0, WEFT_TOPIC_TOOL, 1), WEFT_OK);
    for (int i = 0; i < 4; i++)
        (void)turn(r);
    size_t of_few = 0;
    for (size_t i = 0; i < r->count; i++)
        of_few += r->parts[i].to == 'f';
    CU_ASSERT_EQUAL(of_few, 2); /* the event, and the end */
    CU_ASSERT_EQUAL(weft__replay_desk_waiting(r->desk), 1);
    rig_destroy(r);
}

static void askers_take_turns_and_so_do_ones_own_streams(void)
{
    rig *r = rig_create();
    CU_ASSERT_EQUAL(put(r, "x", "1", 0, WEFT_TOPIC_CUSTOM, ROWS), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, "x", "2", 1, WEFT_TOPIC_CUSTOM, ROWS), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, "y", "3", 0, WEFT_TOPIC_CUSTOM, ROWS), WEFT_OK);
    for (int i = 0; i < 12; i++)
        (void)turn(r);
    unsigned of[4] = {0};
    for (size_t i = 0; i < r->count; i++)
        of[r->parts[i].request[0] - '0']++;
    CU_ASSERT_TRUE(of[1] == 3 && of[2] == 3 && of[3] == 6);
    rig_destroy(r);
}

static void a_later_question_takes_the_place_of_the_one_given_up(void)
{
    rig *r = rig_create();
    CU_ASSERT_EQUAL(put(r, "x", "1", 0, WEFT_TOPIC_CUSTOM, 3), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, "x", "2", 0, WEFT_TOPIC_CUSTOM, 3), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, "x", "3", 1, WEFT_TOPIC_CUSTOM, 3), WEFT_OK);
    CU_ASSERT_EQUAL(put(r, "y", "4", 0, WEFT_TOPIC_CUSTOM, 3), WEFT_OK);
    CU_ASSERT_EQUAL(weft__replay_desk_waiting(r->desk), 3);
    turn_all(r);
    CU_ASSERT_EQUAL(r->events, 9);
    for (size_t i = 0; i < r->count; i++)
        CU_ASSERT_STRING_NOT_EQUAL(r->parts[i].request, "1");
    rig_destroy(r);
}

static void the_rate_is_bounded_and_high_enough(void)
{
    rig *r = rig_create();
    int64_t began = r->now;
    for (int i = 0; i < 40; i++) {
        CU_ASSERT_EQUAL(put(r, "x", "1", 0, WEFT_TOPIC_CUSTOM, ROWS), WEFT_OK);
        turn_all(r);
    }
    int64_t ms = r->now - began;
    double bytes_a_second = (double)r->bytes * 1000 / (double)(ms + 1);
    CU_ASSERT_TRUE(ms > 100);
    CU_ASSERT_TRUE(bytes_a_second > 50000 * 200);
    CU_ASSERT_TRUE(bytes_a_second < 2.0 * WEFT__REPLAY_BYTES_A_SECOND);
    for (int i = 0; i < 2000 && r->count < PARTS - 2; i++) { /* small ones */
        CU_ASSERT_EQUAL(put(r, "x", "1", 0, WEFT_TOPIC_TOOL, 1), WEFT_OK);
        turn_all(r);
    }
    CU_ASSERT_TRUE(r->now - began - ms > 100);
    rig_destroy(r);
}

static void questions_beyond_the_bound_are_turned_away(void)
{
    rig *r = rig_create();
    char id[8], node[16];
    weft_status st = WEFT_OK;
    size_t put_count = 0;
    for (uint32_t i = 0; i < 2 * WEFT__REPLAY_QUESTIONS_MAX; i++) {
        snprintf(id, sizeof id, "%u", i);
        snprintf(node, sizeof node, "n%u", i % 64);
        st = put(r, node, id, i, WEFT_TOPIC_TOOL, 1);
        put_count += st == WEFT_OK;
    }
    CU_ASSERT_EQUAL(st, WEFT_FULL);
    CU_ASSERT_EQUAL(put_count, WEFT__REPLAY_QUESTIONS_MAX);
    CU_ASSERT_EQUAL(weft__replay_desk_waiting(r->desk), WEFT__REPLAY_QUESTIONS_MAX);
    rig_destroy(r);
}

SUITE(bridge_replay_desk, CASE(nobody_waits_for_who_wants_more), CASE(askers_take_turns_and_so_do_ones_own_streams),
      CASE(a_later_question_takes_the_place_of_the_one_given_up), CASE(the_rate_is_bounded_and_high_enough),
      CASE(questions_beyond_the_bound_are_turned_away))
