/* nodes/string_map.h: a hash map from strings to pointers that remembers the order of insertion.
 *
 * Zero-initialise it, free it with string_map_fini. Keys are copied; values are the caller's. Threads: one. */
#ifndef WEFT_NODES_STRING_MAP_H
#define WEFT_NODES_STRING_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct string_map_entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
} string_map_entry;

typedef struct string_map {
    size_t count;
    string_map_entry *entries; /* in the order of insertion, removed ones left as holes */
    size_t used;               /* entries and holes */
    size_t first;              /* no entry before this */
    size_t capacity;
    uint32_t *slots; /* index into entries + 1; 0: free. Linear probing, at most half full */
    size_t slot_count;
} string_map;

/* The value of a key, NULL if there is none. */
void *string_map_get(const string_map *map, const char *key);
/* Adds a key, or replaces its value. Returns false when memory is out; nothing has changed then. */
bool string_map_put(string_map *map, const char *key, void *value);
/* Removes a key and returns its value, NULL if there was none. */
void *string_map_take(string_map *map, const char *key);

/* The entries in the order of insertion: start with *cursor = 0; NULL after the last. The map must not change between
 * the calls, but the entry just returned may be removed. */
const string_map_entry *string_map_next(const string_map *map, size_t *cursor);

/* Frees the map, and each value with free_value (may be NULL); it is empty and usable afterwards. */
void string_map_fini(string_map *map, void (*free_value)(void *));

#endif
