/* What the accounts of several nodes say together. */
#include "nodes/account_print.h"

#include "support/suite.h"

#include <stdlib.h>
#include <string.h>

enum { EPOCH = 5 };

static account_book book;

static void part_take(const char *node, bool last, const weft_stream_account *rows, size_t count)
{
    weft_account part = {.node = node, .epoch = EPOCH, .last = last, .streams = rows, .stream_count = count};
    account_book_take(&book, &part);
}

static weft_stream_account own_row(const char *node, uint64_t published, uint64_t last_seq)
{
    return (weft_stream_account){.node = node,
                                 .epoch = EPOCH,
                                 .topic = WEFT_TOPIC_COST,
                                 .own = true,
                                 .published = published,
                                 .written = published,
                                 .last_seq = last_seq};
}

static weft_stream_account received_row(const char *node, uint64_t published, uint64_t last_seq, uint64_t delivered)
{
    return (weft_stream_account){.node = node,
                                 .epoch = EPOCH,
                                 .topic = WEFT_TOPIC_COST,
                                 .based = true,
                                 .before_known = true,
                                 .published = published,
                                 .last_seq = last_seq,
                                 .delivered = delivered};
}

static account_sums sums(void)
{
    return account_book_compare(&book, NULL, 0, NULL, NULL);
}

static void both_taken(const weft_stream_account *own, const weft_stream_account *received)
{
    account_book_clear(&book);
    part_take("a", true, own, 1);
    part_take("b", true, received, 1);
}

static void adds_up_when_both_sides_say_the_same(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 9, 30, 5);
    received.before = 2;
    received.lost_overflow = 1;
    received.lost_unreachable = 1;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().streams, 1);
    CU_ASSERT_EQUAL(sums().pairs, 1);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_ADDS_UP], 1);
    account_book_clear(&book);
}

static void differs_only_when_everything_has_settled(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 9, 30, 8);
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_DIFFERS], 1);
    received.open_gaps = 1;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_UNDER_WAY], 1);
    received.open_gaps = 0;
    received.last_seq = 29;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_UNDER_WAY], 1);
    received = received_row("a", 9, 30, 9);
    own.pending = 1;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_UNDER_WAY], 1);
    own.pending = 0;
    received.unaccounted = -1; /* found out by the receiver itself */
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_DIFFERS], 1);
    account_book_clear(&book);
}

static void what_was_never_written_is_nobody_s_to_have(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 7, 30, 7);
    own.unwritten = 2;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_ADDS_UP], 1);
    account_book_clear(&book);
}

static void who_does_not_listen_is_no_side(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 0, 0, 0);
    received.based = false;
    both_taken(&own, &received);
    CU_ASSERT_EQUAL(sums().streams, 1);
    CU_ASSERT_EQUAL(sums().pairs, 0);
    account_book_clear(&book);
}

static void a_stream_whose_publisher_is_away_cannot_be_compared(void)
{
    weft_stream_account received = received_row("gone", 9, 30, 9);
    account_book_clear(&book);
    part_take("b", true, &received, 1);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_ALONE], 1);
    received.unaccounted = 1;
    account_book_clear(&book);
    part_take("b", true, &received, 1);
    CU_ASSERT_EQUAL(sums().by_state[ACCOUNT_DIFFERS], 1);
    account_book_clear(&book);
}

static void takes_parts_in_any_number_and_twice(void)
{
    weft_stream_account first = own_row("a", 9, 30), second = own_row("a", 4, 31);
    second.topic = WEFT_TOPIC_TOOL;
    account_book_clear(&book);
    part_take("a", false, &first, 1);
    CU_ASSERT_EQUAL(account_book_complete(&book), 0);
    part_take("a", false, &first, 1);
    part_take("a", true, &second, 1);
    CU_ASSERT_EQUAL(account_book_complete(&book), 1);
    CU_ASSERT_EQUAL(account_book_find(&book, "a")->account.stream_count, 2);
    CU_ASSERT_PTR_NULL(account_book_find(&book, "b"));
    CU_ASSERT_FALSE(book.failed);
    account_book_clear(&book);
}

static void shows_only_what_concerns_the_nodes_asked_for(void)
{
    weft_stream_account of_a = own_row("a", 9, 30), of_c = own_row("c", 4, 31);
    weft_stream_account rows[] = {received_row("a", 9, 30, 9), received_row("c", 4, 31, 4)};
    account_book_clear(&book);
    part_take("a", true, &of_a, 1);
    part_take("c", true, &of_c, 1);
    part_take("b", true, rows, 2);
    char *a[] = {(char[]){"a"}}, *b[] = {(char[]){"b"}};
    CU_ASSERT_EQUAL(account_book_compare(&book, a, 1, NULL, NULL).pairs, 1);
    CU_ASSERT_EQUAL(account_book_compare(&book, b, 1, NULL, NULL).pairs, 2);
    CU_ASSERT_EQUAL(account_book_compare(&book, b, 1, NULL, NULL).streams, 0);
    account_book_clear(&book);
}

static bool shows(const account_verdict *v, const char *what)
{
    weft_text text = {0};
    account_print_table(&book, NULL, 0, v, &text);
    bool found = strstr(text.data, what) != NULL;
    weft_text_fini(&text);
    return found;
}

static void says_in_the_last_line_what_it_comes_to(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 9, 30, 9);
    both_taken(&own, &received);
    account_verdict v = {.sums = sums(), .whole = true};
    CU_ASSERT_TRUE(account_verdict_good(&v));
    CU_ASSERT_TRUE(shows(&v, "\nadds up: 1 streams, 1 times received\n"));
    v.whole = false;
    v.missing = "host-c";
    CU_ASSERT_FALSE(account_verdict_good(&v));
    CU_ASSERT_TRUE(shows(&v, "host-c has not answered"));
    received.delivered = 8;
    both_taken(&own, &received);
    v = (account_verdict){.sums = sums(), .whole = true};
    CU_ASSERT_FALSE(account_verdict_good(&v));
    CU_ASSERT_TRUE(shows(&v, "does not add up"));
    account_book_clear(&book);
}

static void prints_json_that_can_be_read(void)
{
    weft_stream_account own = own_row("a", 9, 30), received = received_row("a", 9, 30, 9);
    weft_text text = {0};
    both_taken(&own, &received);
    weft_stream_account junk = {.node = "x", .dropped_malformed = 3};
    part_take("c", true, &junk, 1);
    account_verdict v = {.sums = sums(), .whole = true};
    account_print_json(&book, NULL, 0, &v, &text);
    CU_ASSERT_EQUAL(weft_json_check(text.data, text.length - 1, WEFT_JSON_MAX_DEPTH), WEFT_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "{\"adds_up\":true"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\"dropped_malformed\":3"));
    weft_text_fini(&text);
    account_book_clear(&book);
}

SUITE(nodes_account_book, CASE(adds_up_when_both_sides_say_the_same), CASE(differs_only_when_everything_has_settled),
      CASE(what_was_never_written_is_nobody_s_to_have), CASE(who_does_not_listen_is_no_side),
      CASE(a_stream_whose_publisher_is_away_cannot_be_compared), CASE(takes_parts_in_any_number_and_twice),
      CASE(shows_only_what_concerns_the_nodes_asked_for), CASE(says_in_the_last_line_what_it_comes_to),
      CASE(prints_json_that_can_be_read))
