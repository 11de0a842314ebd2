/* nodes/ingest_state.h: what a feed of transcripts remembers, as one JSON text:
 *
 *   {"v":1, "files":{NAME:[offset,line,open]}, "engine":{…}}
 *
 * A file is named by a hash of its absolute path, to keep the text short. Threads: one. */
#ifndef WEFT_NODES_INGEST_STATE_H
#define WEFT_NODES_INGEST_STATE_H

#include "nodes/line_reader.h"
#include "nodes/string_map.h"
#include "nodes/transcript.h"

enum { FILE_NAME_BYTES = 17 };

typedef struct file_positions {
    string_map map; /* name → line_position; the one changed last stands last */
    size_t max;     /* the oldest goes beyond that */
} file_positions;

void file_positions_fini(file_positions *p);

/* The name of a file: the same however it is reached. */
void file_name_from(char ret[FILE_NAME_BYTES], const char *path);
/* Returns false when nothing is known of it. */
bool file_positions_get(const file_positions *p, const char *name, line_position *ret);
/* Returns false when memory is out. */
bool file_positions_put(file_positions *p, const char *name, const line_position *position);

/* Ownership: free it. Returns NULL when memory is out. */
char *ingest_state_save(const file_positions *p, const transcript *engine);
/* Fills an empty table and a new engine. Returns OK, CORRUPT or NO_MEMORY. */
weft_status ingest_state_load(const char *text, file_positions *p, transcript *engine, int64_t now_ms);

#endif
