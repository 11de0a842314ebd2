/* nodes/progress.h: how far a long command has come: a bar that is drawn over itself on a terminal, a line every five
 * seconds elsewhere, without escape codes.
 *
 * Threads: one. */
#ifndef WEFT_NODES_PROGRESS_H
#define WEFT_NODES_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One moment of a run. */
typedef struct progress_point {
    uint64_t count;     /* of what is counted, so far */
    const char *noun;   /* "events" */
    double share;       /* of the whole that is done, 0 to 1; negative: nobody knows */
    double per_second;  /* lately */
    int64_t elapsed_ms; /* since the begin */
} progress_point;

enum { PROGRESS_TEXT_BYTES = 160, PROGRESS_BAR_CELLS = 24 };

/* "[######..................]  25%  250,000 events, 125,000/s, 6 s left", with the bar if `bar`; without a newline. */
void progress_format(const progress_point *point, bool bar, char out[PROGRESS_TEXT_BYTES]);

/* 1,234,567 */
const char *number_grouped(uint64_t value, char out[32]);

typedef struct progress {
    FILE *out; /* NULL: says nothing */
    bool terminal;
    int64_t began_ms;
    int64_t drawn_ms;   /* when the last text was written */
    int64_t counted_ms; /* when `counted` was taken; for the rate */
    uint64_t counted;
    double per_second;
    bool drawn; /* something stands on the terminal's line */
} progress;

/* Begins now; out is NULL for silence. */
void progress_begin(progress *p, FILE *out, int64_t now_ms);
/* Draws if it is time to. */
void progress_show(progress *p, uint64_t count, const char *noun, double share, int64_t now_ms);
/* Leaves the terminal's line empty for what comes. */
void progress_end(progress *p);

#endif
