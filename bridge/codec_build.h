/* bridge/codec_build.h: one event as the generated struct, on the stack, ready to be packed. */
#ifndef WEFT_BRIDGE_CODEC_BUILD_H
#define WEFT_BRIDGE_CODEC_BUILD_H

#include "bridge/codec_bind.h"
#include "weft/v1/events.pb-c.h"

typedef struct weft__built_event {
    Weft__V1__RuntimeEvent message; /* strings borrowed from the event */
    bool foreign;                   /* the payload of a newer version: belongs to any topic */
    union {
        ProtobufCMessage base;
        max_align_t align;
        char bytes[WEFT__PAYLOAD_BYTES_MAX];
    } payload;
    ProtobufCMessageUnknownField unknown;
    char *tags[WEFT_TAGS_MAX];
    Weft__V1__RuntimeEvent__AttributesEntry *attributes[WEFT_ATTRIBUTES_MAX];
    Weft__V1__RuntimeEvent__AttributesEntry entries[WEFT_ATTRIBUTES_MAX];
} weft__built_event;

/* Must not move afterwards. Ownership: fini it after success. Returns OK, INVALID or NO_MEMORY. */
weft_status weft__built_event_init(weft__built_event *built, const weft_event *event);
void weft__built_event_fini(weft__built_event *built);

#endif
