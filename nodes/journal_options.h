/* nodes/journal_options.h: options of a node's journal. */
#ifndef WEFT_NODES_JOURNAL_OPTIONS_H
#define WEFT_NODES_JOURNAL_OPTIONS_H

#include "nodes/options.h"
#include "weft/bridge.h"

/* Rows of an option table. */
#define JOURNAL_OPTION_ROWS                                                                                            \
    {"journal-max", 0, "SIZE", "keep at most so much in the journal, as 500M (1G)"},                                   \
        {"journal-keep", 0, "AGE", "keep what is acknowledged for so long, as 12h (7d)"},                              \
        {"journal-reserve", 0, "SIZE", "hold room for cost and session events on a full disk (16M; 0: none)"},         \
    {                                                                                                                  \
        "durability", 0, "KIND", "what is journaled survives: power (cuts; the default), or process (its end)"         \
    }

/* Writes what is given into the options. Says on stderr what is wrong and returns false: return EXIT_USAGE then. */
bool journal_options_read(const args *a, weft_bridge_opts *opts);

/* "500M", "1G", "65536" (bytes); powers of 1024. Returns false for anything else. */
bool size_parse(const char *text, uint64_t *ret);

#endif
