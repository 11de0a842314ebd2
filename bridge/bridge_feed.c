/* bridge/bridge_feed.c: inputs that are numbered: groups of events published and marked in one transaction. */
#include "bridge/bridge_private.h"

#include "core/event_private.h"

#include <stdlib.h>
#include <string.h>

static weft_status loans_take(weft_bridge *b, const weft_event *const *events, size_t count, weft__loan *loans,
                              weft_event **shadows, size_t *ret_index)
{
    int64_t now = weft_clock_wall_ms(b->clock);
    for (size_t i = 0; i < count; i++) {
        weft__event_borrow(&loans[i], events[i]);
        shadows[i] = &loans[i].event;
        shadows[i]->accepted_ms = now;
        if (shadows[i]->timestamp_ms == 0)
            shadows[i]->timestamp_ms = now;
    }
    for (size_t i = 0; i < count; i++) {
        weft_status st = weft_event_validate(events[i], NULL);
        if (st == WEFT_OK && weft__is_best_effort(weft_event_topic(events[i])))
            st = weft__delta_check(events[i]);
        if (st == WEFT_OK)
            continue;
        if (ret_index != NULL)
            *ret_index = i;
        return st;
    }
    return WEFT_OK;
}

/* The durable ones of a group, in their order. */
static size_t durable_select(weft_event **durable, weft_event *const *events, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!weft__is_best_effort(weft_event_topic(events[i])))
            durable[n++] = events[i];
    return n;
}

/* Gives its events away: the durable ones are in the intake. */
static void group_publish(weft_bridge *b, weft_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weft__is_best_effort(weft_event_topic(events[i])))
            (void)weft__bridge_delta_put(b, events[i]);
        else
            weft__node_state_add(b->state, events[i]);
        (void)weft_tap_publish_taken(b->bus, events[i]);
    }
}

weft_status weft_bridge_publish_group(weft_bridge *b, const weft_event *const *events, size_t count,
                                      const weft_feed_mark *mark, uint64_t *ret_receipt, size_t *ret_index)
{
    if (!b->sends || (mark != NULL && (mark->feed == NULL || strlen(mark->feed) > WEFT_ID_MAX_BYTES)))
        return WEFT_INVALID;
    weft__loan *loans = calloc(count + 1, sizeof *loans);
    weft_event **shadows = calloc(2 * count + 1, sizeof(weft_event *));
    weft_status st = loans == NULL || shadows == NULL ? WEFT_NO_MEMORY : WEFT_OK;
    size_t lent = st == WEFT_OK ? count : 0;
    if (st == WEFT_OK)
        st = loans_take(b, events, count, loans, shadows, ret_index);
    if (st == WEFT_OK) {
        weft_event **durable = shadows + count;
        st = weft__intake_put(&b->intake, durable, durable_select(durable, shadows, count), mark, ret_receipt);
    }
    if (st == WEFT_OK)
        group_publish(b, shadows, count);
    for (size_t i = 0; i < lent; i++)
        weft__loan_done(&loans[i]);
    free(loans);
    free(shadows);
    return st;
}

uint64_t weft_bridge_written(weft_bridge *b)
{
    pthread_mutex_lock(&b->mutex);
    uint64_t receipt = b->written_receipt;
    pthread_mutex_unlock(&b->mutex);
    return receipt;
}

typedef struct feed_read {
    const char *feed;
    uint64_t line;
    char *state;
    size_t state_bytes;
} feed_read;

static weft_status feed_read_run(weft_bridge *b, void *user)
{
    feed_read *read = user;
    return weft__journal_feed(b->journal, read->feed, &read->line, &read->state, &read->state_bytes);
}

weft_status weft_bridge_feed(weft_bridge *b, const char *feed, uint64_t *ret_line, char **ret_state,
                             size_t *ret_state_bytes)
{
    feed_read read = {.feed = feed};
    *ret_line = 0;
    *ret_state = NULL;
    *ret_state_bytes = 0;
    if (!b->sends)
        return WEFT_INVALID;
    weft_status st = weft__bridge_call(b, feed_read_run, &read);
    if (st == WEFT_OK) {
        *ret_line = read.line;
        *ret_state = read.state;
        *ret_state_bytes = read.state_bytes;
    }
    return st;
}
