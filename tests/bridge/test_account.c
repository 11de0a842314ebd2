/* The accounts of whole bridges over a fake broker, held against what the test itself has counted. */
#include "bridge/bridge_rig.h"

enum { LIVES_MAX = 64, KEPT_MAX = 64 };

/* ---- what the test counts itself ---- */

typedef struct count {
    char node[WEFT_NAME_MAX_BYTES + 1];
    uint64_t epoch;
    weft_topic topic;
    uint64_t events;
} count;

typedef struct counter {
    pthread_mutex_t mutex;
    count counts[LIVES_MAX]; /* [mutex] */
    size_t used;             /* [mutex] */
} counter;

static count *count_obtain(counter *c, const weft_event_id *id, weft_topic topic)
{
    for (size_t i = 0; i < c->used; i++)
        if (c->counts[i].epoch == id->epoch && c->counts[i].topic == topic && strcmp(c->counts[i].node, id->node) == 0)
            return &c->counts[i];
    CU_ASSERT_FATAL(c->used < LIVES_MAX);
    count *added = &c->counts[c->used++];
    *added = (count){.epoch = id->epoch, .topic = topic};
    snprintf(added->node, sizeof added->node, "%s", id->node);
    return added;
}

static weft_status on_counted(const weft_event *event, void *user)
{
    counter *c = user;
    pthread_mutex_lock(&c->mutex);
    count_obtain(c, &event->id, weft_event_topic(event))->events++;
    pthread_mutex_unlock(&c->mutex);
    return WEFT_OK;
}

static uint64_t counted(counter *c, const weft_stream_account *a)
{
    pthread_mutex_lock(&c->mutex);
    weft_event_id id = {.node = a->node, .epoch = a->epoch};
    uint64_t events = count_obtain(c, &id, a->topic)->events;
    pthread_mutex_unlock(&c->mutex);
    return events;
}

static void host_count(host *h, counter *c, weft_origin origin)
{
    weft_subscription s;
    weft_filter filter = {.origin = origin};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(h->bus, &filter, on_counted, c, &s), WEFT_OK);
}

/* ---- what the accounts say ---- */

static weft_account *account_of(host *h)
{
    weft_account *a = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_bridge_account(h->bridge, &a), WEFT_OK);
    return a;
}

static const weft_stream_account *row_find(const weft_account *a, const char *node, uint64_t epoch, weft_topic topic)
{
    for (size_t i = 0; i < a->stream_count; i++)
        if (a->streams[i].epoch == epoch && a->streams[i].topic == topic && strcmp(a->streams[i].node, node) == 0)
            return &a->streams[i];
    return NULL;
}

static bool row_is_quiet(const weft_stream_account *a)
{
    return a->published > 0 && a->open_gaps == 0 && a->held == 0 && a->lost_ranges == 0 && a->before_known;
}

static bool row_adds_up(const weft_stream_account *a)
{
    return a->unaccounted == 0 && a->published == a->before + a->delivered + weft_stream_account_lost(a);
}

typedef struct pair {
    host *sender;
    host *receiver;
} pair;

/* Every stream that the sender knows to have events is known by the receiver, up to its end, and quiet. */
static bool pair_is_quiet(void *user)
{
    pair *p = user;
    weft_account *sent = account_of(p->sender), *received = account_of(p->receiver);
    bool quiet = true;
    for (size_t i = 0; i < sent->stream_count; i++) {
        const weft_stream_account *own = &sent->streams[i];
        if (!own->own)
            continue;
        const weft_stream_account *other = row_find(received, own->node, own->epoch, own->topic);
        quiet = quiet && own->pending == 0 && other != NULL && other->last_seq == own->last_seq && row_is_quiet(other);
    }
    weft_account_free(sent);
    weft_account_free(received);
    return quiet;
}

static void pair_adds_up(host *sender, host *receiver, counter *published, counter *handled)
{
    pair p = {sender, receiver};
    CU_ASSERT_TRUE_FATAL(suite_wait(pair_is_quiet, &p, 60000));
    weft_account *sent = account_of(sender), *received = account_of(receiver);
    for (size_t i = 0; i < sent->stream_count; i++) {
        const weft_stream_account *own = &sent->streams[i];
        if (!own->own)
            continue;
        const weft_stream_account *other = row_find(received, own->node, own->epoch, own->topic);
        CU_ASSERT_PTR_NOT_NULL_FATAL(other);
        CU_ASSERT_EQUAL(own->published, counted(published, own));
        CU_ASSERT_EQUAL(other->published, own->published);
        CU_ASSERT_EQUAL(other->delivered, counted(handled, other));
        CU_ASSERT_TRUE(row_adds_up(other));
    }
    weft_account_free(sent);
    weft_account_free(received);
}

static weft_status publish_tool(host *h)
{
    return weft_publish(h->bus, &(weft_event){.type = WEFT_TOOL_CALL_START,
                                              .session_id = "s1",
                                              .tool_call_start = {.tool_name = "Bash", .call_id = "c"}});
}

static counter published, handled;

static void counters_begin(void)
{
    published.used = handled.used = 0;
    pthread_mutex_init(&published.mutex, NULL);
    pthread_mutex_init(&handled.mutex, NULL);
}

static void counters_end(void)
{
    pthread_mutex_destroy(&published.mutex);
    pthread_mutex_destroy(&handled.mutex);
}

static void both_sides_add_up_and_agree_with_the_test(void)
{
    counters_begin();
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_create(broker, "b"), *a = host_create(broker, "a");
    host_count(b, &handled, WEFT_ORIGIN_REMOTE);
    host_count(a, &published, WEFT_ORIGIN_LOCAL);
    CU_ASSERT_EQUAL_FATAL(host_open(b, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    publish_range(a, 1, 500);
    for (int i = 0; i < 30; i++)
        CU_ASSERT_EQUAL(publish_tool(a), WEFT_OK);
    pair_adds_up(a, b, &published, &handled);
    weft_account *sent = account_of(a);
    uint64_t epoch = sent->epoch;
    const weft_stream_account *cost = row_find(sent, "a", epoch, WEFT_TOPIC_COST);
    CU_ASSERT_PTR_NOT_NULL_FATAL(cost);
    CU_ASSERT_TRUE(cost->published == 500 && cost->written == 500 && cost->sent == 500 && cost->acknowledged == 500);
    CU_ASSERT_EQUAL(row_find(sent, "a", epoch, WEFT_TOPIC_TOOL)->published, 30);
    weft_account_free(sent);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
    counters_end();
}

static void sums_are_those_of_the_statistics(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST), *a = host_start(broker, "a", 0);
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/cost/a", .skip = 2});
    publish_range(a, 1, 100);
    CU_ASSERT_TRUE(host_gets(b, 100));
    pair p = {a, b};
    CU_ASSERT_TRUE(suite_wait(pair_is_quiet, &p, DEADLINE_MS));
    weft_bridge_stats stats_a, stats_b;
    weft_bridge_get_stats(a->bridge, &stats_a);
    weft_bridge_get_stats(b->bridge, &stats_b);
    weft_account *sent = account_of(a), *received = account_of(b);
    weft_stream_account sums = {0};
    for (size_t i = 0; i < sent->stream_count; i++) {
        sums.written += sent->streams[i].written;
        sums.acknowledged += sent->streams[i].acknowledged;
        sums.replayed += sent->streams[i].replayed;
    }
    for (size_t i = 0; i < received->stream_count; i++) {
        sums.received += received->streams[i].received;
        sums.delivered += received->streams[i].delivered;
        sums.healed += received->streams[i].healed;
    }
    CU_ASSERT_TRUE(sums.written == stats_a.written && sums.acknowledged == stats_a.acked_events);
    CU_ASSERT_EQUAL(sums.replayed, stats_a.replayed_events);
    CU_ASSERT_TRUE(sums.received == stats_b.received_events && sums.delivered == stats_b.delivered_events);
    CU_ASSERT_TRUE(sums.healed == stats_b.healed_events);
    weft_account_free(sent);
    weft_account_free(received);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A sender that lives several times on one journal, a broker that drops, repeats, swaps, cuts and dies. */
static void adds_up_through_lives_and_faults(void)
{
    enum { STEPS = 120, LIVES = 4 };
    char dir[64];
    journal_dir_make(dir);
    counters_begin();
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_create(broker, "b"), *a = host_create(broker, "a");
    snprintf(a->journal, sizeof a->journal, "%s/a.db", dir);
    host_count(b, &handled, WEFT_ORIGIN_REMOTE);
    host_count(a, &published, WEFT_ORIGIN_LOCAL);
    weft_bridge_opts impatient = {.hold_ms = 1}; /* so that some heal late, out of order */
    CU_ASSERT_EQUAL_FATAL(host_open(b, &impatient), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    uint64_t random = 20 * UINT64_C(0x9E3779B97F4A7C15) | 1;
    fake_chaos chaos = {
        .seed = 7, .cut_permille = 3, .drop_permille = 30, .duplicate_permille = 30, .swap_permille = 30};
    fake_broker_set_chaos(broker, &chaos);
    for (int step = 1; step <= STEPS; step++) {
        publish_range(a, 1, next_random(&random) % 40);
        if (next_random(&random) % 2 == 0)
            CU_ASSERT_EQUAL(publish_tool(a), WEFT_OK);
        if (next_random(&random) % 5 == 0)
            (void)weft_bridge_drain(a->bridge, 50);
        if (step % (STEPS / LIVES) == 0) {
            weft_bridge_destroy(a->bridge);
            CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
        } else if (step % 50 == 0) {
            fake_broker_stop(broker);
            fake_broker_forget(broker);
            fake_broker_start(broker);
        }
    }
    CU_ASSERT_EQUAL(publish_tool(a), WEFT_OK);
    fake_broker_set_chaos(broker, NULL);
    pair_adds_up(a, b, &published, &handled);
    weft_account *sent = account_of(a);
    size_t own = 0;
    for (size_t i = 0; i < sent->stream_count; i++)
        own += sent->streams[i].own;
    CU_ASSERT_EQUAL(own, 2 * LIVES + 1);
    weft_account_free(sent);
    CU_ASSERT_EQUAL(notices_of(b, WEFT_NOTICE_UNACCOUNTED), 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
    counters_end();
    journal_dir_remove(dir);
}

/* A journal at its bound while the broker is away: what it gave up is counted on both sides alike. */
static void what_the_journal_gives_up_is_lost_on_both_sides(void)
{
    enum { EVENTS = 4000 };
    counters_begin();
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_create(broker, "b"), *a = host_create(broker, "a");
    host_count(b, &handled, WEFT_ORIGIN_REMOTE);
    host_count(a, &published, WEFT_ORIGIN_LOCAL);
    CU_ASSERT_EQUAL_FATAL(host_open(b, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    weft_bridge_opts small = {.journal_max_bytes = 64 * 1024};
    CU_ASSERT_EQUAL_FATAL(host_open(a, &small), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    publish_range(a, 1, 3);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_stop(broker);
    publish_range(a, 4, EVENTS);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_start(broker);
    pair_adds_up(a, b, &published, &handled);
    weft_account *sent = account_of(a), *received = account_of(b);
    const weft_stream_account *own = row_find(sent, "a", sent->epoch, WEFT_TOPIC_COST);
    const weft_stream_account *other = row_find(received, "a", sent->epoch, WEFT_TOPIC_COST);
    CU_ASSERT_PTR_NOT_NULL_FATAL(own);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    CU_ASSERT_EQUAL(own->published, EVENTS);
    CU_ASSERT_TRUE(own->lost_overflow > 0);
    CU_ASSERT_EQUAL(own->acknowledged + own->lost_overflow, EVENTS);
    CU_ASSERT_EQUAL(weft_stream_account_lost(other), own->lost_overflow);
    weft_account_free(sent);
    weft_account_free(received);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
    counters_end();
}

/* ---- asking others ---- */

typedef struct answers {
    pthread_mutex_t mutex;
    size_t parts; /* [mutex], all below too */
    size_t ended;
    size_t listeners;
    size_t rows;
    uint64_t published;
    uint64_t delivered;
    char names[8][WEFT_NAME_MAX_BYTES + 1];
    size_t wanted; /* before asking */
} answers;

static void on_account(const weft_account *account, void *user)
{
    answers *a = user;
    pthread_mutex_lock(&a->mutex);
    a->parts++;
    a->rows += account->stream_count;
    for (size_t i = 0; i < account->stream_count; i++) {
        a->published += account->streams[i].own ? account->streams[i].published : 0;
        a->delivered += account->streams[i].delivered;
    }
    if (account->last) {
        a->listeners += account->listener;
        snprintf(a->names[a->ended++ % 8], sizeof a->names[0], "%s", account->node);
    }
    pthread_mutex_unlock(&a->mutex);
}

static bool answers_are_in(void *user)
{
    answers *a = user;
    pthread_mutex_lock(&a->mutex);
    bool in = a->ended >= a->wanted;
    pthread_mutex_unlock(&a->mutex);
    return in;
}

static host *listener_start(fake_broker *broker, const char *name, uint32_t topics)
{
    host *h = host_create(broker, name);
    if (topics != 0)
        host_listen(h, topics);
    weft_bridge_opts opts = {.listen_only = true};
    CU_ASSERT_EQUAL_FATAL(host_open(h, &opts), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static void everybody_answers_also_who_only_listens(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST), *a = host_start(broker, "a", 0);
    host *l = listener_start(broker, "l", WEFT_TOPIC_COST), *asker = listener_start(broker, "asker", 0);
    publish_range(a, 1, 50);
    CU_ASSERT_TRUE(host_gets(b, 50));
    CU_ASSERT_TRUE(host_gets(l, 50));
    pair p = {a, b};
    CU_ASSERT_TRUE(suite_wait(pair_is_quiet, &p, DEADLINE_MS));
    p.receiver = l;
    CU_ASSERT_TRUE(suite_wait(pair_is_quiet, &p, DEADLINE_MS));
    answers got = {.wanted = 3};
    pthread_mutex_init(&got.mutex, NULL);
    CU_ASSERT_EQUAL(weft_bridge_ask_accounts(asker->bridge, NULL, on_account, &got), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(answers_are_in, &got, DEADLINE_MS));
    CU_ASSERT_EQUAL(got.ended, 3);
    CU_ASSERT_EQUAL(got.listeners, 1);
    CU_ASSERT_EQUAL(got.published, 50);
    CU_ASSERT_EQUAL(got.delivered, 100);
    answers one = {.wanted = 1};
    pthread_mutex_init(&one.mutex, NULL);
    CU_ASSERT_EQUAL(weft_bridge_ask_accounts(asker->bridge, "b", on_account, &one), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(answers_are_in, &one, DEADLINE_MS));
    CU_ASSERT_STRING_EQUAL(one.names[0], "b");
    CU_ASSERT_EQUAL(weft_bridge_ask_accounts(asker->bridge, "-", on_account, &one), WEFT_INVALID);
    host_destroy(asker);
    host_destroy(l);
    host_destroy(a);
    host_destroy(b);
    pthread_mutex_destroy(&got.mutex);
    pthread_mutex_destroy(&one.mutex);
    fake_broker_destroy(broker);
}

static void a_long_answer_comes_in_parts_that_the_broker_takes(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_set_limits(broker, 20, 3000);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST), *asker = listener_start(broker, "asker", 0);
    host *senders[6];
    static const char *const names[] = {"n1", "n2", "n3", "n4", "n5", "n6"};
    for (size_t i = 0; i < 6; i++) {
        senders[i] = host_start(broker, names[i], 0);
        publish_range(senders[i], 1, 5);
    }
    CU_ASSERT_TRUE(host_gets(b, 30));
    answers got = {.wanted = 1};
    pthread_mutex_init(&got.mutex, NULL);
    pair p = {senders[5], b};
    CU_ASSERT_TRUE(suite_wait(pair_is_quiet, &p, DEADLINE_MS));
    CU_ASSERT_EQUAL(weft_bridge_ask_accounts(asker->bridge, "b", on_account, &got), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(answers_are_in, &got, DEADLINE_MS));
    CU_ASSERT_TRUE(got.parts > 1);
    CU_ASSERT_EQUAL(got.delivered, 30);
    for (size_t i = 0; i < 6; i++)
        host_destroy(senders[i]);
    host_destroy(asker);
    host_destroy(b);
    pthread_mutex_destroy(&got.mutex);
    fake_broker_destroy(broker);
}

/* A publisher that says it sent more than it did is found out. */
static void a_hole_in_the_books_is_told(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST), *a = host_start(broker, "a", 0);
    publish_range(a, 1, 5);
    CU_ASSERT_TRUE(host_gets(b, 5));
    pair p = {a, b};
    CU_ASSERT_TRUE(suite_wait(pair_is_quiet, &p, DEADLINE_MS));
    weft_account *sent = account_of(a);
    weft__position told = {sent->epoch, WEFT_TOPIC_COST, sent->streams[0].last_seq, 7};
    weft__beat beat = {.node = "a", .epoch = sent->epoch, .streams = &told, .stream_count = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&beat, &bytes, &length), WEFT_OK);
    fake_broker_publish(broker, "weft/v1/dev/beat/a", bytes, length, 0, false);
    int64_t end = weft__mono_ns() + DEADLINE_MS * 1000000LL;
    while (notices_of(b, WEFT_NOTICE_UNACCOUNTED) == 0 && weft__mono_ns() < end)
        sched_yield();
    CU_ASSERT_EQUAL(notices_of(b, WEFT_NOTICE_UNACCOUNTED), 1);
    free(bytes);
    weft_account_free(sent);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

SUITE(bridge_account, CASE(both_sides_add_up_and_agree_with_the_test), CASE(sums_are_those_of_the_statistics),
      CASE(adds_up_through_lives_and_faults), CASE(what_the_journal_gives_up_is_lost_on_both_sides),
      CASE(everybody_answers_also_who_only_listens), CASE(a_long_answer_comes_in_parts_that_the_broker_takes),
      CASE(a_hole_in_the_books_is_told))
