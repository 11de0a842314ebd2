/* tests/support/wire_bytes.h: payloads by hand, byte by byte, so that they can be as wrong as a test needs.
 *
 *   wire_bytes batch = {0}, event = {0};
 *   wire_varint(&event, 1, 7);
 *   wire_string(&batch, 1, "host-a");
 *   wire_message(&batch, 4, &event);
 */
#ifndef WEFT_TESTS_WIRE_BYTES_H
#define WEFT_TESTS_WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

typedef struct wire_bytes {
    uint8_t data[300 * 1024];
    size_t length;
} wire_bytes;

static inline void wire_raw(wire_bytes *w, const void *bytes, size_t length)
{
    if (length > sizeof w->data - w->length)
        __builtin_trap();
    memcpy(w->data + w->length, bytes, length);
    w->length += length;
}

static inline void wire_number(wire_bytes *w, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        wire_raw(w, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static inline void wire_tag(wire_bytes *w, uint32_t field, unsigned type)
{
    wire_number(w, (uint64_t)field << 3 | type);
}

static inline void wire_varint(wire_bytes *w, uint32_t field, uint64_t value)
{
    wire_tag(w, field, 0);
    wire_number(w, value);
}

static inline void wire_fixed64(wire_bytes *w, uint32_t field, uint64_t value)
{
    wire_tag(w, field, 1);
    for (int i = 0; i < 8; i++)
        wire_raw(w, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static inline void wire_data(wire_bytes *w, uint32_t field, const void *bytes, size_t length)
{
    wire_tag(w, field, 2);
    wire_number(w, length);
    wire_raw(w, bytes, length);
}

static inline void wire_string(wire_bytes *w, uint32_t field, const char *text)
{
    wire_data(w, field, text, strlen(text));
}

static inline void wire_message(wire_bytes *w, uint32_t field, const wire_bytes *message)
{
    wire_data(w, field, message->data, message->length);
}

#endif
