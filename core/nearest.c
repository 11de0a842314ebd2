/* core/nearest.c: edit distance (Levenshtein) over short names. Threads: any; no state. */
#include "core/nearest.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One row of the usual table at a time; both names fit NAME_MAX_BYTES. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_BYTES + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(replaced, smaller(diagonal, row[j]) + 1);
        }
    }
    return row[length];
}

void weft__nearest_offer(weft__nearest *n, const char *candidate)
{
    size_t length = strlen(n->name);
    if (length > NAME_MAX_BYTES || strlen(candidate) > NAME_MAX_BYTES)
        return;
    size_t d = distance(n->name, candidate);
    if (d > length / 3 + 1 || (n->best != NULL && d >= n->distance))
        return;
    n->best = candidate;
    n->distance = d;
}
