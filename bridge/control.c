/* bridge/control.c: the control messages as tables for codec_record.c, and what their values must be to make sense. */
#include "bridge/control.h"

#include <string.h>

#include "bridge/control_records.h"
#include "weft/v1/control.pb-c.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { CONTROL_MAX_BYTES = WEFT_BATCH_MAX_BYTES, REPLY_MAX_BYTES = WEFT_BATCH_MAX_BYTES + 8 * 1024 };

static bool id_fits(const char *id)
{
    return id == NULL || strlen(id) <= WEFT_ID_MAX_BYTES;
}

/* Who and when, of the three messages that a node keeps saying about itself. */
static const char *origin_complaint(const char *node, uint64_t epoch)
{
    return !weft_name_valid(node) ? "node" : epoch == 0 || epoch > WEFT__EPOCH_MAX ? "epoch" : NULL;
}

/* ---- positions ---- */

static const weft__binding position_bindings[] = {
    WEFT__BIND(U64, weft__position, Weft__V1__StreamPosition, epoch),
    WEFT__BIND(TOPIC, weft__position, Weft__V1__StreamPosition, topic),
    WEFT__BIND(U64, weft__position, Weft__V1__StreamPosition, last_seq),
    WEFT__BIND(U64, weft__position, Weft__V1__StreamPosition, events),
};

static const char *position_complaint(const void *ours)
{
    const weft__position *position = ours;
    return position->epoch == 0 ? "epoch" : NULL;
}

static const weft__record position_record = {
    .name = "position",
    .wire = &weft__v1__stream_position__descriptor,
    .bytes = sizeof(weft__position),
    .bindings = position_bindings,
    .binding_count = COUNT(position_bindings),
    .complaint = position_complaint,
};

/* ---- live ---- */

static const weft__binding live_bindings[] = {
    WEFT__BIND(STRING, weft__live, Weft__V1__Live, node),
    WEFT__BIND(U64, weft__live, Weft__V1__Live, epoch),
    WEFT__BIND_LIMIT(ENUM, weft__live, Weft__V1__Live, status, WEFT__LIVE_WILL),
    WEFT__BIND(TIME, weft__live, Weft__V1__Live, timestamp_ms),
    WEFT__BIND(TIME, weft__live, Weft__V1__Live, instance),
    WEFT__BIND(STRING, weft__live, Weft__V1__Live, version),
    WEFT__BIND(TIME, weft__live, Weft__V1__Live, born_ms),
};

static const weft__list live_lists[] = {
    {&position_record, offsetof(weft__live, previous), offsetof(weft__live, previous_count),
     offsetof(Weft__V1__Live, previous), offsetof(Weft__V1__Live, n_previous)},
};

static const char *live_complaint(const void *ours)
{
    const weft__live *live = ours;
    if (live->status == WEFT__LIVE_UNSPECIFIED)
        return "status";
    return !id_fits(live->version) ? "version" : origin_complaint(live->node, live->epoch);
}

const weft__record weft__live_record = {
    .name = "live",
    .wire = &weft__v1__live__descriptor,
    .bytes = sizeof(weft__live),
    .max_length = CONTROL_MAX_BYTES,
    .bindings = live_bindings,
    .binding_count = COUNT(live_bindings),
    .lists = live_lists,
    .list_count = COUNT(live_lists),
    .complaint = live_complaint,
};

weft_status weft__live_encode(const weft__live *m, uint8_t **ret, size_t *ret_bytes)
{
    return weft__record_encode(&weft__live_record, m, ret, ret_bytes);
}

weft_status weft__live_decode(const uint8_t *bytes, size_t length, weft__live **ret, const char **reason)
{
    return weft__record_decode(&weft__live_record, bytes, length, (void **)ret, reason);
}

/* ---- state ---- */

static const weft__binding model_bindings[] = {
    WEFT__BIND(STRING, weft__model_totals, Weft__V1__ModelTotals, model),
    WEFT__BIND(U64, weft__model_totals, Weft__V1__ModelTotals, requests),
    WEFT__BIND(U64, weft__model_totals, Weft__V1__ModelTotals, input_tokens),
    WEFT__BIND(U64, weft__model_totals, Weft__V1__ModelTotals, output_tokens),
    WEFT__BIND(U64, weft__model_totals, Weft__V1__ModelTotals, cache_read_tokens),
    WEFT__BIND(U64, weft__model_totals, Weft__V1__ModelTotals, cache_write_tokens),
    WEFT__BIND(I64, weft__model_totals, Weft__V1__ModelTotals, cost_nano_usd),
};

static const char *no_complaint(const void *ours)
{
    (void)ours;
    return NULL;
}

static const weft__record model_record = {
    .name = "models",
    .wire = &weft__v1__model_totals__descriptor,
    .bytes = sizeof(weft__model_totals),
    .bindings = model_bindings,
    .binding_count = COUNT(model_bindings),
    .complaint = no_complaint,
};

static const weft__binding session_bindings[] = {
    WEFT__BIND(STRING, weft__session_state, Weft__V1__SessionState, session_id),
    WEFT__BIND_LIMIT(ENUM, weft__session_state, Weft__V1__SessionState, status, WEFT_SESSION_RETRY),
    WEFT__BIND(TIME, weft__session_state, Weft__V1__SessionState, changed_ms),
};

static const char *session_complaint(const void *ours)
{
    const weft__session_state *session = ours;
    return id_fits(session->session_id) ? NULL : "session_id";
}

static const weft__record session_record = {
    .name = "sessions",
    .wire = &weft__v1__session_state__descriptor,
    .bytes = sizeof(weft__session_state),
    .bindings = session_bindings,
    .binding_count = COUNT(session_bindings),
    .complaint = session_complaint,
};

static const weft__binding state_bindings[] = {
    WEFT__BIND(STRING, weft__state, Weft__V1__State, node),
    WEFT__BIND(U64, weft__state, Weft__V1__State, epoch),
    WEFT__BIND(TIME, weft__state, Weft__V1__State, timestamp_ms),
    WEFT__BIND(U64, weft__state, Weft__V1__State, sessions_started),
    WEFT__BIND(U64, weft__state, Weft__V1__State, sessions_ended),
    WEFT__BIND(U64, weft__state, Weft__V1__State, sessions_live),
    WEFT__BIND(BOOL, weft__state, Weft__V1__State, truncated),
};

static const weft__list state_lists[] = {
    {&model_record, offsetof(weft__state, models), offsetof(weft__state, model_count),
     offsetof(Weft__V1__State, models), offsetof(Weft__V1__State, n_models)},
    {&session_record, offsetof(weft__state, sessions), offsetof(weft__state, session_count),
     offsetof(Weft__V1__State, sessions), offsetof(Weft__V1__State, n_sessions)},
};

static const char *state_complaint(const void *ours)
{
    const weft__state *state = ours;
    return origin_complaint(state->node, state->epoch);
}

const weft__record weft__state_record = {
    .name = "state",
    .wire = &weft__v1__state__descriptor,
    .bytes = sizeof(weft__state),
    .max_length = CONTROL_MAX_BYTES,
    .bindings = state_bindings,
    .binding_count = COUNT(state_bindings),
    .lists = state_lists,
    .list_count = COUNT(state_lists),
    .complaint = state_complaint,
};

weft_status weft__state_encode(const weft__state *m, uint8_t **ret, size_t *ret_bytes)
{
    return weft__record_encode(&weft__state_record, m, ret, ret_bytes);
}

weft_status weft__state_decode(const uint8_t *bytes, size_t length, weft__state **ret, const char **reason)
{
    return weft__record_decode(&weft__state_record, bytes, length, (void **)ret, reason);
}

/* ---- beat ---- */

static const weft__binding beat_bindings[] = {
    WEFT__BIND(STRING, weft__beat, Weft__V1__Beat, node),
    WEFT__BIND(U64, weft__beat, Weft__V1__Beat, epoch),
    WEFT__BIND(TIME, weft__beat, Weft__V1__Beat, timestamp_ms),
};

static const weft__list beat_lists[] = {
    {&position_record, offsetof(weft__beat, streams), offsetof(weft__beat, stream_count),
     offsetof(Weft__V1__Beat, streams), offsetof(Weft__V1__Beat, n_streams)},
};

static const char *beat_complaint(const void *ours)
{
    const weft__beat *beat = ours;
    return origin_complaint(beat->node, beat->epoch);
}

const weft__record weft__beat_record = {
    .name = "beat",
    .wire = &weft__v1__beat__descriptor,
    .bytes = sizeof(weft__beat),
    .max_length = CONTROL_MAX_BYTES,
    .bindings = beat_bindings,
    .binding_count = COUNT(beat_bindings),
    .lists = beat_lists,
    .list_count = COUNT(beat_lists),
    .complaint = beat_complaint,
};

weft_status weft__beat_encode(const weft__beat *m, uint8_t **ret, size_t *ret_bytes)
{
    return weft__record_encode(&weft__beat_record, m, ret, ret_bytes);
}

weft_status weft__beat_decode(const uint8_t *bytes, size_t length, weft__beat **ret, const char **reason)
{
    return weft__record_decode(&weft__beat_record, bytes, length, (void **)ret, reason);
}

/* ---- command ---- */

#define REPLAY(kind, member)                                                                                           \
    {                                                                                                                  \
#member, WEFT__BIND_##kind, 0, offsetof(weft__command, replay.member), offsetof(Weft__V1__Replay, member)      \
    }
static const weft__binding replay_bindings[] = {
    REPLAY(U64, epoch),        REPLAY(TOPIC, topic),   REPLAY(U64, from_seq), REPLAY(U64, to_seq),
    REPLAY(U32, max_messages), REPLAY(TIME, since_ms), REPLAY(U32, taker),
};

static const char *replay_complaint(const void *ours)
{
    const weft__command *command = ours;
    if (command->replay.epoch == 0)
        return "epoch";
    return command->replay.from_seq > command->replay.to_seq ? "from_seq" : NULL;
}

static const weft__record replay_record = {
    .name = "replay",
    .wire = &weft__v1__replay__descriptor,
    .bytes = sizeof(weft__command),
    .bindings = replay_bindings,
    .binding_count = COUNT(replay_bindings),
    .complaint = replay_complaint,
};

static const weft__part command_part = {&replay_record, offsetof(weft__command, has_replay),
                                        offsetof(Weft__V1__Command, replay)};

static const weft__binding command_bindings[] = {
    WEFT__BIND(STRING, weft__command, Weft__V1__Command, from),
    WEFT__BIND(STRING, weft__command, Weft__V1__Command, request_id),
    WEFT__BIND(STRING, weft__command, Weft__V1__Command, reason),
};

static const char *command_complaint(const void *ours)
{
    const weft__command *command = ours;
    return !weft_name_valid(command->from) ? "from" : !id_fits(command->request_id) ? "request_id" : NULL;
}

const weft__record weft__command_record = {
    .name = "command",
    .wire = &weft__v1__command__descriptor,
    .bytes = sizeof(weft__command),
    .max_length = CONTROL_MAX_BYTES,
    .bindings = command_bindings,
    .binding_count = COUNT(command_bindings),
    .part = &command_part,
    .complaint = command_complaint,
};

weft_status weft__command_encode(const weft__command *m, uint8_t **ret, size_t *ret_bytes)
{
    return weft__record_encode(&weft__command_record, m, ret, ret_bytes);
}

weft_status weft__command_decode(const uint8_t *bytes, size_t length, weft__command **ret, const char **reason)
{
    return weft__record_decode(&weft__command_record, bytes, length, (void **)ret, reason);
}

/* ---- accounts ---- */

static const weft__binding stream_account_bindings[] = {
    WEFT__BIND(STRING, weft_stream_account, Weft__V1__StreamAccount, node),
    WEFT__BIND(U64, weft_stream_account, Weft__V1__StreamAccount, epoch),
    WEFT__BIND(TOPIC_OR_NONE, weft_stream_account, Weft__V1__StreamAccount, topic),
    WEFT__BIND(BOOL, weft_stream_account, Weft__V1__StreamAccount, own),
    WEFT__BIND(BOOL, weft_stream_account, Weft__V1__StreamAccount, based),
    WEFT__BIND(BOOL, weft_stream_account, Weft__V1__StreamAccount, before_known),
    WEFT__BIND(I64, weft_stream_account, Weft__V1__StreamAccount, unaccounted),
#define X(name) WEFT__BIND(U64, weft_stream_account, Weft__V1__StreamAccount, name),
    WEFT_ACCOUNT_MAP(X)
#undef X
};

/* Late senders of what was dropped share the name "-". */
static const char *stream_account_complaint(const void *ours)
{
    const weft_stream_account *account = ours;
    bool named = account->node == NULL || weft_name_valid(account->node) || strcmp(account->node, "-") == 0;
    return named ? NULL : "node";
}

static const weft__record stream_account_record = {
    .name = "streams",
    .wire = &weft__v1__stream_account__descriptor,
    .bytes = sizeof(weft_stream_account),
    .bindings = stream_account_bindings,
    .binding_count = COUNT(stream_account_bindings),
    .complaint = stream_account_complaint,
};

#define ACCOUNT(kind, member)                                                                                          \
    {                                                                                                                  \
#member, WEFT__BIND_##kind, 0, offsetof(weft__reply, account.member), offsetof(Weft__V1__Account, member)      \
    }
static const weft__binding account_bindings[] = {
    ACCOUNT(U64, epoch),       ACCOUNT(BOOL, listener), ACCOUNT(BOOL, truncated), ACCOUNT(U64, dropped_overflow),
    ACCOUNT(U64, dropped_own), ACCOUNT(U64, refused),
};

static const weft__record account_record = {
    .name = "account",
    .wire = &weft__v1__account__descriptor,
    .bytes = sizeof(weft__reply),
    .bindings = account_bindings,
    .binding_count = COUNT(account_bindings),
    .complaint = no_complaint,
};

static const weft__part account_part = {&account_record, offsetof(weft__reply, has_account),
                                        offsetof(Weft__V1__Reply, account)};

/* ---- reply ---- */

static const weft__binding reply_bindings[] = {
    WEFT__BIND(STRING, weft__reply, Weft__V1__Reply, node),
    WEFT__BIND(STRING, weft__reply, Weft__V1__Reply, request_id),
    WEFT__BIND(U32, weft__reply, Weft__V1__Reply, index),
    WEFT__BIND(BOOL, weft__reply, Weft__V1__Reply, last),
    WEFT__BIND(U64, weft__reply, Weft__V1__Reply, covered_to_seq),
    WEFT__BIND(STRING, weft__reply, Weft__V1__Reply, error),
    WEFT__BIND(U64, weft__reply, Weft__V1__Reply, last_seq),
    WEFT__BIND(U64, weft__reply, Weft__V1__Reply, skipped_seq),
};

static const weft__blob reply_blob = {offsetof(weft__reply, batch), offsetof(weft__reply, batch_bytes),
                                      offsetof(Weft__V1__Reply, batch)};

static const weft__list reply_lists[] = {
    {&weft__lost_record, offsetof(weft__reply, lost), offsetof(weft__reply, lost_count),
     offsetof(Weft__V1__Reply, lost), offsetof(Weft__V1__Reply, n_lost)},
    {&stream_account_record, offsetof(weft__reply, account.streams), offsetof(weft__reply, account.stream_count),
     offsetof(Weft__V1__Reply, streams), offsetof(Weft__V1__Reply, n_streams)},
};

static const char *reply_complaint(const void *ours)
{
    const weft__reply *reply = ours;
    return !weft_name_valid(reply->node) ? "node" : !id_fits(reply->request_id) ? "request_id" : NULL;
}

const weft__record weft__reply_record = {
    .name = "reply",
    .wire = &weft__v1__reply__descriptor,
    .bytes = sizeof(weft__reply),
    .max_length = REPLY_MAX_BYTES,
    .bindings = reply_bindings,
    .binding_count = COUNT(reply_bindings),
    .lists = reply_lists,
    .list_count = COUNT(reply_lists),
    .part = &account_part,
    .blob = &reply_blob,
    .complaint = reply_complaint,
};

weft_status weft__reply_encode(const weft__reply *m, uint8_t **ret, size_t *ret_bytes)
{
    return weft__record_encode(&weft__reply_record, m, ret, ret_bytes);
}

/* What the message says only once. */
static void account_complete(weft__reply *reply)
{
    reply->account.node = reply->node;
    reply->account.last = reply->last;
    weft_stream_account *streams = (weft_stream_account *)(uintptr_t)reply->account.streams; /* in our own block */
    for (size_t i = 0; i < reply->account.stream_count; i++)
        if (streams[i].node == NULL)
            streams[i].node = reply->node;
}

weft_status weft__reply_decode(const uint8_t *bytes, size_t length, weft__reply **ret, const char **reason)
{
    weft__reply *reply;
    weft_status st = weft__record_decode(&weft__reply_record, bytes, length, (void **)&reply, reason);
    if (st != WEFT_OK)
        return st;
    weft_lost *lost = (weft_lost *)(uintptr_t)reply->lost; /* in our own block */
    for (size_t i = 0; i < reply->lost_count; i++)
        lost[i].node = reply->node;
    account_complete(reply);
    *ret = reply;
    return WEFT_OK;
}
