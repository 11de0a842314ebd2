/* nodes/simulate_private.h: what the parts of the generator share: simulate.c (operators, files, sessions),
 * simulate_turn.c (prompts, requests, tools, subagents), simulate_record.c (records). */
#ifndef WEFT_NODES_SIMULATE_PRIVATE_H
#define WEFT_NODES_SIMULATE_PRIVATE_H

#include "nodes/random.h"
#include "nodes/simulate.h"
#include "weft/json.h"

enum { SIM_ID_BYTES = 40 };

/* One line of a file, kept until the file's lines can be sorted. */
typedef struct sim_line {
    int64_t time_ms;
    size_t order; /* of making: breaks ties */
    char *text;
} sim_line;

typedef struct sim_file {
    sim_line *lines;
    size_t count;
    size_t capacity;
} sim_file;

typedef struct simulation {
    random_source random;
    totals *totals;
    prices *prices;
    sim_file file; /* of the operator at hand */
    bool failed;   /* memory ran out */
} simulation;

typedef struct sim_session {
    simulation *sim;
    char id[SIM_ID_BYTES];
    char operator_name[16];
    const char *model;
    bool progress;    /* this version of the agent writes progress records */
    int64_t now_ms;   /* simulated time */
    uint64_t context; /* tokens in the conversation so far */
    char last_uuid[SIM_ID_BYTES];
} sim_session;

/* Who talks to the model: the session itself, or a subagent of it. */
typedef struct sim_speaker {
    sim_session *session;
    const char *model;
    uint64_t *context;
    char agent[16];          /* "" for the session itself */
    const char *parent_call; /* of a subagent */
    char message_uuid[SIM_ID_BYTES];
} sim_speaker;

/* ---- simulate_record.c ---- */

void sim_uuid(simulation *sim, char ret[SIM_ID_BYTES]);
/* prefix and 22 letters or digits. */
void sim_id(simulation *sim, const char *prefix, char ret[SIM_ID_BYTES]);

/* Adds a line {head of the record, the formatted members}. */
void sim_record(sim_session *s, int64_t time_ms, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A record without uuid and operator, as the agent writes for its queue. */
void sim_bare_record(sim_session *s, int64_t time_ms, const char *type, const char *members);
/* Adds what a speaker says or is told: a record of its own for the session, agent_progress for a subagent.
 * members go beside the message. */
void sim_say(sim_speaker *sp, int64_t time_ms, const char *type, const char *message, const char *members);

/* ---- simulate_turn.c ---- */

/* A person's prompt and everything up to the answer's end. */
void sim_turn(sim_session *s);

#endif
