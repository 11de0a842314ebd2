/* Durable cursors over a fake broker: what they see, what they remember, what they do with handlers that fail. */
#include "bridge/bridge_rig.h"
#include "weft/cursor.h"

enum { VALUES_MAX = 65536 };

/* ---- a cursor of the test ---- */

typedef struct reader {
    weft_cursor *cursor;
    pthread_mutex_t mutex;
    size_t count; /* [mutex] all below too */
    size_t wanted;
    uint64_t values[VALUES_MAX];
    size_t lost_count;
    weft_lost lost;
    uint64_t fails_at; /* value whose handler fails … */
    unsigned failures; /* … so many times more */
    uint64_t dead;
} reader;

static weft_status on_read(const weft_event *event, void *user)
{
    reader *r = user;
    weft_status st = WEFT_OK;
    uint64_t value = event->token_usage.input_tokens;
    pthread_mutex_lock(&r->mutex);
    if (value == r->fails_at && r->failures > 0) {
        r->failures--;
        st = WEFT_FAILED;
    } else if (r->count < VALUES_MAX) {
        r->values[r->count++] = value;
    }
    pthread_mutex_unlock(&r->mutex);
    return st;
}

static void on_read_lost(const weft_lost *lost, void *user)
{
    reader *r = user;
    pthread_mutex_lock(&r->mutex);
    r->lost_count++;
    r->lost = *lost;
    pthread_mutex_unlock(&r->mutex);
}

static void on_read_dead(const weft_event *event, weft_status status, void *user)
{
    reader *r = user;
    CU_ASSERT_EQUAL(status, WEFT_FAILED);
    pthread_mutex_lock(&r->mutex);
    r->dead = event->token_usage.input_tokens;
    pthread_mutex_unlock(&r->mutex);
}

static reader *reader_create(void)
{
    reader *r = calloc(1, sizeof *r);
    pthread_mutex_init(&r->mutex, NULL);
    return r;
}

static void reader_destroy(reader *r)
{
    weft_cursor_close(r->cursor);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static weft_status reader_open(reader *r, host *h, const char *path, int64_t since_ms)
{
    weft_cursor_opts opts = {.name = "books",
                             .path = path,
                             .topics = WEFT_TOPIC_COST,
                             .since_ms = since_ms,
                             .on_event = on_read,
                             .on_lost = on_read_lost,
                             .on_dead = on_read_dead,
                             .attempts = 3,
                             .backoff_ms = 1,
                             .user = r};
    return weft_cursor_open(h->bridge, &opts, &r->cursor, NULL);
}

static void reader_close(reader *r)
{
    weft_cursor_close(r->cursor);
    r->cursor = NULL;
}

static bool reader_has(void *user)
{
    reader *r = user;
    pthread_mutex_lock(&r->mutex);
    bool has = r->count >= r->wanted;
    pthread_mutex_unlock(&r->mutex);
    return has;
}

static bool reader_gets(reader *r, size_t count)
{
    r->wanted = count;
    return suite_wait(reader_has, r, DEADLINE_MS);
}

static bool read_each_once(const reader *r, uint64_t from, uint64_t to)
{
    unsigned char *seen = calloc(to + 1, 1);
    bool once = r->count == to - from + 1;
    for (size_t i = 0; i < r->count; i++)
        once = once && r->values[i] >= from && r->values[i] <= to && seen[r->values[i]]++ == 0;
    free(seen);
    return once;
}

typedef struct rig {
    fake_broker *broker;
    char dir[64];
    char path[128];
    host *a, *b;
    reader *r;
} rig;

static host *reading_host(rig *r)
{
    host *h = host_create(r->broker, "b");
    snprintf(h->journal, sizeof h->journal, "%s/b.db", r->dir);
    CU_ASSERT_EQUAL_FATAL(host_open(h, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static rig rig_create(void)
{
    rig r = {.broker = fake_broker_create(FAKE_THREADED), .r = reader_create()};
    journal_dir_make(r.dir);
    snprintf(r.path, sizeof r.path, "%s/cursor.db", r.dir);
    r.a = host_start(r.broker, "a", 0);
    r.b = reading_host(&r);
    return r;
}

static void rig_destroy(rig *r)
{
    reader_destroy(r->r);
    host_destroy(r->b);
    host_destroy(r->a);
    fake_broker_destroy(r->broker);
    journal_dir_remove(r->dir);
}

static void b_restart(rig *r)
{
    reader_close(r->r);
    host_destroy(r->b);
    r->b = reading_host(r);
}

/* ---- what it sees ---- */

static void sees_what_others_say_and_what_its_own_node_says(void)
{
    rig r = rig_create();
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    publish_range(r.a, 1, 500);
    publish_range(r.b, 501, 1000);
    CU_ASSERT_TRUE(reader_gets(r.r, 1000));
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 1000));
    CU_ASSERT_EQUAL(r.b->count, 0); /* nobody subscribed here */
    rig_destroy(&r);
}

static void begins_where_it_is_told_to(void)
{
    rig r = rig_create();
    publish_range(r.a, 1, 300);
    publish_range(r.b, 301, 600);
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, NULL, 1), WEFT_OK);
    publish_range(r.a, 601, 700);
    CU_ASSERT_TRUE(reader_gets(r.r, 700));
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 700));
    rig_destroy(&r);
}

static void heals_what_the_broker_drops(void)
{
    rig r = rig_create();
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    fake_broker_add_fault(
        r.broker,
        &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#", .client = "b", .skip = 1, .count = 3});
    for (uint64_t value = 1; value <= 50; value++) {
        publish_range(r.a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(r.a->bridge, READY_MS), WEFT_OK);
    }
    CU_ASSERT_TRUE(reader_gets(r.r, 50));
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 50));
    rig_destroy(&r);
}

/* ---- what it remembers ---- */

static void goes_on_where_it_was_whoever_was_away(void)
{
    rig r = rig_create();
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 1), WEFT_OK);
    publish_range(r.a, 1, 200);
    publish_range(r.b, 201, 300);
    CU_ASSERT_TRUE(reader_gets(r.r, 300));
    reader_close(r.r);
    publish_range(r.b, 301, 350); /* while nobody reads */
    b_restart(&r);
    publish_range(r.a, 351, 600);
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    publish_range(r.b, 601, 700); /* by another life of it */
    CU_ASSERT_TRUE(reader_gets(r.r, 700));
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 700));
    CU_ASSERT_EQUAL(r.r->lost_count, 0);
    rig_destroy(&r);
}

static bool is_stored(void *user)
{
    weft_cursor_stats stats;
    weft_cursor_get_stats(((reader *)user)->cursor, &stats);
    return stats.stored > 0 && stats.handled == ((reader *)user)->wanted;
}

static void nothing_comes_twice_after_a_reopening(void)
{
    rig r = rig_create();
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 1), WEFT_OK);
    publish_range(r.a, 1, 50);
    CU_ASSERT_TRUE(reader_gets(r.r, 50));
    CU_ASSERT_TRUE(suite_wait(is_stored, r.r, DEADLINE_MS));
    for (uint64_t round = 0; round < 4; round++) {
        reader_close(r.r);
        publish_range(r.a, 51 + round, 51 + round);
        CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
        CU_ASSERT_TRUE(reader_gets(r.r, 51 + round));
    }
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 54));
    rig_destroy(&r);
}

static void what_retention_took_meanwhile_is_told(void)
{
    rig r = rig_create();
    host_destroy(r.a);
    r.a = host_create(r.broker, "a");
    CU_ASSERT_EQUAL_FATAL(host_open(r.a, &(weft_bridge_opts){.journal_max_bytes = 4096}), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 1), WEFT_OK);
    publish_range(r.a, 1, 1);
    CU_ASSERT_TRUE(reader_gets(r.r, 1));
    reader_close(r.r);
    for (uint64_t value = 2; value <= 400; value++) {
        publish_range(r.a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(r.a->bridge, READY_MS), WEFT_OK);
    }
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    publish_range(r.a, 401, 401);
    CU_ASSERT_TRUE(reader_gets(r.r, 3));
    reader_close(r.r);
    CU_ASSERT_TRUE(r.r->count < 401);
    CU_ASSERT_EQUAL(r.r->values[r.r->count - 1], 401);
    CU_ASSERT_EQUAL_FATAL(r.r->lost_count, 1);
    CU_ASSERT_EQUAL(r.r->lost.reason, WEFT_LOST_RETENTION);
    rig_destroy(&r);
}

/* ---- handlers ---- */

static void a_handler_that_fails_gets_the_event_again_and_order_is_kept(void)
{
    rig r = rig_create();
    r.r->fails_at = 7;
    r.r->failures = 2;
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    publish_range(r.a, 1, 20);
    CU_ASSERT_TRUE(reader_gets(r.r, 20));
    CU_ASSERT_TRUE(read_each_once(r.r, 1, 20));
    CU_ASSERT_EQUAL(r.r->values[6], 7);
    CU_ASSERT_EQUAL(r.r->dead, 0);
    rig_destroy(&r);
}

static void after_its_attempts_an_event_is_dead_and_the_cursor_goes_on(void)
{
    rig r = rig_create();
    r.r->fails_at = 7;
    r.r->failures = UINT32_MAX;
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    publish_range(r.a, 1, 20);
    CU_ASSERT_TRUE(reader_gets(r.r, 19));
    reader_close(r.r);
    CU_ASSERT_EQUAL(r.r->dead, 7);
    CU_ASSERT_EQUAL(r.r->count, 19);
    rig_destroy(&r);
}

static bool is_failing(void *user)
{
    weft_cursor_stats stats;
    weft_cursor_get_stats(((reader *)user)->cursor, &stats);
    return stats.failures > 0;
}

static void what_it_was_failing_on_comes_again_and_all_behind_it(void)
{
    rig r = rig_create();
    r.r->fails_at = 7;
    r.r->failures = 1;
    weft_cursor_opts opts = {.name = "books",
                             .path = r.path,
                             .topics = WEFT_TOPIC_COST,
                             .since_ms = 1,
                             .on_event = on_read,
                             .backoff_ms = 60000,
                             .user = r.r};
    CU_ASSERT_EQUAL_FATAL(weft_cursor_open(r.b->bridge, &opts, &r.r->cursor, NULL), WEFT_OK);
    publish_range(r.a, 1, 20);
    CU_ASSERT_TRUE(suite_wait(is_failing, r.r, DEADLINE_MS));
    reader_close(r.r);
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    bool seen[21] = {false};
    CU_ASSERT_TRUE(reader_gets(r.r, 20));
    reader_close(r.r);
    for (size_t i = 0; i < r.r->count; i++)
        seen[r.r->values[i]] = true;
    for (int value = 1; value <= 20; value++)
        CU_ASSERT_TRUE(seen[value]);
    rig_destroy(&r);
}

/* ---- what is refused ---- */

static void refuses_a_second_opener_a_bad_name_and_one_too_many(void)
{
    rig r = rig_create();
    const char *reason = NULL;
    weft_cursor *other = NULL;
    weft_cursor_opts opts = {.name = "Books", .on_event = on_read, .user = r.r};
    CU_ASSERT_EQUAL(weft_cursor_open(r.b->bridge, &opts, &other, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "name"));
    opts.name = "books";
    opts.topics = WEFT_TOPIC_COST | WEFT_TOPIC_DELTA; /* which no journal keeps */
    CU_ASSERT_EQUAL(weft_cursor_open(r.b->bridge, &opts, &other, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "topics"));
    opts.topics = 0;
    opts.path = r.path;
    CU_ASSERT_EQUAL_FATAL(reader_open(r.r, r.b, r.path, 0), WEFT_OK);
    CU_ASSERT_EQUAL(weft_cursor_open(r.b->bridge, &opts, &other, &reason), WEFT_EXISTS);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, r.path));
    opts.path = NULL;
    weft_cursor *many[WEFT_CURSORS_MAX] = {NULL};
    for (int i = 0; i < WEFT_CURSORS_MAX - 1; i++)
        CU_ASSERT_EQUAL_FATAL(weft_cursor_open(r.b->bridge, &opts, &many[i], &reason), WEFT_OK);
    CU_ASSERT_EQUAL(weft_cursor_open(r.b->bridge, &opts, &other, &reason), WEFT_FULL);
    for (int i = 0; i < WEFT_CURSORS_MAX - 1; i++)
        weft_cursor_close(many[i]);
    rig_destroy(&r);
}

SUITE(bridge_cursor, CASE(sees_what_others_say_and_what_its_own_node_says), CASE(begins_where_it_is_told_to),
      CASE(heals_what_the_broker_drops), CASE(goes_on_where_it_was_whoever_was_away),
      CASE(nothing_comes_twice_after_a_reopening), CASE(what_retention_took_meanwhile_is_told),
      CASE(a_handler_that_fails_gets_the_event_again_and_order_is_kept),
      CASE(after_its_attempts_an_event_is_dead_and_the_cursor_goes_on),
      CASE(what_it_was_failing_on_comes_again_and_all_behind_it),
      CASE(refuses_a_second_opener_a_bad_name_and_one_too_many))
