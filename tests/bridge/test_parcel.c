/* What a message gave for delivery, on its way to the deliver thread. */
#include "bridge/parcel.h"
#include "support/memory_out.h"
#include "support/suite.h"

#include <string.h>

static const weft_event *event_kept(uint64_t seq)
{
    weft_event event = {.type = WEFT_TOKEN_USAGE, .id = {"host-b", 1, seq}, .token_usage = {.model = "m"}};
    const weft_event *kept = weft_event_keep(&event);
    CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
    return kept;
}

static weft_status event_add(weft__packer *packer, uint64_t seq, uint32_t wish)
{
    const weft_event *event = event_kept(seq);
    weft_status st = weft__packer_add_event(packer, event, wish);
    weft_event_release(event);
    return st;
}

static void keeps_events_and_losses_in_their_order(void)
{
    weft__packer packer = {0};
    char node[] = "host-b";
    weft_lost lost = {.node = node, .topic = WEFT_TOPIC_LLM, .from_seq = 2, .to_seq = 3};
    CU_ASSERT_EQUAL(event_add(&packer, 1, 7), WEFT_OK);
    CU_ASSERT_EQUAL(weft__packer_add_lost(&packer, &lost, 8), WEFT_OK);
    memset(node, 'x', 6);
    CU_ASSERT_EQUAL(event_add(&packer, 4, 7), WEFT_OK);
    weft__parcel *parcel = weft__packer_close(&packer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parcel);
    CU_ASSERT_EQUAL_FATAL(parcel->count, 3);
    const weft__parcel_item *items = parcel->items;
    CU_ASSERT_FALSE(items[0].is_loss);
    CU_ASSERT_EQUAL(items[0].event->id.seq, 1);
    CU_ASSERT_EQUAL(items[0].wish, 7);
    CU_ASSERT_EQUAL(items[0].topic_number, weft_topic_number(WEFT_TOPIC_COST));
    CU_ASSERT_TRUE_FATAL(items[1].is_loss);
    CU_ASSERT_EQUAL(items[1].loss->lost.to_seq, 3);
    CU_ASSERT_STRING_EQUAL(items[1].loss->lost.node, "host-b");
    CU_ASSERT_EQUAL(items[1].wish, 8);
    CU_ASSERT_EQUAL(items[1].topic_number, weft_topic_number(WEFT_TOPIC_LLM));
    CU_ASSERT_EQUAL(items[2].event->id.seq, 4);
    CU_ASSERT_PTR_NULL(weft__packer_close(&packer));
    weft__parcel_free(parcel);
    weft__packer_fini(&packer);
}

static void weighs_what_is_in_it(void)
{
    weft__packer packer = {0};
    const weft_event *event = event_kept(1);
    size_t bytes = weft_event_kept_bytes(event);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(weft__packer_add_event(&packer, event, 0), WEFT_OK);
    weft_event_release(event);
    weft__parcel *parcel = weft__packer_close(&packer);
    CU_ASSERT_EQUAL(parcel->node.bytes, sizeof *parcel + 20 * (sizeof *parcel->items + bytes));
    weft__parcel_free(parcel);
    weft__packer_fini(&packer);
}

static void is_closed_when_too_much_comes_unreserved(void)
{
    weft__packer packer = {0};
    uint64_t seq = 0;
    weft_status st;
    while ((st = event_add(&packer, ++seq, 0)) == WEFT_OK && seq < 10 * WEFT__PARCEL_ITEMS)
        ;
    CU_ASSERT_EQUAL(st, WEFT_FULL);
    CU_ASSERT(seq > WEFT__PARCEL_ITEMS && seq < 4 * WEFT__PARCEL_ITEMS);
    weft__parcel_free(weft__packer_close(&packer));
    CU_ASSERT_EQUAL(event_add(&packer, seq, 0), WEFT_OK);
    weft__packer_fini(&packer);
}

static void takes_all_that_was_reserved(void)
{
    weft__packer packer = {0};
    CU_ASSERT_EQUAL(weft__packer_reserve(&packer, 3 * WEFT__PARCEL_ITEMS, 0), WEFT_OK);
    for (uint64_t i = 1; i <= 3 * WEFT__PARCEL_ITEMS; i++)
        CU_ASSERT_EQUAL_FATAL(event_add(&packer, i, 0), WEFT_OK);
    weft__packer_fini(&packer);
}

static void does_not_carry_room_that_was_not_needed(void)
{
    weft__packer packer = {0};
    CU_ASSERT_EQUAL(weft__packer_reserve(&packer, 10000, 0), WEFT_OK);
    CU_ASSERT_EQUAL(event_add(&packer, 1, 0), WEFT_OK);
    weft__parcel *parcel = weft__packer_close(&packer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parcel);
    CU_ASSERT(parcel->capacity < 100);
    CU_ASSERT_EQUAL(parcel->items[0].event->id.seq, 1);
    weft__parcel_free(parcel);
    weft__packer_fini(&packer);
}

static void needs_no_memory_for_what_was_reserved(void)
{
#if WEFT_TESTS_MEMORY_OUT
    weft__packer packer = {0};
    const weft_event *event = event_kept(1);
    weft_lost lost = {.node = "host-b", .topic = WEFT_TOPIC_LLM};
    bool good = weft__packer_add_event(&packer, event, 0) == WEFT_OK;
    good = good && weft__packer_reserve(&packer, 50, 2) == WEFT_OK;
    size_t capacity = packer.open->capacity;
    memory_out = true;
    for (int i = 0; i < 50; i++)
        good = good && weft__packer_add_event(&packer, event, 0) == WEFT_OK;
    for (int i = 0; i < 2; i++)
        good = good && weft__packer_add_lost(&packer, &lost, 0) == WEFT_OK;
    good = good && packer.open->capacity == capacity;
    weft_status third = weft__packer_add_lost(&packer, &lost, 0);
    memory_out = false;
    CU_ASSERT(good);
    CU_ASSERT_EQUAL(third, WEFT_NO_MEMORY);
    weft_event_release(event);
    weft__packer_fini(&packer);
#else
    suite_skip("the sanitizer stands in for malloc");
#endif
}

SUITE(bridge_parcel, CASE(keeps_events_and_losses_in_their_order), CASE(weighs_what_is_in_it),
      CASE(is_closed_when_too_much_comes_unreserved), CASE(takes_all_that_was_reserved),
      CASE(does_not_carry_room_that_was_not_needed), CASE(needs_no_memory_for_what_was_reserved))
