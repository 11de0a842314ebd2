/* tests/support/server_program.h: what is needed to run somebody else's server: its program, a port, and whether it
 * takes connections yet. Threads: any. */
#ifndef WEFT_TESTS_SERVER_PROGRAM_H
#define WEFT_TESTS_SERVER_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* Looks for a program in PATH, /usr/sbin and /usr/local/sbin. */
bool server_program_find(const char *program, char path[PATH_MAX]);
/* A port of 127.0.0.1 that nothing listens on at the moment; 0: there is none. */
uint16_t server_free_port(void);
/* Whether something on that port of 127.0.0.1 accepts a connection. */
bool server_accepts(uint16_t port);

#endif
