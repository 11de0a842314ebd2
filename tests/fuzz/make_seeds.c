/* tests/fuzz/make_seeds.c: writes the seeds. make_seeds tests/fuzz/seeds */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bridge/control.h"
#include "support/event_maker.h"

static const char *root;

static void seed_write(const char *harness, const char *name, int kind, const void *bytes, size_t length)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", root, harness);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof path, "%s/%s/%s", root, harness, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    if (kind >= 0)
        (void)fputc(kind, file);
    (void)fwrite(bytes, 1, length, file);
    (void)fclose(file);
}

static void batch_write(const char *name, const weft_batch *batch, size_t cut)
{
    uint8_t *bytes;
    size_t length;
    if (weft_batch_encode(batch, &bytes, &length) != WEFT_OK)
        exit(1);
    seed_write("batch", name, -1, bytes, length - cut);
    free(bytes);
}

static void batches_write(void)
{
    static event_maker maker;
    static const weft_lost lost = {.epoch = 1, .topic = WEFT_TOPIC_LLM, .from_seq = 2, .to_seq = 3, .reason = 2};
    weft_event events[2];
    const weft_event *both[2] = {&events[0], &events[1]};
    weft_batch batch = {.node = "host-a", .epoch = 7, .events = both, .event_count = 1, .lost = &lost};
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        events[0] = event_maker_full(&maker, (weft_event_type)type);
        batch_write(weft_event_type_name((weft_event_type)type), &batch, 9);
    }
    events[0] = (weft_event){.type = WEFT_TOKEN_USAGE, .id.seq = 1};
    events[1] = (weft_event){.type = WEFT_BUDGET_EXHAUSTED, .id.seq = 2};
    batch.event_count = 2;
    batch.lost_count = 1;
    batch_write("two_and_lost_checked", &batch, 0);
    batch_write("two_and_lost", &batch, 9);
    events[1] = weft_event_from_legacy("unknown.777", NULL, "{\"field\":777,\"bytes\":\"CE0SAwD/\"}", 0);
    events[1].id.seq = 2;
    batch_write("newer_payload", &batch, 9);
}

#define CONTROL_WRITE(message, kind)                                                                                   \
    static void message##_write(const char *name, const weft__##message *m)                                            \
    {                                                                                                                  \
        uint8_t *bytes;                                                                                                \
        size_t length;                                                                                                 \
        if (weft__##message##_encode(m, &bytes, &length) != WEFT_OK)                                                   \
            exit(1);                                                                                                   \
        seed_write("control", name, kind, bytes, length);                                                              \
        free(bytes);                                                                                                   \
    }
CONTROL_WRITE(live, 0)
CONTROL_WRITE(state, 1)
CONTROL_WRITE(beat, 2)
CONTROL_WRITE(command, 3)
CONTROL_WRITE(reply, 4)

static void merge_write(void)
{
    static const char parts[] = "\x1a\x0a\x01n\x10\x07\x22\x02\x08\x01\x0a\x01n\x10\x07\x2a\x02\x08\x01";
    char bytes[sizeof parts];
    memcpy(bytes, parts, sizeof parts);
    bytes[0] = 9; /* where the second part begins */
    seed_write("control", "merge", 5, bytes, sizeof parts - 1);
}

static void controls_write(void)
{
    static const weft__position positions[] = {{5, WEFT_TOPIC_COST, 17, 9}, {6, WEFT_TOPIC_TOOL, 300, 0}};
    static const weft__model_totals model = {"m1", 1, 2, 3, 4, 5, -6};
    static const weft__session_state session = {"s1", WEFT_SESSION_RETRY, 12};
    static const weft_lost lost = {.epoch = 1, .topic = WEFT_TOPIC_LLM, .from_seq = 2, .to_seq = 3, .reason = 2};
    weft__command command = {.from = "n", .request_id = "R1", .has_replay = true, .reason = "why"};
    command.replay.epoch = 5;
    command.replay.topic = WEFT_TOPIC_LLM;
    command.replay.to_seq = 9;
    command.replay.since_ms = 1767614400123;
    command.replay.taker = 2;
    live_write("live", &(weft__live){"n", 6, WEFT__LIVE_BIRTH, positions, 2, 1767614400123, 77, "1.2", 1767614400100});
    state_write("state", &(weft__state){"n", 6, 99, &model, 1, 20, 21, 22, &session, 1, true});
    beat_write("beat", &(weft__beat){"n", 6, positions, 2, 1767614400123});
    command_write("command", &command);
    weft__reply reply = {.node = "n", .request_id = "R1", .index = 1, .last = true, .covered_to_seq = 9};
    reply.batch = (const uint8_t *)"abc";
    reply.batch_bytes = 3;
    reply.lost = &lost;
    reply.lost_count = 1;
    reply.error = "error";
    reply.last_seq = 12;
    reply.skipped_seq = 3;
    reply_write("reply", &reply);
    static const weft_stream_account streams[] = {
        {.node = "n",
         .epoch = 5,
         .topic = WEFT_TOPIC_COST,
         .own = true,
         .last_seq = 17,
         .published = 9,
         .pending = 300},
        {.node = "m", .epoch = 6, .topic = WEFT_TOPIC_TOOL, .based = true, .before = 2, .unaccounted = -1},
        {.node = "-", .dropped_foreign = 1},
    };
    weft__reply account = {.node = "n", .request_id = "account.1", .last = true, .has_account = true};
    account.account = (weft_account){.epoch = 5, .dropped_own = 7, .streams = streams, .stream_count = 3};
    reply_write("reply_account", &account);
    merge_write();
    seed_write("control", "topic_evt", 6, "weft/v1/dev/evt/cost/host-a", 27);
    seed_write("control", "topic_json", 6, "weft/v1/dev/json/cost/token_usage/host-a/s%20%C3%BC", 51);
    seed_write("control", "topic_cmd", 6, "weft/v1/dev/cmd/-/replay/host-a", 31);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: make_seeds FOLDER\n");
        return 2;
    }
    root = argv[1];
    batches_write();
    controls_write();
    return 0;
}
