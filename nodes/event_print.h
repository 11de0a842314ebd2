/* nodes/event_print.h: events as people read them, one line each.
 *
 *   12:03:04.123 host-a token_usage session=s1 model=claude-opus-4-5 input_tokens=9 output_tokens=41 cost_usd=0.02
 *
 * Times are UTC. Threads: any. */
#ifndef WEFT_NODES_EVENT_PRINT_H
#define WEFT_NODES_EVENT_PRINT_H

#include "weft/dispatcher.h"
#include "weft/json.h"

/* Appends the line and its newline. Members that are absent or zero are left out; text over 100 bytes is cut. */
void event_print(const weft_event *event, weft_text *out);

/* "lost: 3 events of host-a/cost, epoch 17, seq 5 to 9: retention", without a newline. */
void lost_print(const weft_lost *lost, weft_text *out);

#endif
