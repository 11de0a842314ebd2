/* bridge/mqtt_window.c: a bit per packet id and a count. */
#include "mqtt_window.h"

#include <stddef.h>

static uint32_t bit_of(int id)
{
    return UINT32_C(1) << (id % 32);
}

void weft__mqtt_window_reset(weft__mqtt_window *window, unsigned limit)
{
    window->limit = limit;
    window->last = 0;
    atomic_store(&window->count, 0);
    for (size_t i = 0; i < sizeof window->in_flight / sizeof *window->in_flight; i++)
        atomic_store_explicit(&window->in_flight[i], 0, memory_order_relaxed);
}

int weft__mqtt_window_take(weft__mqtt_window *window)
{
    int id = window->last == WEFT__PACKET_ID_MAX ? 1 : window->last + 1;
    if (atomic_load(&window->count) >= window->limit || (atomic_load(&window->in_flight[id / 32]) & bit_of(id)) != 0)
        return 0;
    atomic_fetch_or(&window->in_flight[id / 32], bit_of(id));
    atomic_fetch_add(&window->count, 1);
    window->last = id;
    return id;
}

bool weft__mqtt_window_release(weft__mqtt_window *window, int id)
{
    if (id < 1 || id > WEFT__PACKET_ID_MAX)
        return false;
    if ((atomic_fetch_and(&window->in_flight[id / 32], ~bit_of(id)) & bit_of(id)) == 0)
        return false;
    atomic_fetch_sub(&window->count, 1);
    return true;
}
