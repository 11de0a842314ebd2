/* core/prefetch.h: asking for memory before it is needed. */
#ifndef WEFT_CORE_PREFETCH_H
#define WEFT_CORE_PREFETCH_H

/* The line at this address is going to be written: it is fetched for this core alone. Any address is fine. The builtin
 * is asked for a plain read by compilers that aim at any x86-64, though all of those take the instruction. */
static inline void weft__prefetch_to_write(const void *at)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)at));
#else
    __builtin_prefetch(at, 1);
#endif
}

#endif
