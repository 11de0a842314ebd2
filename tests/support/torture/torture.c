/* tests/support/torture/torture.c: a counter of allocations, and the functions that the libraries reach instead of
 * malloc and its kin. */
#include "support/torture/torture.h"

#include <CUnit/TestRun.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

enum { RUNS_DEFAULT = 40 };

static atomic_ulong count;    /* allocations of this run */
static atomic_ulong first;    /* the one that fails; 0: none */
static atomic_bool all_after; /* and all behind it */
static atomic_ulong failures; /* of this run */

/* Says where an allocation fails, when only one is asked for. */
static void place_tell(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (getenv("WEFT_TORTURE_AT") != NULL && atomic_load(&failures) < 100)
        __sanitizer_print_stack_trace();
#endif
}

bool torture_due(void)
{
    unsigned long number = atomic_fetch_add(&count, 1) + 1, due = atomic_load(&first);
    bool fails = due != 0 && (atomic_load(&all_after) ? number >= due : number == due);
    if (fails) {
        atomic_fetch_add(&failures, 1);
        place_tell();
        errno = ENOMEM;
    }
    return fails;
}

void torture_relent(void)
{
    atomic_store(&first, 0);
}

bool torture_failed(void)
{
    return atomic_load(&failures) > 0;
}

/* ---- instead of the C library's ---- */

void *torture_malloc(size_t bytes);
void *torture_calloc(size_t members, size_t bytes);
void *torture_realloc(void *old, size_t bytes);
void *torture_aligned_alloc(size_t alignment, size_t bytes);
char *torture_strdup(const char *text);
char *torture_strndup(const char *text, size_t max);
int torture_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *torture_realpath(const char *path, char *resolved);
int torture_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *user);

void *torture_malloc(size_t bytes)
{
    return torture_due() ? NULL : malloc(bytes);
}

void *torture_calloc(size_t members, size_t bytes)
{
    return torture_due() ? NULL : calloc(members, bytes);
}

void *torture_realloc(void *old, size_t bytes)
{
    return torture_due() ? NULL : realloc(old, bytes);
}

void *torture_aligned_alloc(size_t alignment, size_t bytes)
{
    return torture_due() ? NULL : aligned_alloc(alignment, bytes);
}

char *torture_strdup(const char *text)
{
    return torture_due() ? NULL : strdup(text);
}

char *torture_strndup(const char *text, size_t max)
{
    return torture_due() ? NULL : strndup(text, max);
}

int torture_asprintf(char **ret, const char *format, ...)
{
    va_list arguments;
    if (torture_due())
        return -1;
    va_start(arguments, format);
    int length = vasprintf(ret, format, arguments);
    va_end(arguments);
    return length;
}

char *torture_realpath(const char *path, char *resolved)
{
    return torture_due() ? NULL : realpath(path, resolved);
}

int torture_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *user)
{
    return torture_due() ? EAGAIN : pthread_create(thread, attributes, run, user);
}

/* ---- runs ---- */

static void leaks_check(void)
{
#ifdef __SANITIZE_ADDRESS__
    CU_ASSERT_EQUAL(__lsan_do_recoverable_leak_check(), 0);
#endif
}

/* Runs a scenario once. Returns how many allocations it made, 0 if none had to fail. */
static unsigned long run_once(void (*scenario)(void), unsigned long due, bool all)
{
    unsigned before = CU_get_number_of_failures();
    atomic_store(&count, 0);
    atomic_store(&failures, 0);
    atomic_store(&all_after, all);
    atomic_store(&first, due);
    scenario();
    bool reached = torture_failed();
    torture_relent();
    leaks_check();
    if (CU_get_number_of_failures() != before)
        printf("      with allocation %lu%s failing\n", due, all ? " and all behind it" : "");
    return reached || due == 0 ? atomic_load(&count) : 0;
}

static unsigned long stride_of(unsigned long total)
{
    const char *text = getenv("WEFT_TORTURE_RUNS");
    unsigned long runs = text != NULL ? strtoul(text, NULL, 10) : RUNS_DEFAULT;
    return runs == 0 || runs >= total ? 1 : total / runs;
}

void torture_each(void (*scenario)(void))
{
    (void)run_once(scenario, 0, false); /* what is made once a process is made here */
    unsigned long total = run_once(scenario, 0, false), stride = stride_of(total), runs = 0;
    const char *only = getenv("WEFT_TORTURE_AT");
    if (only != NULL) {
        (void)run_once(scenario, strtoul(only, NULL, 10), getenv("WEFT_TORTURE_ALL") != NULL);
        return;
    }
    for (int all = 0; all < 2; all++)
        for (unsigned long due = 1; run_once(scenario, due, all != 0) != 0; due += stride)
            runs++;
    printf(" %lu allocations, %lu runs …", total, runs);
    CU_ASSERT_TRUE(runs > 0);
}
