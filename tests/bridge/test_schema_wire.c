/* tests/bridge/test_schema_wire.c: the schema table in core and the messages in proto/ say the same, name by name, type
 * by type, in both directions. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bridge/codec_plan.h"
#include "support/suite.h"
#include "weft/dispatcher.h"
#include "weft/v1/control.pb-c.h"

#define EVENT (&weft__v1__runtime_event__descriptor)

enum { PAYLOAD_FIRST = 100, PAYLOAD_LAST = 999 };

/* "session_id" → "sessionId", as the canonical JSON mapping has it. */
static const char *lower_camel(const char *name)
{
    static char out[64];
    size_t length = 0;
    for (; *name != '\0' && length + 1 < sizeof out; name++) {
        bool up = *name == '_';
        name += up;
        out[length++] = (char)(up ? toupper((unsigned char)*name) : *name);
    }
    out[length] = '\0';
    return out;
}

static bool type_fits(const weft_field *field, const ProtobufCFieldDescriptor *wire)
{
    switch (field->kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        return wire->type == PROTOBUF_C_TYPE_STRING;
    case WEFT_FIELD_BOOL:
        return wire->type == PROTOBUF_C_TYPE_BOOL;
    case WEFT_FIELD_U32:
        return wire->type == PROTOBUF_C_TYPE_UINT32;
    case WEFT_FIELD_U64:
        return wire->type == PROTOBUF_C_TYPE_UINT64;
    case WEFT_FIELD_TIME:
        return wire->type == PROTOBUF_C_TYPE_FIXED64;
    case WEFT_FIELD_F64:
        return wire->type == PROTOBUF_C_TYPE_DOUBLE;
    case WEFT_FIELD_ENUM:
        return wire->type == PROTOBUF_C_TYPE_ENUM;
    }
    return false;
}

/* "SESSION_STATUS_IDLE" is the schema's "SESSION_STATUS_" and "idle". */
static bool value_named(const ProtobufCEnumValue *value, const char *prefix, const char *name)
{
    size_t length = strlen(prefix);
    if (strncmp(value->name, prefix, length) != 0 || strlen(value->name) != length + strlen(name))
        return false;
    for (size_t i = 0; name[i] != '\0'; i++)
        if (value->name[length + i] != toupper((unsigned char)name[i]))
            return false;
    return true;
}

static void check_values(const weft_field *field, const ProtobufCFieldDescriptor *wire)
{
    const ProtobufCEnumDescriptor *values = wire->descriptor;
    unsigned count = 0;
    for (; field->values != NULL && field->values[count] != NULL; count++) {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(values, (int)count);
        CU_ASSERT_PTR_NOT_NULL_FATAL(value);
        CU_ASSERT_TRUE(value_named(value, field->value_prefix, field->values[count]));
    }
    CU_ASSERT_EQUAL(count, values->n_values);
}

static void check_field(const weft_field *field, const ProtobufCMessageDescriptor *message)
{
    const ProtobufCFieldDescriptor *wire = protobuf_c_message_descriptor_get_field(message, field->number);
    CU_ASSERT_STRING_EQUAL(field->json_name, lower_camel(field->name));
    if (wire == NULL)
        CU_FAIL_FATAL(field->name);
    CU_ASSERT_STRING_EQUAL(wire->name, field->name);
    CU_ASSERT_EQUAL(wire->label, PROTOBUF_C_LABEL_NONE);
    if (!type_fits(field, wire))
        CU_FAIL(field->name);
    if (field->kind == WEFT_FIELD_ENUM)
        check_values(field, wire);
}

static const weft_field *find_field(const weft_field *fields, size_t count, unsigned number)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].number == number)
            return &fields[i];
    return NULL;
}

static void every_field_of_a_variant_is_in_its_message(void)
{
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        const ProtobufCFieldDescriptor *slot = protobuf_c_message_descriptor_get_field(EVENT, schema->number);
        if (slot == NULL)
            CU_FAIL_FATAL(schema->name);
        CU_ASSERT_STRING_EQUAL(slot->name, schema->name);
        CU_ASSERT_STRING_EQUAL(schema->json_name, lower_camel(schema->name));
        CU_ASSERT_EQUAL(slot->type, PROTOBUF_C_TYPE_MESSAGE);
        CU_ASSERT_TRUE(slot->flags & PROTOBUF_C_FIELD_FLAG_ONEOF);
        for (size_t i = 0; i < schema->field_count; i++)
            if (schema->fields[i].number != 0)
                check_field(&schema->fields[i], slot->descriptor);
    }
}

static void every_message_of_the_payload_is_in_the_schema(void)
{
    size_t payloads = 0;
    for (unsigned i = 0; i < EVENT->n_fields; i++) {
        const ProtobufCFieldDescriptor *slot = &EVENT->fields[i];
        if (!(slot->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            continue;
        const weft_schema *schema = weft_schema_by_number(slot->id);
        const ProtobufCMessageDescriptor *message = slot->descriptor;
        if (schema == NULL)
            CU_FAIL_FATAL(slot->name);
        CU_ASSERT(slot->id >= PAYLOAD_FIRST && slot->id <= PAYLOAD_LAST);
        for (unsigned k = 0; k < message->n_fields; k++)
            if (find_field(schema->fields, schema->field_count, message->fields[k].id) == NULL)
                CU_FAIL(message->fields[k].name);
        payloads++;
    }
    CU_ASSERT_EQUAL(payloads, WEFT_EVENT_TYPE_COUNT - 1);
}

static void the_envelope_is_the_same_on_both_sides(void)
{
    size_t count, lists = 0;
    const weft_field *envelope = weft_envelope_fields(&count);
    for (size_t i = 0; i < count; i++)
        check_field(&envelope[i], EVENT);
    for (unsigned i = 0; i < EVENT->n_fields; i++) {
        const ProtobufCFieldDescriptor *wire = &EVENT->fields[i];
        if (wire->label == PROTOBUF_C_LABEL_REPEATED)
            lists++; /* tags, attributes: no rows of the table */
        else if (!(wire->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && find_field(envelope, count, wire->id) == NULL)
            CU_FAIL(wire->name);
    }
    CU_ASSERT_EQUAL(lists, 2);
}

static void check_step(const weft__steps *steps, const weft_field *field)
{
    CU_ASSERT_FATAL(field->number <= WEFT__STEP_NUMBER_MAX && field->offset <= UINT16_MAX);
    const weft__step *step = weft__step_by_number(steps, field->number);
    if (step == NULL || step->name != field->name || step->offset != field->offset)
        CU_FAIL_FATAL(field->name);
    CU_ASSERT((step->tag[0] & 7) == step->wire_type);
}

static void the_codec_has_a_step_for_every_field(void)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    CU_ASSERT(count + 2 <= WEFT__STEPS_MAX);
    for (size_t i = 0; i < count; i++)
        check_step(weft__envelope_steps(), &envelope[i]);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        CU_ASSERT(schema->field_count <= WEFT__STEPS_MAX);
        for (size_t i = 0; i < schema->field_count; i++)
            if (schema->fields[i].number != 0)
                check_step(weft__payload_steps((weft_event_type)type), &schema->fields[i]);
    }
}

static void topics_have_the_same_numbers_and_names(void)
{
    const ProtobufCEnumDescriptor *topics = &weft__v1__topic__descriptor;
    CU_ASSERT_EQUAL(topics->n_values, WEFT_TOPIC_MAX);
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(topics, (int)number);
        CU_ASSERT_PTR_NOT_NULL_FATAL(value);
        CU_ASSERT_TRUE(value_named(value, "TOPIC_", weft_topic_name(weft_topic_from_number(number))));
    }
}

static void statuses_and_reasons_have_the_same_numbers(void)
{
    static const struct {
        int ours, wire;
    } pairs[] = {
        {WEFT_SESSION_UNSPECIFIED, WEFT__V1__SESSION_STATUS__SESSION_STATUS_UNSPECIFIED},
        {WEFT_SESSION_IDLE, WEFT__V1__SESSION_STATUS__SESSION_STATUS_IDLE},
        {WEFT_SESSION_BUSY, WEFT__V1__SESSION_STATUS__SESSION_STATUS_BUSY},
        {WEFT_SESSION_RETRY, WEFT__V1__SESSION_STATUS__SESSION_STATUS_RETRY},
        {WEFT_LOST_UNSPECIFIED, WEFT__V1__LOST_REASON__LOST_REASON_UNSPECIFIED},
        {WEFT_LOST_RETENTION, WEFT__V1__LOST_REASON__LOST_REASON_RETENTION},
        {WEFT_LOST_OVERFLOW, WEFT__V1__LOST_REASON__LOST_REASON_OVERFLOW},
        {WEFT_LOST_TOO_LARGE, WEFT__V1__LOST_REASON__LOST_REASON_TOO_LARGE},
        {WEFT_LOST_CORRUPT, WEFT__V1__LOST_REASON__LOST_REASON_CORRUPT},
        {WEFT_LOST_UNREACHABLE, WEFT__V1__LOST_REASON__LOST_REASON_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        CU_ASSERT_EQUAL(pairs[i].ours, pairs[i].wire);
    CU_ASSERT_EQUAL(weft__v1__session_status__descriptor.n_values, WEFT_SESSION_RETRY + 1);
    CU_ASSERT_EQUAL(weft__v1__lost_reason__descriptor.n_values, WEFT_LOST_UNREACHABLE + 1);
}

/* How deep a message's declared messages go; a message inside itself would never end. */
static int depth_of(const ProtobufCMessageDescriptor *message, int level)
{
    int deepest = level;
    if (level > 16)
        return level;
    for (unsigned i = 0; i < message->n_fields; i++) {
        if (message->fields[i].type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        int depth = depth_of(message->fields[i].descriptor, level + 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static void no_message_contains_itself(void)
{
    CU_ASSERT_EQUAL(depth_of(&weft__v1__event_batch__descriptor, 1), 3);
    CU_ASSERT_EQUAL(depth_of(&weft__v1__live__descriptor, 1), 2);
    CU_ASSERT_EQUAL(depth_of(&weft__v1__state__descriptor, 1), 2);
    CU_ASSERT_EQUAL(depth_of(&weft__v1__beat__descriptor, 1), 2);
    CU_ASSERT_EQUAL(depth_of(&weft__v1__command__descriptor, 1), 2);
    CU_ASSERT_EQUAL(depth_of(&weft__v1__reply__descriptor, 1), 2);
}

SUITE(bridge_schema_wire, CASE(every_field_of_a_variant_is_in_its_message),
      CASE(every_message_of_the_payload_is_in_the_schema), CASE(the_envelope_is_the_same_on_both_sides),
      CASE(the_codec_has_a_step_for_every_field), CASE(topics_have_the_same_numbers_and_names),
      CASE(statuses_and_reasons_have_the_same_numbers), CASE(no_message_contains_itself))
