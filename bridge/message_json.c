/* bridge/message_json.c: any message of the fabric as JSON, for people.
 *
 * Events are written by core's writer. The control messages are a loop over the generated description, in the
 * canonical mapping (protobuf.dev, "ProtoJSON Format"): what is 0 or empty is left out. A message is verified as by
 * those who act on it, and must come from the node that its topic names.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base64.h"
#include "bridge/codec_reason.h"
#include "bridge/control_records.h"
#include "bridge/topic_map.h"

static const weft__record *const records[] = {
    [WEFT__TREE_LIVE] = &weft__live_record,   [WEFT__TREE_STATE] = &weft__state_record,
    [WEFT__TREE_BEAT] = &weft__beat_record,   [WEFT__TREE_CMD] = &weft__command_record,
    [WEFT__TREE_REPLY] = &weft__reply_record,
};

static weft_status text_status(const weft_text *text)
{
    return text->failed ? WEFT_NO_MEMORY : WEFT_OK;
}

static weft_status foreign(const char **reason)
{
    (void)weft__refuse(reason, "node: not the one that the topic names");
    return WEFT_MALFORMED;
}

/* ---- events ---- */

static weft_status batch_to_json(const weft__topic_parts *parts, const weft_batch *batch, weft_text *text,
                                 const char **reason)
{
    if (strcmp(batch->node, parts->sender) != 0)
        return foreign(reason);
    if (batch->topic != 0 && batch->topic != parts->topic) {
        (void)weft__refuse(reason, "events[]: not of the topic that carried them");
        return WEFT_MALFORMED;
    }
    for (size_t i = 0; i < batch->event_count; i++) {
        weft_status st = weft_event_to_json(batch->events[i], text);
        if (st != WEFT_OK)
            return st;
        weft_text_append(text, "\n", 1);
    }
    return text_status(text);
}

static weft_status events_to_json(const weft__topic_parts *parts, const uint8_t *bytes, size_t length, weft_text *text,
                                  const char **reason)
{
    weft_batch *batch;
    weft_status st = weft_batch_decode(bytes, length, &batch, reason);
    if (st != WEFT_OK)
        return st;
    st = batch_to_json(parts, batch, text, reason);
    weft_batch_free(batch);
    return st;
}

/* The tap is JSON already, but may be laid out over lines: where JSON has a line break there may be a space instead. */
static weft_status tap_to_json(const uint8_t *bytes, size_t length, weft_text *text, const char **reason)
{
    if (length > WEFT_BATCH_MAX_BYTES)
        return WEFT_TOO_LARGE;
    if (weft_json_check((const char *)bytes, length, WEFT_JSON_MAX_DEPTH) != WEFT_OK) {
        (void)weft__refuse(reason, "not JSON");
        return WEFT_MALFORMED;
    }
    for (size_t i = 0; i < length; i++)
        weft_text_append(text, bytes[i] == '\n' || bytes[i] == '\r' ? " " : (const char *)&bytes[i], 1);
    weft_text_append(text, "\n", 1);
    return text_status(text);
}

/* ---- control messages ---- */

static void put_name(weft_text *text, const char *name, bool first)
{
    weft_text_append(text, first ? "\"" : ",\"", first ? 1 : 2);
    for (; *name != '\0'; name++) {
        bool up = *name == '_' && name[1] >= 'a' && name[1] <= 'z';
        char c = up ? (char)(*++name - 'a' + 'A') : *name;
        weft_text_append(text, &c, 1);
    }
    weft_text_append(text, "\":", 2);
}

static void put_enum(weft_text *text, const ProtobufCEnumDescriptor *values, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(values, value);
    if (known != NULL)
        weft_text_json_string(text, known->name);
    else
        weft_text_printf(text, "%d", value);
}

static void put_bytes(weft_text *text, const ProtobufCBinaryData *data)
{
    char *base64 = malloc(weft__base64_length(data->len) + 1);
    if (base64 == NULL) {
        text->failed = true;
        return;
    }
    weft__base64_encode(base64, data->data, data->len);
    weft_text_printf(text, "\"%s\"", base64);
    free(base64);
}

static void put_message(weft_text *text, const ProtobufCMessage *message);

static void put_value(weft_text *text, const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(text, *(const ProtobufCMessage *const *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        weft_text_json_string(text, *(const char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(text, at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        weft_text_printf(text, "%s", *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(text, field->descriptor, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
        weft_text_printf(text, "\"%" PRId64 "\"", *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        weft_text_printf(text, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        break;
    default: /* the others that proto/ uses have 32 bits and no sign */
        weft_text_printf(text, "%" PRIu32, *(const uint32_t *)at);
        break;
    }
}

static bool is_absent(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at == NULL;
    case PROTOBUF_C_TYPE_STRING:
        return **(const char *const *)at == '\0';
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return *(const uint64_t *)at == 0;
    default:
        return *(const uint32_t *)at == 0;
    }
}

static void put_list(weft_text *text, const ProtobufCFieldDescriptor *field, size_t count, const void *at)
{
    ProtobufCMessage *const *messages = *(ProtobufCMessage *const *const *)at;
    for (size_t i = 0; i < count; i++) {
        weft_text_append(text, i == 0 ? "[" : ",", 1);
        put_value(text, field, &messages[i]);
    }
    weft_text_append(text, "]", 1);
}

static void put_message(weft_text *text, const ProtobufCMessage *message)
{
    bool first = true;
    const char *base = (const char *)message;
    weft_text_append(text, "{", 1);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *at = base + field->offset;
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
        size_t count = list ? *(const size_t *)(const void *)(base + field->quantifier_offset) : 0;
        if (list ? count == 0 : is_absent(field, at))
            continue;
        put_name(text, field->name, first);
        first = false;
        if (list)
            put_list(text, field, count, at);
        else
            put_value(text, field, at);
    }
    weft_text_append(text, "}", 1);
}

static weft_status message_put(const char *topic, const weft__record *record, const uint8_t *bytes, size_t length,
                               weft_text *text, const char **reason)
{
    weft__arena arena;
    weft__arena_init(&arena, weft__arena_budget(length));
    weft_status st;
    const ProtobufCMessage *message = weft__arena_unpack(&arena, record->wire, bytes, length);
    if (message != NULL) {
        weft_text_append(text, "{\"topic\":", 9);
        weft_text_json_string(text, topic);
        weft_text_append(text, ",\"message\":", 11);
        put_message(text, message);
        weft_text_append(text, "}\n", 2);
        st = text_status(text);
    } else {
        st = weft__arena_verdict(&arena, record->name, reason);
    }
    weft__arena_fini(&arena);
    return st;
}

static weft_status control_to_json(const char *topic, const weft__topic_parts *parts, const uint8_t *bytes,
                                   size_t length, weft_text *text, const char **reason)
{
    const weft__record *record = records[parts->tree];
    void *ours;
    weft_status st = weft__record_decode(record, bytes, length, &ours, reason);
    if (st != WEFT_OK)
        return st;
    const char *node = *(const char *const *)(const void *)((const char *)ours + record->bindings[0].offset);
    bool own = strcmp(node, parts->sender) == 0;
    free(ours);
    return own ? message_put(topic, record, bytes, length, text, reason) : foreign(reason);
}

weft_status weft_message_to_json(const char *topic, const uint8_t *bytes, size_t length, weft_text *text,
                                 const char **reason)
{
    weft__topic_parts parts;
    if (weft__topic_parse(topic, &parts) != WEFT_OK || parts.tree == WEFT__TREE_RPC) {
        (void)weft__refuse(reason, "not a topic whose messages are known");
        return WEFT_INVALID;
    }
    if (parts.tree == WEFT__TREE_EVT)
        return events_to_json(&parts, bytes, length, text, reason);
    if (parts.tree == WEFT__TREE_JSON)
        return tap_to_json(bytes, length, text, reason);
    return control_to_json(topic, &parts, bytes, length, text, reason);
}
