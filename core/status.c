/* core/status.c: names and texts of results, from the one table in the header. */
#include "weft/status.h"

#include <stddef.h>

static const char *const names[] = {
#define X(name, text) "WEFT_" #name,
    WEFT_STATUS_MAP(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) text,
    WEFT_STATUS_MAP(X)
#undef X
};

const char *weft_status_name(weft_status status)
{
    return (size_t)status < sizeof names / sizeof *names ? names[status] : "WEFT_UNKNOWN";
}

const char *weft_status_text(weft_status status)
{
    return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "unknown status";
}
