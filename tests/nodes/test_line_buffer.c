/* tests/nodes/test_line_buffer.c */
#include "nodes/line_buffer.h"

#include "support/suite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static line_buffer buffer_with(size_t max, const char *text)
{
    line_buffer b;
    CU_ASSERT_TRUE_FATAL(line_buffer_init(&b, max));
    CU_ASSERT_EQUAL(line_buffer_add(&b, text, strlen(text)), strlen(text));
    return b;
}

static void expect_line(line_buffer *b, const char *expected)
{
    char *text;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(line_buffer_next(b, &text, &length), LINE_TEXT);
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_EQUAL(length, strlen(expected));
}

static void cuts_at_newlines(void)
{
    char *text;
    size_t length;
    line_buffer b = buffer_with(100, "one\n\r\ntwo\r\nthr");
    expect_line(&b, "one");
    expect_line(&b, "");
    expect_line(&b, "two");
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_NONE);
    CU_ASSERT_FALSE(line_buffer_has_line(&b));
    line_buffer_add(&b, "ee\n", 3);
    CU_ASSERT_TRUE(line_buffer_has_line(&b));
    expect_line(&b, "three");
    line_buffer_fini(&b);
}

static void keeps_bytes_inside_lines(void)
{
    char *text;
    size_t length;
    line_buffer b = buffer_with(100, "");
    line_buffer_add(&b, "a\0b\n", 4);
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_TEXT);
    CU_ASSERT_EQUAL(length, 3);
    CU_ASSERT_EQUAL(memcmp(text, "a\0b", 3), 0);
    line_buffer_fini(&b);
}

static void reports_a_line_over_the_bound_once_and_goes_on(void)
{
    enum { HUGE_BYTES = 3 * 1024 * 1024, MAX = 1000 };
    static char huge[HUGE_BYTES];
    memset(huge, 'x', sizeof huge);
    char *text;
    size_t length;
    line_buffer b = buffer_with(MAX, "before\n");
    expect_line(&b, "before");
    CU_ASSERT_EQUAL(line_buffer_add(&b, huge, sizeof huge), sizeof huge);
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_NONE);
    CU_ASSERT_TRUE(b.capacity < 128 * 1024);
    line_buffer_add(&b, "\nafter\n", 7);
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_TOO_LONG);
    expect_line(&b, "after");
    line_buffer_fini(&b);
}

static void takes_a_line_of_exactly_the_bound(void)
{
    char *text;
    size_t length;
    line_buffer b = buffer_with(4, "1234\n12345\n");
    expect_line(&b, "1234");
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_TOO_LONG);
    line_buffer_fini(&b);
}

static void gives_the_rest_at_the_end(void)
{
    char *text;
    size_t length;
    line_buffer b = buffer_with(100, "one\nlast");
    expect_line(&b, "one");
    CU_ASSERT_EQUAL(line_buffer_next(&b, &text, &length), LINE_NONE);
    CU_ASSERT_EQUAL(line_buffer_rest(&b, &text, &length), LINE_TEXT);
    CU_ASSERT_STRING_EQUAL(text, "last");
    CU_ASSERT_EQUAL(line_buffer_rest(&b, &text, &length), LINE_NONE);
    line_buffer_fini(&b);
}

static void stops_reading_when_lines_wait(void)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    line_buffer b = buffer_with(10, "");
    char block[4096];
    memset(block, '\n', sizeof block);
    ssize_t got = 1;
    size_t total = 0;
    while (got > 0) {
        CU_ASSERT_EQUAL_FATAL(write(fds[1], block, sizeof block), (ssize_t)sizeof block);
        got = line_buffer_read(&b, fds[0]);
        total += got > 0 ? (size_t)got : 0;
    }
    CU_ASSERT_EQUAL(errno, ENOBUFS);
    CU_ASSERT_TRUE(total <= 128 * 1024);
    expect_line(&b, "");
    CU_ASSERT_TRUE(line_buffer_read(&b, fds[0]) > 0);
    line_buffer_fini(&b);
    close(fds[0]);
    close(fds[1]);
}

SUITE(nodes_line_buffer, CASE(cuts_at_newlines), CASE(keeps_bytes_inside_lines),
      CASE(reports_a_line_over_the_bound_once_and_goes_on), CASE(takes_a_line_of_exactly_the_bound),
      CASE(gives_the_rest_at_the_end), CASE(stops_reading_when_lines_wait))
