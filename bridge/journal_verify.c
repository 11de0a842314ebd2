/* bridge/journal_verify.c: reads a journal whole and says what is wrong in it.
 *
 * All in one transaction, so that what a running node writes meanwhile cannot look like a contradiction. */
#include "bridge/journal_view.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* What the rows say of a stream, to be held against the table. */
typedef struct counted {
    bool begun;
    uint64_t last_seq;
    uint64_t rows;
    uint64_t row_bytes;
    uint64_t pending_rows;
    uint64_t pending_events;
} counted;

typedef struct verifying {
    weft_journal_view *view;
    weft_journal_finding_fn fn;
    void *user;
    counted *streams; /* as the view's */
    uint64_t damage;
} verifying;

static void find(verifying *v, const weft_journal_finding *finding)
{
    v->damage += finding->damage;
    if (v->fn != NULL)
        v->fn(finding, v->user);
}

static void row_find(verifying *v, const weft_journal_entry *e, uint64_t from, uint64_t to, bool damage,
                     const char *text)
{
    find(v, &(weft_journal_finding){.damage = damage,
                                    .row = e->row,
                                    .epoch = e->epoch,
                                    .topic = e->topic,
                                    .from_seq = from,
                                    .to_seq = to,
                                    .text = text});
}

/* ---- pages and indexes ---- */

static weft_status pages_verify(verifying *v)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(v->view->db, "PRAGMA integrity_check(20)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            const char *said = (const char *)sqlite3_column_text(stmt, 0);
            if (said != NULL && strcmp(said, "ok") != 0)
                find(v, &(weft_journal_finding){.damage = true, .text = said});
        }
    (void)sqlite3_finalize(stmt);
    weft_status st = weft__journal_status(v->view->db, rc);
    if (st != WEFT_CORRUPT)
        return st;
    find(v, &(weft_journal_finding){.damage = true, .text = "the file's structure cannot be followed"});
    return WEFT_OK;
}

/* ---- rows ---- */

static void row_chain(verifying *v, const weft_journal_entry *e, const weft_journal_stream *stream, counted *c)
{
    if (c->begun && e->prev_seq < c->last_seq)
        row_find(v, e, e->first_seq, e->last_seq, true, "it does not follow the row before it in its stream");
    else if (c->begun && e->prev_seq > c->last_seq)
        row_find(v, e, c->last_seq + 1, e->prev_seq, false,
                 "events before this row are no longer here: given up at a bound, or purged");
    if (e->last_seq > stream->last_seq)
        row_find(v, e, e->first_seq, e->last_seq, true, "it is newer than the last event of its stream");
    c->begun = true;
    c->last_seq = e->last_seq;
}

static void row_count(const weft_journal_entry *e, counted *c)
{
    c->rows++;
    c->row_bytes += e->bytes;
    c->pending_rows += e->pending;
    c->pending_events += e->pending ? e->event_count : 0;
}

static weft_status row_verify(const weft__view_row *row, void *user)
{
    verifying *v = user;
    const weft_journal_entry *e = &row->entry;
    const weft_journal_stream *stream = weft__view_stream(v->view, e->epoch, e->topic);
    const char *damage = e->damage;
    if (damage == NULL)
        damage = weft__view_message_check(&row->row);
    if (damage == NULL && stream == NULL)
        damage = "its stream is not in the table of streams";
    if (damage != NULL)
        row_find(v, e, e->first_seq, e->last_seq, true, damage);
    if (stream == NULL)
        return WEFT_OK;
    counted *c = &v->streams[stream - v->view->streams];
    row_count(e, c);
    if (damage == NULL)
        row_chain(v, e, stream, c);
    return WEFT_OK;
}

/* ---- totals ---- */

static void totals_verify(verifying *v)
{
    for (size_t i = 0; i < v->view->stream_count; i++) {
        const weft_journal_stream *s = &v->view->streams[i];
        const counted *c = &v->streams[i];
        if (s->topic == 0 || s->acked_seq > s->last_seq || s->rows != c->rows || s->row_bytes != c->row_bytes ||
            s->pending_rows != c->pending_rows || s->pending_events != c->pending_events)
            find(v, &(weft_journal_finding){.damage = true,
                                            .epoch = s->epoch,
                                            .topic = s->topic,
                                            .text = "the stream's totals are not those of its rows"});
    }
}

static weft_status all_verify(verifying *v)
{
    weft_status st = weft__view_refresh(v->view);
    if (st == WEFT_OK)
        st = pages_verify(v);
    if (st != WEFT_OK)
        return st;
    v->streams = calloc(v->view->stream_count + 1, sizeof *v->streams);
    if (v->streams == NULL)
        return WEFT_NO_MEMORY;
    st = weft__view_each(v->view, row_verify, v);
    if (st == WEFT_OK && v->damage == 0) /* else they cannot match */
        totals_verify(v);
    free(v->streams);
    return st;
}

weft_status weft_journal_view_verify(weft_journal_view *v, weft_journal_finding_fn fn, void *user, uint64_t *ret_damage)
{
    verifying verify = {.view = v, .fn = fn, .user = user};
    (void)sqlite3_exec(v->db, "BEGIN", NULL, NULL, NULL);
    weft_status st = all_verify(&verify);
    (void)sqlite3_exec(v->db, "COMMIT", NULL, NULL, NULL);
    if (st == WEFT_CORRUPT) { /* found in a place that no walk gets round */
        find(&verify, &(weft_journal_finding){.damage = true, .text = "a table cannot be read"});
        st = WEFT_OK;
    }
    *ret_damage = verify.damage;
    return st;
}
