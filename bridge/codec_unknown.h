/* bridge/codec_unknown.h: payloads of a newer version, carried through as Custom.
 *
 * Payload field N (100 to 999) that the schema lacks ↔ Custom{event_type "unknown.N", data_json
 * {"field":N,"bytes":"base64"}}. */
#ifndef WEFT_BRIDGE_CODEC_UNKNOWN_H
#define WEFT_BRIDGE_CODEC_UNKNOWN_H

#include "bridge/codec_arena.h"
#include "weft/event.h"

enum { WEFT__PAYLOAD_FIRST = 100, WEFT__PAYLOAD_LAST = 999 };

/* Makes the payload; its strings are in the arena. False when that is at its end. */
bool weft__unknown_to_custom(weft__arena *arena, uint32_t number, const uint8_t *bytes, size_t length,
                             weft_event *event);

/* The number of the payload that an event stands for, 0 if it is an ordinary one: only exactly what
 * weft__unknown_to_custom makes counts. The payload, behind its length as on the wire, is malloc'ed. Returns OK (also
 * for an ordinary event) or NO_MEMORY. */
weft_status weft__unknown_from_custom(const weft_event *event, uint32_t *ret_number, uint8_t **ret_field,
                                      size_t *ret_field_bytes);

#endif
