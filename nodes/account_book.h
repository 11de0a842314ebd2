/* nodes/account_book.h: the accounts of a cluster as they come in, part by part, and what they say together.
 *
 * Threads: none of its own. */
#ifndef WEFT_NODES_ACCOUNT_BOOK_H
#define WEFT_NODES_ACCOUNT_BOOK_H

#include "weft/account.h"

enum { ACCOUNT_NODES_MAX = 10000, ACCOUNT_ROWS_MAX = 1000000 };

/* A node's account; `streams` and all names are the book's. */
typedef struct account_page {
    weft_account account;
    bool complete;
} account_page;

typedef struct account_book {
    account_page *pages;
    size_t count;
    size_t rows;
    bool failed; /* memory was out, or there were more than the bounds: something is left out */
} account_book;

void account_book_clear(account_book *book);
void account_book_take(account_book *book, const weft_account *part);
const account_page *account_book_find(const account_book *book, const char *node);
size_t account_book_complete(const account_book *book);

/* ---- what both sides of a stream say ---- */

typedef enum account_state {
    ACCOUNT_ADDS_UP,
    ACCOUNT_UNDER_WAY, /* events are on their way, or something is still missing or not known */
    ACCOUNT_DIFFERS,   /* everything has settled, and the figures do not add up */
    ACCOUNT_ALONE,     /* the other side has not answered, or does not know the stream (any more) */
} account_state;

/* "adds up" …; total. */
const char *account_state_text(account_state state);

/* A stream of a node as another one knows it. */
typedef struct account_pair {
    const weft_stream_account *own;      /* NULL: its node has not answered, or knows it no more */
    const weft_stream_account *received; /* NULL: nobody listens to it */
    const weft_account *observer;        /* whose `received` is; NULL with it */
    account_state state;
} account_pair;

typedef struct account_sums {
    size_t streams;
    size_t pairs;
    size_t by_state[ACCOUNT_ALONE + 1]; /* of the pairs */
} account_sums;

/* Calls fn for each own stream of each node, first alone (received NULL), then with each observer of it, and then for
 * what nobody owns. fn may be NULL. names: only streams of or with these nodes; none: all. */
typedef void (*account_pair_fn)(const account_pair *pair, void *user);
account_sums account_book_compare(const account_book *book, char *const *names, size_t name_count, account_pair_fn fn,
                                  void *user);

#endif
