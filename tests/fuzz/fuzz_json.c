/* tests/fuzz/fuzz_json.c: whatever text a feeder sends, reading it as an event refuses it or yields one that is fit to
 * publish and stays the same when it is written and read again. */
#include "fuzz/fuzz.h"
#include "weft/json.h"

#include <stdlib.h>
#include <string.h>

static void event_must_last(const weft_event *event)
{
    weft_text text = {0}, again = {0};
    const weft_event *copy;
    if (weft_event_validate(event, NULL) != WEFT_OK || weft_event_to_json(event, &text) != WEFT_OK ||
        weft_event_from_json(text.data, text.length, &copy, NULL) != WEFT_OK ||
        weft_event_to_json(copy, &again) != WEFT_OK || strcmp(text.data, again.data) != 0)
        abort();
    weft_event_release(copy);
    weft_text_fini(&text);
    weft_text_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const weft_event *event;
    weft_json_error error;
    if (weft_event_from_json((const char *)data, size, &event, &error) == WEFT_OK) {
        event_must_last(event);
        weft_event_release(event);
    }
    return 0;
}
