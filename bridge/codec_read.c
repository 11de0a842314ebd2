/* bridge/codec_read.c: see codec_read.h.
 *
 * Every field of the message and of the messages in it is looked at where it stands, and its value stored at once; the
 * last of several counts. What can be said only of values (limits, times) is said when all bytes have been seen, so
 * that the reasons do not depend on the order of the fields. */
#include "bridge/codec_read.h"

#include <endian.h>
#include <string.h>

#include "bridge/codec_plan.h"
#include "bridge/codec_reason.h"
#include "bridge/codec_unknown.h"
#include "bridge/codec_wire.h"
#include "core/utf8.h"
#include "weft/json.h"

static const char where_event[] = "events[]";
static const char where_attribute[] = "attributes";
static const char bad_text[] = "invalid UTF-8, or a NUL";
static const char wrong_type[] = "wrong wire type";
static const char damaged[] = "damaged field";

typedef struct text {
    const char *at;
    size_t length;
} text;

/* ---- bytes ---- */

static const uint8_t *refuse(const weft__read *r, const char *where, const char *field, const char *what)
{
    (void)weft__refuse(r->reason, weft__reason(where, field, what));
    return NULL;
}

static inline bool text_good(text t)
{
    return weft__is_ascii_text(t.at, t.length) || weft_utf8_valid(t.at, t.length);
}

/* Reads a length and what it announces; NULL if there is less. */
static inline const uint8_t *text_take(const uint8_t *at, const uint8_t *end, text *ret)
{
    uint64_t length;
    at = weft__varint_take(at, end, WEFT__TAG_MAX_BYTES, &length);
    if (at == NULL || length > (size_t)(end - at))
        return NULL;
    *ret = (text){(const char *)at, (size_t)length};
    return at + length;
}

static inline const uint8_t *fixed64_take(const uint8_t *at, const uint8_t *end, char *to)
{
    uint64_t value;
    if ((size_t)(end - at) < sizeof value)
        return NULL;
    memcpy(&value, at, sizeof value);
    value = le64toh(value);
    memcpy(to, &value, sizeof value);
    return at + sizeof value;
}

/* As the generated code, looks at all bits, also at those that no number has. */
static inline const uint8_t *bool_take(const uint8_t *at, const uint8_t *end, bool *to)
{
    uint64_t value;
    unsigned all = 0;
    const uint8_t *next = weft__varint_take(at, end, WEFT__VARINT_MAX_BYTES, &value);
    for (; at < next; at++)
        all |= *at;
    *to = (all & 0x7f) != 0;
    return next;
}

/* ---- lists ---- */

static void tag_store(weft__read *r, text tag)
{
    size_t place = r->event.tag_count;
    if (place > WEFT_TAGS_MAX)
        return;
    r->tags[place] = tag.at;
    r->tag_sizes[place] = tag.length + 1;
    r->layout.bytes += tag.length + 1;
    r->event.tags = r->tags;
    r->event.tag_count++;
}

static void attribute_store(weft__read *r, text key, text value)
{
    size_t place = r->event.attribute_count;
    if (place > WEFT_ATTRIBUTES_MAX)
        return;
    r->attributes[place] = (weft_attribute){key.at, value.at};
    r->attribute_sizes[place] = (weft__attribute_sizes){key.length + 1, value.length + 1};
    r->layout.bytes += key.length + value.length + 2;
    r->event.attributes = r->attributes;
    r->event.attribute_count++;
}

/* An entry of a map is a message with the fields 1 and 2. */
static bool attribute_read(weft__read *r, text entry)
{
    static const char *const names[] = {"key", "value"};
    const uint8_t *bytes = (const uint8_t *)entry.at;
    weft__wire_reader reader = {bytes, bytes + entry.length};
    text parts[2] = {{"", 0}, {"", 0}};
    weft__wire_field field;
    while (weft__wire_next(&reader, &field)) {
        text part = {(const char *)field.data, field.length};
        if (field.number > 2)
            continue;
        const char *name = names[field.number - 1];
        if (field.type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            return refuse(r, where_attribute, name, wrong_type) != NULL;
        if (!text_good(part))
            return refuse(r, where_attribute, name, bad_text) != NULL;
        parts[field.number - 1] = part;
    }
    if (reader.next != reader.end)
        return refuse(r, where_attribute, NULL, damaged) != NULL;
    attribute_store(r, parts[0], parts[1]);
    return true;
}

/* ---- fields ---- */

static inline void string_store(weft__read *r, const weft__step *step, text string)
{
    size_t size = string.length > 0 ? string.length + 1 : 0;
    *(const char **)(void *)((char *)&r->event + step->offset) = size > 0 ? string.at : NULL;
    r->layout.bytes += size - r->layout.sizes[step->string];
    r->layout.sizes[step->string] = size;
}

static const uint8_t *list_take(weft__read *r, const weft__step *step, const uint8_t *at, const uint8_t *end)
{
    text element;
    at = text_take(at, end, &element);
    if (at == NULL)
        return refuse(r, where_event, NULL, damaged);
    if (step->form == WEFT__FORM_ATTRIBUTES)
        return attribute_read(r, element) ? at : NULL;
    if (!text_good(element))
        return refuse(r, where_event, step->name, bad_text);
    tag_store(r, element);
    return at;
}

static inline const uint8_t *string_take(weft__read *r, const weft__step *step, const uint8_t *at, const uint8_t *end,
                                         const char *where)
{
    text string;
    at = text_take(at, end, &string);
    if (at == NULL)
        return refuse(r, where, NULL, damaged);
    if (!text_good(string))
        return refuse(r, where, step->name, bad_text);
    string_store(r, step, string);
    return at;
}

static inline const uint8_t *number_take(weft__read *r, const weft__step *step, const uint8_t *at, const uint8_t *end)
{
    char *to = (char *)&r->event + step->offset;
    uint64_t value;
    switch ((weft__form)step->form) {
    case WEFT__FORM_BOOL:
        return bool_take(at, end, (bool *)to);
    case WEFT__FORM_F64:
    case WEFT__FORM_TIME:
        return fixed64_take(at, end, to);
    default:
        break;
    }
    at = weft__varint_take(at, end, WEFT__VARINT_MAX_BYTES, &value);
    if (at == NULL)
        return NULL;
    if (step->form == WEFT__FORM_U64)
        *(uint64_t *)(void *)to = value;
    else
        *(uint32_t *)(void *)to = (uint32_t)value;
    return at;
}

/* Reads what stands behind the tag of a known field; NULL if it is refused. Always inline: as a function of its own it
 * makes decoding a tenth slower. */
static inline __attribute__((always_inline)) const uint8_t *
field_take(weft__read *r, const weft__step *step, const uint8_t *at, const uint8_t *end, const char *where)
{
    if (step->form == WEFT__FORM_STRING)
        return string_take(r, step, at, end, where);
    if (step->form >= WEFT__FORM_TAGS)
        return list_take(r, step, at, end);
    at = number_take(r, step, at, end);
    return at != NULL ? at : refuse(r, where, NULL, damaged);
}

/* ---- messages ---- */

/* A tag that is none of the usual: a number over 15, one that nobody knows, or a wrong wire type. */
static const uint8_t *unusual_take(weft__read *r, const weft__steps *steps, const uint8_t *at, const uint8_t *end,
                                   const char *where, weft__wire_field *ret)
{
    weft__wire_reader reader = {at, end};
    if (!weft__wire_take(&reader, ret))
        return refuse(r, where, NULL, damaged);
    const weft__step *step = weft__step_by_number(steps, ret->number);
    if (step == NULL)
        return reader.next;
    if (ret->type != (ProtobufCWireType)step->wire_type)
        return refuse(r, where, step->name, wrong_type);
    uint64_t tag;
    return field_take(r, step, weft__varint_take(at, end, WEFT__TAG_MAX_BYTES, &tag), end, where);
}

static bool payload_fields_read(weft__read *r, const weft__steps *steps, const uint8_t *at, const uint8_t *end)
{
    weft__wire_field field;
    while (at != NULL && at < end) {
        unsigned place = *at < 0x80 ? steps->place_of_tag[*at] : 0;
        at = place != 0 ? field_take(r, &steps->all[place - 1], at + 1, end, steps->name)
                        : unusual_take(r, steps, at, end, steps->name, &field);
    }
    return at != NULL;
}

/* Looks at a field that the envelope does not know. */
static bool payload_read(weft__read *r, const weft__wire_field *field)
{
    if (field->number < WEFT__PAYLOAD_FIRST || field->number > WEFT__PAYLOAD_LAST)
        return true;
    const weft__steps *steps = weft__payload_steps_by_number(field->number);
    if (field->type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return steps == NULL || refuse(r, where_event, steps->name, wrong_type) != NULL;
    r->payload_count++;
    r->payload_steps = steps;
    r->payload_number = field->number;
    r->payload = field->data;
    r->payload_bytes = field->length;
    r->event.type = steps != NULL ? steps->type : WEFT_CUSTOM;
    return steps == NULL || payload_fields_read(r, steps, field->data, field->data + field->length);
}

static bool event_walk(weft__read *r, const uint8_t *at, const uint8_t *end)
{
    const weft__steps *steps = weft__envelope_steps();
    while (at != NULL && at < end) {
        weft__wire_field field = {0};
        unsigned place = *at < 0x80 ? steps->place_of_tag[*at] : 0;
        if (place != 0)
            at = field_take(r, &steps->all[place - 1], at + 1, end, where_event);
        else if ((at = unusual_take(r, steps, at, end, where_event, &field)) != NULL && !payload_read(r, &field))
            at = NULL;
    }
    return at != NULL;
}

/* ---- what the values may be ---- */

static bool value_settle(weft_event *event, const weft__step *step)
{
    char *at = (char *)event + step->offset;
    if (step->form == WEFT__FORM_TIME)
        return *(int64_t *)(void *)at >= 0;
    uint32_t *value = (uint32_t *)(void *)at;
    if (*value <= step->limit)
        return true;
    *value = step->limit;
    return step->form == WEFT__FORM_LEVEL;
}

static bool values_settle(weft__read *r, const weft__steps *steps)
{
    for (unsigned i = 0; i < steps->checked_count; i++) {
        const weft__step *step = &steps->all[steps->checked[i]];
        if (!value_settle(&r->event, step))
            return refuse(r, where_event, step->name, "not a known value") != NULL;
    }
    return true;
}

/* ---- floods ---- */

enum { FLOOD_MIN_BYTES = 2048, BUDGET_FIRST_BYTES = 65 * 1024, BUDGET_A_BYTE = 16 };

/* What a reader that makes an object of each field would need for these fields. */
static size_t fields_cost(const uint8_t *bytes, size_t length, const weft__steps *steps)
{
    enum { KNOWN = 32, UNKNOWN = 72, ATTRIBUTE = 88 };
    weft__wire_reader reader = {bytes, bytes + length};
    weft__wire_field field;
    size_t cost = 0;
    while (weft__wire_take(&reader, &field)) {
        const weft__step *step = weft__step_by_number(steps, field.number);
        const weft__steps *inner = steps == weft__envelope_steps() ? weft__payload_steps_by_number(field.number) : NULL;
        if (inner != NULL)
            cost += fields_cost(field.data, field.length, inner);
        else
            cost += step == NULL ? UNKNOWN : step->form == WEFT__FORM_ATTRIBUTES ? ATTRIBUTE : KNOWN;
    }
    return cost;
}

/* Whether an event is made of so many tiny fields that only an attack explains it: other readers, which must get it
 * too, would need a multiple of its size for them. */
static bool is_flood(const uint8_t *bytes, size_t length)
{
    return length >= FLOOD_MIN_BYTES &&
           fields_cost(bytes, length, weft__envelope_steps()) > BUDGET_FIRST_BYTES + BUDGET_A_BYTE * length;
}

/* ---- the event ---- */

void weft__read_init(weft__read *r, const char *node, uint64_t epoch)
{
    r->blank = (weft_event){.id = {.node = node, .epoch = epoch}};
}

static void read_begin(weft__read *r, const char **reason)
{
    r->event = r->blank;
    memset(r->layout.sizes, 0, sizeof r->layout.sizes);
    r->layout.bytes = 0;
    r->payload_count = 0;
    r->reason = reason;
}

static bool event_good(weft__read *r, const uint8_t *bytes, size_t length)
{
    if (!event_walk(r, bytes, bytes + length))
        return false;
    if (r->payload_count != 1)
        return weft__refuse(r->reason, "events[]: not exactly one payload");
    if (is_flood(bytes, length))
        return weft__refuse(r->reason, "events[]: more fields than its length allows");
    return values_settle(r, weft__envelope_steps()) && (r->payload_steps == NULL || values_settle(r, r->payload_steps));
}

weft_status weft__event_read(weft__read *r, const uint8_t *bytes, size_t length, const char **reason)
{
    read_begin(r, reason);
    bool good = event_good(r, bytes, length);
    r->layout.plan = weft__plan_of(r->event.type);
    return good ? WEFT_OK : WEFT_MALFORMED;
}
