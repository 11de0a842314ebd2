/* tests/nodes/test_lines_each.c */
#include "nodes/lines_each.h"

#include "support/suite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct seen {
    char text[256];
    unsigned pauses;
    uint64_t end_at;
} seen;

static bool on_line(char *text, size_t length, uint64_t number, void *user)
{
    seen *s = user;
    size_t at = strlen(s->text);
    snprintf(s->text + at, sizeof s->text - at, text != NULL ? "%d:%.*s " : "%d!%.*s ", (int)number, (int)length,
             text != NULL ? text : "");
    return number != s->end_at;
}

static void on_pause(void *user)
{
    seen *s = user;
    s->pauses++;
}

static bool read_all(const char *input, seen *s)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    CU_ASSERT_EQUAL(write(fds[1], input, strlen(input)), (ssize_t)strlen(input));
    close(fds[1]);
    bool done = lines_each(fds[0], 10, &(lines_handler){on_line, on_pause, s});
    close(fds[0]);
    return done;
}

static void gives_numbered_lines_and_the_rest(void)
{
    seen s = {0};
    CU_ASSERT_TRUE(read_all("one\n\ntwo\nlast", &s));
    CU_ASSERT_STRING_EQUAL(s.text, "1:one 2: 3:two 4:last ");
    CU_ASSERT_TRUE(s.pauses > 0);
}

static void marks_lines_over_the_bound(void)
{
    seen s = {0};
    CU_ASSERT_TRUE(read_all("one\n12345678901\ntwo\n", &s));
    CU_ASSERT_STRING_EQUAL(s.text, "1:one 2! 3:two ");
}

static void ends_when_the_handler_says_so(void)
{
    seen s = {.end_at = 2};
    CU_ASSERT_TRUE(read_all("one\ntwo\nthree\n", &s));
    CU_ASSERT_STRING_EQUAL(s.text, "1:one 2:two ");
}

static void says_when_reading_fails(void)
{
    seen s = {0};
    CU_ASSERT_FALSE(lines_each(-1, 10, &(lines_handler){on_line, on_pause, &s}));
}

SUITE(nodes_lines_each, CASE(gives_numbered_lines_and_the_rest), CASE(marks_lines_over_the_bound),
      CASE(ends_when_the_handler_says_so), CASE(says_when_reading_fails))
