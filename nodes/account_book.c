/* nodes/account_book.c: a page a node; streams are looked up by walking a page, which has some tens of rows. */
#include "nodes/account_book.h"

#include <stdlib.h>
#include <string.h>

static void page_clear(account_page *page)
{
    for (size_t i = 0; i < page->account.stream_count; i++)
        free((char *)(uintptr_t)page->account.streams[i].node);
    free((void *)(uintptr_t)page->account.streams);
    free((char *)(uintptr_t)page->account.node);
}

void account_book_clear(account_book *book)
{
    for (size_t i = 0; i < book->count; i++)
        page_clear(&book->pages[i]);
    free(book->pages);
    *book = (account_book){0};
}

const account_page *account_book_find(const account_book *book, const char *node)
{
    for (size_t i = 0; i < book->count; i++)
        if (strcmp(book->pages[i].account.node, node) == 0)
            return &book->pages[i];
    return NULL;
}

size_t account_book_complete(const account_book *book)
{
    size_t complete = 0;
    for (size_t i = 0; i < book->count; i++)
        complete += book->pages[i].complete;
    return complete;
}

static account_page *page_obtain(account_book *book, const char *node)
{
    account_page *found = (account_page *)(uintptr_t)account_book_find(book, node);
    if (found != NULL)
        return found;
    account_page *pages =
        book->count < ACCOUNT_NODES_MAX ? realloc(book->pages, (book->count + 1) * sizeof *pages) : NULL;
    if (pages == NULL)
        return NULL;
    book->pages = pages;
    char *name = strdup(node);
    if (name == NULL)
        return NULL;
    pages[book->count] = (account_page){.account = {.node = name}};
    return &pages[book->count++];
}

static const weft_stream_account *row_find(const weft_account *a, const char *node, uint64_t epoch, weft_topic topic,
                                           bool own)
{
    for (size_t i = 0; i < a->stream_count; i++) {
        const weft_stream_account *row = &a->streams[i];
        if (row->own == own && row->epoch == epoch && row->topic == topic && strcmp(row->node, node) == 0)
            return row;
    }
    return NULL;
}

static bool row_append(account_book *book, account_page *page, const weft_stream_account *row)
{
    size_t count = page->account.stream_count;
    weft_stream_account *rows = (weft_stream_account *)(uintptr_t)page->account.streams;
    if (book->rows == ACCOUNT_ROWS_MAX || (rows = realloc(rows, (count + 1) * sizeof *rows)) == NULL)
        return false;
    page->account.streams = rows;
    rows[count] = *row;
    if ((rows[count].node = strdup(row->node)) == NULL)
        return false;
    page->account.stream_count++;
    book->rows++;
    return true;
}

/* A part may come twice. */
static bool rows_take(account_book *book, account_page *page, const weft_account *part)
{
    for (size_t i = 0; i < part->stream_count; i++) {
        const weft_stream_account *row = &part->streams[i];
        if (row_find(&page->account, row->node, row->epoch, row->topic, row->own) == NULL &&
            !row_append(book, page, row))
            return false;
    }
    return true;
}

void account_book_take(account_book *book, const weft_account *part)
{
    account_page *page = page_obtain(book, part->node);
    if (page == NULL) {
        book->failed = true;
        return;
    }
    weft_account head = *part;
    head.node = page->account.node;
    head.streams = page->account.streams;
    head.stream_count = page->account.stream_count;
    page->account = head;
    if (!rows_take(book, page, part))
        book->failed = true;
    page->complete = page->complete || part->last;
}

/* ---- comparing ---- */

const char *account_state_text(account_state state)
{
    static const char *const texts[] = {"adds up", "under way", "DOES NOT ADD UP", "one side only"};
    return (size_t)state < sizeof texts / sizeof *texts ? texts[state] : "unknown";
}

/* Whether the figures of a receiver agree with each other, at the last moment that was quiet for it. */
static account_state received_state(const weft_stream_account *r)
{
    if (r->unaccounted != 0)
        return ACCOUNT_DIFFERS;
    bool settled = r->published > 0 && r->before_known && r->held == 0 && r->open_gaps == 0 && r->lost_ranges == 0;
    return settled ? ACCOUNT_ADDS_UP : ACCOUNT_UNDER_WAY;
}

static account_state pair_state(const weft_stream_account *own, const weft_stream_account *r)
{
    account_state state = received_state(r);
    if (own == NULL)
        return state == ACCOUNT_DIFFERS ? state : ACCOUNT_ALONE;
    if (state == ACCOUNT_DIFFERS)
        return state;
    if (own->published == 0) /* begun by a version that did not count */
        return ACCOUNT_ALONE;
    uint64_t written = own->published - own->unwritten - own->joined;
    bool at_rest = own->pending == 0 && own->last_seq == r->last_seq && written == r->published;
    if (state == ACCOUNT_UNDER_WAY || !at_rest)
        return ACCOUNT_UNDER_WAY;
    return written == r->before + r->delivered + weft_stream_account_lost(r) ? ACCOUNT_ADDS_UP : ACCOUNT_DIFFERS;
}

typedef struct comparing {
    const account_book *book;
    char *const *names;
    size_t name_count;
    account_pair_fn fn;
    void *user;
    account_sums sums;
} comparing;

static bool name_is_wanted(const comparing *c, const char *name)
{
    for (size_t i = 0; i < c->name_count; i++)
        if (strcmp(c->names[i], name) == 0)
            return true;
    return c->name_count == 0;
}

static void pair_give(comparing *c, account_pair pair)
{
    const char *publisher = pair.own != NULL ? pair.own->node : pair.received->node;
    if (!name_is_wanted(c, publisher) && (pair.observer == NULL || !name_is_wanted(c, pair.observer->node)))
        return;
    if (pair.received != NULL) {
        c->sums.pairs++;
        c->sums.by_state[pair.state]++;
    } else {
        c->sums.streams++;
    }
    if (c->fn != NULL)
        c->fn(&pair, c->user);
}

static void stream_compare(comparing *c, const weft_stream_account *own)
{
    pair_give(c, (account_pair){.own = own, .state = own->pending > 0 ? ACCOUNT_UNDER_WAY : ACCOUNT_ADDS_UP});
    for (size_t i = 0; i < c->book->count; i++) {
        const weft_account *a = &c->book->pages[i].account;
        const weft_stream_account *r = row_find(a, own->node, own->epoch, own->topic, false);
        if (r != NULL && r->based)
            pair_give(c, (account_pair){own, r, a, pair_state(own, r)});
    }
}

static void orphans_compare(comparing *c, const weft_account *a)
{
    for (size_t i = 0; i < a->stream_count; i++) {
        const weft_stream_account *r = &a->streams[i];
        bool empty = r->last_seq == 0 && r->received == 0;
        if (r->own || !r->based || empty)
            continue;
        const account_page *owner = account_book_find(c->book, r->node);
        if (owner == NULL || row_find(&owner->account, r->node, r->epoch, r->topic, true) == NULL)
            pair_give(c, (account_pair){NULL, r, a, pair_state(NULL, r)});
    }
}

account_sums account_book_compare(const account_book *book, char *const *names, size_t name_count, account_pair_fn fn,
                                  void *user)
{
    comparing c = {.book = book, .names = names, .name_count = name_count, .fn = fn, .user = user};
    for (size_t i = 0; i < book->count; i++)
        for (size_t s = 0; s < book->pages[i].account.stream_count; s++)
            if (book->pages[i].account.streams[s].own)
                stream_compare(&c, &book->pages[i].account.streams[s]);
    for (size_t i = 0; i < book->count; i++)
        orphans_compare(&c, &book->pages[i].account);
    return c.sums;
}
