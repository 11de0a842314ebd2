/* The table is whole: every variant has its row, every row its names, and no two answer to the same one. */
#include "weft/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "support/suite.h"

/* "token_usage" → "tokenUsage", as the JSON mapping of protobuf does it. */
static void camel_case(const char *name, char *out)
{
    bool capital = false;
    for (; *name != '\0'; name++) {
        if (*name != '_')
            *out++ = (char)(capital ? toupper((unsigned char)*name) : *name);
        capital = *name == '_';
    }
    *out = '\0';
}

static void expect_camel(const char *name, const char *json_name)
{
    char expected[64];
    camel_case(name, expected);
    CU_ASSERT_STRING_EQUAL(json_name, expected);
}

static void every_type_has_a_row(void)
{
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        CU_ASSERT_PTR_NOT_NULL_FATAL(schema);
        CU_ASSERT_PTR_NOT_NULL_FATAL(schema->name);
        CU_ASSERT_EQUAL((int)schema->type, type);
        CU_ASSERT_NOT_EQUAL(weft_topic_number(schema->topic), 0);
        CU_ASSERT_TRUE(schema->number >= 100 && schema->number <= 999);
    }
}

static void rows_are_found_by_number_and_name(void)
{
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        CU_ASSERT_PTR_EQUAL(weft_schema_by_number(schema->number), schema);
        CU_ASSERT_PTR_EQUAL(weft_schema_by_name(schema->name), schema);
        CU_ASSERT_PTR_EQUAL(weft_schema_by_name(schema->json_name), schema);
        expect_camel(schema->name, schema->json_name);
    }
}

static void what_is_unknown_has_no_row(void)
{
    CU_ASSERT_PTR_NULL(weft_schema_of(WEFT_EVENT_NONE));
    CU_ASSERT_PTR_NULL(weft_schema_of(WEFT_EVENT_TYPE_COUNT));
    CU_ASSERT_PTR_NULL(weft_schema_of((weft_event_type)-1));
    const unsigned numbers[] = {0, 1, 99, 118, 999, 1000, 4294967295u};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        CU_ASSERT_PTR_NULL(weft_schema_by_number(numbers[i]));
    CU_ASSERT_PTR_NULL(weft_schema_by_name("TokenUsage"));
    CU_ASSERT_PTR_NULL(weft_schema_by_name(""));
    CU_ASSERT_PTR_NULL(weft_schema_by_name(NULL));
}

static void expect_good_field(const weft_field *field)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(field->name);
    expect_camel(field->name, field->json_name);
    CU_ASSERT_TRUE(field->offset < offsetof(weft_event, keeper));
    CU_ASSERT_EQUAL(field->kind == WEFT_FIELD_ENUM, field->value_prefix != NULL);
    if (field->kind == WEFT_FIELD_ENUM) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(field->values);
        CU_ASSERT_STRING_EQUAL(field->values[0], "unspecified");
    }
}

static void expect_distinct(const weft_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            CU_ASSERT_NOT_EQUAL(fields[i].offset, fields[j].offset);
            CU_ASSERT_STRING_NOT_EQUAL(fields[i].name, fields[j].name);
            CU_ASSERT_TRUE(fields[i].number == 0 || fields[i].number != fields[j].number);
        }
}

static void fields_are_named_and_distinct(void)
{
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        for (size_t i = 0; i < schema->field_count; i++)
            expect_good_field(&schema->fields[i]);
        expect_distinct(schema->fields, schema->field_count);
    }
}

static void the_envelope_is_all_there(void)
{
    size_t count;
    const weft_field *fields = weft_envelope_fields(&count);
    CU_ASSERT_EQUAL(count, 13); /* 15 numbers on the wire, less tags and attributes */
    for (size_t i = 0; i < count; i++) {
        expect_good_field(&fields[i]);
        CU_ASSERT_NOT_EQUAL(fields[i].number, 0);
    }
    expect_distinct(fields, count);
}

static void variants_show_the_ids_they_share_with_the_envelope(void)
{
    const weft_schema *schema = weft_schema_of(WEFT_SESSION_MUTATION);
    CU_ASSERT_STRING_EQUAL(schema->fields[0].name, "session_id");
    CU_ASSERT_EQUAL(schema->fields[0].offset, offsetof(weft_event, session_id));
    CU_ASSERT_EQUAL(schema->fields[0].number, 0);
}

static void a_field_is_where_its_struct_has_it(void)
{
    weft_event event = {.type = WEFT_TOKEN_USAGE, .token_usage = {.cache_write_tokens = 77}};
    const weft_schema *schema = weft_schema_of(WEFT_TOKEN_USAGE);
    CU_ASSERT_EQUAL_FATAL(schema->field_count, 6);
    CU_ASSERT_STRING_EQUAL(schema->fields[4].name, "cache_write_tokens");
    CU_ASSERT_EQUAL(*(const uint64_t *)(const void *)((const char *)&event + schema->fields[4].offset), 77);
}

static void what_lasts_is_ended_by_a_variant_with_the_same_id(void)
{
    unsigned lasting = 0;
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *begin = weft_schema_of((weft_event_type)type);
        CU_ASSERT_EQUAL(begin->ended_by != WEFT_EVENT_NONE, begin->ended_id != NULL);
        if (begin->ended_by == WEFT_EVENT_NONE)
            continue;
        const weft_schema *end = weft_schema_of(begin->ended_by);
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        const weft_field *id = weft_schema_field(begin, begin->ended_id);
        const weft_field *end_id = weft_schema_field(end, begin->ended_id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(end_id);
        CU_ASSERT_TRUE(id->kind == WEFT_FIELD_ID && end_id->kind == WEFT_FIELD_ID);
        CU_ASSERT_EQUAL(begin->topic, end->topic);
        CU_ASSERT_EQUAL(end->ended_by, WEFT_EVENT_NONE);
        lasting++;
    }
    CU_ASSERT_EQUAL(lasting, 4);
    CU_ASSERT_PTR_NULL(weft_schema_field(weft_schema_of(WEFT_TOOL_CALL_START), "call"));
}

static void what_is_joined_is_a_text_of_a_best_effort_topic(void)
{
    unsigned joined = 0;
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        if (schema->joined == NULL)
            continue;
        const weft_field *text = weft_schema_field(schema, schema->joined);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_EQUAL(text->kind, WEFT_FIELD_STRING);
        CU_ASSERT_NOT_EQUAL((uint32_t)schema->topic & (uint32_t)WEFT_TOPICS_BEST_EFFORT, 0);
        joined++;
    }
    CU_ASSERT_EQUAL(joined, 2);
}

SUITE(core_schema, CASE(every_type_has_a_row), CASE(rows_are_found_by_number_and_name),
      CASE(what_is_unknown_has_no_row), CASE(fields_are_named_and_distinct), CASE(the_envelope_is_all_there),
      CASE(variants_show_the_ids_they_share_with_the_envelope), CASE(a_field_is_where_its_struct_has_it),
      CASE(what_lasts_is_ended_by_a_variant_with_the_same_id), CASE(what_is_joined_is_a_text_of_a_best_effort_topic))
