/* bridge/codec_record.c: see codec_record.h. */
#include "bridge/codec_record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/codec_reason.h"
#include "bridge/codec_wire.h"
#include "weft/v1/events.pb-c.h"
#include "weft/wire.h"

#define AT(type, base, offset)       (*(type *)((char *)(base) + (offset)))
#define AT_CONST(type, base, offset) (*(type const *)((const char *)(base) + (offset)))

/* ---- lost records ---- */

static const weft__binding lost_bindings[] = {
    WEFT__BIND(U64, weft_lost, Weft__V1__Lost, epoch),
    WEFT__BIND(TOPIC, weft_lost, Weft__V1__Lost, topic),
    WEFT__BIND(U64, weft_lost, Weft__V1__Lost, from_seq),
    WEFT__BIND(U64, weft_lost, Weft__V1__Lost, to_seq),
    WEFT__BIND(U64, weft_lost, Weft__V1__Lost, count),
    WEFT__BIND_LIMIT(CAUSE, weft_lost, Weft__V1__Lost, reason, WEFT_LOST_UNREACHABLE),
};

static const char *lost_complaint(const void *ours)
{
    const weft_lost *lost = ours;
    if (lost->epoch == 0)
        return "epoch";
    return lost->from_seq == 0 || lost->from_seq > lost->to_seq ? "from_seq" : NULL;
}

const weft__record weft__lost_record = {
    .name = "lost",
    .wire = &weft__v1__lost__descriptor,
    .bytes = sizeof(weft_lost),
    .bindings = lost_bindings,
    .binding_count = sizeof lost_bindings / sizeof *lost_bindings,
    .complaint = lost_complaint,
};

/* ---- ours to theirs ---- */

static bool list_store(const weft__list *list, const void *ours, ProtobufCMessage *wire, weft__arena *arena)
{
    size_t count = AT_CONST(size_t, ours, list->count_offset);
    const char *items = AT_CONST(char *, ours, list->offset);
    ProtobufCMessage **messages = weft__arena_alloc(arena, count * sizeof *messages);
    if (messages == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        messages[i] = weft__arena_alloc(arena, list->item->wire->sizeof_message);
        if (messages[i] == NULL || !weft__record_store(list->item, items + i * list->item->bytes, messages[i], arena))
            return false;
    }
    AT(size_t, wire, list->wire_count_offset) = count;
    AT(ProtobufCMessage **, wire, list->wire_offset) = messages;
    return true;
}

static bool part_store(const weft__part *part, const void *ours, ProtobufCMessage *wire, weft__arena *arena)
{
    if (!AT_CONST(bool, ours, part->flag_offset))
        return true;
    ProtobufCMessage *inner = weft__arena_alloc(arena, part->record->wire->sizeof_message);
    AT(ProtobufCMessage *, wire, part->wire_offset) = inner;
    return inner != NULL && weft__record_store(part->record, ours, inner, arena);
}

static void blob_store(const weft__blob *blob, const void *ours, ProtobufCMessage *wire)
{
    ProtobufCBinaryData *data = &AT(ProtobufCBinaryData, wire, blob->wire_offset);
    data->data = (uint8_t *)(uintptr_t)AT_CONST(uint8_t *, ours, blob->offset);
    data->len = data->data != NULL ? AT_CONST(size_t, ours, blob->length_offset) : 0;
}

bool weft__record_store(const weft__record *record, const void *ours, ProtobufCMessage *wire, weft__arena *arena)
{
    protobuf_c_message_init(record->wire, wire);
    if (record->complaint(ours) != NULL || !weft__bind_store(record->bindings, record->binding_count, ours, wire))
        return false;
    for (size_t i = 0; i < record->list_count; i++)
        if (!list_store(&record->lists[i], ours, wire, arena))
            return false;
    if (record->blob != NULL)
        blob_store(record->blob, ours, wire);
    return record->part == NULL || part_store(record->part, ours, wire, arena);
}

static weft_status message_pack(const ProtobufCMessage *message, size_t max, uint8_t **ret, size_t *ret_bytes)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > max)
        return WEFT_TOO_LARGE;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return WEFT_NO_MEMORY;
    *ret_bytes = protobuf_c_message_pack(message, bytes);
    *ret = bytes;
    return WEFT_OK;
}

weft_status weft__record_encode(const weft__record *record, const void *ours, uint8_t **ret, size_t *ret_bytes)
{
    weft__arena arena;
    weft__arena_init(&arena, weft__arena_budget(record->max_length));
    ProtobufCMessage *wire = weft__arena_alloc(&arena, record->wire->sizeof_message);
    weft_status st = WEFT_INVALID;
    if (wire != NULL && weft__record_store(record, ours, wire, &arena))
        st = message_pack(wire, record->max_length, ret, ret_bytes);
    else if (arena.failed)
        st = WEFT_NO_MEMORY;
    else if (arena.refused)
        st = WEFT_TOO_LARGE;
    weft__arena_fini(&arena);
    return st;
}

/* ---- theirs to ours ---- */

weft_status weft__record_load(const weft__record *record, void *ours, const ProtobufCMessage *wire, const char **reason)
{
    const char *culprit;
    weft_status st = weft__bind_load(record->bindings, record->binding_count, ours, wire, &culprit);
    if (st != WEFT_OK) {
        (void)weft__refuse(reason, weft__reason(record->name, culprit, "not a known value"));
        return st;
    }
    culprit = record->complaint(ours);
    if (culprit == NULL)
        return WEFT_OK;
    (void)weft__refuse(reason, weft__reason(record->name, culprit, "makes no sense"));
    return WEFT_MALFORMED;
}

/* Lays out the block: counts while base is NULL, and copies otherwise. */
typedef struct layout {
    char *base;
    size_t used;
} layout;

static void *layout_take(layout *l, size_t bytes)
{
    void *at = l->base != NULL ? l->base + l->used : NULL;
    l->used += (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    return at;
}

static void *layout_copy(layout *l, const void *from, size_t bytes)
{
    void *at = layout_take(l, bytes);
    return at != NULL && bytes > 0 ? memcpy(at, from, bytes) : at;
}

/* Moves what a loaded struct borrows from the message into the block. */
static void strings_move(const weft__record *record, void *ours, layout *l)
{
    for (size_t i = 0; i < record->binding_count; i++) {
        if (record->bindings[i].kind != WEFT__BIND_STRING)
            continue;
        const char **string = &AT(const char *, ours, record->bindings[i].offset);
        if (*string != NULL)
            *string = layout_copy(l, *string, strlen(*string) + 1);
    }
}

static void blob_move(const weft__blob *blob, void *ours, const ProtobufCMessage *wire, layout *l)
{
    const ProtobufCBinaryData *data = &AT_CONST(ProtobufCBinaryData, wire, blob->wire_offset);
    if (data->len == 0)
        return;
    AT(size_t, ours, blob->length_offset) = data->len;
    AT(const uint8_t *, ours, blob->offset) = layout_copy(l, data->data, data->len);
}

static weft_status list_move(const weft__list *list, void *ours, const ProtobufCMessage *wire, layout *l,
                             const char **reason)
{
    size_t count = AT_CONST(size_t, wire, list->wire_count_offset), kept = 0;
    ProtobufCMessage **messages = AT_CONST(ProtobufCMessage **, wire, list->wire_offset);
    char *items = layout_take(l, count * list->item->bytes);
    for (size_t i = 0; i < count; i++) {
        union {
            max_align_t align;
            char bytes[512];
        } scratch = {.bytes = ""};
        assert(list->item->bytes <= sizeof scratch);
        weft_status st = weft__record_load(list->item, &scratch, messages[i], reason);
        if (st == WEFT_UNSUPPORTED)
            continue;
        if (st != WEFT_OK)
            return st;
        strings_move(list->item, &scratch, l);
        if (items != NULL)
            memcpy(items + kept * list->item->bytes, &scratch, list->item->bytes);
        kept++;
    }
    AT(size_t, ours, list->count_offset) = kept;
    AT(const void *, ours, list->offset) = kept > 0 ? items : NULL;
    return WEFT_OK;
}

static weft_status part_load(const weft__part *part, void *ours, const ProtobufCMessage *wire, const char **reason)
{
    const ProtobufCMessage *inner = AT_CONST(ProtobufCMessage *, wire, part->wire_offset);
    AT(bool, ours, part->flag_offset) = inner != NULL;
    return inner != NULL ? weft__record_load(part->record, ours, inner, reason) : WEFT_OK;
}

/* Everything of a record into the layout, at `ours`. A part has no strings of its own. */
static weft_status record_move(const weft__record *record, void *ours, const ProtobufCMessage *wire, layout *l,
                               const char **reason)
{
    weft_status st = weft__record_load(record, ours, wire, reason);
    if (st == WEFT_OK && record->part != NULL)
        st = part_load(record->part, ours, wire, reason);
    if (st != WEFT_OK)
        return st;
    strings_move(record, ours, l);
    if (record->blob != NULL)
        blob_move(record->blob, ours, wire, l);
    for (size_t i = 0; i < record->list_count && st == WEFT_OK; i++)
        st = list_move(&record->lists[i], ours, wire, l, reason);
    return st;
}

static weft_status record_lay_out(const weft__record *record, const ProtobufCMessage *wire, void **ret,
                                  const char **reason)
{
    union {
        max_align_t align;
        char bytes[256];
    } scratch = {.bytes = ""};
    assert(record->bytes <= sizeof scratch);
    layout l = {0};
    (void)layout_take(&l, record->bytes);
    weft_status st = record_move(record, &scratch, wire, &l, reason);
    if (st != WEFT_OK)
        return st;
    l.base = calloc(1, l.used);
    if (l.base == NULL)
        return WEFT_NO_MEMORY;
    l.used = 0;
    void *ours = layout_take(&l, record->bytes);
    (void)record_move(record, ours, wire, &l, reason);
    *ret = ours;
    return WEFT_OK;
}

weft_status weft__record_decode(const weft__record *record, const uint8_t *bytes, size_t length, void **ret,
                                const char **reason)
{
    if (length > record->max_length) {
        (void)weft__refuse(reason, "message larger than allowed");
        return WEFT_TOO_LARGE;
    }
    if (!weft__wire_check(record->wire, bytes, length, record->name, reason))
        return WEFT_MALFORMED;
    weft__arena arena;
    weft__arena_init(&arena, weft__arena_budget(length));
    weft_status st;
    ProtobufCMessage *wire = weft__arena_unpack(&arena, record->wire, bytes, length);
    if (wire != NULL)
        st = record_lay_out(record, wire, ret, reason);
    else
        st = weft__arena_verdict(&arena, record->name, reason);
    weft__arena_fini(&arena);
    return st == WEFT_UNSUPPORTED ? WEFT_MALFORMED : st;
}
