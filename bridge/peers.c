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

/* New ones stand first. */
static void peers_drop_one(weft__peers *peers)
{
    weft__peer **oldest = NULL;
    for (weft__peer **at = &peers->first; *at != NULL; at = &(*at)->next)
        if (!(*at)->up)
            oldest = at;
    if (oldest == NULL)
        return;
    weft__peer *gone = *oldest;
    *oldest = gone->next;
    peers->count--;
    free(gone);
}

weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch)
{
    weft__peer *peer = weft__peers_find(peers, node);
    if (peer != NULL)
        return peer;
    if (peers->count == WEFT__PEERS_MAX)
        peers_drop_one(peers);
    if (peers->count == WEFT__PEERS_MAX || (peer = calloc(1, sizeof *peer)) == NULL)
        return NULL;
    weft__name_copy(peer->node, node);
    peer->epoch = epoch;
    peer->next = peers->first;
    peers->first = peer;
    peers->count++;
    return peer;
}

void weft__peer_note_birth(weft__peer *peer, uint64_t epoch, weft__moment seen)
{
    peer->epoch = epoch;
    if (peer->birth_count > 0 && peer->births[0].epoch == epoch)
        return;
    if (peer->birth_count < WEFT__BIRTHS_MAX)
        peer->birth_count++;
    memmove(&peer->births[1], &peer->births[0], (peer->birth_count - 1) * sizeof *peer->births);
    peer->births[0] = (weft__birth){epoch, seen};
}

/* A birth that we see late may be old: its node says how old, by a clock that it may have set meanwhile. */
static bool moment_is_by(weft__moment seen, weft__moment then)
{
    return seen.stamp <= then.stamp || seen.ms < then.ms - WEFT__SKEW_MS;
}

bool weft__peer_born_by(const weft__peer *peer, uint64_t epoch, weft__moment then)
{
    for (size_t i = 0; i < peer->birth_count; i++)
        if (peer->births[i].epoch >= epoch && moment_is_by(peer->births[i].seen, then))
            return true;
    return false;
}

bool weft__peer_born_after(const weft__peer *peer, uint64_t epoch, weft__moment then)
{
    if (weft__peer_born_by(peer, epoch, then))
        return false;
    return peer->birth_count > 0 && peer->births[peer->birth_count - 1].epoch <= epoch;
}
