/* bridge/journal_purge.c: deletes rows of a journal that no node has open. */
#include "bridge/journal_view.h"

#include <sqlite3.h>
#include <sys/stat.h>

static uint64_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

typedef struct counting {
    bool pending_too;
    weft_journal_purged *sums;
} counting;

static weft_status row_count(const weft_journal_entry *entry, void *user)
{
    const counting *c = user;
    if (entry->damage != NULL || (entry->pending && !c->pending_too))
        return WEFT_OK;
    c->sums->rows++;
    c->sums->events += entry->event_count;
    c->sums->pending_events += entry->pending ? entry->event_count : 0;
    c->sums->bytes += entry->bytes;
    return WEFT_OK;
}

static weft_status rows_count(const char *path, bool pending_too, weft_journal_purged *ret, const char **reason)
{
    weft_journal_view *v;
    counting c = {pending_too, ret};
    weft_status st = weft_journal_view_open(path, &v, reason);
    if (st != WEFT_OK)
        return st;
    st = weft_journal_view_rows(v, NULL, row_count, &c);
    weft_journal_view_close(v);
    return st;
}

/* Opening has taken the lock: what is counted here is what goes. */
static weft_status rows_delete(weft__journal *j, bool pending_too)
{
    weft_status st = weft__journal_clear(j, pending_too);
    if (st == WEFT_OK)
        (void)sqlite3_exec(j->db, "VACUUM", NULL, NULL, NULL); /* no room for it: the file stays as large */
    return st;
}

weft_status weft_journal_purge_path(const char *path, const weft_journal_purge *what, weft_journal_purged *ret,
                                    const char **reason)
{
    const char *unused;
    const char **why = reason != NULL ? reason : &unused;
    weft__journal *j;
    *ret = (weft_journal_purged){0};
    if (what->dry)
        return rows_count(path, what->pending_too, ret, why);
    weft_journal_view *exists; /* opening for use would make one */
    weft_status st = weft_journal_view_open(path, &exists, why);
    if (st == WEFT_OK)
        weft_journal_view_close(exists);
    else if (st != WEFT_CORRUPT)
        return st;
    uint64_t before = size_of(path);
    st = weft__journal_open(&(weft__journal_opts){.path = path, .reserve_bytes = WEFT__RESERVE_NONE}, &j, NULL, why);
    if (st != WEFT_OK)
        return st;
    st = rows_count(path, what->pending_too, ret, why);
    if (st == WEFT_OK && (st = rows_delete(j, what->pending_too)) != WEFT_OK)
        *why = weft__journal_reason("%s: %s", path, weft_status_text(st));
    weft__journal_close(j);
    uint64_t after = size_of(path);
    ret->file_bytes = before > after ? before - after : 0;
    return st;
}
