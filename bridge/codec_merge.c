/* bridge/codec_merge.c: several encoded batches as one, without unpacking an event: only the top level is read. */
#include <stdlib.h>
#include <string.h>

#include "bridge/codec_wire.h"
#include "bridge/control.h"

enum { NODE_FIELD = 1, EPOCH_FIELD, PREV_SEQ_FIELD, EVENTS_FIELD, LOST_FIELD };

typedef struct header {
    const uint8_t *node;
    size_t node_bytes;
    uint64_t epoch;
} header;

/* Verifies one part and reads whose it is. */
static weft_status part_check(const weft__bytes *part, header *h)
{
    size_t body;
    bool checked;
    weft_status st = weft__crc_verify(part->data, part->length, &body, &checked);
    if (st != WEFT_OK || !checked)
        return WEFT_CORRUPT;
    weft__wire_reader reader = {part->data, part->data + body};
    weft__wire_field field;
    while (weft__wire_next(&reader, &field)) {
        if (field.number == NODE_FIELD && field.type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            h->node = field.data;
            h->node_bytes = field.length;
        } else if (field.number == EPOCH_FIELD && field.type == PROTOBUF_C_WIRE_TYPE_VARINT) {
            h->epoch = field.value;
        }
    }
    return reader.next == reader.end && h->node_bytes > 0 && h->epoch != 0 ? WEFT_OK : WEFT_MALFORMED;
}

static bool same_stream(const header *a, const header *b)
{
    return a->epoch == b->epoch && a->node_bytes == b->node_bytes && memcmp(a->node, b->node, a->node_bytes) == 0;
}

/* Copies the fields numbered first to last of a part, tags and all. */
static uint8_t *fields_copy(uint8_t *out, const weft__bytes *part, uint32_t first, uint32_t last)
{
    weft__wire_reader reader = {part->data, part->data + part->length - WEFT__CRC_BYTES};
    weft__wire_field field;
    while (weft__wire_next(&reader, &field)) {
        if (field.number < first || field.number > last)
            continue;
        size_t bytes = (size_t)(reader.next - field.start);
        memcpy(out, field.start, bytes);
        out += bytes;
    }
    return out;
}

static weft_status parts_check(const weft__bytes *parts, size_t count, size_t *ret_bytes)
{
    header first = {0};
    weft_status st = count > 0 ? part_check(&parts[0], &first) : WEFT_MALFORMED;
    size_t bytes = count > 0 ? parts[0].length : 0;
    for (size_t i = 1; i < count && st == WEFT_OK; i++) {
        header h = {0};
        st = part_check(&parts[i], &h);
        if (st == WEFT_OK && !same_stream(&first, &h))
            st = WEFT_MALFORMED;
        bytes += parts[i].length;
    }
    *ret_bytes = bytes;
    return st;
}

weft_status weft__batch_merge(const weft__bytes *parts, size_t count, uint8_t **ret, size_t *ret_bytes)
{
    size_t bound;
    weft_status st = parts_check(parts, count, &bound);
    if (st != WEFT_OK)
        return st;
    uint8_t *bytes = malloc(bound);
    if (bytes == NULL)
        return WEFT_NO_MEMORY;
    uint8_t *end = fields_copy(bytes, &parts[0], NODE_FIELD, PREV_SEQ_FIELD);
    for (uint32_t field = EVENTS_FIELD; field <= LOST_FIELD; field++)
        for (size_t i = 0; i < count; i++)
            end = fields_copy(end, &parts[i], field, field);
    end = weft__crc_append(bytes, (size_t)(end - bytes), end);
    *ret = bytes;
    *ret_bytes = (size_t)(end - bytes);
    return WEFT_OK;
}
