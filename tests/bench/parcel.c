/* tests/bench/parcel.c: a head before each event: its number, sender, topic, and how many bytes follow. */
#include "bench/parcel.h"

#include "bench/bench.h"
#include "weft/wire.h"

#include <stdlib.h>
#include <string.h>

/* Events encoded beforehand: that many different ones. */
enum { SAMPLES = 1280 };

typedef struct parcel_head {
    uint64_t number;
    uint16_t sender;
    uint16_t topic;
    uint32_t bytes;
} parcel_head;

typedef struct parcel_sample {
    unsigned topic;
    uint8_t *bytes;
    size_t length;
} parcel_sample;

struct bench_parcel {
    parcel_sample samples[SAMPLES]; /* const after create */
    unsigned sender;                /* const after create */
    size_t limit;                   /* const after create */
    unsigned topic;
    size_t used, room;
    uint8_t *out;
};

static void sample_encode(parcel_sample *sample, const bench_load *load, uint64_t number)
{
    bench_load_text text;
    weft_event event;
    bench_load_event(load, number, &text, &event);
    event.accepted_ms = event.timestamp_ms;
    event.id = (weft_event_id){.node = "sender", .epoch = 1767614400000, .seq = number + 1};
    const weft_event *kept = weft_event_keep(&event);
    weft_topic topic = weft_event_topic(&event);
    weft_batch batch = {.node = "sender", .epoch = event.id.epoch, .topic = topic, .events = &kept, .event_count = 1};
    if (kept == NULL || weft_batch_encode(&batch, &sample->bytes, &sample->length) != WEFT_OK)
        bench_die("a sample cannot be encoded");
    sample->topic = weft_topic_number(topic);
    weft_event_release(kept);
}

bench_parcel *bench_parcel_create(const bench_load *load, unsigned sender, size_t limit_bytes)
{
    bench_parcel *parcel = calloc(1, sizeof *parcel);
    size_t longest = 0;
    if (parcel == NULL)
        bench_die("out of memory");
    for (unsigned i = 0; i < SAMPLES; i++) {
        sample_encode(&parcel->samples[i], load, i);
        if (parcel->samples[i].length > longest)
            longest = parcel->samples[i].length;
    }
    parcel->sender = sender;
    parcel->limit = limit_bytes;
    parcel->room = limit_bytes + sizeof(parcel_head) + longest;
    parcel->out = malloc(parcel->room);
    if (parcel->out == NULL)
        bench_die("out of memory");
    return parcel;
}

void bench_parcel_destroy(bench_parcel *parcel)
{
    if (parcel == NULL)
        return;
    for (unsigned i = 0; i < SAMPLES; i++)
        free(parcel->samples[i].bytes);
    free(parcel->out);
    free(parcel);
}

bool bench_parcel_add(bench_parcel *parcel, uint64_t number)
{
    const parcel_sample *sample = &parcel->samples[number % SAMPLES];
    parcel_head head = {.number = number,
                        .sender = (uint16_t)parcel->sender,
                        .topic = (uint16_t)sample->topic,
                        .bytes = (uint32_t)sample->length};
    memcpy(parcel->out + parcel->used, &head, sizeof head);
    memcpy(parcel->out + parcel->used + sizeof head, sample->bytes, sample->length);
    parcel->used += sizeof head + sample->length;
    parcel->topic = sample->topic;
    return parcel->used >= parcel->limit;
}

const uint8_t *bench_parcel_take(bench_parcel *parcel, size_t *ret_bytes, unsigned *ret_topic)
{
    *ret_bytes = parcel->used;
    *ret_topic = parcel->topic;
    parcel->used = 0;
    return *ret_bytes != 0 ? parcel->out : NULL;
}

void bench_parcel_enter(const uint8_t *bytes, size_t length, bench_ledger *ledger)
{
    while (length != 0) {
        parcel_head head;
        if (length < sizeof head)
            bench_die("half a parcel came");
        memcpy(&head, bytes, sizeof head);
        if (length - sizeof head < head.bytes)
            bench_die("half a parcel came");
        bench_ledger_take(ledger, head.sender, head.topic, head.number, false);
        bytes += sizeof head + head.bytes;
        length -= sizeof head + head.bytes;
    }
}
