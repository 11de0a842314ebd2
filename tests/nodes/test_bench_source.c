/* tests/nodes/test_bench_source.c: when a publishing thread ends, and what it does with what it is refused. */
#include "nodes/bench_source.h"

#include <stdlib.h>

#include "support/suite.h"
#include "weft/intercept.h"

enum { DEADLINE_MS = 30000 };

typedef struct rig {
    bench_source source; /* at a dispatcher without a bridge */
    atomic_bool stop;
    weft_status refusal; /* const while it runs */
    atomic_int refusals; /* left */
    atomic_int heard;
} rig;

static weft_status on_stage(weft_event *event, weft_stage *stage, void *user)
{
    (void)event;
    (void)stage;
    rig *r = user;
    return atomic_fetch_sub(&r->refusals, 1) > 0 ? r->refusal : WEFT_OK;
}

static weft_status on_event(const weft_event *event, void *user)
{
    bench_stamp stamp;
    CU_ASSERT(bench_stamp_read(event, &stamp));
    atomic_fetch_add(&((rig *)user)->heard, 1);
    return WEFT_OK;
}

static rig *rig_create(double per_second, uint64_t wanted)
{
    rig *r = calloc(1, sizeof *r);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    bench_source *s = &r->source;
    bench_maker_opts opts = {.sessions = 2, .prefix = "bench"};
    s->schedule = (bench_schedule){.start_ns = bench_now_ns(), .per_second = per_second};
    s->wanted = wanted;
    s->end_ns = INT64_MAX;
    s->stop = &r->stop;
    CU_ASSERT_EQUAL_FATAL(bench_maker_create(&opts, &s->maker), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &s->side.dispatcher), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(s->side.dispatcher, NULL, on_event, r, NULL), WEFT_OK);
    return r;
}

static void refuse(rig *r, weft_status refusal, int times)
{
    weft_interceptor interceptor;
    r->refusal = refusal;
    atomic_store(&r->refusals, times);
    CU_ASSERT_EQUAL_FATAL(weft_intercept(r->source.side.dispatcher, NULL, on_stage, r, &interceptor), WEFT_OK);
}

static void run_to_the_end(rig *r)
{
    CU_ASSERT_FATAL(bench_source_start(&r->source));
    bench_source_join(&r->source);
    CU_ASSERT(atomic_load(&r->source.done));
}

static void rig_destroy(rig *r)
{
    bench_source_join(&r->source);
    weft_dispatcher_destroy(r->source.side.dispatcher);
    bench_maker_destroy(r->source.maker);
    free(r);
}

static void publishes_just_what_is_wanted(void)
{
    rig *r = rig_create(0, 1000);
    run_to_the_end(r);
    CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 1000);
    CU_ASSERT_EQUAL(atomic_load(&r->heard), 1000);
    CU_ASSERT_EQUAL(r->source.held_back, 0);
    CU_ASSERT_EQUAL(r->source.late_ns.count, 0);
    rig_destroy(r);
}

static void keeps_to_its_schedule(void)
{
    rig *r = rig_create(10000, 300);
    int64_t last_ns = bench_schedule_due_ns(&r->source.schedule, 299);
    run_to_the_end(r);
    CU_ASSERT(r->source.ended_ns >= last_ns);
    CU_ASSERT_EQUAL(r->source.late_ns.count, 300);
    rig_destroy(r);
}

static void ends_when_none_is_due_any_more(void)
{
    rig *r = rig_create(1000, UINT64_MAX);
    r->source.end_ns = bench_schedule_due_ns(&r->source.schedule, 50);
    run_to_the_end(r);
    CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 50);
    rig_destroy(r);
}

static void tries_again_what_backpressure_refuses(void)
{
    static const weft_status passing[] = {WEFT_FULL, WEFT_NO_SPACE};
    for (size_t i = 0; i < 2; i++) {
        rig *r = rig_create(0, 100);
        refuse(r, passing[i], 5);
        run_to_the_end(r);
        CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 100);
        CU_ASSERT_EQUAL(atomic_load(&r->heard), 100);
        CU_ASSERT_EQUAL(r->source.held_back, 1);
        CU_ASSERT(r->source.held_back_ns > 0);
        CU_ASSERT_EQUAL(r->source.failed, WEFT_OK);
        rig_destroy(r);
    }
}

static void gives_up_on_what_will_never_be_taken(void)
{
    rig *r = rig_create(0, 100);
    refuse(r, WEFT_INVALID, 1);
    run_to_the_end(r);
    CU_ASSERT_EQUAL(r->source.failed, WEFT_INVALID);
    CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 0);
    rig_destroy(r);
}

static bool has_been_refused(void *user)
{
    return atomic_load(&((rig *)user)->refusals) < INT32_MAX - 3;
}

static void stops_in_the_middle_of_trying(void)
{
    rig *r = rig_create(0, 100);
    refuse(r, WEFT_FULL, INT32_MAX);
    CU_ASSERT_FATAL(bench_source_start(&r->source));
    CU_ASSERT(suite_wait(has_been_refused, r, DEADLINE_MS));
    atomic_store(&r->stop, true);
    bench_source_join(&r->source);
    CU_ASSERT_EQUAL(r->source.failed, WEFT_OK);
    CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 0);
    rig_destroy(r);
}

static void stops_while_it_waits_for_a_time_far_away(void)
{
    rig *r = rig_create(0.001, 100);
    atomic_store(&r->stop, true);
    run_to_the_end(r);
    CU_ASSERT_EQUAL(atomic_load(&r->source.accepted), 0);
    rig_destroy(r);
}

SUITE(nodes_bench_source, CASE(publishes_just_what_is_wanted), CASE(keeps_to_its_schedule),
      CASE(ends_when_none_is_due_any_more), CASE(tries_again_what_backpressure_refuses),
      CASE(gives_up_on_what_will_never_be_taken), CASE(stops_in_the_middle_of_trying),
      CASE(stops_while_it_waits_for_a_time_far_away))
