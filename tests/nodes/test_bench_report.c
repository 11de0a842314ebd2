/* tests/nodes/test_bench_report.c: the same rows for people and for programs. */
#include "nodes/bench_report.h"

#include <jansson.h>
#include <string.h>

#include "support/suite.h"

static void rows_write(bench_report *r, const histogram *ns)
{
    bench_report_text(r, "node", "node", "host \"a\"");
    bench_report_count(r, "events", "events", 1234567);
    bench_report_number(r, "per_s", "rate", 54321.4, "events/s");
    bench_report_number(r, "each", "each", 0.5, "µs");
    bench_report_flag(r, "interrupted", true);
    bench_report_latency(r, "latency", "latency", ns);
}

static json_t *object_of(const histogram *ns)
{
    bench_report r;
    bench_report_begin(&r, true, "pub");
    rows_write(&r, ns);
    weft_text_printf(&r.text, "}");
    json_error_t error;
    json_t *object = json_loads(r.text.data, JSON_REJECT_DUPLICATES, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    weft_text_fini(&r.text);
    return object;
}

static double member(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void as_json_it_is_one_object(void)
{
    static histogram ns;
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_add(&ns, i * 1000);
    json_t *object = object_of(&ns), *latency = json_object_get(object, "latency_us");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "bench")), "pub");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(object, "node")), "host \"a\"");
    CU_ASSERT_EQUAL(member(object, "events"), 1234567);
    CU_ASSERT_DOUBLE_EQUAL(member(object, "per_s"), 54321.4, 0.01);
    CU_ASSERT(json_is_true(json_object_get(object, "interrupted")));
    CU_ASSERT_DOUBLE_EQUAL(member(latency, "mean"), 500.5, 0.01);
    CU_ASSERT(member(latency, "p50") >= 500 && member(latency, "p50") <= 516);
    CU_ASSERT(member(latency, "p99") >= 990 && member(latency, "p99") <= 1000);
    CU_ASSERT_EQUAL(member(latency, "max"), 1000);
    json_decref(object);
}

static void without_values_there_is_no_latency(void)
{
    static const histogram none;
    json_t *object = object_of(&none);
    CU_ASSERT(json_is_null(json_object_get(object, "latency_us")));
    json_decref(object);
    bench_report r;
    bench_report_begin(&r, false, "pub");
    rows_write(&r, &none);
    CU_ASSERT_PTR_NULL(strstr(r.text.data, "latency"));
    weft_text_fini(&r.text);
}

static void as_a_table_it_is_a_line_a_row(void)
{
    static histogram ns;
    histogram_add(&ns, 40000);
    bench_report r;
    bench_report_begin(&r, false, "pub");
    rows_write(&r, &ns);
    CU_ASSERT_STRING_EQUAL(r.text.data,
                           "node                           host \"a\"\n"
                           "events                              1,234,567\n"
                           "rate                                   54,321 events/s\n"
                           "each                                    0.500 µs\n"
                           "latency                        mean 40.00, p50 40.00, p90 40.00, p99 40.00, p999 40.00, "
                           "max 40.00 µs\n");
    weft_text_fini(&r.text);
}

SUITE(nodes_bench_report, CASE(as_json_it_is_one_object), CASE(without_values_there_is_no_latency),
      CASE(as_a_table_it_is_a_line_a_row))
