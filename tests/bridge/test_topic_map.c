/* tests/bridge/test_topic_map.c: what is written can be taken apart, and nothing else can. */
#include "bridge/topic_map.h"

#include <stdio.h>
#include <string.h>

#include "support/suite.h"

static char out[WEFT__TOPIC_MAX_BYTES];
static weft__topic_parts parts;

static void writes_the_documented_topics(void)
{
    weft_event event = {.type = WEFT_TOKEN_USAGE, .session_id = "s1"};
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", WEFT_TOPIC_COST, "host-a"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/evt/cost/host-a");
    CU_ASSERT_EQUAL(weft__topic_json(out, "dev", &event, "host-a"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/json/cost/token_usage/host-a/s1");
    CU_ASSERT_EQUAL(weft__topic_node(out, "dev", WEFT__TREE_LIVE, "host-a"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/live/host-a");
    CU_ASSERT_EQUAL(weft__topic_node(out, "dev", WEFT__TREE_STATE, "host-a"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/state/host-a");
    CU_ASSERT_EQUAL(weft__topic_node(out, "dev", WEFT__TREE_BEAT, "+"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/beat/+");
    CU_ASSERT_EQUAL(weft__topic_cmd(out, "dev", "-", "replay", "host-a"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/cmd/-/replay/host-a");
    CU_ASSERT_EQUAL(weft__topic_reply(out, "dev", "host-a", "host-b", "R7"), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(out, "weft/v1/dev/reply/host-a/host-b/R7");
}

static void refuses_to_write_bad_names(void)
{
    char long_id[WEFT_ID_MAX_BYTES + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", WEFT_TOPIC_COST, "Host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_evt(out, "a/b", WEFT_TOPIC_COST, "host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", WEFT_TOPIC_COST, "#"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", WEFT_TOPIC_COST, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", (weft_topic)0, "host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_evt(out, "dev", WEFT_TOPIC_COST | WEFT_TOPIC_TOOL, "host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_node(out, "dev", WEFT__TREE_EVT, "host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_cmd(out, "dev", "host", "a/b", "host"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_cmd(out, "dev", "host", "replay", "-"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_reply(out, "dev", "-", "host", "r"), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_reply(out, "dev", "host", "host", ""), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft__topic_json(out, "dev", &(weft_event){0}, "host"), WEFT_INVALID);
    weft_event event = {.type = WEFT_SESSION_END, .session_id = long_id};
    CU_ASSERT_EQUAL(weft__topic_json(out, "dev", &event, "host"), WEFT_INVALID);
}

static void takes_apart_what_it_writes(void)
{
    weft_event event = {.type = WEFT_SESSION_MUTATION, .session_id = "a b/ü"};
    CU_ASSERT_EQUAL_FATAL(weft__topic_json(out, "dev", &event, "host-a"), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__topic_parse(out, &parts), WEFT_OK);
    CU_ASSERT_EQUAL(parts.tree, WEFT__TREE_JSON);
    CU_ASSERT_EQUAL(parts.topic, WEFT_TOPIC_SESSION);
    CU_ASSERT_EQUAL(parts.type, WEFT_SESSION_MUTATION);
    CU_ASSERT_STRING_EQUAL(parts.fabric, "dev");
    CU_ASSERT_STRING_EQUAL(parts.sender, "host-a");
    CU_ASSERT_STRING_EQUAL(parts.session, "a%20b%2F%C3%BC");

    CU_ASSERT_EQUAL_FATAL(weft__topic_cmd(out, "dev", "-", "replay", "host-a"), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__topic_parse(out, &parts), WEFT_OK);
    CU_ASSERT_EQUAL(parts.tree, WEFT__TREE_CMD);
    CU_ASSERT_STRING_EQUAL(parts.to, "-");
    CU_ASSERT_STRING_EQUAL(parts.word, "replay");
    CU_ASSERT_STRING_EQUAL(parts.sender, "host-a");

    CU_ASSERT_EQUAL_FATAL(weft__topic_reply(out, "dev", "host-a", "host-b", "R:7"), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__topic_parse(out, &parts), WEFT_OK);
    CU_ASSERT_EQUAL(parts.tree, WEFT__TREE_REPLY);
    CU_ASSERT_STRING_EQUAL(parts.to, "host-a");
    CU_ASSERT_STRING_EQUAL(parts.sender, "host-b");
    CU_ASSERT_STRING_EQUAL(parts.word, "R:7");
}

static void takes_apart_every_topic_of_the_trunk(void)
{
    static const weft__tree trees[] = {WEFT__TREE_LIVE, WEFT__TREE_STATE, WEFT__TREE_BEAT};
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        CU_ASSERT_EQUAL_FATAL(weft__topic_evt(out, "dev", topic, "n.1"), WEFT_OK);
        CU_ASSERT_EQUAL_FATAL(weft__topic_parse(out, &parts), WEFT_OK);
        CU_ASSERT_EQUAL(parts.tree, WEFT__TREE_EVT);
        CU_ASSERT_EQUAL(parts.topic, topic);
        CU_ASSERT_STRING_EQUAL(parts.sender, "n.1");
    }
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        CU_ASSERT_EQUAL_FATAL(weft__topic_node(out, "dev", trees[i], "n_1"), WEFT_OK);
        CU_ASSERT_EQUAL_FATAL(weft__topic_parse(out, &parts), WEFT_OK);
        CU_ASSERT_EQUAL(parts.tree, trees[i]);
        CU_ASSERT_STRING_EQUAL(parts.sender, "n_1");
    }
}

static void refuses_foreign_topics_and_leaves_the_result_alone(void)
{
    static const char *const bad[] = {
        "",
        "weft",
        "weft/v1/",
        "weft/v1/dev",
        "weft/v1/dev/",
        "weft/v1/dev/evt",
        "weft/v2/dev/evt/cost/host",
        "/weft/v1/dev/evt/cost/host",
        "weft/v1/dev/evt/cost/host/",
        "weft/v1/dev/evt/cost/host/more",
        "weft/v1/dev/evt//host",
        "weft/v1/dev/evt/cost/Host",
        "weft/v1/dev/evt/cost/+",
        "weft/v1/dev/evt/cost/-",
        "weft/v1/-/evt/cost/host",
        "weft/v1/dev/evt/money/host",
        "weft/v1/dev/EVT/cost/host",
        "weft/v1/dev/json/cost/tool_call_end/host/s1",
        "weft/v1/dev/json/cost/token_usage/host/",
        "weft/v1/dev/json/cost/token_usage/host/a b",
        "weft/v1/dev/json/cost/token_usage/host/%2f",
        "weft/v1/dev/reply/-/host/r",
        "weft/v1/dev/live/host0host0host0host0host0host0host0host0host0host0host0host0host0",
        "$SYS/broker/load",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        parts.tree = WEFT__TREE_RPC;
        if (weft__topic_parse(bad[i], &parts) != WEFT_INVALID)
            CU_FAIL(bad[i]);
        CU_ASSERT_EQUAL(parts.tree, WEFT__TREE_RPC);
    }
    CU_ASSERT_EQUAL(weft__topic_parse("weft/v1/dev/rpc/echo/host", &parts), WEFT_OK);
    CU_ASSERT_STRING_EQUAL(parts.word, "echo");
}

static void escapes_ids_and_takes_them_back(void)
{
    static const char *const pairs[][2] = {
        {"", "-"},          {"-", "%2D"},           {"--", "--"},    {"A.b_c:9", "A.b_c:9"}, {"a/b+c#", "a%2Fb%2Bc%23"},
        {"100%", "100%25"}, {"\xc3\xbc", "%C3%BC"}, {"\x01", "%01"},
    };
    char id[WEFT_ID_MAX_BYTES + 1];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        weft__topic_escape(out, pairs[i][0]);
        CU_ASSERT_STRING_EQUAL(out, pairs[i][1]);
        CU_ASSERT_TRUE(weft__topic_unescape(id, sizeof id, out));
        CU_ASSERT_STRING_EQUAL(id, pairs[i][0]);
    }
    weft__topic_escape(out, NULL);
    CU_ASSERT_STRING_EQUAL(out, "-");
}

static void escapes_every_byte_of_an_id_alike(void)
{
    char id[2] = "", back[2];
    for (int c = 1; c < 256; c++) {
        id[0] = (char)c;
        weft__topic_escape(out, id);
        CU_ASSERT_EQUAL(strcspn(out, "/+#$ "), strlen(out));
        CU_ASSERT_TRUE(weft__topic_unescape(back, sizeof back, out));
        CU_ASSERT_STRING_EQUAL(back, id);
    }
}

static void refuses_bad_escapes(void)
{
    static const char *const bad[] = {"", "%", "%2", "%2f", "%00", "%41", "a%2Db", "%GG", "a b", "\xc3\xbc"};
    char id[8];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (weft__topic_unescape(id, sizeof id, bad[i]))
            CU_FAIL(bad[i]);
    CU_ASSERT_FALSE(weft__topic_unescape(id, sizeof id, "12345678"));
    CU_ASSERT_TRUE(weft__topic_unescape(id, sizeof id, "1234567"));
    CU_ASSERT_FALSE(weft__topic_unescape(id, 0, "-"));
}

static void knows_valid_names(void)
{
    char name[WEFT_NAME_MAX_BYTES + 2];
    memset(name, 'n', sizeof name);
    name[WEFT_NAME_MAX_BYTES + 1] = '\0';
    CU_ASSERT_FALSE(weft_name_valid(name));
    name[WEFT_NAME_MAX_BYTES] = '\0';
    CU_ASSERT_TRUE(weft_name_valid(name));
    CU_ASSERT_TRUE(weft_name_valid("host-a.example_1"));
    CU_ASSERT_TRUE(weft_name_valid("--"));
    CU_ASSERT_FALSE(weft_name_valid("-"));
    CU_ASSERT_FALSE(weft_name_valid(""));
    CU_ASSERT_FALSE(weft_name_valid("Host"));
    CU_ASSERT_FALSE(weft_name_valid("a/b"));
    CU_ASSERT_FALSE(weft_name_valid("+"));
    CU_ASSERT_FALSE(weft_name_valid(NULL));
}

static void writes_filters_over_a_tree(void)
{
    static const struct {
        weft__tree tree;
        const char *to, *word, *sender, *wanted;
    } rows[] = {{WEFT__TREE_EVT, NULL, NULL, "a", "weft/v1/dev/evt/+/a"},
                {WEFT__TREE_JSON, NULL, NULL, "a", "weft/v1/dev/json/+/+/a/+"},
                {WEFT__TREE_LIVE, NULL, NULL, NULL, "weft/v1/dev/live/+"},
                {WEFT__TREE_CMD, NULL, "replay", "%u", "weft/v1/dev/cmd/+/replay/%u"},
                {WEFT__TREE_CMD, "-", NULL, NULL, "weft/v1/dev/cmd/-/+/+"},
                {WEFT__TREE_RPC, NULL, NULL, "a", "weft/v1/dev/rpc/+/a"},
                {WEFT__TREE_REPLY, "a", NULL, NULL, "weft/v1/dev/reply/a/+/+"}};
    char filter[WEFT__TOPIC_MAX_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CU_ASSERT_EQUAL(weft__topic_filter(filter, "dev", rows[i].tree, rows[i].to, rows[i].word, rows[i].sender),
                        WEFT_OK);
        CU_ASSERT_STRING_EQUAL(filter, rows[i].wanted);
    }
    CU_ASSERT_EQUAL(weft__topic_filter(filter, "dev", WEFT__TREE_NONE, NULL, NULL, NULL), WEFT_INVALID);
}

SUITE(bridge_topic_map, CASE(writes_filters_over_a_tree), CASE(writes_the_documented_topics),
      CASE(refuses_to_write_bad_names), CASE(takes_apart_what_it_writes), CASE(takes_apart_every_topic_of_the_trunk),
      CASE(refuses_foreign_topics_and_leaves_the_result_alone), CASE(escapes_ids_and_takes_them_back),
      CASE(escapes_every_byte_of_an_id_alike), CASE(refuses_bad_escapes), CASE(knows_valid_names))
