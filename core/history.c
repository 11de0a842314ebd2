/* core/history.c: the ring of kept events and its queries.
 *
 * A query walks from the newest to the oldest in rounds: under the lock it picks some events that pass everything but
 * the predicate, outside it asks the predicate. Events are numbered, so that a walk goes on where it was although the
 * ring has moved meanwhile; what the ring has overtaken is gone.
 *
 * Simplification: a scan over the ring; an index for each type pays off beyond some ten thousand events. */
#include "core/history.h"

#include <stdlib.h>

enum { ROUND_MAX = 32 };

struct weft__history_entry {
    const weft_event *event;
    weft_origin origin;
};

typedef struct walk {
    const weft_history_query *query;
    weft_filter quick;                   /* the query's filter without its predicate */
    uint64_t next;                       /* events below this number are still to be seen */
    const weft_event *picked[ROUND_MAX]; /* references */
    size_t picked_count;
} walk;

weft_status weft__history_init(weft__history *history, uint32_t max)
{
    *history = (weft__history){.max = max};
    if (max > 0) {
        history->ring = calloc(max, sizeof *history->ring);
        if (history->ring == NULL)
            return WEFT_NO_MEMORY;
    }
    if (pthread_mutex_init(&history->lock, NULL) != 0) {
        free(history->ring);
        return WEFT_NO_MEMORY;
    }
    return WEFT_OK;
}

void weft__history_fini(weft__history *history)
{
    weft__history_clear(history);
    pthread_mutex_destroy(&history->lock);
    free(history->ring);
}

void weft__history_add(weft__history *history, const weft_event *kept, weft_origin origin)
{
    pthread_mutex_lock(&history->lock);
    struct weft__history_entry *entry = &history->ring[history->end % history->max];
    const weft_event *overtaken = entry->event;
    *entry = (struct weft__history_entry){.event = kept, .origin = origin};
    history->end++;
    if (history->end - history->first > history->max)
        history->first++;
    pthread_mutex_unlock(&history->lock);
    weft_event_release(overtaken);
}

static bool entry_wanted(const walk *w, const struct weft__history_entry *entry)
{
    return entry->event->accepted_ms >= w->query->since_ms &&
           weft_filter_matches(&w->quick, entry->event, entry->origin);
}

static void pick(weft__history *history, walk *w, size_t max)
{
    w->picked_count = 0;
    pthread_mutex_lock(&history->lock);
    if (w->next > history->end)
        w->next = history->end;
    while (w->next > history->first && w->picked_count < max) {
        const struct weft__history_entry *entry = &history->ring[--w->next % history->max];
        if (entry_wanted(w, entry))
            w->picked[w->picked_count++] = weft_event_keep(entry->event);
    }
    pthread_mutex_unlock(&history->lock);
}

static bool predicate_passes(const weft_filter *filter, const weft_event *event)
{
    return filter->predicate == NULL || filter->predicate(event, filter->predicate_user);
}

size_t weft__history_find(weft__history *history, const weft_history_query *query, const weft_event **events,
                          size_t max)
{
    static const weft_history_query everything = {0};
    walk w = {.query = query != NULL ? query : &everything, .next = UINT64_MAX};
    w.quick = w.query->filter;
    w.quick.predicate = NULL;
    if (w.query->limit != 0 && w.query->limit < max)
        max = w.query->limit;
    size_t found = 0;
    do {
        size_t wanted = max - found;
        pick(history, &w, wanted < ROUND_MAX ? wanted : ROUND_MAX);
        for (size_t i = 0; i < w.picked_count; i++) {
            if (predicate_passes(&w.query->filter, w.picked[i]))
                events[found++] = w.picked[i];
            else
                weft_event_release(w.picked[i]);
        }
    } while (w.picked_count > 0);
    return found;
}

void weft__history_clear(weft__history *history)
{
    pthread_mutex_lock(&history->lock);
    for (; history->first < history->end; history->first++) {
        struct weft__history_entry *entry = &history->ring[history->first % history->max];
        weft_event_release(entry->event);
        entry->event = NULL;
    }
    pthread_mutex_unlock(&history->lock);
}
