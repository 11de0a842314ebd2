/* bridge/commit.c: see commit.h. Drafts whose rows are made leave the commit, so that finishing can be taken up again.
 */
#include "bridge/commit.h"

#include <stdlib.h>
#include <string.h>

weft__commit *weft__commit_create(void)
{
    return calloc(1, sizeof(weft__commit));
}

void weft__commit_destroy(weft__commit *commit)
{
    if (commit == NULL)
        return;
    while (commit->first != NULL)
        weft__commit_remove(commit, commit->first);
    for (size_t i = 0; i < commit->mark_count; i++)
        free((void *)commit->marks[i].feed);
    free(commit->marks);
    weft__rows_free(commit->rows, commit->row_count);
    free(commit);
}

weft__draft *weft__commit_draft(weft__commit *commit, size_t max_bytes, bool marked)
{
    weft__draft *draft = weft__draft_create(max_bytes, marked);
    if (draft == NULL)
        return NULL;
    draft->prev = commit->last;
    *(commit->last != NULL ? &commit->last->next : &commit->first) = draft;
    commit->last = draft;
    return draft;
}

void weft__commit_remove(weft__commit *commit, weft__draft *draft)
{
    *(draft->prev != NULL ? &draft->prev->next : &commit->first) = draft->next;
    *(draft->next != NULL ? &draft->next->prev : &commit->last) = draft->prev;
    weft__draft_destroy(draft);
}

/* ---- marks ---- */

static weft__feed_mark *mark_find(weft__commit *commit, const char *feed)
{
    for (size_t i = 0; i < commit->mark_count; i++)
        if (strcmp(commit->marks[i].feed, feed) == 0)
            return &commit->marks[i];
    return NULL;
}

static bool mark_room(weft__commit *commit)
{
    if (commit->mark_count < commit->mark_capacity)
        return true;
    size_t capacity = commit->mark_capacity == 0 ? 4 : 2 * commit->mark_capacity;
    weft__feed_mark *marks = realloc(commit->marks, capacity * sizeof *marks);
    if (marks == NULL)
        return false;
    commit->marks = marks;
    commit->mark_capacity = capacity;
    return true;
}

/* Feed and state in one block, which begins with the feed. */
static bool mark_copy(const weft__feed_mark *from, weft__feed_mark *to)
{
    size_t feed_bytes = strlen(from->feed) + 1;
    char *block = malloc(feed_bytes + from->state_bytes + 1);
    if (block == NULL)
        return false;
    *to = (weft__feed_mark){.feed = memcpy(block, from->feed, feed_bytes), .line = from->line};
    if (from->state != NULL) {
        to->state = block + feed_bytes;
        to->state_bytes = from->state_bytes;
        memcpy(block + feed_bytes, from->state, from->state_bytes);
        block[feed_bytes + from->state_bytes] = '\0';
    }
    return true;
}

weft_status weft__commit_mark(weft__commit *commit, const weft_feed_mark *mark)
{
    weft__feed_mark *known = mark_find(commit, mark->feed), made;
    weft__feed_mark news = {mark->feed, mark->line, mark->state, mark->state != NULL ? mark->state_bytes : 0, 0};
    if (known != NULL && news.state == NULL) {
        known->line = news.line;
        return WEFT_OK;
    }
    if ((known == NULL && !mark_room(commit)) || !mark_copy(&news, &made))
        return WEFT_NO_MEMORY;
    if (known == NULL)
        known = &commit->marks[commit->mark_count++];
    else
        free((void *)known->feed);
    *known = made;
    return WEFT_OK;
}

/* ---- rows ---- */

static bool rows_room(weft__commit *commit, size_t more)
{
    if (commit->row_capacity - commit->row_count >= more)
        return true;
    size_t capacity = 2 * commit->row_capacity + more;
    weft__journal_row *rows = realloc(commit->rows, capacity * sizeof *rows);
    if (rows == NULL)
        return false;
    commit->rows = rows;
    commit->row_capacity = capacity;
    return true;
}

weft_status weft__commit_finish(weft__commit *commit, const char *node, weft__stream_end ends[WEFT_TOPIC_MAX])
{
    while (commit->first != NULL) {
        weft__draft *draft = commit->first;
        size_t rows = weft__draft_rows(draft);
        weft_status st = rows_room(commit, rows) ? WEFT_OK : WEFT_NO_MEMORY;
        if (st == WEFT_OK && rows > 0)
            st = weft__draft_finish(draft, node, &ends[weft_topic_number(draft->row.topic)],
                                    commit->rows + commit->row_count);
        if (st != WEFT_OK)
            return st;
        commit->row_count += rows;
        weft__commit_remove(commit, draft);
    }
    return WEFT_OK;
}
