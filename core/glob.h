/* core/glob.h: the pattern language of weft_filter.source and weft_rate_limit.source. */
#ifndef WEFT_CORE_GLOB_H
#define WEFT_CORE_GLOB_H

#include <stdbool.h>

/* '*' matches any run of bytes, '?' one byte, anything else itself; the whole text must match. Threads: any. */
bool weft__glob_matches(const char *glob, const char *text);

#endif
