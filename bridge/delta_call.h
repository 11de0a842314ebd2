/* bridge/delta_call.h: which pieces are of one call, and which of these may become one event. Threads: any. */
#ifndef WEFT_BRIDGE_DELTA_CALL_H
#define WEFT_BRIDGE_DELTA_CALL_H

#include "weft/schema.h"

/* Equal for all pieces of a call, whatever their variant. Two calls that share one by chance do not agree. */
uint64_t weft__delta_call_of(const weft_event *event, const weft_schema *schema);
/* Whether two pieces, of a variant that is joined, agree in all but text, times and seq. */
bool weft__delta_agrees(const weft_event *a, const weft_event *b, const weft_schema *schema);

/* The text of a piece, never NULL. */
const char *weft__delta_text(const weft_event *event, const weft_schema *schema);
void weft__delta_text_set(weft_event *event, const weft_schema *schema, const char *text);

#endif
