/* core/symbol.h: the strings that subscriptions ask for, each held once.
 *
 * Two filters that ask for the same session hold the same symbol, so that an event is compared with it once, however
 * many subscriptions share it. */
#ifndef WEFT_CORE_SYMBOL_H
#define WEFT_CORE_SYMBOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "weft/status.h"

enum { WEFT__SYMBOL_BUCKETS = 256 };

/* How a symbol is held against a text. */
typedef enum weft__pattern {
    WEFT__PATTERN_LITERAL,
    WEFT__PATTERN_ANY,    /* "*" */
    WEFT__PATTERN_PREFIX, /* "agent*" */
    WEFT__PATTERN_GLOB,
} weft__pattern;

typedef struct weft__symbol {
    struct weft__symbol *next; /* [symbols lock] */
    unsigned refs;             /* [symbols lock] */
    weft__pattern pattern;     /* const after create, as the rest */
    size_t length;             /* of a prefix, without its star */
    char text[];
} weft__symbol;

typedef struct weft__symbols {
    pthread_mutex_t lock;                        /* leaf */
    weft__symbol *buckets[WEFT__SYMBOL_BUCKETS]; /* [lock] */
} weft__symbols;

/* Returns OK or NO_MEMORY. */
weft_status weft__symbols_init(weft__symbols *symbols);
/* Every symbol must have been released. */
void weft__symbols_fini(weft__symbols *symbols);

/* Finds or makes the symbol of a text, as a glob or to the letter. Ownership: release it. NULL: memory is out. */
weft__symbol *weft__symbol_get(weft__symbols *symbols, const char *text, bool is_glob);
void weft__symbol_release(weft__symbols *symbols, weft__symbol *symbol);

/* Whether a text is what the symbol, no literal, asks for. */
bool weft__symbol_matches_glob(const weft__symbol *symbol, const char *text);

/* Whether a text, NULL as empty, is what the symbol asks for. */
static inline bool weft__symbol_matches(const weft__symbol *symbol, const char *text)
{
    if (text == NULL)
        text = "";
    return symbol->pattern == WEFT__PATTERN_LITERAL ? strcmp(symbol->text, text) == 0
                                                    : weft__symbol_matches_glob(symbol, text);
}

#endif
