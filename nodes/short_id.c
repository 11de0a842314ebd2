/* nodes/short_id.c: see the header. The hash is FNV-1a with the constants of draft-eastlake-fnv-21, section 5. */
#include "nodes/short_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weft/event.h"

enum { HEAD_BYTES = WEFT_ID_MAX_BYTES - 17 };

uint64_t short_id_hash(const char *bytes, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

/* The largest length up to max that does not cut a character. */
static size_t whole_length(const char *text, size_t max)
{
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

void text_copy(char *ret, size_t size, const char *text)
{
    size_t length = strnlen(text, size);
    if (length == size)
        length = whole_length(text, size - 1);
    memcpy(ret, text, length);
    ret[length] = '\0';
}

void short_id_from(char ret[SHORT_ID_BYTES], const char *name)
{
    size_t length = name == NULL ? 0 : strlen(name);
    if (length <= WEFT_ID_MAX_BYTES) {
        memcpy(ret, length == 0 ? "" : name, length);
        ret[length] = '\0';
        return;
    }
    size_t head = whole_length(name, HEAD_BYTES);
    memcpy(ret, name, head);
    snprintf(ret + head, SHORT_ID_BYTES - head, "~%016" PRIx64, short_id_hash(name, length));
}
