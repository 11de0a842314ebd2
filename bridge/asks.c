/* bridge/asks.c: a small array; who waits for a place is found by the downlink's next tick. */
#include "bridge/asks.h"

#include <stdlib.h>
#include <string.h>

enum {
    RETRY_MIN_MS = 250,
    RETRY_MAX_MS = 15000, /* healed within 60 s of a fault's end: two of these, and the reconnects */
};

void weft__asks_init(weft__asks *asks, uint64_t first_request, uint32_t taker)
{
    *asks = (weft__asks){.last_request = first_request - first_request % WEFT__TAKERS_MAX + taker};
}

static uint64_t request_number(const char *request)
{
    char *end;
    uint64_t number = strtoull(request, &end, 10);
    return *end == '\0' ? number : 0;
}

uint32_t weft__asks_taker(const char *request)
{
    return (uint32_t)(request_number(request) % WEFT__TAKERS_MAX);
}

bool weft__asks_begin(weft__asks *asks, weft__stream *s, uint64_t from, uint64_t to, int64_t deadline_ms)
{
    if (asks->count == WEFT__ASKS_MAX) {
        asks->refused++;
        return false;
    }
    asks->streams[asks->count++] = s;
    s->ask = (weft__ask){
        .request = asks->last_request += WEFT__TAKERS_MAX, .from = from, .to = to, .deadline_ms = deadline_ms};
    return true;
}

void weft__asks_end(weft__asks *asks, weft__stream *s)
{
    size_t i = 0;
    s->ask = (weft__ask){0};
    while (i < asks->count && asks->streams[i] != s)
        i++;
    if (i < asks->count)
        asks->streams[i] = asks->streams[--asks->count];
}

void weft__asks_fail(weft__asks *asks, weft__stream *s, int64_t now_ms)
{
    int64_t wait = RETRY_MIN_MS;
    for (uint32_t i = 0; i < s->ask_failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    s->ask_failures++;
    s->ask_after_ms = now_ms + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
    weft__asks_end(asks, s);
}

weft__stream *weft__asks_find(const weft__asks *asks, const char *node, const char *request)
{
    uint64_t number = request_number(request);
    for (size_t i = 0; number != 0 && i < asks->count; i++)
        if (asks->streams[i]->ask.request == number && strcmp(asks->streams[i]->node, node) == 0)
            return asks->streams[i];
    return NULL;
}
