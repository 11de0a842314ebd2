/* bridge/codec_bind.c: see codec_bind.h. That the schema and proto/ name the same fields is an invariant of the tree,
 * held by a test and asserted here; it cannot depend on input. */
#include "bridge/codec_bind.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "weft/v1/events.pb-c.h"

static struct {
    weft__binding envelope[WEFT__BIND_FIELDS_MAX];
    size_t envelope_count;
    weft__payload_map payloads[WEFT_EVENT_TYPE_COUNT];
} map;
static pthread_once_t map_once = PTHREAD_ONCE_INIT;

/* ---- making the map ---- */

static uint32_t values_last(const char *const *values)
{
    uint32_t count = 0;
    while (values != NULL && values[count] != NULL)
        count++;
    return count > 0 ? count - 1 : 0;
}

static weft__bind_kind kind_of(const weft_field *field)
{
    switch (field->kind) {
    case WEFT_FIELD_BOOL:
        return WEFT__BIND_BOOL;
    case WEFT_FIELD_U32:
        return field->values != NULL ? WEFT__BIND_LEVEL : WEFT__BIND_U32;
    case WEFT_FIELD_U64:
        return WEFT__BIND_U64;
    case WEFT_FIELD_TIME:
        return WEFT__BIND_TIME;
    case WEFT_FIELD_F64:
        return WEFT__BIND_F64;
    case WEFT_FIELD_ENUM:
        return WEFT__BIND_ENUM;
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        break;
    }
    return WEFT__BIND_STRING;
}

static size_t fields_bind(weft__binding *bindings, const weft_field *fields, size_t count,
                          const ProtobufCMessageDescriptor *message)
{
    size_t bound = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].number == 0)
            continue;
        const ProtobufCFieldDescriptor *wire = protobuf_c_message_descriptor_get_field(message, fields[i].number);
        assert(wire != NULL && bound < WEFT__BIND_FIELDS_MAX);
        bindings[bound++] = (weft__binding){fields[i].name, kind_of(&fields[i]), values_last(fields[i].values),
                                            fields[i].offset, wire->offset};
    }
    return bound;
}

static void payload_bind(weft__payload_map *payload, const weft_schema *schema)
{
    const ProtobufCFieldDescriptor *slot =
        protobuf_c_message_descriptor_get_field(&weft__v1__runtime_event__descriptor, schema->number);
    assert(slot != NULL && slot->type == PROTOBUF_C_TYPE_MESSAGE);
    payload->message = slot->descriptor;
    payload->slot_offset = slot->offset;
    payload->case_offset = slot->quantifier_offset;
    payload->binding_count = fields_bind(payload->bindings, schema->fields, schema->field_count, payload->message);
    assert(payload->message->sizeof_message <= WEFT__PAYLOAD_BYTES_MAX);
}

static void map_init(void)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    map.envelope_count = fields_bind(map.envelope, envelope, count, &weft__v1__runtime_event__descriptor);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        payload_bind(&map.payloads[type], weft_schema_of((weft_event_type)type));
}

const weft__binding *weft__envelope_bindings(size_t *ret_count)
{
    (void)pthread_once(&map_once, map_init);
    *ret_count = map.envelope_count;
    return map.envelope;
}

const weft__payload_map *weft__payload_map_of(weft_event_type type)
{
    (void)pthread_once(&map_once, map_init);
    return weft_schema_of(type) != NULL ? &map.payloads[type] : NULL;
}

/* ---- ours to theirs ---- */

static bool store_one(const weft__binding *b, const char *ours, char *wire)
{
    ours += b->offset;
    wire += b->wire_offset;
    switch (b->kind) {
    case WEFT__BIND_STRING:
        *(const char **)wire = *(const char *const *)ours;
        return true;
    case WEFT__BIND_BOOL:
        *(protobuf_c_boolean *)wire = *(const bool *)ours;
        return true;
    case WEFT__BIND_U32:
        *(uint32_t *)wire = *(const uint32_t *)ours;
        return true;
    case WEFT__BIND_ENUM:
    case WEFT__BIND_LEVEL:
    case WEFT__BIND_CAUSE:
        *(uint32_t *)wire = *(const uint32_t *)ours;
        return *(const uint32_t *)ours <= b->limit;
    case WEFT__BIND_TOPIC:
        *(uint32_t *)wire = weft_topic_number((weft_topic) * (const uint32_t *)ours);
        return *(uint32_t *)wire != 0;
    case WEFT__BIND_TOPIC_OR_NONE:
        *(uint32_t *)wire = *(const uint32_t *)ours != 0 ? weft_topic_number((weft_topic) * (const uint32_t *)ours) : 0;
        return true;
    case WEFT__BIND_TIME:
        memcpy(wire, ours, sizeof(uint64_t));
        return *(const int64_t *)ours >= 0;
    case WEFT__BIND_U64:
    case WEFT__BIND_I64:
    case WEFT__BIND_F64:
        memcpy(wire, ours, sizeof(uint64_t));
        return true;
    }
    return false;
}

bool weft__bind_store(const weft__binding *bindings, size_t count, const void *ours, void *wire)
{
    for (size_t i = 0; i < count; i++)
        if (!store_one(&bindings[i], ours, wire))
            return false;
    return true;
}

/* ---- theirs to ours ---- */

static weft_status load_topic(weft_topic *ours, uint32_t number)
{
    *ours = weft_topic_from_number(number);
    if (*ours != 0)
        return WEFT_OK;
    return number == 0 ? WEFT_MALFORMED : WEFT_UNSUPPORTED;
}

static weft_status load_limited(const weft__binding *b, uint32_t *ours, uint32_t value)
{
    if (value > b->limit && b->kind == WEFT__BIND_ENUM)
        return WEFT_MALFORMED;
    if (value > b->limit)
        value = b->kind == WEFT__BIND_LEVEL ? b->limit : 0;
    *ours = value;
    return WEFT_OK;
}

static weft_status load_one(const weft__binding *b, char *ours, const char *wire)
{
    const char *string;
    ours += b->offset;
    wire += b->wire_offset;
    switch (b->kind) {
    case WEFT__BIND_STRING:
        string = *(const char *const *)wire;
        *(const char **)ours = string != NULL && *string != '\0' ? string : NULL;
        return WEFT_OK;
    case WEFT__BIND_BOOL:
        *(bool *)ours = *(const protobuf_c_boolean *)wire != 0;
        return WEFT_OK;
    case WEFT__BIND_U32:
        *(uint32_t *)ours = *(const uint32_t *)wire;
        return WEFT_OK;
    case WEFT__BIND_ENUM:
    case WEFT__BIND_LEVEL:
    case WEFT__BIND_CAUSE:
        return load_limited(b, (uint32_t *)ours, *(const uint32_t *)wire);
    case WEFT__BIND_TOPIC:
        return load_topic((weft_topic *)ours, *(const uint32_t *)wire);
    case WEFT__BIND_TOPIC_OR_NONE:
        *(weft_topic *)ours = 0;
        return *(const uint32_t *)wire != 0 ? load_topic((weft_topic *)ours, *(const uint32_t *)wire) : WEFT_OK;
    case WEFT__BIND_TIME:
        memcpy(ours, wire, sizeof(uint64_t));
        return *(const int64_t *)ours >= 0 ? WEFT_OK : WEFT_MALFORMED;
    case WEFT__BIND_U64:
    case WEFT__BIND_I64:
    case WEFT__BIND_F64:
        memcpy(ours, wire, sizeof(uint64_t));
        return WEFT_OK;
    }
    return WEFT_MALFORMED;
}

weft_status weft__bind_load(const weft__binding *bindings, size_t count, void *ours, const void *wire,
                            const char **ret_culprit)
{
    for (size_t i = 0; i < count; i++) {
        weft_status st = load_one(&bindings[i], ours, wire);
        if (st != WEFT_OK) {
            *ret_culprit = bindings[i].name;
            return st;
        }
    }
    return WEFT_OK;
}
