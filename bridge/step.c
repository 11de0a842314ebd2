/* bridge/step.c: the places where tests end a process or a bridge, to see that nothing accepted is lost there. */
#include "bridge/bridge_private.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *const step_names[] = {
#define X(name, text) [WEFT__STEP_##name] = text,
    WEFT__STEP_MAP(X)
#undef X
};

const char *weft__step_name(weft__step step)
{
    return (size_t)step < WEFT__STEP_COUNT ? step_names[step] : "unknown";
}

void weft__kill_point_read(weft__kill_point *ret)
{
    const char *wish = getenv("WEFT_KILL_AT");
    atomic_store(&ret->left, 0);
    for (unsigned i = 0; wish != NULL && i < WEFT__STEP_COUNT; i++) {
        size_t length = strlen(step_names[i]);
        if (strncmp(wish, step_names[i], length) != 0 || wish[length] != ':')
            continue;
        ret->step = (weft__step)i;
        atomic_store(&ret->left, strtoull(wish + length + 1, NULL, 10));
    }
}

void weft__bridge_step(weft_bridge *b, weft__step step)
{
    weft__kill_point *kill = &b->kill_point;
    if (atomic_load_explicit(&kill->left, memory_order_relaxed) > 0 && kill->step == step &&
        atomic_fetch_sub(&kill->left, 1) == 1)
        (void)raise(SIGKILL);
    if (b->env.on_step != NULL)
        b->env.on_step(b->env.user, step);
}
