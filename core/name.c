/* core/name.c: names for statistics. Threads: any; no state. */
#include "core/name.h"

#include <string.h>

void weft__name_copy(char to[WEFT__NAME_BYTES], const char *name)
{
    if (name == NULL)
        name = "";
    size_t length = strnlen(name, WEFT__NAME_BYTES);
    if (length == WEFT__NAME_BYTES) {
        length--;
        while (length > 0 && ((unsigned char)name[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, name, length);
    to[length] = '\0';
}
