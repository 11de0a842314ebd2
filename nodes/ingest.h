/* nodes/ingest.h: feeds transcripts to a node: reads files, turns their lines into events, sends these in batches.
 *
 * Each batch goes with the state behind it (the position in every file, and the engine's state) in one transaction of
 * the node's journal. Whoever is killed, the next run continues exactly there; a file that has grown since is
 * continued.
 *
 * One state serves all files of a feed, so that a session, a call or a message id that spans files, or stands in a copy
 * of a transcript, counts once. Threads: one. */
#ifndef WEFT_NODES_INGEST_H
#define WEFT_NODES_INGEST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/prices.h"

/* Positions are kept for so many files, the newest; no run takes more. */
enum { INGEST_FILES_MAX = 8192 };

typedef struct ingest_opts {
    const char *socket_path;
    const char *feed;         /* NULL: nothing is remembered, and a lost connection ends the run */
    const char *const *files; /* "-" is standard input; it has a place in the feed like a file */
    size_t file_count;
    bool follow; /* go on when the files have been read, until *stop */
    prices *prices;
    uint32_t connect_ms;   /* how long to wait for the node at first */
    uint32_t reconnect_ms; /* and when it goes; 0: 30,000 */
    const volatile sig_atomic_t *stop;
    /* One thing that the user must know, without a newline. */
    void (*on_message)(const char *text, void *user);
    void *user;
} ingest_opts;

typedef struct ingest_counts {
    uint64_t lines;
    uint64_t events;        /* sent; all of them in the journal when the run returns OK */
    uint64_t lines_skipped; /* no records; each was reported */
    uint64_t files_failed;  /* could not be read, or not to the end; reported */
} ingest_counts;

/* Runs to the end of the files, or until *stop. ret is filled in any case.
 * Returns OK; STOPPED; UNREACHABLE (no node), REFUSED (the node, or the feed's state, is at fault), IO, NO_MEMORY: said
 * through on_message. */
weft_status ingest_run(const ingest_opts *opts, ingest_counts *ret);

#endif
