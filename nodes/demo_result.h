/* nodes/demo_result.h: what the demo says at its end, and whether it holds. */
#ifndef WEFT_NODES_DEMO_RESULT_H
#define WEFT_NODES_DEMO_RESULT_H

#include "nodes/demo_chaos.h"
#include "nodes/demo_observer.h"

typedef struct demo_result {
    const totals *seen;     /* at the observer */
    const totals *expected; /* counted from the files */
    const totals *known;    /* of simulated files: counted while they were made; else NULL */
    observer_count count;
    weft_bridge_stats bridge; /* the observer's */
    uint64_t fed;             /* events that the nodes took */
    uint64_t resent;
    const demo_chaos *chaos; /* NULL: none */
    double seconds;
} demo_result;

/* Whether everything holds that must; what does not is said on stderr. */
bool demo_result_holds(const demo_result *r);
/* On stdout: one JSON object, or for people. */
void demo_result_print_json(const demo_result *r, bool match);
void demo_result_print(const demo_result *r, bool match);

#endif
