/* The small tools of ingestion: map, memory of ids, short ids, times. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/seen_set.h"
#include "nodes/short_id.h"
#include "nodes/string_map.h"
#include "nodes/timestamp.h"
#include "support/suite.h"
#include "weft/json.h"

static void map_finds_what_was_put_and_not_what_was_taken(void)
{
    string_map map = {0};
    int values[1000];
    char key[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        CU_ASSERT(string_map_put(&map, key, &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "key%d", i);
        CU_ASSERT_PTR_EQUAL(string_map_take(&map, key), &values[i]);
        CU_ASSERT_PTR_NULL(string_map_take(&map, key));
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%d", i);
        CU_ASSERT_PTR_EQUAL(string_map_get(&map, key), i % 2 == 0 ? NULL : &values[i]);
    }
    CU_ASSERT_EQUAL(map.count, 500);
    CU_ASSERT(string_map_put(&map, "key1", &values[0]));
    CU_ASSERT_PTR_EQUAL(string_map_get(&map, "key1"), &values[0]);
    CU_ASSERT_EQUAL(map.count, 500);
    string_map_fini(&map, NULL);
    CU_ASSERT_PTR_NULL(string_map_get(&map, "key1"));
}

static void map_keeps_the_order_of_insertion_over_any_churn(void)
{
    string_map map = {0};
    int value;
    char key[32];
    for (int i = 0; i < 5000; i++) { /* a window of 10 keys moves on */
        snprintf(key, sizeof key, "%d", i);
        CU_ASSERT(string_map_put(&map, key, &value));
        size_t cursor = 0;
        if (i >= 10)
            string_map_take(&map, string_map_next(&map, &cursor)->key);
    }
    size_t cursor = 0;
    const string_map_entry *entry;
    int expected = 4990;
    while ((entry = string_map_next(&map, &cursor)) != NULL)
        CU_ASSERT_EQUAL(atoi(entry->key), expected++);
    CU_ASSERT_EQUAL(expected, 5000);
    CU_ASSERT(map.capacity <= 64);
    string_map_fini(&map, NULL);
}

static void seen_set_forgets_the_oldest_only(void)
{
    seen_set set = {.max = 1000};
    char id[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "msg_%d", i);
        CU_ASSERT_FALSE(seen_set_has(&set, 'm', id));
        CU_ASSERT(seen_set_add(&set, 'm', id));
        CU_ASSERT_FALSE(seen_set_has(&set, 'c', id));
    }
    CU_ASSERT_EQUAL(set.count, 1000);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "msg_%d", i);
        CU_ASSERT_EQUAL(seen_set_has(&set, 'm', id), i >= 4000);
    }
    seen_set_limit(&set, 10);
    CU_ASSERT(seen_set_has(&set, 'm', "msg_4990"));
    CU_ASSERT_FALSE(seen_set_has(&set, 'm', "msg_4989"));
    seen_set_fini(&set);
}

static void seen_set_survives_as_text(void)
{
    seen_set set = {.max = 300}, copy = {.max = 300};
    char id[32];
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof id, "%d", i);
        CU_ASSERT(seen_set_add(&set, 'x', id));
    }
    char *text = seen_set_save(&set);
    CU_ASSERT_EQUAL_FATAL(strlen(text), 300 * 8);
    CU_ASSERT(seen_set_load(&copy, text));
    char *again = seen_set_save(&copy);
    CU_ASSERT_STRING_EQUAL(text, again);
    CU_ASSERT(seen_set_has(&copy, 'x', "399"));
    CU_ASSERT_FALSE(seen_set_has(&copy, 'x', "99"));
    CU_ASSERT_FALSE(seen_set_load(&copy, "AAAA"));
    CU_ASSERT_FALSE(seen_set_load(&copy, "AAAA!AAA"));
    free(text);
    free(again);
    seen_set_fini(&set);
    seen_set_fini(&copy);
}

static void short_ids_fit_and_stay_distinct(void)
{
    char name[400], one[SHORT_ID_BYTES], two[SHORT_ID_BYTES];
    memset(name, 'a', sizeof name);
    name[128] = '\0';
    short_id_from(one, name);
    CU_ASSERT_STRING_EQUAL(one, name);
    name[128] = 'a';
    name[129] = '\0';
    short_id_from(one, name);
    CU_ASSERT_EQUAL(strlen(one), 128);
    name[128] = 'b';
    short_id_from(two, name);
    CU_ASSERT_STRING_NOT_EQUAL(one, two);
    for (size_t i = 0; i + 1 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[398] = '\0';
    short_id_from(one, name);
    CU_ASSERT(weft_utf8_valid(one, strlen(one)));
    CU_ASSERT_EQUAL(strlen(one), 127);
    text_copy(one, 6, name);
    CU_ASSERT_STRING_EQUAL(one, "\xc3\xa9\xc3\xa9");
    short_id_from(one, NULL);
    CU_ASSERT_STRING_EQUAL(one, "");
}

static void times_are_read_and_written(void)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-01-05T12:17:31.459Z", 1767615451459},
                {"2026-01-05T12:17:31.45987Z", 1767615451459},
                {"2026-01-05T14:17:31.459+02:00", 1767615451459},
                {"2024-02-29T23:59:59.9Z", 1709251199900},
                {"2000-03-01T00:00:00Z", 951868800000}};
    static const char *const bad[] = {"",
                                      "2026-01-05",
                                      "2026-01-05T12:17:31",
                                      "2026-13-05T12:17:31Z",
                                      "2026-02-30T12:17:31Z",
                                      "2025-02-29T12:17:31Z",
                                      "2026-01-05T24:00:00Z",
                                      "2026-01-05T12:17:31.Z",
                                      "2026-01-05T12:17:31Zx",
                                      "1969-12-31T23:59:59Z",
                                      "1970-01-01T00:00:00+01:00"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CU_ASSERT(timestamp_parse(good[i].text, &ms));
        CU_ASSERT_EQUAL(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_FALSE(timestamp_parse(bad[i], &ms));
    char text[TIMESTAMP_BYTES];
    for (int64_t day = 0; day < 60000; day += 13) {
        timestamp_format(day * 86400000 + 45296789, text);
        CU_ASSERT(timestamp_parse(text, &ms));
        CU_ASSERT_EQUAL(ms, day * 86400000 + 45296789);
    }
    timestamp_format(1767615451459, text);
    CU_ASSERT_STRING_EQUAL(text, "2026-01-05T12:17:31.459Z");
}

SUITE(nodes_tables, CASE(map_finds_what_was_put_and_not_what_was_taken),
      CASE(map_keeps_the_order_of_insertion_over_any_churn), CASE(seen_set_forgets_the_oldest_only),
      CASE(seen_set_survives_as_text), CASE(short_ids_fit_and_stay_distinct), CASE(times_are_read_and_written))
