/* tests/fuzz/fuzz_control.c: any bytes as one of the messages beside the events, as batches to merge, or as a topic;
 * the first byte says which. */
#include <stdlib.h>
#include <string.h>

#include "bridge/control.h"
#include "bridge/topic_map.h"
#include "fuzz/fuzz.h"

typedef struct bytes {
    uint8_t *data;
    size_t length;
} bytes;

/* Decodes, and encodes what was accepted; false if it was not. */
#define RECODER(message)                                                                                               \
    static bool recode_##message(const uint8_t *data, size_t size, bytes *ret)                                         \
    {                                                                                                                  \
        weft__##message *decoded;                                                                                      \
        const char *reason = NULL;                                                                                     \
        if (weft__##message##_decode(data, size, &decoded, &reason) != WEFT_OK) {                                      \
            REQUIRE(reason != NULL);                                                                                   \
            return false;                                                                                              \
        }                                                                                                              \
        REQUIRE(weft__##message##_encode(decoded, &ret->data, &ret->length) == WEFT_OK);                               \
        free(decoded);                                                                                                 \
        return true;                                                                                                   \
    }
RECODER(live)
RECODER(state)
RECODER(beat)
RECODER(command)
RECODER(reply)

static const struct {
    bool (*recode)(const uint8_t *data, size_t size, bytes *ret);
    const char *topic;
} messages[] = {
    {recode_live, "weft/v1/f/live/n"},           {recode_state, "weft/v1/f/state/n"},
    {recode_beat, "weft/v1/f/beat/n"},           {recode_command, "weft/v1/f/cmd/-/replay/n"},
    {recode_reply, "weft/v1/f/reply/other/n/r"},
};
enum { MESSAGES = sizeof messages / sizeof *messages };

static void fuzz_message(size_t kind, const uint8_t *data, size_t size)
{
    bytes once, twice;
    weft_text text = {0};
    if (weft_message_to_json(messages[kind].topic, data, size, &text, NULL) == WEFT_OK)
        REQUIRE(weft_json_check(text.data, text.length, WEFT_JSON_MAX_DEPTH) == WEFT_OK);
    weft_text_fini(&text);
    if (!messages[kind].recode(data, size, &once))
        return;
    REQUIRE(messages[kind].recode(once.data, once.length, &twice));
    REQUIRE(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    free(once.data);
    free(twice.data);
}

/* Two parts, cut where the first byte says; their checksums are made right so that more than CORRUPT is seen. */
static void fuzz_merge(const uint8_t *data, size_t size)
{
    enum { TRAILER = 9 };
    if (size == 0)
        return;
    size_t cut = data[0] % size;
    uint8_t *merged;
    size_t merged_length;
    weft__bytes parts[2] = {{data + 1, cut}, {data + 1 + cut, size - 1 - cut}};
    uint8_t *owned[2];
    for (size_t i = 0; i < 2; i++) {
        owned[i] = malloc(parts[i].length + TRAILER);
        REQUIRE(owned[i] != NULL);
        memcpy(owned[i], parts[i].data, parts[i].length);
        memcpy(owned[i] + parts[i].length, "\xfd\xff\xff\xff\x0f", 5);
        uint32_t crc = weft_crc32c(0, owned[i], parts[i].length);
        for (size_t k = 0; k < 4; k++)
            owned[i][parts[i].length + 5 + k] = (uint8_t)(crc >> 8 * k);
        parts[i] = (weft__bytes){owned[i], parts[i].length + TRAILER};
    }
    if (weft__batch_merge(parts, 2, &merged, &merged_length) == WEFT_OK) {
        REQUIRE(merged_length <= parts[0].length + parts[1].length);
        free(merged);
    }
    free(owned[0]);
    free(owned[1]);
}

static void fuzz_topic(const uint8_t *data, size_t size)
{
    char topic[WEFT__TOPIC_MAX_BYTES], escaped[3 * WEFT__TOPIC_MAX_BYTES], back[WEFT__TOPIC_MAX_BYTES];
    weft__topic_parts parts;
    if (size >= sizeof topic)
        return;
    memcpy(topic, data, size);
    topic[size] = '\0';
    weft__topic_escape(escaped, topic);
    REQUIRE(weft__topic_unescape(back, sizeof back, escaped) && strcmp(back, topic) == 0);
    if (weft__topic_unescape(back, sizeof back, topic)) {
        weft__topic_escape(escaped, back);
        REQUIRE(strcmp(escaped, topic) == 0); /* an id has one form only */
    }
    if (weft__topic_parse(topic, &parts) == WEFT_OK && parts.tree == WEFT__TREE_EVT) {
        REQUIRE(weft__topic_evt(back, parts.fabric, parts.topic, parts.sender) == WEFT_OK);
        REQUIRE(strcmp(back, topic) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t kind = data[0] % (MESSAGES + 2);
    if (kind < MESSAGES)
        fuzz_message(kind, data + 1, size - 1);
    else if (kind == MESSAGES)
        fuzz_merge(data + 1, size - 1);
    else
        fuzz_topic(data + 1, size - 1);
    return 0;
}
