/* tests/support/bridge/reference_codec.h: batches by way of the generated code, field by field and slowly. What it
 * packs, the codec must write to the byte; what it refuses, the codec must refuse for the same reason. */
#ifndef WEFT_TESTS_REFERENCE_CODEC_H
#define WEFT_TESTS_REFERENCE_CODEC_H

#include "weft/wire.h"

/* What the generated code wants more memory for than a message's length explains: many fields of two or three bytes. */
#define REFERENCE_OUT_OF_BUDGET "events[]: more fields than its length allows"

/* As weft_batch_encode and weft_batch_decode. */
weft_status reference_encode(const weft_batch *batch, uint8_t **ret_bytes, size_t *ret_length);
weft_status reference_decode(const uint8_t *bytes, size_t length, weft_batch **ret, const char **reason);
void reference_free(weft_batch *batch);

#endif
