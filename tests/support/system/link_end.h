/* tests/support/system/link_end.h: a link to a real broker, and what it told. */
#ifndef WEFT_TESTS_LINK_END_H
#define WEFT_TESTS_LINK_END_H

#include "bridge/link.h"
#include "support/broker.h"
#include "support/suite.h"

#include <pthread.h>

enum { WAIT_MS = 30000, TOKENS = 65536 };

/* Counters are read with HEARS, or once the link is quiet. */
typedef struct ear {
    pthread_mutex_t lock;
    unsigned messages;
    unsigned acked;
    unsigned refused;
    unsigned strange; /* unknown tokens, or torn payloads */
    unsigned downs;
    unsigned late; /* callbacks after on_down */
    bool down;
    bool last_retained;
    char last_topic[128];
    char last_payload[128];
    char ack_of[TOKENS];
} ear;

typedef struct goal {
    ear *e;
    const unsigned *counter;
    unsigned value;
} goal;

bool goal_met(void *goal);

/* Whether a counter reaches a value before the deadline. */
#define HEARS(e, counter, value) suite_wait(goal_met, &(goal){(e), &(e)->counter, (value)}, WAIT_MS)

typedef struct end {
    ear ear;
    weft__link *link;
    weft__link_limits limits;
    const char *reason;
} end;

/* Options with the retained will "gone" on live/a. */
weft__link_opts end_options(const char *url, const char *id);
end *end_create(const weft__link_opts *opts);
weft_status end_connect(end *n, bool clean);
end *end_open(const char *url, const char *id);
/* Disconnects, destroys, and asserts that nothing strange was heard. */
void end_close(end *n);
/* Destroys without goodbye. */
void end_crash(end *n);

weft_status end_say(end *n, const char *topic, const char *text, bool retain);
/* Publishes to "flood" until count is reached or the link says it is gone; how many. Each payload is one letter. */
unsigned end_pour(end *n, size_t bytes, unsigned count);
/* Asserts what a peek finds; NULL: nothing. */
void end_expect_retained(end *n, const char *topic, const char *text);

/* A started broker with these lines in its configuration; NULL: none. */
broker *broker_run(const char *lines);

#endif
