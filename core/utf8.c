/* core/utf8.c: strict UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. Threads: any; no state. */
#include "core/utf8.h"

#include <stdint.h>
#include <string.h>

#include "weft/json.h"

static bool is_tail(unsigned char byte)
{
    return byte >> 6 == 2;
}

/* RFC 3629, section 4: the second byte decides whether a three or four byte sequence is allowed. */
static bool second_allowed(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_tail(second);
    }
}

size_t weft__utf8_sequence(const char *p, size_t left)
{
    const unsigned char *b = (const unsigned char *)p;
    if (b[0] < 0x80)
        return 1;
    size_t length = b[0] < 0xC2 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF5 ? 4 : 0;
    if (length == 0 || length > left || !second_allowed(b[0], b[1]))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!is_tail(b[i]))
            return 0;
    return length;
}

static bool is_plain_word(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (weft__word_strange(word) & 0x8080808080808080u) == 0;
}

bool weft_utf8_valid(const char *bytes, size_t length)
{
    size_t i = 0;
    if (weft__is_ascii_text(bytes, length))
        return true;
    while (i < length) {
        if (length - i >= sizeof(uint64_t) && is_plain_word(bytes + i)) {
            i += sizeof(uint64_t);
            continue;
        }
        size_t step = bytes[i] != '\0' ? weft__utf8_sequence(bytes + i, length - i) : 0;
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}
