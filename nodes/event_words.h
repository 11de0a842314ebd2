/* nodes/event_words.h: an event as it is typed at a command line, as JSON.
 *
 *   token_usage session_id=s1 model=claude-opus-4-5 input_tokens=9 cost_usd=0.02 tag=nightly attr.stream=main
 *
 * Threads: any. */
#ifndef WEFT_NODES_EVENT_WORDS_H
#define WEFT_NODES_EVENT_WORDS_H

#include "weft/json.h"

/* Appends the JSON form (weft/json.h) of a type and its field=value words: a field of the variant or of the envelope,
 * tag=TEXT, attr.KEY=TEXT. Whether the values fit is left to who reads the JSON.
 * Returns OK; INVALID, with what to do in error[error_bytes]; or NO_MEMORY. */
weft_status event_words_to_json(const char *type, char *const *words, size_t count, weft_text *out, char *error,
                                size_t error_bytes);

#endif
