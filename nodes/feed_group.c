/* nodes/feed_group.c: a flat array of events, and which run of it came from which line. */
#include "nodes/feed_group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool feed_group_is_full(const feed_group *g)
{
    return g->line_count == FEED_GROUP_MAX_LINES || g->event_count >= FEED_GROUP_MAX_EVENTS;
}

static bool reserve(feed_group *g, size_t count)
{
    if (count <= g->event_capacity)
        return true;
    size_t capacity = count * 2;
    const weft_event **events = realloc(g->events, capacity * sizeof *events);
    if (events == NULL)
        return false;
    g->events = events;
    g->event_capacity = capacity;
    return true;
}

bool feed_group_add(feed_group *g, feed_line *line, uint64_t ticket, uint64_t number)
{
    assert(g->line_count < FEED_GROUP_MAX_LINES);
    if (!reserve(g, g->event_count + line->event_count))
        return false;
    g->lines[g->line_count++] = (feed_group_line){.ticket = ticket,
                                                  .number = number,
                                                  .first_event = g->event_count,
                                                  .event_count = line->event_count,
                                                  .state = line->state};
    for (size_t i = 0; i < line->event_count; i++)
        g->events[g->event_count++] = line->events[i];
    line->event_count = 0;
    line->state = NULL;
    return true;
}

static void line_release(feed_group *g, const feed_group_line *line)
{
    for (size_t i = 0; i < line->event_count; i++)
        weft_event_release(g->events[line->first_event + i]);
    free(line->state);
}

static size_t line_of(const feed_group *g, size_t event_index)
{
    size_t i = 0;
    while (event_index >= g->lines[i].first_event + g->lines[i].event_count)
        i++;
    return i;
}

feed_group_line feed_group_remove_line_of(feed_group *g, size_t event_index)
{
    assert(event_index < g->event_count);
    size_t index = line_of(g, event_index);
    feed_group_line removed = g->lines[index];
    line_release(g, &removed);
    size_t behind = removed.first_event + removed.event_count;
    memmove(g->events + removed.first_event, g->events + behind, (g->event_count - behind) * sizeof *g->events);
    g->event_count -= removed.event_count;
    g->line_count--;
    memmove(g->lines + index, g->lines + index + 1, (g->line_count - index) * sizeof *g->lines);
    for (size_t i = index; i < g->line_count; i++)
        g->lines[i].first_event -= removed.event_count;
    removed.state = NULL;
    return removed;
}

const char *feed_group_state(const feed_group *g)
{
    for (size_t i = g->line_count; i > 0; i--)
        if (g->lines[i - 1].state != NULL)
            return g->lines[i - 1].state;
    return NULL;
}

void feed_group_clear(feed_group *g)
{
    for (size_t i = 0; i < g->line_count; i++)
        line_release(g, &g->lines[i]);
    g->line_count = g->event_count = 0;
}

void feed_group_fini(feed_group *g)
{
    feed_group_clear(g);
    free(g->events);
    g->events = NULL;
    g->event_capacity = 0;
}
