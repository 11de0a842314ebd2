/* tests/bridge/downlink_rig.h: a downlink, messages of a node "a" for it, and what it makes of them. */
#ifndef WEFT_TESTS_DOWNLINK_RIG_H
#define WEFT_TESTS_DOWNLINK_RIG_H

#include "bridge/downlink.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 2000, ASK_MS = 3000, GIVE_UP_MS = 60000, STREAMS = 32, RECORDS = 32768, FIRST_REQUEST = 1000 };

typedef struct asked {
    char node[65];
    uint64_t request, epoch, from, to;
    weft_topic topic;
    int64_t since_ms;
} asked;

typedef struct rig {
    weft__downlink *downlink;
    int64_t now;
    uint64_t seq[RECORDS];
    bool replayed[RECORDS];
    size_t count;
    weft_lost lost[16];
    size_t lost_count;
    asked ask; /* the last */
    size_t ask_count;
    unsigned ups, downs, drops, birthless;
    int64_t unaccounted; /* the last */
    unsigned complaints;
} rig;

static inline void on_deliver(void *user, const weft_event *event)
{
    rig *r = user;
    r->replayed[r->count] = (event->flags & WEFT_FLAG_REPLAYED) != 0;
    r->seq[r->count++] = event->id.seq;
}

static inline void on_lost(void *user, const weft_lost *lost)
{
    rig *r = user;
    r->lost[r->lost_count++] = *lost;
}

static inline void on_ask(void *user, const weft__question *question)
{
    rig *r = user;
    r->ask = (asked){.request = question->request,
                     .epoch = question->epoch,
                     .from = question->from_seq,
                     .to = question->to_seq,
                     .topic = question->topic,
                     .since_ms = question->since_ms};
    snprintf(r->ask.node, sizeof r->ask.node, "%s", question->node);
    r->ask_count++;
}

static inline void on_peer(void *user, const char *node, uint64_t epoch, bool up, const char *why)
{
    rig *r = user;
    (void)node;
    (void)epoch;
    (void)why;
    *(up ? &r->ups : &r->downs) += 1;
}

static inline void on_birthless(void *user)
{
    rig *r = user;
    r->birthless++;
}

static inline void on_dropped(void *user, const char *node, const char *reason)
{
    rig *r = user;
    (void)node;
    CU_ASSERT_PTR_NOT_NULL(reason);
    r->drops++;
}

static inline void on_unaccounted(void *user, const char *node, uint64_t epoch, weft_topic topic, int64_t events)
{
    rig *r = user;
    (void)node;
    (void)epoch;
    (void)topic;
    r->unaccounted = events;
    r->complaints++;
}

static inline rig *rig_create_from(uint32_t interest, int64_t since_ms)
{
    rig *r = calloc(1, sizeof *r);
    weft__downlink_opts opts = {.node = "me",
                                .hold_ms = HOLD_MS,
                                .ask_timeout_ms = ASK_MS,
                                .give_up_ms = GIVE_UP_MS,
                                .streams_max = STREAMS,
                                .first_request = FIRST_REQUEST,
                                .since_ms = since_ms};
    weft__downlink_ops ops = {.deliver = on_deliver,
                              .lost = on_lost,
                              .ask = on_ask,
                              .peer = on_peer,
                              .birthless = on_birthless,
                              .dropped = on_dropped,
                              .unaccounted = on_unaccounted,
                              .user = r};
    r->now = 1000000;
    CU_ASSERT_EQUAL_FATAL(weft__downlink_create(&opts, &ops, &r->downlink), WEFT_OK);
    weft__downlink_interest(r->downlink, interest, r->now);
    return r;
}

static inline rig *rig_create(uint32_t interest)
{
    return rig_create_from(interest, 0);
}

static inline void rig_destroy(rig *r)
{
    weft__downlink_destroy(r->downlink);
    free(r);
}

static inline weft__downlink_stats stats_of(rig *r)
{
    weft__downlink_stats stats;
    weft__downlink_tick(r->downlink, r->now);
    weft__downlink_get_stats(r->downlink, &stats);
    return stats;
}

static inline void pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        r->now += 50;
        weft__downlink_tick(r->downlink, r->now);
    }
}

/* Until the next question. */
static inline void pass_until_asked(rig *r)
{
    size_t before = r->ask_count;
    for (int64_t end = r->now + GIVE_UP_MS; r->ask_count == before && r->now < end;)
        pass(r, 50);
    CU_ASSERT_TRUE_FATAL(r->ask_count > before);
}

/* Of the events made from now on. */
static int64_t accepted_ms = 1;

static inline uint8_t *batch_bytes(const char *node, uint64_t epoch, uint64_t prev, uint64_t last, size_t *length)
{
    static const weft_event *events[RECORDS];
    size_t count = 0;
    for (uint64_t seq = prev + 1; seq <= last; seq++) {
        weft_event event = {.type = WEFT_TOKEN_USAGE,
                            .timestamp_ms = 1,
                            .accepted_ms = accepted_ms,
                            .id = {.node = node, .epoch = epoch, .seq = seq},
                            .token_usage = {.model = "m", .input_tokens = seq}};
        events[count++] = weft_event_keep(&event);
    }
    weft_batch batch = {.node = node, .epoch = epoch, .prev_seq = prev, .events = events, .event_count = count};
    uint8_t *bytes;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, length), WEFT_OK);
    for (size_t i = 0; i < count; i++)
        weft_event_release(events[i]);
    return bytes;
}

/* Events (prev, last] of a's cost stream. */
static inline void batch(rig *r, uint64_t epoch, uint64_t prev, uint64_t last)
{
    size_t length;
    uint8_t *bytes = batch_bytes("a", epoch, prev, last, &length);
    weft__downlink_batch(r->downlink, "a", WEFT_TOPIC_COST, bytes, length, r->now);
    free(bytes);
}

static inline void live(rig *r, uint64_t epoch, weft__live_status status, bool known_before, uint64_t previous_epoch,
                        uint64_t previous_seq)
{
    weft__position previous = {previous_epoch, WEFT_TOPIC_COST, previous_seq, 0};
    weft__live m = {.node = "a",
                    .epoch = epoch,
                    .status = status,
                    .previous = &previous,
                    .previous_count = previous_seq > 0,
                    .timestamp_ms = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_live(r->downlink, "a", bytes, length, known_before, r->now);
    free(bytes);
}

static inline void birth(rig *r, uint64_t epoch, bool known_before)
{
    live(r, epoch, WEFT__LIVE_BIRTH, known_before, 0, 0);
}

static inline void beat_counted(rig *r, uint64_t epoch, uint64_t last, uint64_t events)
{
    weft__position position = {epoch, WEFT_TOPIC_COST, last, events};
    weft__beat m = {.node = "a", .epoch = epoch, .streams = &position, .stream_count = last > 0};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_beat(r->downlink, "a", bytes, length, r->now);
    free(bytes);
}

static inline void beat(rig *r, uint64_t epoch, uint64_t last)
{
    beat_counted(r, epoch, last, 0);
}

/* A part of an answer, with events (prev, last] if there are any. */
static inline void answer_send(rig *r, weft__reply m, uint64_t request, uint64_t prev, uint64_t last)
{
    char id[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)request);
    size_t length;
    uint8_t *events = last > prev ? batch_bytes("a", r->ask.epoch, prev, last, &m.batch_bytes) : NULL, *bytes;
    m.node = "a";
    m.request_id = id;
    m.batch = events;
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&m, &bytes, &length), WEFT_OK);
    weft__downlink_reply(r->downlink, "a", bytes, length, r->now);
    free(bytes);
    free(events);
}

static inline void answer_to(rig *r, uint64_t request, uint32_t index, uint64_t prev, uint64_t last, bool end,
                             uint64_t covered, const weft_lost *lost, const char *error)
{
    weft__reply m = {.index = index,
                     .last = end,
                     .covered_to_seq = covered,
                     .lost = lost,
                     .lost_count = lost != NULL,
                     .error = error};
    answer_send(r, m, request, prev, last);
}

static inline void answer(rig *r, uint32_t index, uint64_t prev, uint64_t last, bool end, uint64_t covered)
{
    answer_to(r, r->ask.request, index, prev, last, end, covered, NULL, NULL);
}

static inline bool got(const rig *r, size_t count, const uint64_t *seqs)
{
    return r->count == count && memcmp(r->seq, seqs, count * sizeof *seqs) == 0;
}
/* Whether it has got all of from..to, in order. */
static inline bool got_range(const rig *r, uint64_t from, uint64_t to)
{
    bool same = r->count == to - from + 1;
    for (size_t i = 0; same && i < r->count; i++)
        same = r->seq[i] == from + i;
    return same;
}

#define GOT(r, ...) got(r, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (const uint64_t[]){__VA_ARGS__})

#endif
