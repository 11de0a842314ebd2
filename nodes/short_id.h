/* nodes/short_id.h: foreign names made fit for an event, and hashes of them. Pure functions. */
#ifndef WEFT_NODES_SHORT_ID_H
#define WEFT_NODES_SHORT_ID_H

#include <stddef.h>
#include <stdint.h>

enum { SHORT_ID_BYTES = 129 }; /* WEFT_ID_MAX_BYTES and the NUL */

/* Copies a name of up to 128 bytes. A longer one keeps its beginning (whole characters, at most 111 bytes) and ends in
 * "~" and the 16 hexadecimal digits of its hash, so that distinct names stay distinct. NULL counts as "". */
void short_id_from(char ret[SHORT_ID_BYTES], const char *name);

/* Copies as many whole characters as fit into size bytes with the NUL. */
void text_copy(char *ret, size_t size, const char *text);

/* FNV-1a, 64 bits. */
uint64_t short_id_hash(const char *bytes, size_t length);

#endif
