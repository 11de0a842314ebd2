/* tests/bench/dispatch.c: what one event costs from weft_publish to its handlers, beside calling a handler directly. */
#include "bench/bench.h"
#include "weft/dispatcher.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>

typedef struct dispatch_rig {
    weft_dispatcher *bus;
    uint64_t inline_handled; /* publisher's thread only */
    atomic_ulong queued_handled;
    unsigned long queued_goal; /* const while events are under way */
    sem_t goal_reached;
} dispatch_rig;

static const weft_event sample = {
    .type = WEFT_TOKEN_USAGE,
    .timestamp_ms = 1767614400000,
    .source = "agent",
    .session_id = "8c1f2f0e-5a54-4d0c-9a5e-0d2b9a7f6c11",
    .agent_id = "a1",
    .token_usage = {.model = "claude-opus-4-5",
                    .input_tokens = 9,
                    .output_tokens = 412,
                    .cache_read_tokens = 48211,
                    .cache_write_tokens = 733,
                    .cost_usd = 0.0389},
};

static weft_status on_inline(const weft_event *event, void *user)
{
    dispatch_rig *rig = user;
    rig->inline_handled += event->token_usage.input_tokens != 0;
    return WEFT_OK;
}

static weft_status on_queued(const weft_event *event, void *user)
{
    dispatch_rig *rig = user;
    (void)event;
    if (atomic_fetch_add_explicit(&rig->queued_handled, 1, memory_order_acq_rel) + 1 == rig->queued_goal)
        sem_post(&rig->goal_reached);
    return WEFT_OK;
}

/* Through a volatile pointer, so that it stays a call. */
static double direct_call(void *user, uint64_t events)
{
    weft_handler_fn volatile handler = on_inline;
    int64_t began = bench_now_ns();
    for (uint64_t i = 0; i < events; i++)
        if (handler(&sample, user) != WEFT_OK)
            bench_die("the handler failed");
    return (double)(bench_now_ns() - began) / (double)events;
}

static void publish_all(const dispatch_rig *rig, uint64_t events)
{
    for (uint64_t i = 0; i < events; i++)
        if (weft_publish(rig->bus, &sample) != WEFT_OK)
            bench_die("weft_publish failed");
}

static double publish_inline(void *user, uint64_t events)
{
    int64_t began = bench_now_ns();
    publish_all(user, events);
    return (double)(bench_now_ns() - began) / (double)events;
}

/* From the first publish until the last handler has run. */
static double publish_queued(void *user, uint64_t events)
{
    dispatch_rig *rig = user;
    rig->queued_goal = atomic_load(&rig->queued_handled) + events;
    int64_t began = bench_now_ns();
    publish_all(rig, events);
    while (sem_wait(&rig->goal_reached) != 0)
        if (errno != EINTR)
            bench_die("sem_wait failed");
    return (double)(bench_now_ns() - began) / (double)events;
}

static void rig_run(bench_report *report, const char *name, unsigned matching, unsigned others, bool queued)
{
    dispatch_rig rig = {0};
    if (sem_init(&rig.goal_reached, 0, 0) != 0 || weft_dispatcher_create(NULL, &rig.bus) != WEFT_OK)
        bench_die("no dispatcher");
    weft_filter cost = {.topics = WEFT_TOPIC_COST}, tool = {.topics = WEFT_TOPIC_TOOL};
    /* The publisher waits for room: what is dropped would look fast. */
    weft_subscribe_opts opts = {
        .queued = queued, .queue_max = 4096, .overflow = WEFT_OVERFLOW_BLOCK, .block_ms = 60000};
    weft_handler_fn handler = queued ? on_queued : on_inline;
    weft_subscription subscription;
    for (unsigned i = 0; i < matching + others; i++)
        if (weft_subscribe_with(rig.bus, i < matching ? &cost : &tool, &opts, handler, &rig, &subscription) != WEFT_OK)
            bench_die("weft_subscribe_with failed");
    bench_run(report, &(bench_case){.group = "dispatch",
                                    .unit = "ns/event",
                                    .events = queued ? 50000 : 200000,
                                    .entries = {{name, queued ? publish_queued : publish_inline, &rig},
                                                {"a direct call", direct_call, &rig}}});
    weft_dispatcher_destroy(rig.bus);
    sem_destroy(&rig.goal_reached);
}

void bench_dispatch(bench_report *report)
{
    rig_run(report, "inline", 1, 0, false);
    rig_run(report, "inline, 8 handlers", 8, 0, false);
    rig_run(report, "inline, 1 of 16 wants it", 1, 15, false);
    rig_run(report, "queued", 1, 0, true);
}
