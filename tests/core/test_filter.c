#include <stdlib.h>
#include <string.h>

#include "core/filter_private.h"
#include "support/suite.h"
#include "weft/filter.h"

static const weft_event usage = {.type = WEFT_TOKEN_USAGE, .token_usage = {.model = "m"}};
static const weft_event tool_start = {.type = WEFT_TOOL_CALL_START, .tool_call_start = {.tool_name = "t"}};

static bool matches(weft_filter filter, weft_event event)
{
    return weft_filter_matches(&filter, &event, WEFT_ORIGIN_LOCAL);
}

static void a_zeroed_filter_wants_everything(void)
{
    for (int type = WEFT_EVENT_NONE + 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        weft_event event = {.type = (weft_event_type)type};
        CU_ASSERT(matches((weft_filter){0}, event));
        CU_ASSERT(weft_filter_matches(NULL, &event, WEFT_ORIGIN_REMOTE));
    }
}

static void wants_only_its_topics(void)
{
    weft_filter filter = {.topics = WEFT_TOPIC_COST | WEFT_TOPIC_LLM};
    CU_ASSERT(matches(filter, usage));
    CU_ASSERT(!matches(filter, tool_start));
}

static void wants_only_its_types(void)
{
    weft_event_type types[] = {WEFT_TOOL_CALL_END, WEFT_TOOL_CALL_START};
    weft_filter filter = {.types = types, .type_count = 2};
    CU_ASSERT(matches(filter, tool_start));
    CU_ASSERT(!matches(filter, usage));
    filter.topics = WEFT_TOPIC_COST;
    CU_ASSERT(!matches(filter, tool_start));
    CU_ASSERT(!matches(filter, usage));
}

static void compares_each_context_field(void)
{
    weft_event event = usage;
    event.session_id = "s";
    event.agent_id = "a";
    event.execution_id = "e";
    event.correlation_id = "c";
    event.id.node = "n";
    weft_filter right[] = {
        {.session_id = "s"}, {.agent_id = "a"}, {.execution_id = "e"}, {.correlation_id = "c"}, {.node = "n"}};
    weft_filter wrong[] = {
        {.session_id = "x"}, {.agent_id = "x"}, {.execution_id = "x"}, {.correlation_id = "x"}, {.node = "x"}};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        CU_ASSERT(matches(right[i], event));
        CU_ASSERT(!matches(wrong[i], event));
        CU_ASSERT(!matches(right[i], usage));
    }
}

static void an_empty_string_is_no_condition(void)
{
    CU_ASSERT(matches((weft_filter){.session_id = "", .source = "", .node = ""}, usage));
}

static void source_is_a_glob(void)
{
    static const struct {
        const char *glob, *source;
        bool matches;
    } table[] = {
        {"*", NULL, true},
        {"*", "anything", true},
        {"?", NULL, false},
        {"agent", "agent", true},
        {"agent", "agents", false},
        {"agent.*", "agent.planner", true},
        {"agent.*", "agent", false},
        {"*.planner", "a.b.planner", true},
        {"*.planner", "a.b.planner.x", false},
        {"a*b*c", "aXbXbXc", true},
        {"a*b*c", "aXbXbX", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"**", "", true},
        {"*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        weft_event event = usage;
        event.source = table[i].source;
        CU_ASSERT_EQUAL(matches((weft_filter){.source = table[i].glob}, event), table[i].matches);
    }
}

static void tags_are_required_and_excluded(void)
{
    const char *event_tags[] = {"red", "big"};
    const char *red_old[] = {"red", "old"}, *big_red[] = {"big", "red"};
    weft_event event = usage;
    event.tags = event_tags;
    event.tag_count = 2;
    CU_ASSERT(matches((weft_filter){.tags_required = big_red, .tags_required_count = 2}, event));
    CU_ASSERT(!matches((weft_filter){.tags_required = red_old, .tags_required_count = 2}, event));
    CU_ASSERT(!matches((weft_filter){.tags_excluded = red_old, .tags_excluded_count = 1}, event));
    CU_ASSERT(matches((weft_filter){.tags_excluded = red_old + 1, .tags_excluded_count = 1}, event));
    CU_ASSERT(!matches((weft_filter){.tags_required = red_old, .tags_required_count = 1}, usage));
}

static void an_unset_priority_counts_as_normal(void)
{
    weft_filter normal = {.min_priority = WEFT_PRIORITY_NORMAL}, high = {.min_priority = WEFT_PRIORITY_HIGH};
    weft_event low = usage, critical = usage;
    low.priority = WEFT_PRIORITY_LOW;
    critical.priority = WEFT_PRIORITY_CRITICAL;
    CU_ASSERT(matches(normal, usage));
    CU_ASSERT(!matches(high, usage));
    CU_ASSERT(!matches(normal, low));
    CU_ASSERT(matches(high, critical));
}

static void tells_local_from_remote(void)
{
    weft_filter local = {.origin = WEFT_ORIGIN_LOCAL}, remote = {.origin = WEFT_ORIGIN_REMOTE};
    CU_ASSERT(weft_filter_matches(&local, &usage, WEFT_ORIGIN_LOCAL));
    CU_ASSERT(!weft_filter_matches(&local, &usage, WEFT_ORIGIN_REMOTE));
    CU_ASSERT(weft_filter_matches(&remote, &usage, WEFT_ORIGIN_REMOTE));
    CU_ASSERT(!weft_filter_matches(&remote, &usage, WEFT_ORIGIN_LOCAL));
}

static bool count_and_refuse(const weft_event *event, void *user)
{
    (void)event;
    ++*(int *)user;
    return false;
}

static void the_predicate_is_asked_last(void)
{
    int asked = 0;
    weft_filter filter = {
        .topics = WEFT_TOPIC_COST, .session_id = "s", .predicate = count_and_refuse, .predicate_user = &asked};
    CU_ASSERT(!matches(filter, tool_start));
    CU_ASSERT(!matches(filter, usage));
    CU_ASSERT_EQUAL(asked, 0);
    weft_event event = usage;
    event.session_id = "s";
    CU_ASSERT(!matches(filter, event));
    CU_ASSERT_EQUAL(asked, 1);
}

static void knows_the_topics_it_can_match(void)
{
    weft_event_type types[] = {WEFT_TOOL_CALL_END, WEFT_TOKEN_USAGE};
    weft_filter by_types = {.types = types, .type_count = 2};
    weft_filter by_both = {.topics = WEFT_TOPIC_COST | WEFT_TOPIC_LLM, .types = types, .type_count = 2};
    CU_ASSERT_EQUAL(weft_filter_topics(&by_types), WEFT_TOPIC_TOOL | WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(weft_filter_topics(&by_both), WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(weft_filter_topics(&(weft_filter){0}), weft_filter_topics(NULL));
    CU_ASSERT_EQUAL(weft_filter_topics(NULL), WEFT_TOPIC_TOOL | WEFT_TOPIC_LLM | WEFT_TOPIC_AGENT | WEFT_TOPIC_SESSION |
                                                  WEFT_TOPIC_COST | WEFT_TOPIC_SYSTEM | WEFT_TOPIC_CUSTOM |
                                                  WEFT_TOPIC_DELTA);
}

/* ---- the compiled form ---- */

static unsigned dice_state = 1;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 16) % sides;
}

static const char *word(void)
{
    static const char *const words[] = {NULL, "", "a", "b", "ab"};
    return words[dice(5)];
}

static const char *const tag_words[] = {"x", "y", "z", "x"};

static bool text_matches(const weft_event *event, weft__ask ask, const weft__symbol *symbol)
{
    const char *text;
    memcpy(&text, (const char *)event + weft__ask_text_at(ask), sizeof text);
    return weft__symbol_matches(symbol, text);
}

static bool compiled_matches(const weft__filter *filter, const weft_event *event, weft_origin origin)
{
    const weft__conditions *conditions = filter->conditions;
    if (!weft__type_set_has(&filter->types, event->type))
        return false;
    weft__symbol *const *symbol = conditions != NULL ? conditions->symbols : NULL;
    for (unsigned ask = 0; conditions != NULL && ask < WEFT__ASK_COUNT; ask++)
        if ((conditions->asks >> ask & 1) != 0 && !text_matches(event, (weft__ask)ask, *symbol++))
            return false;
    return conditions == NULL || weft__conditions_hold(conditions, event, origin);
}

static void random_filter(weft_filter *filter, weft_event_type *types)
{
    static const char *const globs[] = {NULL, "", "*", "a*", "?", "*b"};
    *filter = (weft_filter){.type_count = dice(3), .types = types, .source = globs[dice(6)]};
    for (size_t i = 0; i < filter->type_count; i++)
        types[i] = (weft_event_type)(1 + dice(WEFT_EVENT_TYPE_COUNT - 1));
    if (dice(2) != 0)
        filter->topics = dice(256) << 1;
    if (dice(3) == 0)
        filter->session_id = word();
    if (dice(4) == 0)
        filter->node = word();
    filter->tags_required = tag_words + dice(2);
    filter->tags_required_count = dice(3) / 2;
    filter->tags_excluded = tag_words + 1;
    filter->tags_excluded_count = dice(3) / 2;
    filter->min_priority = (weft_priority)(dice(4) == 0 ? dice(5) : 0);
    filter->origin = (weft_origin)dice(3);
}

static void random_event(weft_event *event)
{
    *event = (weft_event){.type = (weft_event_type)(1 + dice(WEFT_EVENT_TYPE_COUNT - 1)),
                          .session_id = word(),
                          .source = word(),
                          .priority = (weft_priority)dice(5),
                          .tags = tag_words + dice(2),
                          .tag_count = dice(3)};
    event->id.node = word();
}

static void compiled_and_plain_agree(void)
{
    unsigned matched = 0;
    weft__symbols symbols;
    CU_ASSERT_EQUAL_FATAL(weft__symbols_init(&symbols), WEFT_OK);
    for (int round = 0; round < 2000; round++) {
        weft_event_type types[3];
        weft_filter filter;
        random_filter(&filter, types);
        weft__filter compiled;
        CU_ASSERT_EQUAL_FATAL(weft__filter_init(&compiled, &filter, &symbols), WEFT_OK);
        CU_ASSERT_EQUAL(compiled.topics, weft_filter_topics(&filter));
        for (int i = 0; i < 50; i++) {
            weft_event event;
            random_event(&event);
            weft_origin origin = dice(2) != 0 ? WEFT_ORIGIN_LOCAL : WEFT_ORIGIN_REMOTE;
            bool plain = weft_filter_matches(&filter, &event, origin);
            CU_ASSERT_EQUAL(compiled_matches(&compiled, &event, origin), plain);
            matched += plain;
        }
        weft__filter_fini(&compiled, &symbols);
    }
    CU_ASSERT(matched > 1000);
    weft__symbols_fini(&symbols);
}

static void compiled_owns_its_strings(void)
{
    char session[] = "s1", tag[] = "red", source[] = "a*";
    const char *tags[] = {tag};
    weft__filter compiled;
    weft__symbols symbols;
    CU_ASSERT_EQUAL_FATAL(weft__symbols_init(&symbols), WEFT_OK);
    weft_filter filter = {.session_id = session, .source = source, .tags_required = tags, .tags_required_count = 1};
    CU_ASSERT_EQUAL_FATAL(weft__filter_init(&compiled, &filter, &symbols), WEFT_OK);
    memset(session, 'x', 2);
    memset(tag, 'x', 3);
    memset(source, 'x', 2);
    tags[0] = NULL;
    const char *event_tags[] = {"red"};
    weft_event event = {
        .type = WEFT_TOKEN_USAGE, .session_id = "s1", .source = "abc", .tags = event_tags, .tag_count = 1};
    CU_ASSERT(compiled_matches(&compiled, &event, WEFT_ORIGIN_LOCAL));
    weft__filter_fini(&compiled, &symbols);
    weft__symbols_fini(&symbols);
}

static void filters_that_ask_alike_share_their_texts(void)
{
    weft__symbols symbols;
    weft__filter a, b;
    CU_ASSERT_EQUAL_FATAL(weft__symbols_init(&symbols), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__filter_init(&a, &(weft_filter){.session_id = "s1"}, &symbols), WEFT_OK);
    CU_ASSERT_EQUAL_FATAL(weft__filter_init(&b, &(weft_filter){.session_id = "s1", .source = "s1"}, &symbols), WEFT_OK);
    CU_ASSERT_PTR_EQUAL(a.conditions->symbols[0], b.conditions->symbols[0]);
    CU_ASSERT_PTR_EQUAL(b.conditions->symbols[0], b.conditions->symbols[1]);
    weft__filter_fini(&a, &symbols);
    weft__filter_fini(&b, &symbols);
    weft__symbols_fini(&symbols);
}

static void refuses_what_is_no_filter(void)
{
    const char *tags[WEFT_TAGS_MAX + 1] = {NULL};
    weft_event_type none[] = {WEFT_EVENT_NONE}, beyond[] = {WEFT_EVENT_TYPE_COUNT};
    weft_filter wrong[] = {
        {.topics = 1},
        {.topics = 1u << 31},
        {.types = none, .type_count = 1},
        {.types = beyond, .type_count = 1},
        {.types = NULL, .type_count = 1},
        {.min_priority = (weft_priority)5},
        {.origin = (weft_origin)3},
        {.tags_required = tags, .tags_required_count = 1},
        {.tags_excluded = NULL, .tags_excluded_count = 1},
        {.tags_excluded = tags, .tags_excluded_count = WEFT_TAGS_MAX + 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        weft__filter compiled;
        CU_ASSERT_EQUAL(weft__filter_init(&compiled, &wrong[i], NULL), WEFT_INVALID);
    }
}

SUITE(core_filter, CASE(a_zeroed_filter_wants_everything), CASE(wants_only_its_topics), CASE(wants_only_its_types),
      CASE(compares_each_context_field), CASE(an_empty_string_is_no_condition), CASE(source_is_a_glob),
      CASE(tags_are_required_and_excluded), CASE(an_unset_priority_counts_as_normal), CASE(tells_local_from_remote),
      CASE(the_predicate_is_asked_last), CASE(knows_the_topics_it_can_match), CASE(compiled_and_plain_agree),
      CASE(compiled_owns_its_strings), CASE(filters_that_ask_alike_share_their_texts), CASE(refuses_what_is_no_filter))
