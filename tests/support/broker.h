/* tests/support/broker.h: a real mosquitto of the test's own, on a free loopback port, in a directory of its own.
 *
 * It dies with the test program. Threads: one thread at a time. */
#ifndef WEFT_TESTS_BROKER_H
#define WEFT_TESTS_BROKER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct broker broker;

/* Whether mosquitto is installed (PATH, /usr/sbin, /usr/local/sbin). Tests that need it print a skip otherwise. */
bool broker_available(void);

/* Chooses port and directory and writes the shipped limits into a configuration: anonymous clients, persistence, no
 * TLS. Not started yet. NULL on failure. */
broker *broker_create(void);
/* Appends lines to the configuration; they apply to its one listener. Later lines win. */
void broker_configure(broker *b, const char *lines);
/* Starts it, or starts it again, on the same port; whether it accepts connections now. */
bool broker_start(broker *b);
/* Ends it properly: it saves its state. */
void broker_stop(broker *b);
/* kill -9: what it had not saved is gone. */
void broker_kill(broker *b);
/* SIGSTOP and SIGCONT: its sockets stay open and silent. */
void broker_freeze(broker *b);
void broker_thaw(broker *b);
/* Kills it if it runs, and removes its directory. NULL is fine. */
void broker_destroy(broker *b);

uint16_t broker_port(const broker *b);
const char *broker_url(const broker *b); /* mqtt://localhost:PORT */
const char *broker_dir(const broker *b); /* for certificates and ACL files; the log is in it as "log" */

#endif
