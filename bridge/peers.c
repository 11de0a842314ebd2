/* bridge/peers.c: a list; clusters of a thousand nodes look a peer up a few times a second each. */
#include "bridge/peers.h"

#include "bridge/topic_map.h"

#include <stdlib.h>
#include <string.h>

void weft__peers_fini(weft__peers *peers)
{
    for (weft__peer *peer = peers->first, *next; peer != NULL; peer = next) {
        next = peer->next;
        free(peer);
    }
    *peers = (weft__peers){0};
}

weft__peer *weft__peers_find(const weft__peers *peers, const char *node)
{
    weft__peer *peer = peers->first;
    while (peer != NULL && strcmp(peer->node, node) != 0)
        peer = peer->next;
    return peer;
}

weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch)
{
    weft__peer *peer = weft__peers_find(peers, node);
    if (peer != NULL)
        return peer;
    if (peers->count == WEFT__PEERS_MAX || (peer = calloc(1, sizeof *peer)) == NULL)
        return NULL;
    weft__name_copy(peer->node, node);
    peer->epoch = epoch;
    peer->next = peers->first;
    peers->first = peer;
    peers->count++;
    return peer;
}
