/* nodes/string_map.c: see the header.
 *
 * A removal leaves a hole in `entries` and its slot in place, so that probing stays right; the next growth drops both.
 * Growth happens when entries and holes fill the capacity, so the slots are never more than half full. */
#include "nodes/string_map.h"

#include <stdlib.h>
#include <string.h>

#include "nodes/short_id.h"

enum { CAPACITY_FIRST = 16 };

static uint64_t key_hash(const char *key)
{
    uint64_t hash = short_id_hash(key, strlen(key));
    return hash ^ (hash >> 29);
}

static string_map_entry *entry_find(const string_map *map, const char *key, uint64_t hash)
{
    if (map->slot_count == 0)
        return NULL;
    size_t mask = map->slot_count - 1;
    for (size_t i = (size_t)hash & mask; map->slots[i] != 0; i = (i + 1) & mask) {
        string_map_entry *entry = &map->entries[map->slots[i] - 1];
        if (entry->key != NULL && entry->hash == hash && strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static void slot_set(string_map *map, uint64_t hash, size_t index)
{
    size_t mask = map->slot_count - 1;
    size_t i = (size_t)hash & mask;
    while (map->slots[i] != 0)
        i = (i + 1) & mask;
    map->slots[i] = (uint32_t)index + 1;
}

/* Makes room for one more entry, dropping the holes. */
static bool map_grow(string_map *map)
{
    size_t capacity = CAPACITY_FIRST;
    while (capacity < map->count * 2)
        capacity *= 2;
    string_map_entry *entries = malloc(capacity * sizeof *entries);
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (entries == NULL || slots == NULL) {
        free(entries);
        free(slots);
        return false;
    }
    size_t used = 0;
    for (size_t i = map->first; i < map->used; i++)
        if (map->entries[i].key != NULL)
            entries[used++] = map->entries[i];
    free(map->entries);
    free(map->slots);
    *map = (string_map){.count = used,
                        .entries = entries,
                        .used = used,
                        .capacity = capacity,
                        .slots = slots,
                        .slot_count = capacity * 2};
    for (size_t i = 0; i < used; i++)
        slot_set(map, entries[i].hash, i);
    return true;
}

void *string_map_get(const string_map *map, const char *key)
{
    string_map_entry *entry = entry_find(map, key, key_hash(key));
    return entry == NULL ? NULL : entry->value;
}

bool string_map_put(string_map *map, const char *key, void *value)
{
    uint64_t hash = key_hash(key);
    string_map_entry *entry = entry_find(map, key, hash);
    if (entry != NULL) {
        entry->value = value;
        return true;
    }
    if (map->used == map->capacity && !map_grow(map))
        return false;
    char *copy = strdup(key);
    if (copy == NULL)
        return false;
    map->entries[map->used] = (string_map_entry){.key = copy, .value = value, .hash = hash};
    slot_set(map, hash, map->used);
    map->used++;
    map->count++;
    return true;
}

void *string_map_take(string_map *map, const char *key)
{
    string_map_entry *entry = entry_find(map, key, key_hash(key));
    if (entry == NULL)
        return NULL;
    free(entry->key);
    entry->key = NULL;
    map->count--;
    while (map->first < map->used && map->entries[map->first].key == NULL)
        map->first++;
    return entry->value;
}

const string_map_entry *string_map_next(const string_map *map, size_t *cursor)
{
    if (*cursor < map->first)
        *cursor = map->first;
    while (*cursor < map->used) {
        const string_map_entry *entry = &map->entries[(*cursor)++];
        if (entry->key != NULL)
            return entry;
    }
    return NULL;
}

void string_map_fini(string_map *map, void (*free_value)(void *))
{
    for (size_t i = map->first; i < map->used; i++) {
        if (map->entries[i].key == NULL)
            continue;
        free(map->entries[i].key);
        if (free_value != NULL)
            free_value(map->entries[i].value);
    }
    free(map->entries);
    free(map->slots);
    *map = (string_map){0};
}
