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

/* Looks at the trailer. *ret_body is the length without it, *ret_checked whether there is one. Returns OK or CORRUPT.
 */
weft_status weft__crc_verify(const uint8_t *bytes, size_t length, size_t *ret_body, bool *ret_checked);
/* Writes the trailer for the length bytes before out; returns the place behind it. */
uint8_t *weft__crc_append(const uint8_t *bytes, size_t length, uint8_t *out);

#endif
