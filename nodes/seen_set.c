/* nodes/seen_set.c: see the header. Base64: RFC 4648, section 4; a fingerprint of 6 bytes is exactly 8 characters. */
#include "nodes/seen_set.h"

#include <stdlib.h>
#include <string.h>

#include "nodes/short_id.h"

enum { RING_FIRST = 64, CHARS = 8 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The finalizer of MurmurHash3 spreads FNV's weak upper bits; 0 means a free slot, so it is never returned. */
static uint64_t fingerprint(char kind, const char *id)
{
    uint64_t h = short_id_hash(id, strlen(id)) ^ ((uint64_t)(unsigned char)kind * 0x9e3779b97f4a7c15u);
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdu;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53u;
    h = (h ^ (h >> 33)) & 0xffffffffffffu;
    return h != 0 ? h : 1;
}

/* The slot of a fingerprint, or the free one where it would go. */
static size_t slot_of(const seen_set *set, uint64_t print)
{
    size_t mask = set->slot_count - 1;
    size_t i = (size_t)print & mask;
    while (set->slots[i] != 0 && set->slots[i] != print)
        i = (i + 1) & mask;
    return i;
}

/* Frees a slot and moves later ones of its run back, so that no probe meets the hole. */
static void slot_free(seen_set *set, size_t hole)
{
    size_t mask = set->slot_count - 1;
    for (size_t i = (hole + 1) & mask; set->slots[i] != 0; i = (i + 1) & mask) {
        size_t home = (size_t)set->slots[i] & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            set->slots[hole] = set->slots[i];
            hole = i;
        }
    }
    set->slots[hole] = 0;
}

static void oldest_drop(seen_set *set)
{
    slot_free(set, slot_of(set, set->ring[set->head]));
    set->head = (set->head + 1) % set->ring_size;
    set->count--;
}

/* Copies the ring, oldest first. */
static void ring_copy(const seen_set *set, uint64_t *to)
{
    for (size_t i = 0; i < set->count; i++)
        to[i] = set->ring[(set->head + i) % set->ring_size];
}

static bool set_grow(seen_set *set)
{
    size_t size = set->ring_size == 0 ? RING_FIRST : set->ring_size * 2;
    uint64_t *ring = malloc(size * sizeof *ring);
    uint64_t *slots = calloc(size * 2, sizeof *slots);
    if (ring == NULL || slots == NULL) {
        free(ring);
        free(slots);
        return false;
    }
    ring_copy(set, ring);
    free(set->ring);
    free(set->slots);
    set->ring = ring;
    set->ring_size = size;
    set->head = 0;
    set->slots = slots;
    set->slot_count = size * 2;
    for (size_t i = 0; i < set->count; i++)
        set->slots[slot_of(set, ring[i])] = ring[i];
    return true;
}

static bool print_add(seen_set *set, uint64_t print)
{
    if (set->count == set->ring_size && set->count < set->max && !set_grow(set))
        return false;
    if (set->max == 0 || set->slots[slot_of(set, print)] == print)
        return true;
    if (set->count == set->max)
        oldest_drop(set);
    set->slots[slot_of(set, print)] = print;
    set->ring[(set->head + set->count) % set->ring_size] = print;
    set->count++;
    return true;
}

bool seen_set_has(const seen_set *set, char kind, const char *id)
{
    uint64_t print = fingerprint(kind, id);
    return set->slot_count > 0 && set->slots[slot_of(set, print)] == print;
}

bool seen_set_add(seen_set *set, char kind, const char *id)
{
    return print_add(set, fingerprint(kind, id));
}

void seen_set_limit(seen_set *set, size_t max)
{
    set->max = max;
    while (set->count > max)
        oldest_drop(set);
}

void seen_set_fini(seen_set *set)
{
    free(set->ring);
    free(set->slots);
    *set = (seen_set){.max = set->max};
}

char *seen_set_save(const seen_set *set)
{
    char *text = malloc(set->count * CHARS + 1);
    if (text == NULL)
        return NULL;
    char *to = text;
    for (size_t i = 0; i < set->count; i++) {
        uint64_t print = set->ring[(set->head + i) % set->ring_size];
        for (int shift = 42; shift >= 0; shift -= 6)
            *to++ = alphabet[(print >> shift) & 63];
    }
    *to = '\0';
    return text;
}

bool seen_set_load(seen_set *set, const char *text)
{
    if (strlen(text) % CHARS != 0)
        return false;
    while (*text != '\0') {
        uint64_t print = 0;
        for (int i = 0; i < CHARS; i++, text++) {
            const char *digit = strchr(alphabet, *text);
            if (digit == NULL)
                return false;
            print = print << 6 | (uint64_t)(digit - alphabet);
        }
        if (print == 0 || !print_add(set, print))
            return false;
    }
    return true;
}
