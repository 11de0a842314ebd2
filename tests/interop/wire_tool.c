/* tests/interop/wire_tool.c: our codec as a filter, so that another implementation can be held against it.
 *
 *   wire_tool decode         frames of EventBatch → one JSON object a line:
 *                            {"status":"WEFT_OK","node":…,"epoch":"…","prevSeq":"…","topic":…,"checked":…,"events":[…],"lost":[…]}
 *                            or {"status":"WEFT_MALFORMED","reason":…}
 *   wire_tool encode         groups of lines → frames: "node epoch prev_seq first_seq accepted_ms count", then count
 *                            events as JSON
 *   wire_tool show TOPIC     one message of that topic → JSON, by weft_message_to_json
 *
 * A frame is its length, 4 bytes little endian, and that many bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/wire.h"

enum { INPUT_MAX_BYTES = 1024 * 1024, EVENTS_MAX = 512 };

static uint8_t input[INPUT_MAX_BYTES];

static int fail(const char *what)
{
    (void)fprintf(stderr, "wire_tool: %s\n", what);
    return 1;
}

/* ---- decode ---- */

static void put_lost(weft_text *text, const weft_lost *lost)
{
    weft_text_printf(text, "{\"epoch\":\"%" PRIu64 "\",\"topic\":\"%s\",\"fromSeq\":\"%" PRIu64 "\"", lost->epoch,
                     weft_topic_name(lost->topic), lost->from_seq);
    weft_text_printf(text, ",\"toSeq\":\"%" PRIu64 "\",\"count\":\"%" PRIu64 "\",\"reason\":%d}", lost->to_seq,
                     lost->count, (int)lost->reason);
}

static void put_batch(weft_text *text, const weft_batch *batch)
{
    weft_text_printf(text, "{\"status\":\"WEFT_OK\",\"node\":\"%s\",\"epoch\":\"%" PRIu64 "\"", batch->node,
                     batch->epoch);
    weft_text_printf(text, ",\"prevSeq\":\"%" PRIu64 "\",\"topic\":\"%s\",\"checked\":%s,\"events\":[", batch->prev_seq,
                     batch->topic != 0 ? weft_topic_name(batch->topic) : "", batch->checked ? "true" : "false");
    for (size_t i = 0; i < batch->event_count; i++) {
        weft_text_append(text, ",", i > 0);
        (void)weft_event_to_json(batch->events[i], text);
    }
    weft_text_printf(text, "],\"lost\":[");
    for (size_t i = 0; i < batch->lost_count; i++) {
        weft_text_append(text, ",", i > 0);
        put_lost(text, &batch->lost[i]);
    }
    weft_text_printf(text, "]}");
}

static void decode_one(size_t length)
{
    weft_text text = {0};
    weft_batch *batch;
    const char *reason = "";
    weft_status st = weft_batch_decode(input, length, &batch, &reason);
    if (st == WEFT_OK) {
        put_batch(&text, batch);
        weft_batch_free(batch);
    } else {
        weft_text_printf(&text, "{\"status\":\"%s\",\"reason\":", weft_status_name(st));
        weft_text_json_string(&text, reason);
        weft_text_printf(&text, "}");
    }
    puts(text.failed ? "{}" : text.data);
    weft_text_fini(&text);
}

static int decode_all(void)
{
    uint8_t prefix[4];
    while (fread(prefix, 1, sizeof prefix, stdin) == sizeof prefix) {
        size_t length = (size_t)prefix[0] | (size_t)prefix[1] << 8 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 24;
        if (length > sizeof input || fread(input, 1, length, stdin) != length)
            return fail("frame cut or too long");
        decode_one(length);
    }
    return 0;
}

/* ---- encode ---- */

typedef struct group {
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch, prev_seq, first_seq;
    int64_t accepted_ms;
    size_t count;
    weft_event events[EVENTS_MAX];
    const weft_event *pointers[EVENTS_MAX];
    const weft_event *kept[EVENTS_MAX];
} group;

/* A line read as an event; the ids that JSON does not carry in are the group's. */
static int event_read(group *g, size_t index, const char *line, size_t length)
{
    weft_json_error error;
    if (weft_event_from_json(line, length, &g->kept[index], &error) != WEFT_OK)
        return fail(error.text);
    g->events[index] = *g->kept[index];
    g->events[index].id.seq = g->first_seq + index;
    g->events[index].accepted_ms = g->accepted_ms;
    g->pointers[index] = &g->events[index];
    return 0;
}

static int group_write(const group *g)
{
    uint8_t *bytes;
    size_t length;
    const weft_batch batch = {
        .node = g->node, .epoch = g->epoch, .prev_seq = g->prev_seq, .events = g->pointers, .event_count = g->count};
    weft_status st = weft_batch_encode(&batch, &bytes, &length);
    if (st != WEFT_OK)
        return fail(weft_status_text(st));
    for (int shift = 0; shift < 32; shift += 8)
        (void)putchar((int)(length >> shift & 0xff));
    (void)fwrite(bytes, 1, length, stdout);
    free(bytes);
    return 0;
}

static int group_encode(group *g, char **line, size_t *capacity)
{
    int result = 0;
    size_t read = 0;
    for (; read < g->count && result == 0; read++) {
        ssize_t length = getline(line, capacity, stdin);
        g->kept[read] = NULL;
        result = length > 0 ? event_read(g, read, *line, (size_t)length) : fail("too few events");
    }
    if (result == 0)
        result = group_write(g);
    while (read > 0)
        weft_event_release(g->kept[--read]);
    return result;
}

static int encode_all(void)
{
    static group g;
    char *line = NULL;
    size_t capacity = 0;
    int result = 0;
    while (result == 0 && getline(&line, &capacity, stdin) > 0) {
        int fields = sscanf(line, "%64s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %zu", g.node, &g.epoch,
                            &g.prev_seq, &g.first_seq, &g.accepted_ms, &g.count);
        result = fields == 6 && g.count <= EVENTS_MAX ? group_encode(&g, &line, &capacity) : fail("bad header");
    }
    free(line);
    return result;
}

/* ---- show ---- */

static int show(const char *topic)
{
    weft_text text = {0};
    const char *reason = "";
    size_t length = fread(input, 1, sizeof input, stdin);
    weft_status st = weft_message_to_json(topic, input, length, &text, &reason);
    if (st == WEFT_OK)
        (void)fputs(text.data, stdout);
    weft_text_fini(&text);
    return st == WEFT_OK ? 0 : fail(reason);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "decode") == 0)
        return decode_all();
    if (argc == 2 && strcmp(argv[1], "encode") == 0)
        return encode_all();
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return show(argv[2]);
    return fail("usage: wire_tool decode | encode | show TOPIC");
}
