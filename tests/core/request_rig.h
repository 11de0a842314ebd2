/* tests/core/request_rig.h: the question that the tests of requests, replies and waits ask. */
#ifndef WEFT_TESTS_REQUEST_RIG_H
#define WEFT_TESTS_REQUEST_RIG_H

#include "support/suite.h"
#include "weft/request.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 20 };

static const weft_event question = {
    .type = WEFT_TOOL_CALL_START, .session_id = "s1", .tool_call_start = {.tool_name = "t", .call_id = "c"}};

static inline weft_dispatcher *bus_create(void)
{
    weft_dispatcher *bus = NULL;
    CU_ASSERT_EQUAL_FATAL(weft_dispatcher_create(NULL, &bus), WEFT_OK);
    return bus;
}

static inline weft_dispatcher_stats stats_of(weft_dispatcher *bus)
{
    weft_dispatcher_stats stats;
    weft_dispatcher_get_stats(bus, &stats);
    return stats;
}

static inline weft_event answer_of(uint64_t number)
{
    return (weft_event){.type = WEFT_TOOL_CALL_END,
                        .tool_call_end = {.tool_name = "t", .duration_ms = number, .success = true}};
}

#endif
