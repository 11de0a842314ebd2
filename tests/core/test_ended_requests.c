/* Which requests are remembered as ended. */
#include <stdio.h>

#include "core/request_private.h"
#include "support/suite.h"

enum { REMEMBERED = 256, ADDED = 5000 };

static const char *id_of(int number)
{
    static char id[40];
    (void)snprintf(id, sizeof id, "%08x-request-of-a-test", (unsigned)number);
    return id;
}

static void remembers_what_has_ended(void)
{
    static weft__ended_requests ended;
    CU_ASSERT_EQUAL(ended.count, 0);
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "a"));
    weft__ended_requests_add(&ended, "a");
    CU_ASSERT_NOT_EQUAL(ended.count, 0);
    CU_ASSERT_TRUE(weft__ended_requests_has(&ended, "a"));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "b"));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, ""));
}

static void tells_ids_apart_that_differ_little(void)
{
    static weft__ended_requests ended;
    weft__ended_requests_add(&ended, "request-1");
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "request-2"));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "request-"));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "request-11"));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "1-request"));
    CU_ASSERT_TRUE(weft__ended_requests_has(&ended, "request-1"));
}

static void forgets_an_id_that_is_in_use_again(void)
{
    static weft__ended_requests ended;
    weft__ended_requests_add(&ended, "a");
    weft__ended_requests_add(&ended, "b");
    weft__ended_requests_remove(&ended, "a");
    weft__ended_requests_remove(&ended, "c");
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, "a"));
    CU_ASSERT_TRUE(weft__ended_requests_has(&ended, "b"));
}

static void remembers_the_latest_of_many(void)
{
    static weft__ended_requests ended;
    int remembered = 0;
    for (int i = 0; i < ADDED; i++)
        weft__ended_requests_add(&ended, id_of(i));
    for (int i = ADDED - REMEMBERED; i < ADDED; i++)
        remembered += weft__ended_requests_has(&ended, id_of(i)) ? 1 : 0;
    CU_ASSERT(remembered >= REMEMBERED - 2);
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, id_of(0)));
    CU_ASSERT_FALSE(weft__ended_requests_has(&ended, id_of(ADDED)));
}

SUITE(core_ended_requests, CASE(remembers_what_has_ended), CASE(tells_ids_apart_that_differ_little),
      CASE(forgets_an_id_that_is_in_use_again), CASE(remembers_the_latest_of_many))
