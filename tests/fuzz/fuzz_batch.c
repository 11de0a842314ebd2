/* tests/fuzz/fuzz_batch.c: whatever bytes come under evt/, decoding refuses them or yields what can be encoded again.
 */
#include "fuzz/fuzz.h"
#include "weft/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_batch *batch;
    const char *reason;
    if (weft_batch_decode(data, size, &batch, &reason) != WEFT_OK)
        return 0;
    uint8_t *bytes;
    size_t length;
    if (weft_batch_encode(batch, &bytes, &length) == WEFT_OK) {
        weft_batch *again;
        weft_status status = weft_batch_decode(bytes, length, &again, &reason);
        if (status != WEFT_OK || again->event_count != batch->event_count)
            abort();
        weft_batch_free(again);
        free(bytes);
    }
    weft_batch_free(batch);
    return 0;
}
