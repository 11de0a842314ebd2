/* tests/sim/world.c: the world's clock, trace and violations. */
#include "sim/world.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_publish(void *user, const char *client, const char *topic, const uint8_t *payload, size_t length,
                       int qos, bool retain)
{
    static const char evt[] = "weft/v1/sim/evt/";
    world *w = user;
    (void)qos;
    (void)retain;
    const char *colon = strrchr(client, ':');
    int index = colon != NULL ? world_host_of(w, colon + 1) : -1;
    if (index >= 0 && strncmp(topic, evt, sizeof evt - 1) == 0)
        history_sent(&w->hosts[index], payload, length);
}

static void on_delivery(void *user, const char *client, const char *topic, const uint8_t *payload, size_t length)
{
    world *w = user;
    (void)payload;
    (void)length;
    int index = world_host_of(w, strrchr(client, ':') + 1);
    world_trace(w, "%s gets %s", client, topic);
    host_delivered(&w->hosts[index], topic);
}

void world_init(world *w, uint64_t seed, bool tracing)
{
    *w = (world){.seed = seed,
                 .draw = {seed},
                 .tracing = tracing,
                 .trace_hash = UINT64_C(1469598103934665603),
                 .now_ms = 1000000};
    (void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed % 1000000007) + 1, NULL);
    plan_draw(&w->plan, &w->draw);
    w->broker = fake_broker_create(FAKE_PUMPED);
    fake_broker_set_limits(w->broker, w->plan.receive_maximum, w->plan.max_packet_bytes);
    fake_broker_set_queue_max(w->broker, w->plan.queue_max);
    fake_broker_set_tap(w->broker, on_publish, w);
    fake_broker_set_delivery_tap(w->broker, on_delivery, w);
    for (unsigned i = 0; i < w->plan.hosts; i++)
        host_init(w, i);
}

void world_fini(world *w)
{
    for (unsigned i = 0; i < w->plan.hosts; i++)
        host_fini(&w->hosts[i]);
    fake_broker_destroy(w->broker);
    free(w->published);
}

static void trace_add(world *w, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        w->trace_hash = (w->trace_hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    if (w->tracing)
        printf("%5u %9.3f  %s\n", w->step, (double)(w->now_ms - 1000000) / 1000, text);
}

void world_trace(world *w, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace_add(w, text);
}

void world_violation(world *w, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (w->violations++ == 0)
        (void)snprintf(w->violation, sizeof w->violation, "step %u: %s", w->step, text);
    if (w->tracing)
        printf("%5u            VIOLATION %s\n", w->step, text);
}

int world_host_of(const world *w, const char *node)
{
    for (unsigned i = 0; node != NULL && i < w->plan.hosts; i++)
        if (strcmp(w->hosts[i].name, node) == 0)
            return (int)i;
    return -1;
}
