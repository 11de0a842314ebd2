/* core/name.h: the short names that statistics show. */
#ifndef WEFT_CORE_NAME_H
#define WEFT_CORE_NAME_H

enum { WEFT__NAME_BYTES = 64 };

/* Copies a name (NULL: empty), cut between characters to what fits. Threads: any. */
void weft__name_copy(char to[WEFT__NAME_BYTES], const char *name);

#endif
