/* core/event.c: names and numbers of topics and types, what every event answers, legacy events and money.
 *
 * Leaves the copy of an event to event_keep.c and the judgement of one to event_validate.c. Threads: any; no state. */
#include "weft/event.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "weft/schema.h"

/* The payloads lie in one union without a name, between the envelope and the keeper. */
enum { PAYLOAD_OFFSET = offsetof(weft_event, custom), PAYLOAD_BYTES = offsetof(weft_event, keeper) - PAYLOAD_OFFSET };

static const struct topic_row {
    weft_topic topic;
    const char *name;
} topics[] = {
#define X(name, wire, number, best_effort) [number] = {WEFT_TOPIC_##name, #wire},
    WEFT_TOPIC_MAP(X)
#undef X
};

_Static_assert(sizeof topics / sizeof *topics == WEFT_TOPIC_MAX, "WEFT_TOPIC_MAX is one more than the largest number");

weft_topic weft_topic_from_number(unsigned number)
{
    return number < WEFT_TOPIC_MAX ? topics[number].topic : (weft_topic)0;
}

unsigned weft_topic_number(weft_topic topic)
{
    unsigned number = topic != 0 ? (unsigned)__builtin_ctz((unsigned)topic) : 0;
    return number < WEFT_TOPIC_MAX && topics[number].topic == topic ? number : 0;
}

const char *weft_topic_name(weft_topic topic)
{
    unsigned number = weft_topic_number(topic);
    return number != 0 ? topics[number].name : "unknown";
}

weft_topic weft_topic_from_name(const char *name)
{
    for (unsigned i = 1; name != NULL && i < WEFT_TOPIC_MAX; i++)
        if (topics[i].name != NULL && strcmp(topics[i].name, name) == 0)
            return topics[i].topic;
    return (weft_topic)0;
}

const char *weft_event_type_name(weft_event_type type)
{
    const weft_schema *schema = weft_schema_of(type);
    return schema != NULL ? schema->name : "unknown";
}

weft_event_type weft_event_type_from_name(const char *name)
{
    for (int type = WEFT_EVENT_NONE + 1; name != NULL && type < WEFT_EVENT_TYPE_COUNT; type++)
        if (strcmp(weft_event_type_name((weft_event_type)type), name) == 0)
            return (weft_event_type)type;
    return WEFT_EVENT_NONE;
}

void weft_event_init(weft_event *event, const weft_event *context, weft_event_type type)
{
    *event = context != NULL ? *context : (weft_event){0};
    event->type = type;
    event->accepted_ms = 0;
    event->id = (weft_event_id){0};
    event->keeper = NULL;
    memset((char *)event + PAYLOAD_OFFSET, 0, PAYLOAD_BYTES);
}

weft_topic weft_event_topic(const weft_event *event)
{
    const weft_schema *schema = weft_schema_of(event->type);
    return schema != NULL ? schema->topic : WEFT_TOPIC_CUSTOM;
}

int64_t weft_event_timestamp_ms(const weft_event *event)
{
    return event->timestamp_ms;
}

weft_priority weft_event_priority(const weft_event *event)
{
    return event->priority == WEFT_PRIORITY_UNSET ? WEFT_PRIORITY_NORMAL : event->priority;
}

weft_event weft_event_from_legacy(const char *event_type, const char *source, const char *data_json,
                                  int64_t timestamp_ms)
{
    return (weft_event){
        .type = WEFT_CUSTOM,
        .timestamp_ms = timestamp_ms,
        .source = source,
        .custom = {.event_type = event_type, .source = source, .data_json = data_json},
    };
}

int64_t weft_nano_usd(double usd)
{
    double nano = usd * 1e9;
    if (isnan(nano))
        return 0;
    if (nano >= 0x1p63)
        return INT64_MAX;
    if (nano < -0x1p63)
        return INT64_MIN;
    return llround(nano);
}

double weft_usd(int64_t nano_usd)
{
    return (double)nano_usd / 1e9;
}
