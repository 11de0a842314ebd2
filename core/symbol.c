/* core/symbol.c: a table of strings with counted references. Threads: any. */
#include "core/symbol.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/glob.h"

weft_status weft__symbols_init(weft__symbols *symbols)
{
    *symbols = (weft__symbols){.buckets = {NULL}};
    return pthread_mutex_init(&symbols->lock, NULL) == 0 ? WEFT_OK : WEFT_NO_MEMORY;
}

void weft__symbols_fini(weft__symbols *symbols)
{
    for (size_t i = 0; i < WEFT__SYMBOL_BUCKETS; i++)
        assert(symbols->buckets[i] == NULL);
    pthread_mutex_destroy(&symbols->lock);
}

/* FNV-1a, 32 bits. */
static size_t bucket_of(const char *text)
{
    uint32_t hash = 2166136261;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619;
    return hash % WEFT__SYMBOL_BUCKETS;
}

static weft__pattern pattern_of(const char *text, bool is_glob)
{
    size_t plain = strcspn(text, "*?");
    if (!is_glob || text[plain] == '\0')
        return WEFT__PATTERN_LITERAL;
    if (text[plain] == '?' || text[plain + strspn(text + plain, "*")] != '\0')
        return WEFT__PATTERN_GLOB;
    return plain == 0 ? WEFT__PATTERN_ANY : WEFT__PATTERN_PREFIX;
}

static weft__symbol *symbol_create(const char *text, weft__pattern pattern)
{
    size_t bytes = strlen(text) + 1;
    weft__symbol *symbol = malloc(sizeof *symbol + bytes);
    if (symbol == NULL)
        return NULL;
    *symbol = (weft__symbol){.pattern = pattern};
    memcpy(symbol->text, text, bytes);
    symbol->length = pattern == WEFT__PATTERN_PREFIX ? strcspn(text, "*") : bytes - 1;
    return symbol;
}

static weft__symbol *get_locked(weft__symbols *symbols, const char *text, weft__pattern pattern)
{
    weft__symbol **bucket = &symbols->buckets[bucket_of(text)];
    weft__symbol *symbol = *bucket;
    while (symbol != NULL && (symbol->pattern != pattern || strcmp(symbol->text, text) != 0))
        symbol = symbol->next;
    if (symbol == NULL) {
        symbol = symbol_create(text, pattern);
        if (symbol == NULL)
            return NULL;
        symbol->next = *bucket;
        *bucket = symbol;
    }
    symbol->refs++;
    return symbol;
}

weft__symbol *weft__symbol_get(weft__symbols *symbols, const char *text, bool is_glob)
{
    weft__pattern pattern = pattern_of(text, is_glob);
    pthread_mutex_lock(&symbols->lock);
    weft__symbol *symbol = get_locked(symbols, text, pattern);
    pthread_mutex_unlock(&symbols->lock);
    return symbol;
}

void weft__symbol_release(weft__symbols *symbols, weft__symbol *symbol)
{
    pthread_mutex_lock(&symbols->lock);
    if (--symbol->refs == 0) {
        weft__symbol **link = &symbols->buckets[bucket_of(symbol->text)];
        while (*link != symbol)
            link = &(*link)->next;
        *link = symbol->next;
        free(symbol);
    }
    pthread_mutex_unlock(&symbols->lock);
}

bool weft__symbol_matches_glob(const weft__symbol *symbol, const char *text)
{
    if (symbol->pattern == WEFT__PATTERN_ANY)
        return true;
    if (symbol->pattern == WEFT__PATTERN_PREFIX)
        return strncmp(symbol->text, text, symbol->length) == 0;
    return weft__glob_matches(symbol->text, text);
}
