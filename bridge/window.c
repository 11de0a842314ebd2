/* bridge/window.c: see window.h. */
#include "bridge/window.h"

enum {
    SIZE_FIRST = 16,
    SIZE_MIN = 3,
    WAITING_FEW = 2, /* at the broker: more are sent */
    WAITING_MANY = 5,
    STEPS = 8, /* a step is an eighth of the window */
};

#define PERIOD_NS (10 * INT64_C(1000000000))

void weft__window_begin(weft__window *w, size_t max)
{
    *w = (weft__window){.size = max < SIZE_FIRST ? max : SIZE_FIRST, .max = max};
}

void weft__window_sent(weft__window *w, int token, int64_t now_ns)
{
    if (w->timing)
        return;
    w->timing = true;
    w->was_full = false;
    w->token = token;
    w->sent_ns = now_ns;
}

void weft__window_full(weft__window *w)
{
    w->was_full = true;
}

/* The least time of the last two periods: routes change. */
static int64_t least_note(weft__window *w, int64_t took_ns, int64_t now_ns)
{
    if (now_ns >= w->period_end_ns) {
        w->least_last_ns = w->least_ns;
        w->least_ns = took_ns;
        w->period_end_ns = now_ns + PERIOD_NS;
    }
    if (took_ns < w->least_ns)
        w->least_ns = took_ns;
    return w->least_last_ns > 0 && w->least_last_ns < w->least_ns ? w->least_last_ns : w->least_ns;
}

static size_t step(const weft__window *w)
{
    return (w->size + STEPS - 1) / STEPS;
}

static void window_grow(weft__window *w)
{
    w->size = w->size + step(w) < w->max ? w->size + step(w) : w->max;
}

static void window_shrink(weft__window *w)
{
    size_t least = w->max < SIZE_MIN ? w->max : SIZE_MIN;
    w->size = w->size > least + step(w) ? w->size - step(w) : least;
}

void weft__window_acked(weft__window *w, int token, int64_t now_ns)
{
    if (!w->timing || token != w->token)
        return;
    w->timing = false;
    int64_t took_ns = now_ns > w->sent_ns ? now_ns - w->sent_ns : 1;
    int64_t least_ns = least_note(w, took_ns, now_ns);
    int64_t waiting = (int64_t)w->size * (took_ns - least_ns) / took_ns;
    if (!w->was_full)
        return;
    if (waiting < WAITING_FEW)
        window_grow(w);
    else if (waiting > WAITING_MANY)
        window_shrink(w);
}
