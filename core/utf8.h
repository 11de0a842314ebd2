/* core/utf8.h: text byte by byte: UTF-8 sequences (RFC 3629) and ASCII. */
#ifndef WEFT_CORE_UTF8_H
#define WEFT_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the sequence at p (1 to 4); 0 if it is not valid or not whole. left must be at least 1. */
size_t weft__utf8_sequence(const char *p, size_t left);

static inline bool weft__is_ascii_short(const char *bytes, size_t length)
{
    uint32_t first = 0, last = 0;
    if (length >= sizeof first) {
        memcpy(&first, bytes, sizeof first);
        memcpy(&last, bytes + length - sizeof last, sizeof last);
        return ((first | last) & 0x80808080u) == 0;
    }
    for (size_t i = 0; i < length; i++)
        first |= (unsigned char)bytes[i];
    return (first & 0x80) == 0;
}

/* Whether all bytes are below 0x80. */
static inline bool weft__is_ascii(const char *bytes, size_t length)
{
    uint64_t all = 0, word;
    if (length < sizeof word)
        return weft__is_ascii_short(bytes, length);
    for (size_t i = 0; i < length - sizeof word; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        all |= word;
    }
    memcpy(&word, bytes + length - sizeof word, sizeof word);
    return ((all | word) & 0x8080808080808080u) == 0;
}

/* Whether an ASCII character stands for itself in a JSON string (RFC 8259, section 7). */
static inline bool weft__is_plain_ascii(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The capital of a to z, whatever the locale says. */
static inline char weft__ascii_upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

#endif
