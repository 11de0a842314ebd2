/* Messages from the link, copied into memory that is used again. */
#include "bridge/inbound.h"
#include "support/suite.h"

#include <string.h>

enum { LARGE = 50000 };

static uint8_t payload[1 << 20];

static void payload_fill(void)
{
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
}

static void copies_messages_of_any_size(void)
{
    weft__inbound_pool pool;
    weft__inbound_pool_init(&pool);
    payload_fill();
    size_t sizes[] = {0, 1, 4000, 4096, LARGE, 64 * 1024, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        weft__inbound *in = weft__inbound_create(&pool, "weft/v1/f/evt/tool/n", payload, sizes[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(in);
        CU_ASSERT_STRING_EQUAL(in->topic, "weft/v1/f/evt/tool/n");
        CU_ASSERT_EQUAL(in->length, sizes[i]);
        CU_ASSERT_EQUAL(memcmp(in->payload, payload, sizes[i]), 0);
        CU_ASSERT(in->node.bytes >= sizeof *in + sizes[i]);
        CU_ASSERT_FALSE(in->retained || in->known_before);
        in->retained = in->known_before = true;
        weft__inbound_free(&pool, in);
    }
    weft__inbound_pool_fini(&pool);
}

static void uses_the_memory_of_large_ones_again(void)
{
    weft__inbound_pool pool;
    weft__inbound_pool_init(&pool);
    weft__inbound *first = weft__inbound_create(&pool, "t", payload, LARGE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(first);
    CU_ASSERT_EQUAL(pool.count, 0);
    weft__inbound_free(&pool, first);
    CU_ASSERT_EQUAL(pool.count, 1);
    weft__inbound *second = weft__inbound_create(&pool, "t", payload, LARGE - 500);
    CU_ASSERT_PTR_EQUAL(second, first);
    CU_ASSERT_EQUAL(pool.count, 0);
    weft__inbound_free(&pool, second);
    weft__inbound_free(&pool, weft__inbound_create(&pool, "t", payload, 100));
    weft__inbound_free(&pool, weft__inbound_create(&pool, "t", payload, 1 << 20));
    weft__inbound_free(&pool, NULL);
    CU_ASSERT_EQUAL(pool.count, 1);
    weft__inbound_pool_fini(&pool);
}

static void keeps_a_bounded_number_of_them(void)
{
    weft__inbound_pool pool;
    weft__inbound *made[2 * WEFT__INBOUND_SPARES_MAX];
    weft__inbound_pool_init(&pool);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        made[i] = weft__inbound_create(&pool, "t", payload, LARGE);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        weft__inbound_free(&pool, made[i]);
    CU_ASSERT_EQUAL(pool.count, WEFT__INBOUND_SPARES_MAX);
    weft__inbound_pool_fini(&pool);
}

SUITE(bridge_inbound, CASE(copies_messages_of_any_size), CASE(uses_the_memory_of_large_ones_again),
      CASE(keeps_a_bounded_number_of_them))
