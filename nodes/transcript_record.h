/* nodes/transcript_record.h: one line of a coding agent's transcript, checked and taken apart.
 *
 * A line is taken as a whole or not at all: every member that counts is checked before anything is used. Members that
 * tools and later versions fill as they please (toolUseResult, error, unknown record types) are read leniently.
 * Pure functions of the line. */
#ifndef WEFT_NODES_TRANSCRIPT_RECORD_H
#define WEFT_NODES_TRANSCRIPT_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/prices.h"
#include "weft/status.h"

typedef enum record_kind {
    RECORD_OTHER, /* counts for its session, nothing else */
    RECORD_ASSISTANT,
    RECORD_USER,
    RECORD_API_ERROR,
    RECORD_TURN_DURATION,
    RECORD_CUSTOM, /* compact_boundary, pr-link, queue-operation */
} record_kind;

typedef struct record_item {
    bool is_result;   /* a tool_result, else a tool_use */
    bool is_error;    /* of a result */
    const char *id;   /* the call's */
    const char *name; /* of a call */
    const char *task; /* what a call asks a subagent to do; "" if it does not */
} record_item;

/* Strings point into root; "" where the record has none. */
typedef struct transcript_record {
    json_t *root;
    record_kind kind;
    const char *session;
    const char *agent;
    const char *operator_name;
    const char *uuid;
    int64_t timestamp_ms; /* -1: none */
    const char *message_id;
    const char *model;
    token_counts tokens;
    bool synthetic; /* the model is <synthetic> */
    bool api_error_message;
    bool prompt; /* a person's words */
    record_item *items;
    size_t item_count;
    const char *parent_call; /* of agent_progress: the call that runs the subagent */
    json_t *result;          /* toolUseResult if it is an object, else NULL */
    json_t *error;           /* as it stands, or NULL */
    uint32_t attempt;        /* of an api_error */
    uint64_t next_retry_ms;
    const char *custom_type; /* of RECORD_CUSTOM */
    json_t *custom_data;     /* NULL: nothing to tell */
} transcript_record;

/* Takes a line apart. Ownership: release with transcript_record_fini after OK.
 * Returns OK; MALFORMED (no JSON) or INVALID (a member is missing or of a wrong type), error says which; NO_MEMORY. */
weft_status transcript_record_parse(const char *text, size_t length, transcript_record *ret, char *error,
                                    size_t error_size);
void transcript_record_fini(transcript_record *record);

#endif
