/* tests/support/torture/torture.h: scenarios run again and again, each time with another allocation that fails.
 *
 * The libraries under test are copies whose references to malloc and its kin (see `symbols`) lead here; the tests' own
 * allocations never fail. A scenario runs with its 1st, 2nd, 3rd … allocation failing, then once more with all from the
 * n-th on failing, until a run passes in which the failure is not reached. Under AddressSanitizer each run is searched
 * for leaks.
 *
 * WEFT_TORTURE_RUNS is about how many runs of each kind a scenario gets, evenly spread; 0: one for every allocation.
 * WEFT_TORTURE_AT runs with this one failing alone (with WEFT_TORTURE_ALL and all behind it) and, under
 * AddressSanitizer, shows where that was.
 * Threads: libraries may allocate on any; one thread runs scenarios. */
#ifndef WEFT_TESTS_TORTURE_H
#define WEFT_TESTS_TORTURE_H

#include "support/suite.h"

/* Runs a scenario as said above, and prints after a failed check which allocation had failed. */
void torture_each(void (*scenario)(void));

/* Called by a scenario: from here on every allocation succeeds. */
void torture_relent(void);
/* Whether an allocation of this run has failed so far. */
bool torture_failed(void);

/* Whether an allocation that is about to be made must fail; for allocators that are hooked in otherwise. */
bool torture_due(void);

#endif
