/* nodes/commands.h: the subcommands of `weft`. Each is nodes/cmd_NAME.c, exports cmd_NAME and stands in this list, in
 * the order in which help shows them. */
#ifndef WEFT_NODES_COMMANDS_H
#define WEFT_NODES_COMMANDS_H

#include "nodes/options.h"

/* X(NAME) */
#define COMMAND_MAP(X)                                                                                                 \
    X(up)                                                                                                              \
    X(node)                                                                                                            \
    X(pub)                                                                                                             \
    X(sub)                                                                                                             \
    X(record)                                                                                                          \
    X(account)                                                                                                         \
    X(ingest)                                                                                                          \
    X(journal)                                                                                                         \
    X(decode)                                                                                                          \
    X(simulate)                                                                                                        \
    X(acl)                                                                                                             \
    X(bench)                                                                                                           \
    X(demo)

#define X(name) extern const command cmd_##name;
COMMAND_MAP(X)
#undef X

#endif
