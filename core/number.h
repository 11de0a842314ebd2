/* core/number.h: numbers and their text, the same in every locale. */
#ifndef WEFT_CORE_NUMBER_H
#define WEFT_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEFT__NUMBER_TEXT_BYTES = 32 };

/* Writes the shortest of 15 to 17 digits that reads back as the same double. Returns the length. */
size_t weft__number_from_double(char out[WEFT__NUMBER_TEXT_BYTES], double value);
size_t weft__number_from_u64(char out[WEFT__NUMBER_TEXT_BYTES], uint64_t value);

/* Reads a JSON number that ends with NUL. Returns false if it is none, or too large to be finite. */
bool weft__number_to_double(const char *text, double *ret);
/* Reads a whole number: "42", also "42.0" and "4.2e1" up to 2^53. Returns false if it is none, negative, or too large.
 */
bool weft__number_to_u64(const char *text, uint64_t *ret);

#endif
