/* bridge/codec_wire.c: see codec_wire.h.
 *
 * The check goes down only where the description does, and no message contains itself: hostile nesting ends at the
 * first level that nobody declared. */
#include "bridge/codec_wire.h"

#include <string.h>

#include "bridge/codec_reason.h"
#include "weft/json.h"
#include "weft/wire.h"

static const uint8_t crc_tag[] = {0xfd, 0xff, 0xff, 0xff, 0x0f}; /* WEFT__CRC_FIELD, 32 bits */

/* ---- varints ---- */

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

bool weft__wire_next(weft__wire_reader *reader, weft__wire_field *ret)
{
    weft__wire_field field = {0};
    if (!weft__wire_take(reader, &field))
        return false;
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
