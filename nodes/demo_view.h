/* nodes/demo_view.h: what the demo shows while it runs: a live table on a terminal, a line a second elsewhere.
 *
 * On a terminal lines are cut at its width, and hosts for which there is no room are left out.
 *
 * Runs on a thread of its own between start and stop. */
#ifndef WEFT_NODES_DEMO_VIEW_H
#define WEFT_NODES_DEMO_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include "nodes/demo_feed.h"
#include "nodes/demo_observer.h"

typedef struct demo_view demo_view;

/* Ownership: stop frees it. Returns OK or NO_MEMORY. */
weft_status demo_view_start(FILE *out, demo_observer *observer, const demo_feed *feed, uint64_t lines, demo_view **ret);
/* Shows the last state once more, and ends. NULL is fine. */
void demo_view_stop(demo_view *view);

#endif
