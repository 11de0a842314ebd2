/* tests/support/torture/bridge/sqlite_hook.h: SQLite's allocations fail with the others. */
#ifndef WEFT_TESTS_SQLITE_HOOK_H
#define WEFT_TESTS_SQLITE_HOOK_H

#include <stdbool.h>

/* Before SQLite is used. Returns whether it took them. */
bool sqlite_hook(void);

#endif
