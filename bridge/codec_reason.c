/* bridge/codec_reason.c: a table of reasons that fills as they are first needed.
 *
 * They are combinations of the schema's names with a dozen complaints; should the table ever be full, the complaint
 * alone is given. */
#include "bridge/codec_reason.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { REASONS_MAX = 512, REASON_BYTES = 120 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char reasons[REASONS_MAX][REASON_BYTES]; /* [lock] until written, then const */
static int reason_count;                        /* [lock] */

static const char *find_or_add_locked(const char *text)
{
    for (int i = 0; i < reason_count; i++)
        if (strcmp(reasons[i], text) == 0)
            return reasons[i];
    if (reason_count == REASONS_MAX)
        return NULL;
    return strcpy(reasons[reason_count++], text);
}

const char *weft__reason(const char *where, const char *field, const char *what)
{
    char text[REASON_BYTES];
    (void)snprintf(text, sizeof text, "%s%s%s: %s", where, field != NULL ? "." : "", field != NULL ? field : "", what);
    (void)pthread_mutex_lock(&lock);
    const char *reason = find_or_add_locked(text);
    (void)pthread_mutex_unlock(&lock);
    return reason != NULL ? reason : what;
}
