/* nodes/feed_answers.h: what a feeder is owed: one answer a line, in the order of the lines, each when its time has
 * come. Threads: one. */
#ifndef WEFT_NODES_FEED_ANSWERS_H
#define WEFT_NODES_FEED_ANSWERS_H

#include "weft/json.h"

enum { FEED_ANSWERS_MAX = 4096, FEED_ANSWERS_MAX_BYTES = 256 * 1024 };

typedef struct feed_answer {
    uint64_t line;
    uint64_t receipt; /* ok once the journal has written this; UINT64_MAX: not published yet */
    char *error;      /* refused: why */
} feed_answer;

typedef struct feed_answers {
    feed_answer *ring;
    uint64_t first; /* ticket of the oldest */
    uint64_t next;  /* ticket of the next */
    weft_text out;  /* due, not yet written to the feeder */
    size_t out_written;
} feed_answers;

/* Returns false when memory is out. */
bool feed_answers_init(feed_answers *a);
void feed_answers_fini(feed_answers *a);

/* Whether another line may be taken. */
bool feed_answers_has_room(const feed_answers *a);
bool feed_answers_is_empty(const feed_answers *a);

/* Owes an answer for a line; returns its ticket. There must be room. */
uint64_t feed_answers_owe(feed_answers *a, uint64_t line);
/* The line is ok once the journal has written the receipt; 0: at once. */
void feed_answers_accept(feed_answers *a, uint64_t ticket, uint64_t receipt);
void feed_answers_refuse(feed_answers *a, uint64_t ticket, const char *error);

/* Owes nothing from this ticket on: these lines were not taken. */
void feed_answers_withdraw(feed_answers *a, uint64_t ticket);

/* Makes due what can be answered now that the journal has written up to a receipt. */
void feed_answers_settle(feed_answers *a, uint64_t written);
/* Answers a greeting, or refuses it; nothing may be owed. state may be NULL. */
void feed_answers_greet(feed_answers *a, const char *feed, uint64_t line, const char *state);
void feed_answers_refuse_greeting(feed_answers *a, const char *error);

/* Writes what is due, as far as the descriptor takes it; -1 throws it away. Returns false when nobody reads any more.
 */
bool feed_answers_write(feed_answers *a, int fd);
/* Whether an answer was lost for want of memory: all later ones would be out of step. */
bool feed_answers_failed(const feed_answers *a);
bool feed_answers_has_due(const feed_answers *a);

#endif
