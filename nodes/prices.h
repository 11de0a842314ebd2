/* nodes/prices.h: what a request costs: a table of prices per model, in integer nano-USD. Threads: one. */
#ifndef WEFT_NODES_PRICES_H
#define WEFT_NODES_PRICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/status.h"

typedef struct token_counts {
    uint64_t input;
    uint64_t output;
    uint64_t cache_read;
    uint64_t cache_write;
} token_counts;

typedef struct prices prices;

/* Creates the table with the built-in models. Ownership: destroy it. Returns OK or NO_MEMORY. */
weft_status prices_create(prices **ret);
void prices_destroy(prices *p);

/* Adds the models of a JSON file {"model": {"input": USD, "output": USD, "cache_read": USD, "cache_write": USD}, …},
 * USD per million tokens; the cache members may be missing (0). A model that is there already gets the new prices.
 * On failure nothing is added and error says what is wrong, with the file's name.
 * Returns OK, IO, INVALID or NO_MEMORY. */
weft_status prices_load(prices *p, const char *path, char *error, size_t error_size);

/* Cost in nano-USD, rounded to the nearest, at most a million USD: up to there a double holds it exactly. An unknown model costs 0; *ret_unknown (may be NULL) is then
 * true the first time that this model is asked for, so that the caller can warn once. */
int64_t prices_cost(prices *p, const char *model, const token_counts *tokens, bool *ret_unknown);

#endif
