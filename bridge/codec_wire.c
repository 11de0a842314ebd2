/* bridge/codec_wire.c: see codec_wire.h.
 *
 * The check goes down only where the description does, and no message contains itself: hostile nesting ends at the
 * first level that nobody declared. */
#include "bridge/codec_wire.h"

#include <string.h>

#include "bridge/codec_reason.h"
#include "weft/json.h"
#include "weft/wire.h"

enum { WIRE_TYPE_BITS = 3, TAG_MAX_BYTES = 5 };

static const uint8_t crc_tag[] = {0xfd, 0xff, 0xff, 0xff, 0x0f}; /* WEFT__CRC_FIELD, 32 bits */

/* ---- varints ---- */

static bool varint_read(weft__wire_reader *reader, size_t max_bytes, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < max_bytes && reader->next < reader->end; i++) {
        uint8_t byte = *reader->next++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

size_t weft__varint_bytes(uint64_t value)
{
    size_t bytes = 1;
    for (; value >= 0x80; value >>= 7)
        bytes++;
    return bytes;
}

uint8_t *weft__varint_write(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

/* ---- fields ---- */

static bool tag_read(weft__wire_reader *reader, weft__wire_field *field)
{
    uint64_t tag;
    field->start = reader->next;
    if (!varint_read(reader, TAG_MAX_BYTES, &tag) || tag > UINT32_MAX || tag >> WIRE_TYPE_BITS == 0)
        return false;
    field->number = (uint32_t)tag >> WIRE_TYPE_BITS;
    field->type = (ProtobufCWireType)(tag & 7);
    return true;
}

/* Learns where the data lies; for a varint its value. */
static bool data_find(weft__wire_reader *reader, weft__wire_field *field)
{
    uint64_t length;
    field->data = reader->next;
    switch (field->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        if (!varint_read(reader, WEFT__VARINT_MAX_BYTES, &field->value))
            return false;
        field->length = (size_t)(reader->next - field->data);
        reader->next = field->data;
        return true;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        field->length = 8;
        return true;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        field->length = 4;
        return true;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!varint_read(reader, TAG_MAX_BYTES, &length) || length > SIZE_MAX)
            return false;
        field->data = reader->next;
        field->length = (size_t)length;
        return true;
    }
    return false;
}

bool weft__wire_next(weft__wire_reader *reader, weft__wire_field *ret)
{
    weft__wire_reader at = *reader;
    weft__wire_field field = {0};
    if (at.next == at.end || !tag_read(&at, &field) || !data_find(&at, &field) ||
        field.length > (size_t)(at.end - at.next))
        return false;
    reader->next = field.data + field.length;
    *ret = field;
    return true;
}

/* ---- the check ---- */

static ProtobufCWireType wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

bool weft__wire_check_field(const ProtobufCMessageDescriptor *type, const weft__wire_field *field, const char *where,
                            const char **reason)
{
    const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(type, field->number);
    if (known == NULL)
        return true;
    if (field->type != wire_type_of(known->type))
        return weft__refuse(reason, weft__reason(where, known->name, "wrong wire type"));
    if (known->type == PROTOBUF_C_TYPE_STRING && !weft_utf8_valid((const char *)field->data, field->length))
        return weft__refuse(reason, weft__reason(where, known->name, "invalid UTF-8, or a NUL"));
    if (known->type == PROTOBUF_C_TYPE_MESSAGE)
        return weft__wire_check(known->descriptor, field->data, field->length, known->name, reason);
    return true;
}

bool weft__wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t length, const char *where,
                      const char **reason)
{
    weft__wire_reader reader = {bytes, bytes + length};
    weft__wire_field field;
    while (weft__wire_next(&reader, &field))
        if (!weft__wire_check_field(type, &field, where, reason))
            return false;
    return reader.next == reader.end || weft__refuse(reason, weft__reason(where, NULL, "damaged field"));
}

/* ---- the trailer ---- */

static uint32_t le32_read(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

weft_status weft__crc_verify(const uint8_t *bytes, size_t length, size_t *ret_body, bool *ret_checked)
{
    *ret_body = length;
    *ret_checked = false;
    if (length < WEFT__CRC_BYTES)
        return WEFT_OK;
    size_t body = length - WEFT__CRC_BYTES;
    if (memcmp(bytes + body, crc_tag, sizeof crc_tag) != 0)
        return WEFT_OK;
    if (weft_crc32c(0, bytes, body) != le32_read(bytes + body + sizeof crc_tag))
        return WEFT_CORRUPT;
    *ret_body = body;
    *ret_checked = true;
    return WEFT_OK;
}

uint8_t *weft__crc_append(const uint8_t *bytes, size_t length, uint8_t *out)
{
    uint32_t crc = weft_crc32c(0, bytes, length);
    memcpy(out, crc_tag, sizeof crc_tag);
    out += sizeof crc_tag;
    for (int shift = 0; shift < 32; shift += 8)
        *out++ = (uint8_t)(crc >> shift);
    return out;
}
