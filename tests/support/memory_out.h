/* tests/support/memory_out.h: memory that is out on demand, by standing in for malloc, calloc, realloc and
 * aligned_alloc.
 *
 * For one source file of a test program. Sanitizers stand in for the same functions: WEFT_TESTS_MEMORY_OUT is 0 with
 * them, nothing is defined, and a case that needs it is skipped.
 *
 *   memory_out = true;      of this thread alone
 *   status = …
 *   memory_out = false;     before anything is asserted: CUnit allocates, too */
#ifndef WEFT_TESTS_MEMORY_OUT_H
#define WEFT_TESTS_MEMORY_OUT_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_TESTS_MEMORY_OUT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEFT_TESTS_MEMORY_OUT 0
#endif
#endif

#ifndef WEFT_TESTS_MEMORY_OUT
#define WEFT_TESTS_MEMORY_OUT 1

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static _Thread_local bool memory_out;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes)
{
    return memory_out ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return memory_out ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    return memory_out ? NULL : __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memory_out ? NULL : __libc_memalign(alignment, bytes);
}

#endif
#endif
