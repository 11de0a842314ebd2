/* tests/support/torture/bridge/sqlite_hook.c: SQLite's own allocator behind torture_due. */
#include "support/torture/bridge/sqlite_hook.h"

#include "support/torture/torture.h"

#include <sqlite3.h>
#include <stddef.h>

static sqlite3_mem_methods own;

static void *due_malloc(int bytes)
{
    return torture_due() ? NULL : own.xMalloc(bytes);
}

static void *due_realloc(void *old, int bytes)
{
    return torture_due() ? NULL : own.xRealloc(old, bytes);
}

bool sqlite_hook(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &own) != SQLITE_OK)
        return false;
    sqlite3_mem_methods hooked = own;
    hooked.xMalloc = due_malloc;
    hooked.xRealloc = due_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &hooked) == SQLITE_OK;
}
