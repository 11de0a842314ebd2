#include "support/bridge/reference_bind.h"

#include <assert.h>
#include <pthread.h>

#include "weft/v1/events.pb-c.h"

static struct {
    weft__binding envelope[REFERENCE_FIELDS_MAX];
    size_t envelope_count;
    reference_payload payloads[WEFT_EVENT_TYPE_COUNT];
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
        assert(wire != NULL && bound < REFERENCE_FIELDS_MAX);
        bindings[bound++] = (weft__binding){fields[i].name, kind_of(&fields[i]), values_last(fields[i].values),
                                            fields[i].offset, wire->offset};
    }
    return bound;
}

static void payload_bind(reference_payload *payload, const weft_schema *schema)
{
    const ProtobufCFieldDescriptor *slot =
        protobuf_c_message_descriptor_get_field(&weft__v1__runtime_event__descriptor, schema->number);
    assert(slot != NULL && slot->type == PROTOBUF_C_TYPE_MESSAGE);
    payload->message = slot->descriptor;
    payload->slot_offset = slot->offset;
    payload->case_offset = slot->quantifier_offset;
    payload->binding_count = fields_bind(payload->bindings, schema->fields, schema->field_count, payload->message);
    assert(payload->message->sizeof_message <= REFERENCE_PAYLOAD_MAX_BYTES);
}

static void map_init(void)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    map.envelope_count = fields_bind(map.envelope, envelope, count, &weft__v1__runtime_event__descriptor);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        payload_bind(&map.payloads[type], weft_schema_of((weft_event_type)type));
}

const weft__binding *reference_envelope(size_t *ret_count)
{
    (void)pthread_once(&map_once, map_init);
    *ret_count = map.envelope_count;
    return map.envelope;
}

const reference_payload *reference_payload_of(weft_event_type type)
{
    (void)pthread_once(&map_once, map_init);
    return weft_schema_of(type) != NULL ? &map.payloads[type] : NULL;
}
