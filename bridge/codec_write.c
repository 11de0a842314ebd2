/* bridge/codec_write.c: see codec_write.h.
 *
 * Fields stand in the order of their numbers, and what is zero or empty is left out, as every implementation of the
 * format does it: the bytes are those of the generated code. A length that is not known yet gets the width that is
 * likely; what follows is moved if it was not.
 *
 * Room   what numbers, tags and lengths may take at most is set aside before the first byte is written; then only the
 *        texts are counted. Failures are noted and writing goes on: there is one check at the end. */
#include "bridge/codec_write.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/codec_plan.h"
#include "bridge/codec_unknown.h"
#include "bridge/codec_wire.h"
#include "core/event_private.h"

enum {
    EVENT_TAG = 4 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    KEY_TAG = 1 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    VALUE_TAG = 2 << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    TAG_EXTRA_BYTES = 7,        /* tag and length */
    ATTRIBUTE_EXTRA_BYTES = 19, /* of the entry, its key and its value */
    PAYLOAD_TAG_BYTES = 2,
    PAYLOAD_WIDTH = 1, /* of its length, most of the time */
};

typedef struct budget {
    size_t room; /* for texts */
    bool full;
    bool invalid;
} budget;

/* ---- pieces ---- */

static inline uint8_t *varint_put(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Both bytes of a tag of one are written; the next field writes over the second. */
static inline uint8_t *tag_put(uint8_t *at, const weft__step *step)
{
    memcpy(at, step->tag, sizeof step->tag);
    return at + step->tag_bytes;
}

static inline uint8_t *fixed_put(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

/* Lengths beyond the room are not copied. */
static inline bool room_take(budget *b, size_t bytes)
{
    if (bytes > b->room) {
        b->full = true;
        return false;
    }
    b->room -= bytes;
    return true;
}

static inline uint8_t *text_put(uint8_t *at, const char *text, size_t length)
{
    at = varint_put(at, length);
    memcpy(at, text, length);
    return at + length;
}

/* Writes the length of what stands from `start` + width to `at`; returns its end. */
static inline uint8_t *length_close(uint8_t *start, size_t width, uint8_t *at)
{
    size_t length = (size_t)(at - start) - width, needed = weft__varint_bytes(length);
    if (needed != width)
        memmove(start + needed, start + width, length);
    (void)varint_put(start, length);
    return start + needed + length;
}

/* ---- lists ---- */

static uint8_t *tags_put(uint8_t *at, const weft__step *step, const weft_event *event, budget *b)
{
    for (size_t i = 0; i < event->tag_count; i++) {
        const char *tag = event->tags[i] != NULL ? event->tags[i] : "";
        size_t length = strlen(tag);
        if (room_take(b, length))
            at = text_put(tag_put(at, step), tag, length);
    }
    return at;
}

static size_t part_bytes(size_t length)
{
    return length > 0 ? 1 + weft__varint_bytes(length) + length : 0;
}

static uint8_t *part_put(uint8_t *at, uint8_t tag, const char *text, size_t length)
{
    if (length == 0)
        return at;
    *at++ = tag;
    return text_put(at, text, length);
}

static uint8_t *attributes_put(uint8_t *at, const weft__step *step, const weft_event *event, budget *b)
{
    for (size_t i = 0; i < event->attribute_count; i++) {
        const weft_attribute *a = &event->attributes[i];
        size_t key = a->key != NULL ? strlen(a->key) : 0, value = a->value != NULL ? strlen(a->value) : 0;
        if (!room_take(b, key) || !room_take(b, value))
            return at;
        at = varint_put(tag_put(at, step), part_bytes(key) + part_bytes(value));
        at = part_put(at, KEY_TAG, a->key, key);
        at = part_put(at, VALUE_TAG, a->value, value);
    }
    return at;
}

/* ---- fields ---- */

static inline uint8_t *string_put(uint8_t *at, const weft__step *step, const char *text, budget *b)
{
    if (text == NULL || *text == '\0')
        return at;
    size_t length = strlen(text);
    return room_take(b, length) ? text_put(tag_put(at, step), text, length) : at;
}

static inline uint8_t *number_put(uint8_t *at, const weft__step *step, uint64_t value)
{
    return value != 0 ? varint_put(tag_put(at, step), value) : at;
}

static inline uint8_t *limited_put(uint8_t *at, const weft__step *step, uint32_t value, budget *b)
{
    b->invalid |= value > step->limit;
    return number_put(at, step, value);
}

static inline uint8_t *time_put(uint8_t *at, const weft__step *step, int64_t value, budget *b)
{
    b->invalid |= value < 0;
    return value != 0 ? fixed_put(tag_put(at, step), (uint64_t)value) : at;
}

/* Minus zero is zero. */
static inline uint8_t *double_put(uint8_t *at, const weft__step *step, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != 0 ? fixed_put(tag_put(at, step), bits) : at;
}

static inline uint8_t *step_put(uint8_t *at, const weft__step *step, const weft_event *event, budget *b)
{
    const void *field = (const char *)event + step->offset;
    switch ((weft__form)step->form) {
    case WEFT__FORM_STRING:
        return string_put(at, step, *(const char *const *)field, b);
    case WEFT__FORM_BOOL:
        return number_put(at, step, *(const bool *)field);
    case WEFT__FORM_U32:
        return number_put(at, step, *(const uint32_t *)field);
    case WEFT__FORM_U64:
        return number_put(at, step, *(const uint64_t *)field);
    case WEFT__FORM_ENUM:
    case WEFT__FORM_LEVEL:
        return limited_put(at, step, *(const uint32_t *)field, b);
    case WEFT__FORM_F64:
        return double_put(at, step, *(const double *)field);
    case WEFT__FORM_TIME:
        return time_put(at, step, *(const int64_t *)field, b);
    case WEFT__FORM_TAGS:
        return tags_put(at, step, event, b);
    case WEFT__FORM_ATTRIBUTES:
        return attributes_put(at, step, event, b);
    }
    return at;
}

static inline uint8_t *steps_put(uint8_t *at, const weft__steps *steps, const weft_event *event, budget *b)
{
    for (const weft__step *step = steps->all, *end = step + steps->count; step < end; step++)
        at = step_put(at, step, event, b);
    return at;
}

/* ---- the payload ---- */

static uint8_t *foreign_put(uint8_t *at, uint32_t number, const uint8_t *field, size_t bytes, budget *b)
{
    if (!room_take(b, bytes))
        return at;
    at = varint_put(at, number << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    memcpy(at, field, bytes);
    return at + bytes;
}

/* *ret_end stays NULL if the event is an ordinary one. */
static weft_status foreign_write(uint8_t *at, const weft_event *event, budget *b, uint8_t **ret_end)
{
    uint32_t number;
    uint8_t *field;
    size_t bytes;
    weft_status st = weft__unknown_from_custom(event, &number, &field, &bytes);
    if (st != WEFT_OK || number == 0)
        return st;
    *ret_end = foreign_put(at, number, field, bytes, b);
    free(field);
    return WEFT_OK;
}

static inline uint8_t *payload_put(uint8_t *at, const weft__steps *steps, const weft_event *event, budget *b)
{
    memcpy(at, steps->tag, PAYLOAD_TAG_BYTES);
    at += PAYLOAD_TAG_BYTES;
    return length_close(at, PAYLOAD_WIDTH, steps_put(at + PAYLOAD_WIDTH, steps, event, b));
}

static weft_status fields_write(uint8_t *at, const weft__steps *payload, const weft_event *event, budget *b,
                                weft__written *ret)
{
    uint8_t *foreign_end = NULL;
    at = steps_put(at, weft__envelope_steps(), event, b);
    if (event->type == WEFT_CUSTOM) {
        weft_status st = foreign_write(at, event, b, &foreign_end);
        if (st != WEFT_OK)
            return st;
    }
    ret->foreign = foreign_end != NULL;
    ret->end = ret->foreign ? foreign_end : payload_put(at, payload, event, b);
    return WEFT_OK;
}

/* ---- the event ---- */

static size_t extra_bytes(const weft_event *event, const weft__steps *payload)
{
    return weft__envelope_steps()->extra_bytes + payload->extra_bytes + event->tag_count * TAG_EXTRA_BYTES +
           event->attribute_count * ATTRIBUTE_EXTRA_BYTES;
}

weft_status weft__event_write(const weft_event *event, uint8_t *at, size_t bytes, weft__written *written)
{
    const weft__steps *payload = weft__payload_steps(event->type);
    if (payload == NULL || event->tag_count > WEFT_TAGS_MAX || event->attribute_count > WEFT_ATTRIBUTES_MAX)
        return WEFT_INVALID;
    size_t extra = extra_bytes(event, payload);
    if (bytes < extra)
        return WEFT_FULL;
    budget b = {.room = bytes - extra};
    *at++ = EVENT_TAG;
    weft_status st = fields_write(at + written->width, payload, event, &b, written);
    if (st != WEFT_OK)
        return st;
    if (b.invalid || b.full)
        return b.invalid ? WEFT_INVALID : WEFT_FULL;
    size_t length = (size_t)(written->end - at) - written->width;
    written->end = length_close(at, written->width, written->end);
    written->width = (size_t)(written->end - at) - length;
    return WEFT_OK;
}

size_t weft__event_write_bytes(const weft_event *event)
{
    weft__layout layout;
    const weft__steps *payload = weft__payload_steps(event->type);
    weft__event_measure(event, &layout);
    return payload != NULL ? extra_bytes(event, payload) + layout.bytes : 0;
}
