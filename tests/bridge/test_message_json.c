/* tests/bridge/test_message_json.c: what a person sees of each kind of message. */
#include <stdlib.h>
#include <string.h>

#include "bridge/control.h"
#include "support/suite.h"

static weft_text text;
static uint8_t *bytes;
static size_t length;
static const char *reason;

static void shows(const char *topic, const char *json)
{
    weft_text_clear(&text);
    reason = "none";
    if (weft_message_to_json(topic, bytes, length, &text, &reason) != WEFT_OK)
        CU_FAIL_FATAL(reason);
    CU_ASSERT_STRING_EQUAL(text.data, json);
}

static void refused(const char *topic, weft_status status, const char *why)
{
    weft_text_clear(&text);
    reason = "none";
    CU_ASSERT_EQUAL(weft_message_to_json(topic, bytes, length, &text, &reason), status);
    CU_ASSERT_STRING_EQUAL(reason, why);
    CU_ASSERT_EQUAL(text.length, 0);
}

static void done(void)
{
    free(bytes);
    weft_text_fini(&text);
    bytes = NULL;
    memset(&text, 0, sizeof text);
}

static void encode_events(void)
{
    static const weft_event one = {.type = WEFT_SESSION_START, .id.seq = 3, .session_id = "s1"};
    static const weft_event two = {
        .type = WEFT_SESSION_STATUS_CHANGED, .id.seq = 4, .session_status_changed = {.status = WEFT_SESSION_BUSY}};
    static const weft_event *const both[] = {&one, &two};
    const weft_batch batch = {.node = "host-a", .epoch = 7, .events = both, .event_count = 2};
    CU_ASSERT_EQUAL_FATAL(weft_batch_encode(&batch, &bytes, &length), WEFT_OK);
}

static void shows_one_line_an_event(void)
{
    encode_events();
    shows(
        "weft/v1/dev/evt/session/host-a",
        "{\"node\":\"host-a\",\"epoch\":\"7\",\"seq\":\"3\",\"topic\":\"session\",\"type\":\"session_start\","
        "\"sessionId\":\"s1\",\"sessionStart\":{}}\n"
        "{\"node\":\"host-a\",\"epoch\":\"7\",\"seq\":\"4\",\"topic\":\"session\",\"type\":\"session_status_changed\","
        "\"sessionStatusChanged\":{\"status\":\"SESSION_STATUS_BUSY\",\"attempt\":0,\"message\":\"\","
        "\"nextRetryMs\":\"0\"}}\n");
    done();
}

static void refuses_events_of_another_node_or_topic(void)
{
    encode_events();
    refused("weft/v1/dev/evt/session/host-b", WEFT_MALFORMED, "node: not the one that the topic names");
    refused("weft/v1/dev/evt/cost/host-a", WEFT_MALFORMED, "events[]: not of the topic that carried them");
    bytes[10] ^= 1;
    refused("weft/v1/dev/evt/session/host-a", WEFT_CORRUPT, "crc32c: does not match");
    done();
}

static void shows_live_and_beat(void)
{
    static const weft__position positions[] = {{5, WEFT_TOPIC_COST, 17, 0}, {6, WEFT_TOPIC_TOOL, 0, 0}};
    const weft__live live = {"host-a", 6, WEFT__LIVE_BIRTH, positions, 2, 1767614400123, 77, "1.2", 0};
    const weft__beat beat = {"host-a", WEFT__EPOCH_MAX, NULL, 0, 1767614400123};
    CU_ASSERT_EQUAL_FATAL(weft__live_encode(&live, &bytes, &length), WEFT_OK);
    shows(
        "weft/v1/dev/live/host-a",
        "{\"topic\":\"weft/v1/dev/live/host-a\",\"message\":{\"node\":\"host-a\",\"epoch\":\"6\","
        "\"status\":\"LIVE_STATUS_BIRTH\",\"previous\":[{\"epoch\":\"5\",\"topic\":\"TOPIC_COST\",\"lastSeq\":\"17\"},"
        "{\"epoch\":\"6\",\"topic\":\"TOPIC_TOOL\"}],\"timestampMs\":\"1767614400123\",\"instance\":\"77\","
        "\"version\":\"1.2\"}}\n");
    refused("weft/v1/dev/live/host-b", WEFT_MALFORMED, "node: not the one that the topic names");
    done();
    CU_ASSERT_EQUAL_FATAL(weft__beat_encode(&beat, &bytes, &length), WEFT_OK);
    shows("weft/v1/dev/beat/host-a", "{\"topic\":\"weft/v1/dev/beat/host-a\",\"message\":{\"node\":\"host-a\","
                                     "\"epoch\":\"8796093022208\",\"timestampMs\":\"1767614400123\"}}\n");
    done();
}

static void shows_state(void)
{
    static const weft__model_totals model = {"m\"1", 1, 2, 3, 4, 5, -6};
    static const weft__session_state session = {"s1", WEFT_SESSION_IDLE, 12};
    const weft__state state = {"host-a", 6, 99, &model, 1, 20, 0, 22, &session, 1, true};
    CU_ASSERT_EQUAL_FATAL(weft__state_encode(&state, &bytes, &length), WEFT_OK);
    shows("weft/v1/dev/state/host-a",
          "{\"topic\":\"weft/v1/dev/state/host-a\",\"message\":{\"node\":\"host-a\",\"epoch\":\"6\","
          "\"timestampMs\":\"99\",\"models\":[{\"model\":\"m\\\"1\",\"requests\":\"1\",\"inputTokens\":\"2\","
          "\"outputTokens\":\"3\",\"cacheReadTokens\":\"4\",\"cacheWriteTokens\":\"5\",\"costNanoUsd\":\"-6\"}],"
          "\"sessionsStarted\":\"20\",\"sessionsLive\":\"22\",\"sessions\":[{\"sessionId\":\"s1\","
          "\"status\":\"SESSION_STATUS_IDLE\",\"changedMs\":\"12\"}],\"truncated\":true}}\n");
    done();
}

static void shows_commands_and_replies(void)
{
    weft__command command = {.from = "host-a", .request_id = "R1", .has_replay = true};
    command.replay.epoch = 5;
    command.replay.topic = WEFT_TOPIC_LLM;
    command.replay.to_seq = 9;
    command.replay.max_messages = 4;
    CU_ASSERT_EQUAL_FATAL(weft__command_encode(&command, &bytes, &length), WEFT_OK);
    shows("weft/v1/dev/cmd/host-b/replay/host-a",
          "{\"topic\":\"weft/v1/dev/cmd/host-b/replay/host-a\",\"message\":{\"from\":\"host-a\",\"requestId\":\"R1\","
          "\"replay\":{\"epoch\":\"5\",\"topic\":\"TOPIC_LLM\",\"toSeq\":\"9\",\"maxMessages\":4}}}\n");
    done();
    const weft__reply reply = {.node = "host-b", .last = true, .batch = (const uint8_t *)"\xff\x00", .batch_bytes = 2};
    CU_ASSERT_EQUAL_FATAL(weft__reply_encode(&reply, &bytes, &length), WEFT_OK);
    shows("weft/v1/dev/reply/host-a/host-b/R1",
          "{\"topic\":\"weft/v1/dev/reply/host-a/host-b/R1\",\"message\":{\"node\":\"host-b\",\"last\":true,"
          "\"batch\":\"/wA=\"}}\n");
    refused("weft/v1/dev/reply/host-b/host-a/R1", WEFT_MALFORMED, "node: not the one that the topic names");
    done();
}

static void passes_the_tap_through(void)
{
    bytes = (uint8_t *)strdup("{\"a\":1}");
    length = 7;
    shows("weft/v1/dev/json/cost/token_usage/host-a/s1", "{\"a\":1}\n");
    length = 6;
    refused("weft/v1/dev/json/cost/token_usage/host-a/s1", WEFT_MALFORMED, "not JSON");
    done();
}

static void refuses_topics_that_are_not_of_weft(void)
{
    length = 0;
    refused("$SYS/broker/uptime", WEFT_INVALID, "not a topic whose messages are known");
    refused("weft/v1/dev/rpc/echo/host-a", WEFT_INVALID, "not a topic whose messages are known");
    done();
}

SUITE(bridge_message_json, CASE(shows_one_line_an_event), CASE(refuses_events_of_another_node_or_topic),
      CASE(shows_live_and_beat), CASE(shows_state), CASE(shows_commands_and_replies), CASE(passes_the_tap_through),
      CASE(refuses_topics_that_are_not_of_weft))
