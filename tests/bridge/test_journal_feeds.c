/* How long the journal remembers how far feeds have come. */
#include "bridge/journal_rig.h"

#include <sqlite3.h>

static const int64_t day_ms = 24 * 3600 * 1000LL;
static const int64_t start_ms = 1000 * 24 * 3600 * 1000LL;

/* Feeds "f{from}" … "f{to}", moved at that time. */
static void feeds_store(rig *r, int from, int to, int64_t touched_ms)
{
    enum { CHUNK = 1000 };
    static char names[CHUNK][16];
    weft__feed_mark marks[CHUNK];
    for (int at = from; at <= to; at += CHUNK) {
        size_t count = 0;
        for (int i = at; i <= to && count < CHUNK; i++, count++) {
            (void)snprintf(names[count], sizeof names[count], "f%d", i);
            marks[count] = (weft__feed_mark){.feed = names[count], .line = 7, .touched_ms = touched_ms};
        }
        CU_ASSERT_EQUAL_FATAL(weft__journal_append(r->journal, NULL, 0, marks, count), WEFT_OK);
    }
}

static weft_status feed_find(rig *r, const char *feed)
{
    uint64_t line = 0;
    char *state;
    size_t bytes;
    weft_status st = weft__journal_feed(r->journal, feed, &line, &state, &bytes);
    if (st == WEFT_OK) {
        CU_ASSERT_EQUAL(line, 7);
        free(state);
    }
    return st;
}

/* Each call forgets some. */
static void trim_often(rig *r, int64_t now_ms)
{
    for (int i = 0; i < 50; i++)
        CU_ASSERT_EQUAL_FATAL(weft__journal_trim(r->journal, now_ms, NULL, NULL), WEFT_OK);
}

static void remembers_any_number_that_fits_for_ever(void)
{
    rig r;
    rig_init(&r);
    feeds_store(&r, 1, 20, start_ms);
    trim_often(&r, start_ms + 4000 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f1"), WEFT_OK);
    CU_ASSERT_EQUAL(feed_find(&r, "f20"), WEFT_OK);
    CU_ASSERT_EQUAL(feed_find(&r, "f21"), WEFT_NOT_FOUND);
    rig_fini(&r);
}

static void beyond_the_number_the_oldest_go_once_they_are_old(void)
{
    rig r;
    rig_init(&r);
    feeds_store(&r, 1, 300, start_ms);
    feeds_store(&r, 301, WEFT__FEEDS_MAX + 100, start_ms + 5 * day_ms);
    feeds_store(&r, 1, 1, start_ms + 5 * day_ms); /* moved again */
    trim_often(&r, start_ms + 89 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f2"), WEFT_OK);
    CU_ASSERT_EQUAL(feed_find(&r, "stranger"), WEFT_FULL); /* none is old enough to make room */
    trim_often(&r, start_ms + 91 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f1"), WEFT_OK);
    CU_ASSERT_EQUAL(feed_find(&r, "f301"), WEFT_OK);
    CU_ASSERT_EQUAL(feed_find(&r, "f300"), WEFT_OK); /* 100 were too many, no more went */
    int gone = 0;
    for (int i = 2; i <= 300; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%d", i);
        gone += feed_find(&r, name) != WEFT_OK;
    }
    CU_ASSERT_EQUAL(gone, 100);
    rig_fini(&r);
}

static void twice_the_number_is_never_kept(void)
{
    rig r;
    rig_init(&r);
    feeds_store(&r, 1, 100, start_ms);
    feeds_store(&r, 101, 2 * WEFT__FEEDS_MAX + 100, start_ms + day_ms);
    trim_often(&r, start_ms + 2 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f100"), WEFT_FULL);
    CU_ASSERT_EQUAL(feed_find(&r, "f101"), WEFT_OK);
    rig_fini(&r);
}

/* What a journal of the first version looked like. */
static void make_version_1(rig *r)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r->path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db,
                                 "ALTER TABLE feeds DROP COLUMN touched_ms; ALTER TABLE streams DROP COLUMN events; "
                                 "ALTER TABLE streams DROP COLUMN gone_ms; PRAGMA user_version = 1",
                                 NULL, NULL, NULL),
                    SQLITE_OK);
    (void)sqlite3_close(db);
}

static void a_journal_of_the_first_version_is_taken_over(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 10);
    feeds_store(&r, 1, WEFT__FEEDS_MAX + 10, start_ms);
    rig_close(&r);
    make_version_1(&r);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_FALSE(r.damaged);
    CU_ASSERT_EQUAL(pending(&r)->count, 10);
    trim_often(&r, start_ms + 200 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f1"), WEFT_OK); /* nobody knows how old it is: it counts from now */
    trim_often(&r, start_ms + 300 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "stranger"), WEFT_FULL);
    feeds_store(&r, 1, WEFT__FEEDS_MAX, start_ms + 300 * day_ms);
    CU_ASSERT_EQUAL_FATAL(rig_reopen(&r), WEFT_OK);
    trim_often(&r, start_ms + 301 * day_ms);
    CU_ASSERT_EQUAL(feed_find(&r, "f1"), WEFT_OK);
    rig_fini(&r);
}

static void a_damaged_journal_of_the_first_version_keeps_its_feeds(void)
{
    rig r;
    rig_init(&r);
    append_range(&r, WEFT_TOPIC_COST, 1, 10);
    feeds_store(&r, 1, 5, start_ms);
    rig_close(&r);
    make_version_1(&r);
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(r.path, &db), SQLITE_OK);
    CU_ASSERT_EQUAL(sqlite3_exec(db, "DROP TABLE epochs", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    CU_ASSERT_EQUAL_FATAL(rig_open(&r), WEFT_OK);
    CU_ASSERT_TRUE(r.damaged);
    CU_ASSERT_EQUAL(pending(&r)->count, 10);
    CU_ASSERT_EQUAL(feed_find(&r, "f5"), WEFT_OK);
    rig_fini(&r);
}

SUITE(bridge_journal_feeds, CASE(remembers_any_number_that_fits_for_ever),
      CASE(beyond_the_number_the_oldest_go_once_they_are_old), CASE(twice_the_number_is_never_kept),
      CASE(a_journal_of_the_first_version_is_taken_over), CASE(a_damaged_journal_of_the_first_version_keeps_its_feeds))
