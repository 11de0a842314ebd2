/* core/filter.c: decides which events a filter wants, and makes compiled copies of filters.
 *
 * The plain and the compiled form share everything but the type check: the plain one walks the lists, the compiled one
 * has resolved topics and types to a bit for each type. */
#include "core/filter_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/glob.h"
#include "weft/schema.h"

#define X(name, wire, number) | WEFT_TOPIC_##name
enum { TOPICS_ALL = 0 WEFT_TOPIC_MAP(X) };
#undef X

static bool absent(const char *string)
{
    return string == NULL || *string == '\0';
}

static uint32_t topic_of(weft_event_type type)
{
    const weft_schema *schema = weft_schema_of(type);
    return (uint32_t)(schema != NULL ? schema->topic : WEFT_TOPIC_CUSTOM);
}

static bool string_wanted(const char *wanted, const char *actual)
{
    return absent(wanted) || (actual != NULL && strcmp(wanted, actual) == 0);
}

static bool source_wanted(const char *glob, const char *source)
{
    return absent(glob) || weft__glob_matches(glob, source != NULL ? source : "");
}

static bool has_tag(const weft_event *event, const char *tag)
{
    for (size_t i = 0; i < event->tag_count; i++)
        if (strcmp(event->tags[i], tag) == 0)
            return true;
    return false;
}

static bool tags_wanted(const weft_filter *filter, const weft_event *event)
{
    for (size_t i = 0; i < filter->tags_required_count; i++)
        if (!has_tag(event, filter->tags_required[i]))
            return false;
    for (size_t i = 0; i < filter->tags_excluded_count; i++)
        if (has_tag(event, filter->tags_excluded[i]))
            return false;
    return true;
}

static bool context_wanted(const weft_filter *filter, const weft_event *event)
{
    return string_wanted(filter->session_id, event->session_id) && string_wanted(filter->agent_id, event->agent_id) &&
           string_wanted(filter->execution_id, event->execution_id) &&
           string_wanted(filter->correlation_id, event->correlation_id) && string_wanted(filter->node, event->id.node);
}

/* Cheap conditions first; topics, types and the predicate are the caller's. */
static bool condition_holds(const weft_filter *filter, const weft_event *event, weft_origin origin)
{
    return (filter->origin == WEFT_ORIGIN_ANY || filter->origin == origin) &&
           weft_event_priority(event) >= filter->min_priority && context_wanted(filter, event) &&
           source_wanted(filter->source, event->source) && tags_wanted(filter, event);
}

static bool type_wanted(const weft_filter *filter, weft_event_type type)
{
    if (filter->topics != 0 && (filter->topics & topic_of(type)) == 0)
        return false;
    for (size_t i = 0; i < filter->type_count; i++)
        if (filter->types[i] == type)
            return true;
    return filter->type_count == 0;
}

bool weft_filter_matches(const weft_filter *filter, const weft_event *event, weft_origin origin)
{
    if (filter == NULL)
        return true;
    return type_wanted(filter, event->type) && condition_holds(filter, event, origin) &&
           (filter->predicate == NULL || filter->predicate(event, filter->predicate_user));
}

bool weft__filter_matches_rest(const weft__filter *filter, const weft_event *event, weft_origin origin)
{
    return filter->types_alone || condition_holds(&filter->condition, event, origin);
}

uint32_t weft_filter_topics(const weft_filter *filter)
{
    if (filter == NULL)
        return TOPICS_ALL;
    uint32_t topics = 0;
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (type_wanted(filter, (weft_event_type)type))
            topics |= topic_of((weft_event_type)type);
    return topics;
}

static bool tags_valid(const char *const *tags, size_t count)
{
    if (count > WEFT_TAGS_MAX || (count > 0 && tags == NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        if (absent(tags[i]))
            return false;
    return true;
}

static bool filter_valid(const weft_filter *filter)
{
    if ((filter->topics & ~(uint32_t)TOPICS_ALL) != 0 || (filter->type_count > 0 && filter->types == NULL))
        return false;
    for (size_t i = 0; i < filter->type_count; i++)
        if (filter->types[i] <= WEFT_EVENT_NONE || filter->types[i] >= WEFT_EVENT_TYPE_COUNT)
            return false;
    return (unsigned)filter->min_priority <= WEFT_PRIORITY_CRITICAL && (unsigned)filter->origin <= WEFT_ORIGIN_REMOTE &&
           tags_valid(filter->tags_required, filter->tags_required_count) &&
           tags_valid(filter->tags_excluded, filter->tags_excluded_count);
}

static size_t string_bytes(const char *string)
{
    return absent(string) ? 0 : strlen(string) + 1;
}

static size_t tags_bytes(const char *const *tags, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += string_bytes(tags[i]);
    return bytes;
}

static const char *string_copy(const char *string, char **free_bytes)
{
    size_t bytes = string_bytes(string);
    if (bytes == 0)
        return NULL;
    char *copy = memcpy(*free_bytes, string, bytes);
    *free_bytes += bytes;
    return copy;
}

static const char *const *tags_copy(const char *const *tags, size_t count, const char ***slots, char **free_bytes)
{
    const char **copy = *slots;
    *slots += count;
    for (size_t i = 0; i < count; i++)
        copy[i] = string_copy(tags[i], free_bytes);
    return copy;
}

/* Member by member, so that the count and the copy cannot disagree. */
#define STRINGS_MAP(X) X(session_id) X(agent_id) X(execution_id) X(correlation_id) X(node) X(source)

static weft__filter *filter_copy(const weft_filter *filter)
{
    size_t tags = filter->tags_required_count + filter->tags_excluded_count;
    size_t bytes = tags_bytes(filter->tags_required, filter->tags_required_count) +
                   tags_bytes(filter->tags_excluded, filter->tags_excluded_count);
#define X(member) bytes += string_bytes(filter->member);
    STRINGS_MAP(X)
#undef X
    weft__filter *compiled = malloc(sizeof *compiled + tags * sizeof(char *) + bytes);
    if (compiled == NULL)
        return NULL;
    *compiled = (weft__filter){.condition = *filter};
    const char **slots = (const char **)(void *)(compiled + 1);
    char *free_bytes = (char *)(slots + tags);
    weft_filter *copy = &compiled->condition;
    copy->topics = 0;
    copy->types = NULL;
    copy->type_count = 0;
#define X(member) copy->member = string_copy(filter->member, &free_bytes);
    STRINGS_MAP(X)
#undef X
    copy->tags_required = tags_copy(filter->tags_required, filter->tags_required_count, &slots, &free_bytes);
    copy->tags_excluded = tags_copy(filter->tags_excluded, filter->tags_excluded_count, &slots, &free_bytes);
    return compiled;
}

static bool types_decide_alone(const weft_filter *condition)
{
    bool strings = false;
#define X(member) strings = strings || condition->member != NULL;
    STRINGS_MAP(X)
#undef X
    return !strings && condition->tags_required_count + condition->tags_excluded_count == 0 &&
           condition->min_priority == WEFT_PRIORITY_UNSET && condition->origin == WEFT_ORIGIN_ANY;
}

weft_status weft__filter_compile(const weft_filter *filter, weft__filter **ret)
{
    static const weft_filter everything = {0};
    if (filter == NULL)
        filter = &everything;
    if (!filter_valid(filter))
        return WEFT_INVALID;
    weft__filter *compiled = filter_copy(filter);
    if (compiled == NULL)
        return WEFT_NO_MEMORY;
    for (int type = WEFT_EVENT_NONE; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (type_wanted(filter, (weft_event_type)type))
            weft__type_set_add(&compiled->types, (weft_event_type)type);
    compiled->topics = weft_filter_topics(filter);
    compiled->types_alone = types_decide_alone(&compiled->condition);
    *ret = compiled;
    return WEFT_OK;
}
