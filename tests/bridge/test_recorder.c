/* The recorder over a fake broker: rows, each once, whatever ends when; what retention leaves. */
#include "bridge/bridge_rig.h"
#include "weft/recorder.h"

#include <sqlite3.h>

typedef struct rig {
    fake_broker *broker;
    char dir[64];
    char path[128];
    host *a, *b;
    weft_recorder *recorder;
} rig;

static host *recording_host(rig *r)
{
    host *h = host_create(r->broker, "b");
    CU_ASSERT_EQUAL_FATAL(host_open(h, &(weft_bridge_opts){.listen_only = true}), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static rig rig_create(void)
{
    rig r = {.broker = fake_broker_create(FAKE_THREADED)};
    journal_dir_make(r.dir);
    snprintf(r.path, sizeof r.path, "%s/events.db", r.dir);
    r.a = host_start(r.broker, "a", 0);
    r.b = recording_host(&r);
    return r;
}

static void rig_destroy(rig *r)
{
    weft_recorder_close(r->recorder, NULL);
    host_destroy(r->b);
    host_destroy(r->a);
    fake_broker_destroy(r->broker);
    journal_dir_remove(r->dir);
}

static void record(rig *r, const weft_recorder_opts *more)
{
    weft_recorder_opts opts = more != NULL ? *more : (weft_recorder_opts){.since_ms = 1};
    opts.path = r->path;
    CU_ASSERT_EQUAL_FATAL(weft_recorder_open(r->b->bridge, &opts, &r->recorder, NULL), WEFT_OK);
}

static int64_t query(const rig *r, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r->path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

typedef struct awaited {
    const rig *rig;
    int64_t rows;
} awaited;

static bool are_recorded(void *user)
{
    const awaited *w = user;
    return query(w->rig, "SELECT count(*) FROM events") >= w->rows;
}

static bool recorded(const rig *r, int64_t rows)
{
    awaited w = {r, rows};
    return suite_wait(are_recorded, &w, DEADLINE_MS);
}

static void a_row_an_event_with_all_it_says(void)
{
    rig r = rig_create();
    record(&r, NULL);
    publish_range(r.a, 1, 100);
    CU_ASSERT_TRUE(recorded(&r, 100));
    CU_ASSERT_EQUAL(query(&r, "SELECT count(*) FROM events WHERE node = 'a' AND topic = 'cost' AND session = 's1' AND "
                              "type = 'token_usage' AND timestamp_ms > 0 AND accepted_ms > 0 AND agent IS NULL"),
                    100);
    CU_ASSERT_EQUAL(query(&r, "SELECT sum(json_extract(event, '$.tokenUsage.inputTokens')) FROM events"), 5050);
    CU_ASSERT_EQUAL(query(&r,
                          "SELECT count(*) FROM (SELECT id, seq, lag(seq) OVER (ORDER BY id) AS before FROM events) "
                          "WHERE before >= seq"),
                    0);
    rig_destroy(&r);
}

static void goes_on_after_itself_the_broker_and_the_publisher_were_away(void)
{
    rig r = rig_create();
    char journal[128];
    snprintf(journal, sizeof journal, "%s/a.db", r.dir);
    host_destroy(r.a);
    uint64_t value = 0;
    for (int round = 0; round < 4; round++) {
        r.a = host_create(r.broker, "a");
        strcpy(r.a->journal, journal);
        CU_ASSERT_EQUAL_FATAL(host_open(r.a, NULL), WEFT_OK);
        record(&r, NULL);
        publish_range(r.a, value + 1, value + 200);
        weft_recorder_close(r.recorder, NULL);
        r.recorder = NULL;
        publish_range(r.a, value + 201, value + 300);
        value += 300;
        fake_broker_stop(r.broker);
        fake_broker_forget(r.broker);
        fake_broker_start(r.broker);
        host_destroy(r.a);
        host_destroy(r.b);
        r.b = recording_host(&r);
    }
    r.a = host_create(r.broker, "a");
    strcpy(r.a->journal, journal);
    CU_ASSERT_EQUAL_FATAL(host_open(r.a, NULL), WEFT_OK);
    record(&r, NULL);
    CU_ASSERT_TRUE(recorded(&r, (int64_t)value));
    CU_ASSERT_EQUAL(query(&r, "SELECT count(DISTINCT json_extract(event, '$.tokenUsage.inputTokens')) FROM events"),
                    (int64_t)value);
    CU_ASSERT_EQUAL(query(&r, "SELECT count(*) FROM events"), (int64_t)value);
    CU_ASSERT_EQUAL(query(&r, "SELECT count(*) FROM lost"), 0);
    rig_destroy(&r);
}

static bool is_trimmed(void *user)
{
    weft_recorder_stats stats;
    weft_recorder_get_stats(user, &stats);
    return stats.recorded >= 3000 && stats.bytes > 0 && stats.bytes <= 400000 && stats.removed > 0;
}

static void the_oldest_rows_go_beyond_the_size(void)
{
    rig r = rig_create();
    record(&r, &(weft_recorder_opts){.since_ms = 1, .retain_bytes = 400000});
    publish_range(r.a, 1, 3000);
    CU_ASSERT_TRUE(suite_wait(is_trimmed, r.recorder, DEADLINE_MS));
    CU_ASSERT_TRUE(query(&r, "SELECT count(*) FROM events") > 0);
    CU_ASSERT_EQUAL(query(&r, "SELECT max(json_extract(event, '$.tokenUsage.inputTokens')) FROM events"), 3000);
    CU_ASSERT_TRUE(query(&r, "SELECT min(json_extract(event, '$.tokenUsage.inputTokens')) FROM events") > 1);
    rig_destroy(&r);
}

static bool all_gone(void *user)
{
    return query(user, "SELECT count(*) FROM events") == 0;
}

static void rows_go_with_age_and_do_not_come_back(void)
{
    rig r = rig_create();
    record(&r, NULL);
    publish_range(r.a, 1, 50);
    CU_ASSERT_TRUE(recorded(&r, 50));
    weft_recorder_close(r.recorder, NULL);
    record(&r, &(weft_recorder_opts){.since_ms = 1, .retain_ms = 1});
    CU_ASSERT_TRUE(suite_wait(all_gone, &r, DEADLINE_MS));
    weft_recorder_close(r.recorder, NULL);
    record(&r, NULL);
    publish_range(r.a, 51, 60);
    CU_ASSERT_TRUE(recorded(&r, 10));
    CU_ASSERT_EQUAL(query(&r, "SELECT min(json_extract(event, '$.tokenUsage.inputTokens')) FROM events"), 51);
    rig_destroy(&r);
}

static void what_is_lost_is_noted_with_its_numbers(void)
{
    rig r = rig_create();
    host_destroy(r.a);
    r.a = host_create(r.broker, "a");
    CU_ASSERT_EQUAL_FATAL(host_open(r.a, &(weft_bridge_opts){.journal_max_bytes = 4096}), WEFT_OK);
    for (uint64_t value = 1; value <= 400; value++) {
        publish_range(r.a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(r.a->bridge, READY_MS), WEFT_OK);
    }
    record(&r, NULL);
    publish_range(r.a, 401, 401);
    CU_ASSERT_TRUE(recorded(&r, 2));
    weft_recorder_close(r.recorder, NULL);
    r.recorder = NULL;
    CU_ASSERT_EQUAL(query(&r, "SELECT count(*) FROM lost WHERE node = 'a' AND topic = 'cost' AND from_seq = 1 AND "
                              "reason = 'retention'"),
                    1);
    CU_ASSERT_EQUAL(query(&r, "SELECT to_seq + 1 - (SELECT min(seq) FROM events) FROM lost"), 0);
    rig_destroy(&r);
}

static void refuses_files_that_are_not_its_own(void)
{
    rig r = rig_create();
    const char *reason = NULL;
    weft_recorder *other = NULL;
    CU_ASSERT_EQUAL(weft_recorder_open(r.b->bridge, &(weft_recorder_opts){0}, &other, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "path"));
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r.path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, "CREATE TABLE mine(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    weft_recorder_opts opts = {.path = r.path};
    CU_ASSERT_EQUAL(weft_recorder_open(r.b->bridge, &opts, &other, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "something else"));
    rig_destroy(&r);
}

SUITE(bridge_recorder, CASE(a_row_an_event_with_all_it_says),
      CASE(goes_on_after_itself_the_broker_and_the_publisher_were_away), CASE(the_oldest_rows_go_beyond_the_size),
      CASE(rows_go_with_age_and_do_not_come_back), CASE(what_is_lost_is_noted_with_its_numbers),
      CASE(refuses_files_that_are_not_its_own))
