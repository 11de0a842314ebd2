/* tests/fuzz/fuzz_message.c: a topic, a newline and a payload, as any client may publish them: `weft decode` refuses
 * them or writes well-formed JSON, an object a line. */
#include "fuzz/fuzz.h"
#include "weft/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char topic[1024];
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end != NULL ? (size_t)(end - data) : 0;
    if (end == NULL || length >= sizeof topic || memchr(data, 0, length) != NULL)
        return 0;
    memcpy(topic, data, length);
    topic[length] = '\0';
    weft_text text = {0};
    const char *reason;
    if (weft_message_to_json(topic, end + 1, size - length - 1, &text, &reason) == WEFT_OK && text.length > 0)
        for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
            if (weft_json_check(line, strlen(line), 128) != WEFT_OK)
                abort();
    weft_text_fini(&text);
    return 0;
}
