/* core/glob.c: backtracks to the last star only: no recursion, at worst the product of the two lengths. */
#include "core/glob.h"

#include <stddef.h>

/* Keeps the last star: on a mismatch it swallows one byte more, and nothing before it needs to be tried again. */
bool weft__glob_matches(const char *glob, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text != '\0') {
        if (*glob == '*') {
            star = ++glob;
            retry = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star != NULL) {
            glob = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}
