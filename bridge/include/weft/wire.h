/* weft/wire.h: events as bytes. The format is proto/weft/v1/events.proto (package weft.v1).
 *
 * Everything read here may come from anybody: lengths, UTF-8, embedded NUL, enum values, bounds and the checksum are
 * verified before a field is believed, and memory for one message is capped. */
#ifndef WEFT_WIRE_H
#define WEFT_WIRE_H

#include "weft/dispatcher.h"
#include "weft/json.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    WEFT_BATCH_MAX_BYTES = 256 * 1024, /* a larger message is refused before decoding */
    WEFT_NAME_MAX_BYTES = 64,          /* fabric and node names */
};

/* Whether a fabric or node name matches [a-z0-9_.-]{1,64} and is not "-". */
bool weft_name_valid(const char *name);

/* One message of a stream (node, epoch, topic). */
typedef struct weft_batch {
    const char *node;
    uint64_t epoch;
    uint64_t prev_seq;
    weft_topic topic;                /* of all its events; 0 if it has none, or only ones that a newer version made */
    const weft_event *const *events; /* each a kept event with its id set; seq strictly rising */
    size_t event_count;
    const weft_lost *lost;
    size_t lost_count;
    bool checked; /* it carried a checksum, which was right */
} weft_batch;

/* Encodes a batch, checksum included. The events must have passed weft_event_validate, belong to one topic
 * (batch->topic, unless that is 0), and rise in seq above prev_seq; of their ids only seq is used. Ownership:
 * *ret_bytes is malloc'ed. An event Custom "unknown.N" made by weft_batch_decode is written back as the bytes it was,
 * in a batch of any topic. Returns OK, INVALID, TOO_LARGE (an event over WEFT_EVENT_MAX_BYTES, or the whole over
 * WEFT_BATCH_MAX_BYTES) or NO_MEMORY. Threads: any. */
weft_status weft_batch_encode(const weft_batch *batch, uint8_t **ret_bytes, size_t *ret_length);

/* Bytes that one event with its id.seq takes inside a batch (tag and length included). Returns 0 if it cannot be
 * encoded. */
size_t weft_event_encoded_bytes(const weft_event *event);

/* Decodes and verifies one message. Ownership: *ret holds everything; free with weft_batch_free. Its events are kept
 * ones: whoever keeps them longer takes its own reference. Absent strings are NULL. The payload of a newer version
 * becomes Custom "unknown.N"; lost records of a topic that only a newer version knows are left out, an unknown reason
 * is WEFT_LOST_UNSPECIFIED.
 * reason, if not NULL, gets a static text on failure ("events[].session_id: invalid UTF-8").
 * Returns OK, TOO_LARGE, CORRUPT (checksum), MALFORMED, or NO_MEMORY. Threads: any. */
weft_status weft_batch_decode(const uint8_t *bytes, size_t length, weft_batch **ret, const char **reason);
void weft_batch_free(weft_batch *batch);

/* Any message of the fabric, chosen by its topic, as JSON, a line an object: for evt one object an event (see
 * weft/json.h); for live, state, beat, cmd and reply one object {"topic": …, "message": …} in the canonical mapping;
 * what the tap under json carries, as it is. The message must come from the node that the topic names. Returns OK,
 * INVALID (not a topic of weft, or rpc) or what decoding says, with the reason. */
weft_status weft_message_to_json(const char *topic, const uint8_t *bytes, size_t length, weft_text *text,
                                 const char **reason);

/* CRC-32C (RFC 3720 appendix B.4), continuing from crc (0 to begin). */
uint32_t weft_crc32c(uint32_t crc, const void *bytes, size_t length);

#ifdef __cplusplus
}
#endif
#endif
