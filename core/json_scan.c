/* core/json_scan.c: the tokenizer behind weft_json_check and weft_event_from_json.
 *
 * States     EXPECT_* in the header; every token moves from one to the next in weft__json_next and its helpers.
 * Invariant  at <= length, and nothing beyond is read. Threads: one scan, one thread. */
#include "core/json_scan.h"

#include <string.h>

#include "core/utf8.h"
#include "weft/json.h"

void weft__json_scan_init(weft__json_scan *s, const char *text, size_t length, unsigned max_depth)
{
    s->text = text;
    s->length = length;
    s->at = 0;
    s->depth = 0;
    s->max_depth = max_depth < WEFT__JSON_DEPTH_LIMIT ? max_depth : WEFT__JSON_DEPTH_LIMIT;
    s->expect = WEFT__JSON_EXPECT_VALUE;
    s->status = WEFT_OK;
    s->token = 0;
}

static weft__json_token fail(weft__json_scan *s, weft_status status)
{
    s->status = status;
    return WEFT__JSON_ERROR;
}

/* The byte at `at`, NUL at the end: no rule of the grammar accepts a NUL. */
static char peek(const weft__json_scan *s)
{
    return s->at < s->length ? s->text[s->at] : '\0';
}

static void skip_space(weft__json_scan *s)
{
    for (; s->at < s->length; s->at++) {
        char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            break;
    }
}

static void value_done(weft__json_scan *s)
{
    s->expect = s->depth > 0 ? WEFT__JSON_EXPECT_COMMA_OR_END : WEFT__JSON_EXPECT_NOTHING;
}

static bool in_object(const weft__json_scan *s)
{
    unsigned top = s->depth - 1;
    return s->depth > 0 && (s->is_object[top / 64] >> top % 64 & 1) != 0;
}

static weft__json_token container_open(weft__json_scan *s, bool object)
{
    if (s->depth == s->max_depth)
        return fail(s, WEFT_TOO_DEEP);
    uint64_t bit = (uint64_t)1 << s->depth % 64;
    uint64_t *word = &s->is_object[s->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    s->depth++;
    s->at++;
    s->expect = object ? WEFT__JSON_EXPECT_KEY_OR_END : WEFT__JSON_EXPECT_VALUE_OR_END;
    return object ? WEFT__JSON_OBJECT : WEFT__JSON_ARRAY;
}

static weft__json_token container_close(weft__json_scan *s)
{
    bool object = in_object(s);
    if (peek(s) != (object ? '}' : ']'))
        return fail(s, WEFT_MALFORMED);
    s->depth--;
    s->at++;
    value_done(s);
    return object ? WEFT__JSON_OBJECT_END : WEFT__JSON_ARRAY_END;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Past one escape, which begins at `at`. */
static bool scan_escape(weft__json_scan *s)
{
    s->at++;
    char c = peek(s);
    if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    s->at++;
    for (int i = 0; c == 'u' && i < 4; i++, s->at++)
        if (!is_hex(peek(s)))
            return false;
    return true;
}

/* Past a string, quotes included. */
static bool scan_string(weft__json_scan *s)
{
    s->at++;
    while (s->at < s->length) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (weft__is_plain_ascii(c)) {
            s->at++;
            continue;
        }
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(s))
                return false;
            continue;
        }
        size_t step = c >= 0x20 ? weft__utf8_sequence(s->text + s->at, s->length - s->at) : 0;
        if (step == 0)
            return false;
        s->at += step;
    }
    return false;
}

static bool scan_digits(weft__json_scan *s)
{
    size_t from = s->at;
    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at > from;
}

static bool scan_number(weft__json_scan *s)
{
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (!scan_digits(s))
        return false;
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(weft__json_scan *s, const char *word)
{
    size_t length = strlen(word);
    if (s->length - s->at < length || memcmp(s->text + s->at, word, length) != 0)
        return false;
    s->at += length;
    return true;
}

static weft__json_token scalar(weft__json_scan *s, bool good, weft__json_token token)
{
    if (!good)
        return fail(s, WEFT_MALFORMED);
    value_done(s);
    return token;
}

static weft__json_token next_value(weft__json_scan *s)
{
    switch (peek(s)) {
    case '{':
        return container_open(s, true);
    case '[':
        return container_open(s, false);
    case '"':
        return scalar(s, scan_string(s), WEFT__JSON_STRING);
    case 't':
        return scalar(s, scan_word(s, "true"), WEFT__JSON_TRUE);
    case 'f':
        return scalar(s, scan_word(s, "false"), WEFT__JSON_FALSE);
    case 'n':
        return scalar(s, scan_word(s, "null"), WEFT__JSON_NULL);
    default:
        return scalar(s, scan_number(s), WEFT__JSON_NUMBER);
    }
}

/* A key and its colon. `at` stays behind the key, so that the token is the key alone; EXPECT_VALUE skips the colon. */
static weft__json_token next_key(weft__json_scan *s)
{
    if (peek(s) != '"' || !scan_string(s))
        return fail(s, WEFT_MALFORMED);
    s->expect = WEFT__JSON_EXPECT_VALUE;
    return WEFT__JSON_KEY;
}

/* Past the comma or colon that stands before the next token. Returns false if one is missing. */
static bool skip_separator(weft__json_scan *s)
{
    if (s->expect == WEFT__JSON_EXPECT_COMMA_OR_END && peek(s) == ',') {
        s->at++;
        s->expect = in_object(s) ? WEFT__JSON_EXPECT_KEY : WEFT__JSON_EXPECT_VALUE;
    } else if (s->expect == WEFT__JSON_EXPECT_VALUE && in_object(s)) {
        if (peek(s) != ':')
            return false;
        s->at++;
    } else {
        return true;
    }
    skip_space(s);
    return true;
}

weft__json_token weft__json_next(weft__json_scan *s)
{
    if (s->status != WEFT_OK)
        return WEFT__JSON_ERROR;
    skip_space(s);
    bool separated = skip_separator(s);
    s->token = s->at;
    if (!separated)
        return fail(s, WEFT_MALFORMED);
    switch (s->expect) {
    case WEFT__JSON_EXPECT_KEY_OR_END:
        return peek(s) == '}' ? container_close(s) : next_key(s);
    case WEFT__JSON_EXPECT_KEY:
        return next_key(s);
    case WEFT__JSON_EXPECT_VALUE_OR_END:
        return peek(s) == ']' ? container_close(s) : next_value(s);
    case WEFT__JSON_EXPECT_VALUE:
        return next_value(s);
    case WEFT__JSON_EXPECT_COMMA_OR_END:
        return container_close(s);
    case WEFT__JSON_EXPECT_NOTHING:
        break;
    }
    return s->at == s->length ? WEFT__JSON_END : fail(s, WEFT_MALFORMED);
}

bool weft__json_skip(weft__json_scan *s, weft__json_token first)
{
    if (first != WEFT__JSON_OBJECT && first != WEFT__JSON_ARRAY)
        return first != WEFT__JSON_ERROR;
    unsigned outside = s->depth - 1;
    while (s->depth > outside)
        if (weft__json_next(s) == WEFT__JSON_ERROR)
            return false;
    return true;
}

weft_status weft_json_check(const char *text, size_t length, unsigned max_depth)
{
    weft__json_scan s;
    weft__json_scan_init(&s, text, length, max_depth);
    while (weft__json_next(&s) > WEFT__JSON_END)
        ;
    return s.status;
}

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        value = value * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    unsigned lead = tails == 1 ? 0xC0 : tails == 2 ? 0xE0 : 0xF0;
    *out++ = (char)(lead | code >> 6 * tails);
    while (tails-- > 0)
        *out++ = (char)(0x80 | (code >> 6 * tails & 0x3F));
    return out;
}

/* Reads \uXXXX, or two of them for a surrogate pair (RFC 8259, section 7), from `in`, which stands on the u. Returns
 * the bytes read, 0 if they say no character. */
static size_t unquote_unicode(const char *in, const char *end, char **out)
{
    unsigned code = hex4(in + 1);
    size_t used = 5;
    if (code >= 0xD800 && code < 0xDC00) {
        if (end - in < 11 || in[5] != '\\' || in[6] != 'u')
            return 0;
        unsigned low = hex4(in + 7);
        if (low < 0xDC00 || low > 0xDFFF)
            return 0;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        used = 11;
    } else if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
        return 0;
    }
    *out = put_utf8(*out, code);
    return used;
}

bool weft__json_unquote(const char *token, size_t length, char *out)
{
    static const char named[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *in = token + 1, *end = token + length - 1;
    while (in < end) {
        if (*in != '\\') {
            *out++ = *in++;
            continue;
        }
        in++;
        size_t used = 1;
        if (*in == 'u')
            used = unquote_unicode(in, end, &out);
        else
            *out++ = meant[strchr(named, *in) - named];
        if (used == 0)
            return false;
        in += used;
    }
    *out = '\0';
    return true;
}
