/* tests/sim/events.c: events of all variants, filled over the schema table, each with its number in an attribute. */
#include "sim/world.h"
#include "weft/json.h"
#include "weft/schema.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 64 * 1024, LARGE_BYTES = 6000 };

static const char number_key[] = "number";

static char arena[ARENA_BYTES];
static size_t arena_used;

static char *arena_take(size_t bytes)
{
    assert(arena_used + bytes <= sizeof arena);
    char *at = arena + arena_used;
    arena_used += bytes;
    return at;
}

/* Letters, some of two or three bytes. */
static const char *text_draw(draw *d, size_t bytes)
{
    static const char *const letters[] = {"a", "b", "Z", "0", " ", "\"", "\\", "\n", "é", "ß", "→", "日"};
    char *text = arena_take(bytes + 4), *at = text;
    while ((size_t)(at - text) < bytes)
        at = stpcpy(at, letters[draw_below(d, sizeof letters / sizeof *letters)]);
    return text;
}

static const char *id_draw(draw *d)
{
    char *text = arena_take(16);
    (void)snprintf(text, 16, "id-%u", draw_below(d, 40));
    return text;
}

static const char *json_draw(draw *d)
{
    static const char *const values[] = {"null", "{\"a\":[1,2,{\"b\":9007199254740993}]}", "\"x\"", "[]", "-0.5e3"};
    return values[draw_below(d, sizeof values / sizeof *values)];
}

static uint64_t integer_draw(draw *d)
{
    static const uint64_t values[] = {0, 1, 127, 128, 4294967295u, UINT64_MAX};
    return draw_permille(d, 300) ? values[draw_below(d, 6)] : draw_below(d, 100000);
}

static unsigned values_count(const weft_field *f)
{
    unsigned count = 0;
    while (f->values[count] != NULL)
        count++;
    return count;
}

static void field_fill(weft_event *e, const weft_field *f, draw *d, size_t text_bytes)
{
    void *at = (char *)e + f->offset;
    switch (f->kind) {
    case WEFT_FIELD_STRING:
        *(const char **)at = text_draw(d, 1 + draw_below(d, (unsigned)text_bytes));
        break;
    case WEFT_FIELD_ID:
        *(const char **)at = id_draw(d);
        break;
    case WEFT_FIELD_JSON:
        *(const char **)at = json_draw(d);
        break;
    case WEFT_FIELD_BOOL:
        *(bool *)at = draw_below(d, 2);
        break;
    case WEFT_FIELD_U32:
        *(uint32_t *)at = 1 + draw_below(d, 9);
        break;
    case WEFT_FIELD_U64:
        *(uint64_t *)at = integer_draw(d);
        break;
    case WEFT_FIELD_TIME:
        *(int64_t *)at = 1 + draw_below(d, 1000000);
        break;
    case WEFT_FIELD_F64:
        *(double *)at = draw_below(d, 100000) / 7.0;
        break;
    case WEFT_FIELD_ENUM: /* an int, whatever its name */
        *(int *)at = (int)draw_between(d, 1, values_count(f) - 1);
        break;
    }
}

/* Fields of a retry go with a retry only. */
static void fit_make(weft_event *e)
{
    if (e->type == WEFT_SESSION_STATUS_CHANGED && e->session_status_changed.status != WEFT_SESSION_RETRY)
        e->session_status_changed = (struct weft_session_status_changed){.status = e->session_status_changed.status};
}

static void envelope_fill(weft_event *e, draw *d)
{
    e->timestamp_ms = 1700000000000 + draw_below(d, 1000000000);
    e->priority = (weft_priority)draw_below(d, WEFT_PRIORITY_CRITICAL + 1);
    e->session_id = id_draw(d);
    e->agent_id = id_draw(d);
    if (draw_below(d, 2))
        e->source = text_draw(d, 10);
    if (draw_below(d, 4) == 0)
        e->causation_id = id_draw(d);
    if (draw_below(d, 8) == 0)
        e->flags = WEFT_FLAG_REDACTED;
}

static void tags_fill(weft_event *e, draw *d)
{
    static const char *const tags[] = {"red", "größer", "x"};
    e->tags = tags;
    e->tag_count = draw_below(d, 4);
}

const weft_event *event_make(world *w, const host *h, size_t number)
{
    static weft_event event;
    static weft_attribute attributes[2];
    static char number_text[24];
    draw *d = &w->draw;
    arena_used = 0;
    weft_event_type type = (weft_event_type)draw_between(d, 1, WEFT_CUSTOM);
    const weft_schema *schema = weft_schema_of(type);
    event = (weft_event){.type = type};
    envelope_fill(&event, d);
    tags_fill(&event, d);
    size_t text_bytes = draw_permille(d, w->plan.large_permille) ? LARGE_BYTES : 30;
    for (size_t i = 0; i < schema->field_count; i++)
        field_fill(&event, &schema->fields[i], d, text_bytes);
    fit_make(&event);
    if (draw_permille(d, w->plan.ttl_permille))
        event.ttl_ms = 1 + draw_below(d, 20000);
    (void)snprintf(number_text, sizeof number_text, "%zu", number);
    attributes[0] = (weft_attribute){number_key, number_text};
    attributes[1] = (weft_attribute){"host", h->name};
    event.attributes = attributes;
    event.attribute_count = 2;
    return &event;
}

int64_t event_number(const weft_event *event)
{
    for (size_t i = 0; i < event->attribute_count; i++)
        if (strcmp(event->attributes[i].key, number_key) == 0)
            return strtoll(event->attributes[i].value, NULL, 10);
    return -1;
}

uint64_t event_content(const weft_event *event)
{
    weft_event plain = *event;
    weft_text text = {0};
    uint64_t hash = UINT64_C(1469598103934665603);
    plain.id = (weft_event_id){0};
    plain.accepted_ms = 0;
    plain.flags &= ~(uint32_t)WEFT_FLAG_REPLAYED;
    plain.priority = weft_event_priority(event);
    weft_status st = weft_event_to_json(&plain, &text);
    assert(st == WEFT_OK);
    (void)st;
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    weft_text_fini(&text);
    return hash;
}
