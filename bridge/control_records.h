/* bridge/control_records.h: the descriptions of the control messages, for whoever treats them all alike. The first
 * binding of each is the node that speaks. */
#ifndef WEFT_BRIDGE_CONTROL_RECORDS_H
#define WEFT_BRIDGE_CONTROL_RECORDS_H

#include "bridge/codec_record.h"

extern const weft__record weft__live_record;
extern const weft__record weft__state_record;
extern const weft__record weft__beat_record;
extern const weft__record weft__command_record;
extern const weft__record weft__reply_record;

#endif
