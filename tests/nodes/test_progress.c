/* tests/nodes/test_progress.c: what is drawn, and when. */
#include "nodes/progress.h"

#include <stdlib.h>
#include <string.h>

#include "support/suite.h"

static const char *format(progress_point point, bool bar)
{
    static char text[PROGRESS_TEXT_BYTES];
    progress_format(&point, bar, text);
    return text;
}

static void shows_bar_percent_rate_and_the_time_left(void)
{
    CU_ASSERT_STRING_EQUAL(format((progress_point){250000, "events", 0.25, 125000, 2000}, true),
                           "[######..................]  25%  250,000 events, 125,000/s, 6 s left");
    CU_ASSERT_STRING_EQUAL(format((progress_point){250000, "events", 0.25, 125000, 2000}, false),
                           " 25%  250,000 events, 125,000/s, 6 s left");
    CU_ASSERT_STRING_EQUAL(format((progress_point){10, "requests", 0.5, 0.2, 600000}, false),
                           " 50%  10 requests, 0/s, 10 min left");
}

static void without_an_end_it_shows_the_time_passed(void)
{
    CU_ASSERT_STRING_EQUAL(format((progress_point){1234567, "events", -1, 999.6, 61000}, true),
                           "1,234,567 events, 1,000/s, 61 s");
}

static void stays_in_its_room_whatever_the_figures(void)
{
    const char *text = format((progress_point){UINT64_MAX, "events", 0.0011, 1e18, INT64_MAX / 2}, true);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "18,446,744,073,709,551,615 events"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "99 h left"));
    CU_ASSERT_PTR_NOT_NULL(strstr(format((progress_point){1, "events", 7, 1, 1000}, true), "100%"));
    CU_ASSERT_PTR_NOT_NULL(strstr(format((progress_point){999, "events", 0.999, 1, 1000}, true), " 99%"));
}

/* What a progress of so many ms, looked at every 100 ms, writes to something that is no terminal. */
static size_t lines_written(int64_t until_ms, char **ret_text)
{
    size_t size = 0, lines = 0;
    progress p;
    FILE *out = tmpfile();
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    progress_begin(&p, out, 1000);
    for (int64_t ms = 0; ms <= until_ms; ms += 100)
        progress_show(&p, (uint64_t)ms * 10, "events", (double)ms / 60000, 1000 + ms);
    progress_end(&p);
    size = (size_t)ftell(out);
    rewind(out);
    *ret_text = calloc(1, size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*ret_text);
    CU_ASSERT_EQUAL(fread(*ret_text, 1, size, out), size);
    for (const char *at = *ret_text; *at != '\0'; at++)
        lines += *at == '\n';
    fclose(out);
    return lines;
}

static void off_a_terminal_it_is_a_line_every_five_seconds(void)
{
    char *text;
    CU_ASSERT_EQUAL(lines_written(4900, &text), 0);
    free(text);
    CU_ASSERT_EQUAL(lines_written(15000, &text), 3);
    CU_ASSERT_PTR_NULL(strchr(text, '\033'));
    CU_ASSERT_PTR_NULL(strchr(text, '\r'));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "100,000 events, 10,000/s, 50 s left"));
    free(text);
}

static void says_nothing_without_a_place(void)
{
    progress p;
    progress_begin(&p, NULL, 0);
    progress_show(&p, 1, "events", 0.5, 100000);
    progress_end(&p);
    CU_ASSERT_FALSE(p.drawn);
}

SUITE(nodes_progress, CASE(shows_bar_percent_rate_and_the_time_left), CASE(without_an_end_it_shows_the_time_passed),
      CASE(stays_in_its_room_whatever_the_figures), CASE(off_a_terminal_it_is_a_line_every_five_seconds),
      CASE(says_nothing_without_a_place))
