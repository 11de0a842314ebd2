/* What other nodes have begun, and what becomes of it when they die. */
#include "bridge/open_work.h"
#include "support/fake_clock.h"
#include "support/suite.h"
#include "weft/peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 10000, MADE_MAX = 64, E1 = 1, E2 = 2 };

typedef struct rig {
    weft__open_work *work;
    fake_clock clock;
    int64_t now;
    uint64_t epoch;  /* the present life of every node; 0: unknown */
    const char *why; /* it is over; NULL: it goes on */
    bool lacks;      /* something older may still come */
    const weft_event *made[MADE_MAX];
    size_t made_count;
} rig;

static void on_deliver(void *user, const weft_event *event)
{
    rig *r = user;
    CU_ASSERT_TRUE_FATAL(r->made_count < MADE_MAX);
    r->made[r->made_count++] = weft_event_keep(event);
}

static weft__life on_life(void *user, const char *node, uint64_t epoch, const char **ret_why)
{
    const rig *r = user;
    (void)node;
    if (r->epoch == 0)
        return WEFT__LIFE_UNKNOWN;
    *ret_why = epoch < r->epoch ? "replaced" : r->why;
    return *ret_why != NULL ? WEFT__LIFE_OVER : WEFT__LIFE_ON;
}

static bool on_lacks(void *user, const weft_event *event)
{
    const rig *r = user;
    (void)event;
    return r->lacks;
}

static rig *rig_create_with(size_t max, size_t node_max, size_t bytes_max)
{
    rig *r = calloc(1, sizeof *r);
    fake_clock_init(&r->clock, 1700000000000);
    weft__open_work_opts opts = {
        .clock = &r->clock.clock, .grace_ms = GRACE_MS, .max = max, .node_max = node_max, .bytes_max = bytes_max};
    weft__open_work_ops ops = {.deliver = on_deliver, .life = on_life, .lacks = on_lacks, .user = r};
    r->now = 1000;
    r->epoch = E1;
    CU_ASSERT_EQUAL_FATAL(weft__open_work_create(&opts, &ops, &r->work), WEFT_OK);
    return r;
}

static rig *rig_create(void)
{
    return rig_create_with(0, 0, 0);
}

static void rig_destroy(rig *r)
{
    for (size_t i = 0; i < r->made_count; i++)
        weft_event_release(r->made[i]);
    weft__open_work_destroy(r->work);
    free(r);
}

static void see_of(rig *r, const char *node, uint64_t epoch, uint64_t seq, weft_event event)
{
    event.id = (weft_event_id){.node = node, .epoch = epoch, .seq = seq};
    const weft_event *kept = weft_event_keep(&event);
    weft__open_work_take(r->work, kept, r->now);
    weft_event_release(kept);
}

#define SEE(r, epoch, seq, ...) see_of(r, "a", epoch, seq, (weft_event){__VA_ARGS__})

static void call_begins(rig *r, uint64_t seq, const char *id)
{
    SEE(r, E1, seq, .type = WEFT_TOOL_CALL_START, .session_id = "s1", .tool_call_start = {"Bash", id});
}

static void call_ends(rig *r, uint64_t seq, const char *id)
{
    SEE(r, E1, seq, .type = WEFT_TOOL_CALL_END, .tool_call_end = {.tool_name = "Bash", .call_id = id, .success = true});
}

static void dies(rig *r, const char *why)
{
    r->why = why;
    weft__open_work_over(r->work, "a", E1, why, r->now);
}

static void lives(rig *r, uint64_t epoch)
{
    r->why = NULL;
    r->epoch = epoch;
    weft__open_work_alive(r->work, "a", epoch, r->now);
}

static void pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        int64_t step = end - r->now < 50 ? end - r->now : 50;
        r->now += step;
        fake_clock_advance(&r->clock, step);
        weft__open_work_tick(r->work, r->now);
    }
}

static const char *attribute(const weft_event *event, const char *key)
{
    for (size_t i = 0; i < event->attribute_count; i++)
        if (strcmp(event->attributes[i].key, key) == 0)
            return event->attributes[i].value;
    return "";
}

static weft__open_work_stats stats_of(const rig *r)
{
    weft__open_work_stats stats;
    weft__open_work_get_stats(r->work, &stats);
    return stats;
}

static void a_dead_nodes_call_ends_after_the_grace(void)
{
    rig *r = rig_create();
    static const weft_attribute attributes[] = {{"project", "loom"}};
    static const char *const tags[] = {"t1"};
    SEE(r, E1, 7, .type = WEFT_TOOL_CALL_START, .flags = WEFT_FLAG_REPLAYED | WEFT_FLAG_REDACTED, .timestamp_ms = 5,
        .ttl_ms = 1000, .session_id = "s1", .agent_id = "a1", .source = "hook", .tags = tags, .tag_count = 1,
        .attributes = attributes, .attribute_count = 1, .tool_call_start = {"Bash", "c1"});
    dies(r, "lost");
    pass(r, GRACE_MS - 1);
    CU_ASSERT_EQUAL(r->made_count, 0);
    pass(r, 1);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    const weft_event *end = r->made[0];
    CU_ASSERT_EQUAL(end->type, WEFT_TOOL_CALL_END);
    CU_ASSERT_STRING_EQUAL(end->tool_call_end.tool_name, "Bash");
    CU_ASSERT_STRING_EQUAL(end->tool_call_end.call_id, "c1");
    CU_ASSERT_FALSE(end->tool_call_end.success);
    CU_ASSERT_EQUAL(end->tool_call_end.duration_ms, 0);
    CU_ASSERT_EQUAL(end->flags, WEFT_FLAG_SYNTHETIC | WEFT_FLAG_REDACTED);
    CU_ASSERT_STRING_EQUAL(attribute(end, WEFT_ATTRIBUTE_CLOSED), "lost");
    CU_ASSERT_STRING_EQUAL(attribute(end, "project"), "loom");
    CU_ASSERT_STRING_EQUAL(end->id.node, "a");
    CU_ASSERT_EQUAL(end->id.epoch, E1);
    CU_ASSERT_EQUAL(end->id.seq, 0);
    CU_ASSERT_STRING_EQUAL(end->session_id, "s1");
    CU_ASSERT_STRING_EQUAL(end->agent_id, "a1");
    CU_ASSERT_STRING_EQUAL(end->tags[0], "t1");
    CU_ASSERT_EQUAL(end->timestamp_ms, weft_clock_wall_ms(&r->clock.clock));
    CU_ASSERT_EQUAL(end->accepted_ms, end->timestamp_ms);
    CU_ASSERT_EQUAL(end->ttl_ms, 0);
    CU_ASSERT_EQUAL(weft_event_validate(end, NULL), WEFT_OK);
    pass(r, 10 * GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 1);
    rig_destroy(r);
}

static void each_kind_is_ended_the_youngest_first(void)
{
    static const weft_event_type ends[] = {WEFT_TOOL_CALL_END, WEFT_LLM_RESPONSE_END, WEFT_AGENT_END, WEFT_SESSION_END};
    rig *r = rig_create();
    SEE(r, E1, 1, .type = WEFT_SESSION_START, .session_id = "s1");
    SEE(r, E1, 2, .type = WEFT_AGENT_START, .session_id = "s1", .agent_id = "a1", .agent_start = {"weave"});
    SEE(r, E1, 3, .type = WEFT_LLM_REQUEST_START, .session_id = "s1", .llm_request_start = {"m", "r1"});
    call_begins(r, 4, "c1");
    dies(r, "goodbye");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(r->made[i]->type, ends[i]);
        CU_ASSERT_EQUAL(weft_event_validate(r->made[i], NULL), WEFT_OK);
        CU_ASSERT_STRING_EQUAL(attribute(r->made[i], WEFT_ATTRIBUTE_CLOSED), "goodbye");
    }
    CU_ASSERT_STRING_EQUAL(r->made[1]->llm_response_end.model, "m");
    CU_ASSERT_STRING_EQUAL(r->made[1]->llm_response_end.request_id, "r1");
    CU_ASSERT_STRING_EQUAL(r->made[2]->agent_id, "a1");
    rig_destroy(r);
}

static void what_has_ended_is_left_alone(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    call_ends(r, 2, "c1");
    call_begins(r, 3, "c2");
    dies(r, "lost");
    call_ends(r, 4, "c2"); /* was under way */
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 0);
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void what_has_no_id_is_not_followed(void)
{
    rig *r = rig_create();
    call_begins(r, 1, NULL);
    call_begins(r, 2, "");
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void a_node_that_nobody_watches_is_not_followed(void)
{
    rig *r = rig_create();
    r->epoch = 0;
    call_begins(r, 1, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void nothing_is_made_up_when_it_returns_in_time(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    dies(r, "lost");
    pass(r, GRACE_MS - 50);
    lives(r, E1);
    pass(r, 2 * GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 0);
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    dies(r, "lost"); /* and counts anew */
    pass(r, GRACE_MS - 50);
    CU_ASSERT_EQUAL(r->made_count, 0);
    pass(r, 50);
    CU_ASSERT_EQUAL(r->made_count, 1);
    rig_destroy(r);
}

static void the_end_is_withdrawn_when_the_same_life_returns(void)
{
    rig *r = rig_create();
    SEE(r, E1, 1, .type = WEFT_AGENT_START, .timestamp_ms = 77, .agent_id = "a1", .agent_start = {"weave"});
    call_begins(r, 2, "c1");
    dies(r, "silent");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 2);
    lives(r, E1);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 4);
    const weft_event *again = r->made[2];
    CU_ASSERT_EQUAL(again->type, WEFT_AGENT_START);
    CU_ASSERT_STRING_EQUAL(again->agent_start.task, "weave");
    CU_ASSERT_EQUAL(again->timestamp_ms, 77);
    CU_ASSERT_EQUAL(again->flags, WEFT_FLAG_SYNTHETIC);
    CU_ASSERT_EQUAL(again->id.seq, 0);
    CU_ASSERT_STRING_EQUAL(attribute(again, WEFT_ATTRIBUTE_STILL_OPEN), "silent");
    CU_ASSERT_EQUAL(r->made[3]->type, WEFT_TOOL_CALL_START);
    CU_ASSERT_EQUAL(stats_of(r).open, 2);
    CU_ASSERT_EQUAL(stats_of(r).closed, 2);
    CU_ASSERT_EQUAL(stats_of(r).reopened, 2);
    call_ends(r, 3, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    lives(r, E1);
    CU_ASSERT_EQUAL(r->made_count, 4);
    rig_destroy(r);
}

static void what_really_ended_meanwhile_is_not_begun_again(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    dies(r, "lost");
    pass(r, GRACE_MS);
    call_ends(r, 2, "c1"); /* was on its way at the broker */
    lives(r, E1);
    CU_ASSERT_EQUAL(r->made_count, 1);
    rig_destroy(r);
}

static void a_new_life_withdraws_nothing(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    dies(r, "lost");
    pass(r, GRACE_MS);
    lives(r, E2);
    pass(r, 2 * GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 1);
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void a_new_life_ends_the_old_one_after_the_grace(void)
{
    rig *r = rig_create();
    SEE(r, E1, 1, .type = WEFT_SESSION_START, .session_id = "s1");
    SEE(r, E1, 2, .type = WEFT_SESSION_START, .session_id = "s2");
    SEE(r, E1, 3, .type = WEFT_SESSION_START, .session_id = "s3");
    lives(r, E2);
    SEE(r, E2, 1, .type = WEFT_TOKEN_USAGE, .session_id = "s1"); /* goes on */
    SEE(r, E2, 2, .type = WEFT_SESSION_END, .session_id = "s2");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    CU_ASSERT_STRING_EQUAL(r->made[0]->session_id, "s3");
    CU_ASSERT_STRING_EQUAL(attribute(r->made[0], WEFT_ATTRIBUTE_CLOSED), "replaced");
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    SEE(r, E2, 3, .type = WEFT_SESSION_END, .session_id = "s1");
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void the_backlog_of_an_old_life_is_closed_too(void)
{
    rig *r = rig_create();
    lives(r, E2);
    call_begins(r, 9, "c1");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    CU_ASSERT_STRING_EQUAL(attribute(r->made[0], WEFT_ATTRIBUTE_CLOSED), "replaced");
    rig_destroy(r);
}

static void what_is_heard_of_a_dead_node_is_closed_too(void)
{
    rig *r = rig_create();
    dies(r, "lost");
    pass(r, 60000);
    call_begins(r, 1, "c1");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    CU_ASSERT_STRING_EQUAL(attribute(r->made[0], WEFT_ATTRIBUTE_CLOSED), "lost");
    rig_destroy(r);
}

static void a_beginning_healed_after_its_end_opens_nothing(void)
{
    rig *r = rig_create();
    r->lacks = true;
    call_ends(r, 8, "c1");
    r->lacks = false;
    call_begins(r, 5, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    call_begins(r, 9, "c1"); /* the name is used again */
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    call_ends(r, 7, "c1"); /* of the use before */
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    rig_destroy(r);
}

/* Else each end whose beginning we were too late for would take memory. */
static void an_end_is_remembered_only_while_its_beginning_may_come(void)
{
    rig *r = rig_create();
    call_ends(r, 8, "c1");
    call_begins(r, 5, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    rig_destroy(r);
}

static void a_name_used_again_stands_for_the_newest(void)
{
    rig *r = rig_create();
    call_begins(r, 5, "c1");
    call_begins(r, 9, "c1");
    call_begins(r, 7, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    call_ends(r, 10, "c1");
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    rig_destroy(r);
}

static void nodes_do_not_share_names(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    see_of(r, "b", E1, 1, (weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {"Bash", "c1"}});
    see_of(r, "b", E1, 2,
           (weft_event){.type = WEFT_TOOL_CALL_END, .tool_call_end = {.tool_name = "Bash", .call_id = "c1"}});
    CU_ASSERT_EQUAL(stats_of(r).open, 1);
    weft__open_work_over(r->work, "b", E1, "lost", r->now);
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 0);
    rig_destroy(r);
}

static void nothing_is_closed_while_we_are_cut_off(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    dies(r, "lost");
    pass(r, GRACE_MS - 50);
    weft__open_work_pause(r->work);
    pass(r, 10 * GRACE_MS);
    CU_ASSERT_EQUAL(r->made_count, 0);
    weft__open_work_resume(r->work, r->now);
    pass(r, GRACE_MS - 50);
    CU_ASSERT_EQUAL(r->made_count, 0);
    pass(r, 50);
    CU_ASSERT_EQUAL(r->made_count, 1);
    rig_destroy(r);
}

static void a_topic_that_nobody_wants_any_more_is_forgotten(void)
{
    rig *r = rig_create();
    call_begins(r, 1, "c1");
    SEE(r, E1, 2, .type = WEFT_SESSION_START, .session_id = "s1");
    weft__open_work_interest(r->work, WEFT_TOPIC_SESSION);
    dies(r, "lost");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    CU_ASSERT_EQUAL(r->made[0]->type, WEFT_SESSION_END);
    rig_destroy(r);
}

static void numbered_call(rig *r, const char *node, unsigned number)
{
    char id[16];
    snprintf(id, sizeof id, "c%u", number);
    see_of(r, node, E1, number, (weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {"Bash", id}});
}

static void at_a_bound_the_oldest_is_forgotten_and_counted(void)
{
    rig *r = rig_create_with(6, 4, 0);
    for (unsigned i = 1; i <= 5; i++)
        numbered_call(r, "a", i);
    CU_ASSERT_EQUAL(stats_of(r).open, 4);
    CU_ASSERT_EQUAL(stats_of(r).forgotten, 1);
    for (unsigned i = 1; i <= 3; i++)
        numbered_call(r, "b", i);
    CU_ASSERT_EQUAL(stats_of(r).open, 6);
    CU_ASSERT_EQUAL(stats_of(r).forgotten, 2);
    dies(r, "lost");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 3);
    CU_ASSERT_STRING_EQUAL(r->made[2]->tool_call_end.call_id, "c3");
    rig_destroy(r);
}

static void large_events_are_bounded_in_bytes(void)
{
    enum { TASK = 100000, BOUND = 1000000 };
    rig *r = rig_create_with(0, 0, BOUND);
    char *task = malloc(TASK + 1), id[16];
    memset(task, 'x', TASK);
    task[TASK] = '\0';
    for (unsigned i = 1; i <= 20; i++) {
        snprintf(id, sizeof id, "a%u", i);
        SEE(r, E1, i, .type = WEFT_AGENT_START, .agent_id = id, .agent_start = {task});
    }
    free(task);
    CU_ASSERT_EQUAL(stats_of(r).open, 9);
    CU_ASSERT_EQUAL(stats_of(r).forgotten, 11);
    rig_destroy(r);
}

/* Ends of what began before we came, and the attributes of an event that has all it may have. */
static void stray_ends_and_full_attributes_do_no_harm(void)
{
    rig *r = rig_create();
    weft_attribute full[WEFT_ATTRIBUTES_MAX];
    char id[16];
    r->lacks = true;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(id, sizeof id, "old%u", i);
        call_ends(r, i + 1, id);
    }
    for (size_t i = 0; i < WEFT_ATTRIBUTES_MAX; i++)
        full[i] = (weft_attribute){"k", "v"};
    SEE(r, E1, 20000, .type = WEFT_SESSION_START, .session_id = "s1", .attributes = full,
        .attribute_count = WEFT_ATTRIBUTES_MAX);
    dies(r, "lost");
    pass(r, GRACE_MS);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 1);
    CU_ASSERT_EQUAL(r->made[0]->attribute_count, WEFT_ATTRIBUTES_MAX);
    CU_ASSERT_STRING_EQUAL(attribute(r->made[0], WEFT_ATTRIBUTE_CLOSED), "lost");
    rig_destroy(r);
}

static void session_begins(rig *r, unsigned number)
{
    static const weft_attribute attributes[] = {{"project", "loom"}, {"stream", "s"}};
    static const char *const tags[] = {"t1", "t2"};
    char id[16], agent[24];
    snprintf(id, sizeof id, "s%u", number);
    snprintf(agent, sizeof agent, "%s-agent", id); /* holds the id, too */
    SEE(r, E1, number, .type = WEFT_SESSION_START, .flags = WEFT_FLAG_REDACTED, .priority = WEFT_PRIORITY_HIGH,
        .timestamp_ms = 4, .accepted_ms = 5, .ttl_ms = 6, .source = "hook", .session_id = id, .agent_id = agent,
        .traceparent = "00-1-2-3", .tags = tags, .tag_count = 2, .attributes = attributes, .attribute_count = 2);
}

static void session_ends(rig *r, unsigned seq, unsigned number)
{
    char id[16];
    snprintf(id, sizeof id, "s%u", number);
    SEE(r, E1, seq, .type = WEFT_SESSION_END, .session_id = id);
}

/* What lasts is packed when hundreds have begun after it. */
static void what_lasts_ends_and_returns_as_it_began(void)
{
    enum { MANY = 2000, LEFT = 2 };
    rig *r = rig_create();
    for (unsigned i = 1; i <= MANY; i++)
        session_begins(r, i);
    CU_ASSERT_EQUAL(stats_of(r).open, MANY);
    for (unsigned i = 1; i <= MANY; i++)
        if (i != 7 && i != MANY)
            session_ends(r, MANY + i, i);
    CU_ASSERT_EQUAL(stats_of(r).open, LEFT);
    dies(r, "lost");
    pass(r, GRACE_MS);
    lives(r, E1);
    CU_ASSERT_EQUAL_FATAL(r->made_count, 2 * LEFT);
    const weft_event *packed = r->made[LEFT], *young = r->made[LEFT + 1];
    CU_ASSERT_EQUAL(r->made[1]->type, WEFT_SESSION_END);
    CU_ASSERT_STRING_EQUAL(r->made[1]->session_id, "s7");
    CU_ASSERT_EQUAL(packed->type, WEFT_SESSION_START);
    CU_ASSERT_STRING_EQUAL(packed->session_id, "s7");
    CU_ASSERT_STRING_EQUAL(packed->agent_id, "s7-agent");
    CU_ASSERT_STRING_EQUAL(packed->id.node, "a");
    CU_ASSERT_STRING_EQUAL(packed->source, young->source);
    CU_ASSERT_STRING_EQUAL(packed->traceparent, young->traceparent);
    CU_ASSERT_STRING_EQUAL(packed->tags[1], "t2");
    CU_ASSERT_STRING_EQUAL(attribute(packed, "project"), "loom");
    CU_ASSERT_TRUE(packed->id.epoch == young->id.epoch && packed->timestamp_ms == young->timestamp_ms &&
                   packed->flags == young->flags && packed->priority == young->priority);
    rig_destroy(r);
}

static void many_can_last_and_end_in_any_order(void)
{
    enum { MANY = 3000, STEP = 7 };
    rig *r = rig_create();
    for (unsigned i = 0; i < MANY; i++)
        session_begins(r, i + 1);
    for (unsigned i = 0; i < MANY; i++)
        session_ends(r, MANY + i + 1, i * STEP % MANY + 1);
    CU_ASSERT_EQUAL(stats_of(r).open, 0);
    for (unsigned i = 0; i < MANY; i++)
        session_begins(r, 2 * MANY + i + 1);
    CU_ASSERT_EQUAL(stats_of(r).open, MANY);
    rig_destroy(r);
}

SUITE(bridge_open_work, CASE(a_dead_nodes_call_ends_after_the_grace), CASE(each_kind_is_ended_the_youngest_first),
      CASE(what_has_ended_is_left_alone), CASE(what_has_no_id_is_not_followed),
      CASE(a_node_that_nobody_watches_is_not_followed), CASE(nothing_is_made_up_when_it_returns_in_time),
      CASE(the_end_is_withdrawn_when_the_same_life_returns), CASE(what_really_ended_meanwhile_is_not_begun_again),
      CASE(a_new_life_withdraws_nothing), CASE(a_new_life_ends_the_old_one_after_the_grace),
      CASE(the_backlog_of_an_old_life_is_closed_too), CASE(what_is_heard_of_a_dead_node_is_closed_too),
      CASE(a_beginning_healed_after_its_end_opens_nothing),
      CASE(an_end_is_remembered_only_while_its_beginning_may_come), CASE(a_name_used_again_stands_for_the_newest),
      CASE(nodes_do_not_share_names), CASE(nothing_is_closed_while_we_are_cut_off),
      CASE(a_topic_that_nobody_wants_any_more_is_forgotten), CASE(at_a_bound_the_oldest_is_forgotten_and_counted),
      CASE(large_events_are_bounded_in_bytes), CASE(stray_ends_and_full_attributes_do_no_harm),
      CASE(what_lasts_ends_and_returns_as_it_began), CASE(many_can_last_and_end_in_any_order))
