/* tests/support/bridge/reference_bind.h: which member of our events is which member of the generated ones: made from
 * weft_schema and the generated descriptors at first use. Threads: any. */
#ifndef WEFT_TESTS_REFERENCE_BIND_H
#define WEFT_TESTS_REFERENCE_BIND_H

#include "bridge/codec_bind.h"
#include "weft/schema.h"

enum { REFERENCE_FIELDS_MAX = 32, REFERENCE_PAYLOAD_MAX_BYTES = 128 };

/* The wire side of one variant. */
typedef struct reference_payload {
    const ProtobufCMessageDescriptor *message;
    weft__binding bindings[REFERENCE_FIELDS_MAX];
    size_t binding_count;
    size_t slot_offset; /* of the pointer to the payload in the generated event */
    size_t case_offset; /* of the number of the payload */
} reference_payload;

/* The scalar members of the envelope; and a variant's. Ownership: static. NULL for an unknown type. */
const weft__binding *reference_envelope(size_t *ret_count);
const reference_payload *reference_payload_of(weft_event_type type);

#endif
