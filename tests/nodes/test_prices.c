/* Prices: exact integer money, a user's own table, and models nobody knows. */
#include "nodes/prices.h"

#include <CUnit/CUnit.h>
#include <string.h>

#include "support/suite.h"
#include "temp_file.h"

static void costs_are_exact_nano_usd(void)
{
    prices *p;
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    token_counts one = {.input = 1, .output = 1, .cache_read = 1, .cache_write = 1};
    CU_ASSERT_EQUAL(prices_cost(p, "claude-opus-4-5-20251101", &one, NULL), 5000 + 25000 + 500 + 6250);
    CU_ASSERT_EQUAL(prices_cost(p, "claude-haiku-4-5", &one, NULL), 1000 + 5000 + 100 + 1250);
    CU_ASSERT_EQUAL(prices_cost(p, "gemini-2.5-flash", &one, NULL), 300 + 2500 + 75);
    token_counts month = {.input = 303740, .output = 1212103, .cache_read = 792301937, .cache_write = 41101135};
    CU_ASSERT_EQUAL(prices_cost(p, "claude-opus-4-5", &month, NULL), 684854337250);
    prices_destroy(p);
}

static void costs_saturate_where_a_double_is_exact(void)
{
    prices *p;
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    token_counts all = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    CU_ASSERT_EQUAL(prices_cost(p, "o3", &all, NULL), 1000000000000000);
    prices_destroy(p);
}

static void an_unknown_model_costs_nothing_and_is_reported_once(void)
{
    prices *p;
    bool unknown;
    token_counts one = {.input = 1};
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    CU_ASSERT_EQUAL(prices_cost(p, "new-model", &one, &unknown), 0);
    CU_ASSERT(unknown);
    CU_ASSERT_EQUAL(prices_cost(p, "new-model", &one, &unknown), 0);
    CU_ASSERT_FALSE(unknown);
    CU_ASSERT_EQUAL(prices_cost(p, "o3", &one, &unknown), 2000);
    CU_ASSERT_FALSE(unknown);
    CU_ASSERT_EQUAL(prices_cost(p, "other-model", &one, &unknown), 0);
    CU_ASSERT(unknown);
    prices_destroy(p);
}

static weft_status load(prices *p, const char *text, char *error, size_t error_size)
{
    char dir[TEMP_PATH_BYTES], path[TEMP_PATH_BYTES];
    temp_dir_make(dir);
    temp_path(path, dir, "prices.json");
    temp_write(path, "w", text);
    weft_status status = prices_load(p, path, error, error_size);
    temp_dir_remove(dir);
    return status;
}

static void a_file_adds_models_and_replaces_prices(void)
{
    prices *p;
    char error[1024] = "";
    token_counts one = {.input = 1000000, .output = 2, .cache_read = 1};
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    CU_ASSERT_EQUAL(
        load(p, "{\"mine\":{\"input\":0.0375,\"output\":1,\"cache_read\":0.0005},\"o3\":{\"input\":1,\"output\":0}}",
             error, sizeof error),
        WEFT_OK);
    CU_ASSERT_EQUAL(prices_cost(p, "mine", &one, NULL), 37500000 + 2000 + 1);
    CU_ASSERT_EQUAL(prices_cost(p, "o3", &one, NULL), 1000000000);
    prices_destroy(p);
}

static void a_bad_file_is_refused_with_its_name_and_changes_nothing(void)
{
    static const struct {
        const char *text;
        const char *complaint;
    } bad[] = {{"{", "prices.json:1:"},
               {"[]", "prices.json: expected an object"},
               {"{\"o3\":{\"input\":9,\"output\":9},\"x\":7}", "model 'x': no object"},
               {"{\"o3\":{\"input\":9,\"output\":9},\"x\":{\"input\":1}}", "model 'x': output"},
               {"{\"o3\":{\"input\":9,\"output\":9},\"x\":{\"input\":-1,\"output\":1}}", "model 'x': input"},
               {"{\"o3\":{\"input\":9,\"output\":9},\"x\":{\"input\":\"1\",\"output\":1}}", "model 'x': input"},
               {"{\"o3\":{\"input\":9,\"output\":9},\"x\":{\"input\":1,\"output\":1,\"extra\":1}}",
                "model 'x': an unknown member"}};
    prices *p;
    char error[1024];
    token_counts one = {.input = 1};
    CU_ASSERT_EQUAL_FATAL(prices_create(&p), WEFT_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_EQUAL(load(p, bad[i].text, error, sizeof error), WEFT_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, bad[i].complaint));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, "prices.json"));
        CU_ASSERT_EQUAL(prices_cost(p, "o3", &one, NULL), 2000);
    }
    CU_ASSERT_EQUAL(prices_load(p, "/nowhere/prices.json", error, sizeof error), WEFT_IO);
    CU_ASSERT_STRING_EQUAL(error, "/nowhere/prices.json: No such file or directory");
    prices_destroy(p);
}

SUITE(nodes_prices, CASE(costs_are_exact_nano_usd), CASE(costs_saturate_where_a_double_is_exact),
      CASE(an_unknown_model_costs_nothing_and_is_reported_once), CASE(a_file_adds_models_and_replaces_prices),
      CASE(a_bad_file_is_refused_with_its_name_and_changes_nothing))
