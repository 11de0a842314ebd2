/* Pieces of answers from host to host: at once, joined under pressure, behind what is durable, and accounted for. */
#include "bridge/bridge_rig.h"

enum { CALLS = 4, TEXT_BYTES = 1 << 16 };

/* What a host has read of each call. */
typedef struct reader {
    host *host;
    char text[CALLS][TEXT_BYTES]; /* [mutex of the host], all below too */
    size_t length[CALLS];
    size_t events;
    uint64_t last_seq;
    bool in_order;
    size_t wanted; /* bytes in all */
} reader;

static weft_status on_piece(const weft_event *event, void *user)
{
    reader *r = user;
    const char *text = event->llm_text_delta.text;
    size_t call = (size_t)(event->llm_text_delta.request_id[1] - '0'), bytes = strlen(text);
    pthread_mutex_lock(&r->host->mutex);
    if (r->length[call] + bytes < TEXT_BYTES) {
        memcpy(r->text[call] + r->length[call], text, bytes + 1);
        r->length[call] += bytes;
    }
    r->in_order = r->in_order && event->id.seq > r->last_seq;
    r->last_seq = event->id.seq;
    r->events++;
    pthread_mutex_unlock(&r->host->mutex);
    return WEFT_OK;
}

static void on_pieces_lost(const weft_lost *lost, void *user)
{
    on_lost(lost, ((reader *)user)->host);
}

static host *reader_start(fake_broker *broker, reader *r, weft_origin origin)
{
    host *h = host_create(broker, "b");
    weft_subscription s;
    weft_filter filter = {.topics = WEFT_TOPIC_DELTA, .origin = origin};
    weft_subscribe_opts opts = {.name = "reader", .on_lost = on_pieces_lost};
    *r = (reader){.host = h, .in_order = true};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe_with(h->bus, &filter, &opts, on_piece, r, &s), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(host_open(h, NULL), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(h->bridge, READY_MS), WEFT_OK);
    return h;
}

static bool has_read(void *user)
{
    reader *r = user;
    size_t bytes = 0;
    pthread_mutex_lock(&r->host->mutex);
    for (size_t i = 0; i < CALLS; i++)
        bytes += r->length[i];
    pthread_mutex_unlock(&r->host->mutex);
    return bytes >= r->wanted;
}

static bool reads(reader *r, size_t bytes)
{
    r->wanted = bytes;
    return suite_wait(has_read, r, DEADLINE_MS);
}

static weft_event piece_of(unsigned call, const char *text)
{
    static const char *const requests[CALLS] = {"r0", "r1", "r2", "r3"};
    return (weft_event){.type = WEFT_LLM_TEXT_DELTA,
                        .session_id = "s1",
                        .llm_text_delta = {.model = "m", .request_id = requests[call], .text = text}};
}

static void piece(host *h, unsigned call, const char *text)
{
    weft_event event = piece_of(call, text);
    CU_ASSERT_EQUAL_FATAL(weft_publish(h->bus, &event), WEFT_OK);
}

static weft_bridge_stats stats_of(host *h)
{
    weft_bridge_stats stats;
    weft_bridge_get_stats(h->bridge, &stats);
    return stats;
}

static weft_stream_account row_of(host *h, bool own)
{
    weft_account *a;
    weft_stream_account row = {0};
    CU_ASSERT_EQUAL_FATAL(weft_bridge_account(h->bridge, &a), WEFT_OK);
    for (size_t i = 0; i < a->stream_count; i++)
        if (a->streams[i].topic == WEFT_TOPIC_DELTA && a->streams[i].own == own)
            row = a->streams[i];
    row.node = NULL;
    weft_account_free(a);
    return row;
}

typedef struct pair {
    host *a, *b;
} pair;

/* Both sides agree, and nothing waits. */
static bool adds_up(void *user)
{
    pair *p = user;
    weft_stream_account own = row_of(p->a, true), got = row_of(p->b, false);
    uint64_t numbered = own.published - own.joined;
    return own.pending == 0 && numbered == own.sent + weft_stream_account_lost(&own) && got.published == numbered &&
           got.lost_ranges == 0 && numbered == got.before + got.delivered + weft_stream_account_lost(&got);
}

static bool accounts_agree(host *a, host *b)
{
    pair p = {a, b};
    return suite_wait(adds_up, &p, DEADLINE_MS) && stats_of(b).gaps == row_of(b, false).gaps &&
           notices_of(b, WEFT_NOTICE_UNACCOUNTED) == 0;
}

/* ---- at rest ---- */

static void a_piece_goes_at_once_and_gets_its_seq_on_the_way(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader far, near;
    host *b = reader_start(broker, &far, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    weft_subscription s;
    near = (reader){.host = a, .in_order = true};
    weft_filter filter = {.topics = WEFT_TOPIC_DELTA};
    CU_ASSERT_EQUAL_FATAL(weft_subscribe(a->bus, &filter, on_piece, &near, &s), WEFT_OK);
    for (int i = 1; i <= 5; i++) {
        piece(a, 0, "x");
        CU_ASSERT_TRUE_FATAL(reads(&far, (size_t)i));
    }
    CU_ASSERT_TRUE(far.events == 5 && far.in_order && far.last_seq > 0);
    CU_ASSERT_TRUE(near.events == 5 && near.last_seq == 0);
    CU_ASSERT_TRUE(accounts_agree(a, b));
    weft_bridge_stats stats = stats_of(a);
    CU_ASSERT_TRUE(stats.delta_published == 5 && stats.delta_sent == 5 && stats.published == 0);
    CU_ASSERT_EQUAL(stats.written, 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void who_does_not_want_pieces_gets_none(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPICS_DURABLE),
         *c = host_start(broker, "c", WEFT_TOPIC_COST | WEFT_TOPIC_DELTA);
    CU_ASSERT_FALSE(fake_broker_subscribed(broker, "b", "weft/v1/dev/evt/delta/+"));
    CU_ASSERT_TRUE(fake_broker_subscribed(broker, "c", "weft/v1/dev/evt/delta/+"));
    host_destroy(b);
    host_destroy(c);
    fake_broker_destroy(broker);
}

/* ---- under pressure ---- */

static void what_waits_for_the_broker_is_joined_and_whole(void)
{
    enum { PIECES = 4000 };
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    fake_broker_part(broker, "a", FAKE_NO_OUT);
    fake_broker_hold_acks(broker, true);
    static char expected[CALLS][TEXT_BYTES];
    memset(expected, 0, sizeof expected);
    size_t bytes = 0;
    for (unsigned i = 0; i < PIECES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%uü ", i);
        piece(a, i % CALLS, text);
        strcat(expected[i % CALLS], text);
        bytes += strlen(text);
    }
    fake_broker_part(broker, "a", FAKE_JOINED);
    fake_broker_hold_acks(broker, false);
    (void)fake_broker_release_acks(broker, SIZE_MAX);
    CU_ASSERT_TRUE(reads(&r, bytes));
    for (unsigned call = 0; call < CALLS; call++)
        CU_ASSERT_STRING_EQUAL(r.text[call], expected[call]);
    CU_ASSERT_TRUE(r.in_order);
    CU_ASSERT_TRUE(accounts_agree(a, b));
    weft_bridge_stats stats = stats_of(a);
    CU_ASSERT_TRUE(stats.delta_joined > PIECES / 2);
    CU_ASSERT_EQUAL(stats.delta_sent + stats.delta_joined, PIECES);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static bool has_lost_the_broker(void *user)
{
    return notices_of(user, WEFT_NOTICE_DISCONNECTED) > 0;
}

static void broker_away(fake_broker *broker, host *h)
{
    fake_broker_refuse(broker, WEFT_UNREACHABLE);
    fake_broker_cut(broker, h->name);
    CU_ASSERT_TRUE_FATAL(suite_wait(has_lost_the_broker, h, DEADLINE_MS));
}

static void a_broker_that_was_away_gets_what_gathered(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    piece(a, 0, "1");
    CU_ASSERT_TRUE(reads(&r, 1));
    broker_away(broker, a);
    for (unsigned i = 0; i < 100; i++)
        piece(a, i % CALLS, "+");
    fake_broker_refuse(broker, WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(reads(&r, 101));
    CU_ASSERT_STRING_EQUAL(r.text[1], "+++++++++++++++++++++++++");
    CU_ASSERT_TRUE(accounts_agree(a, b));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void at_the_bound_the_oldest_are_lost_and_told(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE), *a = host_create(broker, "a");
    weft_bridge_opts opts = {.delta_max_events = 2};
    CU_ASSERT_EQUAL_FATAL(host_open(a, &opts), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    piece(a, 0, "0");
    CU_ASSERT_TRUE(reads(&r, 1));
    broker_away(broker, a);
    for (unsigned call = 0; call < CALLS; call++)
        for (int i = 0; i < 3; i++)
            piece(a, call, "x");
    fake_broker_refuse(broker, WEFT_OK);
    CU_ASSERT_TRUE(reads(&r, 1 + 6));
    CU_ASSERT_TRUE(accounts_agree(a, b));
    CU_ASSERT_EQUAL(row_of(a, true).lost_overflow, 6);
    CU_ASSERT_EQUAL(row_of(b, false).lost_overflow, 6);
    CU_ASSERT_TRUE(b->lost_reports == 1 && b->lost.count == 6 && b->lost.reason == WEFT_LOST_OVERFLOW);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

/* ---- beside what is durable ---- */

static void what_the_broker_drops_is_counted_and_not_asked_for(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    piece(a, 0, "1");
    CU_ASSERT_TRUE(reads(&r, 1));
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/delta/a"});
    piece(a, 0, "2");
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    piece(a, 0, "3");
    CU_ASSERT_TRUE(reads(&r, 2));
    CU_ASSERT_STRING_EQUAL(r.text[0], "13");
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/delta/a"});
    piece(a, 0, "4"); /* the last: the beat tells */
    CU_ASSERT_TRUE(accounts_agree(a, b));
    CU_ASSERT_EQUAL(row_of(b, false).lost_unreachable, 2);
    CU_ASSERT_EQUAL(row_of(b, false).gaps, 2);
    CU_ASSERT_EQUAL(fake_broker_count(broker, "weft/v1/dev/cmd/#"), 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

typedef struct order {
    fake_broker *broker;
    pthread_mutex_t mutex;
    size_t delta_bytes; /* [mutex], all below too */
    size_t durable, deltas_before_last_durable, deltas, marks;
} order;

static void on_taken(void *user, const char *client, const char *topic, const uint8_t *payload, size_t length, int qos,
                     bool retain)
{
    order *o = user;
    (void)client;
    (void)payload;
    (void)retain;
    pthread_mutex_lock(&o->mutex);
    if (fake_topic_matches("weft/v1/dev/evt/delta/a", topic)) {
        o->delta_bytes += length;
        o->deltas++;
        o->marks += qos > 0;
    } else if (fake_topic_matches("weft/v1/dev/evt/cost/a", topic)) {
        o->durable++;
        o->deltas_before_last_durable = o->deltas;
    }
    pthread_mutex_unlock(&o->mutex);
}

static bool has_window_full(void *user)
{
    order *o = user;
    return fake_broker_held_acks(o->broker) > 0;
}

static void window_fill(host *a, order *o)
{
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(suite_wait(has_window_full, o, DEADLINE_MS));
}

/* The window is full of durable events and more wait: pieces stay behind them all. */
static void durable_events_go_first(void)
{
    enum { EVENTS = 40 };
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    order o = {.broker = broker, .mutex = PTHREAD_MUTEX_INITIALIZER};
    fake_broker_set_limits(broker, 1, 2048);
    host *a = host_start(broker, "a", 0);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_set_tap(broker, on_taken, &o);
    fake_broker_hold_acks(broker, true);
    window_fill(a, &o);
    for (int i = 0; i < 20; i++)
        piece(a, 0, "x");
    publish_range(a, 2, EVENTS);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_hold_acks(broker, false);
    (void)fake_broker_release_acks(broker, SIZE_MAX);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_set_tap(broker, NULL, NULL);
    CU_ASSERT_TRUE(o.durable > 1 && o.deltas > 0);
    CU_ASSERT_EQUAL(o.deltas_before_last_durable, 0);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static bool has_marked(void *user)
{
    order *o = user;
    return fake_broker_held_acks(o->broker) >= 1;
}

/* What is not acknowledged cannot pile up: a durable event finds little before it. */
static void so_much_goes_ahead_of_an_acknowledgement_and_no_more(void)
{
    enum { PIECES = 400, PIECE_BYTES = 1000, AHEAD_MAX = (32 + 16) * 1024 };
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    order o = {.broker = broker, .mutex = PTHREAD_MUTEX_INITIALIZER};
    host *a = host_start(broker, "a", 0);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_set_tap(broker, on_taken, &o);
    fake_broker_hold_acks(broker, true);
    char text[PIECE_BYTES + 1];
    memset(text, 'x', PIECE_BYTES);
    text[PIECE_BYTES] = '\0';
    for (unsigned i = 0; i < PIECES; i++)
        piece(a, i % CALLS, text);
    CU_ASSERT_TRUE(suite_wait(has_marked, &o, DEADLINE_MS));
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, 300), WEFT_TIMEOUT);
    pthread_mutex_lock(&o.mutex);
    CU_ASSERT_TRUE(o.delta_bytes > 16 * 1024 && o.delta_bytes <= AHEAD_MAX);
    CU_ASSERT_EQUAL(o.marks, 1);
    pthread_mutex_unlock(&o.mutex);
    fake_broker_hold_acks(broker, false);
    (void)fake_broker_release_acks(broker, SIZE_MAX);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_set_tap(broker, NULL, NULL);
    CU_ASSERT_TRUE(o.delta_bytes > (size_t)PIECES * PIECE_BYTES && o.marks > 10);
    CU_ASSERT_EQUAL(stats_of(a).delta_lost, 0);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static bool has_sent_two(void *user)
{
    return stats_of(user).delta_sent == 2;
}

static void what_is_larger_than_all_that_may_go_ahead_goes_alone(void)
{
    enum { LARGE = 100 * 1024, MIDDLE = 20 * 1024 };
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, DEADLINE_MS), WEFT_OK);
    fake_broker_hold_acks(broker, true);
    char *text = calloc(LARGE + 1, 1);
    memset(text, 'x', MIDDLE);
    piece(a, 0, text); /* a mark */
    memset(text, 'x', LARGE);
    piece(a, 1, text);
    CU_ASSERT_TRUE(suite_wait(has_sent_two, a, DEADLINE_MS));
    fake_broker_hold_acks(broker, false);
    (void)fake_broker_release_acks(broker, SIZE_MAX);
    piece(a, 2, text);
    piece(a, 3, "x");
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_EQUAL(stats_of(a).delta_sent, 4);
    free(text);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static void denied_pieces_hold_up_nothing(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_deny(broker, "weft/v1/dev/evt/delta/+");
    host *b = host_start(broker, "b", WEFT_TOPIC_COST), *a = host_start(broker, "a", 0);
    char text[4001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (uint64_t value = 1; value <= 30; value++) {
        piece(a, (unsigned)value % CALLS, text);
        publish_range(a, value, value);
        b->wanted = value;
        CU_ASSERT_TRUE_FATAL(suite_wait(has_wanted, b, READY_MS));
    }
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

/* ---- the ways in and out ---- */

static void a_group_may_hold_pieces(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    weft_event cost = {.type = WEFT_TOKEN_USAGE, .token_usage = {.input_tokens = 1}};
    weft_event first = piece_of(0, "a"), second = piece_of(0, "b");
    const weft_event *events[] = {&first, &cost, &second};
    weft_feed_mark mark = {.feed = "f", .line = 7};
    uint64_t receipt = 0, line = 0;
    char *state;
    size_t state_bytes;
    CU_ASSERT_EQUAL(weft_bridge_publish_group(a->bridge, events, 3, &mark, &receipt, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_feed(a->bridge, "f", &line, &state, &state_bytes), WEFT_OK);
    CU_ASSERT_EQUAL(line, 7);
    CU_ASSERT_TRUE(reads(&r, 2));
    CU_ASSERT_STRING_EQUAL(r.text[0], "ab");
    CU_ASSERT_EQUAL(stats_of(a).published, 1);
    events[1] = &second; /* none of them durable */
    CU_ASSERT_EQUAL(weft_bridge_publish_group(a->bridge, events, 2, NULL, &receipt, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(reads(&r, 4));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void a_stop_sends_what_waits(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    static reader r;
    host *b = reader_start(broker, &r, WEFT_ORIGIN_REMOTE);
    host *a = host_start(broker, "a", 0);
    for (unsigned i = 0; i < 1000; i++)
        piece(a, i % CALLS, "x");
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_TRUE(reads(&r, 1000));
    weft_bridge_stats stats = stats_of(a);
    CU_ASSERT_TRUE(stats.delta_lost == 0 && stats.delta_waiting == 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void the_json_tap_shows_them_as_they_go(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_create(broker, "a");
    weft_bridge_opts opts = {.json_tap = true};
    CU_ASSERT_EQUAL_FATAL(host_open(a, &opts), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    piece(a, 0, "x");
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, DEADLINE_MS), WEFT_OK);
    CU_ASSERT_EQUAL(fake_broker_count(broker, "weft/v1/dev/json/delta/llm_text_delta/a/s1"), 1);
    host_destroy(a);
    fake_broker_destroy(broker);
}

SUITE(bridge_bridge_deltas, CASE(a_piece_goes_at_once_and_gets_its_seq_on_the_way),
      CASE(who_does_not_want_pieces_gets_none), CASE(what_waits_for_the_broker_is_joined_and_whole),
      CASE(a_broker_that_was_away_gets_what_gathered), CASE(at_the_bound_the_oldest_are_lost_and_told),
      CASE(what_the_broker_drops_is_counted_and_not_asked_for), CASE(durable_events_go_first),
      CASE(so_much_goes_ahead_of_an_acknowledgement_and_no_more),
      CASE(what_is_larger_than_all_that_may_go_ahead_goes_alone), CASE(denied_pieces_hold_up_nothing),
      CASE(a_group_may_hold_pieces), CASE(a_stop_sends_what_waits), CASE(the_json_tap_shows_them_as_they_go))
