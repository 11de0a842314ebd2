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

/* Up to seven bytes and as many 0x01 as a word then lacks. */
static inline uint64_t weft__word_of_few(const char *bytes, size_t length)
{
    const unsigned char *b = (const unsigned char *)bytes;
    uint32_t low, high;
    if (length == 0)
        return 0x0101010101010101u;
    if (length < sizeof low)
        return 0x0101010101000000u | (uint64_t)b[0] | (uint64_t)b[length / 2] << 8 | (uint64_t)b[length - 1] << 16;
    memcpy(&low, bytes, sizeof low);
    memcpy(&high, bytes + length - sizeof high, sizeof high);
    return low | (uint64_t)high << 32;
}

/* Has the highest bit of a byte set if not all eight bytes are in 0x01 to 0x7F. */
static inline uint64_t weft__word_strange(uint64_t word)
{
    return word | (word - 0x0101010101010101u);
}

/* Whether all bytes are in 0x01 to 0x7F. */
static inline bool weft__is_ascii_text(const char *bytes, size_t length)
{
    uint64_t strange = 0, word;
    if (length < sizeof word)
        return (weft__word_strange(weft__word_of_few(bytes, length)) & 0x8080808080808080u) == 0;
    for (size_t i = 0; i < length - sizeof word; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        strange |= weft__word_strange(word);
    }
    memcpy(&word, bytes + length - sizeof word, sizeof word);
    return ((strange | weft__word_strange(word)) & 0x8080808080808080u) == 0;
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
