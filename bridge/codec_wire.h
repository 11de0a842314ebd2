/* bridge/codec_wire.h: the encoding below the messages: tags, lengths, the checksum trailer, and a check of raw bytes
 * against a message's description before the generated code sees them.
 *
 * Terms and formats: protobuf.dev, "Encoding". Groups are not part of proto3 and refused. Threads: any; no state. */
#ifndef WEFT_BRIDGE_CODEC_WIRE_H
#define WEFT_BRIDGE_CODEC_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

enum {
    WEFT__CRC_FIELD = 536870911, /* the last field number there is, so that nothing sorts behind it */
    WEFT__CRC_BYTES = 9,         /* of the trailer: tag and checksum */
    WEFT__VARINT_MAX_BYTES = 10,
    WEFT__TAG_MAX_BYTES = 5, /* of a length too */
};

typedef struct weft__wire_field {
    uint32_t number;
    ProtobufCWireType type;
    const uint8_t *start; /* of the tag */
    const uint8_t *data;  /* behind tag and length */
    size_t length;        /* of data */
    uint64_t value;       /* of a varint */
} weft__wire_field;

typedef struct weft__wire_reader {
    const uint8_t *next;
    const uint8_t *end;
} weft__wire_reader;

/* Reads the next field of a message; false at its end or at something malformed: then reader->next != reader->end. */
bool weft__wire_next(weft__wire_reader *reader, weft__wire_field *ret);
/* The same without a call, for loops over every field of every event. */
static inline bool weft__wire_take(weft__wire_reader *reader, weft__wire_field *ret);

/* Bytes of a varint; and writing one, returns the place behind it. */
size_t weft__varint_bytes(uint64_t value);
uint8_t *weft__varint_write(uint8_t *out, uint64_t value);

/* Checks one field, or all fields of a message: wire types, lengths, strings (UTF-8, no NUL) and, to the depth that the
 * description has, submessages. Unknown fields only have to be well-formed. reason gets a text on failure that begins
 * with where (static). */
bool weft__wire_check_field(const ProtobufCMessageDescriptor *type, const weft__wire_field *field, const char *where,
                            const char **reason);
bool weft__wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t length, const char *where,
                      const char **reason);

/* ---- */

/* Reads a number of at most max_bytes; NULL if it is longer, or cut. */
static inline const uint8_t *weft__varint_take(const uint8_t *at, const uint8_t *end, size_t max_bytes, uint64_t *ret)
{
    if ((size_t)(end - at) > max_bytes)
        end = at + max_bytes;
    uint64_t value = 0;
    for (unsigned shift = 0; at < end; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return at;
        }
    }
    return NULL;
}

static inline bool weft__wire_take(weft__wire_reader *reader, weft__wire_field *ret)
{
    const uint8_t *at = reader->next, *end = reader->end;
    uint64_t tag, length;
    ret->start = at;
    at = weft__varint_take(at, end, WEFT__TAG_MAX_BYTES, &tag);
    if (at == NULL || tag > UINT32_MAX || tag >> 3 == 0)
        return false;
    ret->number = (uint32_t)tag >> 3;
    ret->type = (ProtobufCWireType)(tag & 7);
    ret->data = at;
    switch (ret->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        at = weft__varint_take(at, end, WEFT__VARINT_MAX_BYTES, &ret->value);
        if (at == NULL)
            return false;
        ret->length = (size_t)(at - ret->data);
        reader->next = at;
        return true;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        length = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        length = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        at = weft__varint_take(at, end, WEFT__TAG_MAX_BYTES, &length);
        if (at == NULL)
            return false;
        ret->data = at;
        break;
    default:
        return false;
    }
    if (length > (size_t)(end - at))
        return false;
    ret->length = (size_t)length;
    reader->next = at + length;
    return true;
}

/* Looks at the trailer. *ret_body is the length without it, *ret_checked whether there is one. Returns OK or CORRUPT.
 */
weft_status weft__crc_verify(const uint8_t *bytes, size_t length, size_t *ret_body, bool *ret_checked);
/* Writes the trailer for the length bytes before out; returns the place behind it. */
uint8_t *weft__crc_append(const uint8_t *bytes, size_t length, uint8_t *out);

#endif
