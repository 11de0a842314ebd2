/* bridge/base64.c: see base64.h. */
#include "bridge/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t weft__base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}

void weft__base64_encode(char *out, const uint8_t *bytes, size_t length)
{
    for (; length > 0; bytes += 3, out += 4) {
        size_t taken = length < 3 ? length : 3;
        uint32_t word = (uint32_t)bytes[0] << 16;
        word |= taken > 1 ? (uint32_t)bytes[1] << 8 : 0;
        word |= taken > 2 ? bytes[2] : 0;
        out[0] = digits[word >> 18];
        out[1] = digits[word >> 12 & 63];
        out[2] = taken > 1 ? digits[word >> 6 & 63] : '=';
        out[3] = taken > 2 ? digits[word & 63] : '=';
        length -= taken;
    }
    *out = '\0';
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Takes one group of `used` digits (2 to 4); whether the bits that pad it are zero. */
static bool group_decode(uint8_t *out, const char *text, size_t used)
{
    uint32_t word = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < used ? digit_value(text[i]) : 0;
        if (value < 0)
            return false;
        word = word << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i + 1 < used; i++)
        out[i] = (uint8_t)(word >> (16 - 8 * i));
    return used == 4 || (word & (used == 3 ? 0xffu : 0xffffu)) == 0;
}

bool weft__base64_decode(uint8_t *out, const char *text, size_t length, size_t *ret_length)
{
    if (length % 4 != 0)
        return false;
    uint8_t *at = out;
    for (; length > 0; text += 4, length -= 4) {
        size_t used = length > 4 || text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
        if (!group_decode(at, text, used))
            return false;
        at += used - 1;
    }
    *ret_length = (size_t)(at - out);
    return true;
}
