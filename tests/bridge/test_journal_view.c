/* Looking into journals from outside: what is there, what is wrong, and taking it out. */
#include "bridge/journal_rig.h"
#include "weft/dispatcher.h"
#include "weft/journal.h"
#include "weft/wire.h"

#include <sqlite3.h>

/* ---- a journal with real messages ---- */

/* A message of two events of a session, seq and seq + 1; ownership: free the bytes. */
static weft__journal_row batch_row(weft_topic topic, uint64_t prev, uint64_t seq, const char *session)
{
    weft_event events[2] = {{0}};
    const weft_event *kept[2];
    weft_batch batch = {.node = "host-a", .epoch = RIG_EPOCH, .prev_seq = prev, .events = kept, .event_count = 2};
    for (int i = 0; i < 2; i++) {
        events[i] = topic == WEFT_TOPIC_COST
                        ? (weft_event){.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m", .input_tokens = seq}}
                        : (weft_event){.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "t"}};
        events[i].session_id = session;
        events[i].accepted_ms = 1000 * (int64_t)seq + i;
        events[i].id = (weft_event_id){"host-a", RIG_EPOCH, seq + (uint64_t)i};
        kept[i] = weft_event_keep(&events[i]);
    }
    uint8_t *bytes = NULL;
    size_t length = 0;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    for (int i = 0; i < 2; i++)
        weft_event_release(kept[i]);
    return (weft__journal_row){.epoch = RIG_EPOCH,
                               .topic = topic,
                               .prev_seq = prev,
                               .first_seq = seq,
                               .last_seq = seq + 1,
                               .event_count = 2,
                               .priority = WEFT_PRIORITY_NORMAL,
                               .accepted_ms = 1000 * (int64_t)seq + 1,
                               .bytes = bytes,
                               .length = length};
}

static void batch_append(rig *r, weft_topic topic, uint64_t prev, uint64_t seq, const char *session)
{
    weft__journal_row row = batch_row(topic, prev, seq, session);
    CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, &row, 1, NULL, 0), WEFT_OK);
    free((void *)row.bytes);
}

/* Rows of cost (1,2) (5,6) (9,10) … and tool (3,4) (7,8) … of sessions s0 and s1 in turn; cost acknowledged up to 6. */
static void journal_fill(rig *r, int rows)
{
    uint64_t prev[2] = {0};
    rig_init(r);
    CU_ASSERT_EQUAL(weft__journal_begin_epoch(r->journal, RIG_EPOCH), WEFT_OK);
    for (int i = 0; i < rows; i++) {
        uint64_t seq = 1 + 2 * (uint64_t)i;
        batch_append(r, i % 2 == 0 ? WEFT_TOPIC_COST : WEFT_TOPIC_TOOL, prev[i % 2], seq, i % 4 < 2 ? "s0" : "s1");
        prev[i % 2] = seq + 1;
    }
    weft__feed_mark mark = {"agents", 12, "state", 5, 777};
    CU_ASSERT_EQUAL(weft__journal_append(r->journal, NULL, 0, &mark, 1), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r->journal, RIG_EPOCH, WEFT_TOPIC_COST, 6), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_trim(r->journal, 0, NULL, NULL), WEFT_OK); /* stores that */
}

static weft_journal_view *view_open(const rig *r)
{
    weft_journal_view *v = NULL;
    const char *reason = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_journal_view_open(r->path, &v, &reason), WEFT_OK);
    return v;
}

/* ---- what walks give ---- */

typedef struct seen {
    size_t count;
    size_t damaged;
    uint64_t sum;
    size_t end_after; /* 0: never */
    weft_journal_entry last;
    char feed[32];
} seen;

static weft_status on_entry(const weft_journal_entry *entry, void *user)
{
    seen *s = user;
    s->count++;
    s->damaged += entry->damage != NULL;
    s->sum += entry->first_seq;
    s->last = *entry;
    return s->count == s->end_after ? WEFT_STOPPED : WEFT_OK;
}

static weft_status on_damaged(const weft_journal_entry *entry, void *user)
{
    (void)entry;
    ((seen *)user)->damaged++;
    return WEFT_OK;
}

static weft_status on_event(const weft_event *event, void *user)
{
    seen *s = user;
    s->count++;
    s->sum += event->id.seq;
    CU_ASSERT_STRING_EQUAL(event->id.node, "host-a");
    return s->count == s->end_after ? WEFT_STOPPED : WEFT_OK;
}

static weft_status on_feed(const weft_journal_feed *feed, void *user)
{
    seen *s = user;
    s->count++;
    (void)snprintf(s->feed, sizeof s->feed, "%s %d %d %d", feed->feed, (int)feed->line, (int)feed->state_bytes,
                   (int)feed->touched_ms);
    return WEFT_OK;
}

static weft_status on_stream(const weft_journal_stream *stream, void *user)
{
    ((seen *)user)->count++;
    ((seen *)user)->sum += stream->pending_events;
    return WEFT_OK;
}

static seen events_of(const rig *r, const weft_journal_query *query)
{
    seen s = {0};
    weft_journal_view *v = view_open(r);
    CU_ASSERT_EQUAL(weft_journal_view_events(v, query, on_event, on_damaged, &s), WEFT_OK);
    weft_journal_view_close(v);
    return s;
}

static seen rows_of(const rig *r, const weft_journal_query *query)
{
    seen s = {0};
    weft_journal_view *v = view_open(r);
    CU_ASSERT_EQUAL(weft_journal_view_rows(v, query, on_entry, &s), WEFT_OK);
    weft_journal_view_close(v);
    return s;
}

typedef struct verdict {
    uint64_t damage;
    size_t remarks;
    weft_journal_finding first;
    char text[128];
} verdict;

static void on_finding(const weft_journal_finding *finding, void *user)
{
    verdict *found = user;
    found->remarks += !finding->damage;
    if (found->text[0] != '\0')
        return;
    found->first = *finding;
    (void)snprintf(found->text, sizeof found->text, "%s", finding->text);
}

static verdict verify(const rig *r)
{
    verdict found = {0};
    weft_journal_view *v = view_open(r);
    CU_ASSERT_EQUAL(weft_journal_view_verify(v, on_finding, &found, &found.damage), WEFT_OK);
    weft_journal_view_close(v);
    return found;
}

/* ---- a running node ---- */

static void shows_what_a_running_journal_holds(void)
{
    rig r;
    journal_fill(&r, 400);
    weft_journal_view *v = view_open(&r);
    weft_journal_totals t;
    CU_ASSERT_EQUAL_FATAL(weft_journal_view_totals(v, &t), WEFT_OK);
    CU_ASSERT_EQUAL(t.epoch, RIG_EPOCH);
    CU_ASSERT_EQUAL(t.streams, 2);
    CU_ASSERT_EQUAL(t.feeds, 1);
    CU_ASSERT_EQUAL(t.rows, 400);
    CU_ASSERT_EQUAL(t.events, 800);
    CU_ASSERT_EQUAL(t.pending_rows, 398);
    CU_ASSERT_EQUAL(t.pending_events, 796);
    CU_ASSERT_EQUAL(t.oldest_ms, 1001);
    CU_ASSERT_EQUAL(t.newest_ms, 799001);
    CU_ASSERT(t.log_bytes > 0);
    seen s = {0};
    CU_ASSERT_EQUAL(weft_journal_view_streams(v, on_stream, &s), WEFT_OK);
    CU_ASSERT(s.count == 2 && s.sum == 796);
    s = (seen){0};
    CU_ASSERT_EQUAL(weft_journal_view_feeds(v, on_feed, &s), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(s.feed, "agents 12 5 777");
    batch_append(&r, WEFT_TOPIC_COST, 798, 801, "s2"); /* the next look sees it */
    CU_ASSERT_EQUAL(weft_journal_view_totals(v, &t), WEFT_OK);
    CU_ASSERT_EQUAL(t.rows, 401);
    weft_journal_view_close(v);
    rig_fini(&r);
}

static void walks_choose(void)
{
    rig r;
    journal_fill(&r, 400);
    CU_ASSERT_EQUAL(rows_of(&r, NULL).count, 400);
    CU_ASSERT_EQUAL(rows_of(&r, &(weft_journal_query){.topics = WEFT_TOPIC_COST}).count, 200);
    CU_ASSERT_EQUAL(rows_of(&r, &(weft_journal_query){.topics = WEFT_TOPIC_COST, .pending_only = true}).count, 198);
    seen s = events_of(&r, NULL);
    CU_ASSERT(s.count == 800 && s.sum == 800 * 801 / 2);
    CU_ASSERT_EQUAL(events_of(&r, &(weft_journal_query){.session_id = "s1"}).count, 400);
    CU_ASSERT_EQUAL(events_of(&r, &(weft_journal_query){.session_id = "none"}).count, 0);
    /* accepted_ms of seq n is 1000 n, of n + 1 in the same row one more */
    CU_ASSERT_EQUAL(events_of(&r, &(weft_journal_query){.since_ms = 3001}).count, 800 - 3);
    CU_ASSERT_EQUAL(events_of(&r, &(weft_journal_query){.until_ms = 3001}).count, 3);
    CU_ASSERT_EQUAL(events_of(&r, &(weft_journal_query){.since_ms = 3000, .until_ms = 5000}).count, 2);
    rig_fini(&r);
}

static void a_walk_ends_when_told(void)
{
    rig r;
    seen s = {.end_after = 200};
    journal_fill(&r, 400);
    weft_journal_view *v = view_open(&r);
    CU_ASSERT_EQUAL(weft_journal_view_events(v, NULL, on_event, NULL, &s), WEFT_STOPPED);
    CU_ASSERT_EQUAL(s.count, 200);
    weft_journal_view_close(v);
    rig_fini(&r);
}

static rig *written_meanwhile;
static uint64_t written_last;

/* Writes, acknowledges, deletes and checkpoints while a reader stands in the middle of its walk. */
static weft_status on_event_write(const weft_event *event, void *user)
{
    rig *r = written_meanwhile;
    if (event->id.seq % 100 == 1) {
        batch_append(r, WEFT_TOPIC_TOOL, written_last, written_last + 100, "s9");
        written_last += 101;
        CU_ASSERT_EQUAL(weft__journal_sync(r->journal), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_checkpoint(r->journal), WEFT_OK);
        CU_ASSERT_EQUAL(weft__journal_trim(r->journal, 0, NULL, NULL), WEFT_OK);
    }
    return on_event(event, user);
}

static void a_reader_does_not_stop_the_writer(void)
{
    rig r;
    seen s = {0};
    journal_fill(&r, 400);
    written_meanwhile = &r;
    written_last = 800;
    weft_journal_view *v = view_open(&r);
    weft_journal_query q = {.until_ms = 900000};
    CU_ASSERT_EQUAL(weft_journal_view_events(v, &q, on_event_write, NULL, &s), WEFT_OK);
    CU_ASSERT_EQUAL(s.count, 800);
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    weft_journal_view_close(v);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT_EQUAL(stats.pending_rows, 398 + 8);
    rig_fini(&r);
}

/* ---- a node that is down ---- */

static void leaves_no_trace_in_a_journal_that_was_closed(void)
{
    rig r;
    journal_fill(&r, 10);
    rig_close(&r);
    CU_ASSERT_EQUAL(events_of(&r, NULL).count, 20);
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    CU_ASSERT_FALSE(rig_exists(&r, "-wal"));
    CU_ASSERT_FALSE(rig_exists(&r, "-shm"));
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    rig_fini(&r);
}

static void reads_where_nothing_may_be_written(void)
{
    rig r;
    journal_fill(&r, 10);
    rig_close(&r);
    bool root = geteuid() == 0; /* who may write anywhere */
    enum { NOBODY = 65534 };
    (void)chmod(r.directory, 0500);
    if (root) {
        CU_ASSERT_EQUAL_FATAL(chown(r.directory, NOBODY, NOBODY), 0);
        CU_ASSERT_EQUAL_FATAL(chown(r.path, NOBODY, NOBODY), 0);
        CU_ASSERT_EQUAL_FATAL(seteuid(NOBODY), 0);
    }
    CU_ASSERT_EQUAL(events_of(&r, NULL).count, 20);
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    CU_ASSERT_FALSE(rig_exists(&r, "-wal"));
    if (root)
        CU_ASSERT_EQUAL_FATAL(seteuid(0), 0);
    (void)chmod(r.directory, 0700);
    rig_fini(&r);
}

static void what_is_no_journal_is_named(void)
{
    rig r;
    weft_journal_view *v = NULL;
    const char *reason = NULL;
    rig_prepare(&r);
    CU_ASSERT_EQUAL(weft_journal_view_open(r.path, &v, &reason), WEFT_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, r.path));
    CU_ASSERT_FALSE(rig_exists(&r, ""));
    FILE *file = fopen(r.path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("noise", file);
    (void)fclose(file);
    CU_ASSERT_EQUAL(weft_journal_view_open(r.path, &v, &reason), WEFT_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, r.path));
    (void)remove(r.path);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r.path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, "CREATE TABLE t(x)", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    CU_ASSERT_EQUAL(weft_journal_view_open(r.path, &v, &reason), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_journal_purge_path(r.path, &(weft_journal_purge){0}, &(weft_journal_purged){0}, &reason),
                    WEFT_INVALID);
    weft_journal_view_close(NULL);
    rig_fini(&r);
}

/* ---- verifying ---- */

static void sql_run(rig *r, const char *sql)
{
    sqlite3 *db;
    rig_close(r);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r->path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static void a_sound_journal_verifies(void)
{
    rig r;
    journal_fill(&r, 400);
    verdict found = verify(&r);
    CU_ASSERT_EQUAL(found.damage, 0);
    CU_ASSERT_EQUAL(found.remarks, 0);
    rig_fini(&r);
}

static void names_the_row_and_what_is_wrong(void)
{
    static const struct {
        const char *sql, *text;
        int64_t row;
    } cases[] = {
        {"UPDATE rows SET last_seq = 7 WHERE id = 3", "numbers", 3},
        {"UPDATE rows SET prev_seq = 1 WHERE id = 5", "numbers", 5},
        {"UPDATE rows SET bytes = CAST(substr(bytes, 1, 10) || x'ff' || substr(bytes, 12) AS BLOB) WHERE id = 4",
         "checksum", 4},
        {"UPDATE rows SET bytes = (SELECT bytes FROM rows WHERE id = 5) WHERE id = 7", "not the one", 7},
        {"DELETE FROM streams WHERE topic = 1", "table of streams", 2},
        {"UPDATE streams SET row_count = row_count + 1 WHERE topic = 5", "totals", 0},
        {"UPDATE streams SET last_seq = 12 WHERE topic = 5", "newer", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig r;
        journal_fill(&r, 8);
        batch_append(&r, WEFT_TOPIC_COST, 14, 17, "s0");
        sql_run(&r, cases[i].sql);
        verdict found = verify(&r);
        CU_ASSERT(found.damage >= 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(found.text, cases[i].text));
        CU_ASSERT_EQUAL(found.first.row, cases[i].row);
        rig_fini(&r);
    }
}

static void rows_that_were_given_up_are_a_remark(void)
{
    rig r;
    journal_fill(&r, 8);
    sql_run(&r, "DELETE FROM rows WHERE id = 5; UPDATE streams SET row_count = row_count - 1, pending_rows = "
                "pending_rows - 1, pending_events = pending_events - 2, row_bytes = (SELECT sum(length(bytes)) FROM "
                "rows WHERE topic = 5) WHERE topic = 5");
    verdict found = verify(&r);
    CU_ASSERT_EQUAL(found.damage, 0);
    CU_ASSERT_EQUAL_FATAL(found.remarks, 1);
    CU_ASSERT(found.first.row == 7 && found.first.from_seq == 7 && found.first.to_seq == 10);
    rig_fini(&r);
}

static void page_destroy(rig *r, uint64_t session)
{
    enum { PAGE = 4096 };
    static const uint8_t noise[PAGE] = {0x5a, 0x5a, 0x5a};
    char text[32];
    (void)snprintf(text, sizeof text, "session-%06d", (int)session);
    off_t at = file_find(r->path, text, strlen(text));
    CU_ASSERT_FATAL(at > 0);
    file_patch(r->path, at / PAGE * PAGE, noise, PAGE);
}

static void what_can_be_read_of_a_damaged_journal_is_exported(void)
{
    rig r;
    rig_init(&r);
    for (uint64_t seq = 1; seq <= 1999; seq += 2) {
        char session[32];
        (void)snprintf(session, sizeof session, "session-%06d", (int)seq);
        batch_append(&r, WEFT_TOPIC_COST, seq - 1, seq, session);
    }
    rig_close(&r);
    page_destroy(&r, 1001);
    seen s = events_of(&r, NULL);
    CU_ASSERT_EQUAL(s.damaged, 1);
    CU_ASSERT(s.count >= 1900 && s.count < 2000);
    verdict found = verify(&r);
    CU_ASSERT(found.damage >= 1);
    rig_fini(&r);
}

static void bytes_changed_anywhere_never_crash_it(void)
{
    uint32_t x = 4711;
    for (int round = 0; round < 40; round++) {
        rig r;
        journal_fill(&r, 100);
        rig_close(&r);
        off_t size = rig_size(&r, "");
        for (int i = 0; i < 6; i++) {
            x = x * 1664525 + 1013904223;
            uint8_t byte = (uint8_t)(x >> 16);
            file_patch(r.path, (off_t)(x % (uint32_t)(size - 100)) + 100, &byte, 1);
        }
        weft_journal_view *v = NULL;
        weft_status st = weft_journal_view_open(r.path, &v, NULL);
        CU_ASSERT(st == WEFT_OK || st == WEFT_CORRUPT || st == WEFT_INVALID || st == WEFT_UNSUPPORTED);
        if (st == WEFT_OK) {
            seen s = {0};
            verdict found = {0};
            CU_ASSERT_EQUAL(weft_journal_view_verify(v, on_finding, &found, &found.damage), WEFT_OK);
            st = weft_journal_view_events(v, NULL, on_event, on_damaged, &s);
            CU_ASSERT(st == WEFT_OK || st == WEFT_CORRUPT);
            CU_ASSERT(s.count == 200 || found.damage > 0);
        }
        weft_journal_view_close(v);
        rig_fini(&r);
    }
}

/* ---- purging ---- */

static void purging_is_refused_while_the_journal_is_in_use(void)
{
    rig r;
    weft_journal_purged purged;
    journal_fill(&r, 100);
    CU_ASSERT_EQUAL(weft_journal_purge_path(r.path, &(weft_journal_purge){0}, &purged, NULL), WEFT_EXISTS);
    CU_ASSERT_EQUAL(weft_journal_purge_path(r.path, &(weft_journal_purge){.dry = true}, &purged, NULL), WEFT_OK);
    CU_ASSERT(purged.rows == 2 && purged.events == 4 && purged.pending_events == 0 && purged.bytes > 0);
    CU_ASSERT_EQUAL(rows_of(&r, NULL).count, 100);
    rig_fini(&r);
}

static void purges_what_is_acknowledged(void)
{
    rig r;
    weft_journal_purged purged;
    journal_fill(&r, 2000);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_COST, 5000), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledge(r.journal, RIG_EPOCH, WEFT_TOPIC_TOOL, 3000), WEFT_OK);
    rig_close(&r);
    CU_ASSERT_EQUAL_FATAL(weft_journal_purge_path(r.path, &(weft_journal_purge){0}, &purged, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(purged.rows, 1000 + 750);
    CU_ASSERT_EQUAL(purged.events, 2 * 1750);
    CU_ASSERT(purged.file_bytes > 100000);
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_EQUAL(weft__journal_acknowledged(r.journal, RIG_EPOCH, WEFT_TOPIC_COST), 3998);
    weft__journal_stats stats;
    weft__journal_get_stats(r.journal, &stats);
    CU_ASSERT(stats.rows == 250 && stats.pending_events == 500);
    batch_append(&r, WEFT_TOPIC_COST, 3998, 4001, "s0");
    rig_fini(&r);
}

static void purging_all_keeps_positions_and_feeds(void)
{
    rig r;
    weft_journal_purged purged;
    journal_fill(&r, 100);
    rig_close(&r);
    weft_journal_purge all = {.pending_too = true};
    CU_ASSERT_EQUAL_FATAL(weft_journal_purge_path(r.path, &all, &purged, NULL), WEFT_OK);
    CU_ASSERT(purged.rows == 100 && purged.pending_events == 196);
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_EQUAL(pending(&r)->count, 0);
    weft__position positions[4];
    CU_ASSERT_EQUAL(weft__journal_positions(r.journal, positions, 4), 2);
    uint64_t line;
    char *state;
    size_t bytes;
    CU_ASSERT_EQUAL(weft__journal_feed(r.journal, "agents", &line, &state, &bytes), WEFT_OK);
    free(state);
    CU_ASSERT_EQUAL(line, 12);
    batch_append(&r, WEFT_TOPIC_COST, 198, 201, "s0");
    CU_ASSERT_EQUAL(verify(&r).damage, 0);
    rig_fini(&r);
}

SUITE(bridge_journal_view, CASE(shows_what_a_running_journal_holds), CASE(walks_choose), CASE(a_walk_ends_when_told),
      CASE(a_reader_does_not_stop_the_writer), CASE(leaves_no_trace_in_a_journal_that_was_closed),
      CASE(reads_where_nothing_may_be_written), CASE(what_is_no_journal_is_named), CASE(a_sound_journal_verifies),
      CASE(names_the_row_and_what_is_wrong), CASE(rows_that_were_given_up_are_a_remark),
      CASE(what_can_be_read_of_a_damaged_journal_is_exported), CASE(bytes_changed_anywhere_never_crash_it),
      CASE(purging_is_refused_while_the_journal_is_in_use), CASE(purges_what_is_acknowledged),
      CASE(purging_all_keeps_positions_and_feeds))
