#include "support/gate.h"

#include <time.h>

static struct timespec give_up(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += 20;
    return at;
}

bool gate_pass(gate *g)
{
    struct timespec deadline = give_up();
    pthread_mutex_lock(&g->lock);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open && pthread_cond_timedwait(&g->changed, &g->lock, &deadline) == 0)
        continue;
    bool open = g->open;
    pthread_mutex_unlock(&g->lock);
    return open;
}

bool gate_await(gate *g, unsigned arrived)
{
    struct timespec deadline = give_up();
    pthread_mutex_lock(&g->lock);
    while (g->arrived < arrived && pthread_cond_timedwait(&g->changed, &g->lock, &deadline) == 0)
        continue;
    bool there = g->arrived >= arrived;
    pthread_mutex_unlock(&g->lock);
    return there;
}

void gate_open(gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}
