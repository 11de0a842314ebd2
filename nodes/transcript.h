/* nodes/transcript.h: turns the lines of coding agents' transcripts into events.
 *
 * Lines are fed in the order of their files; events come out through a callback, borrowed for the call.
 *
 * An LLM request is one message id. It starts (llm_request_start) with its first line and is complete (llm_response_end
 * and token_usage) when another message id appears for the same session and agent, when the input ends, or when it has
 * been idle for TRANSCRIPT_IDLE_MS; its tokens are those of the line with the largest output. An id completed once is
 * never emitted again. A tool call is one tool_use id, its end the first tool_result of that id. A result before its
 * call waits for it; without a call it becomes, at the end of the input, a tool_call_end without a tool name.
 *
 * Bounds: tables (open requests, open calls, waiting results, streams, live sessions) hold table_max entries each. When
 * one is full its oldest entry is completed as at the end of the input; of a call the result is then ignored. Ids that
 * are done are remembered as fingerprints, the newest seen_max of them over all sessions.
 *
 * Threads: one. Callbacks must not call the engine. After NO_MEMORY the engine can only be destroyed. */
#ifndef WEFT_NODES_TRANSCRIPT_H
#define WEFT_NODES_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/prices.h"
#include "weft/event.h"

enum { TRANSCRIPT_IDLE_MS = 30000 };

#define TRANSCRIPT_SOURCE "claude-code"
/* What a transcript has no name for: the agent that a session begins with, and the tool of a result without a call. */
#define TRANSCRIPT_MAIN_AGENT   "main"
#define TRANSCRIPT_UNKNOWN_TOOL "(unknown)"

typedef struct transcript transcript;

typedef struct transcript_opts {
    prices *prices; /* the caller's, until destroy */
    void (*on_event)(const weft_event *event, void *user);
    /* A line that was skipped; text begins "FILE:LINE: ". May be NULL. */
    void (*on_problem)(const char *text, void *user);
    /* Once for each model that has no price. May be NULL. */
    void (*on_unknown_model)(const char *model, void *user);
    void *user;
    size_t table_max; /* 0: 65,536 */
    size_t seen_max;  /* 0: 1,048,576 */
} transcript_opts;

/* Ownership: destroy it. Returns OK or NO_MEMORY. */
weft_status transcript_create(const transcript_opts *opts, transcript **ret);
void transcript_destroy(transcript *t);

/* Feeds one line; file and line are for messages. now_ms is any clock that does not go back, for transcript_idle.
 * Empty lines are fine. Returns OK; INVALID (the line was skipped and reported); NO_MEMORY. */
weft_status transcript_feed(transcript *t, const char *file, uint64_t line, const char *text, size_t length,
                            int64_t now_ms);

/* For following: completes the requests whose last line came TRANSCRIPT_IDLE_MS ago. Returns when the next one will be
 * due, INT64_MAX if none is open. */
int64_t transcript_idle(transcript *t, int64_t now_ms);

/* The end of the input: completes what is open, gives up waiting results, ends the live sessions. Lines may follow all
 * the same (the file has grown): calls stay open for their results. Returns OK or NO_MEMORY. */
weft_status transcript_end(transcript *t);

/* One step of transcript_end: completes one thing. Between steps the state may be saved. Returns false when nothing was
 * left. */
bool transcript_end_step(transcript *t);

/* The whole state as a JSON object on one line. Ownership: free it. Returns NULL when memory is out. */
char *transcript_save(const transcript *t);
/* Restores a state into a new engine. Requests count as fed at now_ms. Returns OK, CORRUPT or NO_MEMORY. */
weft_status transcript_load(transcript *t, const char *state, int64_t now_ms);

/* Forgets the older half of the ids that are done, to make the state smaller. Returns false when there were none. */
bool transcript_forget(transcript *t);

#endif
