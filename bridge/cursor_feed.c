/* bridge/cursor_feed.c: hands messages to the cursors' queues. A full one drops the message, counted: an event is
 * missed like any other then, and who lives is asked of the broker again. */
#include "bridge/cursor_private.h"

#include <stdlib.h>
#include <string.h>

void weft__cursors_init(weft__cursors *cursors)
{
    pthread_mutex_init(&cursors->mutex, NULL);
}

void weft__cursors_fini(weft__cursors *cursors)
{
    pthread_mutex_destroy(&cursors->mutex);
}

static weft__fed *fed_create(const weft__cursor_message *message)
{
    weft__fed *fed = malloc(sizeof *fed + message->length);
    if (fed == NULL)
        return NULL;
    *fed = (weft__fed){.node.bytes = sizeof *fed + message->length,
                       .tree = message->tree,
                       .topic = message->topic,
                       .origin = message->origin,
                       .length = message->length};
    weft__name_copy(fed->sender, message->sender);
    if (message->length > 0)
        memcpy(fed->payload, message->payload, message->length);
    return fed;
}

static void cursor_feed(weft_cursor *c, const weft__cursor_message *message)
{
    weft__fed *fed = fed_create(message);
    if (fed != NULL && weft__queue_push(&c->queue, &fed->node, false) == WEFT_OK)
        return;
    free(fed);
    atomic_fetch_add(&c->dropped, 1);
    if (message->tree == WEFT__TREE_LIVE)
        atomic_store(&c->lives_missed, true);
    if (strcmp(message->sender, c->bridge->node) == 0)
        atomic_store(&c->own_missed, true);
}

static bool concerns(const weft_cursor *c, const weft__cursor_message *message)
{
    switch (message->tree) {
    case WEFT__TREE_EVT:
        return (c->topics & (uint32_t)message->topic) != 0;
    case WEFT__TREE_REPLY:
        return message->taker == c->taker;
    default:
        return true;
    }
}

void weft__cursors_feed(weft__cursors *cursors, const weft__cursor_message *message)
{
    if (atomic_load(&cursors->count) == 0)
        return;
    pthread_mutex_lock(&cursors->mutex);
    for (uint32_t i = 1; i < WEFT__TAKERS_MAX; i++)
        if (cursors->items[i] != NULL && concerns(cursors->items[i], message))
            cursor_feed(cursors->items[i], message);
    pthread_mutex_unlock(&cursors->mutex);
}

void weft__cursors_connected(weft__cursors *cursors, bool connected)
{
    if (atomic_load(&cursors->count) == 0)
        return;
    pthread_mutex_lock(&cursors->mutex);
    for (uint32_t i = 1; i < WEFT__TAKERS_MAX; i++)
        if (cursors->items[i] != NULL)
            atomic_store(connected ? &cursors->items[i]->connected : &cursors->items[i]->cut, true);
    pthread_mutex_unlock(&cursors->mutex);
}

static void topics_sum_locked(weft__cursors *cursors)
{
    uint32_t topics = 0, count = 0;
    for (uint32_t i = 1; i < WEFT__TAKERS_MAX; i++)
        if (cursors->items[i] != NULL) {
            topics |= cursors->items[i]->topics;
            count++;
        }
    atomic_store(&cursors->topics, topics);
    atomic_store(&cursors->count, count);
}

weft_status weft__cursors_reserve(weft__cursors *cursors, uint32_t *ret_taker)
{
    pthread_mutex_lock(&cursors->mutex);
    uint32_t taker = 1;
    while (taker < WEFT__TAKERS_MAX && (cursors->reserved & (1u << taker)) != 0)
        taker++;
    if (taker < WEFT__TAKERS_MAX)
        cursors->reserved |= 1u << taker;
    pthread_mutex_unlock(&cursors->mutex);
    *ret_taker = taker;
    return taker < WEFT__TAKERS_MAX ? WEFT_OK : WEFT_FULL;
}

void weft__cursors_add(weft__cursors *cursors, weft_cursor *c)
{
    pthread_mutex_lock(&cursors->mutex);
    cursors->items[c->taker] = c;
    topics_sum_locked(cursors);
    pthread_mutex_unlock(&cursors->mutex);
    atomic_store(&cursors->lives_wanted, true);
    atomic_store(&cursors->own_wanted, true);
}

void weft__cursors_remove(weft__cursors *cursors, weft_cursor *c)
{
    pthread_mutex_lock(&cursors->mutex);
    cursors->items[c->taker] = NULL;
    cursors->reserved &= ~(1u << c->taker);
    topics_sum_locked(cursors);
    pthread_mutex_unlock(&cursors->mutex);
}
