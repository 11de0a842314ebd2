/* nodes/prices.c: see the header.
 *
 * A price is kept as nano-USD per million tokens, which holds nine decimals of the published figures exactly; the one
 * rounding is in the division by a million, for each request. At most UNKNOWN_MAX unknown models are remembered; beyond
 * that, further ones are not reported. */
#include "nodes/prices.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/string_map.h"

enum { UNKNOWN_MAX = 1024 };

__extension__ typedef unsigned __int128 wide;

static const int64_t cost_max = 1000000000000000;

/* USD per million tokens. */
typedef struct model_price {
    double input;
    double output;
    double cache_read;
    double cache_write;
} model_price;

static const struct {
    const char *model;
    model_price usd;
} builtin[] = {
    {"claude-opus-4-5-20251101", {5, 25, 0.5, 6.25}},
    {"claude-opus-4-5", {5, 25, 0.5, 6.25}},
    {"claude-opus-4-6", {5, 25, 0.5, 6.25}},
    {"claude-sonnet-4-5-20250929", {3, 15, 0.3, 3.75}},
    {"claude-sonnet-4-5", {3, 15, 0.3, 3.75}},
    {"claude-haiku-4-5-20251001", {1, 5, 0.1, 1.25}},
    {"claude-haiku-4-5", {1, 5, 0.1, 1.25}},
    {"claude-3-7-sonnet-20250219", {3, 15, 0.3, 3.75}},
    {"claude-3-5-sonnet-20241022", {3, 15, 0.3, 3.75}},
    {"gpt-4o", {2.5, 10, 1.25, 0}},
    {"gpt-4o-mini", {0.15, 0.6, 0.08, 0}},
    {"gpt-5", {1.25, 10, 0.125, 0}},
    {"gpt-5.1-codex", {1.25, 10, 0.125, 0}},
    {"gpt-5.2", {1.75, 14, 0.175, 0}},
    {"o3", {2, 8, 0.5, 0}},
    {"o3-mini", {1.1, 4.4, 0.55, 0}},
    {"gemini-2.5-pro", {1.25, 10, 0.31, 0}},
    {"gemini-2.5-flash", {0.3, 2.5, 0.075, 0}},
    {"gemini-3-pro-preview", {2, 12, 0.2, 0}},
    {"gemini-3-flash-preview", {0.5, 3, 0.05, 0}},
};

/* nano-USD per million tokens */
typedef struct nano_price {
    uint64_t input;
    uint64_t output;
    uint64_t cache_read;
    uint64_t cache_write;
} nano_price;

struct prices {
    string_map models;  /* of nano_price */
    string_map unknown; /* values not used */
};

static bool price_put(prices *p, const char *model, const model_price *usd)
{
    nano_price *price = string_map_get(&p->models, model);
    if (price == NULL) {
        price = malloc(sizeof *price);
        if (price == NULL || !string_map_put(&p->models, model, price)) {
            free(price);
            return false;
        }
    }
    *price = (nano_price){(uint64_t)llround(usd->input * 1e9), (uint64_t)llround(usd->output * 1e9),
                          (uint64_t)llround(usd->cache_read * 1e9), (uint64_t)llround(usd->cache_write * 1e9)};
    return true;
}

weft_status prices_create(prices **ret)
{
    prices *p = calloc(1, sizeof *p);
    if (p == NULL)
        return WEFT_NO_MEMORY;
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (!price_put(p, builtin[i].model, &builtin[i].usd)) {
            prices_destroy(p);
            return WEFT_NO_MEMORY;
        }
    }
    *ret = p;
    return WEFT_OK;
}

void prices_destroy(prices *p)
{
    if (p == NULL)
        return;
    string_map_fini(&p->models, free);
    string_map_fini(&p->unknown, NULL);
    free(p);
}

static bool figure_read(const json_t *value, double *ret)
{
    *ret = json_number_value(value);
    return json_is_number(value) && *ret >= 0 && *ret <= 1e6;
}

/* Reads one model's figures; names the offending member on failure. */
static bool price_read(json_t *row, model_price *ret, const char **ret_member)
{
    const struct {
        const char *name;
        double *usd;
        bool required;
    } members[] = {{"input", &ret->input, true},
                   {"output", &ret->output, true},
                   {"cache_read", &ret->cache_read, false},
                   {"cache_write", &ret->cache_write, false}};
    *ret = (model_price){0};
    size_t known = 0;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *value = json_object_get(row, members[i].name);
        *ret_member = members[i].name;
        if (value == NULL && members[i].required)
            return false;
        if (value != NULL && !figure_read(value, members[i].usd))
            return false;
        known += value != NULL;
    }
    *ret_member = "an unknown member";
    return json_object_size(row) == known;
}

static weft_status table_check(json_t *table, const char *path, char *error, size_t error_size)
{
    if (!json_is_object(table)) {
        snprintf(error, error_size, "%s: expected an object of models", path);
        return WEFT_INVALID;
    }
    const char *model;
    json_t *row;
    json_object_foreach(table, model, row)
    {
        model_price price;
        const char *member = "";
        if (!json_is_object(row) || !price_read(row, &price, &member)) {
            snprintf(error, error_size,
                     "%s: model '%.100s': %s: expected {\"input\", \"output\", \"cache_read\", \"cache_write\"} in USD "
                     "per million tokens, 0 to 1000000",
                     path, model, json_is_object(row) ? member : "no object");
            return WEFT_INVALID;
        }
    }
    return WEFT_OK;
}

weft_status prices_load(prices *p, const char *path, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return WEFT_IO;
    }
    json_error_t json_error;
    json_t *table = json_loadf(file, JSON_REJECT_DUPLICATES, &json_error);
    fclose(file);
    if (table == NULL) {
        snprintf(error, error_size, "%s:%d:%d: %s", path, json_error.line, json_error.column, json_error.text);
        return WEFT_INVALID;
    }
    weft_status status = table_check(table, path, error, error_size);
    const char *model;
    json_t *row;
    if (status == WEFT_OK) {
        json_object_foreach(table, model, row)
        {
            model_price price;
            const char *member;
            if (price_read(row, &price, &member) && !price_put(p, model, &price))
                status = WEFT_NO_MEMORY;
        }
    }
    json_decref(table);
    return status;
}

int64_t prices_cost(prices *p, const char *model, const token_counts *tokens, bool *ret_unknown)
{
    const nano_price *price = string_map_get(&p->models, model);
    if (ret_unknown != NULL)
        *ret_unknown = false;
    if (price == NULL) {
        static char seen;
        bool first = string_map_get(&p->unknown, model) == NULL && p->unknown.count < UNKNOWN_MAX &&
                     string_map_put(&p->unknown, model, &seen);
        if (ret_unknown != NULL)
            *ret_unknown = first;
        return 0;
    }
    wide sum = (wide)tokens->input * price->input + (wide)tokens->output * price->output +
               (wide)tokens->cache_read * price->cache_read + (wide)tokens->cache_write * price->cache_write;
    wide nano = (sum + 500000) / 1000000;
    return nano > (wide)cost_max ? cost_max : (int64_t)nano;
}
