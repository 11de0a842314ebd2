/* core/event_plan.c: derives the plans from the schema table, once.
 *
 * Threads    any: made under pthread_once, constant afterwards.
 * Invariant  a plan has room for every field of its type: a test goes over the table. */
#include "core/event_plan.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    SCALAR_BYTES = 12,      /* most that a number takes on the wire, its tag included */
    STRING_EXTRA_BYTES = 4, /* tag and length of a string; its NUL, which does not travel, stands for one more */
};

static weft__plan plans[WEFT_EVENT_TYPE_COUNT]; /* const after once; that of no type has the envelope alone */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool made;

static uint8_t values_count(const weft_field *field)
{
    uint8_t count = 0;
    while (field->values != NULL && field->values[count] != NULL)
        count++;
    return count;
}

static void plan_add_string(weft__plan *plan, const weft_field *field)
{
    assert(plan->string_count < WEFT__PLAN_STRINGS_MAX);
    plan->strings[plan->string_count] = (weft__plan_string){
        .offset = (uint16_t)field->offset,
        .max_bytes = field->kind == WEFT_FIELD_ID ? WEFT_ID_MAX_BYTES : WEFT_EVENT_MAX_BYTES,
        .is_json = field->kind == WEFT_FIELD_JSON,
        .required = field->required,
    };
    plan->string_fields[plan->string_count++] = field;
    plan->wire_bytes += STRING_EXTRA_BYTES;
}

static void plan_add_scalar(weft__plan *plan, const weft_field *field)
{
    uint8_t values = values_count(field);
    plan->wire_bytes += SCALAR_BYTES;
    if (values == 0 && field->kind != WEFT_FIELD_TIME && field->kind != WEFT_FIELD_F64)
        return;
    assert(plan->scalar_count < WEFT__PLAN_SCALARS_MAX);
    plan->scalars[plan->scalar_count] = (weft__plan_scalar){
        .offset = (uint16_t)field->offset,
        .kind = (uint8_t)field->kind,
        .values = values,
        .required = field->required,
        .not_negative = field->not_negative,
    };
    plan->scalar_fields[plan->scalar_count++] = field;
}

/* A string of the envelope that the variant does not go without. */
static void plan_require(weft__plan *plan, const weft_field *shared)
{
    for (unsigned i = 0; i < plan->string_count; i++)
        plan->strings[i].required |= plan->strings[i].offset == shared->offset && shared->required;
}

static void plan_add(weft__plan *plan, const weft_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].number == 0)
            plan_require(plan, &fields[i]);
        else if (weft__field_is_string(&fields[i]))
            plan_add_string(plan, &fields[i]);
        else
            plan_add_scalar(plan, &fields[i]);
    }
}

static void plans_make(void)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    for (int type = 0; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        plans[type].type = (weft_event_type)type;
        plans[type].wire_bytes = SCALAR_BYTES; /* the event's own tag and length, and its payload's */
        plan_add(&plans[type], envelope, count);
        if (schema == NULL)
            continue;
        plan_add(&plans[type], schema->fields, schema->field_count);
        plans[type].misfit = schema->misfit;
    }
    atomic_store_explicit(&made, true, memory_order_release);
}

/* The flag is what publishing reads: pthread_once costs a call more. */
const weft__plan *weft__plan_of(weft_event_type type)
{
    if (!atomic_load_explicit(&made, memory_order_acquire))
        (void)pthread_once(&once, plans_make);
    return &plans[(unsigned)type < WEFT_EVENT_TYPE_COUNT ? type : WEFT_EVENT_NONE];
}
