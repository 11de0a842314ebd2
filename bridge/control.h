/* bridge/control.h: the messages beside the events (proto/weft/v1/control.proto) as plain structs.
 *
 * Encoders return malloc'ed bytes. Decoders verify like weft/wire.h and return one malloc'ed block whose pointers stay
 * inside it; free() releases it. Threads: any. */
#ifndef WEFT_BRIDGE_CONTROL_H
#define WEFT_BRIDGE_CONTROL_H

#include "weft/account.h"

/* Epochs are ms since 1970, or a little beyond somebody's: a live, state or beat message with one after the year 2248
 * is junk, and nobody goes beyond it. */
#define WEFT__EPOCH_MAX (UINT64_C(1) << 43)

enum { WEFT__SKEW_MS = 5000 }; /* granted to the clocks of other hosts */

typedef struct weft__position {
    uint64_t epoch;
    weft_topic topic;
    uint64_t last_seq;
    uint64_t events; /* that the stream holds up to last_seq; 0: not known */
} weft__position;

typedef enum weft__live_status {
    WEFT__LIVE_UNSPECIFIED,
    WEFT__LIVE_BIRTH,
    WEFT__LIVE_GOODBYE,
    WEFT__LIVE_WILL
} weft__live_status;

typedef struct weft__live {
    const char *node;
    uint64_t epoch;
    weft__live_status status;
    const weft__position *previous;
    size_t previous_count;
    int64_t timestamp_ms;
    int64_t instance;    /* of the process, random, positive; 0: not said */
    const char *version; /* NULL: not said */
    int64_t born_ms;
} weft__live;

typedef struct weft__model_totals {
    const char *model;
    uint64_t requests;
    uint64_t input_tokens;
    uint64_t output_tokens;
    uint64_t cache_read_tokens;
    uint64_t cache_write_tokens;
    int64_t cost_nano_usd;
} weft__model_totals;

typedef struct weft__session_state {
    const char *session_id;
    weft_session_status status;
    int64_t changed_ms;
} weft__session_state;

typedef struct weft__state {
    const char *node;
    uint64_t epoch;
    int64_t timestamp_ms;
    const weft__model_totals *models;
    size_t model_count;
    uint64_t sessions_started;
    uint64_t sessions_ended;
    uint64_t sessions_live;
    const weft__session_state *sessions;
    size_t session_count;
    bool truncated;
} weft__state;

typedef struct weft__beat {
    const char *node;
    uint64_t epoch;
    const weft__position *streams;
    size_t stream_count;
    int64_t timestamp_ms; /* 0: not said */
} weft__beat;

typedef struct weft__command {
    const char *from;
    const char *request_id;
    bool has_replay;
    struct {
        uint64_t epoch;
        weft_topic topic;
        uint64_t from_seq;
        uint64_t to_seq; /* UINT64_MAX: as far as there is */
        uint32_t max_messages;
        int64_t since_ms;
        uint32_t taker;
    } replay;
    const char *reason;
} weft__command;

typedef struct weft__reply {
    const char *node;
    const char *request_id;
    uint32_t index;
    bool last;
    const uint8_t *batch; /* NULL: none */
    size_t batch_bytes;
    uint64_t covered_to_seq;
    const weft_lost *lost;
    size_t lost_count;
    const char *error;
    uint64_t last_seq;
    uint64_t skipped_seq;
    bool has_account;
    weft_account account; /* its last is the reply's */
} weft__reply;

weft_status weft__live_encode(const weft__live *m, uint8_t **ret, size_t *ret_bytes);
weft_status weft__state_encode(const weft__state *m, uint8_t **ret, size_t *ret_bytes);
weft_status weft__beat_encode(const weft__beat *m, uint8_t **ret, size_t *ret_bytes);
weft_status weft__command_encode(const weft__command *m, uint8_t **ret, size_t *ret_bytes);
weft_status weft__reply_encode(const weft__reply *m, uint8_t **ret, size_t *ret_bytes);

weft_status weft__live_decode(const uint8_t *bytes, size_t length, weft__live **ret, const char **reason);
weft_status weft__state_decode(const uint8_t *bytes, size_t length, weft__state **ret, const char **reason);
weft_status weft__beat_decode(const uint8_t *bytes, size_t length, weft__beat **ret, const char **reason);
weft_status weft__command_decode(const uint8_t *bytes, size_t length, weft__command **ret, const char **reason);
weft_status weft__reply_decode(const uint8_t *bytes, size_t length, weft__reply **ret, const char **reason);

/* Rewrites consecutive encoded batches of one stream as one: the first one's header, all events and lost records, a
 * fresh checksum. Every part's checksum is verified first. Ownership: *ret is malloc'ed.
 * Returns OK, CORRUPT, MALFORMED or NO_MEMORY. */
typedef struct weft__bytes {
    const uint8_t *data;
    size_t length;
} weft__bytes;
weft_status weft__batch_merge(const weft__bytes *parts, size_t count, uint8_t **ret, size_t *ret_bytes);

#endif
