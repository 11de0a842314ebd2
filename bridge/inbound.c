/* bridge/inbound.c: see the header. */
#include "bridge/inbound.h"

#include <stdlib.h>
#include <string.h>

void weft__inbound_pool_init(weft__inbound_pool *pool)
{
    *pool = (weft__inbound_pool){0};
    pthread_mutex_init(&pool->mutex, NULL);
}

void weft__inbound_pool_fini(weft__inbound_pool *pool)
{
    for (weft__node *spare = pool->spares, *next; spare != NULL; spare = next) {
        next = spare->next;
        free(spare);
    }
    pthread_mutex_destroy(&pool->mutex);
}

static weft__inbound *spare_take(weft__inbound_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    weft__node *spare = pool->spares;
    if (spare != NULL) {
        pool->spares = spare->next;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return (weft__inbound *)spare;
}

static bool spare_give(weft__inbound_pool *pool, weft__node *spare)
{
    pthread_mutex_lock(&pool->mutex);
    bool room = pool->count < WEFT__INBOUND_SPARES_MAX;
    if (room) {
        spare->next = pool->spares;
        pool->spares = spare;
        pool->count++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return room;
}

static bool is_pooled(size_t bytes)
{
    return bytes > WEFT__INBOUND_SMALL_BYTES && bytes <= WEFT__INBOUND_BLOCK_BYTES;
}

weft__inbound *weft__inbound_create(weft__inbound_pool *pool, const char *topic, const uint8_t *payload, size_t length)
{
    size_t topic_bytes = strlen(topic) + 1, bytes = sizeof(weft__inbound) + topic_bytes + length;
    weft__inbound *in = NULL;
    if (is_pooled(bytes)) {
        bytes = WEFT__INBOUND_BLOCK_BYTES;
        in = spare_take(pool);
    }
    if (in == NULL && (in = malloc(bytes)) == NULL)
        return NULL;
    *in = (weft__inbound){.node.bytes = bytes, .length = length};
    memcpy(in->topic, topic, topic_bytes);
    in->payload = (uint8_t *)in->topic + topic_bytes;
    if (length > 0)
        memcpy(in->payload, payload, length);
    return in;
}

void weft__inbound_free(weft__inbound_pool *pool, weft__inbound *in)
{
    if (in == NULL || (in->node.bytes == WEFT__INBOUND_BLOCK_BYTES && spare_give(pool, &in->node)))
        return;
    free(in);
}
