/* nodes/places.h: what a node is called when nobody says, and where its files are.
 *
 *   socket   $XDG_RUNTIME_DIR/weft/{node}.sock, else /tmp/weft-{uid}/{node}.sock
 *   journal  {state-dir}/{fabric}/{node}/journal.db; state-dir is $XDG_STATE_HOME/weft, else ~/.local/state/weft */
#ifndef WEFT_NODES_PLACES_H
#define WEFT_NODES_PLACES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "weft/wire.h"

/* The host name in lower case, every byte that a node name cannot have as '-'; "node" if nothing is left. */
void places_node_name(char out[WEFT_NAME_MAX_BYTES + 1]);
/* The same for any text. */
void places_name_from(const char *text, char out[WEFT_NAME_MAX_BYTES + 1]);
/* For a process of seconds: the user, whom the broker's rules pin the name to, if that is a name; else
 * "{host}.{kind}.{pid}", within the bounds of a name. user_name may be NULL. */
void places_process_name(const char *user_name, const char *kind, char out[WEFT_NAME_MAX_BYTES + 1]);
/* What stands for a byte in a node name. */
char places_name_char(char c);

/* Write into out[PATH_MAX]. Return false, with a text in reason (static), when there is no such place: no home, or a
 * directory under /tmp that belongs to somebody else. */
bool places_socket(const char *node, char *out, const char **reason);
bool places_journal(const char *state_dir, const char *fabric, const char *node, char *out, const char **reason);

/* Makes a directory and its parents, 0700 where new. Returns false with errno. */
bool directory_make_all(const char *path);

#endif
