/* bridge/codec_unknown.c: see codec_unknown.h. */
#include "bridge/codec_unknown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base64.h"
#include "bridge/codec_wire.h"
#include "weft/schema.h"

static const char type_prefix[] = "unknown.";
static const char data_format[] = "{\"field\":%u,\"bytes\":\"";
static const char data_end[] = "\"}";
enum { HEAD_BYTES = 48, NUMBER_DIGITS = 3 };

bool weft__unknown_to_custom(weft__arena *arena, uint32_t number, const uint8_t *bytes, size_t length,
                             weft_event *event)
{
    char *type = weft__arena_alloc(arena, sizeof type_prefix + NUMBER_DIGITS);
    char *data = weft__arena_alloc(arena, HEAD_BYTES + weft__base64_length(length) + sizeof data_end);
    if (type == NULL || data == NULL)
        return false;
    (void)snprintf(type, sizeof type_prefix + NUMBER_DIGITS, "%s%u", type_prefix, number);
    char *at = data + snprintf(data, HEAD_BYTES, data_format, number);
    weft__base64_encode(at, bytes, length);
    memcpy(at + weft__base64_length(length), data_end, sizeof data_end);
    event->type = WEFT_CUSTOM;
    event->custom = (struct weft_custom){.event_type = type, .data_json = data};
    return true;
}

/* N of "unknown.N" where N is a payload number that nobody here knows; else 0. */
static uint32_t number_of(const weft_event *event)
{
    const char *type = event->custom.event_type;
    if (event->type != WEFT_CUSTOM || type == NULL || event->custom.data_json == NULL ||
        (event->custom.source != NULL && event->custom.source[0] != '\0') ||
        strncmp(type, type_prefix, sizeof type_prefix - 1) != 0)
        return 0;
    type += sizeof type_prefix - 1;
    if (strlen(type) != NUMBER_DIGITS || strspn(type, "0123456789") != NUMBER_DIGITS)
        return 0;
    uint32_t number = (uint32_t)strtoul(type, NULL, 10);
    return number >= WEFT__PAYLOAD_FIRST && weft_schema_by_number(number) == NULL ? number : 0;
}

/* The base64 inside the data of payload `number`; NULL if it has another form. */
static const char *base64_find(const char *data, uint32_t number, size_t *ret_length)
{
    char head[HEAD_BYTES];
    size_t head_length = (size_t)snprintf(head, sizeof head, data_format, number);
    size_t length = strlen(data);
    if (length < head_length + sizeof data_end - 1 || memcmp(data, head, head_length) != 0 ||
        strcmp(data + length - (sizeof data_end - 1), data_end) != 0)
        return NULL;
    *ret_length = length - head_length - (sizeof data_end - 1);
    return data + head_length;
}

weft_status weft__unknown_from_custom(const weft_event *event, uint32_t *ret_number, uint8_t **ret_field,
                                      size_t *ret_field_bytes)
{
    size_t text_length = 0, length;
    uint32_t number = number_of(event);
    const char *text = number != 0 ? base64_find(event->custom.data_json, number, &text_length) : NULL;
    *ret_number = 0;
    if (text == NULL)
        return WEFT_OK;
    uint8_t *field = malloc(WEFT__VARINT_MAX_BYTES + text_length / 4 * 3 + 1);
    if (field == NULL)
        return WEFT_NO_MEMORY;
    uint8_t *bytes = field + WEFT__VARINT_MAX_BYTES;
    if (!weft__base64_decode(bytes, text, text_length, &length)) {
        free(field);
        return WEFT_OK;
    }
    uint8_t *end = weft__varint_write(field, length);
    memmove(end, bytes, length);
    *ret_number = number;
    *ret_field = field;
    *ret_field_bytes = (size_t)(end - field) + length;
    return WEFT_OK;
}
