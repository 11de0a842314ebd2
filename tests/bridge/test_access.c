/* What each role may do, held against the topics that weft uses. */
#include "weft/access.h"

#include "bridge/topic_map.h"
#include "support/bridge/fake_link.h"
#include "support/suite.h"

#include <string.h>

typedef struct question {
    bool write;
    const char *topic;
    bool allowed;
} question;

static void ask(void *user, const weft_right *right)
{
    question *q = user;
    q->allowed = q->allowed || (right->write == q->write && fake_topic_matches(right->filter, q->topic));
}

static bool may(weft_role role, bool write, const char *topic)
{
    char whole[256];
    (void)snprintf(whole, sizeof whole, "weft/v1/dev/%s", topic);
    question q = {.write = write, .topic = whole};
    CU_ASSERT_EQUAL(weft_role_rights(role, "dev", "me", ask, &q), WEFT_OK);
    return q.allowed;
}

static void nobody_writes_in_anothers_name(void)
{
    static const char *const topics[] = {
        "evt/cost/you", "json/cost/token_usage/you/s1", "live/you",         "state/you",
        "beat/you",     "cmd/host-a/replay/you",        "cmd/-/replay/you", "reply/me/you/1",
        "rpc/echo/you"};
    for (unsigned role = 0; role < WEFT_ROLE_COUNT; role++)
        for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
            CU_ASSERT_FALSE(may((weft_role)role, true, topics[i]));
}

static void a_node_may_all_that_it_does(void)
{
    static const char *const writes[] = {
        "evt/cost/me", "json/cost/token_usage/me/s1", "live/me",          "state/me",
        "beat/me",     "cmd/you/replay/me",           "cmd/-/account/me", "reply/you/me/1",
        "rpc/echo/me"};
    static const char *const reads[] = {"evt/cost/you",      "live/you",         "state/you",      "beat/you",
                                        "cmd/me/reload/you", "cmd/-/replay/you", "reply/me/you/1", "live/me"};
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        CU_ASSERT_TRUE(may(WEFT_ROLE_NODE, true, writes[i]));
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
        CU_ASSERT_TRUE(may(WEFT_ROLE_NODE, false, reads[i]));
    CU_ASSERT_FALSE(may(WEFT_ROLE_NODE, true, "cmd/you/shutdown/me"));
    CU_ASSERT_FALSE(may(WEFT_ROLE_NODE, false, "cmd/you/replay/me"));
    CU_ASSERT_FALSE(may(WEFT_ROLE_NODE, false, "reply/you/me/1"));
}

static void only_those_who_publish_may_write_events(void)
{
    for (unsigned role = 0; role < WEFT_ROLE_COUNT; role++) {
        bool publishes = role == WEFT_ROLE_NODE || role == WEFT_ROLE_PUBLISHER;
        CU_ASSERT_EQUAL(may((weft_role)role, true, "evt/cost/me"), publishes);
        CU_ASSERT_EQUAL(may((weft_role)role, true, "json/cost/token_usage/me/-"), publishes);
    }
}

static void a_listener_hears_and_heals_and_no_more(void)
{
    CU_ASSERT_TRUE(may(WEFT_ROLE_LISTENER, false, "evt/session/you"));
    CU_ASSERT_TRUE(may(WEFT_ROLE_LISTENER, true, "cmd/you/replay/me"));
    CU_ASSERT_TRUE(may(WEFT_ROLE_LISTENER, false, "reply/me/you/1"));
    CU_ASSERT_TRUE(may(WEFT_ROLE_LISTENER, false, "cmd/-/account/you"));
    CU_ASSERT_FALSE(may(WEFT_ROLE_LISTENER, false, "cmd/me/replay/you"));
    CU_ASSERT_FALSE(may(WEFT_ROLE_LISTENER, true, "live/me"));
}

static void a_tap_writes_nothing(void)
{
    CU_ASSERT_TRUE(may(WEFT_ROLE_TAP, false, "json/cost/token_usage/you/s1"));
    CU_ASSERT_FALSE(may(WEFT_ROLE_TAP, false, "evt/cost/you"));
    for (unsigned tree = WEFT__TREE_EVT; tree <= WEFT__TREE_REPLY; tree++) {
        char filter[WEFT__TOPIC_MAX_BYTES];
        CU_ASSERT_EQUAL(weft__topic_filter(filter, "dev", (weft__tree)tree, "me", "replay", "me"), WEFT_OK);
        CU_ASSERT_FALSE(may(WEFT_ROLE_TAP, true, filter + strlen("weft/v1/dev/")));
    }
}

static void takes_patterns_and_refuses_bad_names(void)
{
    question q = {.write = true, .topic = "weft/v1/dev/live/%u"};
    CU_ASSERT_EQUAL(weft_role_rights(WEFT_ROLE_NODE, "dev", NULL, ask, &q), WEFT_OK);
    CU_ASSERT_TRUE(q.allowed);
    CU_ASSERT_EQUAL(weft_role_rights(WEFT_ROLE_NODE, "+", "me", ask, &q), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_role_rights(WEFT_ROLE_NODE, "dev", "#", ask, &q), WEFT_INVALID);
    CU_ASSERT_EQUAL(weft_role_rights(WEFT_ROLE_COUNT, "dev", "me", ask, &q), WEFT_INVALID);
}

static void roles_have_names(void)
{
    weft_role role;
    for (unsigned i = 0; i < WEFT_ROLE_COUNT; i++) {
        CU_ASSERT_EQUAL(weft_role_from_name(weft_role_name((weft_role)i), &role), WEFT_OK);
        CU_ASSERT_EQUAL(role, i);
    }
    CU_ASSERT_EQUAL(weft_role_from_name("nodes", &role), WEFT_NOT_FOUND);
    CU_ASSERT_STRING_EQUAL(weft_role_name(WEFT_ROLE_COUNT), "unknown");
}

SUITE(bridge_access, CASE(nobody_writes_in_anothers_name), CASE(a_node_may_all_that_it_does),
      CASE(only_those_who_publish_may_write_events), CASE(a_listener_hears_and_heals_and_no_more),
      CASE(a_tap_writes_nothing), CASE(takes_patterns_and_refuses_bad_names), CASE(roles_have_names))
