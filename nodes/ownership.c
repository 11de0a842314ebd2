/* nodes/ownership.c: see the header. */
#include "nodes/ownership.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodes/line_reader.h"
#include "nodes/places.h"
#include "nodes/short_id.h"
#include "nodes/string_map.h"
#include "nodes/transcript_record.h"

enum { HASH_BYTES = 9 }; /* "-" and eight digits */

typedef struct session_owner {
    char node[NODE_NAME_BYTES];
    bool by_operator;
} session_owner;

struct ownership {
    string_map sessions;    /* id as in the events → session_owner */
    string_map directories; /* path → node name */
    const char **nodes;
};

/* ---- names ---- */

void node_name_from(char ret[NODE_NAME_BYTES], const char *name)
{
    size_t length = strlen(name);
    bool fits = weft_name_valid(name);
    size_t kept = length < NODE_NAME_BYTES - HASH_BYTES ? length : NODE_NAME_BYTES - 1 - HASH_BYTES;
    if (fits)
        kept = length;
    for (size_t i = 0; i < kept; i++)
        ret[i] = places_name_char(name[i]);
    ret[kept] = '\0';
    if (!fits)
        snprintf(ret + kept, NODE_NAME_BYTES - kept, "-%08x", (unsigned)(short_id_hash(name, length) & 0xffffffffu));
}

/* The name of the directory that holds a file. */
static void directory_name(char ret[NODE_NAME_BYTES], const char *path)
{
    char resolved[PATH_MAX];
    if (strcmp(path, "-") == 0) {
        memcpy(ret, "stdin", sizeof "stdin");
        return;
    }
    if (realpath(path, resolved) == NULL)
        snprintf(resolved, sizeof resolved, "%s", path);
    char *file = strrchr(resolved, '/');
    if (file != NULL)
        *file = '\0';
    const char *directory = strrchr(resolved, '/');
    node_name_from(ret, file == NULL ? "." : directory != NULL ? directory + 1 : resolved);
}

/* The node name of a path's directory, looked up once a path; NULL when memory is out. */
static const char *directory_node(ownership *o, const char *path)
{
    char *node = string_map_get(&o->directories, path);
    if (node != NULL)
        return node;
    node = malloc(NODE_NAME_BYTES);
    if (node == NULL)
        return NULL;
    directory_name(node, path);
    if (string_map_put(&o->directories, path, node))
        return node;
    free(node);
    return NULL;
}

/* ---- the table ---- */

weft_status ownership_create(ownership **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret == NULL ? WEFT_NO_MEMORY : WEFT_OK;
}

void ownership_destroy(ownership *o)
{
    if (o == NULL)
        return;
    string_map_fini(&o->sessions, free);
    string_map_fini(&o->directories, free);
    free(o->nodes);
    free(o);
}

static weft_status record_note(ownership *o, const char *path, const transcript_record *record)
{
    char session[SHORT_ID_BYTES];
    short_id_from(session, record->session);
    session_owner *owner = string_map_get(&o->sessions, session);
    if (owner == NULL) {
        const char *directory = directory_node(o, path);
        owner = calloc(1, sizeof *owner);
        if (directory == NULL || owner == NULL || !string_map_put(&o->sessions, session, owner)) {
            free(owner);
            return WEFT_NO_MEMORY;
        }
        text_copy(owner->node, sizeof owner->node, directory);
    }
    if (!owner->by_operator && *record->operator_name != '\0') {
        node_name_from(owner->node, record->operator_name);
        owner->by_operator = true;
    }
    return WEFT_OK;
}

weft_status ownership_scan_line(ownership *o, const char *path, const char *text, size_t length)
{
    char ignored[8];
    transcript_record record;
    weft_status status = transcript_record_parse(text, length, &record, ignored, sizeof ignored);
    if (status != WEFT_OK)
        return status == WEFT_NO_MEMORY ? status : WEFT_OK;
    status = record_note(o, path, &record);
    transcript_record_fini(&record);
    return status;
}

weft_status ownership_scan_file(ownership *o, const char *path, uint64_t *lines, char *error, size_t error_size)
{
    line_reader *reader;
    const char *text;
    size_t length;
    weft_status status = line_reader_open(path, NULL, 0, &reader, error, error_size);
    if (status != WEFT_OK)
        return status;
    line_reader_result result;
    do {
        result = line_reader_next(reader, true, &text, &length);
        *lines += result == LINE_READER_LINE || result == LINE_READER_TOO_LONG;
        if (result == LINE_READER_LINE)
            status = ownership_scan_line(o, path, text, length);
        else if (result == LINE_READER_END && !line_reader_ended(reader))
            (void)line_reader_ready(reader, -1);
    } while (status == WEFT_OK && result != LINE_READER_FAILED &&
             (result != LINE_READER_END || !line_reader_ended(reader)));
    if (result == LINE_READER_FAILED)
        status = WEFT_IO;
    if (status != WEFT_OK)
        snprintf(error, error_size, "%s", status == WEFT_IO ? line_reader_error(reader) : weft_status_text(status));
    line_reader_close(reader);
    return status;
}

/* The first session that has an id; of records without one there may be an entry before it. */
static const session_owner *first_owner(const ownership *o)
{
    size_t cursor = 0;
    const string_map_entry *entry = string_map_next(&o->sessions, &cursor);
    const string_map_entry *next = entry == NULL ? NULL : string_map_next(&o->sessions, &cursor);
    if (next != NULL && *entry->key == '\0')
        entry = next;
    return entry == NULL ? NULL : entry->value;
}

const char *ownership_node_of(const ownership *o, const char *session)
{
    char id[SHORT_ID_BYTES];
    short_id_from(id, session);
    const session_owner *owner = *id == '\0' ? first_owner(o) : string_map_get(&o->sessions, id);
    return owner == NULL ? NULL : owner->node;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t ownership_nodes(ownership *o, const char *const **ret)
{
    const char **nodes = calloc(o->sessions.count + 1, sizeof *nodes);
    if (nodes == NULL)
        return 0;
    size_t count = 0, distinct = 0, cursor = 0;
    const string_map_entry *entry;
    while ((entry = string_map_next(&o->sessions, &cursor)) != NULL)
        if (*entry->key != '\0' || o->sessions.count == 1)
            nodes[count++] = ((const session_owner *)entry->value)->node;
    qsort(nodes, count, sizeof *nodes, name_order);
    for (size_t i = 0; i < count; i++)
        if (distinct == 0 || strcmp(nodes[distinct - 1], nodes[i]) != 0)
            nodes[distinct++] = nodes[i];
    free(o->nodes);
    o->nodes = nodes;
    *ret = nodes;
    return distinct;
}
