/* nodes/account_print.h: the accounts of a cluster for people and for programs. */
#ifndef WEFT_NODES_ACCOUNT_PRINT_H
#define WEFT_NODES_ACCOUNT_PRINT_H

#include "nodes/account_book.h"
#include "weft/json.h"

typedef struct account_verdict {
    account_sums sums;
    bool whole;          /* every node that is up has answered, with all of its streams */
    bool nobody;         /* has answered */
    const char *missing; /* one that has not; NULL: none */
} account_verdict;

bool account_verdict_good(const account_verdict *v);

/* A table of both sides of each stream and a line that says how they compare. */
void account_print_table(const account_book *book, char *const *names, size_t name_count, const account_verdict *v,
                         weft_text *out);
/* The same as one JSON object, with all figures that are not 0. */
void account_print_json(const account_book *book, char *const *names, size_t name_count, const account_verdict *v,
                        weft_text *out);

#endif
