/* nodes/ingest_state.c: see the header. */
#include "nodes/ingest_state.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/short_id.h"
#include "weft/json.h"

void file_positions_fini(file_positions *p)
{
    string_map_fini(&p->map, free);
}

void file_name_from(char ret[FILE_NAME_BYTES], const char *path)
{
    char resolved[PATH_MAX];
    const char *full = strcmp(path, "-") != 0 && realpath(path, resolved) != NULL ? resolved : path;
    snprintf(ret, FILE_NAME_BYTES, "%016" PRIx64, short_id_hash(full, strlen(full)));
}

bool file_positions_get(const file_positions *p, const char *name, line_position *ret)
{
    const line_position *position = string_map_get(&p->map, name);
    if (position != NULL)
        *ret = *position;
    return position != NULL;
}

static void oldest_drop(file_positions *p)
{
    size_t cursor = 0;
    free(string_map_take(&p->map, string_map_next(&p->map, &cursor)->key));
}

bool file_positions_put(file_positions *p, const char *name, const line_position *position)
{
    line_position *own = string_map_take(&p->map, name);
    if (own == NULL)
        own = malloc(sizeof *own);
    if (own == NULL || !string_map_put(&p->map, name, own)) {
        free(own);
        return false;
    }
    *own = *position;
    while (p->map.count > p->max)
        oldest_drop(p);
    return true;
}

char *ingest_state_save(const file_positions *p, const transcript *engine)
{
    weft_text text = {0};
    char *inner = transcript_save(engine);
    const string_map_entry *entry;
    if (inner == NULL)
        return NULL;
    weft_text_printf(&text, "{\"v\":1,\"files\":{");
    for (size_t cursor = 0, i = 0; (entry = string_map_next(&p->map, &cursor)) != NULL; i++) {
        const line_position *at = entry->value;
        weft_text_printf(&text, "%s\"%s\":[%" PRIu64 ",%" PRIu64 ",%d]", i == 0 ? "" : ",", entry->key, at->offset,
                         at->line, at->open);
    }
    weft_text_printf(&text, "},\"engine\":");
    weft_text_append(&text, inner, strlen(inner));
    weft_text_append(&text, "}", 1);
    free(inner);
    if (!text.failed)
        return text.data;
    weft_text_fini(&text);
    return NULL;
}

static weft_status files_load(json_t *files, file_positions *p)
{
    const char *name;
    json_t *row;
    json_object_foreach(files, name, row)
    {
        json_int_t offset, line, open;
        if (json_unpack(row, "[III!]", &offset, &line, &open) != 0 || offset < 0 || line < 0 ||
            strlen(name) >= FILE_NAME_BYTES)
            return WEFT_CORRUPT;
        line_position position = {.offset = (uint64_t)offset, .line = (uint64_t)line, .open = open != 0};
        if (!file_positions_put(p, name, &position))
            return WEFT_NO_MEMORY;
    }
    return json_is_object(files) ? WEFT_OK : WEFT_CORRUPT;
}

weft_status ingest_state_load(const char *text, file_positions *p, transcript *engine, int64_t now_ms)
{
    json_t *root = json_loads(text, 0, NULL);
    json_t *inner = json_object_get(root, "engine");
    weft_status status = json_integer_value(json_object_get(root, "v")) == 1
                             ? files_load(json_object_get(root, "files"), p)
                             : WEFT_CORRUPT;
    char *engine_text = json_is_object(inner) ? json_dumps(inner, JSON_COMPACT) : NULL;
    if (status == WEFT_OK && engine_text == NULL)
        status = json_is_object(inner) ? WEFT_NO_MEMORY : WEFT_CORRUPT;
    if (status == WEFT_OK)
        status = transcript_load(engine, engine_text, now_ms);
    free(engine_text);
    json_decref(root);
    return status;
}
