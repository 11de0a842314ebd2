#include "support/bridge/batch_difference.h"

#include <string.h>

#include "support/event_maker.h"

static bool absent_alike(const weft_field *fields, size_t count, const weft_event *a, const weft_event *b)
{
    for (size_t i = 0; i < count; i++) {
        const char *x = (const char *)a + fields[i].offset, *y = (const char *)b + fields[i].offset;
        if (fields[i].kind <= WEFT_FIELD_JSON && (*(const char *const *)x == NULL) != (*(const char *const *)y == NULL))
            return false;
    }
    return true;
}

static bool attributes_absent_alike(const weft_event *a, const weft_event *b)
{
    for (size_t i = 0; i < a->attribute_count; i++)
        if ((a->attributes[i].value == NULL) != (b->attributes[i].value == NULL))
            return false;
    return true;
}

static const char *kept_difference(const weft_event *a, const weft_event *b)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    const char *difference = event_difference(a, b);
    if (difference != NULL)
        return difference;
    const weft_schema *schema = weft_schema_of(a->type);
    if (!absent_alike(envelope, count, a, b) || !absent_alike(schema->fields, schema->field_count, a, b) ||
        !attributes_absent_alike(a, b))
        return "absent strings";
    if (strcmp(a->id.node, b->id.node) != 0 || a->id.epoch != b->id.epoch)
        return "id";
    return weft_event_kept_bytes(a) == weft_event_kept_bytes(b) ? NULL : "kept bytes";
}

static bool lost_same(const weft_lost *a, const weft_lost *b)
{
    return strcmp(a->node, b->node) == 0 && a->epoch == b->epoch && a->topic == b->topic &&
           a->from_seq == b->from_seq && a->to_seq == b->to_seq && a->count == b->count && a->reason == b->reason;
}

const char *batch_difference(const weft_batch *a, const weft_batch *b)
{
    const char *difference = NULL;
    if (strcmp(a->node, b->node) != 0 || a->epoch != b->epoch || a->prev_seq != b->prev_seq || a->topic != b->topic ||
        a->checked != b->checked)
        return "header";
    if (a->event_count != b->event_count || a->lost_count != b->lost_count)
        return "counts";
    for (size_t i = 0; i < a->event_count && difference == NULL; i++)
        difference = kept_difference(a->events[i], b->events[i]);
    for (size_t i = 0; i < a->lost_count && difference == NULL; i++)
        difference = lost_same(&a->lost[i], &b->lost[i]) ? NULL : "lost";
    return difference;
}
