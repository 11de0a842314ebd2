/* tests/bench/codec.c: what one event costs to and from its bytes on the wire, beside the same bytes by way of the
 * generated code (protobuf-c), and the same event as JSON. */
#include "bench/bench.h"
#include "support/bridge/reference_codec.h"
#include "weft/json.h"
#include "weft/wire.h"

#include <stdlib.h>

enum { BATCH_MAX = 100 };

typedef struct codec_rig {
    const weft_event *events[BATCH_MAX];
    weft_batch batch;
    uint8_t *bytes;
    size_t length;
    weft_text json;
} codec_rig;

static weft_event sample_event(uint64_t seq)
{
    return (weft_event){
        .type = WEFT_TOKEN_USAGE,
        .timestamp_ms = 1767614400000 + (int64_t)seq,
        .accepted_ms = 1767614400001 + (int64_t)seq,
        .id = {.node = "host-a", .epoch = 1767614400000, .seq = seq},
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
}

static uint64_t batches_for(const codec_rig *rig, uint64_t events)
{
    return (events + rig->batch.event_count - 1) / rig->batch.event_count;
}

static double per_event(const codec_rig *rig, uint64_t events, int64_t began)
{
    return (double)(bench_now_ns() - began) / (double)(batches_for(rig, events) * rig->batch.event_count);
}

static double encode_by(const codec_rig *rig, uint64_t events,
                        weft_status (*batch_encode)(const weft_batch *, uint8_t **, size_t *))
{
    int64_t began = bench_now_ns();
    for (uint64_t i = batches_for(rig, events); i > 0; i--) {
        uint8_t *bytes;
        size_t length;
        if (batch_encode(&rig->batch, &bytes, &length) != WEFT_OK)
            bench_die("a batch cannot be encoded");
        free(bytes);
    }
    return per_event(rig, events, began);
}

static double encode(void *user, uint64_t events)
{
    return encode_by(user, events, weft_batch_encode);
}

static double encode_generated(void *user, uint64_t events)
{
    return encode_by(user, events, reference_encode);
}

static double decode_by(const codec_rig *rig, uint64_t events,
                        weft_status (*batch_decode)(const uint8_t *, size_t, weft_batch **, const char **),
                        void (*batch_free)(weft_batch *))
{
    int64_t began = bench_now_ns();
    for (uint64_t i = batches_for(rig, events); i > 0; i--) {
        weft_batch *batch;
        if (batch_decode(rig->bytes, rig->length, &batch, NULL) != WEFT_OK)
            bench_die("a batch cannot be decoded");
        batch_free(batch);
    }
    return per_event(rig, events, began);
}

static double decode(void *user, uint64_t events)
{
    return decode_by(user, events, weft_batch_decode, weft_batch_free);
}

static double decode_generated(void *user, uint64_t events)
{
    return decode_by(user, events, reference_decode, reference_free);
}

static double json_write(void *user, uint64_t events)
{
    codec_rig *rig = user;
    int64_t began = bench_now_ns();
    for (uint64_t i = 0; i < events; i++) {
        weft_text_clear(&rig->json);
        if (weft_event_to_json(rig->events[0], &rig->json) != WEFT_OK)
            bench_die("weft_event_to_json failed");
    }
    return (double)(bench_now_ns() - began) / (double)events;
}

static double json_read(void *user, uint64_t events)
{
    codec_rig *rig = user;
    int64_t began = bench_now_ns();
    for (uint64_t i = 0; i < events; i++) {
        const weft_event *event;
        if (weft_event_from_json(rig->json.data, rig->json.length, &event, NULL) != WEFT_OK)
            bench_die("weft_event_from_json failed");
        weft_event_release(event);
    }
    return (double)(bench_now_ns() - began) / (double)events;
}

static void rig_init(codec_rig *rig, size_t batch_size)
{
    for (size_t i = 0; i < batch_size; i++) {
        weft_event event = sample_event(i + 1);
        rig->events[i] = weft_event_keep(&event);
        if (rig->events[i] == NULL)
            bench_die("out of memory");
    }
    rig->batch = (weft_batch){.node = "host-a",
                              .epoch = 1767614400000,
                              .topic = WEFT_TOPIC_COST,
                              .events = rig->events,
                              .event_count = batch_size};
    if (weft_batch_encode(&rig->batch, &rig->bytes, &rig->length) != WEFT_OK ||
        weft_event_to_json(rig->events[0], &rig->json) != WEFT_OK)
        bench_die("the sample cannot be encoded");
}

static void rig_fini(codec_rig *rig)
{
    for (size_t i = 0; i < rig->batch.event_count; i++)
        weft_event_release(rig->events[i]);
    free(rig->bytes);
    weft_text_fini(&rig->json);
}

static void rig_run(bench_report *report, size_t batch_size, const char *encode_name, const char *decode_name)
{
    codec_rig rig = {0};
    rig_init(&rig, batch_size);
    bench_run(report, &(bench_case){.group = "codec",
                                    .unit = "ns/event",
                                    .events = 20000,
                                    .entries = {{encode_name, encode, &rig},
                                                {"by generated code", encode_generated, &rig},
                                                {"the event as JSON", json_write, &rig}}});
    bench_run(report, &(bench_case){.group = "codec",
                                    .unit = "ns/event",
                                    .events = 20000,
                                    .entries = {{decode_name, decode, &rig},
                                                {"by generated code", decode_generated, &rig},
                                                {"the event from JSON", json_read, &rig}}});
    rig_fini(&rig);
}

void bench_codec(bench_report *report)
{
    rig_run(report, 1, "encode, 1 a message", "decode, 1 a message");
    rig_run(report, BATCH_MAX, "encode, 100 a message", "decode, 100 a message");
}
