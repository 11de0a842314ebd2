/* tests/bench/peer_weft.c: the work done by weft. */
#include "bench/bench.h"
#include "bench/peers.h"

static void rig_subscribe(weft_dispatcher *bus, const bench_work *work, unsigned i)
{
    weft_event_type type = bench_work_type(work, i);
    weft_filter filter = {.types = &type,
                          .type_count = 1,
                          .session_id = bench_work_session(work, i),
                          .source = work->by_source ? "agent*" : NULL};
    /* The publisher waits for room: what is dropped would look fast. */
    weft_subscribe_opts opts = {
        .queued = work->queued, .queue_max = BENCH_QUEUE_MAX, .overflow = WEFT_OVERFLOW_BLOCK, .block_ms = 60000};
    if (weft_subscribe_with(bus, &filter, &opts, work->handler, &work->guards[i], NULL) != WEFT_OK)
        bench_die("weft_subscribe_with failed");
}

static void *rig_create(const bench_work *work)
{
    weft_dispatcher *bus;
    if (weft_dispatcher_create(NULL, &bus) != WEFT_OK)
        bench_die("no dispatcher");
    for (unsigned i = 0; i < work->subscribers; i++)
        rig_subscribe(bus, work, i);
    return bus;
}

static void rig_destroy(void *rig)
{
    weft_dispatcher_destroy(rig);
}

static void rig_publish(void *rig, const weft_event *event, uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        if (weft_publish(rig, event) != WEFT_OK)
            bench_die("weft_publish failed");
}

const bench_peer bench_weft = {.create = rig_create, .destroy = rig_destroy, .publish = rig_publish};
