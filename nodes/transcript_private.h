/* nodes/transcript_private.h: the state of the engine, for transcript.c and transcript_state.c. */
#ifndef WEFT_NODES_TRANSCRIPT_PRIVATE_H
#define WEFT_NODES_TRANSCRIPT_PRIVATE_H

#include <stdbool.h>

#include "nodes/seen_set.h"
#include "nodes/short_id.h"
#include "nodes/string_map.h"
#include "nodes/transcript.h"
#include "nodes/transcript_record.h"

enum { TASK_BYTES = 256, STREAM_KEY_BYTES = 2 * SHORT_ID_BYTES };

/* Kinds of ids in transcript.seen */
enum {
    SEEN_REQUEST = 'm', /* completed */
    SEEN_CALL = 'c',    /* ended, or given up */
    SEEN_RESULT = 'r',  /* emitted without a call */
    SEEN_RECORD = 'e',  /* uuid of an error or custom record */
    SEEN_AGENT = 'a',   /* session and agent id: started */
};

/* Whose a request, call or result is. */
typedef struct owner {
    char session[SHORT_ID_BYTES];
    char agent[SHORT_ID_BYTES];
} owner;

/* A request whose answer may still grow. */
typedef struct open_request {
    owner of;
    char model[SHORT_ID_BYTES];
    int64_t start_ms;
    int64_t last_ms;
    token_counts tokens;
    int64_t fed_ms; /* not saved */
} open_request;

typedef struct open_call {
    owner of;
    char name[SHORT_ID_BYTES];
    char task[TASK_BYTES];
    int64_t start_ms;
} open_call;

typedef struct waiting_result {
    owner of;
    int64_t timestamp_ms;
    bool success;
} waiting_result;

/* The conversation of one (session, agent). */
typedef struct stream {
    char *request;    /* message id that appeared last; NULL: none */
    int64_t input_ms; /* of the last user or tool_result record; -1: none */
} stream;

typedef struct live_session {
    int64_t last_ms;
} live_session;

struct transcript {
    transcript_opts opts;
    string_map requests; /* message id → open_request */
    string_map calls;    /* call id → open_call */
    string_map results;  /* call id → waiting_result */
    string_map streams;  /* session US agent → stream */
    string_map sessions; /* → live_session */
    seen_set seen;
    int64_t last_ms; /* of the last record that had a time */
    bool failed;     /* memory ran out */
};

/* One record being applied. */
typedef struct step {
    transcript *t;
    const transcript_record *record;
    owner of;
    int64_t now_ms; /* of the caller's clock */
    int64_t time_ms;
} step;

/* transcript.c */
void transcript__seen_add(transcript *t, char kind, const char *id);
/* Adds a value of its own (NULL: memory was out) to a table; frees it when memory is out. */
bool transcript__table_put(transcript *t, string_map *map, const char *key, void *value);
/* The oldest key of a table that is not empty. */
const char *transcript__table_oldest(const string_map *map, char ret[STREAM_KEY_BYTES]);
weft_event transcript__event_of(weft_event_type type, const owner *of, int64_t time_ms);
void transcript__emit(transcript *t, const weft_event *event);
uint64_t transcript__span_ms(int64_t from, int64_t to);

/* transcript_calls.c */
void transcript__call_start(const step *s, const record_item *item);
/* first: the record's first result, the one that its toolUseResult is about. */
void transcript__call_result(const step *s, const record_item *item, bool first);
void transcript__result_give_up(transcript *t, const char *id);
/* Once for each subagent. */
void transcript__agent_start(transcript *t, const owner *of, const char *task, int64_t time_ms);

#endif
