/* tests/nodes/test_log.c */
#include "nodes/log.h"

#include "support/suite.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What one call writes to stderr. */
static void logged(char *out, size_t room, log_id id, const char *text)
{
    int fds[2], saved = dup(STDERR_FILENO);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log_say(id, "%s", text);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    ssize_t got = read(fds[0], out, room - 1);
    out[got > 0 ? got : 0] = '\0';
    close(fds[0]);
}

static void a_line_has_time_level_id_and_text(void)
{
    char line[4096];
    logged(line, sizeof line, LOG_NODE_READY, "takes lines");
    const char *pattern = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; pattern[i] != '\0'; i++)
        CU_ASSERT_TRUE(pattern[i] == '0' ? isdigit((unsigned char)line[i]) != 0 : line[i] == pattern[i]);
    CU_ASSERT_STRING_EQUAL(line + strlen(pattern), " info  node-ready          takes lines\n");
}

static void a_message_stays_one_line(void)
{
    char line[4096];
    logged(line, sizeof line, LOG_EVENTS_LOST, "a\nb\x1b[31m\tc");
    CU_ASSERT_PTR_NOT_NULL(strstr(line, " a b [31m c\n"));
    CU_ASSERT_PTR_EQUAL(strchr(line, '\n'), line + strlen(line) - 1);
}

static void a_long_message_is_cut(void)
{
    char line[4096], text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    logged(line, sizeof line, LOG_EVENTS_LOST, text);
    CU_ASSERT_EQUAL(strlen(line), 2000);
    CU_ASSERT_EQUAL(line[1999], '\n');
}

static void levels_below_the_set_one_are_left_out(void)
{
    char line[4096];
    log_set_level(LEVEL_ERROR);
    logged(line, sizeof line, LOG_NODE_READY, "quiet");
    CU_ASSERT_STRING_EQUAL(line, "");
    logged(line, sizeof line, LOG_EVENTS_LOST, "loud");
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "error events-lost"));
    log_set_level(LEVEL_INFO);
}

SUITE(nodes_log, CASE(a_line_has_time_level_id_and_text), CASE(a_message_stays_one_line), CASE(a_long_message_is_cut),
      CASE(levels_below_the_set_one_are_left_out))
