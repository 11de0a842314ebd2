/* Whole bridges over a fake broker: what crosses, what survives, what is told. */
#include "bridge/bridge_rig.h"
#include "weft/request.h"

/* ---- crossing ---- */

static void an_event_crosses_with_its_identity(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(host_gets(b, 1));
    CU_ASSERT_EQUAL(b->values[0], 1);
    CU_ASSERT_EQUAL(fake_broker_count(broker, "weft/v1/dev/evt/cost/a"), 1);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.published, 1);
    CU_ASSERT_EQUAL(stats.acked_events, 1);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void both_directions_and_no_echo(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", WEFT_TOPIC_COST);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    publish_range(a, 1, 50);
    publish_range(b, 101, 150);
    CU_ASSERT_TRUE(host_gets(a, 50));
    CU_ASSERT_TRUE(host_gets(b, 50));
    CU_ASSERT_TRUE(has_each_once(a, 101, 150));
    CU_ASSERT_TRUE(has_each_once(b, 1, 50));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void only_wanted_topics_are_subscribed(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", WEFT_TOPIC_COST);
    CU_ASSERT_TRUE(fake_broker_subscribed(broker, "a", "weft/v1/dev/evt/cost/+"));
    CU_ASSERT_FALSE(fake_broker_subscribed(broker, "a", "weft/v1/dev/evt/llm/+"));
    host_listen(a, WEFT_TOPIC_LLM);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_TRUE(fake_broker_subscribed(broker, "a", "weft/v1/dev/evt/llm/+"));
    host_destroy(a);
    fake_broker_destroy(broker);
}

static void a_late_listener_is_not_told_of_the_past(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 20);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    publish_range(a, 21, 30);
    CU_ASSERT_TRUE(host_gets(b, 10));
    CU_ASSERT_TRUE(has_each_once(b, 21, 30));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static weft_status answer(const weft_event *event, void *bus)
{
    weft_event reply = {.type = WEFT_TOOL_CALL_END,
                        .tool_call_end = {.tool_name = event->tool_call_start.tool_name, .success = true}};
    return weft_reply(bus, event, &reply);
}

static void a_request_is_answered_from_another_host(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    weft_event_type asked = WEFT_TOOL_CALL_START;
    host *a = host_start(broker, "a", WEFT_TOPIC_TOOL);
    host *b = host_start(broker, "b", WEFT_TOPIC_TOOL);
    CU_ASSERT_EQUAL(weft_subscribe(b->bus, &(weft_filter){.types = &asked, .type_count = 1}, answer, b->bus, NULL),
                    WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(b->bridge, READY_MS), WEFT_OK);
    const weft_event *reply = NULL;
    weft_event request = {.type = asked, .session_id = "s1", .tool_call_start = {.tool_name = "Bash", .call_id = "c1"}};
    CU_ASSERT_EQUAL_FATAL(weft_request(a->bus, &request, READY_MS, &reply), WEFT_OK);
    CU_ASSERT_EQUAL(reply->type, WEFT_TOOL_CALL_END);
    CU_ASSERT_STRING_EQUAL(reply->id.node, "b");
    CU_ASSERT_STRING_EQUAL(reply->session_id, "s1");
    CU_ASSERT_EQUAL(strncmp(reply->causation_id, "a/", 2), 0);
    CU_ASSERT_STRING_EQUAL(reply->tool_call_end.tool_name, "Bash");
    weft_event_release(reply);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

/* ---- trouble ---- */

static void nothing_is_lost_while_the_broker_is_away(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 100);
    fake_broker_stop(broker);
    publish_range(a, 101, 2000);
    fake_broker_forget(broker);
    fake_broker_start(broker);
    CU_ASSERT_TRUE(host_gets(b, 2000));
    CU_ASSERT_TRUE(has_each_once(b, 1, 2000));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void what_the_broker_drops_is_healed_in_order(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    fake_broker_add_fault(broker,
                          &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#", .skip = 3, .count = 5});
    for (uint64_t value = 1; value <= 300; value++) {
        publish_range(a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    }
    CU_ASSERT_TRUE(host_gets(b, 300));
    CU_ASSERT_TRUE(has_each_once(b, 1, 300));
    weft_bridge_stats stats;
    weft_bridge_get_stats(b->bridge, &stats);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void a_lost_last_event_is_told_by_the_beat(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#"});
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(host_gets(b, 1));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void an_answer_with_a_missing_part_is_asked_for_again(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#", .count = 40});
    fake_broker_add_fault(broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/reply/#"});
    for (uint64_t value = 1; value <= 100; value++) {
        publish_range(a, value, value);
        CU_ASSERT_EQUAL_FATAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    }
    CU_ASSERT_TRUE(host_gets(b, 100));
    CU_ASSERT_TRUE(has_each_once(b, 1, 100));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void random_faults_lose_and_repeat_nothing(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        fake_broker *broker = fake_broker_create(FAKE_THREADED);
        host *b = host_start(broker, "b", WEFT_TOPIC_COST);
        host *a = host_start(broker, "a", 0);
        fake_broker_set_chaos(
            broker, &(fake_chaos){.seed = seed, .cut_permille = 5, .drop_permille = 50, .duplicate_permille = 50});
        for (uint64_t value = 1; value <= 1000; value += 10) {
            publish_range(a, value, value + 9);
            CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, READY_MS), WEFT_OK);
        }
        fake_broker_set_chaos(broker, NULL);
        CU_ASSERT_TRUE(host_gets(b, 1000));
        CU_ASSERT_TRUE(has_each_once(b, 1, 1000));
        host_destroy(a);
        host_destroy(b);
        fake_broker_destroy(broker);
    }
}

/* ---- lives of a node ---- */

static void a_backlog_outlives_the_process(void)
{
    char dir[64];
    journal_dir_make(dir);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_create(broker, "a");
    snprintf(a->journal, sizeof a->journal, "%s/journal.db", dir);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(a->bridge, READY_MS), WEFT_OK);
    publish_range(a, 1, 100);
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, READY_MS), WEFT_OK);
    fake_broker_freeze(broker);
    publish_range(a, 101, 500);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, READY_MS), WEFT_OK);
    weft_bridge_destroy(a->bridge);
    fake_broker_thaw(broker);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    publish_range(a, 501, 600);
    CU_ASSERT_TRUE(host_gets(b, 600));
    CU_ASSERT_TRUE(has_each_once(b, 1, 600));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
    journal_dir_remove(dir);
}

static void the_older_of_two_with_one_name_stops(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *older = host_start(broker, "a", 0);
    host *newer = host_start(broker, "a", 0);
    CU_ASSERT_EQUAL(weft_bridge_wait_ready(newer->bridge, READY_MS), WEFT_OK);
    (void)publish(older, 1);
    CU_ASSERT_EQUAL(weft_bridge_drain(older->bridge, DEADLINE_MS), WEFT_FENCED);
    CU_ASSERT_EQUAL(notices_of(older, WEFT_NOTICE_FENCED), 1);
    CU_ASSERT_EQUAL(publish(older, 2), WEFT_FENCED);
    CU_ASSERT_EQUAL(publish(newer, 3), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_drain(newer->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_EQUAL(notices_of(newer, WEFT_NOTICE_FENCED), 0);
    host_destroy(older);
    host_destroy(newer);
    fake_broker_destroy(broker);
}

/* A birth of "a" in an epoch that no clock reaches. */
static const uint8_t junk_birth[] = {0x0a, 1,    'a',  0x10, 0xfe, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x18, 1};

static void a_junk_epoch_retained_under_its_name_does_not_keep_a_node_away(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_publish(broker, "weft/v1/dev/live/a", junk_birth, sizeof junk_birth, 1, true);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(host_gets(b, 1));
    CU_ASSERT_EQUAL(notices_of(b, WEFT_NOTICE_PEER_UP), 1);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static bool peer_down_seen(void *user)
{
    return notices_of(user, WEFT_NOTICE_PEER_DOWN) > 0;
}

static void peers_learn_of_birth_and_goodbye(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(host_gets(b, 1));
    CU_ASSERT_EQUAL(notices_of(b, WEFT_NOTICE_PEER_UP), 1);
    CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(peer_down_seen, b, DEADLINE_MS));
    size_t length;
    uint8_t *bytes = fake_broker_retained(broker, "weft/v1/dev/live/a", &length);
    weft__live *live;
    CU_ASSERT_EQUAL_FATAL(weft__live_decode(bytes, length, &live, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(live->status, WEFT__LIVE_GOODBYE);
    free(live);
    free(bytes);
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

typedef struct retained_state {
    fake_broker *broker;
    uint64_t input_tokens;
} retained_state;

static bool state_shows_tokens(void *user)
{
    retained_state *want = user;
    size_t length;
    uint8_t *bytes = fake_broker_retained(want->broker, "weft/v1/dev/state/a", &length);
    weft__state *state = NULL;
    bool shows = bytes != NULL && weft__state_decode(bytes, length, &state, NULL) == WEFT_OK &&
                 state->model_count == 1 && state->models[0].input_tokens == want->input_tokens;
    free(state);
    free(bytes);
    return shows;
}

static void state_sums_tokens_per_model(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    publish_range(a, 1, 10);
    retained_state want = {.broker = broker, .input_tokens = 55};
    CU_ASSERT_TRUE(suite_wait(state_shows_tokens, &want, DEADLINE_MS));
    host_destroy(a);
    fake_broker_destroy(broker);
}

/* ---- refusals and losses ---- */

static void an_event_too_large_is_refused_and_takes_no_seq(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    size_t length = 10 << 20;
    char *json = malloc(length + 3);
    memset(json, 'x', length + 2);
    json[0] = json[length + 1] = '"';
    json[length + 2] = '\0';
    weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "big", .data_json = json}};
    CU_ASSERT_EQUAL(weft_publish(a->bus, &event), WEFT_TOO_LARGE);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.published, 0);
    free(json);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static bool lost_reported(void *user)
{
    host *h = user;
    pthread_mutex_lock(&h->mutex);
    bool reported = h->lost_reports > 0;
    pthread_mutex_unlock(&h->mutex);
    return reported;
}

static void what_the_broker_cannot_take_is_reported_lost(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    fake_broker_set_limits(broker, 20, 8192);
    host *b = host_start(broker, "b", WEFT_TOPIC_CUSTOM | WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    char json[9000];
    memset(json, 'x', sizeof json);
    json[0] = json[sizeof json - 2] = '"';
    json[sizeof json - 1] = '\0';
    weft_event event = {.type = WEFT_CUSTOM, .custom = {.event_type = "big", .data_json = json}};
    CU_ASSERT_EQUAL(weft_publish(a->bus, &event), WEFT_OK);
    event.custom.data_json = "1";
    CU_ASSERT_EQUAL(weft_publish(a->bus, &event), WEFT_OK);
    CU_ASSERT_TRUE(suite_wait(lost_reported, b, DEADLINE_MS));
    CU_ASSERT_EQUAL(b->lost.topic, WEFT_TOPIC_CUSTOM);
    CU_ASSERT_EQUAL(b->lost.reason, WEFT_LOST_TOO_LARGE);
    CU_ASSERT_TRUE(host_gets(b, 1));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static bool refusal_told(void *user)
{
    return notices_of(user, WEFT_NOTICE_PUBLISH_REFUSED) > 0;
}

static void a_topic_that_the_broker_denies_is_told(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    fake_broker_deny(broker, "weft/v1/dev/evt/cost/+");
    publish_range(a, 1, 1);
    CU_ASSERT_TRUE(suite_wait(refusal_told, a, DEADLINE_MS));
    CU_ASSERT_EQUAL(weft_bridge_drain(a->bridge, 100), WEFT_TIMEOUT);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static bool drop_told(void *user)
{
    return notices_of(user, WEFT_NOTICE_MESSAGE_DROPPED) > 0;
}

static void hostile_messages_are_dropped_and_the_session_lives_on(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    host *a = host_start(broker, "a", 0);
    static const uint8_t junk[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3};
    static const char *const topics[] = {"evt/cost/a",  "live/x",         "beat/a",
                                         "reply/b/a/1", "cmd/b/replay/a", "evt/nonsense/a"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        char topic[128];
        snprintf(topic, sizeof topic, "weft/v1/dev/%s", topics[i]);
        fake_broker_publish(broker, topic, junk, sizeof junk, 1, false);
        fake_broker_publish(broker, topic, "", 0, 1, false);
    }
    publish_range(a, 1, 10);
    CU_ASSERT_TRUE(host_gets(b, 10));
    CU_ASSERT_TRUE(has_each_once(b, 1, 10));
    CU_ASSERT_TRUE(suite_wait(drop_told, b, DEADLINE_MS));
    host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(broker);
}

static void a_forged_sender_is_not_believed(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *b = host_start(broker, "b", WEFT_TOPIC_COST);
    weft_event event = {.type = WEFT_TOKEN_USAGE, .timestamp_ms = 1, .accepted_ms = 1, .id = {"a", 7, 1}};
    const weft_event *kept = weft_event_keep(&event);
    weft_batch batch = {.node = "a", .epoch = 7, .events = &kept, .event_count = 1};
    uint8_t *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
    fake_broker_publish(broker, "weft/v1/dev/evt/cost/mallory", bytes, length, 1, false);
    CU_ASSERT_TRUE(suite_wait(drop_told, b, DEADLINE_MS));
    CU_ASSERT_EQUAL(b->count, 0);
    free(bytes);
    weft_event_release(kept);
    host_destroy(b);
    fake_broker_destroy(broker);
}

/* ---- feeds ---- */

static void a_feed_position_is_kept_with_its_events(void)
{
    char dir[64];
    journal_dir_make(dir);
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_create(broker, "a");
    snprintf(a->journal, sizeof a->journal, "%s/journal.db", dir);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    weft_event event = {.type = WEFT_TOKEN_USAGE, .token_usage = {.input_tokens = 1}};
    const weft_event *events[] = {&event, &event};
    weft_feed_mark mark = {.feed = "f", .line = 7, .state = "here", .state_bytes = 4};
    uint64_t receipt = 0, line;
    char *state;
    size_t state_bytes;
    CU_ASSERT_EQUAL(weft_bridge_feed(a->bridge, "f", &line, &state, &state_bytes), WEFT_NOT_FOUND);
    CU_ASSERT_EQUAL(weft_bridge_publish_group(a->bridge, events, 2, &mark, &receipt, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_flush(a->bridge, READY_MS), WEFT_OK);
    CU_ASSERT_TRUE(weft_bridge_written(a->bridge) >= receipt);
    weft_bridge_destroy(a->bridge);
    CU_ASSERT_EQUAL_FATAL(host_open(a, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_feed(a->bridge, "f", &line, &state, &state_bytes), WEFT_OK);
    CU_ASSERT_EQUAL(line, 7);
    CU_ASSERT_EQUAL(state_bytes, 4);
    CU_ASSERT_NSTRING_EQUAL(state, "here", 4);
    free(state);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    host_destroy(a);
    fake_broker_destroy(broker);
    journal_dir_remove(dir);
}

static void a_group_with_a_bad_event_publishes_nothing(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    weft_event good = {.type = WEFT_CONFIG_RELOADED}, bad = {.type = WEFT_CUSTOM, .custom = {.data_json = "{"}};
    const weft_event *events[] = {&good, &bad};
    size_t index = 99;
    CU_ASSERT_NOT_EQUAL(weft_bridge_publish_group(a->bridge, events, 2, NULL, NULL, &index), WEFT_OK);
    CU_ASSERT_EQUAL(index, 1);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.published, 0);
    host_destroy(a);
    fake_broker_destroy(broker);
}

static void bad_options_are_named(void)
{
    weft_dispatcher *bus;
    weft_bridge *bridge;
    const char *reason = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    CU_ASSERT_EQUAL(weft_bridge_create(bus, &(weft_bridge_opts){.node = "Not A Name"}, &bridge, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reason);
    CU_ASSERT_EQUAL(strncmp(reason, "node", 4), 0);
    CU_ASSERT_EQUAL(weft_bridge_create(bus, &(weft_bridge_opts){.node = "a", .url = "ftp://x"}, &bridge, &reason),
                    WEFT_INVALID);
    CU_ASSERT_EQUAL(strncmp(reason, "url", 3), 0);
    weft_dispatcher_destroy(bus);
}

SUITE(bridge_bridge, CASE(an_event_crosses_with_its_identity), CASE(both_directions_and_no_echo),
      CASE(only_wanted_topics_are_subscribed), CASE(a_late_listener_is_not_told_of_the_past),
      CASE(a_request_is_answered_from_another_host), CASE(nothing_is_lost_while_the_broker_is_away),
      CASE(what_the_broker_drops_is_healed_in_order), CASE(a_lost_last_event_is_told_by_the_beat),
      CASE(an_answer_with_a_missing_part_is_asked_for_again), CASE(random_faults_lose_and_repeat_nothing),
      CASE(a_backlog_outlives_the_process), CASE(the_older_of_two_with_one_name_stops),
      CASE(a_junk_epoch_retained_under_its_name_does_not_keep_a_node_away), CASE(peers_learn_of_birth_and_goodbye),
      CASE(state_sums_tokens_per_model), CASE(an_event_too_large_is_refused_and_takes_no_seq),
      CASE(what_the_broker_cannot_take_is_reported_lost), CASE(a_topic_that_the_broker_denies_is_told),
      CASE(hostile_messages_are_dropped_and_the_session_lives_on), CASE(a_forged_sender_is_not_believed),
      CASE(a_feed_position_is_kept_with_its_events), CASE(a_group_with_a_bad_event_publishes_nothing),
      CASE(bad_options_are_named))
