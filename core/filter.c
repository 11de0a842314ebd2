/* core/filter.c: decides which events a filter wants, as it was written and as it was compiled.
 *
 * The plain form walks the lists. The compiled one has resolved topics and types to a bit for each type, left out what
 * it does not ask for, and shares its texts with other filters. */
#include "core/filter_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/glob.h"
#include "weft/schema.h"

enum { TOPICS_ALL = (int)WEFT_TOPICS_DURABLE | (int)WEFT_TOPICS_BEST_EFFORT };

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
    for (size_t i = 0; event->tags != NULL && i < event->tag_count; i++)
        if (event->tags[i] != NULL && strcmp(event->tags[i], tag) == 0)
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

/* ---- compiled filters ---- */

#define X(name, wanted, actual, is_glob) [WEFT__ASK_##name] = offsetof(weft_filter, wanted),
static const size_t wanted_at[WEFT__ASK_COUNT] = {WEFT__ASK_MAP(X)};
#undef X
#define X(name, wanted, actual, is_glob) [WEFT__ASK_##name] = offsetof(weft_event, actual),
static const size_t actual_at[WEFT__ASK_COUNT] = {WEFT__ASK_MAP(X)};
#undef X
#define X(name, wanted, actual, is_glob) [WEFT__ASK_##name] = (is_glob),
static const bool asks_glob[WEFT__ASK_COUNT] = {WEFT__ASK_MAP(X)};
#undef X

static const char *text_at(const void *base, size_t offset)
{
    return *(const char *const *)(const void *)((const char *)base + offset);
}

static unsigned asks_of(const weft_filter *filter)
{
    unsigned asks = 0;
    for (unsigned ask = 0; ask < WEFT__ASK_COUNT; ask++)
        asks |= (unsigned)!absent(text_at(filter, wanted_at[ask])) << ask;
    return asks;
}

static bool asks_more_than_texts(const weft_filter *filter)
{
    return filter->tags_required_count + filter->tags_excluded_count > 0 ||
           filter->min_priority != WEFT_PRIORITY_UNSET || filter->origin != WEFT_ORIGIN_ANY;
}

static bool type_decides_alone(const weft_filter *filter)
{
    return asks_of(filter) == 0 && !asks_more_than_texts(filter) && filter->predicate == NULL;
}

static bool symbol_add(weft__conditions *conditions, weft__symbols *symbols, const char *text, bool is_glob)
{
    weft__symbol *symbol = weft__symbol_get(symbols, text, is_glob);
    if (symbol != NULL)
        conditions->symbols[conditions->symbol_count++] = symbol;
    return symbol != NULL;
}

static bool tags_add(weft__conditions *conditions, weft__symbols *symbols, const char *const *tags, size_t count)
{
    bool added = true;
    for (size_t i = 0; i < count && added; i++)
        added = symbol_add(conditions, symbols, tags[i], false);
    return added;
}

static bool symbols_add(weft__conditions *conditions, const weft_filter *filter, weft__symbols *symbols)
{
    bool added = true;
    for (unsigned ask = 0; ask < WEFT__ASK_COUNT && added; ask++)
        if ((conditions->asks >> ask & 1) != 0)
            added = symbol_add(conditions, symbols, text_at(filter, wanted_at[ask]), asks_glob[ask]);
    return added && tags_add(conditions, symbols, filter->tags_required, filter->tags_required_count) &&
           tags_add(conditions, symbols, filter->tags_excluded, filter->tags_excluded_count);
}

static void conditions_destroy(weft__conditions *conditions, weft__symbols *symbols)
{
    if (conditions == NULL)
        return;
    for (size_t i = 0; i < conditions->symbol_count; i++)
        weft__symbol_release(symbols, conditions->symbols[i]);
    free(conditions);
}

static weft__conditions *conditions_create(const weft_filter *filter, weft__symbols *symbols)
{
    unsigned asks = asks_of(filter);
    size_t count = (size_t)__builtin_popcount(asks) + filter->tags_required_count + filter->tags_excluded_count;
    weft__conditions *conditions = malloc(sizeof *conditions + count * sizeof *conditions->symbols);
    if (conditions == NULL)
        return NULL;
    *conditions = (weft__conditions){.asks = (uint8_t)asks,
                                     .tags_required = (uint8_t)filter->tags_required_count,
                                     .tags_excluded = (uint8_t)filter->tags_excluded_count,
                                     .min_priority = (uint8_t)filter->min_priority,
                                     .origin = (uint8_t)filter->origin,
                                     .asks_more = asks_more_than_texts(filter),
                                     .predicate = filter->predicate,
                                     .predicate_user = filter->predicate_user};
    if (symbols_add(conditions, filter, symbols))
        return conditions;
    conditions_destroy(conditions, symbols);
    return NULL;
}

weft_status weft__filter_init(weft__filter *ret, const weft_filter *filter, weft__symbols *symbols)
{
    static const weft_filter everything = {0};
    if (filter == NULL)
        filter = &everything;
    if (!filter_valid(filter))
        return WEFT_INVALID;
    weft__filter made = {.topics = weft_filter_topics(filter)};
    for (int type = WEFT_EVENT_NONE; type < WEFT_EVENT_TYPE_COUNT; type++)
        if (type_wanted(filter, (weft_event_type)type))
            weft__type_set_add(&made.types, (weft_event_type)type);
    if (!type_decides_alone(filter) && (made.conditions = conditions_create(filter, symbols)) == NULL)
        return WEFT_NO_MEMORY;
    *ret = made;
    return WEFT_OK;
}

void weft__filter_fini(weft__filter *filter, weft__symbols *symbols)
{
    conditions_destroy(filter->conditions, symbols);
}

static bool tag_symbols_hold(const weft__conditions *conditions, const weft_event *event)
{
    weft__symbol *const *tag = conditions->symbols + conditions->symbol_count - conditions->tags_excluded;
    for (unsigned i = 0; i < conditions->tags_excluded; i++)
        if (has_tag(event, tag[i]->text))
            return false;
    tag -= conditions->tags_required;
    for (unsigned i = 0; i < conditions->tags_required; i++)
        if (!has_tag(event, tag[i]->text))
            return false;
    return true;
}

size_t weft__ask_text_at(weft__ask ask)
{
    return actual_at[ask];
}

bool weft__conditions_hold(const weft__conditions *conditions, const weft_event *event, weft_origin origin)
{
    if (!conditions->asks_more)
        return true;
    return (conditions->origin == WEFT_ORIGIN_ANY || conditions->origin == (unsigned)origin) &&
           (unsigned)weft_event_priority(event) >= conditions->min_priority && tag_symbols_hold(conditions, event);
}

const char *weft__conditions_text(const weft__conditions *conditions, weft__ask ask)
{
    if (conditions == NULL || (conditions->asks >> ask & 1) == 0)
        return NULL;
    unsigned before = conditions->asks & ((1u << ask) - 1);
    return conditions->symbols[__builtin_popcount(before)]->text;
}
