/* tests/nodes/event_text.h: events as short lines of text, "tool_call_end s1/a1 @2000 tool_name=Bash call_id=t1 …", so
 * that a test can compare lists of them. Empty fields are left out. */
#ifndef WEFT_TESTS_EVENT_TEXT_H
#define WEFT_TESTS_EVENT_TEXT_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/event.h"
#include "weft/schema.h"

typedef struct event_list {
    char *text; /* a line an event */
    size_t length;
    size_t capacity;
    size_t count;
} event_list;

static inline void event_list_append(event_list *list, const char *text)
{
    size_t length = strlen(text);
    if (list->length + length + 1 > list->capacity) {
        list->capacity = (list->length + length + 1) * 2;
        list->text = realloc(list->text, list->capacity);
        if (list->text == NULL)
            abort();
    }
    memcpy(list->text + list->length, text, length + 1);
    list->length += length;
}

static inline void event_field_text(const weft_event *event, const weft_field *field, char *ret, size_t size)
{
    const char *at = (const char *)event + field->offset;
    ret[0] = '\0';
    switch (field->kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON: {
        const char *text;
        memcpy(&text, at, sizeof text);
        if (text != NULL && *text != '\0')
            snprintf(ret, size, " %s=%s", field->name, text);
        break;
    }
    case WEFT_FIELD_BOOL:
        snprintf(ret, size, " %s=%s", field->name, *(const bool *)at ? "true" : "false");
        break;
    case WEFT_FIELD_U32:
        snprintf(ret, size, " %s=%" PRIu32, field->name, *(const uint32_t *)at);
        break;
    case WEFT_FIELD_U64:
        snprintf(ret, size, " %s=%" PRIu64, field->name, *(const uint64_t *)at);
        break;
    case WEFT_FIELD_TIME:
        snprintf(ret, size, " %s=%" PRId64, field->name, *(const int64_t *)at);
        break;
    case WEFT_FIELD_F64:
        snprintf(ret, size, " %s=%.9f", field->name, *(const double *)at);
        break;
    case WEFT_FIELD_ENUM:
        snprintf(ret, size, " %s=%s", field->name, field->values[*(const unsigned *)at]);
        break;
    }
}

/* Adds one event. A field of the payload that is named like one of the envelope is not repeated. */
static inline void event_list_add(event_list *list, const weft_event *event)
{
    char text[4096];
    const weft_schema *schema = weft_schema_of(event->type);
    const char *session = event->session_id != NULL ? event->session_id : "";
    const char *agent = event->agent_id != NULL ? event->agent_id : "";
    snprintf(text, sizeof text, "%s %s%s%s @%" PRId64, schema->name, session, *agent != '\0' ? "/" : "", agent,
             event->timestamp_ms);
    event_list_append(list, text);
    for (size_t i = 0; i < schema->field_count; i++) {
        if (schema->fields[i].number == 0)
            continue;
        event_field_text(event, &schema->fields[i], text, sizeof text);
        event_list_append(list, text);
    }
    event_list_append(list, "\n");
    list->count++;
}

static inline void event_list_clear(event_list *list)
{
    free(list->text);
    *list = (event_list){0};
}

#endif
