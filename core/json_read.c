/* core/json_read.c: one JSON object into one event, by the schema table.
 *
 * Every member is stored as it comes; what depends on several of them (type against payload, the legacy form) is
 * settled at the end, so that their order does not matter. Not on a tree of values (jansson): data keeps its very
 * digits, depth is bounded while reading, and a line costs two allocations. Threads: any. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/event_private.h"
#include "core/json_value.h"
#include "core/nearest.h"

enum {
    NAME_BYTES = 64,                           /* of a member name, with its NUL; a longer one is no known one */
    SMALL_BYTES = 2048,                        /* texts shorter than this are read without allocating an arena */
    OUTER_DEPTH = 2,                           /* the objects round data: the event and its payload */
    TEXT_MAX_BYTES = 8 * WEFT_EVENT_MAX_BYTES, /* of an event with every byte escaped, and room to spare */
};

/* Members of the event that are no field of the table. */
typedef enum root_member {
    ROOT_NODE,
    ROOT_EPOCH,
    ROOT_TOPIC,
    ROOT_TYPE,
    ROOT_TAGS,
    ROOT_ATTRIBUTES,
    ROOT_LEGACY_TYPE,
    ROOT_LEGACY_DATA,
    ROOT_COUNT
} root_member;

static const char *const root_names[ROOT_COUNT] = {"node", "epoch",      "topic",     "type",
                                                   "tags", "attributes", "eventType", "data"};

/* The two members of the legacy form that a Custom payload has too, for weft__json_store. */
static const weft_field legacy_type = {
    .name = "event_type",
    .json_name = "eventType",
    .kind = WEFT_FIELD_STRING,
    .offset = offsetof(weft_event, custom) + offsetof(struct weft_custom, event_type),
};
static const weft_field legacy_data = {
    .name = "data",
    .json_name = "data",
    .kind = WEFT_FIELD_JSON,
    .offset = offsetof(weft_event, custom) + offsetof(struct weft_custom, data_json),
};

typedef struct event_reader {
    weft__json_reader json;
    weft_event event;
    weft_event legacy;          /* only its custom payload is used */
    const weft_schema *named;   /* by the member "type" */
    const weft_schema *payload; /* by a member of its own */
    uint64_t seen_fields;       /* of the envelope, a bit each */
    uint64_t seen_members;      /* of root_member, a bit each */
    const char *tags[WEFT_TAGS_MAX];
    weft_attribute attributes[WEFT_ATTRIBUTES_MAX];
} event_reader;

static weft_status invalid(event_reader *r, const char *member, const char *said)
{
    return weft__json_error(&r->json, WEFT_INVALID, member, said);
}

static weft__json_token next(event_reader *r)
{
    return weft__json_next(&r->json.scan);
}

/* The key just read, cut to NAME_BYTES; bytes that could spoil a log line become '?'. */
static void key_name(const event_reader *r, char name[NAME_BYTES])
{
    const weft__json_scan *s = &r->json.scan;
    size_t length = s->at - s->token - 2;
    length = length < NAME_BYTES - 1 ? length : NAME_BYTES - 1;
    for (size_t i = 0; i < length; i++) {
        char c = s->text[s->token + 1 + i];
        name[i] = (char)(c > 0x20 && c < 0x7F ? c : '?');
    }
    name[length] = '\0';
}

/* Both forms of a name begin alike: most of them are ruled out by one byte. */
static bool is_named(const weft_field *field, const char *name)
{
    return field->name[0] == name[0] && (strcmp(field->json_name, name) == 0 || strcmp(field->name, name) == 0);
}

/* Whether the name asks for the value itself: "data" for data_json. */
static bool is_raw_name(const weft_field *field, const char *name)
{
    if (field->kind != WEFT_FIELD_JSON)
        return false;
    size_t length = strlen(name);
    return strncmp(field->name, name, length) == 0 && strcmp(field->name + length, "_json") == 0;
}

static size_t field_find(const weft_field *fields, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && !is_named(&fields[i], name) && !is_raw_name(&fields[i], name))
        i++;
    return i;
}

static void offer_fields(weft__nearest *near, const weft_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weft__nearest_offer(near, fields[i].json_name);
}

static weft_status unknown_member(event_reader *r, const weft__nearest *near)
{
    char said[120] = "unknown member";
    if (near->best != NULL)
        snprintf(said, sizeof said, "unknown member, did you mean \"%s\"?", near->best);
    return invalid(r, near->name, said);
}

static weft_status unknown_root_member(event_reader *r, const char *name)
{
    weft__nearest near = {.name = name};
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    offer_fields(&near, envelope, count);
    for (int i = 0; i < ROOT_COUNT; i++)
        weft__nearest_offer(&near, root_names[i]);
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        weft__nearest_offer(&near, weft_schema_of((weft_event_type)type)->json_name);
    return unknown_member(r, &near);
}

/* Notes that a member was there. Returns INVALID if it was there before. */
static weft_status note_once(event_reader *r, uint64_t *seen, size_t bit, const char *name)
{
    uint64_t mask = (uint64_t)1 << bit;
    if ((*seen & mask) != 0)
        return invalid(r, name, "given twice");
    *seen |= mask;
    return WEFT_OK;
}

static weft_status skip_value(event_reader *r)
{
    return weft__json_skip(&r->json.scan, next(r)) ? WEFT_OK : weft__json_broken(&r->json);
}

static weft_status take_string(event_reader *r, const char *member, weft__json_token token, const char **ret)
{
    if (token == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (token != WEFT__JSON_STRING)
        return weft__json_wrong_kind(&r->json, member, "a string", token);
    *ret = weft__json_take_string(&r->json);
    return *ret != NULL ? WEFT_OK : invalid(r, member, "holds \\u0000 or half a surrogate pair");
}

static weft_status read_type(event_reader *r)
{
    const char *name;
    weft_status st = take_string(r, "type", next(r), &name);
    if (st != WEFT_OK)
        return st;
    r->named = weft_schema_by_name(name);
    if (r->named != NULL)
        return WEFT_OK;
    weft__nearest near = {.name = name};
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        weft__nearest_offer(&near, weft_event_type_name((weft_event_type)type));
    char said[120] = "unknown event type";
    if (near.best != NULL)
        snprintf(said, sizeof said, "unknown event type, did you mean \"%s\"?", near.best);
    return invalid(r, "type", said);
}

static weft_status read_tags(event_reader *r)
{
    weft__json_token token = next(r);
    if (token == WEFT__JSON_NULL)
        return WEFT_OK;
    if (token == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (token != WEFT__JSON_ARRAY)
        return weft__json_wrong_kind(&r->json, "tags", "a list of strings", token);
    while ((token = next(r)) != WEFT__JSON_ARRAY_END) {
        if (r->event.tag_count == WEFT_TAGS_MAX)
            return weft__json_error(&r->json, WEFT_TOO_LARGE, "tags", "too many");
        weft_status st = take_string(r, "tags", token, &r->tags[r->event.tag_count]);
        if (st != WEFT_OK)
            return st;
        r->event.tag_count++;
    }
    r->event.tags = r->tags;
    return WEFT_OK;
}

static weft_status read_attribute(event_reader *r, weft__json_token key)
{
    if (key == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (r->event.attribute_count == WEFT_ATTRIBUTES_MAX)
        return weft__json_error(&r->json, WEFT_TOO_LARGE, "attributes", "too many");
    weft_attribute *attribute = &r->attributes[r->event.attribute_count];
    weft_status st = take_string(r, "attributes", WEFT__JSON_STRING, &attribute->key);
    if (st == WEFT_OK)
        st = take_string(r, "attributes", next(r), &attribute->value);
    if (st == WEFT_OK)
        r->event.attribute_count++;
    return st;
}

static weft_status read_attributes(event_reader *r)
{
    weft__json_token token = next(r);
    if (token == WEFT__JSON_NULL)
        return WEFT_OK;
    if (token == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (token != WEFT__JSON_OBJECT)
        return weft__json_wrong_kind(&r->json, "attributes", "an object of strings", token);
    while ((token = next(r)) != WEFT__JSON_OBJECT_END) {
        weft_status st = read_attribute(r, token);
        if (st != WEFT_OK)
            return st;
    }
    r->event.attributes = r->attributes;
    return WEFT_OK;
}

/* A member that a variant shares with the envelope may stand in both places, if both say the same. */
static weft_status store_shared(event_reader *r, const weft_field *field)
{
    const char *const *at = weft__field_at(&r->event, field);
    const char *before = *at;
    weft_status st = weft__json_store(&r->json, next(r), &r->event, field, false);
    if (st != WEFT_OK || before == NULL || strcmp(before, *at) == 0)
        return st;
    return invalid(r, field->json_name, "differs between the event and its payload");
}

static weft_status read_payload_member(event_reader *r, uint64_t *seen)
{
    char name[NAME_BYTES];
    key_name(r, name);
    const weft_schema *schema = r->payload;
    size_t index = field_find(schema->fields, schema->field_count, name);
    if (index == schema->field_count) {
        weft__nearest near = {.name = name};
        offer_fields(&near, schema->fields, schema->field_count);
        return unknown_member(r, &near);
    }
    const weft_field *field = &schema->fields[index];
    weft_status st = note_once(r, seen, index, name);
    if (st != WEFT_OK)
        return st;
    if (field->number == 0)
        return store_shared(r, field);
    return weft__json_store(&r->json, next(r), &r->event, field, is_raw_name(field, name));
}

static weft_status read_payload(event_reader *r, const weft_schema *schema)
{
    weft__json_token token = next(r);
    if (token == WEFT__JSON_NULL)
        return WEFT_OK;
    if (token == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (token != WEFT__JSON_OBJECT)
        return weft__json_wrong_kind(&r->json, schema->json_name, "an object", token);
    if (r->payload != NULL)
        return invalid(r, schema->json_name, "a second payload");
    r->payload = schema;
    r->json.object = schema->json_name;
    uint64_t seen = 0;
    while ((token = next(r)) != WEFT__JSON_OBJECT_END) {
        weft_status st = token == WEFT__JSON_KEY ? read_payload_member(r, &seen) : weft__json_broken(&r->json);
        if (st != WEFT_OK)
            return st;
    }
    r->json.object = NULL;
    return WEFT_OK;
}

static root_member root_find(const char *name)
{
    if (is_named(&legacy_type, name))
        return ROOT_LEGACY_TYPE;
    int i = 0;
    while (i < ROOT_COUNT && strcmp(root_names[i], name) != 0)
        i++;
    return (root_member)i;
}

static weft_status read_root_member(event_reader *r, root_member member)
{
    weft_status st = note_once(r, &r->seen_members, member, root_names[member]);
    if (st != WEFT_OK)
        return st;
    switch (member) {
    case ROOT_TYPE:
        return read_type(r);
    case ROOT_TAGS:
        return read_tags(r);
    case ROOT_ATTRIBUTES:
        return read_attributes(r);
    case ROOT_LEGACY_TYPE:
        return weft__json_store(&r->json, next(r), &r->legacy, &legacy_type, false);
    case ROOT_LEGACY_DATA:
        return weft__json_store(&r->json, next(r), &r->legacy, &legacy_data, true);
    default:
        return skip_value(r);
    }
}

/* Set at publish, whatever a text says. */
static bool is_set_by_publish(const weft_field *field)
{
    return field->offset == offsetof(weft_event, id.seq) || field->offset == offsetof(weft_event, accepted_ms);
}

static weft_status read_member(event_reader *r)
{
    char name[NAME_BYTES];
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    key_name(r, name);
    size_t index = field_find(envelope, count, name);
    if (index < count) {
        weft_status st = note_once(r, &r->seen_fields, index, name);
        if (st != WEFT_OK || is_set_by_publish(&envelope[index]))
            return st == WEFT_OK ? skip_value(r) : st;
        /* A payload read before may have said it already. */
        return weft__field_is_string(&envelope[index])
                   ? store_shared(r, &envelope[index])
                   : weft__json_store(&r->json, next(r), &r->event, &envelope[index], false);
    }
    root_member member = root_find(name);
    if (member != ROOT_COUNT)
        return read_root_member(r, member);
    const weft_schema *schema = weft_schema_by_name(name);
    return schema != NULL ? read_payload(r, schema) : unknown_root_member(r, name);
}

static bool is_legacy(const event_reader *r)
{
    return (r->seen_members & (1u << ROOT_LEGACY_TYPE | 1u << ROOT_LEGACY_DATA)) != 0;
}

/* An error that lies in no one place of the text. */
static weft_status unsettled(event_reader *r, const char *member, const char *said)
{
    weft_status st = invalid(r, member, said);
    r->json.error->column = 0;
    return st;
}

/* The old form names its type where a Custom payload would. */
static weft_status settle_legacy(event_reader *r)
{
    const struct weft_custom *old = &r->legacy.custom;
    if (r->payload != NULL || (r->named != NULL && r->named->type != WEFT_CUSTOM))
        return unsettled(r, root_names[ROOT_LEGACY_TYPE], "does not go with a typed event");
    if (old->event_type == NULL || old->event_type[0] == '\0')
        return unsettled(r, root_names[ROOT_LEGACY_TYPE], "missing");
    r->event.type = WEFT_CUSTOM;
    r->event.custom = (struct weft_custom){old->event_type, r->event.source, old->data_json};
    return WEFT_OK;
}

static weft_status settle_type(event_reader *r)
{
    const weft_schema *schema = r->payload != NULL ? r->payload : r->named;
    if (schema == NULL)
        return unsettled(r, "type", "missing");
    if (r->named != NULL && r->named != schema)
        return unsettled(r, "type", "is not the payload's");
    r->event.type = schema->type;
    return WEFT_OK;
}

static weft_status read_object(event_reader *r)
{
    weft__json_token token = next(r);
    if (token == WEFT__JSON_ERROR)
        return weft__json_broken(&r->json);
    if (token != WEFT__JSON_OBJECT)
        return weft__json_wrong_kind(&r->json, "an event", "an object", token);
    while ((token = next(r)) != WEFT__JSON_OBJECT_END) {
        weft_status st = token == WEFT__JSON_KEY ? read_member(r) : weft__json_broken(&r->json);
        if (st != WEFT_OK)
            return st;
    }
    return next(r) == WEFT__JSON_END ? WEFT_OK : weft__json_broken(&r->json);
}

/* An event that is wrong in a text that is no JSON either: the latter is what the sender has to know. */
static weft_status check_rest(event_reader *r, weft_status st)
{
    weft__json_token token;
    while ((token = next(r)) > WEFT__JSON_END)
        ;
    return token == WEFT__JSON_END ? st : weft__json_broken(&r->json);
}

static weft_status check_fit(event_reader *r)
{
    weft__fault fault;
    weft_status st = weft__event_judge(&r->event, true, &fault);
    r->json.object = NULL;
    if (st == WEFT_OK)
        return WEFT_OK;
    weft__json_error(&r->json, st, fault.field, fault.what);
    r->json.error->column = 0;
    return st == WEFT_MALFORMED ? WEFT_INVALID : st;
}

static weft_status read_event(event_reader *r, const weft_event **ret)
{
    weft_status st = read_object(r);
    if (st != WEFT_OK)
        return st == WEFT_INVALID || st == WEFT_TOO_LARGE ? check_rest(r, st) : st;
    st = is_legacy(r) ? settle_legacy(r) : settle_type(r);
    if (st == WEFT_OK)
        st = check_fit(r);
    if (st != WEFT_OK)
        return st;
    const weft_event *kept = weft_event_keep(&r->event);
    if (kept == NULL)
        return WEFT_NO_MEMORY;
    *ret = kept;
    return WEFT_OK;
}

weft_status weft_event_from_json(const char *text, size_t length, const weft_event **ret, weft_json_error *error)
{
    weft_json_error unwanted;
    char small[SMALL_BYTES];
    event_reader r = {.json = {.error = error != NULL ? error : &unwanted}};
    weft__json_scan_init(&r.json.scan, text, length, WEFT_JSON_MAX_DEPTH + OUTER_DEPTH);
    *r.json.error = (weft_json_error){0};
    if (length > TEXT_MAX_BYTES)
        return weft__json_error(&r.json, WEFT_TOO_LARGE, "an event", "the text is too long");
    r.json.arena = length < SMALL_BYTES ? small : malloc(length + 1);
    if (r.json.arena == NULL)
        return WEFT_NO_MEMORY;
    weft_status st = read_event(&r, ret);
    if (r.json.arena != small)
        free(r.json.arena);
    return st;
}
