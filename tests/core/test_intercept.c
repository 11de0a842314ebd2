/* The chain of interceptors without a dispatcher: order, what a call may do, and what comes out. */
#include "core/intercept.h"

#include <stdio.h>
#include <string.h>

#include "core/event_private.h"
#include "support/memory_out.h"
#include "support/suite.h"

enum { NOW_MS = 1000, MEMBERS_MAX = 8 };

/* ---- a chain to try things on ---- */

typedef struct trace {
    char text[512];
} trace;

static void trace_add(trace *t, const char *word)
{
    size_t length = strlen(t->text);
    (void)snprintf(t->text + length, sizeof t->text - length, "%s%s", length > 0 ? " " : "", word);
}

/* What an interceptor of these tests does to each event. */
typedef struct member {
    const char *name;
    weft_status (*act)(struct member *self, weft_event *event, weft_stage *stage);
    trace *trace; /* "name:session" for each event seen */
    weft_status verdict;
    int splits;
    const char *of; /* acts on this session only; NULL: all */
    const weft_event *kept;
    void *loan;
} member;

typedef struct fixture {
    weft__interceptors *list;
    weft__interceptor *interceptors[MEMBERS_MAX];
    size_t count;
    uint64_t entered; /* id whose code runs */
    int entries;
    int leaves;
    weft_event event;
    weft_stage stage;
} fixture;

static weft_status member_call(weft_event *event, weft_stage *stage, void *user)
{
    member *m = user;
    char word[64];
    (void)snprintf(word, sizeof word, "%s:%s", m->name, event->session_id);
    if (m->trace != NULL)
        trace_add(m->trace, word);
    if (m->act == NULL || (m->of != NULL && strcmp(m->of, event->session_id) != 0))
        return WEFT_OK;
    return m->act(m, event, stage);
}

static bool enter(void *user, const weft__interceptor *interceptor)
{
    fixture *f = user;
    f->entries++;
    f->entered = interceptor->id;
    return !atomic_load(&interceptor->removed);
}

static void leave(void *user)
{
    fixture *f = user;
    f->leaves++;
    f->entered = 0;
}

static void fixture_init(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->event = (weft_event){.type = WEFT_TOKEN_USAGE,
                            .accepted_ms = NOW_MS,
                            .timestamp_ms = NOW_MS,
                            .session_id = "e",
                            .token_usage = {.model = "m"}};
    weft__stage_init(&f->stage);
}

static void fixture_fini(fixture *f)
{
    weft__stage_fini(&f->stage);
    weft__interceptors_unref(f->list);
    for (size_t i = 0; i < f->count; i++)
        weft__interceptor_unref(f->interceptors[i]);
}

static weft__interceptor *attach(fixture *f, member *m, int32_t order, uint32_t topics)
{
    weft__interceptor *interceptor = NULL;
    weft_interceptor_opts opts = {.name = m->name, .order = order, .topics = topics};
    CU_ASSERT_EQUAL_FATAL(weft__interceptor_create(&opts, member_call, m, &interceptor), WEFT_OK);
    interceptor->id = f->count + 1;
    f->interceptors[f->count++] = interceptor;
    weft__interceptors *before = f->list;
    f->list = weft__interceptors_create(before, interceptor);
    weft__interceptors_unref(before);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f->list);
    return interceptor;
}

static weft_status run_on(fixture *f, weft_event *event)
{
    weft__intercept_hooks hooks = {.enter = enter, .leave = leave, .user = f};
    return weft__intercept_run(f->list, &hooks, event, &f->stage);
}

static weft_status run(fixture *f)
{
    return run_on(f, &f->event);
}

static const char *results(const fixture *f)
{
    static trace t;
    t.text[0] = '\0';
    for (size_t i = 0; i < weft__stage_size(&f->stage); i++)
        trace_add(&t, weft__stage_at(&f->stage, i)->session_id);
    return t.text;
}

static weft_interceptor_stats stats_of(const weft__interceptor *interceptor)
{
    weft_interceptor_stats stats;
    weft__interceptor_read_stats(interceptor, &stats);
    return stats;
}

/* ---- acts ---- */

static weft_status act_verdict(member *self, weft_event *event, weft_stage *stage)
{
    (void)event;
    (void)stage;
    return self->verdict;
}

/* Splits "event.name1", "event.name2" … off. */
static weft_status act_split(member *self, weft_event *event, weft_stage *stage)
{
    weft_event more = *event;
    for (int i = 1; i <= self->splits; i++) {
        char session[64];
        (void)snprintf(session, sizeof session, "%s.%s%d", event->session_id, self->name, i);
        more.session_id = session;
        CU_ASSERT_EQUAL(weft_stage_split(stage, &more), WEFT_OK);
        memset(session, 'x', sizeof session - 1);
    }
    return self->verdict;
}

/* ---- order ---- */

static void lower_orders_run_first_and_equal_ones_as_attached(void)
{
    fixture f;
    trace t = {0};
    member m[] = {
        {.name = "a", .trace = &t}, {.name = "b", .trace = &t}, {.name = "c", .trace = &t}, {.name = "d", .trace = &t}};
    fixture_init(&f);
    attach(&f, &m[0], 5, 0);
    attach(&f, &m[1], -1, 0);
    attach(&f, &m[2], 5, 0);
    attach(&f, &m[3], 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(t.text, "b:e d:e a:e c:e");
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), 0);
    fixture_fini(&f);
}

static weft_status act_make_custom(member *self, weft_event *event, weft_stage *stage)
{
    (void)self;
    (void)stage;
    event->type = WEFT_CUSTOM;
    event->custom = (struct weft_custom){.event_type = "x"};
    return WEFT_OK;
}

static void topics_are_those_of_the_event_as_it_is_by_then(void)
{
    fixture f;
    trace t = {0};
    member all = {.name = "all", .trace = &t}, cost = {.name = "cost", .trace = &t},
           tool = {.name = "tool", .trace = &t};
    member turn = {.name = "turn", .act = act_make_custom, .trace = &t}, late = {.name = "late", .trace = &t},
           custom = {.name = "cust", .trace = &t};
    fixture_init(&f);
    attach(&f, &all, 0, 0);
    attach(&f, &cost, 0, WEFT_TOPIC_COST | WEFT_TOPIC_LLM);
    attach(&f, &tool, 0, WEFT_TOPIC_TOOL);
    attach(&f, &turn, 0, 0);
    attach(&f, &late, 0, WEFT_TOPIC_COST);
    attach(&f, &custom, 0, WEFT_TOPIC_CUSTOM);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(t.text, "all:e cost:e turn:e cust:e");
    fixture_fini(&f);
}

/* ---- changing the event ---- */

static weft_status act_enrich(member *self, weft_event *event, weft_stage *stage)
{
    char text[] = "agent-7";
    (void)self;
    event->agent_id = weft_stage_copy(stage, text);
    weft_attribute *attributes = weft_stage_alloc(stage, sizeof *attributes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(attributes);
    attributes[0] = (weft_attribute){"team", weft_stage_copy(stage, "core")};
    event->attributes = attributes;
    event->attribute_count = 1;
    memset(text, 'x', sizeof text - 1);
    return WEFT_OK;
}

static weft_status act_redact(member *self, weft_event *event, weft_stage *stage)
{
    (void)self;
    (void)stage;
    event->token_usage.model = "";
    event->flags |= WEFT_FLAG_REDACTED;
    return WEFT_OK;
}

static void enriches_and_redacts(void)
{
    fixture f;
    member enricher = {.name = "enrich", .act = act_enrich}, redactor = {.name = "redact", .act = act_redact};
    fixture_init(&f);
    attach(&f, &enricher, 0, 0);
    attach(&f, &redactor, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(f.event.agent_id, "agent-7");
    CU_ASSERT_STRING_EQUAL(f.event.attributes[0].value, "core");
    CU_ASSERT_STRING_EQUAL(f.event.token_usage.model, "");
    CU_ASSERT_EQUAL(f.event.flags, WEFT_FLAG_REDACTED);
    CU_ASSERT_EQUAL(weft_event_validate(&f.event, NULL), WEFT_OK);
    fixture_fini(&f);
}

static void copies_stay_whole_when_there_are_many(void)
{
    weft_stage stage;
    const char *copies[200];
    char text[64];
    weft__stage_init(&stage);
    for (int i = 0; i < 200; i++) {
        memset(text, 0, sizeof text);
        memset(text, 'a' + i % 26, (size_t)(i % 60));
        copies[i] = weft_stage_copy(&stage, text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(copies[i]);
    }
    char *large = weft_stage_alloc(&stage, 100000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(large);
    CU_ASSERT_EQUAL((uintptr_t)large % _Alignof(max_align_t), 0);
    memset(large, 'L', 100000);
    CU_ASSERT_PTR_NOT_NULL(weft_stage_alloc(&stage, 0));
    CU_ASSERT_STRING_EQUAL(weft_stage_copy(&stage, NULL), "");
    for (int i = 0; i < 200; i++) {
        memset(text, 0, sizeof text);
        memset(text, 'a' + i % 26, (size_t)(i % 60));
        CU_ASSERT_STRING_EQUAL(copies[i], text);
    }
    weft__stage_fini(&stage);
}

static weft_status act_keep(member *self, weft_event *event, weft_stage *stage)
{
    (void)stage;
    self->kept = weft_event_keep(event);
    return WEFT_OK;
}

/* Were the keeper in use, whoever keeps the event later would get the copy made before it was redacted. */
static void what_an_interceptor_keeps_is_not_what_later_takers_get(void)
{
    fixture f;
    weft__loan loan;
    member watcher = {.name = "watch", .act = act_keep}, redactor = {.name = "redact", .act = act_redact};
    fixture_init(&f);
    attach(&f, &watcher, 0, 0);
    attach(&f, &redactor, 0, 0);
    weft__event_borrow(&loan, &f.event);
    CU_ASSERT_EQUAL(run_on(&f, &loan.event), WEFT_OK);
    const weft_event *later = weft_event_keep(&loan.event);
    const weft_event *again = weft_event_keep(&loan.event);
    CU_ASSERT_PTR_NOT_NULL_FATAL(watcher.kept);
    CU_ASSERT_PTR_NOT_NULL_FATAL(later);
    CU_ASSERT_STRING_EQUAL(watcher.kept->token_usage.model, "m");
    CU_ASSERT_STRING_EQUAL(later->token_usage.model, "");
    CU_ASSERT_PTR_EQUAL(later, again);
    weft_event_release(watcher.kept);
    weft_event_release(later);
    weft_event_release(again);
    weft__loan_done(&loan);
    fixture_fini(&f);
}

static weft_status act_overwrite(member *self, weft_event *event, weft_stage *stage)
{
    (void)stage;
    struct weft_event_keeper *keeper = &((weft__loan *)self->loan)->keeper;
    *event = (weft_event){.type = WEFT_AGENT_START, .session_id = "new", .keeper = keeper};
    return WEFT_OK;
}

static void an_event_overwritten_as_a_whole_has_its_keeper_back(void)
{
    fixture f;
    weft__loan loan;
    member writer = {.name = "write", .act = act_overwrite, .loan = &loan};
    member watcher = {.name = "watch", .act = act_keep}, redactor = {.name = "redact", .act = act_redact};
    fixture_init(&f);
    attach(&f, &writer, 0, 0);
    attach(&f, &watcher, 0, 0);
    attach(&f, &redactor, 0, 0);
    weft__event_borrow(&loan, &f.event);
    CU_ASSERT_EQUAL(run_on(&f, &loan.event), WEFT_OK);
    const weft_event *later = weft_event_keep(&loan.event);
    CU_ASSERT_PTR_NOT_NULL_FATAL(later);
    CU_ASSERT_STRING_EQUAL(later->session_id, "new");
    CU_ASSERT_EQUAL(later->flags, WEFT_FLAG_REDACTED);
    weft_event_release(watcher.kept);
    weft_event_release(later);
    weft__loan_done(&loan);
    fixture_fini(&f);
}

/* ---- ending it ---- */

static void a_dropped_event_is_seen_by_none_after(void)
{
    fixture f;
    trace t = {0};
    member dropper = {.name = "drop", .act = act_verdict, .trace = &t, .verdict = WEFT_DROPPED},
           after = {.name = "after", .trace = &t};
    fixture_init(&f);
    attach(&f, &dropper, 0, 0);
    attach(&f, &after, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_DROPPED);
    CU_ASSERT_STRING_EQUAL(t.text, "drop:e");
    CU_ASSERT_EQUAL(f.stage.dropped, 1);
    fixture_fini(&f);
}

static void dropping_an_event_spares_what_was_split_off_it(void)
{
    fixture f;
    member splitter = {.name = "s", .act = act_split, .splits = 2},
           dropper = {.name = "d", .act = act_verdict, .verdict = WEFT_DROPPED, .of = "e"};
    fixture_init(&f);
    attach(&f, &splitter, 0, 0);
    attach(&f, &dropper, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_DROPPED);
    CU_ASSERT_STRING_EQUAL(results(&f), "e.s1 e.s2");
    CU_ASSERT_EQUAL(f.stage.dropped, 1);
    CU_ASSERT_EQUAL(f.stage.split_count, 2);
    fixture_fini(&f);
}

static void split_events_can_be_dropped(void)
{
    fixture f;
    member splitter = {.name = "s", .act = act_split, .splits = 3};
    member dropper = {.name = "d", .act = act_verdict, .verdict = WEFT_DROPPED, .of = "e.s2"};
    member last = {.name = "l", .act = act_split, .splits = 1, .of = "e.s1"};
    fixture_init(&f);
    attach(&f, &splitter, 0, 0);
    attach(&f, &dropper, 0, 0);
    attach(&f, &last, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(results(&f), "e.s1 e.s3 e.s1.l1");
    CU_ASSERT_EQUAL(f.stage.dropped, 1);
    fixture_fini(&f);
}

static void a_refusal_ends_it_and_discards_what_was_split_off(void)
{
    fixture f;
    trace t = {0};
    member splitter = {.name = "s", .act = act_split, .splits = 2};
    member refuser = {.name = "r", .act = act_verdict, .trace = &t, .verdict = WEFT_REFUSED},
           after = {.name = "after", .trace = &t};
    fixture_init(&f);
    attach(&f, &splitter, 0, 0);
    attach(&f, &refuser, 0, 0);
    attach(&f, &after, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_REFUSED);
    CU_ASSERT_STRING_EQUAL(t.text, "r:e");
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), 0);
    fixture_fini(&f);
}

static void a_refusal_of_a_split_event_refuses_all(void)
{
    fixture f;
    member splitter = {.name = "s", .act = act_split, .splits = 2};
    member refuser = {.name = "r", .act = act_verdict, .verdict = WEFT_TOO_LARGE, .of = "e.s2"};
    fixture_init(&f);
    attach(&f, &splitter, 0, 0);
    attach(&f, &refuser, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_TOO_LARGE);
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), 0);
    fixture_fini(&f);
}

/* ---- splitting ---- */

static void split_events_go_on_at_the_next_interceptor_behind_the_others(void)
{
    fixture f;
    trace t = {0};
    member a = {.name = "a", .act = act_split, .trace = &t, .splits = 2};
    member b = {.name = "b", .act = act_split, .trace = &t, .splits = 1};
    member c = {.name = "c", .trace = &t};
    fixture_init(&f);
    attach(&f, &a, 0, 0);
    attach(&f, &b, 0, 0);
    attach(&f, &c, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(t.text, "a:e b:e c:e b:e.a1 c:e.a1 b:e.a2 c:e.a2 c:e.b1 c:e.a1.b1 c:e.a2.b1");
    CU_ASSERT_STRING_EQUAL(results(&f), "e.a1 e.a2 e.b1 e.a1.b1 e.a2.b1");
    fixture_fini(&f);
}

static weft_status act_split_bare(member *self, weft_event *event, weft_stage *stage)
{
    (void)self;
    (void)event;
    CU_ASSERT_EQUAL(
        weft_stage_split(stage, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a", .session_id = "now"}),
        WEFT_OK);
    CU_ASSERT_EQUAL(
        weft_stage_split(
            stage, &(weft_event){.type = WEFT_AGENT_START, .agent_id = "a", .session_id = "then", .timestamp_ms = 7}),
        WEFT_OK);
    return WEFT_OK;
}

static void split_events_have_their_times_set_and_can_be_changed(void)
{
    fixture f;
    member splitter = {.name = "s", .act = act_split_bare}, enricher = {.name = "x", .act = act_enrich};
    fixture_init(&f);
    attach(&f, &splitter, 0, 0);
    attach(&f, &enricher, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__stage_size(&f.stage), 2);
    const weft_event *now = weft__stage_at(&f.stage, 0), *then = weft__stage_at(&f.stage, 1);
    CU_ASSERT_EQUAL(now->timestamp_ms, NOW_MS);
    CU_ASSERT_EQUAL(now->accepted_ms, NOW_MS);
    CU_ASSERT_STRING_EQUAL(now->agent_id, "agent-7");
    CU_ASSERT_EQUAL(then->timestamp_ms, 7);
    CU_ASSERT_EQUAL(then->accepted_ms, NOW_MS);
    CU_ASSERT_PTR_NULL(then->keeper);
    fixture_fini(&f);
}

static weft_status act_split_until_full(member *self, weft_event *event, weft_stage *stage)
{
    weft_status status = WEFT_OK;
    for (int i = 0; i < WEFT_SPLIT_MAX && status == WEFT_OK; i++)
        status = weft_stage_split(stage, event);
    if (status != WEFT_OK)
        CU_ASSERT_EQUAL(status, WEFT_FULL);
    self->splits += status == WEFT_FULL ? 1 : 0;
    return WEFT_OK;
}

static void splits_are_bounded_over_the_whole_publish(void)
{
    fixture f;
    member first = {.name = "1", .act = act_split_until_full}, second = {.name = "2", .act = act_split_until_full};
    member dropper = {.name = "d", .act = act_verdict, .verdict = WEFT_DROPPED};
    fixture_init(&f);
    attach(&f, &first, 0, 0);
    attach(&f, &dropper, 1, WEFT_TOPIC_TOOL);
    attach(&f, &second, 2, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_EQUAL(first.splits, 0);
    CU_ASSERT_EQUAL(second.splits, 1 + WEFT_SPLIT_MAX);
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), WEFT_SPLIT_MAX);
    fixture_fini(&f);
}

static weft_status act_split_bad(member *self, weft_event *event, weft_stage *stage)
{
    (void)self;
    weft_event bad = *event;
    CU_ASSERT_EQUAL(weft_stage_split(stage, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_stage_split(stage, &(weft_event){0}), WEFT_INVALID);
    bad.agent_id = "\xff";
    CU_ASSERT_EQUAL(weft_stage_split(stage, &bad), WEFT_MALFORMED);
    return WEFT_OK;
}

static void what_is_no_event_is_not_split_off(void)
{
    fixture f;
    member splitter = {.name = "s", .act = act_split_bad};
    fixture_init(&f);
    weft__interceptor *interceptor = attach(&f, &splitter, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), 0);
    CU_ASSERT_EQUAL(stats_of(interceptor).split, 0);
    fixture_fini(&f);
}

/* ---- removal ---- */

static void a_removed_one_is_passed_over(void)
{
    fixture f;
    trace t = {0};
    member gone = {.name = "gone", .act = act_verdict, .trace = &t, .verdict = WEFT_DROPPED},
           there = {.name = "there", .trace = &t};
    fixture_init(&f);
    weft__interceptor *interceptor = attach(&f, &gone, 0, 0);
    attach(&f, &there, 0, 0);
    atomic_store(&interceptor->removed, true);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(t.text, "there:e");
    CU_ASSERT_EQUAL(stats_of(interceptor).seen, 0);
    CU_ASSERT_EQUAL(f.entries, 2);
    CU_ASSERT_EQUAL(f.leaves, 2);
    fixture_fini(&f);
}

static void a_list_is_made_anew_without_the_removed(void)
{
    fixture f;
    member one = {.name = "1"}, two = {.name = "2"}, three = {.name = "3"};
    fixture_init(&f);
    attach(&f, &one, 0, 0);
    weft__interceptor *second = attach(&f, &two, 0, 0);
    weft__interceptors *old = weft__interceptors_ref(f.list);
    CU_ASSERT_PTR_EQUAL(weft__interceptors_find(f.list, second->id), second);
    atomic_store(&second->removed, true);
    CU_ASSERT_PTR_NULL(weft__interceptors_find(f.list, second->id));
    CU_ASSERT_EQUAL(weft__interceptors_count(f.list), 1);
    attach(&f, &three, 0, 0);
    CU_ASSERT_EQUAL(f.list->count, 2);
    CU_ASSERT_EQUAL(weft__interceptors_count(f.list), 2);
    CU_ASSERT_EQUAL(old->count, 2);
    CU_ASSERT_PTR_EQUAL(old->list[1], second);
    CU_ASSERT_EQUAL(weft__interceptors_count(NULL), 0);
    weft__interceptors_unref(old);
    fixture_fini(&f);
}

typedef struct witness {
    fixture *f;
    uint64_t during;
} witness;

static weft_status witness_call(weft_event *event, weft_stage *stage, void *user)
{
    witness *w = user;
    (void)event;
    (void)stage;
    w->during = w->f->entered;
    return WEFT_OK;
}

static void hooks_know_whose_code_runs(void)
{
    fixture f;
    witness w = {.f = &f};
    weft__interceptor *interceptor = NULL;
    fixture_init(&f);
    CU_ASSERT_EQUAL_FATAL(weft__interceptor_create(NULL, witness_call, &w, &interceptor), WEFT_OK);
    interceptor->id = 42;
    f.list = weft__interceptors_create(NULL, interceptor);
    weft__interceptor_unref(interceptor);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f.list);
    CU_ASSERT_EQUAL(run(&f), WEFT_OK);
    CU_ASSERT_EQUAL(w.during, 42);
    CU_ASSERT_EQUAL(f.entered, 0);
    CU_ASSERT_EQUAL(f.leaves, f.entries);
    fixture_fini(&f);
}

/* ---- counters ---- */

static void counts_what_becomes_of_events(void)
{
    fixture f;
    member splitter = {.name = "splitter", .act = act_split, .splits = 3, .of = "e"};
    member dropper = {.name = "dropper", .act = act_verdict, .verdict = WEFT_DROPPED, .of = "e.splitter1"};
    member refuser = {.name = "refuser", .act = act_verdict, .verdict = WEFT_REFUSED, .of = "e.splitter3"};
    fixture_init(&f);
    weft__interceptor *first = attach(&f, &splitter, -3, 0);
    weft__interceptor *second = attach(&f, &dropper, 0, 0);
    weft__interceptor *third = attach(&f, &refuser, 0, 0);
    CU_ASSERT_EQUAL(run(&f), WEFT_REFUSED);
    weft_interceptor_stats s = stats_of(first);
    CU_ASSERT_STRING_EQUAL(s.name, "splitter");
    CU_ASSERT_EQUAL(s.order, -3);
    CU_ASSERT(s.seen == 1 && s.passed == 1 && s.dropped == 0 && s.refused == 0 && s.split == 3);
    s = stats_of(second);
    CU_ASSERT(s.seen == 4 && s.passed == 3 && s.dropped == 1 && s.refused == 0 && s.split == 0);
    s = stats_of(third);
    CU_ASSERT(s.seen == 3 && s.passed == 2 && s.dropped == 0 && s.refused == 1 && s.split == 0);
    fixture_fini(&f);
}

static void long_names_are_cut_between_characters(void)
{
    weft__interceptor *interceptor = NULL;
    char name[80];
    memset(name, 'n', sizeof name);
    memcpy(name + 62, "\xc3\xa9 and more", 12);
    CU_ASSERT_EQUAL_FATAL(
        weft__interceptor_create(&(weft_interceptor_opts){.name = name}, member_call, NULL, &interceptor), WEFT_OK);
    CU_ASSERT_EQUAL(strlen(stats_of(interceptor).name), 62);
    weft__interceptor_unref(interceptor);
}

static void refuses_options_that_cannot_be(void)
{
    weft__interceptor *interceptor = NULL;
    weft_interceptor_opts opts = {.topics = 1};
    CU_ASSERT_EQUAL(weft__interceptor_create(NULL, NULL, NULL, &interceptor), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__interceptor_create(&opts, member_call, NULL, &interceptor), WEFT_INVALID);
    CU_ASSERT_PTR_NULL(interceptor);
}

/* ---- memory ---- */

static void sizes_beyond_memory_are_refused(void)
{
    weft_stage stage;
    weft__stage_init(&stage);
    CU_ASSERT_PTR_NULL(weft_stage_alloc(&stage, SIZE_MAX));
    CU_ASSERT_PTR_NULL(weft_stage_alloc(&stage, SIZE_MAX - _Alignof(max_align_t)));
    CU_ASSERT_PTR_NOT_NULL(weft_stage_alloc(&stage, 8));
    weft__stage_fini(&stage);
}

#if WEFT_TESTS_MEMORY_OUT
/* The event split off is larger than any that leaves a block behind for the next. */
static weft_status act_run_out(member *self, weft_event *event, weft_stage *stage)
{
    (void)self;
    char text[4096] = "";
    memset(text, 't', sizeof text - 1);
    weft_event large = *event;
    large.source = text;
    memory_out = true;
    CU_ASSERT_PTR_NOT_NULL(weft_stage_alloc(stage, WEFT__STAGE_INLINE_BYTES / 4));
    CU_ASSERT_PTR_NULL(weft_stage_alloc(stage, WEFT__STAGE_INLINE_BYTES));
    weft_status status = weft_stage_split(stage, &large);
    memory_out = false;
    CU_ASSERT_EQUAL(status, WEFT_NO_MEMORY);
    CU_ASSERT_PTR_NOT_NULL(weft_stage_alloc(stage, WEFT__STAGE_INLINE_BYTES));
    return status;
}

static void memory_out_is_reported(void)
{
    fixture f;
    weft__interceptor *interceptor = NULL;
    member m = {.name = "m", .act = act_run_out};
    fixture_init(&f);
    attach(&f, &m, 0, 0);
    memory_out = true;
    weft__interceptors *list = weft__interceptors_create(f.list, NULL);
    weft_status status = weft__interceptor_create(NULL, member_call, &m, &interceptor);
    memory_out = false;
    CU_ASSERT_PTR_NULL(list);
    CU_ASSERT_EQUAL(status, WEFT_NO_MEMORY);
    CU_ASSERT_EQUAL(run(&f), WEFT_NO_MEMORY);
    CU_ASSERT_EQUAL(weft__stage_size(&f.stage), 0);
    fixture_fini(&f);
}
#else
static void memory_out_is_reported(void)
{
    suite_skip("a sanitizer stands in for malloc");
}
#endif

SUITE(core_intercept, CASE(lower_orders_run_first_and_equal_ones_as_attached),
      CASE(topics_are_those_of_the_event_as_it_is_by_then), CASE(enriches_and_redacts),
      CASE(copies_stay_whole_when_there_are_many), CASE(what_an_interceptor_keeps_is_not_what_later_takers_get),
      CASE(an_event_overwritten_as_a_whole_has_its_keeper_back), CASE(a_dropped_event_is_seen_by_none_after),
      CASE(dropping_an_event_spares_what_was_split_off_it), CASE(split_events_can_be_dropped),
      CASE(a_refusal_ends_it_and_discards_what_was_split_off), CASE(a_refusal_of_a_split_event_refuses_all),
      CASE(split_events_go_on_at_the_next_interceptor_behind_the_others),
      CASE(split_events_have_their_times_set_and_can_be_changed), CASE(splits_are_bounded_over_the_whole_publish),
      CASE(what_is_no_event_is_not_split_off), CASE(a_removed_one_is_passed_over),
      CASE(a_list_is_made_anew_without_the_removed), CASE(hooks_know_whose_code_runs),
      CASE(counts_what_becomes_of_events), CASE(long_names_are_cut_between_characters),
      CASE(refuses_options_that_cannot_be), CASE(sizes_beyond_memory_are_refused), CASE(memory_out_is_reported))
