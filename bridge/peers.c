/* bridge/peers.c: a hash table; clusters of a thousand nodes look a peer up for every message. */
#include "bridge/peers.h"

#include "bridge/topic_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 500,         /* silence is looked for so often … */
    STOOD_STILL_MS = 3000, /* … and if we come much later, it was us who did not listen */
};

void weft__peers_init(weft__peers *peers)
{
    *peers = (weft__peers){0};
    pthread_mutex_init(&peers->mutex, NULL);
}

void weft__peers_fini(weft__peers *peers)
{
    for (size_t i = 0; i < WEFT__PEER_BUCKETS; i++)
        for (weft__peer *peer = peers->buckets[i], *next; peer != NULL; peer = next) {
            next = peer->next;
            free(peer);
        }
    pthread_mutex_destroy(&peers->mutex);
}

static size_t bucket_of(const char *node)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = node; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return (hash ^ (hash >> 16)) % WEFT__PEER_BUCKETS;
}

weft__peer *weft__peers_find(const weft__peers *peers, const char *node)
{
    weft__peer *peer = peers->buckets[bucket_of(node)];
    while (peer != NULL && strcmp(peer->node, node) != 0)
        peer = peer->next;
    return peer;
}

/* The one that has been away for longest. */
static weft__peer **dispensable(weft__peers *peers)
{
    weft__peer **found = NULL;
    for (size_t i = 0; i < WEFT__PEER_BUCKETS; i++)
        for (weft__peer **at = &peers->buckets[i]; *at != NULL; at = &(*at)->next)
            if (!weft__peer_is_up(*at) && (found == NULL || (*at)->since_ms <= (*found)->since_ms))
                found = at;
    return found;
}

static void peers_drop_one_locked(weft__peers *peers)
{
    weft__peer **at = dispensable(peers);
    if (at == NULL)
        return;
    weft__peer *gone = *at;
    *at = gone->next;
    peers->count--;
    free(gone);
}

weft__peer *weft__peers_add(weft__peers *peers, const char *node, uint64_t epoch)
{
    weft__peer *peer = weft__peers_find(peers, node);
    if (peer != NULL)
        return peer;
    pthread_mutex_lock(&peers->mutex);
    if (peers->count == WEFT__PEERS_MAX)
        peers_drop_one_locked(peers);
    if (peers->count < WEFT__PEERS_MAX && (peer = calloc(1, sizeof *peer)) != NULL) {
        weft__peer **bucket = &peers->buckets[bucket_of(node)];
        weft__name_copy(peer->node, node);
        peer->epoch = epoch;
        peer->next = *bucket;
        *bucket = peer;
        peers->count++;
    }
    pthread_mutex_unlock(&peers->mutex);
    return peer;
}

void weft__peers_note_birth(weft__peers *peers, weft__peer *peer, uint64_t epoch, weft__moment seen)
{
    pthread_mutex_lock(&peers->mutex);
    if (peer->epoch != epoch) {
        peer->has_beaten = false; /* it may live on another host now */
        peer->skew = (weft__skew){0};
        peer->skew_told = false;
    }
    peer->epoch = epoch;
    pthread_mutex_unlock(&peers->mutex);
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

/* ---- what is heard ---- */

void weft__peers_set_state(weft__peers *peers, weft__peer *peer, weft_peer_state state, int64_t since_ms)
{
    pthread_mutex_lock(&peers->mutex);
    peers->up -= weft__peer_is_up(peer);
    if (peer->state != state)
        peer->since_ms = since_ms;
    peer->state = state;
    peers->up += weft__peer_is_up(peer);
    pthread_mutex_unlock(&peers->mutex);
}

void weft__peers_set_version(weft__peers *peers, weft__peer *peer, const char *version)
{
    pthread_mutex_lock(&peers->mutex);
    snprintf(peer->version, sizeof peer->version, "%s", version != NULL ? version : "");
    pthread_mutex_unlock(&peers->mutex);
}

void weft__peers_hear(weft__peers *peers, weft__peer *peer, int64_t now_ms)
{
    pthread_mutex_lock(&peers->mutex);
    peer->heard_ms = now_ms;
    pthread_mutex_unlock(&peers->mutex);
}

void weft__peers_beat(weft__peers *peers, weft__peer *peer, int64_t sent_ms, int64_t wall_ms, int64_t now_ms)
{
    pthread_mutex_lock(&peers->mutex);
    peer->has_beaten = true;
    peer->beat_ms = peer->heard_ms = now_ms;
    if (sent_ms != 0)
        weft__skew_add(&peer->skew, sent_ms, wall_ms, now_ms);
    pthread_mutex_unlock(&peers->mutex);
}

/* ---- silence ---- */

void weft__peers_connected(weft__peers *peers, int64_t now_ms)
{
    peers->connected = true;
    peers->listening_ms = peers->ticked_ms = now_ms;
}

void weft__peers_cut(weft__peers *peers)
{
    peers->connected = false;
}

static int64_t heard_last(const weft__peers *peers, const weft__peer *peer)
{
    return peer->heard_ms > peers->listening_ms ? peer->heard_ms : peers->listening_ms;
}

void weft__peers_tick(weft__peers *peers, int64_t silent_ms, int64_t now_ms,
                      void (*on_silent)(void *user, weft__peer *peer), void *user)
{
    if (now_ms - peers->ticked_ms < TICK_MS)
        return;
    if (now_ms - peers->ticked_ms > STOOD_STILL_MS)
        peers->listening_ms = now_ms;
    peers->ticked_ms = now_ms;
    for (size_t i = 0; peers->connected && i < WEFT__PEER_BUCKETS; i++)
        for (weft__peer *peer = peers->buckets[i]; peer != NULL; peer = peer->next)
            if (weft__peer_is_up(peer) && now_ms - heard_last(peers, peer) >= silent_ms)
                on_silent(user, peer);
}

/* ---- list ---- */

static weft_peer peer_show(const weft__peer *peer, int64_t now_ms)
{
    weft_peer shown = {.state = peer->state, .epoch = peer->epoch, .since_ms = peer->since_ms, .beat_age_ms = -1};
    weft__name_copy(shown.node, peer->node);
    snprintf(shown.version, sizeof shown.version, "%s", peer->version);
    if (peer->has_beaten)
        shown.beat_age_ms = now_ms > peer->beat_ms ? now_ms - peer->beat_ms : 0;
    shown.skew_known = weft__skew_get(&peer->skew, 1, &shown.skew_ms);
    return shown;
}

size_t weft__peers_list(weft__peers *peers, weft_peer *ret, size_t max, int64_t now_ms)
{
    size_t count = 0;
    pthread_mutex_lock(&peers->mutex);
    for (size_t i = 0; i < WEFT__PEER_BUCKETS; i++)
        for (const weft__peer *peer = peers->buckets[i]; peer != NULL; peer = peer->next) {
            if (peer->state == WEFT_PEER_NONE)
                continue;
            if (count < max)
                ret[count] = peer_show(peer, now_ms);
            count++;
        }
    pthread_mutex_unlock(&peers->mutex);
    return count;
}
