/* bridge/base64.h: RFC 4648 section 4, with padding, no line breaks. Threads: any; no state. */
#ifndef WEFT_BRIDGE_BASE64_H
#define WEFT_BRIDGE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that length bytes become, without a NUL. */
size_t weft__base64_length(size_t length);
/* Writes weft__base64_length(length) characters and a NUL. */
void weft__base64_encode(char *out, const uint8_t *bytes, size_t length);
/* Decodes the one canonical form, so that encoding again gives the same text. out must hold length / 4 * 3 bytes.
 * Returns whether the text was good; *ret_length gets the number of bytes. */
bool weft__base64_decode(uint8_t *out, const char *text, size_t length, size_t *ret_length);

#endif
