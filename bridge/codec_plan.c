/* bridge/codec_plan.c: derives the steps from the schema table, once.
 *
 * That the table's numbers are those of proto/ is held by a test, as is that there is room for every variant.
 * Threads    any: made under pthread_once, constant afterwards. */
#include "bridge/codec_plan.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bridge/codec_wire.h"
#include "core/event_plan.h"

enum { TAGS_NUMBER = 13, ATTRIBUTES_NUMBER = 14, TAG_MAX_BYTES = 2, LENGTH_MAX_BYTES = 5 };

static weft__steps envelope;                        /* const after once */
static weft__steps payloads[WEFT_EVENT_TYPE_COUNT]; /* const after once */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool made;

static uint32_t values_last(const char *const *values)
{
    uint32_t count = 0;
    while (values != NULL && values[count] != NULL)
        count++;
    return count > 0 ? count - 1 : 0;
}

static weft__form form_of(const weft_field *field)
{
    switch (field->kind) {
    case WEFT_FIELD_BOOL:
        return WEFT__FORM_BOOL;
    case WEFT_FIELD_U32:
        return field->values != NULL ? WEFT__FORM_LEVEL : WEFT__FORM_U32;
    case WEFT_FIELD_U64:
        return WEFT__FORM_U64;
    case WEFT_FIELD_TIME:
        return WEFT__FORM_TIME;
    case WEFT_FIELD_F64:
        return WEFT__FORM_F64;
    case WEFT_FIELD_ENUM:
        return WEFT__FORM_ENUM;
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        break;
    }
    return WEFT__FORM_STRING;
}

static ProtobufCWireType wire_type_of(weft__form form)
{
    switch (form) {
    case WEFT__FORM_STRING:
    case WEFT__FORM_TAGS:
    case WEFT__FORM_ATTRIBUTES:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case WEFT__FORM_F64:
    case WEFT__FORM_TIME:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

static uint8_t string_place(weft_event_type type, const weft_field *field)
{
    const weft__plan *plan = weft__plan_of(type);
    for (unsigned i = 0; i < plan->string_count; i++)
        if (plan->strings[i].offset == field->offset)
            return (uint8_t)i;
    return 0;
}

static uint8_t tag_make(uint8_t tag[2], unsigned number, ProtobufCWireType wire_type)
{
    uint32_t value = number << 3 | (uint32_t)wire_type;
    assert(weft__varint_bytes(value) <= TAG_MAX_BYTES);
    return (uint8_t)(weft__varint_write(tag, value) - tag);
}

static weft__step *step_add(weft__steps *to, unsigned number, weft__form form, const char *name)
{
    assert(to->count < WEFT__STEPS_MAX && number <= WEFT__STEP_NUMBER_MAX);
    weft__step *step = &to->all[to->count];
    *step = (weft__step){.form = (uint8_t)form, .wire_type = (uint8_t)wire_type_of(form), .name = name};
    step->tag_bytes = tag_make(step->tag, number, wire_type_of(form));
    if (form == WEFT__FORM_TIME || form == WEFT__FORM_ENUM || form == WEFT__FORM_LEVEL)
        to->checked[to->checked_count++] = (uint8_t)to->count;
    to->extra_bytes += TAG_MAX_BYTES;
    to->extra_bytes += form == WEFT__FORM_STRING ? LENGTH_MAX_BYTES : WEFT__VARINT_MAX_BYTES;
    to->place[number] = (uint8_t)++to->count;
    if (step->tag_bytes == 1)
        to->place_of_tag[step->tag[0]] = to->place[number];
    return step;
}

static void field_add(weft__steps *to, const weft_field *field)
{
    weft__form form = form_of(field);
    weft__step *step = step_add(to, field->number, form, field->name);
    step->offset = (uint16_t)field->offset;
    step->limit = values_last(field->values);
    if (form == WEFT__FORM_STRING)
        step->string = string_place(to->type, field);
}

static void envelope_make(void)
{
    size_t count;
    const weft_field *fields = weft_envelope_fields(&count);
    bool listed = false;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].number > ATTRIBUTES_NUMBER && !listed) {
            (void)step_add(&envelope, TAGS_NUMBER, WEFT__FORM_TAGS, "tags");
            (void)step_add(&envelope, ATTRIBUTES_NUMBER, WEFT__FORM_ATTRIBUTES, "attributes");
            listed = true;
        }
        field_add(&envelope, &fields[i]);
    }
    assert(listed);
    envelope.extra_bytes += 2 * (TAG_MAX_BYTES + LENGTH_MAX_BYTES); /* of the event itself, and of its payload */
}

static void payload_make(weft__steps *to, const weft_schema *schema)
{
    to->name = schema->name;
    to->type = schema->type;
    to->topic = schema->topic;
    (void)tag_make(to->tag, schema->number, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].number != 0)
            field_add(to, &schema->fields[i]);
}

static void steps_make(void)
{
    envelope_make();
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        payload_make(&payloads[type], weft_schema_of((weft_event_type)type));
    atomic_store_explicit(&made, true, memory_order_release);
}

/* The flag is what each event reads: pthread_once costs a call more. */
static inline void steps_need(void)
{
    if (!atomic_load_explicit(&made, memory_order_acquire))
        (void)pthread_once(&once, steps_make);
}

const weft__steps *weft__envelope_steps(void)
{
    steps_need();
    return &envelope;
}

const weft__steps *weft__payload_steps(weft_event_type type)
{
    steps_need();
    return weft_schema_of(type) != NULL ? &payloads[type] : NULL;
}

const weft__steps *weft__payload_steps_by_number(unsigned number)
{
    const weft_schema *schema = weft_schema_by_number(number);
    steps_need();
    return schema != NULL ? &payloads[schema->type] : NULL;
}
