/* What is older than a listener: when it is not told of it, and when it asks for it. */
#include "bridge/bridge_rig.h"

static weft__live *birth_of(fake_broker *broker, const char *topic)
{
    size_t length = 0;
    weft__live *live = NULL;
    uint8_t *bytes = fake_broker_retained(broker, topic, &length);
    if (bytes != NULL && (weft__live_decode(bytes, length, &live, NULL) != WEFT_OK || live->born_ms == 0)) {
        free(live);
        live = NULL;
    }
    free(bytes);
    return live;
}

static bool is_born(void *broker)
{
    weft__live *live = birth_of(broker, "weft/v1/dev/live/a");
    bool born = live != NULL && live->status == WEFT__LIVE_BIRTH;
    free(live);
    return born;
}

static void a_birth_told_again_says_when_it_was_told_first(void)
{
    fake_broker *broker = fake_broker_create(FAKE_THREADED);
    host *a = host_start(broker, "a", 0);
    weft__live *first = birth_of(broker, "weft/v1/dev/live/a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_EQUAL(first->born_ms, first->timestamp_ms);
    fake_broker_stop(broker);
    fake_broker_forget(broker);
    fake_broker_start(broker);
    CU_ASSERT_TRUE_FATAL(suite_wait(is_born, broker, DEADLINE_MS));
    weft__live *again = birth_of(broker, "weft/v1/dev/live/a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_EQUAL(again->epoch, first->epoch);
    CU_ASSERT(again->born_ms >= first->born_ms - 1); /* by two clocks, each in whole ms */
    CU_ASSERT_TRUE(again->timestamp_ms > again->born_ms);
    free(first);
    free(again);
    host_destroy(a);
    fake_broker_destroy(broker);
}

SUITE(bridge_bridge_past, CASE(a_birth_told_again_says_when_it_was_told_first))
