/* Pieces that wait for the link: joined, bounded, in rounds, and all accounted for. */
#include "bridge/deltas.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 14 * 1024, NOW_MS = 1000000 };

typedef struct rig {
    weft__deltas deltas;
    int64_t now;
} rig;

static rig *rig_create(size_t max_bytes, size_t max_entries)
{
    rig *r = calloc(1, sizeof *r);
    weft__deltas_init(&r->deltas, "a", max_bytes, max_entries);
    r->now = NOW_MS;
    return r;
}

static void rig_destroy(rig *r)
{
    weft__deltas_counts c;
    weft__deltas_get_counts(&r->deltas, &c);
    uint64_t lost = 0;
    for (size_t i = 0; i < sizeof c.lost / sizeof *c.lost; i++)
        lost += c.lost[i];
    CU_ASSERT_EQUAL(c.published, c.sent + c.joined + lost + c.waiting);
    weft__deltas_fini(&r->deltas);
    free(r);
}

static weft_event text_of(const char *request, const char *text)
{
    return (weft_event){.type = WEFT_LLM_TEXT_DELTA,
                        .timestamp_ms = 1,
                        .session_id = "s1",
                        .llm_text_delta = {.model = "m", .request_id = request, .text = text}};
}

static bool put_event(rig *r, weft_event event)
{
    bool first = false;
    CU_ASSERT_EQUAL(weft__deltas_put(&r->deltas, &event, r->now, &first), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(event.id.node, "a");
    CU_ASSERT_EQUAL(event.id.seq, 0);
    return first;
}

static bool put(rig *r, const char *request, const char *text)
{
    return put_event(r, text_of(request, text));
}

static void put_thought(rig *r, const char *request, const char *text)
{
    weft_event event = {.type = WEFT_LLM_REASONING_DELTA,
                        .timestamp_ms = 1,
                        .session_id = "s1",
                        .llm_reasoning_delta = {.request_id = request, .text = text}};
    put_event(r, event);
}

/* What a round sends, as "request:text|request:text"; "" if none is due. */
static const char *round_take(rig *r)
{
    static char out[65536];
    uint64_t lost;
    out[0] = '\0';
    if (weft__deltas_due_ms(&r->deltas, r->now) != 0)
        return out;
    for (weft__delta *delta, *next; (delta = weft__deltas_take(&r->deltas, MESSAGE_BYTES, &lost)) != NULL;)
        for (; delta != NULL; delta = next) {
            weft_event event;
            next = delta->next;
            weft__delta_event(delta, 5, 7, &event);
            CU_ASSERT_TRUE(event.id.epoch == 5 && event.id.seq == 7);
            bool text = event.type == WEFT_LLM_TEXT_DELTA;
            size_t at = strlen(out);
            snprintf(out + at, sizeof out - at, "%s%s:%s", at > 0 ? "|" : "",
                     text ? event.llm_text_delta.request_id : event.llm_reasoning_delta.request_id,
                     text ? event.llm_text_delta.text : event.llm_reasoning_delta.text);
            weft__deltas_sent(&r->deltas, 1, delta->pieces);
            weft__delta_free(delta);
        }
    return out;
}

static weft__deltas_counts counts_of(rig *r)
{
    weft__deltas_counts c;
    weft__deltas_get_counts(&r->deltas, &c);
    return c;
}

/* ---- joining ---- */

static void pieces_of_a_call_are_joined_in_order(void)
{
    rig *r = rig_create(0, 0);
    CU_ASSERT_TRUE(put(r, "r1", "Hel"));
    CU_ASSERT_FALSE(put(r, "r2", "Grü"));
    put(r, "r1", "lo ");
    put(r, "r2", "ße");
    put(r, "r1", "🐝");
    CU_ASSERT_STRING_EQUAL(round_take(r), "r1:Hello 🐝|r2:Grüße");
    CU_ASSERT_TRUE(counts_of(r).sent == 2 && counts_of(r).joined == 3 && counts_of(r).waiting == 0);
    CU_ASSERT_TRUE(put(r, "r1", "!"));
    CU_ASSERT_STRING_EQUAL(round_take(r), "r1:!");
    rig_destroy(r);
}

static void the_time_of_a_joined_event_is_its_firsts(void)
{
    rig *r = rig_create(0, 0);
    uint64_t lost;
    weft_event event = text_of("r1", "a"), joined;
    event.timestamp_ms = 10;
    event.accepted_ms = 11;
    put_event(r, event);
    event.timestamp_ms = 20;
    event.accepted_ms = 21;
    put_event(r, event);
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), 0);
    weft__delta *delta = weft__deltas_take(&r->deltas, MESSAGE_BYTES, &lost);
    weft__delta_event(delta, 5, 1, &joined);
    CU_ASSERT_TRUE(joined.timestamp_ms == 10 && joined.accepted_ms == 11);
    CU_ASSERT_STRING_EQUAL(joined.llm_text_delta.text, "aa");
    CU_ASSERT_EQUAL(weft_event_validate(&joined, NULL), WEFT_OK);
    weft__deltas_sent(&r->deltas, 1, delta->pieces);
    weft__delta_free(delta);
    rig_destroy(r);
}

/* A thought between two texts stays between them. */
static void variants_of_a_call_keep_their_order(void)
{
    rig *r = rig_create(0, 0);
    put(r, "r1", "a");
    put_thought(r, "r1", "hm");
    put_thought(r, "r1", "!");
    put(r, "r1", "b");
    put(r, "r1", "c");
    CU_ASSERT_STRING_EQUAL(round_take(r), "r1:a|r1:hm!|r1:bc");
    rig_destroy(r);
}

static void what_differs_in_anything_else_is_not_joined(void)
{
    static const char *const tags[] = {"red"};
    static const weft_attribute attributes[] = {{"k", "v"}};
    rig *r = rig_create(0, 0);
    weft_event same = text_of("r1", "."), others[10];
    for (size_t i = 0; i < 10; i++)
        others[i] = same;
    others[0].session_id = "s2";
    others[1].agent_id = "a1";
    others[2].source = "x";
    others[3].priority = WEFT_PRIORITY_HIGH;
    others[4].ttl_ms = 5;
    others[5].tags = tags;
    others[5].tag_count = 1;
    others[6].attributes = attributes;
    others[6].attribute_count = 1;
    others[7].flags = WEFT_FLAG_REDACTED;
    others[8].llm_text_delta.model = "n";
    others[9].correlation_id = "c";
    for (size_t i = 0; i < 10; i++) {
        put_event(r, same);
        put_event(r, others[i]);
    }
    round_take(r);
    CU_ASSERT_EQUAL(counts_of(r).sent,
                    20 - 2); /* the first two are of other calls, and part nothing */
    rig_destroy(r);
}

static void an_entry_takes_so_much_and_no_more(void)
{
    rig *r = rig_create(0, 0);
    char part[1001];
    memset(part, 'x', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    for (int i = 0; i < 10; i++)
        put(r, "r1", part);
    round_take(r);
    CU_ASSERT_TRUE(counts_of(r).sent == 2 && counts_of(r).joined == 8);
    weft__deltas_fit(&r->deltas, 4096); /* of a broker that takes no more */
    for (int i = 0; i < 10; i++)
        put(r, "r1", part);
    r->now += 2 * WEFT__DELTA_ROUND_MS;
    round_take(r);
    CU_ASSERT_EQUAL(counts_of(r).sent, 2 + 5);
    rig_destroy(r);
}

/* ---- rounds ---- */

static void a_few_go_at_once_and_many_every_50_ms(void)
{
    rig *r = rig_create(0, 0);
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), -1);
    for (unsigned i = 0; i < WEFT__DELTA_ROUND_PIECES; i++) {
        put(r, "r1", "a");
        CU_ASSERT_STRING_EQUAL(round_take(r), "r1:a");
    }
    put(r, "r1", "b");
    CU_ASSERT_STRING_EQUAL(round_take(r), "");
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), WEFT__DELTA_ROUND_MS);
    r->now += WEFT__DELTA_ROUND_MS - 1;
    put(r, "r1", "c");
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), 1);
    r->now++;
    CU_ASSERT_STRING_EQUAL(round_take(r), "r1:bc");
    r->now += 3 * WEFT__DELTA_ROUND_MS;
    put(r, "r1", "d");
    CU_ASSERT_STRING_EQUAL(round_take(r), "r1:d");
    rig_destroy(r);
}

/* What comes while a round is being sent waits for the next one. */
static void a_round_ends(void)
{
    rig *r = rig_create(0, 0);
    uint64_t lost;
    char request[24];
    for (int i = 0; i < 100; i++) {
        snprintf(request, sizeof request, "r%d", i);
        put(r, request, "x");
    }
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), 0);
    size_t taken = 0;
    for (weft__delta *delta, *next; (delta = weft__deltas_take(&r->deltas, 2048, &lost)) != NULL;) {
        put(r, "more", "y");
        for (; delta != NULL; delta = next, taken++) {
            next = delta->next;
            weft__deltas_sent(&r->deltas, 1, delta->pieces);
            weft__delta_free(delta);
        }
    }
    CU_ASSERT_EQUAL(taken, 100);
    CU_ASSERT_TRUE(weft__deltas_due_ms(&r->deltas, r->now) > 0);
    rig_destroy(r);
}

/* ---- the bound ---- */

static void at_the_bound_the_oldest_goes_whole_and_is_told(void)
{
    rig *r = rig_create(0, 2);
    put(r, "r1", "a");
    put(r, "r1", "b");
    put(r, "r1", "c");
    put(r, "r2", "d");
    put(r, "r3", "e");
    CU_ASSERT_EQUAL(counts_of(r).lost[WEFT_LOST_OVERFLOW], 3);
    uint64_t lost;
    CU_ASSERT_EQUAL(weft__deltas_due_ms(&r->deltas, r->now), 0);
    weft__delta *delta = weft__deltas_take(&r->deltas, 1, &lost);
    CU_ASSERT_EQUAL(lost, 3);
    CU_ASSERT_STRING_EQUAL(delta->first->llm_text_delta.request_id, "r2");
    CU_ASSERT_PTR_NULL(delta->next);
    weft__deltas_lose(&r->deltas, 1, 1, WEFT_LOST_TOO_LARGE);
    weft__delta_free(delta);
    delta = weft__deltas_take(&r->deltas, 1, &lost);
    CU_ASSERT_EQUAL(lost, 0);
    weft__deltas_sent(&r->deltas, 1, 1);
    weft__delta_free(delta);
    rig_destroy(r);
}

static void memory_stays_bounded_while_nobody_takes(void)
{
    enum { BOUND = 64 * 1024, CALLS = 7, PIECES = 200000 };
    rig *r = rig_create(BOUND, 0);
    char request[24];
    for (int i = 0; i < PIECES; i++) {
        snprintf(request, sizeof request, "r%d", i % CALLS);
        put(r, request, "four");
        if (r->deltas.bytes > BOUND + 2 * WEFT__DELTA_JOINED_BYTES)
            CU_FAIL_FATAL("more than the bound");
    }
    weft__deltas_counts c = counts_of(r);
    CU_ASSERT_EQUAL(c.published, PIECES);
    CU_ASSERT_EQUAL(c.waiting + c.lost[WEFT_LOST_OVERFLOW], PIECES);
    CU_ASSERT_TRUE(c.waiting > BOUND / 2 / 4 / 2);
    weft__deltas_give_up(&r->deltas);
    CU_ASSERT_EQUAL(counts_of(r).waiting, 0);
    CU_ASSERT_EQUAL(weft__deltas_settled(&r->deltas), PIECES);
    rig_destroy(r);
}

static void refuses_what_is_too_large_and_all_once_closed(void)
{
    rig *r = rig_create(0, 0);
    char *huge = malloc(WEFT_EVENT_MAX_BYTES + 1);
    memset(huge, 'x', WEFT_EVENT_MAX_BYTES);
    huge[WEFT_EVENT_MAX_BYTES] = '\0';
    weft_event event = text_of("r1", huge);
    bool first = true;
    CU_ASSERT_EQUAL(weft__deltas_put(&r->deltas, &event, r->now, &first), WEFT_TOO_LARGE);
    weft__deltas_close(&r->deltas, WEFT_FENCED);
    weft__deltas_close(&r->deltas, WEFT_STOPPED);
    event = text_of("r1", "x");
    CU_ASSERT_EQUAL(weft__deltas_put(&r->deltas, &event, r->now, &first), WEFT_FENCED);
    CU_ASSERT_FALSE(first);
    CU_ASSERT_TRUE(counts_of(r).refused == 1 && counts_of(r).published == 0);
    free(huge);
    rig_destroy(r);
}

static void knows_where_the_stream_of_an_epoch_is(void)
{
    rig *r = rig_create(0, 0);
    weft__position p;
    CU_ASSERT_FALSE(weft__deltas_position(&r->deltas, 5, &p));
    weft__deltas_numbered(&r->deltas, 5, 17, 3);
    weft__deltas_numbered(&r->deltas, 5, 20, 2);
    CU_ASSERT_TRUE(weft__deltas_position(&r->deltas, 5, &p));
    CU_ASSERT_TRUE(p.last_seq == 20 && p.events == 5 && p.topic == WEFT_TOPIC_DELTA);
    weft__deltas_numbered(&r->deltas, 6, 1, 1);
    CU_ASSERT_FALSE(weft__deltas_position(&r->deltas, 5, &p));
    CU_ASSERT_TRUE(weft__deltas_position(&r->deltas, 6, &p));
    CU_ASSERT_EQUAL(p.events, 1);
    rig_destroy(r);
}

SUITE(bridge_deltas, CASE(pieces_of_a_call_are_joined_in_order), CASE(the_time_of_a_joined_event_is_its_firsts),
      CASE(variants_of_a_call_keep_their_order), CASE(what_differs_in_anything_else_is_not_joined),
      CASE(an_entry_takes_so_much_and_no_more), CASE(a_few_go_at_once_and_many_every_50_ms), CASE(a_round_ends),
      CASE(at_the_bound_the_oldest_goes_whole_and_is_told), CASE(memory_stays_bounded_while_nobody_takes),
      CASE(refuses_what_is_too_large_and_all_once_closed), CASE(knows_where_the_stream_of_an_epoch_is))
