/* core/utf8.h: one UTF-8 sequence (RFC 3629) at a time. */
#ifndef WEFT_CORE_UTF8_H
#define WEFT_CORE_UTF8_H

#include <stddef.h>

/* Bytes of the sequence at p (1 to 4); 0 if it is not valid or not whole. left must be at least 1. */
size_t weft__utf8_sequence(const char *p, size_t left);

#endif
