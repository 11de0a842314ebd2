/* nodes/event_print.c: a loop over the schema table. */
#include "nodes/event_print.h"

#include "weft/schema.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { TEXT_MAX_BYTES = 100 };

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == '"' || text[i] == '=')
            return false;
    return length > 0;
}

/* DEL and the C1 controls (UTF-8: C2 80 to C2 9F), which JSON leaves as they are and terminals obey. */
static void blot_out_controls(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (at[0] == 0xC2 && at[1] >= 0x80 && at[1] <= 0x9F)
            at[0] = at[1] = '?';
        if (*at == 0x7f)
            *at = '?';
    }
}

/* Text that would blur the line is written as a JSON string. Never cuts a UTF-8 sequence. */
static void print_text(weft_text *out, const char *text)
{
    char copy[TEXT_MAX_BYTES + 1];
    size_t length = strlen(text);
    bool cut = length > TEXT_MAX_BYTES;
    for (length = cut ? TEXT_MAX_BYTES : length; cut && ((unsigned char)text[length] & 0xC0) == 0x80;)
        length--;
    memcpy(copy, text, length);
    copy[length] = '\0';
    blot_out_controls(copy);
    if (is_plain(copy, length))
        weft_text_append(out, copy, length);
    else
        weft_text_json_string(out, copy);
    if (cut)
        weft_text_printf(out, "…");
}

static void print_named(weft_text *out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    weft_text_append(out, " ", 1);
    print_text(out, name);
    weft_text_append(out, "=", 1);
    print_text(out, text);
}

static void print_number(weft_text *out, const char *name, uint64_t value)
{
    if (value != 0)
        weft_text_printf(out, " %s=%" PRIu64, name, value);
}

static const char *enum_name(const weft_field *field, unsigned value)
{
    for (unsigned i = 0; field->values[i] != NULL; i++)
        if (i == value)
            return i == 0 ? NULL : field->values[i];
    return "unknown";
}

static void print_field(weft_text *out, const weft_event *event, const weft_field *field)
{
    const char *at = (const char *)event + field->offset;
    switch (field->kind) {
    case WEFT_FIELD_STRING:
    case WEFT_FIELD_ID:
    case WEFT_FIELD_JSON:
        print_named(out, field->name, *(const char *const *)(const void *)at);
        break;
    case WEFT_FIELD_BOOL:
        weft_text_printf(out, " %s=%s", field->name, *(const bool *)at ? "true" : "false");
        break;
    case WEFT_FIELD_U32:
        print_number(out, field->name, *(const uint32_t *)(const void *)at);
        break;
    case WEFT_FIELD_U64:
        print_number(out, field->name, *(const uint64_t *)(const void *)at);
        break;
    case WEFT_FIELD_TIME:
        print_number(out, field->name, (uint64_t) * (const int64_t *)(const void *)at);
        break;
    case WEFT_FIELD_F64:
        weft_text_printf(out, " %s=%.10g", field->name, *(const double *)(const void *)at);
        break;
    case WEFT_FIELD_ENUM:
        print_named(out, field->name, enum_name(field, *(const unsigned *)(const void *)at));
        break;
    }
}

static void print_time(weft_text *out, int64_t timestamp_ms)
{
    time_t seconds = (time_t)(timestamp_ms / 1000);
    struct tm utc;
    char text[16] = "--:--:--";
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(text, sizeof text, "%H:%M:%S", &utc);
    weft_text_printf(out, "%s.%03d", text, (int)(timestamp_ms % 1000 < 0 ? 0 : timestamp_ms % 1000));
}

void event_print(const weft_event *event, weft_text *out)
{
    const weft_schema *schema = weft_schema_of(event->type);
    print_time(out, event->timestamp_ms);
    weft_text_printf(out, " %s %s", event->id.node != NULL ? event->id.node : "-",
                     schema != NULL ? schema->name : "unknown");
    print_named(out, "session", event->session_id);
    print_named(out, "agent", event->agent_id);
    for (size_t i = 0; schema != NULL && i < schema->field_count; i++)
        if (schema->fields[i].number != 0)
            print_field(out, event, &schema->fields[i]);
    print_named(out, "source", event->source);
    for (size_t i = 0; i < event->tag_count; i++)
        print_named(out, "tag", event->tags[i]);
    for (size_t i = 0; i < event->attribute_count; i++)
        print_named(out, event->attributes[i].key, event->attributes[i].value);
    if (event->flags & WEFT_FLAG_REPLAYED)
        weft_text_printf(out, " (replayed)");
    if (event->flags & WEFT_FLAG_SYNTHETIC)
        weft_text_printf(out, " (synthetic)");
    weft_text_printf(out, "\n");
}

void lost_print(const weft_lost *lost, weft_text *out)
{
    weft_text_printf(out, "lost: ");
    if (lost->count > 0)
        weft_text_printf(out, "%" PRIu64 " event%s", lost->count, lost->count == 1 ? "" : "s");
    else
        weft_text_printf(out, "events");
    const char *topic = weft_topic_name(lost->topic);
    if (lost->node != NULL)
        weft_text_printf(out, " of %s/%s, epoch %" PRIu64 ", seq %" PRIu64 " to %" PRIu64, lost->node,
                         topic != NULL ? topic : "?", lost->epoch, lost->from_seq, lost->to_seq);
    weft_text_printf(out, ": %s", weft_lost_reason_name(lost->reason));
}
