/* tests/support/bridge/batch_difference.h: whether two decoders understood the same. */
#ifndef WEFT_TESTS_BATCH_DIFFERENCE_H
#define WEFT_TESTS_BATCH_DIFFERENCE_H

#include "weft/wire.h"

/* The name of the first difference, or NULL. NULL and "" differ, and the kept copies must be laid out alike. */
const char *batch_difference(const weft_batch *a, const weft_batch *b);

#endif
