/* The line reader: what it takes for a line, where it stands, and what it says about files that it cannot read. */
#include "nodes/line_reader.h"

#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/suite.h"
#include "temp_file.h"

static char dir[TEMP_PATH_BYTES];
static char path[TEMP_PATH_BYTES];
static char error[1024];

static void begin(void)
{
    temp_dir_make(dir);
    temp_path(path, dir, "t.jsonl");
}

static line_reader *open_at(const line_position *from, size_t max_bytes)
{
    line_reader *r = NULL;
    CU_ASSERT_EQUAL_FATAL(line_reader_open(path, from, max_bytes, &r, error, sizeof error), WEFT_OK);
    return r;
}

static void expect_line(line_reader *r, const char *text, uint64_t line, uint64_t offset)
{
    const char *got = "";
    size_t length = 0;
    CU_ASSERT_EQUAL_FATAL(line_reader_next(r, true, &got, &length), LINE_READER_LINE);
    CU_ASSERT_STRING_EQUAL(got, text);
    CU_ASSERT_EQUAL(length, strlen(text));
    CU_ASSERT_EQUAL(line_reader_position(r).line, line);
    CU_ASSERT_EQUAL(line_reader_position(r).offset, offset);
}

static void expect_end(line_reader *r, bool take_rest)
{
    const char *got;
    size_t length;
    CU_ASSERT_EQUAL(line_reader_next(r, take_rest, &got, &length), LINE_READER_END);
}

static void reads_lines_with_their_positions(void)
{
    begin();
    temp_write(path, "w", "one\n\ntwo\r\nlast");
    line_reader *r = open_at(NULL, 0);
    expect_line(r, "one", 1, 4);
    expect_line(r, "", 2, 5);
    expect_line(r, "two", 3, 10);
    expect_line(r, "last", 4, 14);
    CU_ASSERT_EQUAL(line_reader_previous(r).line, 3);
    CU_ASSERT_EQUAL(line_reader_previous(r).offset, 10);
    expect_end(r, true);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void reads_gzip_by_content_and_joins_its_members(void)
{
    begin();
    temp_write_gz(path, "one\ntw");
    temp_write_gz(path, "o\nthree\n");
    line_reader *r = open_at(NULL, 0);
    expect_line(r, "one", 1, 4);
    expect_line(r, "two", 2, 8);
    expect_line(r, "three", 3, 14);
    expect_end(r, true);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void resumes_at_every_position(void)
{
    for (int packed = 0; packed < 2; packed++) {
        begin();
        if (packed)
            temp_write_gz(path, "a\nbb\nccc\n");
        else
            temp_write(path, "w", "a\nbb\nccc\n");
        line_position after_first = {.offset = 2, .line = 1};
        line_reader *r = open_at(&after_first, 0);
        expect_line(r, "bb", 2, 5);
        line_position after_second = line_reader_position(r);
        line_reader_close(r);
        r = open_at(&after_second, 0);
        expect_line(r, "ccc", 3, 9);
        line_position after_all = line_reader_position(r);
        line_reader_close(r);
        r = open_at(&after_all, 0);
        expect_end(r, true);
        line_reader_close(r);
        temp_dir_remove(dir);
    }
}

static void leaves_an_unfinished_line_until_it_is_whole(void)
{
    begin();
    temp_write(path, "w", "one\ntw");
    line_reader *r = open_at(NULL, 0);
    const char *got;
    size_t length;
    CU_ASSERT_EQUAL(line_reader_next(r, false, &got, &length), LINE_READER_LINE);
    expect_end(r, false);
    expect_end(r, false);
    temp_write(path, "a", "o\nthree\n");
    expect_line(r, "two", 2, 8);
    expect_line(r, "three", 3, 14);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void goes_on_behind_a_last_line_that_got_its_newline_later(void)
{
    begin();
    temp_write(path, "w", "one\ntwo");
    line_reader *r = open_at(NULL, 0);
    expect_line(r, "one", 1, 4);
    expect_line(r, "two", 2, 7);
    line_position end = line_reader_position(r);
    CU_ASSERT(end.open);
    line_reader_close(r);
    temp_write(path, "a", "\nthree\n");
    r = open_at(&end, 0);
    expect_line(r, "three", 3, 14);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void skips_a_line_that_is_too_long_and_names_it(void)
{
    static char text[300001];
    const char *got;
    size_t length;
    begin();
    memset(text, 'x', sizeof text - 1);
    temp_write(path, "w", "one\n");
    temp_write(path, "a", text);
    temp_write(path, "a", "\n123456789\n1234567890\n");
    temp_write(path, "a", text);
    line_reader *r = open_at(NULL, 9);
    expect_line(r, "one", 1, 4);
    CU_ASSERT_EQUAL(line_reader_next(r, true, &got, &length), LINE_READER_TOO_LONG);
    CU_ASSERT_PTR_NOT_NULL(strstr(line_reader_error(r), "t.jsonl:2: line longer than 9 bytes"));
    expect_line(r, "123456789", 3, 4 + 300001 + 10);
    CU_ASSERT_EQUAL(line_reader_next(r, true, &got, &length), LINE_READER_TOO_LONG);
    CU_ASSERT_EQUAL(line_reader_next(r, true, &got, &length), LINE_READER_TOO_LONG);
    CU_ASSERT_EQUAL(line_reader_position(r).line, 5);
    CU_ASSERT_EQUAL(line_reader_position(r).offset, 4 + 300001 + 10 + 11 + 300000);
    expect_end(r, true);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void reads_long_lines_within_the_bound(void)
{
    static char text[1000001];
    begin();
    memset(text, 'y', sizeof text - 1);
    temp_write(path, "w", text);
    temp_write(path, "a", "\nend\n");
    line_reader *r = open_at(NULL, 0);
    expect_line(r, text, 1, 1000001);
    expect_line(r, "end", 2, 1000005);
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void says_why_a_file_cannot_be_read(void)
{
    line_reader *r;
    begin();
    CU_ASSERT_EQUAL(line_reader_open(path, NULL, 0, &r, error, sizeof error), WEFT_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "t.jsonl: No such file"));
    CU_ASSERT_EQUAL(line_reader_open(dir, NULL, 0, &r, error, sizeof error), WEFT_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "is a directory"));
    temp_write(path, "w", "one\n");
    line_position beyond = {.offset = 5, .line = 2};
    CU_ASSERT_EQUAL(line_reader_open(path, &beyond, 0, &r, error, sizeof error), WEFT_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "shorter than what was read"));
    temp_dir_remove(dir);
}

static void says_that_gzip_data_is_cut_off(void)
{
    static char text[200001];
    const char *got;
    size_t length;
    begin();
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = i % 100 == 99 ? '\n' : (char)('a' + (i * i / 7) % 26);
    temp_write_gz(path, text);
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL_FATAL(truncate(path, status.st_size / 2), 0);
    line_reader *r = open_at(NULL, 0);
    line_reader_result result;
    while ((result = line_reader_next(r, true, &got, &length)) == LINE_READER_LINE)
        ;
    CU_ASSERT_EQUAL(result, LINE_READER_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(line_reader_error(r), "t.jsonl:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(line_reader_error(r), "ends too early"));
    line_reader_close(r);
    temp_dir_remove(dir);
}

static void takes_lines_from_a_pipe_as_they_come(void)
{
    int ends[2];
    char descriptor[64];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    snprintf(descriptor, sizeof descriptor, "/dev/fd/%d", ends[0]);
    memcpy(path, descriptor, sizeof descriptor);
    line_reader *r = open_at(NULL, 0);
    CU_ASSERT_FALSE(line_reader_ready(r, 0));
    CU_ASSERT_EQUAL(write(ends[1], "{\ntwo\nthr", 9), 9);
    CU_ASSERT(line_reader_ready(r, 0));
    expect_line(r, "{", 1, 2);
    CU_ASSERT(line_reader_ready(r, 0));
    expect_line(r, "two", 2, 6);
    CU_ASSERT_FALSE(line_reader_ready(r, 0));
    CU_ASSERT_EQUAL(write(ends[1], "ee", 2), 2);
    close(ends[1]);
    CU_ASSERT(line_reader_ready(r, 0));
    expect_line(r, "three", 3, 11);
    expect_end(r, true);
    line_reader_close(r);
    close(ends[0]);
}

static void reads_gzip_from_a_pipe_byte_by_byte(void)
{
    int ends[2];
    char packed[256];
    begin();
    temp_write_gz(path, "one\n");
    temp_write_gz(path, "two\n");
    FILE *file = fopen(path, "rb");
    size_t length = fread(packed, 1, sizeof packed, file);
    fclose(file);
    temp_dir_remove(dir);
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    line_reader *r = open_at(NULL, 0);
    const char *got = NULL;
    size_t got_length, lines = 0;
    for (size_t i = 0; i < length; i++) {
        CU_ASSERT_EQUAL(write(ends[1], packed + i, 1), 1);
        while (line_reader_ready(r, 0) && lines < 2) {
            if (line_reader_next(r, false, &got, &got_length) != LINE_READER_LINE)
                break;
            CU_ASSERT_STRING_EQUAL(got, lines == 0 ? "one" : "two");
            lines++;
        }
        if (i + 1 == length)
            close(ends[1]);
    }
    while (lines < 2 && line_reader_next(r, true, &got, &got_length) == LINE_READER_LINE)
        lines++;
    CU_ASSERT_EQUAL(lines, 2);
    expect_end(r, true);
    line_reader_close(r);
    close(ends[0]);
}

static void notices_a_file_that_shrank(void)
{
    begin();
    temp_write(path, "w", "one\ntwo\n");
    line_reader *r = open_at(NULL, 0);
    expect_line(r, "one", 1, 4);
    expect_line(r, "two", 2, 8);
    CU_ASSERT_FALSE(line_reader_shrank(r));
    temp_write(path, "w", "new\n");
    CU_ASSERT(line_reader_shrank(r));
    line_reader_close(r);
    temp_dir_remove(dir);
}

SUITE(nodes_line_reader, CASE(reads_lines_with_their_positions), CASE(reads_gzip_by_content_and_joins_its_members),
      CASE(resumes_at_every_position), CASE(leaves_an_unfinished_line_until_it_is_whole),
      CASE(goes_on_behind_a_last_line_that_got_its_newline_later), CASE(skips_a_line_that_is_too_long_and_names_it),
      CASE(reads_long_lines_within_the_bound), CASE(says_why_a_file_cannot_be_read),
      CASE(says_that_gzip_data_is_cut_off), CASE(takes_lines_from_a_pipe_as_they_come),
      CASE(reads_gzip_from_a_pipe_byte_by_byte), CASE(notices_a_file_that_shrank))
