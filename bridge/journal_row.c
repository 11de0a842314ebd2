/* bridge/journal_row.c: rows in and out, with the checks that tell a damaged one.
 *
 * A message carries its own checksum (DESIGN: one check covers disk and wire); SQLite checks neither table nor index.
 * head_crc covers the other columns, and whether the message had a checksum at all: else a changed seq would be
 * acknowledged, or a changed tag would make a message unchecked. Where the table does not give a row whole, the index,
 * which lies on other pages, still tells which events are concerned. */
#include "bridge/journal_db.h"

#include <limits.h>
#include <sqlite3.h>

#include "weft/wire.h"

enum { TRAILER_BYTES = 9, COLUMN_HEAD_CRC = 9, COLUMN_BYTES = 10 };

static uint32_t crc_load(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Whether the last bytes are field 536870911 (fixed32) of the message. */
static bool trailer_found(const weft__journal_row *row)
{
    if (row->length < TRAILER_BYTES)
        return false;
    const uint8_t *tag = row->bytes + row->length - TRAILER_BYTES;
    return tag[0] == 0xfd && tag[1] == 0xff && tag[2] == 0xff && tag[3] == 0xff && tag[4] == 0x0f;
}

bool weft__row_bytes_hold(const weft__journal_row *row)
{
    if (!trailer_found(row))
        return true;
    size_t covered = row->length - TRAILER_BYTES;
    return weft_crc32c(0, row->bytes, covered) == crc_load(row->bytes + row->length - 4);
}

static uint32_t head_crc(const weft__journal_row *row)
{
    const uint64_t values[] = {
        (uint64_t)row->id,
        row->epoch,
        weft__topic_number(row->topic),
        row->prev_seq,
        row->first_seq,
        row->last_seq,
        row->event_count,
        (uint64_t)row->priority,
        row->length,
        trailer_found(row),
        (uint64_t)row->accepted_ms,
    };
    uint8_t bytes[sizeof values];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(values[i / 8] >> 8 * (i % 8));
    return weft_crc32c(0, bytes, sizeof bytes);
}

bool weft__row_valid(const weft__journal_row *row)
{
    unsigned topic = (unsigned)row->topic;
    return topic > 1 && topic <= INT_MAX && (topic & (topic - 1)) == 0 && row->epoch > 0 && row->epoch <= INT64_MAX &&
           row->first_seq > row->prev_seq && row->last_seq >= row->first_seq && row->last_seq <= INT64_MAX &&
           row->bytes != NULL && row->length > 0 && row->length <= INT_MAX / 4;
}

static weft_status row_bind_insert(weft__journal *j, const weft__journal_row *row)
{
    const uint64_t values[] = {
        (uint64_t)row->id,
        row->epoch,
        weft__topic_number(row->topic),
        row->prev_seq,
        row->first_seq,
        row->last_seq,
        row->event_count,
        (uint64_t)row->priority,
        (uint64_t)row->accepted_ms,
        head_crc(row),
    };
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW_INSERT, values, sizeof values / sizeof *values);
    (void)sqlite3_bind_blob(stmt, COLUMN_BYTES + 1, row->bytes, (int)row->length, SQLITE_STATIC);
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    (void)sqlite3_reset(stmt);
    return st;
}

weft_status weft__row_insert(weft__journal *j, weft__journal_row *row)
{
    weft__stream *s = weft__stream_obtain(j, row->epoch, row->topic);
    if (s == NULL)
        return WEFT_NO_MEMORY;
    if (row->first_seq <= s->totals.last_seq)
        return WEFT_INVALID;
    if (row->priority == WEFT_PRIORITY_UNSET)
        row->priority = WEFT_PRIORITY_NORMAL;
    row->id = ++j->last_id;
    weft_status st = row_bind_insert(j, row);
    if (st != WEFT_OK)
        return st;
    weft__stream_touch(s);
    s->totals.last_seq = row->last_seq;
    s->totals.last_id = row->id;
    s->totals.rows++;
    s->totals.events += row->event_count + row->lost_before;
    s->totals.row_bytes += row->length;
    if (row->last_seq > s->totals.acked_seq) {
        s->totals.pending_rows++;
        s->totals.pending_events += row->event_count;
    }
    return WEFT_OK;
}

static uint64_t less(uint64_t total, uint64_t by)
{
    return total > by ? total - by : 0;
}

weft_status weft__row_delete(weft__journal *j, weft__stream *s, const weft__journal_row *row)
{
    weft_status st = weft__journal_run(j, WEFT__SQL_ROW_DELETE, (const uint64_t[]){(uint64_t)row->id}, 1);
    if (st != WEFT_OK)
        return st;
    if (sqlite3_changes(j->db) == 0) /* an index names a row that the table has not */
        return weft__journal_result(j, SQLITE_CORRUPT);
    weft__stream_touch(s);
    s->totals.rows = less(s->totals.rows, 1);
    s->totals.row_bytes = less(s->totals.row_bytes, row->length);
    if (row->accepted_ms > (int64_t)s->totals.gone_ms)
        s->totals.gone_ms = (uint64_t)row->accepted_ms;
    if (row->last_seq > s->totals.acked_seq) {
        s->totals.pending_rows = less(s->totals.pending_rows, 1);
        s->totals.pending_events = less(s->totals.pending_events, row->event_count);
    }
    return WEFT_OK;
}

weft_status weft__row_next(weft__journal *j, const weft__stream *s, uint64_t after_seq, int64_t after_id,
                           weft__row_head *ret)
{
    const uint64_t values[] = {s->epoch, weft__topic_number(s->topic), after_seq, (uint64_t)after_id};
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW_NEXT, values, sizeof values / sizeof *values);
    int rc = sqlite3_step(stmt);
    weft_status st = rc == SQLITE_DONE ? WEFT_NOT_FOUND : weft__journal_result(j, rc);
    *ret = (weft__row_head){0};
    if (st == WEFT_OK)
        *ret = (weft__row_head){.id = sqlite3_column_int64(stmt, 0),
                                .last_seq = (uint64_t)sqlite3_column_int64(stmt, 1),
                                .event_count = (uint32_t)sqlite3_column_int64(stmt, 2)};
    (void)sqlite3_reset(stmt);
    return st;
}

/* The columns of WEFT__ROW_HEAD. Returns the checksum over them. */
static int64_t head_decode(sqlite3_stmt *stmt, weft__journal_row *ret)
{
    int64_t values[COLUMN_HEAD_CRC + 1];
    for (int i = 0; i <= COLUMN_HEAD_CRC; i++)
        values[i] = sqlite3_column_int64(stmt, i);
    *ret = (weft__journal_row){
        .id = values[0],
        .epoch = (uint64_t)values[1],
        .topic = values[2] > 0 && values[2] < 31 ? (weft_topic)(1u << values[2]) : 0,
        .prev_seq = (uint64_t)values[3],
        .first_seq = (uint64_t)values[4],
        .last_seq = (uint64_t)values[5],
        .event_count = (uint32_t)values[6],
        .priority = (weft_priority)values[7],
        .accepted_ms = values[8],
    };
    return values[COLUMN_HEAD_CRC];
}

bool weft__row_decode(sqlite3_stmt *stmt, weft__journal_row *ret)
{
    int64_t crc = head_decode(stmt, ret);
    ret->bytes = sqlite3_column_blob(stmt, COLUMN_BYTES);
    ret->length = ret->bytes == NULL ? 0 : (size_t)sqlite3_column_bytes(stmt, COLUMN_BYTES);
    return ret->topic != 0 && ret->length > 0 && head_crc(ret) == crc;
}

/* What the index knows of a row that the table does not give. */
static weft_status row_outline(weft__journal *j, const weft__stream *s, const weft__row_head *head,
                               weft__journal_row *ret)
{
    const uint64_t values[] = {s->epoch, weft__topic_number(s->topic), head->last_seq};
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW_BEFORE, values, sizeof values / sizeof *values);
    weft_status st = weft__journal_result(j, sqlite3_step(stmt));
    uint64_t before = st == WEFT_OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    if (before < s->totals.acked_seq && s->totals.acked_seq < head->last_seq)
        before = s->totals.acked_seq;
    *ret = (weft__journal_row){
        .id = head->id,
        .epoch = s->epoch,
        .topic = s->topic,
        .prev_seq = before,
        .first_seq = before + 1,
        .last_seq = head->last_seq,
        .event_count = head->event_count,
        .priority = WEFT_PRIORITY_NORMAL,
    };
    return st;
}

weft_status weft__row_fetch(weft__journal *j, const weft__stream *s, const weft__row_head *head, weft__journal_row *ret)
{
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW, (const uint64_t[]){(uint64_t)head->id}, 1);
    int rc = sqlite3_step(stmt);
    weft_status st = weft__journal_result(j, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
    if (st != WEFT_OK && st != WEFT_CORRUPT)
        return st;
    if (st == WEFT_CORRUPT || !weft__row_decode(stmt, ret) || ret->last_seq != head->last_seq)
        return row_outline(j, s, head, ret);
    if (!weft__row_bytes_hold(ret))
        ret->bytes = NULL;
    return WEFT_OK;
}

void weft__row_done(weft__journal *j)
{
    (void)sqlite3_reset(j->sql[WEFT__SQL_ROW]);
}

weft_status weft__row_measure(weft__journal *j, int64_t id, weft__journal_row *ret)
{
    sqlite3_stmt *stmt = weft__journal_bind(j, WEFT__SQL_ROW_SIZE, (const uint64_t[]){(uint64_t)id}, 1);
    int rc = sqlite3_step(stmt);
    weft_status st = weft__journal_result(j, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
    if (st == WEFT_OK) {
        (void)head_decode(stmt, ret);
        ret->length = (size_t)sqlite3_column_int64(stmt, COLUMN_BYTES);
    }
    (void)sqlite3_reset(stmt);
    return st;
}
