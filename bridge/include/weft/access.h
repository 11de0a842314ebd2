/* weft/access.h: what a broker should let whom do, so that nobody speaks in another's name.
 *
 * Every topic has a level that names its sender (see docs/security.md). A right pins that level to the user, and a role
 * has no right that its programs do not use. */
#ifndef WEFT_ACCESS_H
#define WEFT_ACCESS_H

#include "weft/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(ENUM, name, what it is) */
#define WEFT_ROLE_MAP(X)                                                                                               \
    X(NODE, node, "publishes its events, hears and heals everybody's")                                                 \
    X(LISTENER, listener, "hears events; publishes none")                                                              \
    X(RECORDER, recorder, "hears events, is seen as present; publishes none")                                          \
    X(PUBLISHER, publisher, "publishes its events, hears none")                                                        \
    X(TAP, tap, "reads the JSON tree and who is there; writes nothing")

typedef enum weft_role {
#define X(name, text, meaning) WEFT_ROLE_##name,
    WEFT_ROLE_MAP(X)
#undef X
        WEFT_ROLE_COUNT
} weft_role;

/* "node" …; total. */
const char *weft_role_name(weft_role role);
/* Returns OK or NOT_FOUND. */
weft_status weft_role_from_name(const char *name, weft_role *ret);

typedef struct weft_right {
    bool write;         /* else: subscribe and receive */
    const char *filter; /* valid for the call */
} weft_right;

/* Calls each for every right of a role in a fabric. name is the user, which is the node's name too; NULL: "%u", which
 * Mosquitto replaces by whoever asks. Returns OK, or INVALID (a bad name). Threads: any. */
weft_status weft_role_rights(weft_role role, const char *fabric, const char *name,
                             void (*each)(void *user, const weft_right *right), void *user);

#ifdef __cplusplus
}
#endif
#endif
